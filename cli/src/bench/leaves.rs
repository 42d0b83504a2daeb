//! Leaves and positions without pattern, the same in every run.

use qmtree_proofs::{LeafPayload, PAYLOAD_LEN, TxNum};

/// A stream of numbers without pattern (SplitMix64), from one fixed seed.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        Self(2048)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn payload(&mut self) -> LeafPayload {
        let mut bytes = [0; PAYLOAD_LEN];
        for chunk in bytes.as_chunks_mut().0 {
            *chunk = self.number().to_le_bytes();
        }
        LeafPayload::from_bytes(&bytes)
    }

    /// The next `count` leaves, in blocks of `block_leaves`; the last block may have fewer.
    pub(super) fn blocks(&mut self, count: u64, block_leaves: u64) -> Vec<Vec<LeafPayload>> {
        let starts = (0..count).step_by(usize::try_from(block_leaves).unwrap_or(usize::MAX));
        starts
            .map(|start| {
                let len = block_leaves.min(count - start);
                (0..len).map(|_| self.payload()).collect()
            })
            .collect()
    }

    /// The next number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// The next `count` positions below `end`, which is not 0.
    pub(super) fn positions(&mut self, count: u64, end: u64) -> Vec<TxNum> {
        (0..count).map(|_| TxNum(self.number() % end)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_all_leaves_and_no_more() {
        let lens = |count, block_leaves| {
            let blocks = Random::new().blocks(count, block_leaves);
            blocks.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(lens(7, 3), [3, 3, 1]);
        assert_eq!(lens(6, 3), [3, 3]);
        assert_eq!(lens(2, 3), [2]);
        assert_eq!(Random::new().blocks(9, 3), Random::new().blocks(9, 3));
    }
}
