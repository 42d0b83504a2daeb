//! Memory hashes: a Merkle tree over the words of a frame's memory, changed along touched paths.
//!
//! ```text
//! level 0        the words themselves; zero where none was written
//! level l        node(0xa0 + l, two nodes of level l - 1)
//! root level     the lowest that one node covers: ceil(log2(words)); without words, zero
//! memory_hash    node(0x91, root, hash of the return data)
//! ```
//!
//! The size is in the record of a stretch, so a root's level is known to who opens it.

use super::layout::MEMORY_LEVELS;
use super::layout::tag::{BUFFERS_NODE, MEMORY_NODE};
use super::raw::index;
use super::waves::{Id, Level, NONE, pair};
use alloc::vec::Vec;
use qmtree_proofs::{Digest, PAIR_LEN, TreeHasher};

/// Largest memory whose space is kept for another frame.
const KEPT_WORDS: u32 = 4096;

/// Id of the null node, which each level carries first.
const NULL: Id = 1 << 31;

/// The memory of one frame.
#[derive(Debug, Default)]
pub(super) struct Memory {
    words: u32,
    levels: Vec<Nodes>,
    /// Nodes that have an id of this batch: (level, index).
    touched: Vec<(u8, u32)>,
    /// Words whose parents are out of date: first and last of each span.
    stale: Vec<(u32, u32)>,
}

#[derive(Debug, Default)]
struct Nodes {
    /// The node of this batch, or [`NONE`] and the digest below.
    ids: Vec<Id>,
    digests: Vec<Digest>,
}

/// A root: its level and node; none without memory.
pub(super) type Root = Option<(u8, Id)>;

/// The memory nodes of a batch, by level.
#[derive(Debug)]
pub(super) struct Memories {
    nulls: Vec<Digest>,
    levels: Vec<Level>,
    /// Of each level but the first: children.
    nodes: Vec<Vec<(Id, Id)>>,
    /// Memory hashes to be made: root and hash of the return data.
    buffers: Vec<(Root, Digest)>,
    hashes: Level,
    pairs: Vec<[u8; PAIR_LEN]>,
}

impl Memory {
    /// Makes the memory that of a new frame. A large one gives its space back.
    pub(super) fn clear(&mut self) {
        if self.words > KEPT_WORDS {
            *self = Self::default();
            return;
        }
        self.words = 0;
        self.touched.clear();
        self.stale.clear();
        for nodes in &mut self.levels {
            nodes.ids.clear();
            nodes.digests.clear();
        }
    }

    /// Its size.
    pub(super) fn words(&self) -> u32 {
        self.words
    }
}

/// The level of the root over so many words; there must be one.
fn root_level(words: u32) -> u8 {
    let bits = u32::BITS - words.saturating_sub(1).leading_zeros();
    u8::try_from(bits).expect("at most 32")
}

impl Memories {
    pub(super) fn new(hasher: &impl TreeHasher) -> Self {
        let mut nulls = Vec::with_capacity(MEMORY_LEVELS);
        let mut null = [0; 32];
        for level in 0..MEMORY_LEVELS {
            if level > 0 {
                null = hasher.hash_node(node_tag(level), &null, &null);
            }
            nulls.push(null);
        }
        let level = |_| Level::default();
        Self {
            nulls,
            levels: (0..MEMORY_LEVELS).map(level).collect(),
            nodes: (0..MEMORY_LEVELS).map(|_| Vec::new()).collect(),
            buffers: Vec::new(),
            hashes: Level::default(),
            pairs: Vec::new(),
        }
    }

    /// Forgets the last batch.
    pub(super) fn clear(&mut self) {
        for (level, null) in self.levels.iter_mut().zip(&self.nulls) {
            level.clear();
            level.carry(*null);
        }
        self.nodes.iter_mut().for_each(Vec::clear);
        self.buffers.clear();
        self.hashes.clear();
    }

    /// Notes that a memory has `words` words, where it may have had less.
    pub(super) fn resize(&mut self, memory: &mut Memory, words: u32) {
        let old = core::mem::replace(&mut memory.words, words);
        if old > 0 && words > old && root_level(words) > root_level(old) {
            // The old root is padded with nothing to its right, up to the new one.
            add_span(&mut memory.stale, (0, 0));
        }
    }

    /// Notes new values of the words from `first` on.
    pub(super) fn write(&mut self, memory: &mut Memory, first: u32, words: &[[u8; 32]]) {
        let (Some(last), Some(leaves)) = (
            u32::try_from(words.len())
                .ok()
                .and_then(|count| (first + count).checked_sub(1)),
            self.levels.first_mut(),
        ) else {
            return;
        };
        for (place, word) in (first..).zip(words) {
            let id = index(leaves.digests.len());
            leaves.digests.push(*word);
            set(memory, 0, place, id, &self.nulls);
        }
        add_span(&mut memory.stale, (first, last));
    }

    /// Notes the parents of all words that were written since the last time.
    fn freshen(&mut self, memory: &mut Memory) {
        if memory.stale.is_empty() || memory.words == 0 {
            return;
        }
        let mut spans = core::mem::take(&mut memory.stale);
        spans.sort_unstable();
        for level in 0..usize::from(root_level(memory.words)) {
            let mut made = None;
            for (lo, hi) in &mut spans {
                let parents = (*lo / 2, *hi / 2);
                // Spans may share a parent, and may overlap.
                let from = made.map_or(parents.0, |made: u32| parents.0.max(made + 1));
                if from <= parents.1 {
                    self.make_parents(memory, level, from, parents.1);
                    made = Some(parents.1);
                }
                (*lo, *hi) = parents;
            }
        }
        spans.clear();
        memory.stale = spans;
    }

