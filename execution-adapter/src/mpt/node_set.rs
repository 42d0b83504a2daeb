//! The nodes that a witness brings, by hash.

use super::hash::keccak_many;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};

/// Trie nodes by their Keccak-256.
///
/// The hash is computed here and never taken from whoever brings the node. A tree and no hash table,
/// because the keys come from strangers, who could choose them to collide.
#[derive(Clone, Debug, Default)]
pub struct NodeSet {
    nodes: BTreeMap<B256, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    rlp: Bytes,
    used: bool,
}

impl NodeSet {
    /// The set of `nodes`, in any order; one that comes twice is kept once. One hash per node.
    #[must_use]
    pub fn new(nodes: &[Bytes]) -> Self {
        let messages: Vec<&[u8]> = nodes.iter().map(|node| &node[..]).collect();
        Self::with_hashes(nodes, keccak_many(&messages))
    }

    /// The same of nodes that were hashed before.
    pub(crate) fn with_hashes(nodes: &[Bytes], hashes: Vec<B256>) -> Self {
        let entry = |rlp: &Bytes| Entry {
            rlp: rlp.clone(),
            used: false,
        };
        let entries = nodes.iter().map(entry);
        Self {
            nodes: hashes.into_iter().zip(entries).collect(),
        }
    }

    /// Number of different nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Hashes of the nodes that no walk has come to.
    pub fn unused(&self) -> impl Iterator<Item = B256> {
        let unused = |(hash, entry): (&B256, &Entry)| (!entry.used).then_some(*hash);
        self.nodes.iter().filter_map(unused)
    }

    /// The node with this hash, which now counts as used.
    pub(super) fn take_note(&mut self, hash: &B256) -> Option<&[u8]> {
        let entry = self.nodes.get_mut(hash)?;
        entry.used = true;
        Some(&entry.rlp)
    }
}
