//! The nodes that are known of a log: enough to hash it again after writes.

use super::nodes::OpenTwig;
use crate::hash::{Digest, TreeHasher, join, level_tag};
use crate::level::{TWIG_LEAVES, TWIG_LEVEL, is_null, root_level};
use crate::null_hashes::null_hash;
use crate::state::active::{self, ACTIVE_WORDS, bit_of, word_of};
use crate::state::entry::EntryId;
use crate::state::opening::STATE_TWIG_TAG;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The nodes over the active bits of a twig: 8 words, 4, 2 and 1 nodes, one level after the other.
#[derive(Clone, Debug)]
pub(super) struct ActiveNodes {
    nodes: [Digest; 15],
    /// Bit i is set if node i is known.
    known: u16,
}

impl ActiveNodes {
    /// No bit is set.
    fn none() -> Self {
        Self {
            nodes: [[0; 32]; 15],
            known: 0xff,
        }
    }

    /// What an extract says: words that are zero, and the digests that it sends for the others.
    pub(super) fn read(open: OpenTwig, sent: &mut impl Iterator<Item = Digest>) -> Self {
        let mut read = Self {
            nodes: [[0; 32]; 15],
            known: open.zero.into(),
        };
        let Ok(()) = open.visit(|level, index| {
            read.put(place(level, index), sent.next().unwrap_or_default());
            Ok::<_, core::convert::Infallible>(())
        });
        read
    }

    fn put(&mut self, place: usize, digest: Digest) {
        if let Some(slot) = self.nodes.get_mut(place) {
            *slot = digest;
            self.known |= 1 << place;
        }
    }

    fn node(&self, place: usize) -> Option<Digest> {
        let known = self.known >> place & 1 == 1;
        self.nodes.get(place).filter(|_| known).copied()
    }

    /// True if the bit of the entry at `index` of the twig is known and set.
    pub(super) fn get(&self, index: u64) -> bool {
        let word = usize::try_from(word_of(index)).ok();
        let word = word.and_then(|word| self.node(word));
        word.is_some_and(|word| bit_of(&B256::new(word), index))
    }

    fn set(&mut self, index: u64, active: bool) {
        let mask = 1u8 << (index & 7);
        let byte = usize::try_from(index >> 3).ok();
        let words = self.nodes.get_mut(..ACTIVE_WORDS).unwrap_or_default();
        if let Some(byte) = byte.and_then(|byte| words.as_flattened_mut().get_mut(byte)) {
            *byte = if active { *byte | mask } else { *byte & !mask };
        }
    }

    /// The root over the bits, hashing whatever has both children. At most seven hashes.
    fn root(&mut self, hasher: &impl TreeHasher) -> Digest {
        for level in 1..=3 {
            for index in 0..ACTIVE_WORDS >> level {
                let child = |side| self.node(place(level - 1, 2 * index + side));
                if let (Some(left), Some(right)) = (child(0), child(1)) {
                    let node = hasher.hash_node(active::tag(level), &left, &right);
                    self.put(place(level, index), node);
                }
            }
        }
        self.node(place(3, 0)).unwrap_or_default()
    }
}

/// Where a node lies: the words first, then level by level.
fn place(level: u32, index: usize) -> usize {
    // 8 + 4 + 2 + 1: the levels below this one have 16 - (16 >> level) nodes.
    16 - (16 >> level) + index
}

/// The peaks of the entries of the youngest twig.
#[derive(Clone, Debug, Default)]
pub(super) struct TwigEdge {
    pub(super) peaks: [Digest; TWIG_LEVEL as usize],
    pub(super) len: u64,
}

impl TwigEdge {
    /// Adds an entry's hash; returns the twig's entries root if this completes it.
    fn push(&mut self, hasher: &impl TreeHasher, hash: Digest) -> Option<Digest> {
        let mut node = hash;
        for (peak, level) in self.peaks.iter_mut().zip(0..) {
            if self.len >> level & 1 == 0 {
                *peak = node;
                self.len += 1;
                return None;
            }
            node = hasher.hash_node(level_tag(level + 1), peak, &node);
        }
        self.len = 0;
        Some(node)
    }

    /// The entries root of the twig, which has an entry and is not complete.
    fn root(&self, hasher: &impl TreeHasher) -> Digest {
        let profile = hasher.profile();
        let start = self.len.trailing_zeros().min(TWIG_LEVEL);
        let mut node = null_hash(profile, start);
        for (peak, level) in self.peaks.iter().zip(0..).skip(start as usize) {
            let tag = level_tag(level + 1);
            node = if self.len >> level & 1 == 1 {
                hasher.hash_node(tag, peak, &node)
            } else {
                hasher.hash_node(tag, &node, &null_hash(profile, level))
            };
        }
        node
    }
}

/// A twig of which something is opened, so that its active bits may change.
#[derive(Clone, Debug)]
pub(super) struct KnownTwig {
    /// Of a complete twig; that of the youngest one follows from the edge.
    pub(super) entries_root: Digest,
    pub(super) active: ActiveNodes,
}

