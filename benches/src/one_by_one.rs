//! Keccak-256 as one gets it without this project: `tiny-keccak`, one message at a time.

use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN, PAYLOAD_LEN, Profile, TreeHasher};
use tiny_keccak::{Hasher as _, Keccak};

/// The hasher of the Keccak-256 profile over `tiny-keccak`, the yardstick of the targets.
///
/// For BLAKE3 the yardstick is [`qmtree_proofs::Blake3`], which calls the `blake3` crate once for
/// every message.
#[derive(Clone, Copy, Debug)]
pub struct TinyKeccak;

fn keccak256(parts: [&[u8]; 2]) -> Digest {
    let mut keccak = Keccak::v256();
    for part in parts {
        keccak.update(part);
    }
    let mut digest = [0; 32];
    keccak.finalize(&mut digest);
    digest
}

impl TreeHasher for TinyKeccak {
    fn profile(&self) -> Profile {
        Profile::Keccak256
    }

    fn hash_leaves(&self, leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
        assert_eq!(leaves.len(), out.len(), "one digest per leaf");
        for (leaf, digest) in leaves.iter().zip(out) {
            *digest = keccak256([leaf, &[]]);
        }
    }

    fn hash_nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
        assert_eq!(pairs.len(), out.len(), "one digest per pair");
        for (pair, digest) in pairs.iter().zip(out) {
            *digest = keccak256([&[tag], pair]);
        }
    }

    fn chain_leaves(
        &self,
        previous: Digest,
        payloads: &[[u8; PAYLOAD_LEN]],
        out: &mut [Digest],
    ) -> Digest {
        assert_eq!(payloads.len(), out.len(), "one digest per leaf");
        let mut link = previous;
        for (payload, digest) in payloads.iter().zip(out) {
            link = keccak256([payload, &link]);
            *digest = link;
        }
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn computes_what_the_portable_hasher_computes() {
        let mut random = Random::new();
        let (leaves, pairs, payloads) = (random.arrays(3), random.arrays(3), random.arrays(3));
        let previous = random.array();
        let results = [&TinyKeccak as &dyn TreeHasher, &Profile::Keccak256].map(|hasher| {
            let mut out = [[[0; 32]; 3]; 3];
            hasher.hash_leaves(&leaves, &mut out[0]);
            hasher.hash_nodes(12, &pairs, &mut out[1]);
            let last = hasher.chain_leaves(previous, &payloads, &mut out[2]);
            (out, last)
        });
        assert_eq!(results[0], results[1]);
    }
}
