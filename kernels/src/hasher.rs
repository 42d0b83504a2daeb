//! One value for either profile.

use crate::{Blake3, Keccak256};
use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN, PAYLOAD_LEN, Profile, TreeHasher};

/// The hasher of a [`Profile`] known only at run time. The profile is looked at once a batch.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Hasher {
    /// Hashes by [`Profile::Keccak256`].
    Keccak256(Keccak256),
    /// Hashes by [`Profile::Blake3`].
    Blake3(Blake3),
}

impl Hasher {
    /// The hasher of `profile`, on the fastest kernel of this CPU.
    ///
    /// # Panics
    /// Never: `qmtree-proofs` and this crate are released together and know the same profiles.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        match profile {
            Profile::Keccak256 => Self::Keccak256(Keccak256::new()),
            Profile::Blake3 => Self::Blake3(Blake3::new()),
            other => unreachable!("no kernels for the profile {other}"),
        }
    }
}

impl TreeHasher for Hasher {
    fn profile(&self) -> Profile {
        match self {
            Self::Keccak256(hasher) => hasher.profile(),
            Self::Blake3(hasher) => hasher.profile(),
        }
    }

    fn hash_leaves(&self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
        match self {
            Self::Keccak256(hasher) => hasher.hash_leaves(leaves, out),
            Self::Blake3(hasher) => hasher.hash_leaves(leaves, out),
        }
    }

    fn hash_nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
        match self {
            Self::Keccak256(hasher) => hasher.hash_nodes(tag, pairs, out),
            Self::Blake3(hasher) => hasher.hash_nodes(tag, pairs, out),
        }
    }

    fn chain_leaves(
        &self,
        previous: Digest,
        payloads: &[[u8; PAYLOAD_LEN]],
        out: &mut [Digest],
    ) -> Digest {
        match self {
            Self::Keccak256(hasher) => hasher.chain_leaves(previous, payloads, out),
            Self::Blake3(hasher) => hasher.chain_leaves(previous, payloads, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_has_a_hasher() {
        for profile in Profile::ALL {
            assert_eq!(Hasher::new(profile).profile(), profile);
        }
    }
}
