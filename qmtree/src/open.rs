//! From files to a state: what create writes, and what open reads and repairs.

use crate::error::Error;
use crate::state::State;
use crate::state_log::StateLog;
use crate::tail::Leaves;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{Compaction, Entry, EntryId};
use qmtree_proofs::{Digest, Head, LEAF_LEN, TreeHasher};
use qmtree_storage::snapshot::{IMPORT_FILE, end_import};
use qmtree_storage::{
    BlockEnd, Disk, EntryPart, HeaderError, Identity, JOURNAL_FOLDER, JournalRecord, JournalState,
    JournalWriter, LOCK_FILE, Recovered, SEGMENTS_FOLDER, Segment, create_folder,
    list_entry_segments, list_segments, lock_database, open_state_keys, read_database_header,
    read_database_rules, recover, remove_temporary_files, write_database_header_with,
};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where an open database is.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) identity: Identity,
    pub(crate) journal: PathBuf,
    pub(crate) segments: PathBuf,
    pub(crate) dir: PathBuf,
}

/// What the files say.
#[derive(Debug)]
pub(crate) struct RecoveredState {
    pub(crate) state: State,
    pub(crate) journal: Recovered,
    /// Files that a crash left and that no database needs.
    pub(crate) orphans: Vec<PathBuf>,
}

impl Opened {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path, identity: Identity) -> Self {
        let (journal, segments) = (dir.join(JOURNAL_FOLDER), dir.join(SEGMENTS_FOLDER));
        Self {
            disk,
            identity,
            journal,
            segments,
            dir: dir.to_path_buf(),
        }
    }

    /// Removes what a crash left behind.
    pub(crate) fn remove_orphans(&self, orphans: &[PathBuf]) -> Result<(), Error> {
        let failed = |path: &Path, source| Error::Io {
            path: path.to_path_buf(),
            action: "remove what a crash left",
            source,
        };
        // What was listed may itself not be durable yet; nothing may go before what replaces it.
        for folder in [&self.dir, &self.segments] {
            self.disk
                .sync_dir(folder)
                .map_err(|source| failed(folder, source))?;
        }
        for path in orphans {
            self.disk
                .remove(path)
                .map_err(|source| failed(path, source))?;
        }
        if !orphans.is_empty() {
            self.disk
                .sync_dir(&self.segments)
                .map_err(|source| failed(&self.segments, source))?;
        }
        // An import has come to its end when it has made the database.
        if self.disk.exists(&self.dir.join(IMPORT_FILE)) {
            end_import(&*self.disk, &self.dir)?;
        }
        for folder in [&self.journal, &self.dir] {
            remove_temporary_files(&*self.disk, folder).map_err(|source| failed(folder, source))?;
        }
        Ok(())
    }
}

/// Makes the files of an empty database. The header comes last: where it is, there is a database.
pub(crate) fn create_files(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    identity: Identity,
    compaction: Compaction,
) -> Result<(), Error> {
    let failed = |source| Error::Io {
        path: dir.to_path_buf(),
        action: "create",
        source,
    };
    check_absent(&**disk, dir)?;
    let opened = Opened::new(Arc::clone(disk), dir, identity);
    if disk.exists(dir) && !is_unfinished(&**disk, &opened).map_err(failed)? {
        return Err(not_empty(dir));
    }
    create_folder(&**disk, dir).map_err(failed)?;
    let _lock = lock_database(&**disk, dir)?;
    // Another process may have been at it until the lock was had.
    check_absent(&**disk, dir)?;
    for folder in [&opened.segments, &opened.journal] {
        create_folder(&**disk, folder).map_err(failed)?;
        for name in disk.list(folder).map_err(failed)? {
            disk.remove(&folder.join(name)).map_err(failed)?;
        }
    }
    let base = JournalState::empty(identity);
    JournalWriter::create(Arc::clone(disk), &opened.journal, identity, 0, base)?;
    write_database_header_with(&**disk, dir, identity, compaction)?;
    Ok(())
}

