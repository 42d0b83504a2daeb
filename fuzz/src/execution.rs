//! Execution witnesses and the trie over them.

use crate::oracle::STATES;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{HashBuilder, Nibbles};
use qmtree_execution_adapter::{
    Ancestors, CallProof, CallRequest, ExecutionWitness, MAX_ITEM_LEN, MAX_ITEMS, NodeSet,
    ReadValue, TraceMode, Trie, TrieName,
};
use qmtree_proofs::{LeafPayload, TxNum};
use std::collections::BTreeMap;

/// The proof of a call has one encoding.
pub(crate) fn call(data: &[u8]) {
    if let Ok(proof) = CallProof::from_bytes(data) {
        assert_eq!(proof.to_bytes()[..], *data, "two encodings of one value");
    }
}

/// Whatever is read keeps the limits, and its headers can be checked against any block.
pub(crate) fn witness(data: &[u8]) {
    let Ok(witness) = ExecutionWitness::from_json(data) else {
        return;
    };
    for list in [
        &witness.state,
        &witness.codes,
        &witness.keys,
        &witness.headers,
    ] {
        assert!(list.len() <= MAX_ITEMS, "more items than there may be");
        assert!(
            list.iter().all(|item| item.len() <= MAX_ITEM_LEN),
            "an item too long"
        );
    }
    let block = Header {
        number: 8,
        parent_hash: witness.headers.first().map(keccak256).unwrap_or_default(),
        ..Header::default()
    };
    _ = Ancestors::verify(&block, &witness.headers);
}

/// In a trie over any nodes, the first of which is the root: what was read or written is read again
/// whatever else is written, removed, or refused.
pub(crate) fn trie(data: &[u8]) {
    let nodes = frames(data);
    let Some(first) = nodes.first() else { return };
    let mut set = NodeSet::new(&nodes);
    let mut trie = Trie::new(TrieName::Accounts, keccak256(first));
    let mut known = BTreeMap::new();
    for key in keys() {
        if let Ok(value) = trie.get(&mut set, &key) {
            known.insert(key, value.unwrap_or_default().to_vec());
        }
    }
    for (key, number) in keys().into_iter().zip(0u8..) {
        let value = vec![number + 1; usize::from(number % 3) * 20];
        if trie.insert(&mut set, &key, value.clone()).is_ok() {
            known.insert(key, value);
        }
        for (key, value) in &known {
            let read = trie.get(&mut set, key).expect("it was read before");
            assert_eq!(read.unwrap_or_default(), value, "another value");
        }
    }
    let root = trie.root();
    assert_eq!(trie.root(), root, "a root that changes by itself");
}

/// Nodes, each after its length in two bytes; the last may be cut off.
fn frames(mut data: &[u8]) -> Vec<Bytes> {
    let mut nodes = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (node, rest) = rest.split_at(length);
        nodes.push(Bytes::copy_from_slice(node));
        data = rest;
    }
    nodes
}

/// Keys with beginnings and endings in common.
fn keys() -> Vec<B256> {
    let key = |(first, last): (u8, u8)| {
        let mut key = [0; 32];
        let [begin, .., end] = &mut key;
        (*begin, *end) = (first, last);
        B256::new(key)
    };
    let pairs = [0x00u8, 0x01, 0x10, 0xff].into_iter();
    let pairs = pairs.flat_map(|first| [0x00, 0x01, 0x10].map(|last| (first, last)));
    pairs.map(key).collect()
}

/// Proofs of calls that nobody made.
fn calls() -> impl Iterator<Item = (&'static str, String, Vec<u8>)> {
    let key = B256::repeat_byte(8);
    [TraceMode::Outcome, TraceMode::Full]
        .into_iter()
        .zip(STATES.iter())
        .map(move |(mode, log)| {
            let proof = CallProof {
                tx_num: TxNum(20),
                request: CallRequest {
                    data: vec![7; 36].into(),
                    gas: 30_000_000,
                    ..CallRequest::default()
                },
                mode,
                output: vec![1; 32].into(),
                leaf: LeafPayload::default(),
                values: vec![
                    ReadValue {
                        key: B256::ZERO,
                        value: None,
                    },
                    ReadValue {
                        key,
                        value: Some(vec![9; 32].into()),
                    },
                ],
                proof: log.prove_many(&[key], None).expect("not empty"),
            };
            let name = format!("call-{}", mode as u8);
            ("decode_call", name, proof.to_bytes())
        })
}

/// Tries of some of the keys, witnesses in each form, and proofs of calls.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds: Vec<_> = calls().collect();
    for (every, length) in [(1, 2), (1, 40), (2, 2), (3, 33), (5, 1)] {
        let keys: Vec<B256> = keys().into_iter().step_by(every).collect();
        let paths = keys.iter().map(|key| Nibbles::unpack_array(&key.0));
        let retainer = ProofRetainer::new(paths.clone().collect());
        let mut builder = HashBuilder::default().with_proof_retainer(retainer);
        for path in paths {
            builder.add_leaf(path, &vec![7; length]);
        }
        _ = builder.root();
        let mut bytes = Vec::new();
        for (_, node) in builder.take_proof_nodes().into_nodes_sorted() {
            let length = u16::try_from(node.len()).expect("a node is short");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&node);
        }
        seeds.push(("sparse_trie", format!("trie-{every}-{length}"), bytes));
    }
    let header = Header {
        number: 7,
        ..Header::default()
    };
    let rlp = Bytes::from(alloy_rlp::encode(&header));
    let object = serde_json::to_value(&header).expect("a header has a JSON form");
    let forms = [
        (
            "lists",
            serde_json::json!({"state": ["0xc101"], "codes": ["0x00"], "keys": [], "headers": [rlp]}),
        ),
        (
            "maps",
            serde_json::json!({"state": {"0x01": "0xc101"}, "codes": {}, "keys": {}}),
        ),
        (
            "objects",
            serde_json::json!({"state": [], "codes": [], "keys": null, "headers": [object]}),
        ),
        (
            "answer",
            serde_json::json!({"jsonrpc": "2.0", "result": {"state": [], "codes": []}}),
        ),
    ];
    for (name, form) in forms {
        let bytes = form.to_string().into_bytes();
        seeds.push(("decode_execution_witness", name.to_owned(), bytes));
    }
    seeds
}
