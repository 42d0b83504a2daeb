//! Inputs: bytes without pattern, the same in every run.

use qmtree_proofs::{LeafPayload, TxNum};

/// A stream of numbers without pattern (SplitMix64), from one fixed seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream from its beginning.
    #[must_use]
    pub fn new() -> Self {
        Self(2048)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            for (byte, random) in chunk.iter_mut().zip(self.number().to_le_bytes()) {
                *byte = random;
            }
        }
        bytes
    }

    /// The next `count` arrays: leaves, pairs, payloads or digests, by their length.
    pub fn arrays<const N: usize>(&mut self, count: usize) -> Vec<[u8; N]> {
        (0..count).map(|_| self.array()).collect()
    }

    /// The next `count` payloads.
    pub fn payloads(&mut self, count: usize) -> Vec<LeafPayload> {
        (0..count)
            .map(|_| LeafPayload::from_bytes(&self.array()))
            .collect()
    }

    /// The next `count` positions below `leaf_count`, in no order.
    ///
    /// # Panics
    /// If `leaf_count` is 0.
    pub fn positions(&mut self, count: usize, leaf_count: u64) -> Vec<TxNum> {
        (0..count)
            .map(|_| TxNum(self.number() % leaf_count))
            .collect()
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_gets_the_same_bytes() {
        let (mut one, mut other) = (Random::new(), Random::default());
        assert_eq!(one.arrays::<96>(3), other.arrays::<96>(3));
        assert_ne!(one.array::<32>(), one.array::<32>());
    }
}
