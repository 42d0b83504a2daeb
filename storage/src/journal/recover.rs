//! Reading a journal from its oldest record to its newest, and telling where it ends.

use crate::identity::Identity;
use crate::io::Disk;
use crate::journal::error::{Damage, JournalError};
use crate::journal::file::{self, FileHeader, HEADER_LEN, JournalFile};
use crate::journal::record::{JournalRecord, WholeRecord};
use crate::journal::state::JournalState;
use crate::journal::tail::find_witness;
use std::path::{Path, PathBuf};

/// What [`recover`] found beside the records.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The folder of the journal.
    pub folder: PathBuf,
    /// Whose journal it is.
    pub identity: Identity,
    /// The files, oldest first; at least one.
    pub files: Vec<JournalFile>,
    /// The state before the first record of the oldest file.
    pub base: JournalState,
    /// The state after the last record.
    pub state: JournalState,
    /// Number that the next record will have.
    pub next_seq: u64,
    /// Bytes of the newest file up to the end of its last whole record.
    pub valid_len: u64,
    /// What a crash left behind the last whole record.
    pub torn_tail: Option<TornTail>,
    /// What the checksums of the newest file start from.
    pub(crate) salt: u32,
    /// Bytes of the newest file.
    pub(crate) file_len: u64,
}

/// Bytes behind the last whole record, not all of them zero. They were never synced, and the writer
/// cuts them off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The newest file.
    pub path: PathBuf,
    /// Where the tail begins.
    pub offset: u64,
    /// Bytes in it.
    pub len: u64,
}

/// Reads the journal in `folder`, and calls `visit` with the number and content of each record.
///
/// Changes nothing, so it is safe beside a writer in another process; what that one is appending may
/// then show as a torn tail. Memory: the largest file.
///
/// # Errors
/// [`JournalError`] if there is no journal, a header cannot be read, or something is damaged: what a
/// crash leaves is not an error. Whatever `visit` returns.
pub fn recover<E: From<JournalError>>(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
    mut visit: impl FnMut(u64, JournalRecord<'_>) -> Result<(), E>,
) -> Result<Recovered, E> {
    let paths = file::list(disk, folder)?;
    let mut files = paths.into_iter().peekable();
    let mut recovered: Option<Recovered> = None;
    while let Some((first_seq, path)) = files.next() {
        let newest = files.peek().is_none();
        let bytes = disk
            .read(&path)
            .map_err(JournalError::io(&path, "read the journal file"))?;
        let header = FileHeader::read(&path, &bytes, identity).map_err(JournalError::from)?;
        if header.first_seq != first_seq {
            let first_seq = header.first_seq;
            return Err(JournalError::Renamed { path, first_seq }.into());
        }
        let mut file = OpenFile::after(recovered.as_ref(), &path, header)?;
        while let Some((seq, record)) = file.next(&bytes)? {
            visit(seq, record)?;
        }
        let torn_tail = file.check_end(&bytes, newest)?;
        let file_len = bytes.len() as u64;
        recovered = Some(file.close(recovered, folder, identity, header, torn_tail, file_len));
    }
    recovered.ok_or_else(|| {
        JournalError::Missing {
            folder: folder.to_path_buf(),
        }
        .into()
    })
}

/// A file that is being read.
#[derive(Debug)]
struct OpenFile<'a> {
    path: &'a Path,
    offset: usize,
    next_seq: u64,
    state: JournalState,
    max_leaf_count: u64,
    max_entry_count: u64,
    salt: u32,
}

impl<'a> OpenFile<'a> {
    /// Checks that the file follows the one before it, if there is one.
    fn after(
        older: Option<&Recovered>,
        path: &'a Path,
        header: FileHeader,
    ) -> Result<Self, JournalError> {
        let FileHeader {
            first_seq,
            base,
            salt,
            ..
        } = header;
        let file = Self {
            path,
            offset: 0,
            next_seq: first_seq,
            state: base,
            max_leaf_count: base.head.leaf_count,
            max_entry_count: base.head.entry_count,
            salt,
        };
        if let Some(older) = older {
            if first_seq != older.next_seq {
                let expected = older.next_seq;
                return Err(file.damaged(Damage::Gap {
                    found: first_seq,
                    expected,
                }));
            }
            if base != older.state {
                return Err(file.damaged(Damage::Base { seq: first_seq }));
            }
        }
        Ok(Self {
            offset: HEADER_LEN,
            ..file
        })
    }

    /// The next whole record, or `None` where there is none.
    fn next<'b>(
        &mut self,
        bytes: &'b [u8],
    ) -> Result<Option<(u64, JournalRecord<'b>)>, JournalError> {
        let seq = self.next_seq;
        let rest = bytes.get(self.offset..).unwrap_or_default();
        let whole = WholeRecord::read(rest, self.salt);
        let Some(whole) = whole.filter(|whole| whole.front.seq == seq) else {
            return Ok(None);
        };
        let record = whole.decode().map_err(|damage| self.damaged(damage))?;
        self.state = self
            .state
            .after(&record)
            .map_err(|contradiction| self.damaged(Damage::Contradiction { seq, contradiction }))?;
        // A file has less than 2^64 bytes, but its first number may be any.
        self.next_seq = seq
            .checked_add(1)
            .ok_or_else(|| self.damaged(Damage::LastRecord { seq }))?;
        self.offset += whole.len();
        self.max_leaf_count = self.max_leaf_count.max(self.state.head.leaf_count);
        self.max_entry_count = self.max_entry_count.max(self.state.head.entry_count);
        Ok(Some((seq, record)))
    }

    /// Checks what lies behind the last whole record.
    fn check_end(&self, bytes: &[u8], newest: bool) -> Result<Option<TornTail>, JournalError> {
        let seq = self.next_seq;
        let tail = bytes.get(self.offset..).unwrap_or_default();
        if tail.is_empty() {
            return Ok(None);
        }
        if !newest {
            return Err(self.damaged(Damage::OlderFile { seq }));
        }
        // A writer that syncs often writes zeros ahead.
        if tail.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if let Some(witness) = find_witness(tail, seq, self.salt) {
            let witness_offset = (self.offset + witness.offset) as u64;
            let witness_seq = witness.seq;
            return Err(self.damaged(Damage::Synced {
                seq,
                witness_seq,
                witness_offset,
            }));
        }
        let (path, offset) = (self.path.to_path_buf(), self.offset as u64);
        Ok(Some(TornTail {
            path,
            offset,
            len: tail.len() as u64,
        }))
    }

    fn close(
        self,
        older: Option<Recovered>,
        folder: &Path,
        identity: Identity,
        header: FileHeader,
        torn_tail: Option<TornTail>,
        file_len: u64,
    ) -> Recovered {
        let (mut files, base) = match older {
            Some(older) => (older.files, older.base),
            None => (Vec::new(), header.base),
        };
        files.push(JournalFile {
            path: self.path.to_path_buf(),
            first_seq: header.first_seq,
            max_leaf_count: self.max_leaf_count,
            max_entry_count: self.max_entry_count,
        });
        Recovered {
            folder: folder.to_path_buf(),
            identity,
            files,
            base,
            state: self.state,
            next_seq: self.next_seq,
            valid_len: self.offset as u64,
            torn_tail,
            salt: self.salt,
            file_len,
        }
    }

    fn damaged(&self, damage: Damage) -> JournalError {
        JournalError::Damaged {
            path: self.path.to_path_buf(),
            offset: self.offset as u64,
            damage,
        }
    }
}
