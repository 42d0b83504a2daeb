//! The frontier: the peaks of the first n leaves, enough to append and to give a root.
//!
//! A peak is the root of one maximal perfect subtree; n has one at each level whose bit is set.
//!
//! ```text
//! n = 7 = 0b111        o        level 2: leaves 0..4
//!                   /     \     
//!                  o       o    o        level 1: leaves 4..6
//!                 / \     / \  / \   o   level 0: leaf 6
//! ```
//!
//! Nothing but the peaks is stored, at most 64 digests, so this is also a small independent model
//! of the tree that tests compare bigger machinery with.

use crate::hash::{Digest, Profile, TreeHasher, level_tag, pairs};
use crate::level::{ancestor, is_complete, is_null, root_level};
use crate::null_hashes::null_hash;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The peaks of a log, and the hasher that its rules name.
#[derive(Clone, Debug)]
pub struct Frontier<H> {
    hasher: H,
    leaf_count: u64,
    /// The peak of each level; meaningful where `leaf_count` has the level's bit.
    peaks: [Digest; 64],
}

impl<H: TreeHasher> Frontier<H> {
    /// The frontier of an empty log.
    #[must_use]
    pub fn new(hasher: H) -> Self {
        Self {
            hasher,
            leaf_count: 0,
            peaks: [[0; 32]; 64],
        }
    }

    /// The frontier of `leaf_count` leaves whose peaks, as (level, index), `node` reads.
    ///
    /// # Errors
    /// The first error of `node`.
    pub fn from_peaks<E>(
        hasher: H,
        leaf_count: u64,
        mut node: impl FnMut(u32, u64) -> Result<Digest, E>,
    ) -> Result<Self, E> {
        let mut frontier = Self {
            leaf_count,
            ..Self::new(hasher)
        };
        for (peak, level) in frontier.peaks.iter_mut().zip(0..) {
            let behind = ancestor(leaf_count, level);
            if behind & 1 == 1 {
                *peak = node(level, behind - 1)?;
            }
        }
        Ok(frontier)
    }

    /// The hash rules of the log.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.hasher.profile()
    }

    /// Leaves appended so far.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// Appends leaf hashes. Costs one node hash per leaf, amortised, in batches.
    ///
    /// # Panics
    /// If the log would grow beyond 2^64 - 1 leaves.
    pub fn append(&mut self, leaf_hashes: &[Digest]) {
        let appended = leaf_hashes.len() as u64;
        let grown = self
            .leaf_count
            .checked_add(appended)
            .expect("a log has less than 2^64 leaves");
        let mut nodes = Vec::with_capacity(leaf_hashes.len() + 1);
        nodes.extend_from_slice(leaf_hashes);
        let mut parents = Vec::new();
        for (peak, level) in self.peaks.iter_mut().zip(0..) {
            if nodes.is_empty() {
                break;
            }
            // The peak pairs up with the first new node; a last odd node is the next peak.
            if ancestor(self.leaf_count, level) & 1 == 1 {
                nodes.insert(0, *peak);
            }
            if nodes.len() % 2 == 1 {
                *peak = nodes.pop().unwrap_or_default();
            }
            let bodies = pairs(&nodes);
            parents.clear();
            parents.resize(bodies.len(), [0; 32]);
            self.hasher
                .hash_nodes(level_tag(level + 1), bodies, &mut parents);
            core::mem::swap(&mut nodes, &mut parents);
        }
        self.leaf_count = grown;
    }

    /// The root; zero for an empty log. Costs at most one hash per level.
    #[must_use]
    pub fn root(&self) -> B256 {
        B256::new(self.partial_nodes().root())
    }

    /// The partly filled nodes at the end of the log. Costs as [`root`](Self::root).
    pub(crate) fn partial_nodes(&self) -> PartialNodes {
        let leaf_count = self.leaf_count;
        let mut nodes = PartialNodes {
            profile: self.profile(),
            leaf_count,
            partial: [[0; 32]; 64],
        };
        if leaf_count == 0 {
            return nodes;
        }
        let start = leaf_count.trailing_zeros();
        let mut node = null_hash(nodes.profile, start);
        let levels = (start..root_level(leaf_count)).zip(start as usize..);
        for (level, slot) in levels {
            let null = null_hash(nodes.profile, level);
            let (left, right) = match self.peaks.get(slot) {
                Some(peak) if ancestor(leaf_count, level) & 1 == 1 => (peak, &node),
                _ => (&node, &null),
            };
            node = self.hasher.hash_node(level_tag(level + 1), left, right);
            if let Some(partial) = nodes.partial.get_mut(slot) {
                *partial = node;
            }
        }
        nodes
    }
}

/// The nodes of a tree that cover its end: some leaves and some null ones, one node per level.
#[derive(Clone, Debug)]
pub(crate) struct PartialNodes {
    profile: Profile,
    leaf_count: u64,
    /// The partial node of level `slot + 1`.
    partial: [Digest; 64],
}

impl PartialNodes {
    /// Leaves in the tree.
    pub(crate) fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// Digest of the root; zero for an empty log.
    pub(crate) fn root(&self) -> Digest {
        self.partial(root_level(self.leaf_count))
    }

    /// Any node below the root or the root itself; `complete` is asked for those that cover leaves
    /// only. Fails as `complete` does.
    pub(crate) fn node<E>(
        &self,
        level: u32,
        index: u64,
        complete: impl FnOnce(u32, u64) -> Result<Digest, E>,
    ) -> Result<Digest, E> {
        if is_complete(level, index, self.leaf_count) {
            complete(level, index)
        } else if is_null(level, index, self.leaf_count) {
            Ok(null_hash(self.profile, level))
        } else {
            Ok(self.partial(level))
        }
    }

    fn partial(&self, level: u32) -> Digest {
        self.partial
            .get((level as usize).wrapping_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a log has less than 2^64 leaves")]
    fn append_beyond_the_last_position_panics() {
        let peak = |_, _| Ok::<_, core::convert::Infallible>([7; 32]);
        let Ok(mut frontier) = Frontier::from_peaks(Profile::Keccak256, u64::MAX, peak);
        frontier.append(&[]);
        assert_eq!(frontier.leaf_count(), u64::MAX);
        frontier.append(&[[1; 32]]);
    }
}
