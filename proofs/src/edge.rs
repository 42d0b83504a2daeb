//! The right edge of an execution log: what it takes to append to a log that one does not have.

use crate::error::{ShapeError, VerifyError};
use crate::frontier::Frontier;
use crate::hash::{Digest, Profile, TreeHasher, level_tag};
use crate::head::Head;
use crate::leaf::LeafPayload;
use crate::level::{ancestor, root_level};
use crate::null_hashes::null_hash;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The last leaf's hash and all complete nodes beside the way up from it, under one head.
///
/// From these, whoever trusts the head can append leaves and get the root after them. At most 65
/// digests, about half as many as the levels of the tree: 2,112 bytes at most.
///
/// ```
/// use qmtree_proofs::{Keccak256, LeafPayload, MemoryLog, Scheme};
///
/// let mut log = MemoryLog::new(Keccak256);
/// log.append(&[LeafPayload::default(); 5]);
/// let (head, edge) = (log.head(1, Scheme::StateRoot1, 0), log.prover(5)?.edge()?);
///
/// let mut growing = edge.open(Keccak256, &head)?;
/// growing.append(&[LeafPayload::default(); 7]);
/// log.append(&[LeafPayload::default(); 7]);
/// assert_eq!(growing.root(), log.head(1, Scheme::StateRoot1, 1).root);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogEdge {
    leaf_count: u64,
    /// The hash of the last leaf, then the left siblings of the way up from it; none in an empty
    /// log.
    digests: Vec<B256>,
}

/// A log of which only the right edge is known, and which grows.
#[derive(Clone, Debug)]
pub struct GrowingLog<H> {
    hasher: H,
    frontier: Frontier<H>,
    last_leaf_hash: Digest,
}

impl LogEdge {
    /// Digests of the edge of a log of so many leaves.
    #[must_use]
    pub const fn digest_count(leaf_count: u64) -> u64 {
        match leaf_count.checked_sub(1) {
            None => 0,
            Some(last) => 1 + last.count_ones() as u64,
        }
    }

    /// An edge from its digests: the hash of the last leaf, then, from the leaf upwards, each left
    /// sibling on its way.
    ///
    /// # Errors
    /// [`ShapeError::DigestCount`] if there are not [`digest_count`](Self::digest_count) of them.
    pub fn new(leaf_count: u64, digests: Vec<B256>) -> Result<Self, ShapeError> {
        let (expected, found) = (Self::digest_count(leaf_count), digests.len() as u64);
        if expected != found {
            return Err(ShapeError::DigestCount { expected, found });
        }
        Ok(Self {
            leaf_count,
            digests,
        })
    }

    /// Leaves in the log under whose head it verifies.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// The digests: those that [`new`](Self::new) takes.
    #[must_use]
    pub fn digests(&self) -> &[B256] {
        &self.digests
    }

    /// Verifies the edge against a trusted head, and makes of it a log that can grow. One hash per
    /// level; safe on untrusted input.
    ///
    /// # Errors
    /// [`VerifyError::Profile`] or [`VerifyError::LeafCount`] if it is of another log,
    /// [`VerifyError::RootMismatch`] if it leads to another root.
    pub fn open<H: TreeHasher + Clone>(
        &self,
        hasher: H,
        head: &Head,
    ) -> Result<GrowingLog<H>, VerifyError> {
        if hasher.profile() != head.profile {
            return Err(VerifyError::Profile {
                found: hasher.profile(),
                trusted: head.profile,
            });
        }
        if self.leaf_count != head.leaf_count {
            return Err(VerifyError::LeafCount {
                found: self.leaf_count,
                trusted: head.leaf_count,
            });
        }
        let (computed, peaks) = self.climb(&hasher);
        if computed != head.root {
            return Err(VerifyError::RootMismatch {
                computed,
                trusted: head.root,
            });
        }
        let peak = |level: u32, _| {
            let peak = peaks.get(level as usize).copied();
            Ok::<_, core::convert::Infallible>(peak.unwrap_or_default())
        };
        let Ok(frontier) = Frontier::from_peaks(hasher.clone(), self.leaf_count, peak);
        Ok(GrowingLog {
            hasher,
            frontier,
            last_leaf_hash: self.digests.first().copied().unwrap_or_default().0,
        })
    }

    /// The root, and the peak of each level that has one.
    fn climb(&self, hasher: &impl TreeHasher) -> (B256, [Digest; 64]) {
        let (profile, mut peaks): (Profile, _) = (hasher.profile(), [[0; 32]; 64]);
        let mut digests = self.digests.iter().map(|digest| digest.0);
        let (Some(mut node), Some(last)) = (digests.next(), self.leaf_count.checked_sub(1)) else {
            return (B256::ZERO, peaks);
        };
        // The perfect subtree that ends with the last leaf is a peak; so is each left sibling of
        // the way up that does not lie inside of it.
        let ends = self.leaf_count.trailing_zeros();
        for (peak, level) in peaks.iter_mut().zip(0..root_level(self.leaf_count)) {
            if level == ends {
                *peak = node;
            }
            let tag = level_tag(level + 1);
            node = if ancestor(last, level) & 1 == 1 {
                let left = digests.next().unwrap_or_default();
                if level > ends {
                    *peak = left;
                }
                hasher.hash_node(tag, &left, &node)
            } else {
                hasher.hash_node(tag, &node, &null_hash(profile, level))
            };
        }
        (B256::new(node), peaks)
    }
}

impl<H: TreeHasher> GrowingLog<H> {
    /// Leaves in the log now.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.frontier.leaf_count()
    }

    /// Hash of the last leaf; zero while there is none.
    #[must_use]
    pub fn last_leaf_hash(&self) -> B256 {
        B256::new(self.last_leaf_hash)
    }

    /// The root now; zero while there is no leaf. At most one hash per level.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.frontier.root()
    }

    /// Appends leaves, each linked to the one before it. Costs two hashes per leaf.
    ///
    /// # Panics
    /// If the log would grow beyond 2^64 - 1 leaves.
    pub fn append(&mut self, payloads: &[LeafPayload]) {
        let bytes: Vec<_> = payloads.iter().map(LeafPayload::to_bytes).collect();
        let mut hashes = vec![[0; 32]; bytes.len()];
        self.last_leaf_hash = self
            .hasher
            .chain_leaves(self.last_leaf_hash, &bytes, &mut hashes);
        self.frontier.append(&hashes);
    }
}
