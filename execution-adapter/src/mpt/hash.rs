//! Keccak-256 of many byte strings of any length.

use alloc::vec::Vec;
use alloy_primitives::B256;

/// Hashes each message: in lanes where there are kernels, one at a time where there are none.
#[cfg(feature = "engine")]
pub(crate) fn keccak_many(messages: &[&[u8]]) -> Vec<B256> {
    let mut digests = alloc::vec![[0; 32]; messages.len()];
    qmtree_kernels::Keccak256::new().hash_messages(messages, &mut digests);
    digests.into_iter().map(B256::new).collect()
}

/// Hashes each message.
#[cfg(not(feature = "engine"))]
pub(crate) fn keccak_many(messages: &[&[u8]]) -> Vec<B256> {
    let hash = |message: &&[u8]| alloy_primitives::keccak256(message);
    messages.iter().map(hash).collect()
}
