//! Extracts against the whole log: the same answers, the same roots, and nothing else accepted.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::B256;
use common::state::key;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_proofs::state::{
    BatchError, EntryId, MAX_EXTRACT_VALUE_LEN, MemoryStateLog, PartialError, PartialState,
    StateExtract, StateWord, open_extract,
};
use qmtree_proofs::{DecodeError, Head, Profile, Scheme, ShapeError, TxNum, VerifyError};
use std::collections::{BTreeMap, BTreeSet};

type Writes = Vec<(B256, Option<Vec<u8>>)>;

/// A word, or for every third number a text.
fn value(i: u64) -> Vec<u8> {
    match i % 3 {
        0 => format!("value {i}").into_bytes(),
        _ => alloy_primitives::keccak256(i.to_be_bytes()).to_vec(),
    }
}

/// The whole log, with the values that it only has hashes of.
#[derive(Clone)]
struct Whole {
    log: MemoryStateLog<Profile>,
    values: BTreeMap<B256, Vec<u8>>,
    profile: Profile,
    next: u64,
}

impl Whole {
    fn new(profile: Profile) -> Self {
        Self {
            log: MemoryStateLog::new(profile),
            values: BTreeMap::new(),
            profile,
            next: 0,
        }
    }

    fn apply(&mut self, tx_num: u64, writes: &Writes) -> B256 {
        let words: Vec<_> = writes
            .iter()
            .map(|(key, value)| (*key, value.as_deref().map(StateWord::of)))
            .collect();
        for (key, value) in writes {
            match value {
                Some(value) => drop(self.values.insert(*key, value.clone())),
                None => drop(self.values.remove(key)),
            }
        }
        self.next = tx_num + 1;
        self.log.apply(TxNum(tx_num), &words).unwrap()
    }

    fn head(&self) -> Head {
        Head {
            leaf_count: self.next.max(1),
            root: B256::repeat_byte(9),
            entry_count: self.log.entry_count(),
            state_root: self.log.root(),
            ..Head::empty(1, self.profile, Scheme::StateRoot1)
        }
    }

    fn extract(&self, keys: &[B256], deleted: impl Fn(&B256) -> bool) -> StateExtract {
        let value = |key: &B256| self.values.get(key).cloned();
        self.log.extract(keys, deleted, value).unwrap()
    }
}

fn open(extract: &StateExtract, head: &Head) -> Result<PartialState<Profile>, VerifyError> {
    extract.clone().open(head.profile, head)
}

/// The keys of batches, and whether a batch deletes them.
fn uses(batches: &[Writes], reads: &[B256]) -> (Vec<B256>, BTreeSet<B256>) {
    let written = batches.iter().flatten();
    let deleted = written.clone().filter(|(_, value)| value.is_none());
    let deleted = deleted.map(|(key, _)| *key).collect();
    let keys = written.map(|(key, _)| *key).chain(reads.iter().copied());
    (keys.collect(), deleted)
}

/// Makes the extract for these batches, and holds it against the whole log after each of them.
fn replay(whole: &mut Whole, batches: &[Writes], reads: &[B256]) -> StateExtract {
    let (keys, deleted) = uses(batches, reads);
    let extract = whole.extract(&keys, |key| deleted.contains(key));
    let bytes = extract.to_bytes();
    assert_eq!(StateExtract::from_bytes(&bytes).unwrap(), extract);
    let mut partial = open(&extract, &whole.head()).unwrap();
    assert_eq!(partial.root(), whole.log.root());
    for batch in batches {
        for key in &keys {
            let expected = whole.values.get(key).map(Vec::as_slice);
            assert_eq!(partial.get(key), Ok(expected), "{key}");
            let expected = whole.log.get(key, None);
            assert_eq!(partial.entry(key), Ok(expected), "{key}");
        }
        let tx_num = whole.next.max(1);
        let root = partial.apply(TxNum(tx_num), batch).unwrap();
        assert_eq!(root, whole.apply(tx_num, batch));
        assert_eq!(partial.entry_count(), whole.log.entry_count());
    }
    extract
}

fn sorted(writes: BTreeMap<u64, Option<u64>>) -> Writes {
    let mut writes: Writes = writes
        .into_iter()
        .map(|(i, v)| (key(i), v.map(value)))
        .collect();
    writes.sort();
    writes
}

fn batch() -> impl Strategy<Value = Writes> {
    let write = proptest::option::weighted(0.6, 0..1000u64);
    proptest::collection::btree_map(0..40u64, write, 0..10).prop_map(sorted)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        cases: 96,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_extract_and_the_whole_log_have_the_same_roots(
        // Around the end of words and of twigs, where the edge has all its forms.
        filler in prop_oneof![
            Just(0u64), Just(1), 2..60u64, 250..262u64, 2030..2060u64, 4080..4110u64, 6130..6150u64,
        ],
        before in proptest::collection::vec(batch(), 0..4),
        ranges in proptest::collection::vec(proptest::collection::vec(batch(), 0..7), 1..4),
        reads in proptest::collection::vec(0..60u64, 0..6),
        blake3: bool,
    ) {
        let profile = if blake3 { Profile::Blake3 } else { Profile::Keccak256 };
        let mut whole = Whole::new(profile);
        if filler > 0 {
            // The sentinel makes one more.
            let mut writes: Writes = (1..filler).map(|i| (key(1000 + i), Some(value(i)))).collect();
            writes.push((key(20), Some(value(7))));
            writes.sort();
            whole.apply(0, &writes);
        }
        for batch in &before {
            whole.apply(whole.next, batch);
        }
        let reads: Vec<_> = reads.into_iter().map(key).collect();
        for batches in &ranges {
            replay(&mut whole, batches, &reads);
        }
    }
}

