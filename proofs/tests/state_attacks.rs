//! What a forger would try with a state log that is honest: entries and bits that are all in the
//! log, put together to claim what is not so.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::state::{NaiveState, Writes, key, minus_one, plus_one, value};
use qmtree_proofs::state::{
    Entry, EntryError, EntryId, Evidence, MemoryStateLog, StateProof, StateWord, open_entries,
};
use qmtree_proofs::{
    DecodeError, Head, MissingNode, Profile, Proof, ProveError, ShapeError, TxNum, VerifyError,
};

/// Ten keys written at 10; the third changed at 20, the fourth deleted at 30, written again at 40;
/// the last one deleted at 50.
struct Forger {
    log: MemoryStateLog<Profile>,
    head: Head,
    keys: Vec<B256>,
}

fn forger(profile: Profile) -> Forger {
    let mut keys: Vec<_> = (0..10).map(key).collect();
    keys.sort();
    let (mut log, mut naive) = (MemoryStateLog::new(profile), NaiveState::new(profile));
    let all: Writes = keys
        .iter()
        .zip(0..)
        .map(|(key, i)| (*key, Some(value(i))))
        .collect();
    let batches: [(u64, Writes); 5] = [
        (10, all),
        (20, vec![(keys[3], Some(value(20)))]),
        (30, vec![(keys[4], None)]),
        (40, vec![(keys[4], Some(value(40)))]),
        (50, vec![(keys[9], None)]),
    ];
    for (tx_num, writes) in batches {
        naive.apply(tx_num, &writes);
        log.apply(TxNum(tx_num), &writes).unwrap();
    }
    let head = naive.head(60);
    Forger { log, head, keys }
}

fn forgers() -> impl Iterator<Item = Forger> {
    Profile::ALL.into_iter().map(forger)
}

impl Forger {
    fn open(&self, evidence: &[Evidence]) -> StateProof {
        let profile = self.head.profile;
        open_entries(&self.log, &profile, self.head.entry_count, evidence).unwrap()
    }

    /// All versions of a key, oldest first, tombstones included.
    fn versions(&self, key: &B256) -> Vec<(EntryId, Entry)> {
        let ids = (0..self.head.entry_count).map(EntryId);
        let entries = ids.map(|id| (id, *self.log.entry(id).unwrap()));
        entries.filter(|(_, entry)| entry.key == *key).collect()
    }

    fn verify(
        &self,
        evidence: &[Evidence],
        key: &B256,
        at: Option<u64>,
    ) -> Result<Option<Entry>, VerifyError> {
        self.open(evidence).verify(&self.head, key, at.map(TxNum))
    }
}

#[test]
fn neighbours_that_are_not_adjacent_prove_no_absence() {
    for forger in forgers() {
        let keys = &forger.keys;
        for (k, gap) in keys
            .iter()
            .enumerate()
            .flat_map(|(i, k)| [(i, *k), (i, plus_one(*k))])
        {
            for entry in forger.log.iter() {
                let (id, _) = *forger.versions(&entry.key).last().unwrap();
                let found = forger.verify(&[Evidence::Active(id)], &gap, None);
                let expected = if entry.key == gap {
                    Ok(Some(*entry))
                } else if entry.excludes(&gap) {
                    Ok(None)
                } else {
                    Err(VerifyError::Unproven { key: gap })
                };
                assert_eq!(found, expected, "key {k}");
            }
        }
        // The sentinel says nothing about the first key, nor about what is behind it.
        let (sentinel, _) = *forger.versions(&B256::ZERO).last().unwrap();
        let sentinel = [Evidence::Active(sentinel)];
        assert_eq!(
            forger.verify(&sentinel, &minus_one(keys[0]), None),
            Ok(None)
        );
        for key in [keys[0], plus_one(keys[0]), keys[5]] {
            let found = forger.verify(&sentinel, &key, None);
            assert_eq!(found, Err(VerifyError::Unproven { key }));
        }
    }
}

