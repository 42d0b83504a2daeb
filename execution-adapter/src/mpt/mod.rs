//! Ethereum's state trie, as far as a witness shows it.
//!
//! A Merkle Patricia trie of which only some nodes are known: those on the ways to the keys that an
//! execution reads and writes. Nodes are found by their hash, so that whatever is read hangs on the
//! root that the caller trusts; a node that is needed and not there is an error with its hash, its
//! trie and its path.
//!
//! ```text
//! NodeSet      hash -> node, each hashed when it came in
//!    |
//! Trie         loads nodes as paths are walked; changed nodes lose their hash until `settle`
//!    |
//! SparseState  the trie of accounts and one trie for the storage of each account in use
//! ```
//!
//! All keys are hashes, so all have 64 nibbles: no key is the beginning of another, branches carry
//! no values, and no walk is deeper than 64 steps, whatever the nodes say. The rules are those of
//! the Yellow Paper, appendix D.

mod error;
mod hash;
mod node;
mod node_set;
mod state;
mod trie;

#[cfg(test)]
mod tests;

pub use error::{TrieError, TrieFault, TrieName};
pub use node_set::NodeSet;
pub use state::{AccountChange, AccountFields, SparseState};
pub use trie::Trie;

pub(crate) use hash::keccak_many;
