//! The keys of a chain's state: `keccak256(domain || plain key)`.
//!
//! | domain | plain key | value |
//! |---|---|---|
//! | 0 | address | `RLP([nonce, balance, codeHash])` |
//! | 1 | address, slot | the slot's value, 32 bytes |
//! | 2 | hash of a code | the code |
//! | 3 | nothing | RLP of the header of the newest block |
//! | 3 | block number modulo 256, u64 big-endian | hash of that block |
//! | 4 | nothing, or an address | the list of accounts |
//! | 5 | an address, or an address and a slot | the list of its slots |

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, keccak256};

/// Blocks whose hashes are kept beside the newest: as far back as BLOCKHASH reaches.
pub const BLOCK_HASHES: u64 = 256;

/// The key of an account.
#[must_use]
pub fn account(address: Address) -> B256 {
    key(0, &[address.as_slice()])
}

/// The key of a storage slot.
#[must_use]
pub fn storage(address: Address, slot: B256) -> B256 {
    key(1, &[address.as_slice(), slot.as_slice()])
}

/// The key of a code, by its hash.
#[must_use]
pub fn code(hash: B256) -> B256 {
    key(2, &[hash.as_slice()])
}

/// The key of the newest block's header.
#[must_use]
pub fn header() -> B256 {
    key(3, &[])
}

/// The key of the hash of an earlier block, shared with the blocks 256 before and after it.
#[must_use]
pub fn block_hash(number: u64) -> B256 {
    key(3, &[&(number % BLOCK_HASHES).to_be_bytes()])
}

/// The key of the first account of the list.
#[must_use]
pub fn first_account() -> B256 {
    key(4, &[])
}

/// The key of the account that follows one in the list.
#[must_use]
pub fn next_account(address: Address) -> B256 {
    key(4, &[address.as_slice()])
}

/// The key of the first slot of an account's list.
#[must_use]
pub fn first_slot(address: Address) -> B256 {
    key(5, &[address.as_slice()])
}

/// The key of the slot that follows one in its account's list.
#[must_use]
pub fn next_slot(address: Address, slot: B256) -> B256 {
    key(5, &[address.as_slice(), slot.as_slice()])
}

fn key(domain: u8, parts: &[&[u8]]) -> B256 {
    let mut plain = Vec::with_capacity(53);
    plain.push(domain);
    for part in parts {
        plain.extend_from_slice(part);
    }
    keccak256(&plain)
}
