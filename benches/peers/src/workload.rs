//! The keys, the values and the blocks that every contender gets.

use alloy_primitives::{B256, keccak256};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) keys: u64,
    pub(crate) updates: u64,
    pub(crate) proofs: u64,
}

/// Writes by ascending key, each key once.
pub(crate) type Writes = Vec<(B256, B256)>;

/// Keys of a block of the load.
pub(crate) const LOAD_WRITES: u64 = 25_000;

/// Writes of a block, phase by phase.
pub(crate) const BLOCK_WRITES: [u64; 3] = [1000, 10_000, 25_000];

/// A stream of blocks without pattern, from a fixed seed.
#[derive(Debug)]
pub(crate) struct Workload {
    size: Size,
    random: u64,
    /// Values made so far, of which no two are the same.
    values: u64,
}

impl Workload {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            size,
            random: 2026,
            values: 0,
        }
    }

    /// Blocks that write each key once, keys in no order from block to block.
    pub(crate) fn load(&mut self) -> Vec<Writes> {
        let blocks = self.size.keys.div_ceil(LOAD_WRITES);
        (0..blocks)
            .map(|block| {
                let start = block * LOAD_WRITES;
                self.block(start..(start + LOAD_WRITES).min(self.size.keys))
            })
            .collect()
    }

    /// Blocks of new values for random keys. A key that is drawn twice for a block is written once.
    pub(crate) fn updates(&mut self, block_writes: u64) -> Vec<Writes> {
        let blocks = self.size.updates.div_ceil(block_writes);
        (0..blocks)
            .map(|_| {
                let numbers: Vec<_> = (0..block_writes).map(|_| self.random_key()).collect();
                self.block(numbers)
            })
            .collect()
    }

    /// Random keys.
    pub(crate) fn proofs(&mut self) -> Vec<B256> {
        (0..self.size.proofs)
            .map(|_| key(self.random_key()))
            .collect()
    }

    fn block(&mut self, numbers: impl IntoIterator<Item = u64>) -> Writes {
        let mut block: Writes = Vec::new();
        for number in numbers {
            self.values += 1;
            block.push((key(number), keccak256(self.values.to_le_bytes())));
        }
        block.sort_unstable();
        block.dedup_by_key(|(key, _)| *key);
        block
    }

    /// SplitMix64.
    fn random_key(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % self.size.keys
    }
}

fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        keys: 30_000,
        updates: 2500,
        proofs: 10,
    };

    #[test]
    fn the_load_has_every_key_once_and_blocks_ascend() {
        let mut workload = Workload::new(SIZE);
        let load = workload.load();
        assert_eq!(
            load.iter().map(Vec::len).collect::<Vec<_>>(),
            [25_000, 5000]
        );
        let updates = workload.updates(1000);
        assert_eq!(updates.len(), 3);
        for block in load.iter().chain(&updates) {
            assert!(block.is_sorted_by(|a, b| a.0 < b.0));
        }
        let mut keys: Vec<_> = load.concat().into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 30_000);
        let known = |(key, _): &(B256, B256)| keys.binary_search(key).is_ok();
        assert!(updates.concat().iter().all(known));
    }

    #[test]
    fn every_run_has_the_same_work() {
        let updates = || Workload::new(SIZE).updates(1000);
        assert_eq!(updates(), updates());
    }
}
