//! Why the engine refused or failed.

use crate::snapshot::SnapshotRefusal;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::state::{BatchError, EntryError, EntryId};
use qmtree_proofs::{ProveError, ShapeError, TxNum};
use qmtree_storage::snapshot::SnapshotError;
use qmtree_storage::{
    CheckpointError, Damage, EntrySegmentError, HeaderError, IndexError, JournalError, LockError,
    SegmentError,
};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why an operation on a database failed.
///
/// Three kinds: the caller's mistake (from [`Gap`](Self::Gap) to [`ReadOnly`](Self::ReadOnly)),
/// damaged or foreign files, and the machine failing. Only the last can leave the writer
/// [`Poisoned`](Self::Poisoned); none leaves a block half applied.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A block that does not follow the last one.
    #[error("block {found} does not follow: the next block is {expected}")]
    Gap {
        /// The only block number that can be appended now.
        expected: u64,
        /// The block number given.
        found: u64,
    },
    /// The block number that none can follow.
    #[error("no block can have the number 2^64 - 1")]
    LastBlockNumber,
    /// Another block of the same number is in the log.
    #[error(
        "block {block_number} is in the log with other leaves, writes or transaction hashes; \
         unwind to the block before it first"
    )]
    Conflict {
        /// The block number given.
        block_number: u64,
    },
    /// A block with some transaction hashes, but not one for each leaf.
    #[error(
        "block {block_number} has {leaves} leaves and {tx_hashes} transaction hashes; \
         give one for each leaf, zero where there is none, or no hashes at all"
    )]
    TxHashes {
        /// The block given.
        block_number: u64,
        /// Its leaves.
        leaves: usize,
        /// Its transaction hashes.
        tx_hashes: usize,
    },
    /// A block that the log does not have.
    #[error("no block {block_number}: {}", blocks(*.first, *.last))]
    NoSuchBlock {
        /// The block asked for.
        block_number: u64,
        /// First block of the log, if it has any.
        first: Option<u64>,
        /// Last block of the log, if it has any.
        last: Option<u64>,
    },
    /// A leaf that the log does not have.
    #[error("no leaf {tx_num}: the log has {leaf_count} leaves")]
    NoSuchLeaf {
        /// The leaf asked for.
        tx_num: TxNum,
        /// Leaves in the log.
        leaf_count: u64,
    },
    /// A leaf of which only a twig root is left, of a log that started from roots.
    #[error(
        "the block of leaf {tx_num} is not known: this log started from roots before {earliest}"
    )]
    NoBlockOf {
        /// The leaf asked for.
        tx_num: TxNum,
        /// The first leaf whose block is known.
        earliest: TxNum,
    },
    /// A block too old to unwind to: the leaves after it are sealed.
    #[error("cannot unwind to block {block_number}: {earliest} is the earliest still possible")]
    UnwindTooDeep {
        /// The block asked for.
        block_number: u64,
        /// The earliest block that can be unwound to.
        earliest: u64,
    },
    /// A batch of writes that breaks a rule; nothing of it was applied.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A batch of a transaction that is not in the block.
    #[error(
        "a batch for txNum {tx_num}, but the block {}; \
         a block has a leaf for each transaction that writes", span(*from, *to)
    )]
    OutsideBlock {
        /// The transaction of the batch.
        tx_num: TxNum,
        /// First transaction of the block.
        from: TxNum,
        /// The one after its last.
        to: TxNum,
    },
    /// More entries than one block can have.
    #[error("a block with more than 2^32 entries of the state log; split it")]
    BlockTooLarge,
    /// An entry that the state log does not have.
    #[error("no entry {entry_id}: the state log has {entry_count} entries")]
    NoSuchEntry {
        /// The entry asked for.
        entry_id: EntryId,
        /// Entries in the log.
        entry_count: u64,
    },
    /// The state after a transaction that is too long ago.
    #[error(
        "the state after transaction {tx_num} was pruned; \
         the earliest one that is known is that after {earliest}"
    )]
    StatePruned {
        /// The transaction asked for.
        tx_num: TxNum,
        /// The first transaction after which the state is known.
        earliest: TxNum,
    },
    /// A proof about a state log to which nothing was ever written.
    #[error("the state log is empty: nothing was written, and so nothing can be proved")]
    NoState,
    /// The question has no answer in this tree.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Which entries a compacted state log moves is known to the whole log alone.
    #[error(
        "the state log is compacted ({compaction}), and what that moves is known to the whole log alone; \
         witnesses of the state need a database without compaction"
    )]
    CompactedState {
        /// The rule of the database.
        compaction: Compaction,
    },
    /// The database was opened for reading only.
    #[error("the database is open for reading only")]
    ReadOnly,
    /// A folder that already holds a database, or something else.
    #[error("{}: not an empty folder; create a database in a new one", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A folder in which an import did not come to its end, so that there is no database yet.
    #[error("{}: an import into this folder was cut off; import again, and it goes on", path.display())]
    Unimported {
        /// The folder.
        path: PathBuf,
    },
    /// An earlier write or sync failed, so what the disk holds is not known.
    #[error("an earlier write failed; close the database and open it again to recover")]
    Poisoned,
    /// Journal and segments do not meet.
    #[error(
        "{}: the journal and the segments do not meet, at leaves {journal} and {sealed}: \
         files are missing; restore them from a backup",
        path.display()
    )]
    MissingLeaves {
        /// The folder of the database.
        path: PathBuf,
        /// The leaf at which the journal starts or ends.
        journal: u64,
        /// Leaves in segments.
        sealed: u64,
    },
    /// The journal begins with entries that no other file has.
    #[error(
        "{}: the journal begins at entry {journal} of the state log, the segments end at {sealed}: \
         files are missing; restore them from a backup",
        path.display()
    )]
    MissingEntries {
        /// The folder of the database.
        path: PathBuf,
        /// Entries before the journal.
        journal: u64,
        /// Entries in segments.
        sealed: u64,
    },
    /// What is stored does not hash to what it should.
    #[error(
        "{what} differs at leaf {tx_num}: stored and derived values disagree; \
         restore the database from a backup, or make it anew from a snapshot or its source"
    )]
    Check {
        /// What was compared.
        what: &'static str,
        /// Where it differs.
        tx_num: TxNum,
    },
    /// Bytes that are no entry of a state log.
    #[error("entry {entry_id} of the state log is damaged; restore the database from a backup")]
    Entry {
        /// The entry.
        entry_id: EntryId,
        /// What is wrong with it.
        source: EntryError,
    },
    /// An entry that does not continue the history of its key.
    #[error(
        "entry {entry_id} of the state log contradicts those before it; \
         restore the database from a backup"
    )]
    BadEntry {
        /// The entry.
        entry_id: EntryId,
    },
    /// A value that only its hash is known of.
    #[error(
        "the value of entry {entry_id} of the state log is missing; \
         restore the database from a backup"
    )]
    MissingValue {
        /// The entry.
        entry_id: EntryId,
    },
    /// What is derived from the entries of the state log is not what is stored.
    #[error(
        "{what} of the state log differs: stored and derived values disagree; \
         restore the database from a backup, or make it anew from a snapshot or its source"
    )]
    CheckState {
        /// What was compared.
        what: &'static str,
    },
    /// The database header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The writer's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A segment.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A snapshot file.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Snapshot files that are whole and do not make up the log that they should.
    #[error(transparent)]
    Refused(#[from] SnapshotRefusal),
    /// A segment of the state log.
    #[error(transparent)]
    EntrySegment(#[from] EntrySegmentError),
    /// A checkpoint, and where it should go.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The index of transactions. The log is whole without it.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index of transactions could not be built.
    #[error("the index could not be built; the log is whole without it")]
    Reindex(#[source] Arc<Self>),
    /// The operating system gave no thread.
    #[error("cannot start a thread to {action}")]
    Thread {
        /// What the thread was for.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What transactions a block has. Of one whose leaves are still to come the end is not known.
fn span(from: TxNum, to: TxNum) -> String {
    match to {
        TxNum(u64::MAX) => format!("begins with {from}"),
        to => format!("has the txNums {from} to {to}, not included"),
    }
}

impl Error {
    /// If a leaf is not there because it is pruned: the first one that is not.
    #[must_use]
    pub fn earliest_leaf(&self) -> Option<TxNum> {
        match self {
            Self::Segment(SegmentError::Pruned { earliest, .. }) => Some(*earliest),
            _ => None,
        }
    }

    /// True if a writer at work in another process can be the reason: files that went, or came,
    /// between their listing and their reading.
    pub(crate) fn may_be_of_a_writer(&self) -> bool {
        let is_gone = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
        match self {
            Self::MissingLeaves { .. }
            | Self::MissingEntries { .. }
            | Self::EntrySegment(EntrySegmentError::Place { .. })
            | Self::Journal(
                JournalError::Missing { .. }
                // Of a file that grows over zeros while it is read, an earlier record can be missing.
                | JournalError::Damaged {
                    damage: Damage::Gap { .. } | Damage::Synced { .. },
                    ..
                },
            )
            | Self::Segment(SegmentError::Gap { .. }) => true,
            Self::Journal(JournalError::Io { source, .. })
            | Self::EntrySegment(EntrySegmentError::Io { source, .. })
            | Self::Segment(SegmentError::Io { source, .. }) => is_gone(source),
            _ => false,
        }
    }
}

fn blocks(first: Option<u64>, last: Option<u64>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("the log has blocks {first} to {last}"),
        _ => "the log is empty".to_owned(),
    }
}

impl From<ProveError<Error>> for Error {
    fn from(error: ProveError<Error>) -> Self {
        match error {
            ProveError::Source(error) => error,
            ProveError::Shape(shape) => Self::Shape(shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_writer_can_cause_is_looked_at_again() {
        let path = || PathBuf::from("a");
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        let journal = |kind| JournalError::Io {
            path: path(),
            action: "read",
            source: io(kind),
        };
        let segment = |kind| SegmentError::Io {
            path: path(),
            action: "map",
            source: io(kind),
        };
        let damaged = |damage| JournalError::Damaged {
            path: path(),
            offset: 0,
            damage,
        };
        let gap = Damage::Gap {
            found: 7,
            expected: 5,
        };
        let entries = |kind| EntrySegmentError::Io {
            path: path(),
            action: "map",
            source: io(kind),
        };
        let again: [Error; 7] = [
            entries(io::ErrorKind::NotFound).into(),
            Error::MissingEntries {
                path: path(),
                journal: 3,
                sealed: 2,
            },
            journal(io::ErrorKind::NotFound).into(),
            segment(io::ErrorKind::NotFound).into(),
            damaged(gap).into(),
            JournalError::Missing { folder: path() }.into(),
            Error::MissingLeaves {
                path: path(),
                journal: 3,
                sealed: 2,
            },
        ];
        let never: [Error; 6] = [
            entries(io::ErrorKind::PermissionDenied).into(),
            journal(io::ErrorKind::PermissionDenied).into(),
            segment(io::ErrorKind::Other).into(),
            damaged(Damage::Body { seq: 3 }).into(),
            SegmentError::UnknownName { path: path() }.into(),
            Error::Check {
                what: "the root",
                tx_num: TxNum(0),
            },
        ];
        assert!(again.iter().all(Error::may_be_of_a_writer));
        assert!(!never.iter().any(Error::may_be_of_a_writer));
    }
}
