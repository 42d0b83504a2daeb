//! Twigs of which only the entries are kept that were live at some time: how a segment holds one
//! (docs/FORMAT.md, section 11).
//!
//! ```text
//! | header 32 | nodes of levels 11 to 4, heap order 255 x 32 | active bits 256 | entries 128 each |
//! | nodes below level 4, 32 each |
//! ```
//!
//! It is what a [`TwigOpening`] says, with the nodes that follow from it filled in, so that a proof
//! reads a path and derives a group of 16 entries at most. Nodes that do not follow are zero.

use super::layout::{GROUP_ENTRIES, GROUP_LEVEL, HEAP_SLOTS, twig_header};
use super::opening::{Known, OpenedTwig, TwigOpening, indices, missing_siblings, read_bits};
use crc32c::crc32c;
use qmtree_proofs::state::ActiveBits;
use qmtree_proofs::{Digest, LEAF_LEN, TWIG_LEVEL, TreeHasher};

const ACTIVE_LEN: usize = 256;
const HEAP_LEN: usize = 32 * HEAP_SLOTS;

/// A twig in a segment of live entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiveTwig<'a> {
    header: &'a [u8],
    /// All but the header slot.
    heap: &'a [u8],
    rest: &'a [u8],
    live: ActiveBits,
    entries: &'a [[u8; LEAF_LEN]],
    low: &'a [Digest],
}

/// The bytes of a twig.
pub(super) fn live_twig_bytes(twig: u64, opening: &TwigOpening, tree: &OpenedTwig) -> Vec<u8> {
    let mut nodes = Vec::with_capacity(HEAP_LEN);
    for level in (GROUP_LEVEL..=TWIG_LEVEL).rev() {
        for index in 0..1_u64 << (TWIG_LEVEL - level) {
            nodes.extend(tree.node(level, index).unwrap_or_default());
        }
    }
    let live = opening.live();
    let mut rest = live.0.as_flattened().to_vec();
    opening.entries().for_each(|(_, entry)| rest.extend(entry));
    for group in 0..GROUPS {
        for (level, index) in group_places(live, group) {
            let first = group << (GROUP_LEVEL - level);
            rest.extend(tree.node(level, first + index).unwrap_or_default());
        }
    }
    let header = twig_header(crc32c(&rest), crc32c(&nodes), twig);
    [&header, &nodes[..], &rest].concat()
}

const GROUPS: u64 = (1 << TWIG_LEVEL) / GROUP_ENTRIES as u64;

/// Levels and indices, inside a group of 16 entries, of the nodes that are kept beside the entries.
fn group_places(live: &ActiveBits, group: u64) -> Vec<(u32, u64)> {
    let first = group << GROUP_LEVEL;
    let leaves = (0..GROUP_ENTRIES as u64).filter(|index| live.get(first + index));
    missing_siblings(leaves.collect(), GROUP_LEVEL)
}

/// How many of them there are.
fn group_count(live: &ActiveBits, group: u64) -> usize {
    let groups = live.0.as_flattened().as_chunks::<2>().0;
    let bits = usize::try_from(group)
        .ok()
        .and_then(|group| groups.get(group));
    let (mut known, mut count) = (bits.map_or(0, |bits| u16::from_le_bytes(*bits)), 0);
    for _ in 0..GROUP_LEVEL {
        let siblings = ((known & 0x5555) << 1) | ((known >> 1) & 0x5555);
        count += (siblings & !known).count_ones();
        let parents = known | (known >> 1);
        known = (0..8).fold(0, |all, at| all | (((parents >> (2 * at)) & 1) << at));
    }
    usize::try_from(count).unwrap_or(usize::MAX)
}

const _: () = assert!(GROUP_ENTRIES == 16);

