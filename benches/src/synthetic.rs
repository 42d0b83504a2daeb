//! Inclusion proofs in trees too large to have: a made-up path, and the root that it leads to.

use crate::random::Random;
use alloy_primitives::B256;
use qmtree_proofs::{
    Digest, Head, InclusionProof, Profile, Scheme, TWIG_LEVEL, TreeHasher, TxNum, VerifyError,
    root_level,
};

/// An inclusion proof of random siblings with the leaf hash and head under which it verifies.
///
/// Verifying cannot tell it from a proof of a real tree and does the same work.
#[derive(Clone, Debug)]
pub struct SyntheticPath {
    /// The proof.
    pub proof: InclusionProof,
    /// A head whose root is what the path leads to.
    pub head: Head,
    /// The leaf hash it starts from.
    pub leaf_hash: B256,
}

impl SyntheticPath {
    /// A path from leaf `tx_num` of a tree of `leaf_count` leaves.
    ///
    /// # Panics
    /// If `tx_num` is not below `leaf_count`.
    #[must_use]
    pub fn new(profile: Profile, tx_num: TxNum, leaf_count: u64, random: &mut Random) -> Self {
        let leaf_hash: Digest = random.array();
        let siblings: Vec<B256> = (0..root_level(leaf_count))
            .map(|_| B256::new(random.array()))
            .collect();
        let root = climb(profile, leaf_hash, tx_num, &siblings);
        Self {
            head: Head {
                leaf_count,
                root: B256::new(root),
                ..Head::empty(1, profile, Scheme::StateRoot1)
            },
            leaf_hash: B256::new(leaf_hash),
            proof: InclusionProof::new(profile, tx_num, leaf_count, siblings)
                .expect("the caller's tx_num is below leaf_count"),
        }
    }

    /// `count` paths from leaves all over a tree of `leaf_count` leaves.
    ///
    /// # Panics
    /// If `leaf_count` is 0.
    #[must_use]
    pub fn several(profile: Profile, count: usize, leaf_count: u64) -> Vec<Self> {
        let mut random = Random::new();
        let positions = random.positions(count, leaf_count);
        let path = |tx_num| Self::new(profile, tx_num, leaf_count, &mut random);
        positions.into_iter().map(path).collect()
    }

    /// Verifies the proof.
    ///
    /// # Errors
    /// None, unless the proof was tampered with or `hasher` is of another profile.
    pub fn verify(&self, hasher: &impl TreeHasher) -> Result<(), VerifyError> {
        let tx_num = self.proof.tx_num();
        self.proof
            .verify_with(hasher, &self.head, tx_num, self.leaf_hash)
    }
}

/// The node that the path ends in (docs/FORMAT.md, section 1.1).
fn climb(hasher: Profile, leaf_hash: Digest, tx_num: TxNum, siblings: &[B256]) -> Digest {
    let mut node = leaf_hash;
    for (sibling, level) in siblings.iter().zip(1..) {
        let tag = if level <= TWIG_LEVEL {
            level - 1
        } else {
            level
        };
        let tag = u8::try_from(tag).expect("levels end at 64");
        node = if (tx_num.0 >> (level - 1)) & 1 == 1 {
            hasher.hash_node(tag, &sibling.0, &node)
        } else {
            hasher.hash_node(tag, &node, &sibling.0)
        };
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;
    use qmtree_kernels::Hasher;

    #[test]
    fn paths_verify_with_either_hasher() {
        for profile in Profile::ALL {
            for path in SyntheticPath::several(profile, 10, 1 << 32) {
                path.verify(&profile).unwrap();
                path.verify(&Hasher::new(profile)).unwrap();
            }
        }
    }

    #[test]
    fn a_path_at_2_to_the_32_leaves_has_33_siblings() {
        let [path] = &SyntheticPath::several(Profile::Keccak256, 1, 1 << 32)[..] else {
            panic!("one was asked for");
        };
        assert_eq!(path.proof.siblings().len(), 33);
        assert_eq!(path.proof.to_bytes().len(), 1079);
    }

    #[test]
    fn a_tampered_path_fails() {
        let mut path = SyntheticPath::several(Profile::Blake3, 1, 1 << 32).remove(0);
        path.leaf_hash = B256::ZERO;
        path.verify(&Profile::Blake3).unwrap_err();
    }
}
