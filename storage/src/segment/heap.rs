//! A perfect tree as a heap: node 1 is the root, node k has the children 2k and 2k + 1, and the
//! leaves are the upper half. A level is contiguous, so that it is the next one's input as it lies.

use super::layout::LEAVES;
use qmtree_proofs::{Digest, PAIR_LEN, TreeHasher, level_tag};

/// The heap of one twig: nodes 1..4096; slot 0 is free.
pub(super) type TwigHeap = [Digest; 2 * LEAVES];

/// An all-zero heap, made where it stays: it is too big for the stack.
pub(super) fn zero_twig_heap() -> Box<TwigHeap> {
    let heap: Box<[Digest]> = vec![[0; 32]; 2 * LEAVES].into();
    heap.try_into().expect("it has this length")
}

/// Place of a node in the heap of a tree whose root has level `root_level`.
///
/// `index` counts from the tree's first node in that level. `None` if the tree has no such node.
pub(super) fn heap_index(root_level: u32, level: u32, index: u64) -> Option<usize> {
    let width = 1_u64.checked_shl(root_level.checked_sub(level)?)?;
    if index < width {
        usize::try_from(width + index).ok()
    } else {
        None
    }
}

/// Hashes all inner nodes of a heap whose upper half holds leaf hashes (level 0), a level at a
/// time.
pub(super) fn hash_inner_nodes(hasher: &impl TreeHasher, heap: &mut [Digest]) {
    let mut width = heap.len() / 2;
    for level in 1.. {
        if width <= 1 {
            return;
        }
        let (above, children) = heap.split_at_mut(width);
        let Some(parents) = above.get_mut(width / 2..) else {
            return;
        };
        let pairs = pairs(children.split_at(width).0);
        hasher.hash_nodes(level_tag(level), pairs, parents);
        width /= 2;
    }
}

fn pairs(digests: &[Digest]) -> &[[u8; PAIR_LEN]] {
    digests.as_flattened().as_chunks().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_their_places() {
        assert_eq!(heap_index(11, 11, 0), Some(1));
        assert_eq!(heap_index(11, 11, 1), None);
        assert_eq!(heap_index(11, 4, 127), Some(255));
        assert_eq!(heap_index(11, 0, 2047), Some(4095));
        assert_eq!(heap_index(11, 0, 2048), None);
        assert_eq!(heap_index(11, 12, 0), None);
    }
}
