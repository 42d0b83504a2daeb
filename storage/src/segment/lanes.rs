//! Deriving twigs whose anchors are known: the chains of sixteen of them advance side by side.

use super::heap::{TwigHeap, hash_inner_nodes, heap_index, zero_twig_heap};
use super::layout::LEAVES;
use super::parts::digest;
use super::sealable::SealableTwig;
use crate::tag::Tag;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, LEAF_LEN, PAYLOAD_LEN, TWIG_LEVEL, TreeHasher, TwigId};
use std::borrow::Cow;
use std::fmt;

/// Chains that advance together: two full groups of Keccak's widest lanes, one of BLAKE3's.
const LANES: usize = 16;

/// A twig to derive: the hash of the leaf before it, and words 0 to 2 of its 2048 leaves.
#[derive(Clone, Copy, Debug)]
pub struct AnchoredTwig<'a> {
    /// Hash of the leaf before the twig; zero for twig 0.
    pub anchor: Digest,
    /// Words 0 to 2 of each leaf.
    pub payloads: &'a [[u8; PAYLOAD_LEN]],
    /// The tag of each leaf's transaction; `None` if no leaf has one.
    pub tags: Option<&'a [Tag]>,
}

/// Derives twigs from their leaves, and keeps the memory for the next ones.
///
/// Holds 128 KiB for each twig that was derived at once.
pub struct TwigLanes {
    hasher: Hasher,
    heaps: Vec<Box<TwigHeap>>,
}

/// A twig whose hashes were derived from its leaves. They say what the leaves hash to, and nothing
/// about whether those are the right leaves.
#[derive(Clone, Copy)]
pub struct DerivedTwig<'a> {
    twig_id: TwigId,
    source: AnchoredTwig<'a>,
    heap: &'a TwigHeap,
}

impl TwigLanes {
    /// With the fastest kernel for these hash rules.
    #[must_use]
    pub fn new(hasher: Hasher) -> Self {
        Self {
            hasher,
            heaps: Vec::new(),
        }
    }

    /// Derives all hashes of consecutive twigs, `first` and those after it.
    ///
    /// Costs a leaf hash and a node hash a leaf, all of them in lanes if there are 16 twigs.
    ///
    /// # Panics
    /// If a twig has not 2048 leaves.
    pub fn derive<'a>(
        &'a mut self,
        first: TwigId,
        twigs: &[AnchoredTwig<'a>],
    ) -> Vec<DerivedTwig<'a>> {
        while self.heaps.len() < twigs.len() {
            self.heaps.push(zero_twig_heap());
        }
        let hasher = self.hasher;
        for (twigs, heaps) in twigs.chunks(LANES).zip(self.heaps.chunks_mut(LANES)) {
            chain(&hasher, twigs, heaps);
            // Right behind the chains, while their leaves are in the cache.
            for (heap, _) in heaps.iter_mut().zip(twigs) {
                hash_inner_nodes(&hasher, &mut **heap);
            }
        }
        let numbers = (first.0..).map(TwigId);
        let derived = twigs.iter().zip(&self.heaps).zip(numbers);
        let derived = derived.map(|((source, heap), twig_id)| DerivedTwig {
            twig_id,
            source: *source,
            heap,
        });
        derived.collect()
    }
}

/// Leaves of each twig that are brought to one place before they are hashed. Twigs lie some multiple
/// of 4 KiB apart in memory, so that leaf for leaf they would drive each other out of the cache.
const STAGED: usize = 8;

