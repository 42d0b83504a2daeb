//! What a state log refuses, and that nothing is applied then.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::model::identity;
use qmtree::proofs::state::BatchError;
use qmtree::proofs::{LeafPayload, Profile, TxNum};
use qmtree::{Block, Db, Error, MAX_VALUE_LEN, Options, StateBatch};

fn key(number: u8) -> B256 {
    keccak256([number])
}

fn batch(tx_num: u64, writes: &[(B256, Option<&[u8]>)]) -> StateBatch {
    let writes = writes
        .iter()
        .map(|(key, value)| (*key, value.map(<[u8]>::to_vec)));
    StateBatch {
        tx_num: TxNum(tx_num),
        writes: writes.collect(),
    }
}

fn database() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(Profile::Keccak256);
    let db = Db::create(folder.path().join("db"), identity, Options::default()).unwrap();
    (folder, db)
}

const LEAVES: [LeafPayload; 3] = [LeafPayload {
    pre_state_hash: B256::ZERO,
    state_change_hash: B256::ZERO,
    transition_hash: B256::ZERO,
}; 3];

#[test]
fn bad_batches_are_refused_and_nothing_is_applied() {
    let (_folder, mut db) = database();
    let first = batch(1, &[(key(1), Some(b"one"))]);
    db.append(&Block::new(0, &LEAVES).with_batches(&[first]))
        .unwrap();
    let head = db.head();
    let (low, high) = (key(1).min(key(2)), key(1).max(key(2)));
    let long = vec![0; MAX_VALUE_LEN + 1];
    let unsorted = BatchError::Unsorted {
        previous: high,
        next: low,
    };
    let twice = BatchError::Unsorted {
        previous: low,
        next: low,
    };
    let too_long = BatchError::ValueLength {
        key: low,
        found: long.len(),
        max: MAX_VALUE_LEN,
    };
    let reserved = BatchError::ReservedKey { key: B256::ZERO };
    let back = BatchError::TxNum {
        found: TxNum(3),
        last: TxNum(4),
    };
    let cases = [
        // One that changes nothing has its place too.
        (
            vec![batch(4, &[(key(77), None)]), batch(3, &[(low, Some(b"x"))])],
            back,
        ),
        (vec![batch(4, &[(high, None), (low, Some(b"x"))])], unsorted),
        (vec![batch(4, &[(low, None), (low, Some(b"x"))])], twice),
        (vec![batch(4, &[(low, Some(&long))])], too_long),
        (vec![batch(4, &[(B256::ZERO, Some(b"x"))])], reserved),
        (
            vec![
                batch(4, &[(low, Some(b"x"))]),
                batch(3, &[(high, Some(b"y"))]),
            ],
            back,
        ),
    ];
    for (batches, expected) in cases {
        let refused = db.append(&Block::new(1, &LEAVES).with_batches(&batches));
        match refused.unwrap_err() {
            Error::Batch(found) => assert_eq!(found, expected),
            other => panic!("{other}"),
        }
        assert_eq!(db.head(), head);
        // A staged block goes on after a batch that was refused.
        let mut staged = db.begin_block(1).unwrap();
        let root = staged.state_root().unwrap();
        let applied: Result<Vec<_>, _> = batches.iter().map(|batch| staged.apply(batch)).collect();
        assert!(matches!(applied, Err(Error::Batch(_))));
        if batches.len() == 1 {
            assert_eq!(staged.state_root().unwrap(), root);
        }
        staged.apply(&batch(5, &[(key(9), Some(b"nine"))])).unwrap();
        drop(staged);
        assert_eq!(db.head(), head);
        // Of many at once some may have been applied, so the block is of no more use.
        let mut staged = db.begin_block(1).unwrap();
        assert!(matches!(staged.apply_all(&batches), Err(Error::Batch(_))));
        assert!(matches!(staged.commit(&LEAVES, &[]), Err(Error::Poisoned)));
        assert_eq!(db.head(), head);
    }
    // The longest value there can be.
    let longest = vec![7; MAX_VALUE_LEN];
    let batches = [batch(3, &[(key(1), Some(&longest))])];
    let head = db
        .append(&Block::new(1, &LEAVES).with_batches(&batches))
        .unwrap();
    let view = db.view();
    assert_eq!(view.get(&key(1)).unwrap(), Some(longest.clone()));
    let proof = view.prove_state(&key(1), None).unwrap();
    proof
        .verify_value(&head, &key(1), None, Some(&longest))
        .unwrap();
}

#[test]
fn batches_belong_to_transactions_of_their_block() {
    let (_folder, mut db) = database();
    for tx_num in [3, 4, u64::MAX] {
        let batches = [batch(tx_num, &[(key(1), Some(b"x"))])];
        let refused = db.append(&Block::new(0, &LEAVES).with_batches(&batches));
        assert!(
            matches!(refused, Err(Error::OutsideBlock { .. })),
            "{refused:?}"
        );
        let mut staged = db.begin_block(0).unwrap();
        staged.apply(&batches[0]).unwrap();
        let refused = staged.commit(&LEAVES, &[]);
        assert!(
            matches!(refused, Err(Error::OutsideBlock { .. })),
            "{refused:?}"
        );
    }
    db.append(&Block::new(0, &LEAVES)).unwrap();
    let mut staged = db.begin_block(1).unwrap();
    assert_eq!(staged.first_tx_num(), TxNum(3));
    let refused = staged.write(&batch(2, &[(key(1), Some(b"x"))]));
    assert!(
        matches!(refused, Err(Error::OutsideBlock { .. })),
        "{refused:?}"
    );
    drop(staged);
    assert!(matches!(
        db.begin_block(3),
        Err(Error::Gap {
            expected: 1,
            found: 3
        })
    ));
    assert_eq!(db.head().entry_count, 0);
}

