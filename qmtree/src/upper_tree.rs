//! The twig roots and all complete nodes above them, in memory: 64 bytes per 2048 leaves.

use crate::shared_vec::SharedVec;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, TWIG_LEVEL, TreeHasher, level_tag};

/// Complete nodes by level, from the twig roots on.
#[derive(Clone, Debug, Default)]
pub(crate) struct UpperTree {
    levels: Vec<SharedVec<Digest>>,
}

impl UpperTree {
    /// A complete node at `level`, 11 or above.
    pub(crate) fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let level = level.checked_sub(TWIG_LEVEL)?;
        let nodes = self.levels.get(usize::try_from(level).ok()?)?;
        nodes.get(usize::try_from(index).ok()?).copied()
    }

    /// Appends the root of the next twig, and the nodes that it completes.
    pub(crate) fn push(&mut self, hasher: &Hasher, twig_root: Digest) {
        let mut node = twig_root;
        for (place, level) in (0..).zip(TWIG_LEVEL..) {
            if place == self.levels.len() {
                self.levels.push(SharedVec::default());
            }
            let Some(nodes) = self.levels.get_mut(place) else {
                return;
            };
            nodes.push(node);
            if nodes.len() % 2 == 1 {
                return;
            }
            let left = nodes.get(nodes.len() - 2).copied().unwrap_or_default();
            node = hasher.hash_node(level_tag(level + 1), &left, &node);
        }
    }

    /// Drops all but the first `twig_count` twigs.
    pub(crate) fn truncate(&mut self, twig_count: u64) {
        for (nodes, level) in self.levels.iter_mut().zip(0u32..) {
            let keep = twig_count.checked_shr(level).unwrap_or(0);
            nodes.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qmtree_proofs::{LeafPayload, MemoryLog, NodeSource, Profile};

    #[test]
    fn nodes_equal_those_of_a_log_in_memory_also_after_a_truncation() {
        for profile in Profile::ALL {
            let hasher = Hasher::new(profile);
            let mut log = MemoryLog::new(hasher);
            log.append(&vec![LeafPayload::default(); 9 * 2048]);
            let mut upper = UpperTree::default();
            let root = |i| log.node(TWIG_LEVEL, i).unwrap();
            (0..9).for_each(|i| upper.push(&hasher, root(i)));
            let kept = upper.clone();
            upper.truncate(5);
            assert_eq!(upper.node(11, 5), None);
            assert!(upper.node(11, 4).is_some());
            assert_eq!(upper.node(12, 2), None);
            (5..9).for_each(|i| upper.push(&hasher, root(i)));
            for upper in [kept, upper] {
                for level in TWIG_LEVEL..16 {
                    for index in 0..10 {
                        assert_eq!(upper.node(level, index), log.node(level, index).ok());
                    }
                }
            }
        }
    }
}
