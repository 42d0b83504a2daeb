//! Where blocks end in the state log, compared while its entries are followed.

use super::super::plan::Plan;
use super::super::refusal::SnapshotRefusal;
use super::tail::root;
use crate::error::Error;
use crate::state_log::StateLog;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::Entry;
use qmtree_proofs::{TWIG_LEAVES, TxNum};
use qmtree_storage::snapshot::SnapshotBlock;
use std::ops::Range;

/// Twigs of the execution log whose blocks are read at a time.
const BATCH: u64 = 64;

/// The blocks that files list, in order, and how far the entries are.
pub(super) struct BlockEnds<'p> {
    plan: &'p Plan,
    /// Whole twigs of the execution log whose blocks are still to be read.
    twigs: Range<u64>,
    in_tail: bool,
    read: std::vec::IntoIter<(u64, SnapshotBlock)>,
    next: Option<(u64, SnapshotBlock)>,
    /// The transaction of the last entry.
    last: Option<TxNum>,
}

impl<'p> BlockEnds<'p> {
    /// All blocks that the files list: for entries from the first on.
    pub(super) fn all(plan: &'p Plan) -> Result<Self, SnapshotRefusal> {
        Self::from(plan, 0..plan.sealed)
    }

    /// The blocks that end behind the whole twigs of the execution log: for the entries behind the
    /// whole twigs of the state log, which go back further.
    pub(super) fn of_tail(plan: &'p Plan) -> Result<Self, SnapshotRefusal> {
        Self::from(plan, plan.sealed..plan.sealed)
    }

    fn from(plan: &'p Plan, twigs: Range<u64>) -> Result<Self, SnapshotRefusal> {
        let mut ends = Self {
            plan,
            twigs,
            in_tail: false,
            read: Vec::new().into_iter(),
            next: None,
            last: None,
        };
        ends.advance()?;
        Ok(ends)
    }

    fn advance(&mut self) -> Result<(), SnapshotRefusal> {
        self.next = self.read.next();
        while self.next.is_none() && !self.in_tail {
            let Range { start, end } = self.twigs;
            let to = (start + BATCH).min(end);
            self.read = match start < to {
                true => {
                    let blocks = self
                        .plan
                        .set
                        .blocks(start * TWIG_LEAVES..to * TWIG_LEAVES)?;
                    blocks.into_iter()
                }
                false => {
                    self.in_tail = true;
                    self.plan.tail_blocks.clone().into_iter()
                }
            };
            self.twigs.start = to;
            self.next = self.read.next();
        }
        Ok(())
    }

    /// Compares the blocks that end with the entries that the log has now. The next entry, if there
    /// is one, is of a later block, as its transaction says, and the one before is not.
    pub(super) fn check(
        &mut self,
        log: &mut StateLog,
        hasher: &Hasher,
        next: Option<&Entry>,
    ) -> Result<(), Error> {
        let count = log.entry_count();
        while let Some((block_number, block)) = self.next.filter(|(_, block)| {
            // One that ends earlier is out of order.
            block.entry_count <= count
        }) {
            let before = self.last.is_none_or(|last| last.0 < block.leaf_count);
            let behind = next.is_none_or(|next| next.tx_num.0 >= block.leaf_count);
            if block.entry_count < count || !before || !behind {
                return Err(SnapshotRefusal::Blocks { block_number }.into());
            }
            if root(log, hasher)? != block.state_root {
                return Err(SnapshotRefusal::Head { block_number }.into());
            }
            self.advance()?;
        }
        self.last = next.map(|next| next.tx_num).or(self.last);
        Ok(())
    }
}
