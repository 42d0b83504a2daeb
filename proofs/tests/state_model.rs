//! The state log against its definition: roots from scratch, and every key proved at any time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::B256;
use common::state::{NaiveState, Writes, key, minus_one, plus_one, state_log, value};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_proofs::state::{BatchError, Entry, MemoryStateLog, StateProof, StateWord};
use qmtree_proofs::{Keccak256, Profile, Proof, ProveError, ShapeError, TxNum};
use std::collections::BTreeMap;

/// Proves and verifies what the model says about a key, now and at each of `times`.
fn check_key(
    log: &MemoryStateLog<Profile>,
    naive: &NaiveState,
    key: &B256,
    times: impl Iterator<Item = u64>,
    last: u64,
) {
    let head = naive.head(last);
    for at in times.map(|at| Some(TxNum(at))).chain([None]) {
        let expected = naive.at(at.map_or(u64::MAX, |at| at.0), key);
        let found = log.get(key, at).map(|entry| entry.value);
        assert_eq!(found, expected, "{key} at {at:?}");
        let proof = log.prove(key, at).unwrap();
        let proven = proof.verify(&head, key, at).unwrap();
        assert_eq!(proven.map(|entry| entry.value), expected, "{key} at {at:?}");
        let bytes = proof.to_bytes();
        assert_eq!(StateProof::from_bytes(&bytes), Ok(proof.clone()));
        assert_eq!(Proof::from_bytes(&bytes), Ok(Proof::State(proof)));
    }
}

