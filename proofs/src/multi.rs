//! Multi-proof: each of these leaves is at its position under this head, shared nodes sent once.

use crate::codec::{Kind, Reader, Wire, put_digests, wire_methods};
use crate::error::{DecodeError, ShapeError, VerifyError};
use crate::hash::{Digest, Profile, TreeHasher, join, level_tag};
use crate::head::Head;
use crate::level::{TxNum, is_null, root_level};
use crate::null_hashes::null_hash;
use crate::siblings;
use crate::verify::{check_head, check_root};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The nodes that any set of leaves needs besides itself to reach the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::json::ProofRepr", try_from = "crate::json::ProofRepr")
)]
pub struct MultiProof {
    profile: Profile,
    leaf_count: u64,
    tx_nums: Vec<TxNum>,
    siblings: Vec<B256>,
}

impl MultiProof {
    /// A proof from its parts; `siblings` in the order of docs/FORMAT.md, section 3.
    ///
    /// # Errors
    /// [`ShapeError::Empty`], [`ShapeError::Unsorted`], [`ShapeError::TooMany`] or
    /// [`ShapeError::OutsideTree`] for the positions, [`ShapeError::DigestCount`] if the number of
    /// siblings is not the dictated one.
    pub fn new(
        profile: Profile,
        leaf_count: u64,
        tx_nums: Vec<TxNum>,
        siblings: Vec<B256>,
    ) -> Result<Self, ShapeError> {
        let expected = sibling_count(&tx_nums, leaf_count)?;
        let found = siblings.len() as u64;
        if found != expected {
            return Err(ShapeError::DigestCount { expected, found });
        }
        Ok(Self {
            profile,
            leaf_count,
            tx_nums,
            siblings,
        })
    }

    /// The hash rules of the tree.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Leaves in the tree under whose head the proof verifies.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// The positions, strictly ascending; never empty.
    #[must_use]
    pub fn tx_nums(&self) -> &[TxNum] {
        &self.tx_nums
    }

    /// The siblings, level by level from the leaves, by ascending index.
    #[must_use]
    pub fn siblings(&self) -> &[B256] {
        &self.siblings
    }

    /// Checks that each `(tx_num, leaf_hash)` is in the tree of `head`.
    ///
    /// `leaves` must be exactly the leaves that the proof covers, in ascending order. Costs at
    /// most one hash per leaf and level; allocates about four digests per leaf. Never panics.
    ///
    /// # Errors
    /// [`VerifyError::Profile`] or [`VerifyError::LeafCount`] if the proof was made for another
    /// tree, [`VerifyError::Position`] or [`VerifyError::Coverage`] if it is about other leaves,
    /// and [`VerifyError::RootMismatch`] if it leads to another root.
    pub fn verify(&self, head: &Head, leaves: &[(TxNum, B256)]) -> Result<(), VerifyError> {
        self.verify_with(&self.profile, head, leaves)
    }

    /// [`verify`](Self::verify) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        leaves: &[(TxNum, B256)],
    ) -> Result<(), VerifyError> {
        check_head(hasher, head, self.profile, self.leaf_count)?;
        let (found, expected) = (self.tx_nums.len() as u64, leaves.len() as u64);
        if found != expected {
            return Err(VerifyError::Coverage { found, expected });
        }
        for (&found, &(expected, _)) in self.tx_nums.iter().zip(leaves) {
            if found != expected {
                return Err(VerifyError::Position { found, expected });
            }
        }
        check_root(self.fold(hasher, leaves), head)
    }

    /// The root above the leaves.
    fn fold(&self, hasher: &impl TreeHasher, leaves: &[(TxNum, B256)]) -> Digest {
        let mut siblings = self.siblings.iter().map(|sibling| sibling.0);
        let mut indices: Vec<u64> = leaves.iter().map(|(tx_num, _)| tx_num.0).collect();
        let mut nodes: Vec<Digest> = leaves.iter().map(|(_, hash)| hash.0).collect();
        let mut bodies = Vec::with_capacity(nodes.len());
        for level in 0..root_level(self.leaf_count) {
            let null = null_hash(self.profile, level);
            bodies.clear();
            let mut known = indices.iter().copied().zip(nodes.iter()).peekable();
            while let Some((index, node)) = known.next() {
                // The shape was checked: a sibling is there wherever one is due.
                if index & 1 == 1 {
                    bodies.push(join(&siblings.next().unwrap_or_default(), node));
                } else if let Some((_, right)) = known.next_if(|next| next.0 == index + 1) {
                    bodies.push(join(node, right));
                } else if is_null(level, index + 1, self.leaf_count) {
                    bodies.push(join(node, &null));
                } else {
                    bodies.push(join(node, &siblings.next().unwrap_or_default()));
                }
            }
            indices.iter_mut().for_each(|index| *index >>= 1);
            indices.dedup();
            nodes.truncate(bodies.len());
            hasher.hash_nodes(level_tag(level + 1), &bodies, &mut nodes);
        }
        nodes.first().copied().unwrap_or_default()
    }
}

/// Siblings of a set of leaves, once the set is known to be good.
fn sibling_count(tx_nums: &[TxNum], leaf_count: u64) -> Result<u64, ShapeError> {
    check_positions(tx_nums, leaf_count)?;
    Ok(siblings::count(|visit| {
        siblings::visit_multi(tx_nums, leaf_count, visit)
    }))
}

/// Refuses positions that no multi-proof can have.
pub(crate) fn check_positions(tx_nums: &[TxNum], leaf_count: u64) -> Result<(), ShapeError> {
    let last = *tx_nums.last().ok_or(ShapeError::Empty)?;
    if u32::try_from(tx_nums.len()).is_err() {
        return Err(ShapeError::TooMany {
            count: tx_nums.len() as u64,
        });
    }
    for (&previous, &next) in tx_nums.iter().zip(tx_nums.iter().skip(1)) {
        if previous >= next {
            return Err(ShapeError::Unsorted { previous, next });
        }
    }
    if last.0 >= leaf_count {
        return Err(ShapeError::OutsideTree {
            tx_num: last,
            leaf_count,
        });
    }
    Ok(())
}

impl Wire for MultiProof {
    const KIND: Kind = Kind::Multi;

    fn profile(&self) -> Profile {
        self.profile
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.leaf_count.to_be_bytes());
        let count = u32::try_from(self.tx_nums.len()).expect("checked by `new`");
        out.extend_from_slice(&count.to_be_bytes());
        for tx_num in &self.tx_nums {
            out.extend_from_slice(&tx_num.0.to_be_bytes());
        }
        put_digests(out, &self.siblings);
    }

    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let leaf_count = reader.u64()?;
        let count = reader.u32()?;
        let tx_nums = reader.arrays::<8>(count.into())?;
        let tx_nums: Vec<_> = tx_nums
            .iter()
            .map(|b| TxNum(u64::from_be_bytes(*b)))
            .collect();
        let expected = sibling_count(&tx_nums, leaf_count)?;
        Ok(Self::new(
            profile,
            leaf_count,
            tx_nums,
            reader.digests(expected)?,
        )?)
    }
}

wire_methods!(MultiProof);