/// All that is known of a log, at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) entry_count: u64,
    pub(super) edge: TwigEdge,
    pub(super) twigs: BTreeMap<u64, KnownTwig>,
    /// Twig roots and what is above them, by level and index.
    pub(super) upper: BTreeMap<(u32, u64), Digest>,
    /// Twigs whose bits or entries changed since the root was computed, in any order.
    pub(super) dirty: Vec<u64>,
}

impl Known {
    /// Adds entries behind the last one, each with its active bit.
    pub(super) fn append(&mut self, hasher: &impl TreeHasher, new: &[(Digest, bool)]) {
        for (hash, active) in new {
            let (twig, index) = (
                self.entry_count / TWIG_LEAVES,
                self.entry_count % TWIG_LEAVES,
            );
            let known = self.twigs.entry(twig).or_insert_with(|| KnownTwig {
                entries_root: [0; 32],
                active: ActiveNodes::none(),
            });
            known.active.set(index, *active);
            if let Some(root) = self.edge.push(hasher, *hash) {
                known.entries_root = root;
            }
            self.entry_count += 1;
            self.touch(twig);
        }
    }

    /// Clears the active bit of an entry that is known to be active.
    pub(super) fn clear(&mut self, id: EntryId) {
        let twig = id.twig_id().0;
        if let Some(known) = self.twigs.get_mut(&twig) {
            known.active.set(id.index_in_twig(), false);
            self.touch(twig);
        }
    }

    fn touch(&mut self, twig: u64) {
        if self.dirty.last() != Some(&twig) {
            self.dirty.push(twig);
        }
    }

    /// The root now; zero if the log is empty. Hashes what changed since it was asked for last.
    pub(super) fn root(&mut self, hasher: &impl TreeHasher) -> B256 {
        let mut dirty = core::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for &twig in &dirty {
            self.hash_twig(hasher, twig);
        }
        if !dirty.is_empty() {
            self.hash_upper(hasher, dirty);
        }
        let root = self.upper.get(&(root_level(self.entry_count), 0));
        B256::new(root.copied().unwrap_or_default())
    }

    fn hash_twig(&mut self, hasher: &impl TreeHasher, twig: u64) {
        let youngest = twig == self.entry_count / TWIG_LEAVES;
        let Some(known) = self.twigs.get_mut(&twig) else {
            return;
        };
        if youngest {
            known.entries_root = self.edge.root(hasher);
        }
        let active_root = known.active.root(hasher);
        let root = hasher.hash_node(STATE_TWIG_TAG, &known.entries_root, &active_root);
        self.upper.insert((TWIG_LEVEL, twig), root);
    }

    /// Hashes everything above these nodes of level 11, in batches.
    pub(super) fn hash_upper(&mut self, hasher: &impl TreeHasher, mut dirty: Vec<u64>) {
        let (mut bodies, mut hashes) = (Vec::new(), Vec::new());
        for level in TWIG_LEVEL..root_level(self.entry_count) {
            dirty.iter_mut().for_each(|index| *index >>= 1);
            dirty.dedup();
            bodies.clear();
            bodies.extend(dirty.iter().map(|index| {
                let (left, right) = (2 * index, 2 * index + 1);
                join(
                    &self.child(hasher, level, left),
                    &self.child(hasher, level, right),
                )
            }));
            hashes.clear();
            hashes.resize(bodies.len(), [0; 32]);
            hasher.hash_nodes(level_tag(level + 1), &bodies, &mut hashes);
            for (index, hash) in dirty.iter().zip(&hashes) {
                self.upper.insert((level + 1, *index), *hash);
            }
        }
    }

    fn child(&self, hasher: &impl TreeHasher, level: u32, index: u64) -> Digest {
        match self.upper.get(&(level, index)) {
            Some(node) => *node,
            None => {
                // The siblings of every way up are sent, and what is behind the log is null.
                assert!(
                    is_null(level, index, self.entry_count),
                    "the siblings of all twigs that change are known"
                );
                null_hash(hasher.profile(), level)
            }
        }
    }
}

/// Nodes of one level by ascending index, and the level above them made of these, of what is sent
/// and of null nodes; `see` is shown every left child with its index.
pub(super) fn fold_level(
    hasher: &impl TreeHasher,
    level: u32,
    entry_count: u64,
    known: &mut Vec<(u64, Digest)>,
    sent: &mut impl Iterator<Item = Digest>,
    mut see: impl FnMut(u64, &Digest),
) {
    let null = null_hash(hasher.profile(), level);
    let (mut bodies, mut parents) = (Vec::new(), Vec::new());
    let mut rest = known.iter().copied().peekable();
    // The shape was checked: a sibling is there wherever one is due.
    let mut take = || sent.next().unwrap_or_default();
    while let Some((index, node)) = rest.next() {
        let (left, right) = if index & 1 == 1 {
            (take(), node)
        } else if let Some((_, right)) = rest.next_if(|(next, _)| *next == index + 1) {
            (node, right)
        } else if is_null(level, index + 1, entry_count) {
            (node, null)
        } else {
            (node, take())
        };
        see(index & !1, &left);
        bodies.push(join(&left, &right));
        parents.push(index >> 1);
    }
    let mut hashes = vec![[0; 32]; bodies.len()];
    hasher.hash_nodes(level_tag(level + 1), &bodies, &mut hashes);
    *known = parents.into_iter().zip(hashes).collect();
}
