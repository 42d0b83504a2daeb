//! What the test files share.
#![allow(dead_code, reason = "no test file uses all of it")]

pub(crate) mod hooked;
pub(crate) mod model;

use alloy_primitives::{B256, keccak256};
use qmtree::proofs::{LeafPayload, Profile, Scheme};
use qmtree::{Identity, View};

pub(crate) fn identity() -> Identity {
    Identity {
        profile: Profile::Blake3,
        scheme: Scheme::StateRoot1,
        chain_id: 7,
    }
}

/// The leaves of a block, each different, given by the branch of history, the block and the place.
pub(crate) fn leaves(branch: u64, block: u64, count: usize) -> Vec<LeafPayload> {
    let leaf = |place: u64| {
        let mut bytes = [0; 96];
        bytes[..8].copy_from_slice(&branch.to_le_bytes());
        bytes[32..40].copy_from_slice(&block.to_le_bytes());
        bytes[64..72].copy_from_slice(&place.to_le_bytes());
        LeafPayload::from_bytes(&bytes)
    };
    (0..count as u64).map(leaf).collect()
}

/// The hashes of a block's transactions; its first and its last leaf have none.
pub(crate) fn tx_hashes(branch: u64, block: u64, count: usize) -> Vec<B256> {
    let hash = |place: usize| {
        if place == 0 || place + 1 == count {
            B256::ZERO
        } else {
            keccak256([branch, block, place as u64].map(u64::to_be_bytes).concat())
        }
    };
    (0..count).map(hash).collect()
}

/// The first leaf that a view can read: those before are pruned.
pub(crate) fn first_readable(view: &View) -> u64 {
    let readable = |i: &u64| view.leaf(qmtree::proofs::TxNum(*i)).is_ok();
    let leaf_count = view.head().leaf_count;
    (0..leaf_count)
        .step_by(2048)
        .find(readable)
        .unwrap_or(leaf_count)
}

/// Numbers that a seed determines (SplitMix64).
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
