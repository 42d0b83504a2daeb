//! Stack hashes: a chain per frame, one node per item.
//!
//! ```text
//! height 0   frame hash
//! height h   node(0x90, hash at height h - 1, item as 32 bytes, big endian)
//! ```

use super::layout::tag::STACK_NODE;
use super::raw::index;
use super::waves::{Id, Level, NONE, pair};
use alloc::vec::Vec;
use alloy_primitives::U256;
use qmtree_proofs::{Digest, PAIR_LEN, TreeHasher};

/// The chain of one frame.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Of each item, the node of this batch, or [`NONE`] and the digest below.
    ids: Vec<Id>,
    digests: Vec<Digest>,
    /// Whether some id is set.
    touched: bool,
}

/// The stack nodes of a batch, by height.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    /// Height 0 are frame hashes, which are put there before [`hash`](Self::hash).
    levels: Vec<Level>,
    /// Of each height: (node below, place of the item in the batch).
    nodes: Vec<Vec<(Id, u32)>>,
    pairs: Vec<[u8; PAIR_LEN]>,
}

impl Chain {
    /// Makes the chain that of an empty stack.
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.digests.clear();
        self.touched = false;
    }
}

impl Stacks {
    /// Forgets the last batch.
    pub(super) fn clear(&mut self) {
        self.levels.iter_mut().for_each(Level::clear);
        self.nodes.iter_mut().for_each(Vec::clear);
        self.level(0);
    }

    /// The frame hashes.
    pub(super) fn bases(&mut self) -> &mut Level {
        self.level(0)
    }

    /// Notes that `height` items lie on `base`, the upper ones new; the new ones are the items of
    /// the batch from `first_item` on. Returns the node of the whole stack, at that height.
    pub(super) fn push(
        &mut self,
        chain: &mut Chain,
        base: Id,
        height: usize,
        new: usize,
        first_item: usize,
    ) -> Id {
        let kept = height.saturating_sub(new);
        chain.ids.truncate(kept);
        chain.digests.truncate(kept);
        assert!(chain.ids.len() == kept, "each item was pushed once");
        let mut below = self.top(chain, base);
        if new == 0 {
            return below;
        }
        self.level(height);
        chain.touched = true;
        let levels = self.nodes.iter_mut().skip(kept + 1);
        for (nodes, item) in levels.zip(first_item..first_item + new) {
            let id = index(nodes.len());
            nodes.push((below, index(item)));
            chain.ids.push(id);
            below = id;
        }
        chain.digests.resize(height, [0; 32]);
        below
    }

    /// The node of the highest item, or the base.
    fn top(&mut self, chain: &mut Chain, base: Id) -> Id {
        let height = chain.ids.len();
        let (Some(id), Some(digest)) = (chain.ids.last_mut(), chain.digests.last()) else {
            return base;
        };
        if *id == NONE {
            *id = self.level(height).carry(*digest);
            chain.touched = true;
        }
        *id
    }

    /// Hashes all nodes, height by height.
    pub(super) fn hash(&mut self, hasher: &impl TreeHasher, items: &[U256]) {
        let mut rest = self.levels.as_mut_slice();
        let mut nodes = self.nodes.iter().skip(1);
        while let [below, above, ..] = rest {
            let nodes = nodes.next().map_or(&[][..], Vec::as_slice);
            if !nodes.is_empty() {
                self.pairs.clear();
                self.pairs.extend(nodes.iter().map(|(id, item)| {
                    let item = items.get(*item as usize).map_or([0; 32], U256::to_be_bytes);
                    pair(below.digest(*id), &item)
                }));
                above.digests.resize(nodes.len(), [0; 32]);
                hasher.hash_nodes(STACK_NODE, &self.pairs, &mut above.digests);
            }
            rest = rest.split_at_mut(1).1;
        }
    }

    /// The hash of a stack.
    pub(super) fn digest(&self, height: u16, id: Id) -> &Digest {
        let level = self.levels.get(usize::from(height));
        level.expect("a stack's level exists").digest(id)
    }

    /// Keeps the digests of a chain beyond this batch.
    pub(super) fn keep(&self, chain: &mut Chain) {
        if !core::mem::take(&mut chain.touched) {
            return;
        }
        let levels = self.levels.iter().skip(1);
        let links = chain.ids.iter_mut().zip(&mut chain.digests);
        for ((id, digest), level) in links.zip(levels) {
            if *id != NONE {
                *digest = *level.digest(*id);
                *id = NONE;
            }
        }
    }

    fn level(&mut self, height: usize) -> &mut Level {
        while self.levels.len() <= height {
            self.levels.push(Level::default());
            self.nodes.push(Vec::new());
        }
        self.levels.get_mut(height).expect("made above")
    }
}
