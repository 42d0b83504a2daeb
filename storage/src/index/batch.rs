//! How an index moves: from one position to the next.

use super::error::IndexError;
use crate::tag::Tag;
use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use std::fmt;

/// A block that an index has come to: it holds at least what is in the log up to its end.
///
/// Name a block that will never be unwound: then nothing has to be told an index about forks.
///
/// The root tells an index of this log from one that was put here, or that a backup brought back.
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

/// One step of an index: one block, several, or back to an earlier one.
///
/// Nothing is ever taken out: what an unwind leaves behind is told apart by the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexBatch {
    /// Where the index must be.
    pub before: Option<Reached>,
    /// Where it is afterwards; none if that is before the first block. The inserts may reach
    /// further.
    pub after: Option<Reached>,
    /// Tags of transactions with their numbers, in any order. What is there already stays.
    pub inserts: Vec<(Tag, TxNum)>,
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
