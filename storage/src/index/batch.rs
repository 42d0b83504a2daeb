//! How an index moves: from one position to the next.

use super::error::IndexError;
use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use std::fmt;

/// A block that an index has come to: it holds what is in the log up to its end.
///
/// The root is part of it because number and leaf count do not tell two forks apart: an index that
/// was flushed just before an unwind, and lost what came after it in a crash, must not be taken for
/// one that followed the other fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reached {
    /// Number of the block.
    pub block_number: u64,
    /// Leaves in the log after the block.
    pub leaf_count: u64,
    /// Root of the log after the block.
    pub root: B256,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "block {} ({} leaves, root {})",
            self.block_number, self.leaf_count, self.root
        )
    }
}

/// One step of an index: one block, several, or an unwind.
///
/// Removals come before inserts, so a batch can go over to another fork. An insert of a hash that is
/// there replaces its number, and the removal of one that is not there does nothing: hashes are
/// expected to be unique in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexBatch {
    /// Where the index must be.
    pub before: Option<Reached>,
    /// Where it is afterwards; none if no block is left.
    pub after: Option<Reached>,
    /// Hashes of the transactions that were unwound.
    pub removals: Vec<B256>,
    /// Hashes of new transactions with their numbers.
    pub inserts: Vec<(B256, TxNum)>,
}

impl IndexBatch {
    /// Checks that the batch begins where the index is.
    pub(crate) fn check_follows(&self, reached: Option<Reached>) -> Result<(), IndexError> {
        if self.before == reached {
            return Ok(());
        }
        Err(IndexError::OutOfOrder {
            reached,
            batch: self.before,
        })
    }
}
