//! The state log of a database against maps with all their history: random writes, deletions,
//! unwinds and reopenings, and every key proved at random transactions.
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
use qmtree::proofs::state::{MemoryStateLog, StateWord};
use qmtree::proofs::{Head, LeafPayload, Profile, TxNum};
use qmtree::{Block, Db, Durability, Options, StateBatch, View};
use std::collections::BTreeMap;

type Map = BTreeMap<B256, Vec<u8>>;

/// A block: its head, the state after each batch, the batches.
type ModelBlock = (Head, Vec<(u64, Map)>, Vec<StateBatch>);

/// What the database should hold.
struct Model {
    profile: Profile,
    /// By block: its head, and the map after each transaction that wrote.
    blocks: Vec<ModelBlock>,
}

impl Model {
    fn at(&self, tx_num: u64) -> Map {
        let mut maps = self.blocks.iter().flat_map(|(_, maps, _)| maps).rev();
        let found = maps.find(|(written, _)| *written <= tx_num);
        found.map(|(_, map)| map.clone()).unwrap_or_default()
    }

    fn now(&self) -> Map {
        self.at(u64::MAX)
    }

    /// The reference log after all blocks.
    fn reference(&self) -> MemoryStateLog<Profile> {
        let mut log = MemoryStateLog::new(self.profile);
        for batch in self.blocks.iter().flat_map(|(_, _, batches)| batches) {
            let word = |value: &Option<Vec<u8>>| value.as_deref().map(StateWord::of);
            let writes: Vec<_> = batch.writes.iter().map(|(k, v)| (*k, word(v))).collect();
            log.apply(batch.tx_num, &writes).unwrap();
        }
        log
    }
}

fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// A word, a short text or a long one.
fn value(rng: &mut Rng) -> Vec<u8> {
    let seed = rng.next();
    match seed % 4 {
        0 => seed.to_be_bytes().repeat(seed as usize % 40),
        1 => b"account".to_vec(),
        _ => B256::with_last_byte(seed.to_be_bytes()[0]).to_vec(),
    }
}

fn batch(rng: &mut Rng, tx_num: u64, keys: u64) -> StateBatch {
    let mut batch = StateBatch::new(TxNum(tx_num));
    for _ in 0..rng.below(9) {
        let live = rng.below(3) > 0;
        let value = live.then(|| value(rng));
        batch.writes.push((key(rng.below(keys)), value));
    }
    batch.sort();
    batch
}

/// Appends a block in one of the two ways there are.
fn append(db: &mut Db, model: &mut Model, rng: &mut Rng, keys: u64) {
    let number = db.view().blocks().map_or(0, |(_, last)| last + 1);
    let leaves = rng.below(6);
    let first = db.head().leaf_count;
    let batches: Vec<_> = (first..first + leaves)
        .filter(|_| rng.below(3) > 0)
        .collect();
    let batches: Vec<_> = batches
        .into_iter()
        .map(|tx_num| batch(rng, tx_num, keys))
        .collect();
    let (mut map, mut maps) = (model.now(), Vec::new());
    for batch in &batches {
        for (key, value) in &batch.writes {
            match value {
                Some(value) => drop(map.insert(*key, value.clone())),
                None => drop(map.remove(key)),
            }
        }
        maps.push((batch.tx_num.0, map.clone()));
    }
    let mut payloads = vec![LeafPayload::default(); leaves as usize];
    let way = rng.below(3);
    let head = if way == 2 {
        let mut staged = db.begin_block(number).unwrap();
        let before = staged.state_root().unwrap();
        let roots = staged.apply_all(&batches).unwrap();
        assert_eq!(roots.len(), batches.len());
        // Each is the root that the reference log has then.
        let mut reference = model.reference();
        assert_eq!(before, reference.root());
        for (batch, root) in batches.iter().zip(&roots) {
            let word = |value: &Option<Vec<u8>>| value.as_deref().map(StateWord::of);
            let writes: Vec<_> = batch.writes.iter().map(|(k, v)| (*k, word(v))).collect();
            assert_eq!(*root, reference.apply(batch.tx_num, &writes).unwrap());
        }
        staged.commit(&payloads, &[]).unwrap()
    } else if way == 0 {
        let block = Block::new(number, &payloads).with_batches(&batches);
        db.append(&block).unwrap()
    } else {
        let mut staged = db.begin_block(number).unwrap();
        let mut batches = batches.iter().peekable();
        for (payload, tx_num) in payloads.iter_mut().zip(first..) {
            payload.pre_state_hash = staged.state_root().unwrap();
            if let Some(batch) = batches.next_if(|batch| batch.tx_num.0 == tx_num) {
                staged.apply(batch).unwrap();
            }
        }
        for key in [key(0), key(1)] {
            assert_eq!(staged.get(&key).unwrap(), map.get(&key).cloned());
        }
        staged.commit(&payloads, &[]).unwrap()
    };
    model.blocks.push((head, maps, batches));
}

