//! Roots of many prefixes of one log, all together in lanes.

use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, PAIR_LEN, TreeHasher, level_tag, null_hash, root_level};

/// The right edge of a prefix while it is climbed.
struct Edge {
    leaf_count: u64,
    node: Digest,
}

/// The root of the log of so many leaves, for each; zero for none. `node` reads complete nodes.
///
/// Costs a hash for each level and prefix, eight or sixteen of them at a time.
///
/// # Errors
/// The first error of `node`.
pub(super) fn roots_of<E>(
    hasher: &Hasher,
    leaf_counts: &[u64],
    node: impl Fn(u32, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let profile = hasher.profile();
    let start = |leaf_count: &u64| Edge {
        leaf_count: *leaf_count,
        node: null_hash(profile, leaf_count.trailing_zeros().min(63)),
    };
    let mut edges: Vec<Edge> = leaf_counts.iter().map(start).collect();
    let last = leaf_counts.iter().copied().max().unwrap_or(0);
    let (mut pairs, mut parents) = (Vec::new(), Vec::new());
    for level in 0..root_level(last) {
        let climbs = |edge: &Edge| {
            edge.leaf_count > 0
                && (edge.leaf_count.trailing_zeros()..root_level(edge.leaf_count)).contains(&level)
        };
        pairs.clear();
        for edge in edges.iter().filter(|edge| climbs(edge)) {
            let at = edge.leaf_count.checked_shr(level).unwrap_or(0);
            pairs.push(match at % 2 {
                1 => join(&node(level, at - 1)?, &edge.node),
                _ => join(&edge.node, &null_hash(profile, level)),
            });
        }
        parents.clear();
        parents.resize(pairs.len(), [0; 32]);
        hasher.hash_nodes(level_tag(level + 1), &pairs, &mut parents);
        let climbing = edges.iter_mut().filter(|edge| climbs(edge));
        for (edge, parent) in climbing.zip(&parents) {
            edge.node = *parent;
        }
    }
    let root = |edge: Edge| {
        if edge.leaf_count == 0 {
            [0; 32]
        } else {
            edge.node
        }
    };
    Ok(edges.into_iter().map(root).collect())
}

fn join(left: &Digest, right: &Digest) -> [u8; PAIR_LEN] {
    let mut pair = [0; PAIR_LEN];
    let (front, back) = pair.split_at_mut(32);
    front.copy_from_slice(left);
    back.copy_from_slice(right);
    pair
}

#[cfg(test)]
mod tests {
    use super::*;
    use qmtree_proofs::{LeafPayload, MemoryLog, NodeSource, Profile};

    #[test]
    fn roots_are_those_of_a_log_in_memory() {
        for profile in Profile::ALL {
            let hasher = Hasher::new(profile);
            let mut log = MemoryLog::new(hasher);
            log.append(&vec![LeafPayload::default(); 9000]);
            let counts = [
                0, 1, 2, 3, 2047, 2048, 2049, 4095, 4096, 4097, 6144, 8191, 8192, 8999, 9000,
            ];
            let roots = roots_of(&hasher, &counts, |level, index| log.node(level, index)).unwrap();
            for (leaf_count, root) in counts.into_iter().zip(roots) {
                let expected = match leaf_count {
                    0 => [0; 32],
                    _ => log.prover(leaf_count).unwrap().root().0,
                };
                assert_eq!(root, expected, "{profile} {leaf_count}");
            }
            assert_eq!(roots_of(&hasher, &[], |l, i| log.node(l, i)), Ok(vec![]));
        }
    }
}
