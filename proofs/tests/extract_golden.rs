//! testdata/vectors/extracts.json, which an independent implementation in Python made.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, hex};
use common::state::key;
use qmtree_proofs::state::{MemoryStateLog, StateExtract, StateWord};
use qmtree_proofs::{Head, Profile, TxNum};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Writes = BTreeMap<B256, Option<Vec<u8>>>;

/// The batches of the logs of state-roots.json.
fn batch(number: u64, keys: u64) -> Writes {
    let chosen = (0..keys).filter(|i| (i * 7 + number * 5) % 11 < 4);
    let value = |v: u64| match v % 3 {
        0 => format!("value {v}").into_bytes(),
        _ => common::keccak(&[b"value", &v.to_be_bytes()]).to_vec(),
    };
    let write = |i| {
        (
            key(i),
            (!(i + number).is_multiple_of(5)).then(|| value(i + number)),
        )
    };
    chosen.map(write).collect()
}

fn apply(log: &mut MemoryStateLog<Profile>, tx_num: u64, writes: &Writes) -> B256 {
    let word = |value: &Option<Vec<u8>>| value.as_deref().map(StateWord::of);
    let words: Vec<_> = writes.iter().map(|(k, v)| (*k, word(v))).collect();
    log.apply(TxNum(tx_num), &words).unwrap()
}

#[test]
fn extracts_are_those_of_the_oracle_and_lead_to_its_roots() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/vectors/extracts.json"
    );
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = vectors["extracts"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
        let number = |name: &str| case[name].as_u64().unwrap();
        let head = Head::from_bytes(&bytes(&case["head"])).unwrap();
        let (mut log, mut values) = (MemoryStateLog::new(head.profile), BTreeMap::new());
        for b in 0..number("batches") {
            let writes = batch(b, number("keys"));
            apply(&mut log, 2 * b + 1, &writes);
            values.extend(writes);
        }
        assert_eq!(log.root(), head.state_root);
        let value = |v: &Value| v.as_str().map(|text| hex::decode(text).unwrap());
        let write = |w: &Value| (key(w[0].as_u64().unwrap()), value(&w[1]));
        let list = |value: &Value| value.as_array().unwrap().clone();
        let batches = list(&case["writes"]).into_iter();
        let batches: Vec<Writes> = batches
            .map(|b| list(&b).iter().map(write).collect())
            .collect();
        let reads = list(&case["reads"]);
        let reads = reads.iter().map(|i| key(i.as_u64().unwrap()));
        let keys: BTreeSet<_> = batches.iter().flat_map(Writes::keys).copied().collect();
        let keys: Vec<_> = keys.into_iter().chain(reads).collect();
        let deletes = |k: &B256| batches.iter().any(|b| b.get(k) == Some(&None));
        let value = |k: &B256| values.get(k).cloned().flatten();
        let extract = log.extract(&keys, deletes, value).unwrap();

        let expected = bytes(&case["extract"]);
        assert_eq!(hex::encode(extract.to_bytes()), hex::encode(&expected));
        let decoded = StateExtract::from_bytes(&expected).unwrap();
        assert_eq!(decoded, extract);
        let mut partial = decoded.open(head.profile, &head).unwrap();
        for ((writes, root), tx_num) in batches
            .iter()
            .zip(list(&case["roots"]))
            .zip(head.leaf_count..)
        {
            let writes: Vec<_> = writes.clone().into_iter().collect();
            let found = partial.apply(TxNum(tx_num), &writes).unwrap();
            assert_eq!(found.to_string(), root.as_str().unwrap());
        }
    }
}