/// Reads what database there is in a folder.
pub(crate) fn identity_of(disk: &dyn Disk, dir: &Path) -> Result<Identity, Error> {
    read_database_header(disk, dir).map_err(|error| match disk.exists(&dir.join(IMPORT_FILE)) {
        true => Error::Unimported {
            path: dir.to_path_buf(),
        },
        false => error.into(),
    })
}

fn not_empty(dir: &Path) -> Error {
    Error::NotEmpty {
        path: dir.to_path_buf(),
    }
}

/// Refuses a folder that has a database header, or that is no folder.
fn check_absent(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    match read_database_header(disk, dir) {
        Ok(_) => Err(not_empty(dir)),
        Err(HeaderError::NoDatabase { .. }) => match disk.list(dir) {
            Err(error) if error.kind() == ErrorKind::NotADirectory => Err(not_empty(dir)),
            _ => Ok(()),
        },
        Err(error) => Err(error.into()),
    }
}

/// True if the folder holds nothing but what a creation that a crash cut off may have left: at most
/// the first journal file without a record. A database that lost its header is not taken for one.
fn is_unfinished(disk: &dyn Disk, opened: &Opened) -> std::io::Result<bool> {
    let Opened {
        journal,
        segments,
        dir,
        ..
    } = opened;
    let ours = [JOURNAL_FOLDER, SEGMENTS_FOLDER, "qmtree.db.tmp", LOCK_FILE];
    if disk
        .list(dir)?
        .iter()
        .any(|name| !ours.iter().any(|known| name == Path::new(known)))
    {
        return Ok(false);
    }
    if disk.exists(segments) && !disk.list(segments)?.is_empty() {
        return Ok(false);
    }
    if !disk.exists(journal) {
        return Ok(true);
    }
    for name in disk.list(journal)? {
        let first = ["0000000000000000.qmj", "0000000000000000.qmj.tmp"];
        let is_first = first.iter().any(|known| name == Path::new(known));
        if !is_first || disk.read(&journal.join(name))?.len() > JOURNAL_HEADER_LEN {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bytes of a journal file without records (docs/FORMAT.md, section 6.1).
const JOURNAL_HEADER_LEN: usize = 256;

/// Reads segments and journal; changes nothing.
pub(crate) fn recover_state(opened: &Opened) -> Result<RecoveredState, Error> {
    match recover_with(opened, true) {
        // Maybe the file of keys belongs to another log. The entries themselves will tell.
        Err(
            Error::CheckState { .. }
            | Error::BadEntry { .. }
            | Error::NoSuchEntry { .. }
            | Error::MissingValue { .. },
        ) => recover_with(opened, false),
        recovered => recovered,
    }
}

/// The same, with the keys of the state log from their file or from the entries.
fn recover_with(opened: &Opened, use_keys: bool) -> Result<RecoveredState, Error> {
    let Opened { disk, identity, .. } = opened;
    let Identity {
        chain_id,
        profile,
        scheme,
    } = *identity;
    let hasher = Hasher::new(profile);
    let listing = list_segments(&**disk, &opened.segments, *identity)?;
    let mut replay = Replay {
        state: State::empty(Head::empty(chain_id, profile, scheme)),
        hasher,
        sealed_end: [0; 32],
        blocks: Vec::new(),
        entries: Vec::new(),
    };
    let (_, compaction) = read_database_rules(&**disk, &opened.dir)?;
    let entry_listing = list_entry_segments(&**disk, &opened.segments, *identity)?;
    let entry_segments: Vec<_> = entry_listing.segments.into_iter().map(Arc::new).collect();
    let twigs = entry_segments.last().map_or(0, |last| last.twigs().end.0);
    let keys = use_keys.then(|| open_state_keys(&**disk, &opened.segments, *identity, twigs));
    let keys = keys.flatten();
    replay.state.state_log = StateLog::from_segments(entry_segments, keys.as_ref(), compaction)?;
    replay.load(listing.segments);
    let journal = recover(&**disk, &opened.journal, *identity, |_, record| {
        replay.check_place(opened, &record)?;
        replay.apply(&record);
        Ok::<(), Error>(())
    })?;
    let journal_start = journal.base.head.leaf_count;
    replay.check_start(opened, journal_start)?;
    let sealed = replay.state.state_log.sealed_entries();
    if journal.base.head.entry_count > sealed {
        return Err(Error::MissingEntries {
            path: opened.dir.clone(),
            journal: journal.base.head.entry_count,
            sealed,
        });
    }
    let state = replay.finish(opened, &journal.state)?;
    Ok(RecoveredState {
        state,
        journal,
        orphans: [listing.orphans, entry_listing.orphans].concat(),
    })
}

/// The state while journal records are applied to it.
#[derive(Debug)]
struct Replay {
    state: State,
    hasher: Hasher,
    /// Hash of the last sealed leaf.
    sealed_end: Digest,
    /// Blocks that no segment lists, by number.
    blocks: Vec<(u64, BlockEnd)>,
    /// Entries of the state log that are not sealed, by block, oldest first.
    entries: Vec<BlockEntries>,
}

/// What a block appended to the state log.
#[derive(Debug)]
struct BlockEntries {
    /// Id of the first entry.
    first: u64,
    entries: Vec<[u8; LEAF_LEN]>,
    /// Values, each with the place of its entry in the block.
    values: Vec<(u32, Arc<[u8]>)>,
}

impl Replay {
    fn load(&mut self, segments: Vec<Segment>) {
        let upper = Arc::make_mut(&mut self.state.upper);
        let sealed = Arc::make_mut(&mut self.state.sealed);
        for segment in segments {
            segment
                .twig_roots()
                .iter()
                .for_each(|root| upper.push(&self.hasher, *root));
            self.sealed_end = segment.end();
            sealed.push(Arc::new(segment));
        }
        self.state.last_leaf_hash = self.sealed_end;
    }

    /// Before any leaf of a record is hashed: there must be nothing between it and the leaves that
    /// are here.
    fn check_place(&self, opened: &Opened, record: &JournalRecord<'_>) -> Result<(), Error> {
        match *record {
            JournalRecord::Block { first_tx_num, .. } => self.check_start(opened, first_tx_num),
            JournalRecord::Unwind { .. } => Ok(()),
        }
    }

    fn check_start(&self, opened: &Opened, journal: u64) -> Result<(), Error> {
        let sealed = self.state.sealed_leaves();
        if journal <= self.state.head.leaf_count.max(sealed) {
            return Ok(());
        }
        Err(Error::MissingLeaves {
            path: opened.dir.clone(),
            journal,
            sealed,
        })
    }

    fn apply(&mut self, record: &JournalRecord<'_>) {
        match *record {
            JournalRecord::Block {
                first_tx_num,
                payloads,
                tags,
                entries,
                head,
                ..
            } => {
                self.keep_entries(head.entry_count, entries);
                let sealed = self.state.sealed_leaves();
                let skip = usize::try_from(sealed.saturating_sub(first_tx_num));
                let skip = skip.unwrap_or(usize::MAX);
                let payloads = payloads.get(skip..).unwrap_or_default();
                let mut hashes = vec![[0; 32]; payloads.len()];
                let last = self.state.last_leaf_hash;
                self.state.last_leaf_hash = self.hasher.chain_leaves(last, payloads, &mut hashes);
                let leaves = Leaves {
                    payloads,
                    tags: tags.get(skip..).unwrap_or_default(),
                    hashes: &hashes,
                };
                self.state.append(&self.hasher, leaves);
                if head.block_number >= self.state.sealed.blocks_end() {
                    self.blocks.push((head.block_number, block_end(&head)));
                }
            }
            JournalRecord::Unwind {
                head,
                last_leaf_hash,
                any_block,
            } => {
                let sealed = self.state.sealed_leaves();
                self.state.truncate(head.leaf_count.max(sealed));
                let in_tail = head.leaf_count > sealed;
                self.state.last_leaf_hash = if in_tail {
                    last_leaf_hash.0
                } else {
                    self.sealed_end
                };
                self.blocks
                    .retain(|(number, _)| any_block && *number <= head.block_number);
                self.entries.retain(|block| block.first < head.entry_count);
                // Blocks are unwound whole.
                debug_assert!(self.entries.last().is_none_or(|block| {
                    block.first + block.entries.len() as u64 <= head.entry_count
                }));
            }
        }
    }

    /// Keeps the entries of a block until it is known whether a later record unwinds it.
    fn keep_entries(&mut self, end: u64, part: EntryPart<'_>) {
        if part.entries.is_empty() || end <= self.state.state_log.sealed_entries() {
            return;
        }
        self.entries.push(BlockEntries {
            first: end.saturating_sub(part.entries.len() as u64),
            entries: part.entries.to_vec(),
            values: part
                .values()
                .map(|(at, value)| (at, value.into()))
                .collect(),
        });
    }

    /// Appends the entries of all blocks that are left.
    fn append_kept(&mut self) -> Result<(), Error> {
        for block in std::mem::take(&mut self.entries) {
            self.append_entries(&block)?;
        }
        Ok(())
    }

    fn append_entries(&mut self, block: &BlockEntries) -> Result<(), Error> {
        let mut values = block.values.iter().peekable();
        let sealed = self.state.state_log.sealed_entries();
        let numbered = block.entries.iter().zip((block.first..).map(EntryId));
        for ((bytes, entry_id), place) in numbered.zip(0u32..) {
            let log = &mut self.state.state_log;
            let entry =
                Entry::from_bytes(bytes).map_err(|source| Error::Entry { entry_id, source })?;
            let value = values.next_if(|(known, _)| *known == place);
            let value = value.map(|(_, value)| Arc::clone(value));
            if entry_id.0 < sealed {
                continue;
            }
            let is_next = entry_id.0 == log.entry_count();
            if !is_next || value.as_ref().is_some_and(|value| !entry.holds(value)) {
                return Err(Error::BadEntry { entry_id });
            }
            log.push(&entry, value)?;
        }
        Ok(())
    }

    /// Compares what was replayed with what the journal says it is.
    fn finish(mut self, opened: &Opened, end: &JournalState) -> Result<State, Error> {
        self.append_kept()?;
        let mut state = self.state;
        let differs = |what| {
            let tx_num = qmtree_proofs::TxNum(end.head.leaf_count.saturating_sub(1));
            Error::Check { what, tx_num }
        };
        if state.head.leaf_count.max(state.sealed_leaves()) != end.head.leaf_count {
            let (journal, sealed) = (end.head.leaf_count, state.sealed_leaves());
            let path = opened.dir.clone();
            return Err(Error::MissingLeaves {
                path,
                journal,
                sealed,
            });
        }
        state.head.leaf_count = end.head.leaf_count;
        let listed = state.sealed.blocks_end();
        let first_unlisted = self
            .blocks
            .first()
            .map_or(end.head.block_number.wrapping_add(1), |b| b.0);
        if listed > 0 && first_unlisted != listed {
            return Err(differs("the first block that no segment lists"));
        }
        if state.last_leaf_hash != end.last_leaf_hash.0 {
            return Err(differs("the last leaf hash"));
        }
        if end.head.leaf_count > 0 && state.root(&self.hasher)? != end.head.root {
            return Err(differs("the root"));
        }
        let state_root = state.state_log.root(&self.hasher)?;
        if (state.state_log.entry_count(), state_root)
            != (end.head.entry_count, end.head.state_root)
        {
            return Err(Error::CheckState { what: "the root" });
        }
        let blocks = self.blocks.into_iter().map(|(_, end)| end).collect();
        Ok(State {
            head: end.head,
            any_block: end.any_block,
            blocks,
            ..state
        })
    }
}

/// What the block table says of the block that ends at this head.
pub(crate) fn block_end(head: &Head) -> BlockEnd {
    let Head {
        leaf_count,
        root,
        entry_count,
        state_root,
        ..
    } = *head;
    BlockEnd {
        leaf_count,
        root,
        entry_count,
        state_root,
    }
}
