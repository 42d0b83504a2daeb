//! Keccak-256 of many byte strings of any length.

use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};

/// Hashes each message.
pub(crate) fn keccak_many(messages: &[&[u8]]) -> Vec<B256> {
    messages.iter().map(keccak256).collect()
}