/// Writes per batch: key numbers from a small set, so that all kinds of rewriting happen.
fn batches() -> impl Strategy<Value = Vec<(u64, BTreeMap<u64, Option<u64>>)>> {
    let write = proptest::option::weighted(0.65, 0..1000u64);
    let writes = proptest::collection::btree_map(0..24u64, write, 0..12);
    proptest::collection::vec((1..4u64, writes), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        cases: 48,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_key_is_provable_at_every_time(batches in batches(), blake3: bool) {
        let profile = if blake3 { Profile::Blake3 } else { Profile::Keccak256 };
        let (mut log, mut naive) = (MemoryStateLog::new(profile), NaiveState::new(profile));
        let mut tx_num = 0;
        for (step, writes) in batches {
            tx_num += step;
            let mut writes: Writes =
                writes.into_iter().map(|(i, v)| (key(i), v.map(value))).collect();
            writes.sort_by_key(|(key, _)| *key);
            naive.apply(tx_num, &writes);
            let root = log.apply(TxNum(tx_num), &writes).unwrap();
            prop_assert_eq!(root, naive.root());
            prop_assert_eq!(log.entry_count(), naive.entry_count());
        }
        if log.entry_count() == 0 {
            prop_assert_eq!(log.prove(&key(0), None), Err(ProveError::Shape(ShapeError::Empty)));
            return Ok(());
        }
        for i in 0..26 {
            for key in [key(i), plus_one(key(i)), minus_one(key(i))] {
                check_key(&log, &naive, &key, 0..=tx_num, tx_num);
            }
        }
        let live: Vec<_> = log.iter().map(|entry| (entry.key, entry.value)).collect();
        let expected: Vec<_> = naive.history[naive.history.keys().last().unwrap()]
            .iter()
            .map(|(key, value)| (*key, *value))
            .collect();
        prop_assert_eq!(live, expected);
    }
}

#[test]
fn logs_of_several_twigs_have_the_naive_root_and_prove_each_key() {
    for profile in Profile::ALL {
        // 2048 entries a twig: 1, 2, 3 and 5 twigs, so that the root level grows.
        for (batches, keys) in [(3, 1000), (8, 1000), (14, 1000), (25, 1000)] {
            let (log, naive) = state_log(profile, batches, keys);
            assert_eq!(log.root(), naive.root(), "{profile} {}", log.entry_count());
            let last = 2 * batches;
            for i in (0..keys).step_by(41) {
                for key in [key(i), plus_one(key(i)), minus_one(key(i))] {
                    check_key(&log, &naive, &key, (0..=last).step_by(7), last);
                }
            }
        }
    }
}

#[test]
fn many_keys_in_one_proof() {
    let (log, naive) = state_log(Profile::Keccak256, 14, 1000);
    let head = naive.head(30);
    for at in [
        None,
        Some(TxNum(0)),
        Some(TxNum(1)),
        Some(TxNum(9)),
        Some(TxNum(30)),
    ] {
        let keys: Vec<_> = (0..1100).step_by(13).map(key).collect();
        let proof = log.prove_many(&keys, at).unwrap();
        let proven = proof.verify_all(&head, at).unwrap();
        for key in &keys {
            let expected = naive.at(at.map_or(u64::MAX, |at| at.0), key);
            assert_eq!(proven.get(key).unwrap().map(|entry| entry.value), expected);
        }
        let single: usize = keys
            .iter()
            .map(|key| log.prove(key, at).unwrap().to_bytes().len())
            .sum();
        let bytes = proof.to_bytes();
        assert!(bytes.len() < single, "{} of {single}", bytes.len());
        assert_eq!(StateProof::from_bytes(&bytes), Ok(proof));
    }
}

#[test]
fn the_first_batch_writes_the_sentinel_and_empty_ones_write_nothing() {
    let mut log = MemoryStateLog::new(Keccak256);
    assert_eq!(log.apply(TxNum(0), &[]), Ok(B256::ZERO));
    assert_eq!(log.apply(TxNum(1), &[(key(1), None)]), Ok(B256::ZERO));
    assert_eq!(log.entry_count(), 0);
    log.apply(TxNum(1), &[(key(1), Some(value(1)))]).unwrap();
    assert_eq!(log.entry_count(), 2);
    // The last key goes, the sentinel stays.
    log.apply(TxNum(2), &[(key(1), None)]).unwrap();
    assert_eq!((log.entry_count(), log.iter().count()), (4, 0));
    let empty = log.root();
    assert_eq!(log.apply(TxNum(3), &[(key(1), None)]), Ok(empty));
    // Inserted again it supersedes nothing.
    log.apply(TxNum(4), &[(key(1), Some(value(1)))]).unwrap();
    assert_eq!(log.get(&key(1), None).unwrap().supersedes, None);
    assert_eq!(log.get(&key(1), Some(TxNum(3))), None);
}

#[test]
fn bad_batches_are_refused_and_change_nothing() {
    let mut log = MemoryStateLog::new(Keccak256);
    log.apply(TxNum(5), &[(key(1), Some(value(1)))]).unwrap();
    let (root, word) = (log.root(), Some(value(2)));
    let (low, high) = (key(1).min(key(2)), key(1).max(key(2)));
    let refused = [
        (
            6,
            vec![(high, word), (low, word)],
            BatchError::Unsorted {
                previous: high,
                next: low,
            },
        ),
        (
            6,
            vec![(low, word), (low, None)],
            BatchError::Unsorted {
                previous: low,
                next: low,
            },
        ),
        (
            6,
            vec![(B256::ZERO, word)],
            BatchError::ReservedKey { key: B256::ZERO },
        ),
        (
            6,
            vec![(low, word), (Entry::END, None)],
            BatchError::ReservedKey { key: Entry::END },
        ),
        (
            5,
            vec![(low, word)],
            BatchError::TxNum {
                found: TxNum(5),
                last: TxNum(5),
            },
        ),
        (
            4,
            vec![(low, word)],
            BatchError::TxNum {
                found: TxNum(4),
                last: TxNum(5),
            },
        ),
    ];
    for (tx_num, writes, error) in refused {
        assert_eq!(log.apply(TxNum(tx_num), &writes), Err(error));
        assert_eq!((log.root(), log.entry_count()), (root, 2));
    }
    assert_eq!(StateWord::of(&[1; 32]).word(), B256::repeat_byte(1));
}
