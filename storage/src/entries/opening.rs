//! A twig of the state log of which only some entries are there, with the nodes over all others.
//!
//! The entries that are there are opened as by a multi-proof (docs/FORMAT.md, section 3): at each
//! level the sibling of a known node is sent if it is not known. So every node beside the way from
//! such an entry to the root of the twig can be read, and no other.

use qmtree_proofs::state::ActiveBits;
use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, level_tag};

const ACTIVE_LEN: usize = 256;

/// Some entries of a twig, opened against its entries root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwigOpening {
    live: ActiveBits,
    entries: Vec<[u8; LEAF_LEN]>,
    nodes: Vec<Digest>,
}

impl TwigOpening {
    /// Most bytes of one: each entry that is left out is replaced by a node at most.
    pub const MAX_LEN: u64 = ACTIVE_LEN as u64 + LEAF_LEN as u64 * TWIG_LEAVES;

    /// Reads an opening: which entries it has, these, and the nodes. `None` if it is none.
    #[must_use]
    pub fn read(word: &[u8]) -> Option<Self> {
        let (bits, rest) = word.split_first_chunk::<ACTIVE_LEN>()?;
        let live = read_bits(bits)?;
        let count = usize::try_from(live.count()).ok()?;
        let (entries, nodes) = rest.split_at_checked(count.checked_mul(LEAF_LEN)?)?;
        let (nodes, over) = nodes.as_chunks();
        let fits = over.is_empty() && nodes.len() == Self::node_places(&live).len();
        fits.then(|| Self {
            live,
            entries: entries.as_chunks().0.to_vec(),
            nodes: nodes.to_vec(),
        })
    }

    /// Bytes of the opening of these entries.
    #[must_use]
    pub fn len_of(live: &ActiveBits) -> u64 {
        let nodes = Self::node_places(live).len() as u64;
        ACTIVE_LEN as u64 + LEAF_LEN as u64 * u64::from(live.count()) + 32 * nodes
    }

    /// Levels and indices, inside the twig, of the nodes that go with these entries, in order; the
    /// root alone where there are no entries.
    #[must_use]
    pub fn node_places(live: &ActiveBits) -> Vec<(u32, u64)> {
        let known: Vec<_> = indices(live).collect();
        if known.is_empty() {
            return vec![(TWIG_LEVEL, 0)];
        }
        missing_siblings(known, TWIG_LEVEL)
    }

    /// Which entries are there.
    #[must_use]
    pub fn live(&self) -> &ActiveBits {
        &self.live
    }

    /// The entries, each with its index in the twig, ascending.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &[u8; LEAF_LEN])> {
        indices(&self.live).zip(&self.entries)
    }

    /// All nodes that follow. Costs the hashes of the entries and of the nodes above them.
    #[must_use]
    pub fn tree(&self, hasher: &impl TreeHasher) -> OpenedTwig {
        let mut hashes = vec![[0; 32]; self.entries.len()];
        hasher.hash_leaves(&self.entries, &mut hashes);
        let leaves = indices(&self.live).map(|index| (0, index));
        let sent = Self::node_places(&self.live);
        let known = leaves
            .zip(hashes)
            .chain(sent.into_iter().zip(self.nodes.iter().copied()));
        OpenedTwig(Known::derive(hasher, TWIG_LEVEL, known))
    }
}

/// The nodes over a twig that follow from an opening.
#[derive(Clone, Debug)]
pub struct OpenedTwig(Known);

impl OpenedTwig {
    /// The root over the entries.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.node(TWIG_LEVEL, 0).unwrap_or_default()
    }

    /// A node by level and index inside the twig, if it follows.
    #[must_use]
    pub fn node(&self, level: u32, index: u64) -> Option<Digest> {
        self.0.node(level, index)
    }
}

/// Nodes of a perfect tree, as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    levels: u32,
    /// As a heap: node 1 is the root, node k has the children 2k and 2k + 1.
    heap: Vec<Option<Digest>>,
}

impl Known {
    /// All that follows from these nodes of a tree of so many levels above its leaves.
    pub(super) fn derive(
        hasher: &impl TreeHasher,
        levels: u32,
        nodes: impl Iterator<Item = ((u32, u64), Digest)>,
    ) -> Self {
        let mut heap = vec![None; 2 << levels];
        for ((level, index), digest) in nodes {
            if let Some(slot) = slot(levels, level, index).and_then(|slot| heap.get_mut(slot)) {
                *slot = Some(digest);
            }
        }
        let (mut pairs, mut parents, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for level in 1..=levels {
            pairs.clear();
            places.clear();
            for parent in 1_usize << (levels - level)..2 << (levels - level) {
                let child = |place: usize| heap.get(place).copied().flatten();
                if child(parent).is_none()
                    && let (Some(left), Some(right)) = (child(2 * parent), child(2 * parent + 1))
                {
                    pairs.push(pair(&left, &right));
                    places.push(parent);
                }
            }
            parents.clear();
            parents.resize(pairs.len(), [0; 32]);
            hasher.hash_nodes(level_tag(level), &pairs, &mut parents);
            for (place, parent) in places.iter().zip(&parents) {
                if let Some(slot) = heap.get_mut(*place) {
                    *slot = Some(*parent);
                }
            }
        }
        Self { levels, heap }
    }

    pub(super) fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let slot = slot(self.levels, level, index)?;
        self.heap.get(slot).copied().flatten()
    }
}

