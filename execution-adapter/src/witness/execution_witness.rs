//! The four lists.

use alloc::vec::Vec;
use alloy_primitives::Bytes;

/// What `debug_executionWitness` returns for a block, whatever form it came in.
///
/// The lists are in no order. Nothing here is checked; [`WitnessDb`](super::WitnessDb) does that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionWitness {
    /// RLP of trie nodes: of the trie of accounts and of storage tries, mixed.
    pub state: Vec<Bytes>,
    /// Codes of contracts.
    pub codes: Vec<Bytes>,
    /// Preimages of trie keys: addresses and slots. Not needed here, and so not looked at.
    pub keys: Vec<Bytes>,
    /// RLP of headers: the parent's, and as many before it as `BLOCKHASH` reaches back.
    pub headers: Vec<Bytes>,
}

impl ExecutionWitness {
    /// Bytes of nodes, codes and headers.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        let lists = [&self.state, &self.codes, &self.headers];
        lists.into_iter().flatten().map(|item| item.len()).sum()
    }
}
