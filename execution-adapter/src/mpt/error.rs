//! Why a trie could not be read or changed.

use alloy_primitives::{Address, B256};
use alloy_trie::Nibbles;
use core::fmt;

/// Which of the state's tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrieName {
    /// The trie of accounts, whose root is the state root.
    Accounts,
    /// The trie of the storage of this account.
    Storage(Address),
}

impl fmt::Display for TrieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts => f.write_str("account trie"),
            Self::Storage(address) => write!(f, "storage trie of {address:#x}"),
        }
    }
}

/// Why a trie could not be read or changed: what, in which trie, and at which path from its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrieError {
    /// The trie.
    pub trie: TrieName,
    /// Nibbles from the root to the node.
    pub path: Nibbles,
    /// What is wrong there.
    pub fault: TrieFault,
}

/// What is wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrieFault {
    /// The node is needed, and nobody brought it.
    Missing {
        /// Its hash.
        hash: B256,
    },
    /// The node is no RLP, or no node.
    Rlp(alloy_rlp::Error),
    /// The node is none that a trie of 32-byte keys has.
    Shape(&'static str),
    /// What the leaf holds is no account, or no word of storage.
    Value(alloy_rlp::Error),
}

impl TrieError {
    /// The hash of the node that is not there, if that is what is wrong.
    #[must_use]
    pub const fn missing_hash(&self) -> Option<B256> {
        match self.fault {
            TrieFault::Missing { hash } => Some(hash),
            _ => None,
        }
    }
}

impl fmt::Display for TrieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is wrong comes first: long messages are cut at their end.
        match &self.fault {
            TrieFault::Missing { hash } => write!(f, "node {hash} is not in the witness")?,
            TrieFault::Rlp(error) => write!(f, "not a node ({error})")?,
            TrieFault::Shape(what) => write!(f, "not a node of a state trie ({what})")?,
            TrieFault::Value(error) => write!(f, "not a value of a state trie ({error})")?,
        }
        write!(f, ": {}, path ", self.trie)?;
        if self.path.is_empty() {
            f.write_str("(root)")?;
        }
        for nibble in self.path.iter() {
            write!(f, "{nibble:x}")?;
        }
        Ok(())
    }
}

impl core::error::Error for TrieError {}
