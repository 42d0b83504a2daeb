//! Witnesses of states that are known whole.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use qmtree_execution_adapter::{
    BlockInput, ChainSpec, Claims, EthBlock, ExecutionWitness, MemoryState, NoTracer, StateItem,
    WitnessDb, execute_block, recover_senders,
};
use std::collections::{BTreeMap, BTreeSet};

/// All nodes of the tries of a state, and all its codes.
pub fn whole_witness(state: &MemoryState, headers: Vec<Bytes>) -> ExecutionWitness {
    let all = state.as_writes();
    let mut slots: BTreeMap<Address, BTreeMap<B256, Vec<u8>>> = BTreeMap::new();
    for item in &all.writes {
        if let StateItem::Storage(address, slot, value) = item {
            let value = alloy_rlp::encode(*value);
            let of = slots.entry(*address).or_default();
            of.insert(keccak256(slot), value);
        }
    }
    let (mut nodes, mut accounts) = (BTreeSet::new(), BTreeMap::new());
    for item in &all.writes {
        let StateItem::Account(address, Some(account)) = item else {
            continue;
        };
        let (storage_root, storage) = slots
            .get(address)
            .map_or((EMPTY_ROOT_HASH, Vec::new()), trie);
        nodes.extend(storage);
        let account = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root,
            code_hash: account.code_hash,
        };
        accounts.insert(keccak256(address), alloy_rlp::encode(account));
    }
    let (root, trie) = trie(&accounts);
    assert_eq!(root, state.state_root());
    nodes.extend(trie);
    ExecutionWitness {
        state: nodes.into_iter().collect(),
        codes: all.codes.into_iter().map(|(_, code)| code).collect(),
        keys: Vec::new(),
        headers,
    }
}

fn trie(leaves: &BTreeMap<B256, Vec<u8>>) -> (B256, Vec<Bytes>) {
    let targets = leaves.keys().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().into_nodes_sorted();
    (root, nodes.into_iter().map(|(_, node)| node).collect())
}

/// The same witness without what the block does not come to.
pub fn trimmed(chain: &ChainSpec, block: &EthBlock, witness: ExecutionWitness) -> ExecutionWitness {
    let senders = recover_senders(block).unwrap();
    let input = BlockInput {
        chain,
        block,
        senders: &senders,
        keep_changes: true,
    };
    let database = WitnessDb::new(&block.header, &witness, Claims::default()).unwrap();
    let mut state = execute_block(input, database, NoTracer, |_| {})
        .unwrap()
        .state;
    state.merge_transitions(revm::database::states::bundle_state::BundleRetention::PlainState);
    let changes = state.take_bundle();
    let mut database = state.database;
    assert_eq!(
        database.post_state_root(&changes).unwrap(),
        block.header.state_root
    );
    let unused: BTreeSet<B256> = database
        .unused_nodes()
        .chain(database.unused_codes())
        .collect();
    let used = |items: Vec<Bytes>| -> Vec<Bytes> {
        let items = items.into_iter();
        items
            .filter(|item| !unused.contains(&keccak256(item)))
            .collect()
    };
    ExecutionWitness {
        state: used(witness.state),
        codes: used(witness.codes),
        ..witness
    }
}
