//! What can go wrong with a journal.

use crate::header::HeaderError;
use crate::journal::state::Contradiction;
use std::io;
use std::path::{Path, PathBuf};

/// Why a journal could not be written or recovered.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no journal file, or not even the folder for them.
    #[error("{folder}: no journal file; restore the folder from a backup")]
    Missing {
        /// The folder of the journal.
        folder: PathBuf,
    },
    /// A journal file whose name does not say the number of its first record.
    #[error(
        "{path}: a journal file is named by 16 lowercase hex digits; \
             move the file away if it is not of this database, else give it back its name"
    )]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A journal file whose name says another number than its header.
    #[error("{path}: begins with record {first_seq}; give it back its name, {first_seq:016x}.qmj")]
    Renamed {
        /// The file.
        path: PathBuf,
        /// Number of its first record, by its header.
        first_seq: u64,
    },
    /// The header of a journal file cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The file was changed after it was synced, or not by this engine.
    #[error(
        "{path}: damaged at byte {offset}: {damage}; restore the file from a backup, \
             or make the database anew from a snapshot or its source"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record or field begins that cannot be.
        offset: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The caller asked for a record that contradicts the one before it. Nothing of it counts.
    #[error("{path}: refused to write a record: {contradiction}")]
    Refused {
        /// The newest file.
        path: PathBuf,
        /// What contradicts what.
        contradiction: Contradiction,
    },
    /// An earlier write failed, so nobody knows what the disk holds.
    #[error(
        "{path}: an earlier write failed or was left unfinished; \
             close the database, and open it again to recover"
    )]
    Poisoned {
        /// The newest file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with the bytes of a journal.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A record of a file that is not the newest is not whole.
    #[error("record {seq} is not whole, and a newer file follows")]
    OlderFile {
        /// Number that the record should have.
        seq: u64,
    },
    /// A record is not whole, and a later one says that it had been synced.
    #[error(
        "record {seq} is not whole, but record {witness_seq} at byte {witness_offset} says \
             that it had been synced"
    )]
    Synced {
        /// Number that the record should have.
        seq: u64,
        /// Number of the later record.
        witness_seq: u64,
        /// Where the later record begins.
        witness_offset: u64,
    },
    /// A file does not start with the record after the last one of the file before it.
    #[error(
        "the file starts with record {found}, the one before it ends where {expected} should \
             follow; a file is missing, or is not of this database"
    )]
    Gap {
        /// First number of the file.
        found: u64,
        /// The number that should follow.
        expected: u64,
    },
    /// The state in a file's header is not the one after the file before it.
    #[error("the state before record {seq} is not the state after the file before it")]
    Base {
        /// Number of the file's first record.
        seq: u64,
    },
    /// A whole record of a kind that this release does not know.
    #[error("record {seq} is of kind {kind}, which this release does not know")]
    Kind {
        /// Number of the record.
        seq: u64,
        /// The kind.
        kind: u32,
    },
    /// There is no number for another record.
    #[error("record {seq} has the last number there is")]
    LastRecord {
        /// Number of the record.
        seq: u64,
    },
    /// A record is whole, but its body is not what its kind has.
    #[error("the body of record {seq} does not decode")]
    Body {
        /// Number of the record.
        seq: u64,
    },
    /// A record is whole, but contradicts what came before it.
    #[error("record {seq}: {contradiction}")]
    Contradiction {
        /// Number of the record.
        seq: u64,
        /// What contradicts what.
        contradiction: Contradiction,
    },
}

impl JournalError {
    /// For `map_err`: the system refused to do `action` with `path`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    }
}
