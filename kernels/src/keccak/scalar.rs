//! One message at a time in general registers, with the BMI instructions.
//!
//! The code is that of `qmtree_proofs::keccak`, compiled once more: `andn` makes chi one
//! instruction shorter and `rorx` rotates without a copy, which is worth a fifth.

use qmtree_proofs::keccak::{digest_bytes, keccak256, permute_short};
use qmtree_proofs::{Digest, LEAF_LEN, PAIR_LEN, PAYLOAD_LEN, keccak_chain};

/// Hashes one leaf.
// Never inlined: inside wider code the compiler would vectorise the scalar rounds, badly.
#[inline(never)]
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn hash_leaf(leaf: &[u8; LEAF_LEN]) -> Digest {
    let mut state = [0; 25];
    for (word, bytes) in state.iter_mut().zip(leaf.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    state[16] = super::LEAF_PADDING;
    digest_bytes(permute_short(state))
}

/// Hashes one node: the tag pushes every byte of the pair up by one.
#[inline(never)]
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn hash_node(tag: u8, pair: &[u8; PAIR_LEN]) -> Digest {
    let mut state = [0; 25];
    let mut carry = u64::from(tag);
    for (word, bytes) in state.iter_mut().zip(pair.as_chunks().0) {
        let value = u64::from_le_bytes(*bytes);
        *word = value << 8 | carry;
        carry = value >> 56;
    }
    state[8] = super::NODE_PADDING | carry;
    state[16] = super::LAST_PADDING;
    digest_bytes(permute_short(state))
}

/// Hashes each leaf.
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn hash_leaves(leaves: &[[u8; LEAF_LEN]], out: &mut [Digest]) {
    assert_eq!(leaves.len(), out.len(), "one digest per leaf");
    for (leaf, digest) in leaves.iter().zip(out) {
        *digest = hash_leaf(leaf);
    }
}

/// Hashes each pair under `tag`.
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn hash_nodes(tag: u8, pairs: &[[u8; PAIR_LEN]], out: &mut [Digest]) {
    assert_eq!(pairs.len(), out.len(), "one digest per pair");
    for (pair, digest) in pairs.iter().zip(out) {
        *digest = hash_node(tag, pair);
    }
}

/// Hashes leaves that form a chain.
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn chain_leaves(
    previous: Digest,
    payloads: &[[u8; PAYLOAD_LEN]],
    out: &mut [Digest],
) -> Digest {
    keccak_chain(previous, payloads, out, permute_short)
}

/// Hashes one message of any length.
#[inline(never)]
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn hash_message(message: &[u8]) -> Digest {
    keccak256(message)
}

/// Hashes each message.
#[target_feature(enable = "bmi1,bmi2")]
pub(super) fn hash_messages(messages: &[&[u8]], out: &mut [Digest]) {
    assert_eq!(messages.len(), out.len(), "one digest per message");
    for (message, digest) in messages.iter().zip(out) {
        *digest = hash_message(message);
    }
}
