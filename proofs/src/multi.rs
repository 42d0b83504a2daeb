//! Multi-proof: each of these leaves is at its position under this head, shared nodes sent once.

use crate::codec::{Kind, Reader, Wire, put_digests, wire_methods};
use crate::error::{DecodeError, ShapeError, VerifyError};
use crate::hash::{Digest, PAIR_LEN, Profile, TreeHasher, join, level_tag};
use crate::head::Head;
use crate::level::{TxNum, is_null, root_level};
use crate::null_hashes::null_hash;
use crate::siblings;
use crate::verify::{check_head, check_root};
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::ops::Range;

/// The nodes that any set of leaves needs besides itself to reach the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// most one hash per leaf and level; allocates 40 bytes per leaf. Never panics.
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
        let levels = 0..root_level(self.leaf_count);
        fold_levels(
            hasher,
            levels,
            self.leaf_count,
            (&mut indices, &mut nodes),
            &mut siblings,
        );
        nodes.first().copied().unwrap_or_default()
    }
}

/// Replaces known nodes, given by ascending index and digest, by the nodes above them, from the
/// first of `levels` to behind the last one.
pub(crate) fn fold_levels(
    hasher: &impl TreeHasher,
    levels: Range<u32>,
    leaf_count: u64,
    (indices, nodes): (&mut Vec<u64>, &mut Vec<Digest>),
    siblings: &mut impl Iterator<Item = Digest>,
) {
    for level in levels {
        let null = null_hash(hasher.profile(), level);
        let mut parents = Parents::new(hasher, level_tag(level + 1));
        let mut read = 0;
        while let Some((&index, &node)) = indices.get(read).zip(nodes.get(read)) {
            read += 1;
            // The shape was checked: a sibling is there wherever one is due.
            let body = if index & 1 == 1 {
                join(&siblings.next().unwrap_or_default(), &node)
            } else if indices.get(read) == Some(&(index + 1)) {
                read += 1;
                join(&node, nodes.get(read - 1).unwrap_or(&null))
            } else if is_null(level, index + 1, leaf_count) {
                join(&node, &null)
            } else {
                join(&node, &siblings.next().unwrap_or_default())
            };
            parents.push(body, nodes);
        }
        parents.finish(nodes);
        indices.iter_mut().for_each(|index| *index >>= 1);
        indices.dedup();
    }
}

/// Hashes the nodes of one level into the front of the buffer that the level below is read from.
///
/// Bodies wait in a batch on the stack. Each is made of one or two nodes that have been read, so
/// what is written never overtakes what is still to be read.
struct Parents<'a, H> {
    hasher: &'a H,
    tag: u8,
    bodies: [[u8; PAIR_LEN]; BATCH],
    waiting: usize,
    written: usize,
}

/// Enough for two batches of the widest kernel; 2 KiB of stack.
const BATCH: usize = 32;

impl<'a, H: TreeHasher> Parents<'a, H> {
    fn new(hasher: &'a H, tag: u8) -> Self {
        Self {
            hasher,
            tag,
            bodies: [[0; PAIR_LEN]; BATCH],
            waiting: 0,
            written: 0,
        }
    }

    fn push(&mut self, body: [u8; PAIR_LEN], nodes: &mut [Digest]) {
        if let Some(slot) = self.bodies.get_mut(self.waiting) {
            *slot = body;
            self.waiting += 1;
        }
        if self.waiting == BATCH {
            self.flush(nodes);
        }
    }

    fn flush(&mut self, nodes: &mut [Digest]) {
        let end = self.written + self.waiting;
        let bodies = self.bodies.get(..self.waiting).unwrap_or_default();
        let out = nodes.get_mut(self.written..end).unwrap_or_default();
        self.hasher.hash_nodes(self.tag, bodies, out);
        (self.waiting, self.written) = (0, end);
    }

    fn finish(mut self, nodes: &mut Vec<Digest>) {
        self.flush(nodes);
        nodes.truncate(self.written);
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