fn slot(levels: u32, level: u32, index: u64) -> Option<usize> {
    let width = 1_u64 << levels.checked_sub(level)?;
    (index < width).then(|| usize::try_from(width + index).ok())?
}

fn pair(left: &Digest, right: &Digest) -> [u8; PAIR_LEN] {
    let mut pair = [0; PAIR_LEN];
    let (l, r) = pair.split_at_mut(32);
    l.copy_from_slice(left);
    r.copy_from_slice(right);
    pair
}

/// The siblings that known leaves of a perfect tree lack, level by level.
pub(super) fn missing_siblings(leaves: Vec<u64>, levels: u32) -> Vec<(u32, u64)> {
    let (mut known, mut missing) = (leaves, Vec::new());
    for level in 0..levels {
        let is_known = |index: u64| known.binary_search(&index).is_ok();
        let siblings = known.iter().map(|index| index ^ 1);
        missing.extend(
            siblings
                .filter(|index| !is_known(*index))
                .map(|index| (level, index)),
        );
        known.iter_mut().for_each(|index| *index >>= 1);
        known.dedup();
    }
    missing
}

/// The indices of the bits that are set.
pub(super) fn indices(live: &ActiveBits) -> impl Iterator<Item = u64> {
    (0..TWIG_LEAVES).filter(|index| live.get(*index))
}

/// The bits of a twig, as they lie in files and under the active root.
pub(super) fn read_bits(bytes: &[u8]) -> Option<ActiveBits> {
    let (words, _) = bytes.as_chunks::<32>();
    Some(ActiveBits(words.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qmtree_kernels::Hasher;
    use qmtree_proofs::Profile;

    fn entry(index: u64) -> [u8; LEAF_LEN] {
        [index.to_le_bytes()[0]; LEAF_LEN]
    }

    /// An opening of these entries of a full twig, and the whole tree.
    fn opening(hasher: &Hasher, live: &[u64]) -> (Vec<u8>, OpenedTwig) {
        let all = (0..TWIG_LEAVES).map(|index| ((0, index), hasher.hash_leaf(&entry(index))));
        let whole = OpenedTwig(Known::derive(hasher, TWIG_LEVEL, all));
        let mut bits = ActiveBits::NONE;
        live.iter().for_each(|index| bits.set(*index, true));
        let mut word = bits.0.as_flattened().to_vec();
        live.iter().for_each(|index| word.extend(entry(*index)));
        for (level, index) in TwigOpening::node_places(&bits) {
            word.extend(whole.node(level, index).unwrap());
        }
        assert_eq!(word.len() as u64, TwigOpening::len_of(&bits));
        assert!(word.len() as u64 <= TwigOpening::MAX_LEN);
        (word, whole)
    }

    #[test]
    fn an_opening_has_the_root_and_every_node_beside_its_entries() {
        let evens: Vec<u64> = (0..TWIG_LEAVES).step_by(2).collect();
        let all: Vec<u64> = (0..TWIG_LEAVES).collect();
        for profile in Profile::ALL {
            let hasher = Hasher::new(profile);
            for live in [&[][..], &[0], &[2047], &[3, 4, 900], &evens, &all] {
                let (word, whole) = opening(&hasher, live);
                let read = TwigOpening::read(&word).unwrap();
                assert_eq!(
                    read.entries().map(|(index, _)| index).collect::<Vec<_>>(),
                    live
                );
                let tree = read.tree(&hasher);
                assert_eq!(tree.root(), whole.root());
                for (index, level) in live.iter().flat_map(|i| (0..11).map(move |l| (i, l))) {
                    let sibling = (index >> level) ^ 1;
                    assert_eq!(tree.node(level, sibling), whole.node(level, sibling));
                }
                for cut in 0..word.len().min(600) {
                    assert_eq!(TwigOpening::read(&word[..word.len() - 1 - cut]), None);
                }
                assert_eq!(TwigOpening::read(&[&word[..], &[0]].concat()), None);
            }
            assert_eq!(opening(&hasher, &[5]).1.node(12, 0), None);
        }
    }
}