#[test]
fn first_and_last_keys_have_their_borders() {
    for forger in forgers() {
        let keys = &forger.keys;
        // The last key was deleted, so the one before it reaches to the end.
        let (last, entry) = *forger.versions(&keys[8]).last().unwrap();
        assert_eq!(entry.next_key, Entry::END);
        for key in [
            keys[9],
            minus_one(keys[9]),
            plus_one(keys[9]),
            minus_one(Entry::END),
        ] {
            assert_eq!(
                forger.verify(&[Evidence::Active(last)], &key, None),
                Ok(None)
            );
        }
        // Before that it did not: its older version proves the old border, and only then.
        let (old, _) = forger.versions(&keys[8])[0];
        let evidence = [Evidence::Superseded {
            entry: old,
            by: last,
        }];
        let key = plus_one(keys[9]);
        assert_eq!(
            forger.verify(&evidence, &key, Some(49)),
            Err(VerifyError::Unproven { key })
        );
        for key in [B256::ZERO, Entry::END] {
            let found = forger.verify(&[Evidence::Active(last)], &key, None);
            assert_eq!(found, Err(VerifyError::ReservedKey { key }));
        }
    }
}

#[test]
fn a_stale_value_is_not_current() {
    for forger in forgers() {
        let key = forger.keys[3];
        let versions = forger.versions(&key);
        let ((old, _), (new, newer)) = (versions[0], versions[1]);
        assert_eq!(newer.supersedes, Some(old));
        let inactive = VerifyError::Inactive { entry_id: old };
        for at in [None, Some(19), Some(20), Some(60)] {
            let found = forger.verify(&[Evidence::Active(old)], &key, at);
            assert_eq!(found, Err(inactive), "at {at:?}");
        }
        let superseded = [Evidence::Superseded {
            entry: old,
            by: new,
        }];
        for at in [None, Some(20), Some(60), Some(9)] {
            let found = forger.verify(&superseded, &key, at);
            assert!(
                matches!(found, Err(VerifyError::NotAtThatTime { .. })),
                "at {at:?}: {found:?}"
            );
        }
        for at in 10..20 {
            let found = forger.verify(&superseded, &key, Some(at)).unwrap().unwrap();
            assert_eq!(found.value, value(3));
        }
        // Nor is the current one what was there before.
        for at in [10, 19] {
            let found = forger.verify(
                &[Evidence::Active(versions.last().unwrap().0)],
                &key,
                Some(at),
            );
            assert!(
                matches!(found, Err(VerifyError::NotAtThatTime { .. })),
                "{found:?}"
            );
        }
    }
}

#[test]
fn a_superseding_entry_must_name_the_entry() {
    for forger in forgers() {
        let key = forger.keys[3];
        let (old, _) = forger.versions(&key)[0];
        // Every other entry of the log in its place, at every time.
        for by in (0..forger.head.entry_count)
            .map(EntryId)
            .filter(|by| *by != old)
        {
            let named = forger.log.entry(by).unwrap().supersedes == Some(old);
            for at in 0..=60 {
                let found =
                    forger.verify(&[Evidence::Superseded { entry: old, by }], &key, Some(at));
                let truth = named && (10..20).contains(&at);
                assert_eq!(found.is_ok(), truth, "{by} at {at}: {found:?}");
            }
        }
        // The key inserted again names nothing: its first life cannot be stretched up to it.
        let versions = forger.versions(&forger.keys[4]);
        let again = versions
            .iter()
            .find(|(_, e)| e.tx_num == TxNum(40))
            .unwrap();
        assert_eq!(again.1.supersedes, None);
        let (before, _) = *versions
            .iter()
            .take_while(|(_, e)| !e.tombstone)
            .last()
            .unwrap();
        let evidence = [Evidence::Superseded {
            entry: before,
            by: again.0,
        }];
        for at in 0..60 {
            forger
                .verify(&evidence, &forger.keys[4], Some(at))
                .unwrap_err();
        }
    }
}

#[test]
fn tombstones_end_and_say_nothing_else() {
    for forger in forgers() {
        let key = forger.keys[4];
        let versions = forger.versions(&key);
        let at = versions
            .iter()
            .position(|(_, entry)| entry.tombstone)
            .unwrap();
        let ((before, _), (tombstone, _)) = (versions[at - 1], versions[at]);
        let found = forger.verify(&[Evidence::Active(tombstone)], &key, None);
        assert_eq!(
            found,
            Err(VerifyError::Inactive {
                entry_id: tombstone
            })
        );
        for by in (0..forger.head.entry_count)
            .map(EntryId)
            .filter(|by| *by != tombstone)
        {
            for at in [30, 35, 39, 40, 60] {
                let evidence = [Evidence::Superseded {
                    entry: tombstone,
                    by,
                }];
                let found = forger.verify(&evidence, &key, Some(at));
                assert!(!matches!(found, Ok(Some(_))), "{by} at {at}: {found:?}");
            }
        }
        let evidence = [Evidence::Superseded {
            entry: before,
            by: tombstone,
        }];
        assert!(forger.verify(&evidence, &key, Some(29)).unwrap().is_some());
        for at in [30, 39, 40, 60] {
            forger.verify(&evidence, &key, Some(at)).unwrap_err();
        }
    }
}

