//! The leaf of the execution log: what one transaction commits to.

use crate::hash::{Digest, LEAF_LEN, PAYLOAD_LEN, TreeHasher, leaf_message};
use alloy_primitives::B256;

/// The first three words of a leaf: all that the chain of leaves does not determine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LeafPayload {
    /// Commits to the state before the transaction, by the rule of the leaf scheme.
    pub pre_state_hash: B256,
    /// Commits to what the transaction wrote.
    pub state_change_hash: B256,
    /// Commits to the trace of its execution.
    pub transition_hash: B256,
}

/// What one transaction commits to: four words, hashed together into its leaf hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// Commits to the state before the transaction, by the rule of the leaf scheme.
    pub pre_state_hash: B256,
    /// Commits to what the transaction wrote.
    pub state_change_hash: B256,
    /// Commits to the trace of its execution.
    pub transition_hash: B256,
    /// Hash of the leaf before this one, zero for leaf 0.
    pub previous_leaf_hash: B256,
}

impl LeafPayload {
    /// The payload as it is hashed and stored: 96 bytes.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> [u8; PAYLOAD_LEN] {
        let mut bytes = [0; PAYLOAD_LEN];
        let words = [
            self.pre_state_hash,
            self.state_change_hash,
            self.transition_hash,
        ];
        for (chunk, word) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(words) {
            *chunk = word.0;
        }
        bytes
    }

    /// The payload whose 96 bytes these are.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; PAYLOAD_LEN]) -> Self {
        let mut words = bytes.as_chunks::<32>().0.iter().copied().map(B256::new);
        let mut word = || words.next().unwrap_or_default();
        Self {
            pre_state_hash: word(),
            state_change_hash: word(),
            transition_hash: word(),
        }
    }

    /// The leaf with this payload after the leaf whose hash is given.
    #[must_use]
    pub fn after(self, previous_leaf_hash: B256) -> Leaf {
        let Self {
            pre_state_hash,
            state_change_hash,
            transition_hash,
        } = self;
        Leaf {
            pre_state_hash,
            state_change_hash,
            transition_hash,
            previous_leaf_hash,
        }
    }
}

impl Leaf {
    /// The leaf without its link.
    #[must_use]
    pub fn payload(&self) -> LeafPayload {
        let Self {
            pre_state_hash,
            state_change_hash,
            transition_hash,
            ..
        } = *self;
        LeafPayload {
            pre_state_hash,
            state_change_hash,
            transition_hash,
        }
    }

    /// The 128 bytes that are hashed.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEAF_LEN] {
        leaf_message(&self.payload().to_bytes(), &self.previous_leaf_hash.0)
    }

    /// The leaf whose 128 bytes these are.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; LEAF_LEN]) -> Self {
        let mut payload = [0; PAYLOAD_LEN];
        let mut previous: Digest = [0; 32];
        let (front, back) = bytes.split_at(PAYLOAD_LEN);
        payload.copy_from_slice(front);
        previous.copy_from_slice(back);
        LeafPayload::from_bytes(&payload).after(B256::new(previous))
    }

    /// The leaf hash under the rules of `hasher`. One hash, no allocation.
    #[must_use]
    pub fn hash(&self, hasher: &impl TreeHasher) -> B256 {
        B256::new(hasher.hash_leaf(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Keccak256;
    use alloy_primitives::b256;

    #[test]
    fn bytes_round_trip_in_word_order() {
        let leaf = Leaf {
            pre_state_hash: B256::repeat_byte(1),
            state_change_hash: B256::repeat_byte(2),
            transition_hash: B256::repeat_byte(3),
            previous_leaf_hash: B256::repeat_byte(4),
        };
        let bytes = leaf.to_bytes();
        assert_eq!([bytes[0], bytes[32], bytes[64], bytes[96]], [1, 2, 3, 4]);
        assert_eq!(Leaf::from_bytes(&bytes), leaf);
        assert_eq!(leaf.payload().after(leaf.previous_leaf_hash), leaf);
    }

    #[test]
    fn hash_of_four_zero_words_is_the_published_one() {
        assert_eq!(
            Leaf::default().hash(&Keccak256),
            b256!("012893657d8eb2efad4de0a91bcd0e39ad9837745dec3ea923737ea803fc8e3d"),
        );
    }
}