    /// Notes the nodes `lo..=hi` above `level`.
    fn make_parents(&mut self, memory: &mut Memory, level: usize, lo: u32, hi: u32) {
        for parent in lo..=hi {
            let left = self.id(memory, level, 2 * parent);
            let right = self.id(memory, level, 2 * parent + 1);
            let Some(nodes) = self.nodes.get_mut(level + 1) else {
                return;
            };
            let id = index(nodes.len());
            nodes.push((left, right));
            set(memory, level + 1, parent, id, &self.nulls);
        }
    }

    /// The current node at a place.
    fn id(&mut self, memory: &mut Memory, level: usize, place: u32) -> Id {
        let nodes = memory.levels.get_mut(level);
        let link = nodes.and_then(|nodes| {
            let ids = nodes.ids.get_mut(place as usize)?;
            Some((ids, nodes.digests.get(place as usize)?))
        });
        let (Some((id, digest)), Some(level_nodes)) = (link, self.levels.get_mut(level)) else {
            return NULL;
        };
        if *id == NONE {
            *id = level_nodes.carry(*digest);
            memory.touched.push((narrow(level), place));
        }
        *id
    }

    /// Notes a memory hash to be made of what the memory is now, and returns its node.
    pub(super) fn seal(&mut self, memory: &mut Memory, return_data: Digest) -> Id {
        self.freshen(memory);
        let root = (memory.words > 0).then(|| {
            let level = root_level(memory.words);
            (level, self.id(memory, usize::from(level), 0))
        });
        self.buffers.push((root, return_data));
        index(self.buffers.len() - 1)
    }

    /// Notes a memory hash that is known.
    pub(super) fn carry(&mut self, hash: Digest) -> Id {
        self.hashes.carry(hash)
    }

    /// Hashes all nodes, level by level, and then the memory hashes.
    pub(super) fn hash(&mut self, hasher: &impl TreeHasher) {
        let mut rest = self.levels.as_mut_slice();
        let mut nodes = self.nodes.iter().zip(0..).skip(1);
        while let [below, above, ..] = rest {
            if let Some((nodes, level)) = nodes.next()
                && !nodes.is_empty()
            {
                self.pairs.clear();
                let bodies = nodes.iter();
                self.pairs
                    .extend(bodies.map(|(l, r)| pair(below.digest(*l), below.digest(*r))));
                above.digests.resize(nodes.len(), [0; 32]);
                hasher.hash_nodes(node_tag(level), &self.pairs, &mut above.digests);
            }
            rest = rest.split_at_mut(1).1;
        }
        self.pairs.clear();
        let levels = &self.levels;
        self.pairs
            .extend(self.buffers.iter().map(|(root, returned)| {
                let root =
                    root.and_then(|(level, id)| Some(levels.get(usize::from(level))?.digest(id)));
                pair(root.unwrap_or(&[0; 32]), returned)
            }));
        self.hashes.digests.resize(self.buffers.len(), [0; 32]);
        hasher.hash_nodes(BUFFERS_NODE, &self.pairs, &mut self.hashes.digests);
    }

    /// A memory hash.
    pub(super) fn digest(&self, id: Id) -> &Digest {
        self.hashes.digest(id)
    }

    /// Keeps the digests of a memory beyond this batch.
    pub(super) fn keep(&self, memory: &mut Memory) {
        let Memory {
            levels, touched, ..
        } = memory;
        for (level, place) in touched.drain(..) {
            let digests = self.levels.get(usize::from(level));
            let nodes = levels.get_mut(usize::from(level));
            let (Some(from), Some(nodes)) = (digests, nodes) else {
                continue;
            };
            let place = place as usize;
            if let (Some(id), Some(digest)) =
                (nodes.ids.get_mut(place), nodes.digests.get_mut(place))
                && *id != NONE
            {
                *digest = *from.digest(*id);
                *id = NONE;
            }
        }
    }
}

/// Adds a span of words, to the last one if they touch.
fn add_span(spans: &mut Vec<(u32, u32)>, (first, last): (u32, u32)) {
    match spans.last_mut() {
        Some((lo, hi)) if first <= hi.saturating_add(1) && last.saturating_add(1) >= *lo => {
            *lo = first.min(*lo);
            *hi = last.max(*hi);
        }
        _ => spans.push((first, last)),
    }
}

/// Makes `id` the node at a place, with null nodes before it where there were none.
fn set(memory: &mut Memory, level: usize, place: u32, id: Id, nulls: &[Digest]) {
    while memory.levels.len() <= level {
        memory.levels.push(Nodes::default());
    }
    let Some(nodes) = memory.levels.get_mut(level) else {
        return;
    };
    let place_in = place as usize;
    if nodes.ids.len() <= place_in {
        nodes.ids.resize(place_in + 1, NONE);
        let null = nulls.get(level).copied().unwrap_or_default();
        nodes.digests.resize(place_in + 1, null);
    }
    if let Some(link) = nodes.ids.get_mut(place_in) {
        if *link == NONE {
            memory.touched.push((narrow(level), place));
        }
        *link = id;
    }
}

/// The tag of the nodes of a level.
fn node_tag(level: usize) -> u8 {
    MEMORY_NODE + narrow(level)
}

/// A level as a byte.
fn narrow(level: usize) -> u8 {
    u8::try_from(level).expect("there are 33 levels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_level_is_the_lowest_that_covers_all() {
        let levels = [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (8, 3),
            (9, 4),
            (u32::MAX, 32),
        ];
        for (words, level) in levels {
            assert_eq!(root_level(words), level, "{words} words");
        }
    }
}