/// Compares everything that a view answers about the state.
fn compare(view: &View, model: &Model, rng: &mut Rng, keys: u64) {
    let head = *view.head();
    let reference = model.reference();
    assert_eq!(head.entry_count, reference.entry_count());
    assert_eq!(head.state_root, reference.root());
    let times = [
        None,
        Some(0),
        Some(rng.below(head.leaf_count)),
        head.leaf_count.checked_sub(1),
    ];
    for at in times
        .into_iter()
        .filter(|at| at.is_none_or(|at| at < head.leaf_count))
    {
        let map = at.map_or_else(|| model.now(), |at| model.at(at));
        let at = at.map(TxNum);
        let from = key(rng.below(keys));
        let found: Vec<_> = view
            .state_from(&from, at)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let expected: Vec<_> = map.range(from..).map(|(k, v)| (*k, v.clone())).collect();
        assert_eq!(found, expected);
        for number in 0..keys {
            let mut key = key(number);
            // Its neighbours are absent.
            key.0[31] = key.0[31].wrapping_add(number as u8 % 3);
            let expected = map.get(&key);
            let found = match at {
                None => view.get(&key).unwrap(),
                Some(at) => view.get_at(&key, at).unwrap(),
            };
            assert_eq!(found.as_ref(), expected, "{key} at {at:?}");
            if head.entry_count > 0 {
                let proof = view.prove_state(&key, at).unwrap();
                proof
                    .verify_value(&head, &key, at, expected.map(Vec::as_slice))
                    .unwrap_or_else(|e| panic!("{key} at {at:?}: {e}"));
                assert_eq!(proof, reference.prove(&key, at).unwrap());
            }
        }
    }
    if head.entry_count > 0 {
        let some: Vec<_> = (0..keys).step_by(2).map(key).collect();
        let proof = view.prove_states(&some, None).unwrap();
        let proven = proof.verify_all(&head, None).unwrap();
        let map = model.now();
        for key in &some {
            let found = proven.get(key).unwrap();
            assert_eq!(found.is_some(), map.contains_key(key));
        }
        assert_eq!(
            view.prove_each_state(&some, None).unwrap().len(),
            some.len()
        );
    }
}

fn run(seed: u64, profile: Profile, steps: u64, keys: u64) {
    let mut rng = Rng::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let options = Options::default()
        .with_durability(Durability::Buffered)
        .with_journal_file_len_bytes(20_000);
    let mut db = Db::create(&dir, identity(profile), options.clone()).unwrap();
    let mut model = Model {
        profile,
        blocks: Vec::new(),
    };
    let mut kept: Vec<(View, usize, Model)> = Vec::new();
    for step in 0..steps {
        match rng.below(10) {
            0 if model.blocks.len() > 1 => {
                let keep = 1 + rng.below(model.blocks.len() as u64 - 1) as usize;
                model.blocks.truncate(keep);
                let head = db.unwind_to(keep as u64 - 1).unwrap();
                assert_eq!(head, model.blocks[keep - 1].0);
            }
            1 => {
                db.close().unwrap();
                db = Db::open(&dir, options.clone()).unwrap();
            }
            2 if !model.blocks.is_empty() => {
                // A staged block that is dropped changes nothing.
                let next = model.blocks.len() as u64;
                let tx_num = db.head().leaf_count;
                let mut staged = db.begin_block(next).unwrap();
                staged.apply(&batch(&mut rng, tx_num, keys)).unwrap();
            }
            _ => append(&mut db, &mut model, &mut rng, keys),
        }
        if step % 7 == 0 {
            compare(&db.view(), &model, &mut rng, keys);
            let blocks = model.blocks.clone();
            kept.push((db.view(), blocks.len(), Model { profile, blocks }));
        }
        if step % 20 == 19 {
            db.check().unwrap();
        }
    }
    compare(&db.view(), &model, &mut rng, keys);
    // Views stay what they were, whatever came after them.
    for (view, blocks, model) in kept.iter().step_by(3) {
        assert_eq!(model.blocks.len(), *blocks);
        if !model.blocks.is_empty() {
            compare(view, model, &mut rng, keys);
        }
    }
}

#[test]
fn a_database_holds_what_a_map_with_its_history_holds() {
    for seed in 0..6 {
        let profile = Profile::ALL[seed as usize % 2];
        run(seed, profile, 60, 4 + 9 * seed);
    }
}