/// Sets the leaves of each heap: leaf by leaf, all twigs at once.
fn chain(hasher: &Hasher, twigs: &[AnchoredTwig<'_>], heaps: &mut [Box<TwigHeap>]) {
    let mut messages = [[[0; LEAF_LEN]; LANES]; STAGED];
    let mut hashes = [[[0; 32]; LANES]; STAGED];
    let mut links = [[0; 32]; LANES];
    for (link, twig) in links.iter_mut().zip(twigs) {
        assert_eq!(twig.payloads.len(), LEAVES, "a twig has 2048 leaves");
        *link = twig.anchor;
    }
    let lanes = twigs.len().min(LANES);
    for first in (0..LEAVES).step_by(STAGED) {
        for (lane, twig) in twigs.iter().enumerate() {
            let staged = twig.payloads.iter().skip(first);
            for (round, payload) in messages.iter_mut().zip(staged) {
                if let Some(message) = round.get_mut(lane).and_then(|m| m.first_chunk_mut()) {
                    *message = *payload;
                }
            }
        }
        for (round, hashes) in messages.iter_mut().zip(&mut hashes) {
            let (round, _) = round.split_at_mut(lanes);
            let (hashes, _) = hashes.split_at_mut(lanes);
            for (message, link) in round.iter_mut().zip(&links) {
                if let Some(place) = message.last_chunk_mut() {
                    *place = *link;
                }
            }
            hasher.hash_leaves(round, hashes);
            for (link, hash) in links.iter_mut().zip(hashes) {
                *link = *hash;
            }
        }
        for (lane, heap) in heaps.iter_mut().enumerate().take(lanes) {
            let leaves = heap.iter_mut().skip(LEAVES + first);
            for (leaf, round) in leaves.zip(&hashes) {
                if let Some(hash) = round.get(lane) {
                    *leaf = *hash;
                }
            }
        }
    }
}

impl DerivedTwig<'_> {
    /// The root, of level 11.
    #[must_use]
    pub fn root(&self) -> Digest {
        digest(self.heap, 1)
    }

    /// The hash of the last leaf: the anchor of the next twig.
    #[must_use]
    pub fn last_leaf_hash(&self) -> Digest {
        digest(self.heap, 2 * LEAVES - 1)
    }
}

impl SealableTwig for DerivedTwig<'_> {
    fn twig_id(&self) -> TwigId {
        self.twig_id
    }

    fn previous_leaf_hash(&self) -> Digest {
        self.source.anchor
    }

    fn payload_pieces(&self) -> impl Iterator<Item = &[[u8; PAYLOAD_LEN]]> {
        std::iter::once(self.source.payloads)
    }

    fn tags(&self) -> Option<Cow<'_, [Tag]>> {
        self.source.tags.map(Cow::Borrowed)
    }

    fn node(&self, level: u32, index: u64) -> Option<Digest> {
        self.heap
            .get(heap_index(TWIG_LEVEL, level, index)?)
            .copied()
    }
}

impl fmt::Debug for TwigLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TwigLanes({} twigs)", self.heaps.len())
    }
}

impl fmt::Debug for DerivedTwig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DerivedTwig({})", self.twig_id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::twig::Twig;
    use super::*;
    use qmtree_proofs::Profile;

    #[test]
    fn lanes_derive_what_one_twig_at_a_time_does() {
        for profile in Profile::ALL {
            let hasher = Hasher::new(profile);
            let twig = |i: u8| {
                let payload = |leaf: usize| [leaf.to_le_bytes()[0] ^ i; PAYLOAD_LEN];
                ([i; 32], (0..LEAVES).map(payload).collect::<Vec<_>>())
            };
            let mut lanes = TwigLanes::new(hasher);
            for count in [19, 1, 16, 8] {
                let twigs: Vec<_> = (0..count).map(twig).collect();
                let anchored = twigs.iter().map(|(anchor, payloads)| AnchoredTwig {
                    anchor: *anchor,
                    payloads,
                    tags: None,
                });
                let derived = lanes.derive(TwigId(5), &anchored.collect::<Vec<_>>());
                for (place, (anchor, payloads)) in twigs.iter().enumerate() {
                    let id = TwigId(5 + place as u64);
                    let alone = Twig::rebuild(&hasher, id, *anchor, payloads.clone());
                    let found = &derived[place];
                    assert_eq!(found.twig_id(), id);
                    assert_eq!(found.root(), alone.root());
                    assert_eq!(found.last_leaf_hash(), alone.last_leaf_hash());
                    for (level, index) in [(0, 0), (0, 2047), (4, 127), (7, 3), (11, 0)] {
                        assert_eq!(found.node(level, index), alone.node(level, index));
                    }
                    assert_eq!(found.node(11, 1), None);
                }
            }
        }
    }
}
