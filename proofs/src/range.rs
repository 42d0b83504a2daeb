//! Range proof: exactly these leaves are at `from..to` under this head.

use crate::codec::{Kind, Reader, Wire, put_digests, wire_methods};
use crate::error::{DecodeError, ShapeError, VerifyError};
use crate::hash::{Digest, Profile, TreeHasher, level_tag, pairs};
use crate::head::Head;
use crate::level::{TxNum, ancestor, is_null, root_level};
use crate::null_hashes::null_hash;
use crate::siblings;
use crate::verify::{check_head, check_root};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The nodes left and right of a range of leaves, at most two per level.
///
/// It proves positions by their Merkle boundaries, not by a chain between two proven ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RangeProof {
    profile: Profile,
    from: TxNum,
    to: TxNum,
    leaf_count: u64,
    siblings: Vec<B256>,
}

impl RangeProof {
    /// A proof from its parts; `siblings` in the order of docs/FORMAT.md, section 3.
    ///
    /// # Errors
    /// [`ShapeError::Empty`] if `from >= to`, [`ShapeError::OutsideTree`] if `to > leaf_count`,
    /// [`ShapeError::DigestCount`] if the number of siblings is not the dictated one.
    pub fn new(
        profile: Profile,
        from: TxNum,
        to: TxNum,
        leaf_count: u64,
        siblings: Vec<B256>,
    ) -> Result<Self, ShapeError> {
        let expected = sibling_count(from, to, leaf_count)?;
        let found = siblings.len() as u64;
        if found != expected {
            return Err(ShapeError::DigestCount { expected, found });
        }
        Ok(Self {
            profile,
            from,
            to,
            leaf_count,
            siblings,
        })
    }

    /// The hash rules of the tree.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// First position of the range.
    #[must_use]
    pub fn from(&self) -> TxNum {
        self.from
    }

    /// First position after the range.
    #[must_use]
    pub fn to(&self) -> TxNum {
        self.to
    }

    /// Leaves in the range; never 0.
    #[must_use]
    pub fn covered(&self) -> u64 {
        self.to.0 - self.from.0
    }

    /// Leaves in the tree under whose head the proof verifies.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.leaf_count
    }

    /// The siblings, level by level from the leaves, left before right.
    #[must_use]
    pub fn siblings(&self) -> &[B256] {
        &self.siblings
    }

    /// Checks that `leaf_hashes` are the leaves from `from` on in the tree of `head`, all of them.
    ///
    /// Costs about one hash per leaf. Allocates one and a half digests per leaf. Never panics.
    ///
    /// # Errors
    /// [`VerifyError::Profile`] or [`VerifyError::LeafCount`] if the proof was made for another
    /// tree, [`VerifyError::Position`] or [`VerifyError::Coverage`] if it is about other leaves,
    /// and [`VerifyError::RootMismatch`] if it leads to another root.
    pub fn verify(
        &self,
        head: &Head,
        from: TxNum,
        leaf_hashes: &[B256],
    ) -> Result<(), VerifyError> {
        self.verify_with(&self.profile, head, from, leaf_hashes)
    }

    /// [`verify`](Self::verify) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        from: TxNum,
        leaf_hashes: &[B256],
    ) -> Result<(), VerifyError> {
        self.check_claim(hasher, head, from, leaf_hashes.len() as u64)?;
        let mut nodes = Self::room_for(leaf_hashes.len());
        nodes.extend(leaf_hashes.iter().map(|hash| hash.0));
        check_root(self.fold(hasher, nodes), head)
    }

    /// All that can be checked before hashing: the head, and what the proof is about.
    pub(crate) fn check_claim(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        from: TxNum,
        expected: u64,
    ) -> Result<(), VerifyError> {
        check_head(hasher, head, self.profile, self.leaf_count)?;
        if self.from != from {
            return Err(VerifyError::Position {
                found: self.from,
                expected: from,
            });
        }
        if self.covered() != expected {
            return Err(VerifyError::Coverage {
                found: self.covered(),
                expected,
            });
        }
        Ok(())
    }

    /// Room for so many leaf hashes, and for a sibling at either end.
    pub(crate) fn room_for(leaves: usize) -> Vec<Digest> {
        Vec::with_capacity(leaves + 2)
    }

    /// The root above the leaves of the range, which `nodes` holds.
    pub(crate) fn fold(&self, hasher: &impl TreeHasher, mut nodes: Vec<Digest>) -> Digest {
        let mut siblings = self.siblings.iter().map(|sibling| sibling.0);
        // At most one parent more than half the leaves, and then again a sibling at either end.
        let mut parents = Vec::with_capacity(nodes.len() / 2 + 3);
        for level in 0..root_level(self.leaf_count) {
            let (first, last) = (ancestor(self.from.0, level), ancestor(self.to.0 - 1, level));
            let null = null_hash(self.profile, level);
            if first & 1 == 1 {
                // The shape was checked: a sibling is there wherever one is due.
                nodes.insert(0, siblings.next().unwrap_or_default());
            }
            if last & 1 == 0 {
                let right = if is_null(level, last + 1, self.leaf_count) {
                    None
                } else {
                    siblings.next()
                };
                nodes.push(right.unwrap_or(null));
            }
            let bodies = pairs(&nodes);
            parents.clear();
            parents.resize(bodies.len(), [0; 32]);
            hasher.hash_nodes(level_tag(level + 1), bodies, &mut parents);
            core::mem::swap(&mut nodes, &mut parents);
        }
        nodes.first().copied().unwrap_or_default()
    }
}

/// Siblings of a range, once its bounds are known to be good.
fn sibling_count(from: TxNum, to: TxNum, leaf_count: u64) -> Result<u64, ShapeError> {
    if from >= to {
        return Err(ShapeError::Empty);
    }
    if to.0 > leaf_count {
        return Err(ShapeError::OutsideTree {
            tx_num: TxNum(to.0 - 1),
            leaf_count,
        });
    }
    Ok(siblings::count(|visit| {
        siblings::visit_range(from.0, to.0, leaf_count, visit)
    }))
}

impl RangeProof {
    /// Reads the bounds and says how many siblings follow (for the witness, after its leaves).
    pub(crate) fn decode_bounds(
        reader: &mut Reader<'_>,
    ) -> Result<(TxNum, TxNum, u64, u64), DecodeError> {
        let (from, to) = (TxNum(reader.u64()?), TxNum(reader.u64()?));
        let leaf_count = reader.u64()?;
        Ok((from, to, leaf_count, sibling_count(from, to, leaf_count)?))
    }

    pub(crate) fn encode_bounds(&self, out: &mut Vec<u8>) {
        for bound in [self.from.0, self.to.0, self.leaf_count] {
            out.extend_from_slice(&bound.to_be_bytes());
        }
    }
}

impl Wire for RangeProof {
    const KIND: Kind = Kind::Range;

    fn profile(&self) -> Profile {
        self.profile
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.encode_bounds(out);
        put_digests(out, &self.siblings);
    }

    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (from, to, leaf_count, expected) = Self::decode_bounds(reader)?;
        Ok(Self::new(
            profile,
            from,
            to,
            leaf_count,
            reader.digests(expected)?,
        )?)
    }
}

wire_methods!(RangeProof);
