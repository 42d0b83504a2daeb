//! Appending to a journal.

use crate::durable;
use crate::header::join;
use crate::identity::Identity;
use crate::io::{Disk, DiskFile, Syncer};
use crate::journal::error::JournalError;
use crate::journal::file::{FileHeader, HEADER_LEN, JournalFile, path_of};
use crate::journal::record::{
    BACK_LEN, BLOCK_END_LEN, BLOCK_START_LEN, ENTRIES_START_LEN, EntryPart, FRONT_LEN, KIND_BLOCK,
    KIND_UNWIND, RecordFront, WITH_ENTRIES, WITH_TAGS, block_end, block_start, entries_start,
    record_back,
};
use crate::journal::recover::Recovered;
use crate::journal::state::{Contradiction, JournalState, STATE_LEN};
use crate::tag::{NO_TAG, Tag};
use alloy_primitives::B256;
use crc32c::crc32c_append;
use qmtree_proofs::{Head, PAYLOAD_LEN};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SYNC: &str = "sync the journal";

/// Appends records to the newest file of a journal.
///
/// A block is appended in two steps, so that hashing can run beside the larger one:
/// [`begin_block`](Self::begin_block) writes the payloads, [`finish_block`](Self::finish_block) the
/// head. It exists after the second, and survives a power loss after the next [`sync`](Self::sync).
///
/// After a write or sync that failed, every method that writes returns [`JournalError::Poisoned`]:
/// nobody knows what the disk holds then, and a sync that failed must not be tried again. Open the
/// database again to recover. The same holds after a block that was begun and not finished.
#[derive(Debug)]
pub struct JournalWriter {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    identity: Identity,
    /// Older files, oldest first.
    older: Vec<JournalFile>,
    newest: JournalFile,
    file: Box<dyn DiskFile>,
    file_len: u64,
    /// What the checksums of the newest file start from.
    salt: u32,
    state: JournalState,
    next_seq: u64,
    durable_seq: u64,
    open_block: Option<OpenBlock>,
    /// True if a record was appended after the last that says that all before it were synced.
    unattested: bool,
    poisoned: bool,
}

/// A sync of the journal, to be done on any thread.
pub struct JournalSync {
    sync: Syncer,
    path: PathBuf,
    synced: SyncedRecords,
}

/// Records that were synced: all before one.
#[derive(Clone, Copy, Debug)]
pub struct SyncedRecords(u64);

impl JournalSync {
    /// Syncs.
    ///
    /// # Errors
    /// [`JournalError::Io`]. Then the next sync of the journal fails too, and the writer must not
    /// go on.
    pub fn run(self) -> Result<SyncedRecords, JournalError> {
        (self.sync)().map_err(JournalError::io(&self.path, SYNC))?;
        Ok(self.synced)
    }
}

impl fmt::Debug for JournalSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JournalSync").field(&self.synced).finish()
    }
}

/// A block whose payloads are written.
#[derive(Debug)]
struct OpenBlock {
    leaves: usize,
    entries: usize,
    /// Of the body so far.
    checksum: u32,
}

impl JournalWriter {
    /// Makes the folder and the first file of a journal, durably.
    ///
    /// # Errors
    /// [`JournalError::Io`], also if the file is there; [`JournalError::Refused`] if `base` is not a
    /// state of a database of this identity.
    pub fn create(
        disk: Arc<dyn Disk>,
        folder: &Path,
        identity: Identity,
        first_seq: u64,
        base: JournalState,
    ) -> Result<Self, JournalError> {
        durable::create_folder(&*disk, folder)
            .map_err(JournalError::io(folder, "make the folder of the journal"))?;
        let salt = disk.salt();
        let header = FileHeader {
            identity,
            first_seq,
            base,
            salt,
        };
        let (newest, file) = create_file(&*disk, folder, header)?;
        Ok(Self {
            disk,
            folder: folder.to_path_buf(),
            identity,
            older: Vec::new(),
            newest,
            file,
            file_len: HEADER_LEN as u64,
            salt,
            state: base,
            next_seq: first_seq,
            durable_seq: first_seq,
            open_block: None,
            unattested: false,
            poisoned: false,
        })
    }