#[test]
fn questions_without_an_answer_say_so() {
    let (folder, mut db) = database();
    assert!(matches!(
        db.view().prove_state(&key(1), None),
        Err(Error::NoState)
    ));
    assert_eq!(db.view().get(&key(1)).unwrap(), None);
    let batches = [batch(1, &[(key(1), Some(b"one"))])];
    db.append(&Block::new(0, &LEAVES).with_batches(&batches))
        .unwrap();
    let view = db.view();
    for at in [3, u64::MAX] {
        let at = TxNum(at);
        assert!(matches!(
            view.get_at(&key(1), at),
            Err(Error::NoSuchLeaf { .. })
        ));
        assert!(matches!(
            view.prove_state(&key(1), Some(at)),
            Err(Error::NoSuchLeaf { .. })
        ));
        assert!(view.state_from(&key(1), Some(at)).is_err());
    }
    assert!(matches!(
        view.prove_state(&B256::ZERO, None),
        Err(Error::Batch(_))
    ));
    assert_eq!(view.get(&B256::ZERO).unwrap(), None);
    assert_eq!(view.get_at(&key(1), TxNum(0)).unwrap(), None);
    assert!(view.prove_states(&[], None).is_err());
    assert_eq!(view.key_counts(), (1, 1));
    drop(view);
    db.close().unwrap();
    let mut db = Db::open_read_only(folder.path().join("db")).unwrap();
    assert!(matches!(db.begin_block(1), Err(Error::ReadOnly)));
    assert_eq!(db.view().get(&key(1)).unwrap(), Some(b"one".to_vec()));
}

/// They share one neighbour, which is rewritten once.
#[test]
fn many_insertions_between_two_keys_are_one_batch() {
    let (_folder, mut db) = database();
    let numbered = |number: u16| {
        let mut key = B256::repeat_byte(0x55);
        let [high, low] = number.to_be_bytes();
        (key.0[8], key.0[9]) = (high, low);
        key
    };
    let (low, high) = (B256::repeat_byte(0x11), B256::repeat_byte(0xee));
    let first = batch(1, &[(low, Some(b"low")), (high, Some(b"high"))]);
    db.append(&Block::new(0, &LEAVES).with_batches(&[first]))
        .unwrap();
    let mut many: Vec<_> = (0..9000).map(|i| (numbered(i), Some(&b"x"[..]))).collect();
    many.push((high, None));
    let head = db
        .append(&Block::new(1, &LEAVES).with_batches(&[batch(3, &many)]))
        .unwrap();
    // The sentinel and the two keys; then `low`, the new keys and a tombstone.
    assert_eq!(head.entry_count, 3 + 1 + 9000 + 1);
    let view = db.view();
    let found = view.state_from(&B256::ZERO, None).unwrap();
    let found: Vec<_> = found.map(|item| item.unwrap().0).collect();
    let expected: Vec<_> = std::iter::once(low)
        .chain((0..9000).map(numbered))
        .collect();
    assert_eq!(found, expected);
    db.check().unwrap();
}

#[test]
fn of_several_writes_to_a_key_the_last_stays() {
    let mut batch = batch(
        0,
        &[(key(2), Some(b"a")), (key(1), None), (key(2), Some(b"b"))],
    );
    batch.writes.push((key(2), None));
    batch.writes.push((key(2), Some(b"c".to_vec())));
    batch.sort();
    let mut expected = vec![(key(1), None), (key(2), Some(b"c".to_vec()))];
    expected.sort();
    assert_eq!(batch.writes, expected);
}

#[test]
fn a_block_again_with_other_writes_is_a_conflict() {
    let (_folder, mut db) = database();
    for number in 0..3_u8 {
        let tx_num = u64::from(number) * 3 + 1;
        let right = [batch(tx_num, &[(key(1), Some(&[number]))])];
        let head = db
            .append(&Block::new(number.into(), &LEAVES).with_batches(&right))
            .unwrap();
        let other_value = [batch(tx_num, &[(key(1), Some(b"other"))])];
        let other_key = [batch(tx_num, &[(key(2), Some(&[number]))])];
        let later = [batch(tx_num + 1, &[(key(1), Some(&[number]))])];
        for wrong in [&[][..], &other_value, &other_key, &later] {
            let refused = db.append(&Block::new(number.into(), &LEAVES).with_batches(wrong));
            assert!(
                matches!(refused, Err(Error::Conflict { .. })),
                "{refused:?}"
            );
        }
        let again = db.append(&Block::new(number.into(), &LEAVES).with_batches(&right));
        assert_eq!(again.unwrap(), head);
        assert_eq!(db.head(), head);
    }
}