#[test]
fn first_and_last_key_and_the_whole_map_come_and_go() {
    for profile in Profile::ALL {
        let mut whole = Whole::new(profile);
        let mut keys: Vec<_> = (0..12).map(key).collect();
        keys.sort();
        let all = |value: Option<u64>| -> Writes {
            let with = |key: &B256| (*key, value.map(self::value));
            keys.iter().map(with).collect()
        };
        let one = |i: usize, v: Option<u64>| vec![(keys[i], v.map(value))];
        // One range: an empty log, inserts behind inserts, all deleted, and written again.
        replay(
            &mut whole,
            &[
                all(None),
                all(Some(1)),
                all(None),
                all(Some(2)),
                one(0, None),
            ],
            &[],
        );
        // Predecessors that come into being in the range, and go in it.
        replay(
            &mut whole,
            &[
                one(11, None),
                one(10, None),
                one(0, Some(4)),
                one(1, None),
                one(0, None),
                one(2, None),
                one(11, Some(5)),
                one(10, Some(5)),
            ],
            &[],
        );
        replay(&mut whole, &[all(None)], &[]);
        replay(&mut whole, &[one(5, Some(3)), all(None)], &keys);
    }
}

/// A log of five twigs, and batches that do all kinds of things with some of its keys.
fn world(profile: Profile) -> (Whole, Vec<Writes>, Vec<B256>) {
    let mut whole = Whole::new(profile);
    let mut writes: Writes = (0..9000).map(|i| (key(i), Some(value(i)))).collect();
    writes.sort();
    whole.apply(0, &writes);
    let batches = vec![
        sorted(BTreeMap::from([(1, Some(5)), (2, None), (9001, Some(3))])),
        sorted(BTreeMap::from([
            (9001, None),
            (4, Some(1)),
            (9002, Some(3)),
        ])),
    ];
    (whole, batches, vec![key(3), key(6), key(9500)])
}

#[test]
fn every_part_and_every_bit_counts() {
    for profile in Profile::ALL {
        let (whole, batches, reads) = world(profile);
        let head = whole.head();
        let extract = replay(&mut whole.clone(), &batches, &reads);
        for (at, dropped) in extract.entries().iter().enumerate() {
            let mut entries = extract.entries().to_vec();
            entries.remove(at);
            let nodes = extract.nodes().to_vec();
            match StateExtract::new(profile, head.entry_count, entries, nodes) {
                Err(ShapeError::DigestCount { .. }) => {}
                Err(other) => panic!("{other}"),
                Ok(fewer) => {
                    let opened = open(&fewer, &head).map(drop);
                    let id = dropped.id;
                    assert!(
                        matches!(opened, Err(VerifyError::RootMismatch { .. })),
                        "{id}"
                    );
                }
            }
        }
        for at in 0..extract.nodes().len() {
            let mut nodes = extract.nodes().to_vec();
            nodes.remove(at);
            let entries = extract.entries().to_vec();
            let made = StateExtract::new(profile, head.entry_count, entries, nodes);
            assert!(matches!(made, Err(ShapeError::DigestCount { .. })));
        }
        let bytes = extract.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = StateExtract::from_bytes(&forged) {
                assert_eq!(other.to_bytes(), forged, "bit {bit}");
                assert!(open(&other, &head).is_err(), "bit {bit}");
            }
        }
        for len in 0..bytes.len() {
            assert!(StateExtract::from_bytes(&bytes[..len]).is_err(), "{len}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(
            StateExtract::from_bytes(&longer),
            Err(DecodeError::TrailingBytes { .. })
        ));
    }
}

#[test]
fn an_entry_that_is_superseded_is_refused() {
    let (mut whole, batches, _) = world(Profile::Keccak256);
    for batch in &batches {
        whole.apply(whole.next, batch);
    }
    let newest = (0..whole.log.entry_count()).rev().map(EntryId);
    let older = newest.filter_map(|id| whole.log.entry(id).unwrap().supersedes);
    let older = older.take(1).last().unwrap();
    let wanted = vec![(older, None)];
    let count = whole.log.entry_count();
    let extract = open_extract(&whole.log, &whole.profile, count, wanted).unwrap();
    let opened = open(&extract, &whole.head()).map(drop);
    assert_eq!(opened, Err(VerifyError::Inactive { entry_id: older }));
}

