//! The block table: where in the log each block ends (docs/FORMAT.md, section 7.3).

use super::layout::{BLOCK_LEN, field, field_u64, put};
use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use std::ops::Range;

/// What a head says after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEnd {
    /// Leaves in the execution log after the block.
    pub leaf_count: u64,
    /// Root of the execution log after the block.
    pub root: B256,
    /// Entries in the state log after the block.
    pub entry_count: u64,
    /// Root of the state log after the block.
    pub state_root: B256,
}

impl BlockEnd {
    pub(super) fn to_bytes(self) -> [u8; BLOCK_LEN] {
        let mut bytes = [0; BLOCK_LEN];
        put(&mut bytes, 0, self.leaf_count.to_le_bytes());
        put(&mut bytes, 8, self.entry_count.to_le_bytes());
        put(&mut bytes, 16, self.root.0);
        put(&mut bytes, 48, self.state_root.0);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; BLOCK_LEN]) -> Self {
        Self {
            leaf_count: field_u64(bytes, 0),
            entry_count: field_u64(bytes, 8),
            root: B256::new(field(bytes, 16)),
            state_root: B256::new(field(bytes, 48)),
        }
    }

    /// True if the block may stand behind one that ended at `after`, in a segment whose blocks end
    /// at `ends`. An empty log has no root, and every other has one.
    fn fits(&self, after: u64, ends: &Range<u64>) -> bool {
        self.leaf_count >= after
            && ends.contains(&self.leaf_count)
            && (self.leaf_count == 0) == self.root.is_zero()
            && (self.entry_count == 0) == self.state_root.is_zero()
    }
}

/// Leaf counts at which blocks of a segment of these leaves may end.
///
/// Blocks without leaves that lie on a boundary belong to the segment before it. There is none
/// before the first.
fn ends(leaves: &Range<TxNum>) -> Range<u64> {
    let from = if leaves.start.0 == 0 {
        0
    } else {
        leaves.start.0.saturating_add(1)
    };
    from..leaves.end.0.saturating_add(1)
}

/// The place of the first block that cannot stand where it stands.
pub(super) fn first_misfit(
    leaves: &Range<TxNum>,
    blocks: impl IntoIterator<Item = BlockEnd>,
) -> Option<usize> {
    let ends = ends(leaves);
    let mut after = 0;
    blocks.into_iter().position(|block| {
        let fits = block.fits(after, &ends);
        after = block.leaf_count;
        !fits
    })
}

/// The block table of a segment, as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks<'a> {
    pub(super) first: u64,
    pub(super) table: &'a [[u8; BLOCK_LEN]],
}

impl Blocks<'_> {
    pub(super) fn numbers(&self) -> Range<u64> {
        self.first..self.first.saturating_add(self.table.len() as u64)
    }

    pub(super) fn end(&self, block_number: u64) -> Option<BlockEnd> {
        let place = usize::try_from(block_number.checked_sub(self.first)?).ok()?;
        self.table.get(place).map(BlockEnd::from_bytes)
    }

    /// The first block that ends behind the leaf.
    pub(super) fn of(&self, tx_num: TxNum) -> Option<u64> {
        let place = self
            .table
            .partition_point(|block| field_u64(block, 0) <= tx_num.0);
        (place < self.table.len()).then(|| self.first.saturating_add(place as u64))
    }
}
