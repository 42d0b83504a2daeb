//! The last word of a file: where the blocks end (docs/FORMAT.md, section 10.4).
//!
//! Roots are left out: they follow from the leaves, and so need not be believed.

use super::words::varint;
use alloy_primitives::B256;

/// Blocks in the table of one file; more than any range of history has.
const MAX_BLOCKS: u64 = 1 << 24;

/// Where a block ends, without the root that follows from the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotBlock {
    /// Leaves in the execution log after the block.
    pub leaf_count: u64,
    /// Entries in the state log after the block.
    pub entry_count: u64,
    /// Root of the state log after the block.
    pub state_root: B256,
}

/// The table of a file, decoded: 16 bytes a block, state roots where they lie.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockTable {
    counts: Vec<(u64, u64)>,
    state_roots: Vec<B256>,
}

impl BlockTable {
    pub(super) fn get(&self, place: usize) -> Option<SnapshotBlock> {
        let (leaf_count, entry_count) = *self.counts.get(place)?;
        // Entry counts do not fall, so the blocks without a state log come first.
        let without = self.counts.len() - self.state_roots.len();
        let state_root = match place.checked_sub(without) {
            Some(place) => *self.state_roots.get(place)?,
            None => B256::ZERO,
        };
        Some(SnapshotBlock {
            leaf_count,
            entry_count,
            state_root,
        })
    }

    /// The first block that ends behind so many leaves.
    pub(super) fn first_behind(&self, leaf_count: u64) -> usize {
        self.counts.partition_point(|(end, _)| *end <= leaf_count)
    }

    /// Reads the table of `count` blocks that end after leaf `from` and up to `to`, leaf counts.
    /// `None` if it is none.
    pub(super) fn read(word: &[u8], count: u64, from: u64, to: u64) -> Option<Self> {
        if count > MAX_BLOCKS || count.checked_mul(2)? > word.len() as u64 {
            return None;
        }
        let len = usize::try_from(count).ok()?;
        let (leaf_counts, rest) = read_sums(word, len, from)?;
        let (entry_counts, rest) = read_sums(rest, len, 0)?;
        // Only at the start of the log can blocks end before the first leaf.
        let first_end = if from == 0 { 0 } else { from.checked_add(1)? };
        let fits = |end: &u64| (first_end..=to).contains(end);
        let (first, last) = (leaf_counts.first(), leaf_counts.last());
        if !first.is_none_or(fits) || !last.is_none_or(fits) {
            return None;
        }
        let with_state = entry_counts.iter().filter(|count| **count > 0).count();
        let (state_roots, rest) = rest.as_chunks::<32>();
        if !rest.is_empty() || state_roots.len() != with_state {
            return None;
        }
        let state_roots: Vec<B256> = state_roots.iter().copied().map(B256::new).collect();
        if state_roots.iter().any(|root| root.is_zero()) {
            return None;
        }
        Some(Self {
            counts: leaf_counts.into_iter().zip(entry_counts).collect(),
            state_roots,
        })
    }

    /// The word of these blocks, the first of which follow leaf `from`. `None` if they are too many,
    /// or not in order.
    pub(super) fn write(from: u64, blocks: &[SnapshotBlock]) -> Option<Vec<u8>> {
        if blocks.len() as u64 > MAX_BLOCKS {
            return None;
        }
        let mut word = Vec::with_capacity(3 * blocks.len());
        write_sums(&mut word, from, blocks.iter().map(|block| block.leaf_count))?;
        write_sums(&mut word, 0, blocks.iter().map(|block| block.entry_count))?;
        let with_state = blocks.iter().filter(|block| block.entry_count > 0);
        word.extend(with_state.flat_map(|block| block.state_root.0));
        Some(word)
    }
}

fn read_sums(mut bytes: &[u8], len: usize, mut sum: u64) -> Option<(Vec<u64>, &[u8])> {
    let mut sums = Vec::with_capacity(len);
    for _ in 0..len {
        let (step, rest) = varint::read(bytes)?;
        sum = sum.checked_add(step)?;
        sums.push(sum);
        bytes = rest;
    }
    Some((sums, bytes))
}

fn write_sums(word: &mut Vec<u8>, mut before: u64, sums: impl Iterator<Item = u64>) -> Option<()> {
    for sum in sums {
        varint::write(sum.checked_sub(before)?, word);
        before = sum;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(leaf_count: u64, entry_count: u64) -> SnapshotBlock {
        let [low, ..] = entry_count.to_le_bytes();
        SnapshotBlock {
            leaf_count,
            entry_count,
            state_root: B256::repeat_byte(low),
        }
    }

    #[test]
    fn tables_round_trip_and_take_a_few_bytes_a_block() {
        let blocks = [
            block(2049, 0),
            block(2049, 0),
            block(3000, 5),
            block(4096, 9),
        ];
        let word = BlockTable::write(2048, &blocks).unwrap();
        assert_eq!(word.len(), 6 + 4 + 64);
        let table = BlockTable::read(&word, 4, 2048, 4096).unwrap();
        let read: Vec<_> = (0..4).map(|place| table.get(place).unwrap()).collect();
        assert_eq!(read, blocks);
        assert_eq!(table.get(4), None);
        assert_eq!(table.first_behind(2048), 0);
        assert_eq!(table.first_behind(2049), 2);
        assert_eq!(table.first_behind(4096), 4);
        for len in 0..word.len() {
            assert!(BlockTable::read(&word[..len], 4, 2048, 4096).is_none());
        }
    }

    #[test]
    fn tables_that_cannot_be_are_refused() {
        let good = BlockTable::write(0, &[block(0, 0), block(5, 3)]).unwrap();
        assert!(BlockTable::read(&good, 2, 0, 5).is_some());
        assert!(
            BlockTable::read(&good, 2, 0, 4).is_none(),
            "ends behind the file"
        );
        assert!(BlockTable::read(&good, 1, 0, 5).is_none());
        assert!(BlockTable::read(&good, 3, 0, 5).is_none());
        assert!(BlockTable::read(&good, u64::MAX, 0, 5).is_none());
        let early = BlockTable::write(2048, &[block(2048, 0)]).unwrap();
        assert!(BlockTable::read(&early, 1, 2048, 4096).is_none());
        let rootless = [&[5, 3][..], &[0; 32]].concat();
        assert!(BlockTable::read(&rootless, 1, 0, 5).is_none());
        assert_eq!(BlockTable::write(10, &[block(9, 0)]), None);
        assert_eq!(BlockTable::write(0, &[block(9, 0), block(8, 0)]), None);
    }
}
