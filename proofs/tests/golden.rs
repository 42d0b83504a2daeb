//! The vectors of testdata/vectors, which an independent implementation in Python made.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, hex};
use common::{log, payload};
use qmtree_proofs::state::{Compaction, EntryId, MemoryStateLog, StateWord};
use qmtree_proofs::{
    Digest, Frontier, Head, Leaf, MemoryLog, Profile, Proof, TreeHasher, TxNum, erigon, null_hash,
    root_level,
};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

fn load(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/vectors");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("no list {key}"))
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn profile(value: &Value) -> Profile {
    serde_json::from_value(value["profile"].clone()).unwrap()
}

fn head(value: &Value) -> Head {
    Head::from_bytes(&bytes(value)).unwrap()
}

/// Long enough for every vector that lists no leaf hashes.
static LOGS: LazyLock<HashMap<Profile, MemoryLog<Profile>>> = LazyLock::new(|| {
    Profile::ALL
        .map(|profile| (profile, log(profile, 8200)))
        .into()
});

#[test]
fn null_hashes() {
    let vectors = load("null-hashes.json");
    for profile in Profile::ALL {
        let hashes = list(&vectors["nullHashes"], &profile.to_string());
        assert_eq!(hashes.len(), 64);
        for (value, level) in hashes.iter().zip(0..) {
            assert_eq!(
                null_hash(profile, level),
                hash(value).0,
                "{profile} level {level}"
            );
        }
    }
}

#[test]
fn leaves_and_roots() {
    let vectors = load("roots.json");
    for case in list(&vectors, "leaves") {
        let leaf: Leaf = serde_json::from_value(case["leaf"].clone()).unwrap();
        let tx_num = TxNum(number(&case["txNum"]));
        assert_eq!(leaf.payload(), payload(tx_num.0));
        assert_eq!(leaf.hash(&profile(case)), hash(&case["leafHash"]));
        assert_eq!(LOGS[&profile(case)].leaf(tx_num), Some(leaf));
    }
    for case in list(&vectors, "zeroLeaf") {
        let leaf_hash = Leaf::default().hash(&profile(case));
        assert_eq!(leaf_hash, hash(&case["leafHash"]));
        let mut frontier = Frontier::new(profile(case));
        frontier.append(&[leaf_hash.0]);
        assert_eq!(frontier.root(), hash(&case["root"]));
    }
    for case in list(&vectors, "roots") {
        let leaf_count = number(&case["leafCount"]);
        assert_eq!(
            u64::from(root_level(leaf_count)),
            number(&case["rootLevel"])
        );
        let prover = LOGS[&profile(case)].prover(leaf_count).unwrap();
        assert_eq!(prover.root(), hash(&case["root"]), "{leaf_count} leaves");
    }
}

#[test]
fn heads() {
    let vectors = load("heads.json");
    for case in list(&vectors, "valid") {
        let head = head(&case["encoded"]);
        assert_eq!(
            head.to_bytes()[..],
            bytes(&case["encoded"]),
            "{}",
            case["name"]
        );
        assert_eq!(head.hash(), hash(&case["headHash"]), "{}", case["name"]);
        assert_eq!(
            serde_json::to_value(head).unwrap(),
            case["json"],
            "{}",
            case["name"]
        );
        assert_eq!(
            serde_json::from_value::<Head>(case["json"].clone()).unwrap(),
            head
        );
    }
    for case in list(&vectors, "invalid") {
        Head::from_bytes(&bytes(&case["encoded"])).expect_err(&case["name"].to_string());
    }
    for case in list(&vectors, "invalidJson") {
        serde_json::from_value::<Head>(case["json"].clone()).expect_err(&case["name"].to_string());
    }
}

/// The leaf hashes that a case expects: listed, or those of the test leaves of its range.
fn expected_hashes(case: &Value, profile: Profile) -> Vec<B256> {
    let expected = &case["expected"];
    match expected["leafHashes"].as_array() {
        Some(hashes) => hashes.iter().map(hash).collect(),
        None => {
            let tx_nums: Vec<u64> = match expected["txNums"].as_array() {
                Some(tx_nums) => tx_nums.iter().map(number).collect(),
                None => (number(&expected["from"])..number(&expected["to"])).collect(),
            };
            let log = &LOGS[&profile];
            tx_nums
                .iter()
                .map(|i| log.leaf_hash(TxNum(*i)).unwrap())
                .collect()
        }
    }
}

/// Verifies a decoded proof as its case expects it; what went wrong as text.
fn verify(case: &Value, proof: &Proof) -> Result<(), String> {
    let (head, expected) = (head(&case["head"]), &case["expected"]);
    let at = |key: &str| TxNum(number(&expected[key]));
    let verified = match proof {
        Proof::Inclusion(proof) => proof.verify(&head, at("txNum"), hash(&expected["leafHash"])),
        Proof::Range(proof) => {
            proof.verify(&head, at("from"), &expected_hashes(case, head.profile))
        }
        Proof::Multi(proof) => {
            let tx_nums = list(expected, "txNums").iter().map(|i| TxNum(number(i)));
            let hashes = expected_hashes(case, head.profile);
            if tx_nums.len() != hashes.len() {
                return Err("positions and hashes that our interface cannot even express".into());
            }
            proof.verify(&head, &tx_nums.zip(hashes).collect::<Vec<_>>())
        }
        Proof::Consistency(proof) => proof.verify(&self::head(&case["oldHead"]), &head),
        Proof::Witness(witness) => witness.verify(&head, at("txNum")),
        Proof::RangeWitness(witness) => witness.verify(&head, at("from"), at("to")),
        Proof::State(proof) => {
            let key = hash(&expected["key"]);
            let at = expected["at"].as_u64().map(TxNum);
            let word = expected["word"].as_str().map(|_| hash(&expected["word"]));
            match proof.verify(&head, &key, at) {
                Ok(found) if found.map(|entry| entry.value.word()) == word => Ok(()),
                Ok(_) => return Err("another value".into()),
                Err(error) => Err(error),
            }
        }
        _ => panic!("a kind that has no vectors"),
    };
    verified.map_err(|error| error.to_string())
}

fn check_kind(file: &str) -> usize {
    let vectors = load(file);
    let name = |case: &Value| format!("{file} {} {}", case["profile"], case["name"]);
    for case in list(&vectors, "valid") {
        let encoded = bytes(&case["encoded"]);
        let proof = Proof::from_bytes(&encoded).unwrap_or_else(|e| panic!("{}: {e}", name(case)));
        verify(case, &proof).unwrap_or_else(|e| panic!("{}: {e}", name(case)));
        assert_eq!(proof.to_bytes(), encoded, "{}", name(case));
        if let Some(size) = case["size"].as_u64() {
            assert_eq!(encoded.len() as u64, size, "{}", name(case));
        }
        if !case["json"].is_null() {
            assert_eq!(
                serde_json::to_value(&proof).unwrap(),
                case["json"],
                "{}",
                name(case)
            );
            let parsed: Proof = serde_json::from_value(case["json"].clone()).unwrap();
            assert_eq!(parsed, proof, "{}", name(case));
        }
    }
    for case in vectors["invalid"].as_array().into_iter().flatten() {
        let decoded = Proof::from_bytes(&bytes(&case["encoded"]));
        match case["stage"].as_str().unwrap() {
            "decode" => drop(decoded.expect_err(&name(case))),
            "verify" => {
                let proof = decoded.unwrap_or_else(|e| panic!("{}: {e}", name(case)));
                verify(case, &proof).expect_err(&name(case));
            }
            stage => panic!("{}: stage {stage}", name(case)),
        }
    }
    for case in vectors["invalidJson"].as_array().into_iter().flatten() {
        serde_json::from_value::<Proof>(case["json"].clone()).expect_err(&name(case));
    }
    list(&vectors, "valid").len()
}

#[test]
fn proofs_of_every_kind() {
    let files = [
        "inclusion",
        "range",
        "multi",
        "consistency",
        "witness",
        "range-witness",
        "state",
        "large",
    ];
    for file in files {
        assert!(check_kind(&format!("{file}.json")) >= 20, "{file}");
    }
}

#[test]
fn state_logs_have_the_oracles_entries_and_roots() {
    compare_state_logs("state-roots.json");
}

#[test]
fn compacted_state_logs_have_the_oracles_entries_and_roots() {
    compare_state_logs("state-compaction.json");
}

/// The state logs of a file, by the rules of its description.
fn compare_state_logs(file: &str) {
    let vectors = load(file);
    let text = |i: u64| format!("value {i}").into_bytes();
    let keccak = |name: &str, i: u64| common::keccak(&[name.as_bytes(), &i.to_be_bytes()]);
    for case in list(&vectors, "logs") {
        let entries_per_key = case["entriesPerKey"].as_u64().unwrap_or(0);
        let compaction = Compaction::new(entries_per_key.try_into().unwrap());
        let mut log = MemoryStateLog::new(profile(case)).with_compaction(compaction);
        let mut roots = list(case, "roots").iter().peekable();
        for b in 0..number(&case["batches"]) {
            let chosen = (0..number(&case["keys"])).filter(|i| (i * 7 + b * 5) % 11 < 4);
            let mut writes: Vec<_> = chosen
                .map(|i| {
                    let v = i + b;
                    let value = if v % 3 == 0 {
                        text(v)
                    } else {
                        keccak("value", v).to_vec()
                    };
                    let live = v % 5 != 0;
                    (
                        B256::new(keccak("key", i)),
                        live.then(|| StateWord::of(&value)),
                    )
                })
                .collect();
            writes.sort_by_key(|(key, _)| *key);
            let root = log.apply(TxNum(2 * b + 1), &writes).unwrap();
            if let Some(expected) = roots.next_if(|expected| number(&expected["batch"]) == b) {
                assert_eq!(log.entry_count(), number(&expected["entryCount"]));
                assert_eq!(root, hash(&expected["root"]), "{case:.80} batch {b}");
            }
        }
        assert!(roots.next().is_none());
        for (bytes, id) in case["entries"].as_array().into_iter().flatten().zip(0..) {
            let entry = log.entry(EntryId(id)).unwrap();
            assert_eq!(entry.to_bytes()[..], self::bytes(bytes));
        }
    }
}

/// Decodes and verifies one of the proof of concept's forms.
fn verify_erigon(form: &str, case: &Value) -> (bool, Result<Vec<u8>, String>) {
    let (encoded, head, expected) = (
        bytes(&case["encoded"]),
        head(&case["head"]),
        &case["expected"],
    );
    let at = |key: &str| TxNum(number(&expected[key]));
    macro_rules! run {
        ($type:ty, $verify:expr) => {
            match <$type>::from_bytes(&encoded) {
                Err(error) => (false, Err(error.to_string())),
                Ok(proof) => {
                    #[allow(clippy::redundant_closure_call, reason = "three forms, one flow")]
                    let verified = $verify(&proof);
                    let bytes = proof.to_bytes();
                    (
                        true,
                        verified.map(|()| bytes).map_err(|error| error.to_string()),
                    )
                }
            }
        };
    }
    match form {
        "proofPath" => run!(erigon::ProofPath, |path: &erigon::ProofPath| {
            match expected["leafHash"].as_str() {
                Some(_) if hash(&expected["leafHash"]) != path.leaf_hash => {
                    Err(qmtree_proofs::VerifyError::ClaimedLeafHash {
                        tx_num: at("txNum"),
                    })
                }
                _ => path.verify(&head, at("txNum")),
            }
        }),
        "witness" => {
            run!(erigon::Witness, |w: &erigon::Witness| w
                .verify(&head, at("txNum")))
        }
        _ => run!(erigon::RangeWitness, |w: &erigon::RangeWitness| w.verify(
            &head,
            at("from"),
            at("to")
        )),
    }
}

#[test]
fn erigon_forms() {
    let vectors = load("erigon.json");
    for form in ["proofPath", "witness", "rangeWitness"] {
        for case in list(&vectors[form], "valid") {
            let (_, verified) = verify_erigon(form, case);
            let encoded = verified.unwrap_or_else(|e| panic!("{form} {}: {e}", case["name"]));
            assert_eq!(encoded, bytes(&case["encoded"]), "{form} {}", case["name"]);
        }
        for case in list(&vectors[form], "invalid") {
            let (decoded, verified) = verify_erigon(form, case);
            verified.expect_err(&format!("{form} {}", case["name"]));
            match case["stage"].as_str().unwrap() {
                "decode" => assert!(!decoded, "{form} {}", case["name"]),
                "verify" => assert!(decoded, "{form} {}", case["name"]),
                _ => {}
            }
        }
    }
}

/// SHA-256 is no hash of ours, so its only use, in these digests, goes through a test dependency.
#[derive(Default)]
struct Series {
    items: u64,
    bytes: u64,
    sha256: sha2::Sha256,
}

impl Series {
    fn add(&mut self, item: &[u8]) {
        use sha2::Digest;
        self.items += 1;
        self.bytes += item.len() as u64;
        self.sha256.update(item);
    }

    fn assert_equals(self, expected: &Value, what: &str) {
        use sha2::Digest;
        assert_eq!(self.items, number(&expected["items"]), "{what}");
        assert_eq!(self.bytes, number(&expected["bytes"]), "{what}");
        assert_eq!(
            B256::from_slice(&self.sha256.finalize()),
            hash(&expected["sha256"]),
            "{what}"
        );
    }
}

/// All roots and proofs of the trees (leaf count, positions).
fn check_series(series: &Value, trees: impl Iterator<Item = (u64, Vec<u64>)>) {
    let log = &LOGS[&profile(series)];
    let [mut roots, mut inclusion, mut consistency] = std::array::from_fn(|_| Series::default());
    for (leaf_count, positions) in trees {
        let prover = log.prover(leaf_count).unwrap();
        roots.add(prover.root().as_slice());
        for i in positions {
            if i < leaf_count {
                inclusion.add(&prover.inclusion(TxNum(i)).unwrap().to_bytes());
            }
            if let Ok(proof) = prover.consistency(i) {
                consistency.add(&proof.to_bytes());
            }
        }
    }
    roots.assert_equals(&series["roots"], "roots");
    inclusion.assert_equals(&series["inclusion"], "inclusion");
    consistency.assert_equals(&series["consistency"], "consistency");
}

#[test]
fn every_proof_of_every_small_log_has_the_oracles_bytes() {
    let vectors = load("exhaustive.json");
    for series in list(&vectors, "dense") {
        let (from, to) = (
            number(&series["minLeafCount"]),
            number(&series["maxLeafCount"]),
        );
        check_series(series, (from..=to).map(|n| (n, (0..n).collect())));
    }
    for series in list(&vectors, "sparse") {
        let trees = list(series, "trees").iter().map(|tree| {
            let positions = list(tree, "positions").iter().map(number).collect();
            (number(&tree["leafCount"]), positions)
        });
        check_series(series, trees);
    }
}

#[test]
fn node_hashes_of_either_profile_differ() {
    let [keccak, blake3] = Profile::ALL.map(|p| -> Digest { p.hash_node(0, &[0; 32], &[0; 32]) });
    assert_ne!(keccak, blake3);
}