/// Blocks that are older than the window are sealed, and nothing that is asked changes.
#[test]
fn sealed_entries_answer_as_others_do() {
    for (profile, parallel) in [(Profile::Keccak256, true), (Profile::Blake3, false)] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let options = Options::default()
            .with_durability(Durability::Buffered)
            .with_unwind_window_blocks(3)
            .with_segment_twigs(1)
            .with_journal_file_len_bytes(200_000)
            .with_parallel(parallel);
        let mut db = Db::create(&dir, identity(profile), options.clone()).unwrap();
        let (mut model, mut rng) = (
            Model {
                profile,
                blocks: Vec::new(),
            },
            Rng::new(3),
        );
        let mut kept = Vec::new();
        for round in 0..40u64 {
            let number = model.blocks.len() as u64;
            let tx_num = db.head().leaf_count;
            let mut batch = StateBatch::new(TxNum(tx_num));
            for _ in 0..600 {
                let value = (rng.below(5) > 0).then(|| value(&mut rng));
                batch.writes.push((key(rng.below(900)), value));
            }
            batch.sort();
            let mut map = model.now();
            for (key, value) in &batch.writes {
                match value {
                    Some(value) => drop(map.insert(*key, value.clone())),
                    None => drop(map.remove(key)),
                }
            }
            let batches = vec![batch];
            let leaves = [LeafPayload::default()];
            let head = db.append(&Block::new(number, &leaves).with_batches(&batches));
            model
                .blocks
                .push((head.unwrap(), vec![(tx_num, map)], batches));
            if round % 8 == 3 {
                let keep = number - 1;
                db.unwind_to(keep).unwrap();
                model.blocks.truncate(keep as usize + 1);
            }
            if round % 10 == 7 {
                db.close().unwrap();
                db = Db::open(&dir, options.clone()).unwrap();
            }
            if round % 13 == 5 {
                kept.push((db.view(), model.blocks.clone()));
            }
        }
        assert!(
            db.sealed_entry_count() >= 6 * 2048,
            "{} sealed",
            db.sealed_entry_count()
        );
        db.check().unwrap();
        let too_deep = db.unwind_to(1).unwrap_err();
        assert!(
            matches!(too_deep, qmtree::Error::UnwindTooDeep { .. }),
            "{too_deep}"
        );
        kept.push((db.view(), model.blocks.clone()));
        // A backup has the state too.
        let copy = folder.path().join("copy");
        db.checkpoint(&copy).unwrap();
        let copied = Db::open_read_only(&copy).unwrap();
        assert_eq!(copied.head(), db.head());
        assert_eq!(copied.sealed_entry_count(), db.sealed_entry_count());
        copied.check().unwrap();
        for (view, blocks) in kept {
            let model = Model { profile, blocks };
            let reference = model.reference();
            let head = *view.head();
            assert_eq!(head.state_root, reference.root());
            for number in (0..920).step_by(31) {
                let mut key = key(number);
                key.0[31] = key.0[31].wrapping_add(number as u8 % 2);
                for at in [0, head.leaf_count / 2, head.leaf_count - 1].map(TxNum) {
                    let map = model.at(at.0);
                    assert_eq!(view.get_at(&key, at).unwrap().as_ref(), map.get(&key));
                    let proof = view.prove_state(&key, Some(at)).unwrap();
                    assert_eq!(proof, reference.prove(&key, Some(at)).unwrap());
                }
            }
        }
    }
}

/// A block that writes so much that the log gets several twigs.
#[test]
fn logs_of_several_twigs_survive_unwinds_and_reopening() {
    for profile in Profile::ALL {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let options = Options::default().with_durability(Durability::Buffered);
        let mut db = Db::create(&dir, identity(profile), options.clone()).unwrap();
        let (mut model, mut rng) = (
            Model {
                profile,
                blocks: Vec::new(),
            },
            Rng::new(7),
        );
        let mut block = |db: &mut Db, model: &mut Model, writes: u64| {
            let number = db.view().blocks().map_or(0, |(_, last)| last + 1);
            let tx_num = db.head().leaf_count;
            let mut batch = StateBatch::new(TxNum(tx_num));
            for _ in 0..writes {
                let value = (rng.below(5) > 0).then(|| value(&mut rng));
                batch.writes.push((key(rng.below(3000)), value));
            }
            batch.sort();
            let mut map = model.now();
            for (key, value) in &batch.writes {
                match value {
                    Some(value) => drop(map.insert(*key, value.clone())),
                    None => drop(map.remove(key)),
                }
            }
            let batches = vec![batch];
            let leaves = [LeafPayload::default()];
            let head = db.append(&Block::new(number, &leaves).with_batches(&batches));
            model
                .blocks
                .push((head.unwrap(), vec![(tx_num, map)], batches));
        };
        for writes in [3000, 1000, 1, 5, 2000, 700] {
            block(&mut db, &mut model, writes);
        }
        let check = |db: &Db, model: &Model| {
            db.check().unwrap();
            let (head, reference) = (db.head(), model.reference());
            assert_eq!(
                (head.entry_count, head.state_root),
                (reference.entry_count(), reference.root())
            );
            let view = db.view();
            for number in (0..3100).step_by(37) {
                let key = key(number);
                for at in (0..head.leaf_count).map(|at| Some(TxNum(at))).chain([None]) {
                    let proof = view.prove_state(&key, at).unwrap();
                    assert_eq!(proof, reference.prove(&key, at).unwrap());
                }
            }
        };
        check(&db, &model);
        for keep in [5, 3, 1] {
            db.unwind_to(keep - 1).unwrap();
            model.blocks.truncate(keep as usize);
            check(&db, &model);
            block(&mut db, &mut model, 1500);
            db.close().unwrap();
            db = Db::open(&dir, options.clone()).unwrap();
            check(&db, &model);
            db.unwind_to(keep - 1).unwrap();
            model.blocks.truncate(keep as usize);
        }
    }
}
