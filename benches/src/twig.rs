//! A full twig, hashed level by level.

use qmtree_proofs::{Digest, LEAF_LEN, TWIG_SHIFT, TreeHasher};

/// Room for all nodes of a full twig: 2048 leaf hashes, then each level above, the root last.
#[derive(Clone, Debug)]
pub struct Twig {
    nodes: Vec<Digest>,
}

impl Twig {
    /// Leaves of a twig.
    pub const LEAVES: usize = 1 << TWIG_SHIFT;

    /// A twig of zeros.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: vec![[0; 32]; 2 * Self::LEAVES - 1],
        }
    }

    /// Computes all nodes over stored leaves: 2048 leaf hashes and 2047 node hashes, in batches
    /// of a whole level. Allocates nothing.
    ///
    /// # Panics
    /// If there are not exactly 2048 leaves.
    pub fn hash(&mut self, hasher: &dyn TreeHasher, leaves: &[[u8; LEAF_LEN]]) {
        let (mut children, mut above) = self.nodes.split_at_mut(Self::LEAVES);
        hasher.hash_leaves(leaves, children);
        // Inside a twig the tag is the level of the children.
        for tag in (0..).take(TWIG_SHIFT as usize) {
            let (pairs, _) = children.as_flattened().as_chunks();
            let (parents, rest) = above.split_at_mut(pairs.len());
            hasher.hash_nodes(tag, pairs, parents);
            (children, above) = (parents, rest);
        }
    }

    /// The twig's root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.nodes.last().copied().unwrap_or_default()
    }
}

impl Default for Twig {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Contender, Random};
    use qmtree_proofs::{Frontier, Profile, null_hash};

    /// The tree over one full twig has one level more, whose right half is null.
    #[test]
    fn every_contender_gets_the_root_that_the_frontier_gets() {
        let leaves = Random::new().arrays(Twig::LEAVES);
        for profile in Profile::ALL {
            let mut hashes = vec![[0; 32]; leaves.len()];
            profile.hash_leaves(&leaves, &mut hashes);
            let mut frontier = Frontier::new(profile);
            frontier.append(&hashes);
            for contender in Contender::all(profile) {
                let mut twig = Twig::new();
                twig.hash(contender.hasher(), &leaves);
                let root = profile.hash_node(12, &twig.root(), &null_hash(profile, TWIG_SHIFT));
                assert_eq!(frontier.root().0, root, "{}", contender.name());
            }
        }
    }
}
