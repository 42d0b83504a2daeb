//! A group: 16 leaves between two anchors, and the nodes above them, which are not stored.

use super::heap::{hash_inner_nodes, heap_index};
use super::layout::{GROUP_LEAVES, GROUP_LEVEL};
use alloy_primitives::B256;
use qmtree_proofs::{Digest, Leaf, LeafPayload, PAYLOAD_LEN, TreeHasher, TxNum};
use std::fmt;

/// The 16 leaves of one group and the 31 hashes of the subtree over them.
///
/// An inclusion proof reads its lowest siblings from here, all of them for one recomputation.
#[derive(Clone)]
pub struct Group {
    first: TxNum,
    payloads: [[u8; PAYLOAD_LEN]; GROUP_LEAVES],
    /// Node k >= 1 in slot k; the anchor in slot 0.
    heap: [Digest; 2 * GROUP_LEAVES],
}

impl Group {
    /// Derives the hashes: a chain of 16 leaves and 15 nodes.
    pub(super) fn derive(
        hasher: &impl TreeHasher,
        first: TxNum,
        anchor: Digest,
        payloads: &[[u8; PAYLOAD_LEN]; GROUP_LEAVES],
    ) -> Self {
        let mut heap = [[0; 32]; 2 * GROUP_LEAVES];
        heap[0] = anchor;
        hasher.chain_leaves(anchor, payloads, heap.split_at_mut(GROUP_LEAVES).1);
        hash_inner_nodes(hasher, &mut heap);
        Self {
            first,
            payloads: *payloads,
            heap,
        }
    }

    /// The first leaf of the group, a multiple of 16.
    #[must_use]
    pub fn first_tx_num(&self) -> TxNum {
        self.first
    }

    /// The digest of a node of the group, by its level (0 to 4) and its index in the whole level.
    /// `None` if it is not over this group.
    #[must_use]
    pub fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let before = self.first.0.checked_shr(level)?;
        let slot = heap_index(GROUP_LEVEL, level, index.checked_sub(before)?)?;
        self.heap.get(slot).copied()
    }

    /// The hash of a leaf, if it is in this group.
    #[must_use]
    pub fn leaf_hash(&self, tx_num: TxNum) -> Option<Digest> {
        self.node(0, tx_num.0)
    }

    /// A leaf with its link, if it is in this group.
    #[must_use]
    pub fn leaf(&self, tx_num: TxNum) -> Option<Leaf> {
        let payload = LeafPayload::from_bytes(self.payloads.get(self.place(tx_num)?)?);
        Some(payload.after(B256::new(self.previous_leaf_hash(tx_num)?)))
    }

    /// The hash of the leaf before a leaf, if the leaf is in this group.
    #[must_use]
    pub fn previous_leaf_hash(&self, tx_num: TxNum) -> Option<Digest> {
        match self.place(tx_num)? {
            0 => Some(self.heap[0]),
            place => self.heap.get(GROUP_LEAVES + place - 1).copied(),
        }
    }

    /// The root of the group, of level 4.
    pub(super) fn root(&self) -> Digest {
        self.heap[1]
    }

    fn place(&self, tx_num: TxNum) -> Option<usize> {
        let place = usize::try_from(tx_num.0.checked_sub(self.first.0)?).ok()?;
        (place < GROUP_LEAVES).then_some(place)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Group({}..{})",
            self.first,
            self.first.0.saturating_add(GROUP_LEAVES as u64)
        )
    }
}