    /// Opens the newest file of a journal that was just recovered: cuts off what a crash left, and
    /// makes all that was recovered durable.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn resume(disk: Arc<dyn Disk>, recovered: Recovered) -> Result<Self, JournalError> {
        let Recovered {
            folder,
            identity,
            mut files,
            state,
            next_seq,
            valid_len,
            salt,
            file_len,
            ..
        } = recovered;
        let Some(newest) = files.pop() else {
            return Err(JournalError::Missing { folder });
        };
        let path = &newest.path;
        let open = JournalError::io(path, "open the journal file");
        let mut file = disk.open_append(path).map_err(open)?;
        if file_len > valid_len {
            let cut = JournalError::io(path, "cut the tail off the journal file");
            file.truncate(valid_len).map_err(cut)?;
        }
        // Records that were read may still be on their way to the disk, and so may the file's name.
        file.sync().map_err(JournalError::io(path, SYNC))?;
        disk.sync_dir(&folder)
            .map_err(JournalError::io(&folder, "sync the folder of the journal"))?;
        Ok(Self {
            disk,
            folder,
            identity,
            older: files,
            newest,
            file,
            file_len: valid_len,
            salt,
            state,
            next_seq,
            durable_seq: next_seq,
            open_block: None,
            unattested: false,
            poisoned: false,
        })
    }

    /// Appends the first part of a block: all but the head. The block starts where the log ends, at
    /// the leaf count and the last leaf hash of [`state`](Self::state).
    ///
    /// `tags` has the tag of each leaf's transaction, or is empty where no leaf has one.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]; [`JournalError::Io`].
    ///
    /// # Panics
    /// If there are tags, but not one for each leaf, or none that is not [`NO_TAG`].
    pub fn begin_block(
        &mut self,
        payloads: &[[u8; PAYLOAD_LEN]],
        tags: &[Tag],
    ) -> Result<(), JournalError> {
        self.begin_block_with(payloads, tags, EntryPart::default())
    }

    /// [`begin_block`](Self::begin_block) with what the block appends to the state log.
    ///
    /// # Errors
    /// As [`begin_block`](Self::begin_block).
    ///
    /// # Panics
    /// As [`begin_block`](Self::begin_block); also if there are values and no entries.
    pub fn begin_block_with(
        &mut self,
        payloads: &[[u8; PAYLOAD_LEN]],
        tags: &[Tag],
        entries: EntryPart<'_>,
    ) -> Result<(), JournalError> {
        let EntryPart { entries, values } = entries;
        assert!(
            values.is_empty() || !entries.is_empty(),
            "values are those of entries"
        );
        let is_one_each = tags.len() == payloads.len() && tags.iter().any(|tag| *tag != NO_TAG);
        assert!(tags.is_empty() || is_one_each, "one tag for each leaf");
        self.check_ready()?;
        let JournalState {
            head,
            last_leaf_hash,
            ..
        } = self.state;
        let (leaves, payloads) = (payloads.len(), payloads.as_flattened());
        let with_tags = if tags.is_empty() { 0 } else { WITH_TAGS };
        let with_entries = if entries.is_empty() { 0 } else { WITH_ENTRIES };
        let tags = tags.as_flattened();
        let counts: [u8; ENTRIES_START_LEN] =
            entries_start(entries.len() as u64, values.len() as u64);
        let counts = if entries.is_empty() { &[][..] } else { &counts };
        let (entry_count, entries) = (entries.len(), entries.as_flattened());
        let length = BLOCK_START_LEN + payloads.len() + tags.len() + BLOCK_END_LEN;
        let length = length + counts.len() + entries.len() + values.len();
        let front = self.front(KIND_BLOCK | with_tags | with_entries, length);
        let start = block_start(head.leaf_count, leaves as u64, last_leaf_hash);
        self.append(&[
            &join::<{ FRONT_LEN + BLOCK_START_LEN }>(&[&front, &start]),
            payloads,
            tags,
            counts,
            entries,
            values,
        ])?;
        let parts = [&start, payloads, tags, counts, entries, values];
        let checksum = parts.into_iter().fold(self.salt, crc32c_append);
        self.open_block = Some(OpenBlock {
            leaves,
            entries: entry_count,
            checksum,
        });
        Ok(())
    }

    /// Appends the rest of the block: the head after it, and the hash of its last leaf, or of the
    /// last one before it if it has none. The block exists when this returns.
    ///
    /// # Errors
    /// [`JournalError::Refused`] if the head is not one that can follow, after which the writer is
    /// poisoned; [`JournalError::Poisoned`]; [`JournalError::Io`].
    ///
    /// # Panics
    /// If no block was begun.
    pub fn finish_block(&mut self, head: &Head, last_leaf_hash: B256) -> Result<(), JournalError> {
        self.check_not_poisoned()?;
        let OpenBlock {
            leaves,
            entries,
            checksum,
        } = self
            .open_block
            .take()
            .expect("finish_block comes after begin_block");
        let next = self
            .state
            .after_block(leaves, entries, *head, last_leaf_hash)
            .map_err(|error| {
                // The first part is in the file already.
                self.poisoned = true;
                self.refused(error)
            })?;
        let end = block_end(head, last_leaf_hash);
        let back = record_back(crc32c_append(checksum, &end));
        self.append(&[&join::<{ BLOCK_END_LEN + BACK_LEN }>(&[&end, &back])])?;
        self.advance(next);
        Ok(())
    }

    /// Appends an unwind: `next` is the state after it.
    ///
    /// # Errors
    /// [`JournalError::Refused`] if `next` does not lie before the state now;
    /// [`JournalError::Poisoned`]; [`JournalError::Io`].
    pub fn append_unwind(&mut self, next: JournalState) -> Result<(), JournalError> {
        self.check_ready()?;
        let next = self
            .state
            .after_unwind(next)
            .map_err(|error| self.refused(error))?;
        let body = next.to_bytes();
        let front = self.front(KIND_UNWIND, body.len());
        let record = join::<{ FRONT_LEN + STATE_LEN + BACK_LEN }>(&[
            &front,
            &body,
            &record_back(crc32c_append(self.salt, &body)),
        ]);
        self.append(&[&record])?;
        self.advance(next);
        Ok(())
    }

    /// Makes all records durable. Costs nothing if they are.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]; [`JournalError::Io`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check_ready()?;
        if self.durable_seq < self.next_seq {
            let synced = self.file.sync();
            self.poison_unless(synced, SYNC)?;
            self.durable_seq = self.next_seq;
        }
        Ok(())
    }

    /// A sync that another thread may do meanwhile: of all records until now. `None` if they are
    /// durable, which on a disk without such syncs they are on return.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]; [`JournalError::Io`].
    pub fn sync_later(&mut self) -> Result<Option<JournalSync>, JournalError> {
        self.check_ready()?;
        if self.is_durable() {
            return Ok(None);
        }
        let Some(sync) = self.file.syncer() else {
            self.sync()?;
            return Ok(None);
        };
        let (path, next_seq) = (self.newest.path.clone(), self.next_seq);
        Ok(Some(JournalSync {
            sync,
            path,
            synced: SyncedRecords(next_seq),
        }))
    }

    /// Takes note of a sync that was [done later](Self::sync_later).
    pub fn note_synced(&mut self, synced: SyncedRecords) {
        self.durable_seq = self.durable_seq.max(synced.0);
    }

    /// Makes all records durable, and appends one that says so: an unwind to the head itself.
    ///
    /// From then on damage of any of them is told from a crash. Does nothing if the last record
    /// says so already, or if nothing was appended since the journal was opened.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]; [`JournalError::Io`].
    pub fn attest(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        if self.unattested {
            self.append_unwind(self.state)?;
            self.sync()?;
            self.unattested = false;
        }
        Ok(())
    }

    /// Syncs the newest file and starts another. Does nothing if the newest has no records.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]; [`JournalError::Io`].
    pub fn rotate(&mut self) -> Result<(), JournalError> {
        let Self {
            identity,
            next_seq: first_seq,
            state: base,
            ..
        } = *self;
        if first_seq == self.newest.first_seq {
            return self.sync();
        }
        self.check_ready()?;
        // An older file ends with its last record, and does so for good before there is a newer one.
        let cut = self.file.truncate(self.file_len);
        self.poison_unless(cut, "end the journal file")?;
        let synced = self.file.sync();
        self.poison_unless(synced, SYNC)?;
        self.durable_seq = self.next_seq;
        let salt = self.disk.salt();
        let header = FileHeader {
            identity,
            first_seq,
            base,
            salt,
        };
        let (newest, file) =
            create_file(&*self.disk, &self.folder, header).inspect_err(|_| self.poisoned = true)?;
        self.older.push(std::mem::replace(&mut self.newest, newest));
        self.file = file;
        self.file_len = HEADER_LEN as u64;
        self.salt = salt;
        Ok(())
    }

    /// Unlinks old files of which the log never had more than so many leaves, nor the state log
    /// more than so many entries, and returns how many. The newest stays.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]; [`JournalError::Io`].
    pub fn remove_until(
        &mut self,
        leaf_count: u64,
        entry_count: u64,
    ) -> Result<usize, JournalError> {
        self.check_ready()?;
        let is_needed = |file: &JournalFile| {
            file.max_leaf_count > leaf_count || file.max_entry_count > entry_count
        };
        let count = self
            .older
            .iter()
            .position(is_needed)
            .unwrap_or(self.older.len());
        // Oldest first, each for good before the next, so that no crash leaves a gap.
        for file in self.older.drain(..count) {
            if let Err(source) = durable::remove(&*self.disk, &file.path) {
                self.poisoned = true;
                return Err(JournalError::io(&file.path, "unlink the journal file")(
                    source,
                ));
            }
        }
        Ok(count)
    }

    /// The state after the last record.
    #[must_use]
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// Bytes of the newest file.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Number of the first record of the newest file.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.newest.first_seq
    }

    /// Number that the next record will have.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// All records with smaller numbers than this are durable.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// True if all records are durable.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.durable_seq == self.next_seq
    }

    /// The files, oldest first.
    pub fn files(&self) -> impl Iterator<Item = &JournalFile> {
        self.older.iter().chain([&self.newest])
    }

    fn front(&self, kind: u32, length: usize) -> [u8; FRONT_LEN] {
        let (seq, durable, length) = (self.next_seq, self.durable_seq, length as u64);
        RecordFront {
            kind,
            seq,
            durable,
            length,
        }
        .to_bytes(self.salt)
    }

    fn append(&mut self, parts: &[&[u8]]) -> Result<(), JournalError> {
        let appended = self.file.append_parts(parts);
        self.poison_unless(appended, "append to the journal")?;
        self.file_len += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        Ok(())
    }

    fn advance(&mut self, next: JournalState) {
        self.state = next;
        self.next_seq += 1;
        self.unattested = true;
        let leaves = next.head.leaf_count;
        self.newest.max_leaf_count = self.newest.max_leaf_count.max(leaves);
        let entries = next.head.entry_count;
        self.newest.max_entry_count = self.newest.max_entry_count.max(entries);
    }

    fn check_ready(&self) -> Result<(), JournalError> {
        if self.open_block.is_some() {
            return Err(JournalError::Poisoned {
                path: self.newest.path.clone(),
            });
        }
        self.check_not_poisoned()
    }

    fn check_not_poisoned(&self) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned {
                path: self.newest.path.clone(),
            });
        }
        Ok(())
    }

    fn poison_unless(
        &mut self,
        done: io::Result<()>,
        action: &'static str,
    ) -> Result<(), JournalError> {
        self.poisoned |= done.is_err();
        done.map_err(JournalError::io(&self.newest.path, action))
    }

    fn refused(&self, contradiction: Contradiction) -> JournalError {
        JournalError::Refused {
            path: self.newest.path.clone(),
            contradiction,
        }
    }
}

/// Makes the file that starts with this header, durably.
fn create_file(
    disk: &dyn Disk,
    folder: &Path,
    header: FileHeader,
) -> Result<(JournalFile, Box<dyn DiskFile>), JournalError> {
    let FileHeader {
        identity,
        first_seq,
        base,
        ..
    } = header;
    let path = path_of(folder, first_seq);
    base.check(identity)
        .map_err(|contradiction| JournalError::Refused {
            path: path.clone(),
            contradiction,
        })?;
    let file = durable::create(disk, &path, |file| file.append(&header.to_bytes()))
        .map_err(JournalError::io(&path, "make the journal file"))?;
    Ok((
        JournalFile {
            path,
            first_seq,
            max_leaf_count: base.head.leaf_count,
            max_entry_count: base.head.entry_count,
        },
        file,
    ))
}