impl<'a> LiveTwig<'a> {
    /// Reads a twig; `None` if it is none. Its checksums are left alone.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(32)?;
        let (heap, rest) = rest.split_at_checked(HEAP_LEN - 32)?;
        let (bits, behind) = rest.split_first_chunk::<ACTIVE_LEN>()?;
        let live = read_bits(bits)?;
        let count = usize::try_from(live.count()).ok()?;
        let (entries, low) = behind.split_at_checked(count.checked_mul(LEAF_LEN)?)?;
        Some(Self {
            header,
            heap,
            rest,
            live,
            entries: entries.as_chunks().0,
            low: low.as_chunks().0,
        })
    }

    /// True if the checksums and the number are right, and there are as many nodes as there should
    /// be.
    pub(super) fn is_whole(&self, twig: u64) -> bool {
        let low: usize = (0..GROUPS)
            .map(|group| group_count(&self.live, group))
            .sum();
        self.header == twig_header(crc32c(self.rest), crc32c(self.heap), twig)
            && self.rest.len() == ACTIVE_LEN + self.entries.len() * LEAF_LEN + 32 * low
    }

    /// True if the nodes that are stored twice, or follow from others, are what they should be.
    pub(super) fn is_right(&self, hasher: &impl TreeHasher) -> bool {
        if self.entries.is_empty() {
            return self.node(hasher, TWIG_LEVEL, 0).is_some();
        }
        let first = |level, index| ((level, index), self.node(hasher, level, index));
        let leaves = self.entries().map(|(index, _)| first(0, index));
        let sent = TwigOpening::node_places(&self.live);
        let sent = sent.into_iter().map(|(level, index)| first(level, index));
        let known = leaves.chain(sent);
        let known = known.filter_map(|(place, node)| Some((place, node?)));
        let tree = Known::derive(hasher, TWIG_LEVEL, known);
        let levels = GROUP_LEVEL..=TWIG_LEVEL;
        let mut places = levels
            .flat_map(|level| (0..1_u64 << (TWIG_LEVEL - level)).map(move |index| (level, index)));
        places.all(|(level, index)| tree.node(level, index) == self.node(hasher, level, index))
    }

    /// Which entries are there.
    pub(super) fn live(&self) -> &ActiveBits {
        &self.live
    }

    /// The entries, each with its index in the twig.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &'a [u8; LEAF_LEN])> + use<'a> {
        let live = self.live;
        let indices: Vec<_> = indices(&live).collect();
        indices.into_iter().zip(self.entries)
    }

    /// The entry at an index of the twig, if it is there.
    pub(super) fn entry(&self, index: u64) -> Option<&'a [u8; LEAF_LEN]> {
        let place = self.rank(index);
        self.entries.get(place).filter(|_| self.live.get(index))
    }

    /// Entries before an index.
    fn rank(&self, index: u64) -> usize {
        let bytes = self.live.0.as_flattened();
        let whole = usize::try_from(index >> 3).unwrap_or(usize::MAX);
        let before = bytes
            .iter()
            .take(whole)
            .map(|byte| byte.count_ones())
            .sum::<u32>();
        let byte = bytes.get(whole).copied().unwrap_or_default();
        let part = byte & ((1_u8 << (index & 7)) - 1);
        usize::try_from(before + part.count_ones()).unwrap_or(usize::MAX)
    }

    /// A node by level and index inside the twig, if it is known.
    pub(super) fn node(&self, hasher: &impl TreeHasher, level: u32, index: u64) -> Option<Digest> {
        let above = TWIG_LEVEL.checked_sub(level)?;
        if level >= GROUP_LEVEL {
            let slot = usize::try_from((1_u64 << above) + index)
                .ok()?
                .checked_sub(1)?;
            let node = self.heap.as_chunks::<32>().0.get(slot).copied();
            return node.filter(|node| *node != [0; 32]);
        }
        let group = index >> (GROUP_LEVEL - level);
        let first = group << GROUP_LEVEL;
        let before: usize = (0..group).map(|group| group_count(&self.live, group)).sum();
        let sent = group_places(&self.live, group)
            .into_iter()
            .zip(self.low.get(before..)?);
        let sent = sent.map(|(place, node)| (place, *node));
        let leaves = (0..GROUP_ENTRIES as u64)
            .filter_map(|index| Some((index, self.entry(first + index)?)))
            .map(|(index, entry)| ((0, index), hasher.hash_leaf(entry)));
        let known = Known::derive(hasher, GROUP_LEVEL, leaves.chain(sent));
        known.node(level, index - (group << (GROUP_LEVEL - level)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qmtree_kernels::Hasher;
    use qmtree_proofs::{Profile, TWIG_LEAVES};

    #[test]
    fn every_node_of_the_opening_is_found_and_no_other() {
        let hasher = Hasher::new(Profile::Keccak256);
        for live in [&[][..], &[7], &[0, 1, 2, 17, 1000, 2047]] {
            let mut bits = ActiveBits::NONE;
            live.iter().for_each(|index| bits.set(*index, true));
            let mut word = bits.0.as_flattened().to_vec();
            live.iter()
                .for_each(|index| word.extend([index.to_le_bytes()[0]; LEAF_LEN]));
            for place in 0..TwigOpening::node_places(&bits).len() {
                word.extend([place.to_le_bytes()[0] + 1; 32]);
            }
            let opening = TwigOpening::read(&word).unwrap();
            let tree = opening.tree(&hasher);
            let bytes = live_twig_bytes(9, &opening, &tree);
            let twig = LiveTwig::read(&bytes).unwrap();
            assert!(twig.is_whole(9) && !twig.is_whole(8) && twig.is_right(&hasher));
            assert_eq!(twig.node(&hasher, 11, 0), Some(tree.root()));
            let found: Vec<_> = twig.entries().map(|(index, _)| index).collect();
            assert_eq!(found, live);
            for index in 0..TWIG_LEAVES {
                assert_eq!(twig.entry(index).is_some(), live.contains(&index));
            }
            for (index, level) in live.iter().flat_map(|i| (0..11).map(move |l| (i, l))) {
                for index in [index >> level, (index >> level) ^ 1] {
                    assert_eq!(twig.node(&hasher, level, index), tree.node(level, index));
                    assert!(tree.node(level, index).is_some());
                }
            }
            for at in (0..bytes.len()).step_by(7) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert!(
                    LiveTwig::read(&damaged).is_none_or(|twig| !twig.is_whole(9)),
                    "{at}"
                );
            }
        }
    }
}
