//! Why files that can be read make no database.

use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use qmtree_proofs::state::EntryId;

/// Why snapshot files were refused: they are whole, and not what they should be.
///
/// Nothing of them is visible anywhere then.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotRefusal {
    /// No file has these twigs.
    #[error(
        "no snapshot file has the twigs {from}..{to}: fetch \
         v1.0-qmtree-execution.{from}-{to}.seg, or files that cover it"
    )]
    Gap {
        /// First twig that is missing.
        from: u64,
        /// The first that is there again, or the first that is not needed.
        to: u64,
    },
    /// Only the roots of these twigs are there.
    #[error(
        "the leaves of the twigs {from}..{to} are missing, only their roots are there: \
         fetch the execution files, or start from roots"
    )]
    LeavesMissing {
        /// First twig without leaves.
        from: u64,
        /// The twig behind the last.
        to: u64,
    },
    /// The leaves behind the last whole twig are missing.
    #[error(
        "the trusted head has {leaf_count} leaves, and no file has those from {from} on: \
         fetch the tail of that head, or trust an earlier one"
    )]
    TailMissing {
        /// First leaf that is missing.
        from: u64,
        /// Leaves of the trusted head.
        leaf_count: u64,
    },
    /// An empty log needs no snapshot.
    #[error("the trusted head is that of an empty log: create a database instead")]
    Empty,
    /// The log has a state log beside it, whose last entries are in no file.
    #[error(
        "the trusted head has a state log of {entry_count} entries, and no file ends with its last \
         one: fetch the v1.0-qmtree-statetail file of that head, or read the leaves in place"
    )]
    StateMissing {
        /// Entries of the state log.
        entry_count: u64,
    },
    /// Leaves that are to be exported were dropped.
    #[error(
        "the leaves before {} were pruned here: export from there (`--from-twig {twig}`), or into a \
         folder that has the files of what was before",
        twig.saturating_mul(qmtree_proofs::TWIG_LEAVES)
    )]
    LeavesPruned {
        /// The first twig whose leaves are there.
        twig: u64,
    },
    /// The folder to export into has files of another log, or of another history.
    #[error(
        "twig {twig} is another one in the files of this folder: export into another folder; or, if \
         they are of blocks that were unwound, remove the files from that twig on"
    )]
    Elsewhere {
        /// A twig that differs.
        twig: u64,
    },
    /// Files of a folder that nothing is known about.
    #[error(
        "the folder has no manifest that says which of its files are whole: fetch it, or export into \
         the folder again"
    )]
    ManifestMissing,
    /// Not all entries of the state log are there to be exported.
    #[error(
        "the state before transaction {earliest} was pruned, or never here: export what is live \
         (`--state live`), or into a folder that has the files of what was before"
    )]
    StateHistory {
        /// The first transaction after which the state is known.
        earliest: TxNum,
    },
    /// No file has these twigs of the state log.
    #[error(
        "no snapshot file has the twigs {from}..{to} of the state log: fetch \
         v1.0-qmtree-state.{from}-{to}.seg, or the v1.0-qmtree-live file of the trusted head"
    )]
    StateGap {
        /// First twig that is missing.
        from: u64,
        /// The first that is there again, or the first that is not needed.
        to: u64,
    },
    /// The entries of a twig of the state log cannot be read, or do not hash to its root.
    #[error("twig {twig} of the state log is not what its file says: fetch the file again")]
    StateTwig {
        /// The twig.
        twig: u64,
    },
    /// An entry that does not continue the history of its key, or whose value is missing or another.
    #[error("entry {entry_id} of the state log breaks a rule, or its value is not there")]
    StateEntry {
        /// The entry.
        entry_id: EntryId,
    },
    /// The files of the state log lead to another root.
    #[error("the files lead to state root {derived}, the trusted head has {trusted}")]
    StateRoot {
        /// The root that follows from the files.
        derived: B256,
        /// The state root of the trusted head.
        trusted: B256,
    },
    /// The files are of another database.
    #[error("the files are not of the chain, profile and scheme of the trusted head")]
    OtherLog,
    /// The files lead to another root.
    #[error("the files lead to root {derived}, the trusted head has {trusted}")]
    Root {
        /// The root that follows from the files.
        derived: B256,
        /// The root of the trusted head.
        trusted: B256,
    },
    /// The leaves of a twig do not hash to its root.
    #[error("the leaves of twig {twig} do not hash to its root: fetch its file again")]
    Twig {
        /// The twig.
        twig: u64,
    },
    /// A twig does not follow the one before it.
    #[error("twig {twig} does not follow the leaf before it: fetch its file again")]
    Anchor {
        /// The twig.
        twig: u64,
    },
    /// The blocks of the files are not in one order.
    #[error("the blocks around {block_number} do not follow each other: use files of one source")]
    Blocks {
        /// The block where it shows.
        block_number: u64,
    },
    /// A block does not end where a trusted head says.
    #[error("block {block_number} does not end as its trusted head says")]
    Head {
        /// The block.
        block_number: u64,
    },
    /// A trusted head of a block whose leaves no file has.
    #[error(
        "block {block_number} has a trusted head, and no file has the leaves of twig {twig} to \
         compare it with: give it when the leaves are filled in"
    )]
    KnownUnseen {
        /// The block.
        block_number: u64,
        /// The twig in which it ends.
        twig: u64,
    },
    /// History without roots begins in its first block.
    #[error("a log whose first whole twigs belong to block 0 cannot start from roots: import it")]
    FirstBlock,
}
