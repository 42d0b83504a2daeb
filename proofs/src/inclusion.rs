//! Inclusion proof: this leaf is at this position under this head (as RFC 9162, section 2.1.3).

use crate::codec::{Kind, Reader, Wire, put_digests, wire_methods};
use crate::error::{DecodeError, ShapeError, VerifyError};
use crate::hash::{Digest, Profile, TreeHasher, level_tag};
use crate::head::Head;
use crate::level::{TxNum, ancestor, root_level};
use crate::verify::{check_head, check_root};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The siblings beside the way from one leaf up to the root.
///
/// Null siblings are sent like others, so the path always has the length that the leaf count
/// dictates: 12 digests up to 4095 leaves, 33 at 2^32.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InclusionProof {
    profile: Profile,
    tx_num: TxNum,
    leaf_count: u64,
    siblings: Vec<B256>,
}

impl InclusionProof {
    /// A proof from its parts; `siblings` leaf side first.
    ///
    /// # Errors
    /// [`ShapeError::OutsideTree`] if `tx_num >= leaf_count`; [`ShapeError::DigestCount`] if there
    /// are not exactly [`root_level`](crate::root_level)`(leaf_count)` siblings.
    pub fn new(
        profile: Profile,
        tx_num: TxNum,
        leaf_count: u64,
        siblings: Vec<B256>,
    ) -> Result<Self, ShapeError> {
        let expected = path_len(tx_num, leaf_count)?;
        let found = siblings.len() as u64;
        if found != expected {
            return Err(ShapeError::DigestCount { expected, found });
        }
        Ok(Self {
            profile,
            tx_num,
            leaf_count,
            siblings,
        })
    }

    /// The hash rules of the tree.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The leaf's position.
    #[must_use]
    pub fn tx_num(&self) -> TxNum {
        self.tx_num
    }

    /// Leaves in the tree under whose head the proof verifies.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// The siblings, leaf side first.
    #[must_use]
    pub fn siblings(&self) -> &[B256] {
        &self.siblings
    }

    /// Checks that `leaf_hash` is leaf `tx_num` of the tree of `head`.
    ///
    /// The caller names the position it expects: a proof that is about another leaf is refused.
    /// Costs one hash per sibling and allocates nothing. Safe on untrusted input: never panics.
    ///
    /// # Errors
    /// [`VerifyError::Profile`] or [`VerifyError::LeafCount`] if the proof was made for another
    /// tree, [`VerifyError::Position`] if it is about another leaf, and
    /// [`VerifyError::RootMismatch`] if it leads to another root.
    pub fn verify(&self, head: &Head, tx_num: TxNum, leaf_hash: B256) -> Result<(), VerifyError> {
        self.verify_with(&self.profile, head, tx_num, leaf_hash)
    }

    /// [`verify`](Self::verify) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        tx_num: TxNum,
        leaf_hash: B256,
    ) -> Result<(), VerifyError> {
        check_head(hasher, head, self.profile, self.leaf_count)?;
        if self.tx_num != tx_num {
            return Err(VerifyError::Position {
                found: self.tx_num,
                expected: tx_num,
            });
        }
        check_root(climb(hasher, leaf_hash.0, tx_num, &self.siblings), head)
    }
}

/// Siblings on the way from leaf `tx_num` to the root.
pub(crate) fn path_len(tx_num: TxNum, leaf_count: u64) -> Result<u64, ShapeError> {
    if tx_num.0 < leaf_count {
        Ok(u64::from(root_level(leaf_count)))
    } else {
        Err(ShapeError::OutsideTree { tx_num, leaf_count })
    }
}

/// The node that the path from a leaf ends in.
pub(crate) fn climb(
    hasher: &impl TreeHasher,
    leaf_hash: Digest,
    tx_num: TxNum,
    siblings: &[B256],
) -> Digest {
    siblings
        .iter()
        .zip(0..)
        .fold(leaf_hash, |node, (sibling, level)| {
            let tag = level_tag(level + 1);
            if ancestor(tx_num.0, level) & 1 == 1 {
                hasher.hash_node(tag, &sibling.0, &node)
            } else {
                hasher.hash_node(tag, &node, &sibling.0)
            }
        })
}

impl Wire for InclusionProof {
    const KIND: Kind = Kind::Inclusion;

    fn profile(&self) -> Profile {
        self.profile
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tx_num.0.to_be_bytes());
        out.extend_from_slice(&self.leaf_count.to_be_bytes());
        put_digests(out, &self.siblings);
    }

    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (tx_num, leaf_count) = (TxNum(reader.u64()?), reader.u64()?);
        let siblings = reader.digests(path_len(tx_num, leaf_count)?)?;
        Ok(Self::new(profile, tx_num, leaf_count, siblings)?)
    }
}

wire_methods!(InclusionProof);