#[test]
fn what_a_witness_for_other_keys_lacks_is_named() {
    let (whole, _, _) = world(Profile::Keccak256);
    let mut keys: Vec<_> = (0..9000).map(key).collect();
    keys.sort();
    let (known, other) = (keys[100], keys[4000]);
    let extract = whole.extract(&[known], |_| false);
    let mut partial = open(&extract, &whole.head()).unwrap();
    let unknown = PartialError::Unknown { key: other };
    assert_eq!(partial.get(&other), Err(unknown));
    assert!(unknown.to_string().contains(&other.to_string()));
    let before = partial.root();
    let tx_num = TxNum(whole.next);
    for write in [None, Some(value(1))] {
        let writes = [(known, Some(value(2))), (other, write)];
        assert_eq!(partial.apply(tx_num, &writes), Err(unknown));
    }
    // What the whole log would not take is not taken here.
    let max = MAX_EXTRACT_VALUE_LEN;
    let found = max + 1;
    let too_long = PartialError::Batch(BatchError::ValueLength {
        key: known,
        found,
        max,
    });
    let writes = [(known, Some(vec![7; found]))];
    assert_eq!(partial.apply(tx_num, &writes), Err(too_long));
    assert_eq!(partial.root(), before, "nothing has changed");
    // It is known, and so can be changed; to delete it takes the one before it.
    let deletion = [(known, None)];
    let missing = PartialError::UnknownBefore { key: known };
    assert_eq!(partial.apply(tx_num, &deletion), Err(missing));
    assert_eq!(partial.root(), before, "nothing has changed");
    let reserved = BatchError::ReservedKey { key: B256::ZERO };
    assert_eq!(partial.get(&B256::ZERO), Err(PartialError::Batch(reserved)));
    assert!(partial.apply(tx_num, &[(known, Some(value(2)))]).is_ok());
    let found = BatchError::TxNum {
        found: tx_num,
        last: tx_num,
    };
    assert_eq!(partial.apply(tx_num, &[]), Err(PartialError::Batch(found)));
    // A neighbour's value is not there to be read where it has a hash.
    let hashed = keys
        .iter()
        .position(|key| whole.values[key].len() != 32)
        .unwrap();
    let absent = common::state::plus_one(keys[hashed]);
    let extract = whole.extract(&[absent], |_| false);
    let partial = open(&extract, &whole.head()).unwrap();
    assert_eq!(partial.get(&absent), Ok(None));
    let no_value = PartialError::NoValue { key: keys[hashed] };
    assert_eq!(partial.get(&keys[hashed]), Err(no_value));
}

#[test]
fn an_extract_belongs_to_one_head() {
    let (whole, batches, reads) = world(Profile::Keccak256);
    let extract = replay(&mut whole.clone(), &batches, &reads);
    let head = whole.head();
    let other = Head {
        state_root: B256::repeat_byte(7),
        ..head
    };
    let opened = open(&extract, &other).map(drop);
    assert!(matches!(opened, Err(VerifyError::RootMismatch { .. })));
    let other = Head {
        entry_count: head.entry_count + 1,
        ..head
    };
    let opened = open(&extract, &other).map(drop);
    assert!(matches!(opened, Err(VerifyError::EntryCount { .. })));
    let other = Head {
        profile: Profile::Blake3,
        ..head
    };
    let opened = open(&extract, &other).map(drop);
    assert!(matches!(opened, Err(VerifyError::Profile { .. })));
}

#[test]
fn one_extract_for_a_range_is_smaller_than_one_for_each_batch() {
    let (whole, batches, reads) = world(Profile::Keccak256);
    let range = replay(&mut whole.clone(), &batches, &reads);
    let mut apart = whole;
    let sum: usize = batches
        .iter()
        .map(|batch| replay(&mut apart, std::slice::from_ref(batch), &reads))
        .map(|extract| extract.to_bytes().len())
        .sum();
    assert!(range.to_bytes().len() < sum);
}

#[test]
fn heads_at_the_end_of_numbers_do_not_overflow() {
    // A head that nobody has: a log of 2^64 - 1 entries, of which only the right edge is shown.
    let profile = Profile::Keccak256;
    let count = u64::MAX;
    let peaks = count.count_ones() as usize;
    for digests in 0..300 {
        let nodes = vec![B256::repeat_byte(7); digests];
        let Ok(extract) = StateExtract::new(profile, count, vec![], nodes) else {
            continue;
        };
        assert!(digests >= peaks);
        let mut head = Head {
            leaf_count: count,
            root: B256::repeat_byte(1),
            entry_count: count,
            state_root: B256::ZERO,
            ..Head::empty(1, profile, Scheme::StateRoot1)
        };
        let Err(VerifyError::RootMismatch { computed, .. }) = open(&extract, &head) else {
            panic!("no such log")
        };
        head.state_root = computed;
        let mut partial = open(&extract, &head).unwrap();
        let unknown = PartialError::Unknown { key: key(1) };
        assert_eq!(partial.apply(TxNum(count), &[(key(1), None)]), Err(unknown));
        return;
    }
    panic!("no number of nodes is right");
}
