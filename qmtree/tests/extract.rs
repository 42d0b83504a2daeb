//! Extracts of a database: at every block, the newest and all past ones, sealed or not, they lead to
//! the heads that the database came to.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::Rng;
use common::model::identity;
use qmtree::proofs::state::Compaction;
use qmtree::proofs::{LeafPayload, Profile, TxNum};
use qmtree::{At, Block, Db, Durability, Error, KeyUse, Options, StateBatch, View};

fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn value(number: u64) -> Vec<u8> {
    match number % 3 {
        0 => format!("account {number}").into_bytes(),
        _ => B256::with_last_byte(number as u8).to_vec(),
    }
}

/// The batches of a block: the first one writes many keys, the others a few.
fn batches(rng: &mut Rng, first: u64, number: u64) -> Vec<StateBatch> {
    let batch = |tx_num: u64, rng: &mut Rng| {
        let mut batch = StateBatch::new(TxNum(tx_num));
        let (count, keys) = if number == 0 {
            (3000, 2500)
        } else {
            (60, 2600)
        };
        for _ in 0..count {
            let new = (rng.below(4) > 0).then(|| value(rng.next()));
            batch.writes.push((key(rng.below(keys)), new));
        }
        batch.sort();
        batch
    };
    (first..first + 3)
        .map(|tx_num| batch(tx_num, rng))
        .collect()
}

fn uses(batches: &[StateBatch], reads: impl Iterator<Item = u64>) -> Vec<KeyUse> {
    let written = batches.iter().flat_map(|batch| &batch.writes);
    let written = written.map(|(key, value)| KeyUse {
        key: *key,
        deleted: value.is_none(),
    });
    let reads = reads.map(|i| KeyUse {
        key: key(i),
        deleted: false,
    });
    written.chain(reads).collect()
}

/// Applies the blocks from `from` on to what a witness at the head before says.
fn check(view: &View, all: &[Vec<StateBatch>], from: usize, to: usize, at: At) {
    let range = &all[from..to];
    let head = match from.checked_sub(1) {
        Some(before) => view.head_at(before as u64).unwrap(),
        None => return,
    };
    let uses = uses(&range.concat(), 0..40);
    let extract = view.extract_state(&uses, at).unwrap();
    let mut partial = extract.open(head.profile, &head).unwrap();
    for i in 0..40 {
        let expected = view.get_at(&key(i), TxNum(head.leaf_count - 1)).unwrap();
        assert_eq!(partial.get(&key(i)), Ok(expected.as_deref()));
    }
    for (batches, number) in range.iter().zip(from..) {
        for batch in batches {
            partial.apply(batch.tx_num, &batch.writes).unwrap();
        }
        let after = view.head_at(number as u64).unwrap();
        assert_eq!(partial.root(), after.state_root, "block {number}");
        assert_eq!(partial.entry_count(), after.entry_count);
    }
    let edge = view.edge(at).unwrap();
    assert_eq!(*edge.head(), head);
    let mut frontier = edge.frontier(head.profile).unwrap();
    let leaves = head.leaf_count..view.head_at(to as u64 - 1).unwrap().leaf_count;
    for leaf in leaves {
        frontier.append(&[view.leaf_hash(TxNum(leaf)).unwrap().0]);
    }
    assert_eq!(frontier.root(), view.head_at(to as u64 - 1).unwrap().root);
}

#[test]
fn extracts_at_every_block_lead_to_the_heads_after_it() {
    for profile in Profile::ALL {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut options = Options::default();
        options.durability = Durability::Buffered;
        options.unwind_window_blocks = 4;
        options.segment_twigs = 1;
        let mut db = Db::create(&dir, identity(profile), options.clone()).unwrap();
        let (mut rng, mut all) = (Rng::new(2026), Vec::new());
        for number in 0..24u64 {
            let first = db.head().leaf_count;
            let batches = batches(&mut rng, first, number);
            let leaves = [LeafPayload::default(); 5];
            db.append(&Block::new(number, &leaves).with_batches(&batches))
                .unwrap();
            all.push(batches);
        }
        db.sync().unwrap();
        assert!(db.sealed_entry_count() > 4096, "some of it is sealed");
        let view = db.view();
        for from in 1..24 {
            check(&view, &all, from, from + 1, At::Block(from as u64 - 1));
        }
        check(&view, &all, 1, 24, At::Block(0));
        check(&view, &all, 20, 24, At::Block(19));
        // At its own head, a view that is older than the log.
        let older = db.view();
        let first = db.head().leaf_count;
        let newest = batches(&mut rng, first, 24);
        db.append(&Block::new(24, &[LeafPayload::default(); 5]).with_batches(&newest))
            .unwrap();
        let uses = uses(&newest, 0..0);
        let extract = older.extract_state(&uses, At::Head).unwrap();
        assert_eq!(
            extract,
            db.view().extract_state(&uses, At::Block(23)).unwrap()
        );
        let mut partial = extract.open(profile, older.head()).unwrap();
        for batch in &newest {
            partial.apply(batch.tx_num, &batch.writes).unwrap();
        }
        assert_eq!(partial.root(), db.head().state_root);
        all.push(newest);
        db.close().unwrap();
        let db = Db::open(&dir, options).unwrap();
        check(&db.view(), &all, 3, 25, At::Block(2));
    }
}

#[test]
fn an_empty_log_has_an_empty_extract() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::Keccak256;
    let db = Db::create(
        folder.path().join("db"),
        identity(profile),
        Options::default(),
    )
    .unwrap();
    let view = db.view();
    let wanted = KeyUse {
        key: key(1),
        deleted: true,
    };
    let extract = view.extract_state(&[wanted], At::Head).unwrap();
    let mut partial = extract.open(profile, view.head()).unwrap();
    assert_eq!(partial.get(&key(1)), Ok(None));
    assert!(partial.apply(TxNum(0), &[(key(1), Some(vec![1]))]).is_ok());
    let edge = view.edge(At::Head).unwrap();
    assert_eq!(edge.frontier(profile).unwrap().leaf_count(), 0);
}

/// What moves depends on the whole log, so there is nothing to go on from.
#[test]
fn a_compacted_log_has_no_extracts() {
    let folder = tempfile::tempdir().unwrap();
    let rule = Compaction::new(2);
    let identity = identity(Profile::Keccak256);
    let path = folder.path().join("db");
    let mut db = Db::create_with(path, identity, rule, Options::default()).unwrap();
    let batches = [StateBatch {
        tx_num: TxNum(0),
        writes: vec![(key(1), Some(value(1)))],
    }];
    let leaves = [LeafPayload::default()];
    db.append(&Block::new(0, &leaves).with_batches(&batches))
        .unwrap();
    let uses = uses(&batches, 0..3);
    for at in [At::Head, At::Block(0)] {
        let refused = db.view().extract_state(&uses, at).unwrap_err();
        assert!(
            matches!(refused, Error::CompactedState { compaction } if compaction == rule),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("2 entries per key"));
    }
}
