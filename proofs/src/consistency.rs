//! Consistency proof: the log of m leaves is a prefix of the log of n (as RFC 9162, 2.1.4).
//!
//! The boundary between the two is position m, the first leaf that the older tree lacks. Going up
//! from there, everything to the left belongs to both trees, and everything to the right to the
//! newer tree alone, where the older one has null nodes. So one walk computes both roots.

use crate::codec::{Kind, Reader, Wire, put_digests, wire_methods};
use crate::error::{DecodeError, ShapeError, VerifyError};
use crate::hash::{Digest, Profile, TreeHasher, level_tag};
use crate::head::Head;
use crate::level::{ancestor, is_null, root_level};
use crate::null_hashes::null_hash;
use crate::siblings;
use crate::verify::{check_head, check_root};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The nodes left and right of the boundary between an older and a newer state of one log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConsistencyProof {
    profile: Profile,
    old_leaf_count: u64,
    leaf_count: u64,
    nodes: Vec<B256>,
}

impl ConsistencyProof {
    /// A proof from its parts; `nodes` in the order of docs/FORMAT.md, section 3.
    ///
    /// # Errors
    /// [`ShapeError::NotOlder`] unless `0 < old_leaf_count < leaf_count`: equal heads are compared,
    /// not proved. [`ShapeError::DigestCount`] if the number of nodes is not the dictated one.
    pub fn new(
        profile: Profile,
        old_leaf_count: u64,
        leaf_count: u64,
        nodes: Vec<B256>,
    ) -> Result<Self, ShapeError> {
        let expected = node_count(old_leaf_count, leaf_count)?;
        let found = nodes.len() as u64;
        if found != expected {
            return Err(ShapeError::DigestCount { expected, found });
        }
        Ok(Self {
            profile,
            old_leaf_count,
            leaf_count,
            nodes,
        })
    }

    /// The hash rules of the tree.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Leaves in the older tree; never 0.
    #[must_use]
    pub fn old_leaf_count(&self) -> u64 {
        self.old_leaf_count
    }

    /// Leaves in the newer tree.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// The nodes, from the boundary upwards.
    #[must_use]
    pub fn nodes(&self) -> &[B256] {
        &self.nodes
    }

    /// Checks that the log of head `old` is a prefix of the log of head `new`.
    ///
    /// Costs at most two hashes per level and allocates nothing. Never panics.
    ///
    /// # Errors
    /// [`VerifyError::ForeignHead`] if the heads are not of one log, [`VerifyError::Profile`] or
    /// [`VerifyError::LeafCount`] if the proof was made for other trees,
    /// [`VerifyError::RootMismatch`] if it leads to another root than either head's.
    pub fn verify(&self, old: &Head, new: &Head) -> Result<(), VerifyError> {
        self.verify_with(&self.profile, old, new)
    }

    /// [`verify`](Self::verify) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        hasher: &impl TreeHasher,
        old: &Head,
        new: &Head,
    ) -> Result<(), VerifyError> {
        if !old.same_log(new) {
            return Err(VerifyError::ForeignHead);
        }
        check_head(hasher, old, self.profile, self.old_leaf_count)?;
        check_head(hasher, new, self.profile, self.leaf_count)?;
        let (old_root, new_root) = self.fold(hasher);
        check_root(old_root, old)?;
        check_root(new_root, new)
    }

    /// Both roots, from one walk along the boundary.
    fn fold(&self, hasher: &impl TreeHasher) -> (Digest, Digest) {
        // The shape was checked: a node is there wherever one is due.
        let mut nodes = self.nodes.iter().map(|node| node.0);
        let start = self.old_leaf_count.trailing_zeros();
        let old_root_level = root_level(self.old_leaf_count);
        let mut new = nodes.next().unwrap_or_default();
        let mut old = null_hash(self.profile, start);
        for level in start..root_level(self.leaf_count) {
            let tag = level_tag(level + 1);
            let null = null_hash(self.profile, level);
            let index = ancestor(self.old_leaf_count, level);
            let in_old = level < old_root_level;
            if index & 1 == 1 {
                let left = nodes.next().unwrap_or_default();
                new = hasher.hash_node(tag, &left, &new);
                old = if in_old {
                    hasher.hash_node(tag, &left, &old)
                } else {
                    old
                };
            } else {
                let sent = !is_null(level, index + 1, self.leaf_count);
                let right = if sent {
                    nodes.next().unwrap_or_default()
                } else {
                    null
                };
                new = hasher.hash_node(tag, &new, &right);
                old = if in_old {
                    hasher.hash_node(tag, &old, &null)
                } else {
                    old
                };
            }
        }
        (old, new)
    }
}

/// Nodes of a consistency proof, once the sizes are known to be good.
fn node_count(old_leaf_count: u64, leaf_count: u64) -> Result<u64, ShapeError> {
    if old_leaf_count == 0 || old_leaf_count >= leaf_count {
        return Err(ShapeError::NotOlder {
            old_leaf_count,
            leaf_count,
        });
    }
    Ok(siblings::count(|visit| {
        siblings::visit_consistency(old_leaf_count, leaf_count, visit)
    }))
}

impl Wire for ConsistencyProof {
    const KIND: Kind = Kind::Consistency;

    fn profile(&self) -> Profile {
        self.profile
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.old_leaf_count.to_be_bytes());
        out.extend_from_slice(&self.leaf_count.to_be_bytes());
        put_digests(out, &self.nodes);
    }

    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (old_leaf_count, leaf_count) = (reader.u64()?, reader.u64()?);
        let nodes = reader.digests(node_count(old_leaf_count, leaf_count)?)?;
        Ok(Self::new(profile, old_leaf_count, leaf_count, nodes)?)
    }
}

wire_methods!(ConsistencyProof);