#[test]
fn times_are_bounded_by_the_head_and_by_the_first_write() {
    for forger in forgers() {
        let key = forger.keys[5];
        let (id, entry) = *forger.versions(&key).last().unwrap();
        for at in [61, 62, u64::MAX] {
            let found = forger.verify(&[Evidence::Active(id)], &key, Some(at));
            let error = VerifyError::AfterHead {
                tx_num: TxNum(at),
                leaf_count: 61,
            };
            assert_eq!(found, Err(error));
        }
        for at in 0..=60 {
            let written = entry.tx_num.0 <= at;
            let found = forger.verify(&[Evidence::Active(id)], &key, Some(at));
            assert_eq!(found.is_ok(), written, "at {at}");
            let unwritten = forger.verify(&[Evidence::Unwritten], &key, Some(at));
            assert_eq!(unwritten.is_ok(), at < 10, "at {at}");
        }
        forger
            .verify(&[Evidence::Unwritten], &key, None)
            .unwrap_err();
        // Absence now is no absence before the neighbour was written.
        let (neighbour, _) = *forger.versions(&forger.keys[3]).last().unwrap();
        let gap = plus_one(forger.keys[3]);
        for at in 0..=60 {
            let found = forger.verify(&[Evidence::Active(neighbour)], &gap, Some(at));
            assert_eq!(found.is_ok(), at >= 40, "at {at}");
        }
    }
}

#[test]
fn a_proof_holds_nothing_that_its_question_does_not_need() {
    for forger in forgers() {
        let (a, b) = (forger.keys[5], forger.keys[6]);
        let id = |key| forger.versions(key).last().unwrap().0;
        let both = forger.open(&[Evidence::Active(id(&a)), Evidence::Active(id(&b))]);
        assert_eq!(
            both.verify(&forger.head, &a, None),
            Err(VerifyError::Coverage {
                found: 2,
                expected: 1
            })
        );
        let proven = both.verify_all(&forger.head, None).unwrap();
        assert!(proven.get(&a).unwrap().is_some() && proven.get(&b).unwrap().is_some());
        assert_eq!(
            proven.get(&forger.keys[0]),
            Err(VerifyError::Unproven {
                key: forger.keys[0]
            })
        );
    }
}

#[test]
fn an_empty_map_has_no_proofs_and_no_proof_is_empty() {
    for profile in Profile::ALL {
        let empty = MemoryStateLog::new(profile);
        let none: ProveError<MissingNode> = ProveError::Shape(ShapeError::Empty);
        assert_eq!(empty.prove(&key(1), None), Err(none));
        let outside = ShapeError::OutsideLog {
            entry_id: EntryId(0),
            entry_count: 0,
        };
        let opened = open_entries(&empty, &profile, 0, &[Evidence::Unwritten]);
        assert_eq!(opened, Err(ProveError::Shape(outside)));
        assert_eq!(open_entries(&empty, &profile, 0, &[]), Err(none));
        let made = StateProof::new(profile, 5, vec![], vec![], vec![], vec![]);
        assert_eq!(made, Err(ShapeError::Empty));
        // A proof under the head of a log that has no state.
        let forger = forger(profile);
        let proof = forger.log.prove(&forger.keys[0], None).unwrap();
        let head = Head {
            entry_count: 0,
            state_root: B256::ZERO,
            ..forger.head
        };
        assert!(matches!(
            proof.verify(&head, &forger.keys[0], None),
            Err(VerifyError::EntryCount { trusted: 0, .. })
        ));
        assert_eq!(forger.log.prove_many(&[], None), Err(none));
    }
}

#[test]
fn the_execution_root_is_not_the_state_root() {
    for forger in forgers() {
        let proof = forger.log.prove(&forger.keys[0], None).unwrap();
        let swapped = Head {
            root: forger.head.state_root,
            state_root: forger.head.root,
            ..forger.head
        };
        assert!(matches!(
            proof.verify(&swapped, &forger.keys[0], None),
            Err(VerifyError::RootMismatch { .. })
        ));
    }
}

#[test]
fn a_word_is_not_taken_for_the_hash_of_a_value() {
    let (account, storage) = (keccak256(b"account"), keccak256(b"storage"));
    let mut naive = NaiveState::new(Profile::Keccak256);
    let mut log = MemoryStateLog::new(Profile::Keccak256);
    let (low, high) = (account.min(storage), account.max(storage));
    let rlp = b"the RLP of an account, which is longer than a word";
    let writes = vec![
        (low, Some(StateWord::of(rlp))),
        (high, Some(StateWord::of(keccak256(rlp).as_slice()))),
    ];
    naive.apply(1, &writes);
    log.apply(TxNum(1), &writes).unwrap();
    let head = naive.head(1);
    let check = |key: &B256, value: Option<&[u8]>| {
        log.prove(key, None)
            .unwrap()
            .verify_value(&head, key, None, value)
    };
    check(&low, Some(rlp)).unwrap();
    check(&high, Some(keccak256(rlp).as_slice())).unwrap();
    for (key, value) in [
        (low, Some(keccak256(rlp).to_vec())),
        (high, Some(rlp.to_vec())),
        (low, None),
        (plus_one(low), Some(rlp.to_vec())),
        (plus_one(low), Some(vec![])),
    ] {
        let error = VerifyError::OtherValue { key };
        assert_eq!(check(&key, value.as_deref()), Err(error));
    }
    check(&plus_one(low), None).unwrap();
}

#[test]
fn entries_that_no_log_has_do_not_decode() {
    let forger = forger(Profile::Keccak256);
    let proof = forger.log.prove(&forger.keys[5], None).unwrap();
    let bytes = proof.to_bytes();
    let entry = 7 + 12 + 9;
    let with = |at: usize, value: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        StateProof::from_bytes(&bytes)
    };
    let shape = |shape| Err(DecodeError::Shape(shape));
    assert_eq!(with(27, &[2]), Err(DecodeError::Flag { found: 2 }));
    let flags = EntryError::Flags { found: 8 };
    assert_eq!(with(entry + 119, &[8]), shape(ShapeError::Entry(flags)));
    assert_eq!(
        with(entry + 127, &[1]),
        shape(ShapeError::Entry(EntryError::NotZero))
    );
    // Entry 0 is the sentinel, and no other entry starts a log.
    assert_eq!(
        with(19, &0u64.to_be_bytes()),
        shape(ShapeError::EntryPosition {
            entry_id: EntryId(0)
        })
    );
    // An alias of the same entry in a larger number space.
    let id = proof.ids()[0].0;
    for k in 5..64 {
        let alias = id ^ (1 << k);
        let outside = ShapeError::OutsideLog {
            entry_id: EntryId(alias),
            entry_count: proof.entry_count(),
        };
        assert_eq!(with(19, &alias.to_be_bytes()), shape(outside));
    }
    let text = serde_json::to_value(Proof::State(proof.clone())).unwrap();
    for (field, forged) in [
        ("active", serde_json::json!(1)),
        ("flags", serde_json::json!(8)),
        ("supersedes", serde_json::json!(u64::MAX)),
        ("nextKey", serde_json::json!("0x00")),
    ] {
        let mut text = text.clone();
        text["entries"][0][field] = forged;
        serde_json::from_value::<Proof>(text).unwrap_err();
    }
    assert_eq!(serde_json::from_value::<StateProof>(text).unwrap(), proof);
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let text = |error: &dyn std::error::Error| error.to_string();
    assert_eq!(
        text(&VerifyError::EntryCount {
            found: 5,
            trusted: 9
        }),
        "the proof is for a state log of 5 entries, the trusted head has 9; ask for a proof at \
         that head"
    );
    assert_eq!(
        text(&VerifyError::AfterHead {
            tx_num: TxNum(7),
            leaf_count: 7
        }),
        "the trusted head has 7 leaves and says nothing about txNum 7; ask for a proof at a later \
         head"
    );
    assert_eq!(
        text(&VerifyError::Inactive {
            entry_id: EntryId(3)
        }),
        "entry 3 is not the current version of its key"
    );
}
