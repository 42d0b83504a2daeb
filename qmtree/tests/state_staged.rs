//! Blocks that come to nothing: staged and dropped, forgotten, refused, or met by a disk that fails. Nothing
//! of them is left, whether the writer had the state log to itself or shared it with readers, and
//! views stay what they were.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::Rng;
use common::hooked::{Change, Hook, HookedDisk};
use common::model::identity;
use qmtree::proofs::state::{Compaction, MemoryStateLog, StateWord};
use qmtree::proofs::{Head, LeafPayload, Profile, TxNum};
use qmtree::{Block, Db, Durability, Error, Options, Reader, StateBatch, View};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{Disk, RealDisk};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type Map = BTreeMap<B256, Vec<u8>>;
type Log = MemoryStateLog<Profile>;

/// Keys from this number on all begin otherwise, and are not deleted, so opening reads no entry of theirs.
const FAR: u64 = 1 << 20;

/// Leaves of every block; the middle ones write.
const LEAVES: u64 = 4;
const PAYLOADS: [LeafPayload; LEAVES as usize] = [LeafPayload {
    pre_state_hash: B256::ZERO,
    state_change_hash: B256::ZERO,
    transition_hash: B256::ZERO,
}; LEAVES as usize];

/// Some keys with small numbers begin like others.
fn key(number: u64) -> B256 {
    let mut key = keccak256(number.to_be_bytes());
    if number < FAR && number.is_multiple_of(8) {
        key.0[..8].copy_from_slice(&(number % 3).to_be_bytes());
    }
    key
}

fn any_key(rng: &mut Rng, keys: &Range<u64>) -> B256 {
    key(keys.start + rng.below(keys.end - keys.start))
}

fn value(rng: &mut Rng) -> Vec<u8> {
    let seed = rng.next();
    match seed % 4 {
        0 => seed.to_be_bytes().repeat(seed as usize % 20),
        1 => b"account".to_vec(),
        _ => B256::with_last_byte(seed.to_be_bytes()[0]).to_vec(),
    }
}

fn batch(rng: &mut Rng, tx_num: u64, writes: u64, keys: &Range<u64>) -> StateBatch {
    let mut batch = StateBatch::new(TxNum(tx_num));
    for _ in 0..writes {
        let live = keys.start >= FAR || rng.below(5) > 0;
        let value = live.then(|| value(rng));
        batch.writes.push((any_key(rng, keys), value));
    }
    batch.sort();
    batch
}

fn apply(log: &mut Log, map: &mut Map, batch: &StateBatch) -> B256 {
    let mut words = Vec::new();
    for (key, value) in &batch.writes {
        words.push((*key, value.as_deref().map(StateWord::of)));
        match value {
            Some(value) => drop(map.insert(*key, value.clone())),
            None => drop(map.remove(key)),
        }
    }
    log.apply(batch.tx_num, &words).unwrap()
}

/// The state after a block.
#[derive(Clone, Debug)]
struct After {
    head: Head,
    batches: Vec<StateBatch>,
    map: Map,
    /// The map in the middle of the block, after its first batch.
    middle: Map,
}

/// What a database should hold.
#[derive(Clone, Debug)]
struct Model {
    keys: Range<u64>,
    writes: u64,
    /// The reference log after the last block.
    log: Arc<Log>,
    blocks: Vec<Arc<After>>,
}

impl Model {
    fn new(profile: Profile, compaction: Compaction, keys: Range<u64>, writes: u64) -> Self {
        Self {
            keys,
            writes,
            log: Arc::new(Log::new(profile).with_compaction(compaction)),
            blocks: Vec::new(),
        }
    }

    fn next(&self) -> u64 {
        self.blocks.len() as u64
    }

    fn first_tx_num(&self) -> u64 {
        self.next() * LEAVES
    }

    fn log(&self) -> Log {
        Log::clone(&self.log)
    }

    /// Forgets the last block.
    fn pop(&mut self, profile: Profile, compaction: Compaction) {
        self.blocks.pop();
        let mut log = Log::new(profile).with_compaction(compaction);
        let batches = self.blocks.iter().flat_map(|block| &block.batches);
        for batch in batches {
            apply(&mut log, &mut Map::new(), batch);
        }
        self.log = Arc::new(log);
    }

    fn map(&self) -> Map {
        let last = self.blocks.last();
        last.map(|last| last.map.clone()).unwrap_or_default()
    }

    fn batches(&self, rng: &mut Rng) -> Vec<StateBatch> {
        let first = self.first_tx_num();
        let batches = [1, 2].map(|place| {
            let mut batch = batch(rng, first + place, self.writes, &self.keys);
            // At least one of them does something.
            batch.writes.push((key(self.keys.start), Some(value(rng))));
            batch.sort();
            batch
        });
        batches.to_vec()
    }

    /// Takes in a block that was committed.
    fn push(&mut self, head: Head, batches: Vec<StateBatch>) {
        let mut map = self.map();
        let log = Arc::make_mut(&mut self.log);
        let mut maps = Vec::new();
        for batch in &batches {
            apply(log, &mut map, batch);
            maps.push(map.clone());
        }
        assert_eq!(
            (head.entry_count, head.state_root),
            (log.entry_count(), log.root())
        );
        assert_eq!(
            (head.block_number, head.leaf_count),
            (self.next(), self.first_tx_num() + LEAVES)
        );
        self.blocks.push(Arc::new(After {
            head,
            batches,
            map,
            middle: maps[0].clone(),
        }));
    }

    /// Commits the next block in one of the ways there are.
    fn append(&mut self, db: &mut Db, rng: &mut Rng) {
        let batches = self.batches(rng);
        let head = match rng.below(3) {
            0 => db.append(&Block::new(self.next(), &PAYLOADS).with_batches(&batches)),
            1 => {
                let mut block = db.begin_block(self.next()).unwrap();
                let (mut log, mut map) = (self.log(), self.map());
                for batch in &batches {
                    assert_eq!(block.state_root().unwrap(), log.root());
                    let root = apply(&mut log, &mut map, batch);
                    assert_eq!(block.apply(batch).unwrap(), root);
                    let key = any_key(rng, &self.keys);
                    assert_eq!(block.get(&key).unwrap().as_ref(), map.get(&key));
                }
                block.commit(&PAYLOADS, &[])
            }
            _ => {
                let mut block = db.begin_block(self.next()).unwrap();
                block.apply_all(&batches).unwrap();
                block.commit(&PAYLOADS, &[])
            }
        };
        self.push(head.unwrap(), batches);
    }

    /// Compares what a view answers about the state.
    fn compare(&self, view: &View, rng: &mut Rng) {
        self.compare_since(TxNum(0), view, rng);
    }

    /// The same, of a log whose history was pruned.
    fn compare_since(&self, earliest: TxNum, view: &View, rng: &mut Rng) {
        let Some(last) = self.blocks.last() else {
            assert_eq!((view.head().entry_count, view.blocks()), (0, None));
            return;
        };
        assert_eq!(*view.head(), last.head);
        assert_eq!(view.key_counts().0, last.map.len() as u64);
        let from = any_key(rng, &self.keys);
        let found = view.state_from(&from, None).unwrap();
        let found: Vec<_> = found.map(Result::unwrap).take(50).collect();
        let expected = last.map.range(from..).take(50);
        let expected: Vec<_> = expected.map(|(k, v)| (*k, v.clone())).collect();
        assert_eq!(found, expected);
        let kept = self
            .blocks
            .iter()
            .filter(|block| block.batches[0].tx_num >= earliest);
        let kept: Vec<_> = kept.collect();
        let back = kept[rng.below(kept.len() as u64) as usize];
        let middle = back.batches[0].tx_num;
        for _ in 0..12 {
            let mut key = any_key(rng, &self.keys);
            // Its neighbours are absent.
            key.0[31] = key.0[31].wrapping_add((rng.below(3) == 0).into());
            let (now, then) = (last.map.get(&key), back.middle.get(&key));
            assert_eq!(view.get(&key).unwrap().as_ref(), now);
            assert_eq!(view.get_at(&key, middle).unwrap().as_ref(), then);
            for at in [None, Some(middle)]
                .into_iter()
                .filter(|_| last.head.entry_count > 0)
            {
                let proof = view.prove_state(&key, at).unwrap();
                assert_eq!(proof, self.log.prove(&key, at).unwrap());
            }
        }
    }
}

/// Ways in which a block comes to nothing.
const WAYS: u64 = 14;

/// Begins a block and leaves it, or has it refused.
fn come_to_nothing(db: &mut Db, model: &Model, rng: &mut Rng, way: u64) {
    let (next, batches) = (model.next(), model.batches(rng));
    let [first, second] = &batches[..] else {
        panic!("two batches")
    };
    let block = Block::new(next, &PAYLOADS);
    match way {
        0 => drop(db.begin_block(next).unwrap()),
        1 => db.begin_block(next).unwrap().write(first).unwrap(),
        2 => drop(db.begin_block(next).unwrap().apply_all(&batches).unwrap()),
        3 => {
            let mut block = db.begin_block(next).unwrap();
            block.apply(first).unwrap();
            block.write(second).unwrap();
            std::mem::forget(block);
        }
        4 => {
            let mut block = db.begin_block(next).unwrap();
            block.write(first).unwrap();
            std::mem::forget(block);
            // And another one over it.
            let mut block = db.begin_block(next).unwrap();
            let mut log = model.log();
            assert_eq!(block.state_root().unwrap(), log.root());
            let root = apply(&mut log, &mut model.map(), second);
            assert_eq!(block.apply(second).unwrap(), root);
        }
        5 => {
            let mut block = db.begin_block(next).unwrap();
            block.apply_all(&batches).unwrap();
            let refused = block.commit(&PAYLOADS[..2], &[]);
            assert!(matches!(refused, Err(Error::OutsideBlock { .. })));
        }
        6 => {
            let mut block = db.begin_block(next).unwrap();
            block.apply_all(&batches).unwrap();
            let refused = block.commit(&PAYLOADS, &[B256::ZERO]);
            assert!(matches!(refused, Err(Error::TxHashes { .. })));
        }
        7 => {
            let batches = [first.clone(), first.clone()];
            let refused = db.append(&block.with_batches(&batches));
            assert!(matches!(refused, Err(Error::Batch(_))), "{refused:?}");
        }
        8 => {
            let mut bad = second.clone();
            bad.writes.push((B256::ZERO, None));
            let mut block = db.begin_block(next).unwrap();
            let refused = block.apply_all(&[first.clone(), bad]);
            assert!(matches!(refused, Err(Error::Batch(_))), "{refused:?}");
            let refused = block.commit(&PAYLOADS, &[]);
            assert!(matches!(refused, Err(Error::Poisoned)), "{refused:?}");
        }
        9 => {
            let late = batch(rng, model.first_tx_num() + LEAVES, 3, &model.keys);
            let batches = [first.clone(), second.clone(), late];
            let refused = db.append(&block.with_batches(&batches));
            assert!(matches!(refused, Err(Error::OutsideBlock { .. })));
        }
        10 => {
            let refused = db.append(&Block::new(next + 1, &PAYLOADS).with_batches(&batches));
            assert!(matches!(refused, Err(Error::Gap { .. })), "{refused:?}");
            assert!(matches!(db.begin_block(next + 1), Err(Error::Gap { .. })));
        }
        11 => {
            let again = Block::new(next - 1, &PAYLOADS).with_batches(&batches);
            let refused = db.append(&again);
            assert!(matches!(refused, Err(Error::Conflict { .. })));
        }
        12 => {
            let last = model.blocks.last().unwrap();
            let again = Block::new(next - 1, &PAYLOADS).with_batches(&last.batches);
            assert_eq!(db.append(&again).unwrap(), last.head);
        }
        _ => {
            // A transaction of the block before.
            let early = batch(rng, model.first_tx_num() - 1, 3, &model.keys);
            let mut block = db.begin_block(next).unwrap();
            block.write(first).unwrap();
            let refused = block.write(&early);
            assert!(matches!(refused, Err(Error::OutsideBlock { .. })));
        }
    }
    assert_eq!(db.head(), model.blocks.last().unwrap().head);
}

/// Who looks on while the writer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    Nobody,
    Reader,
    Views,
    /// Now these, now those.
    Any,
}

fn options(window: u64) -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(window)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(150_000)
}

fn earliest(db: &Db) -> TxNum {
    db.earliest_state().unwrap_or_default()
}

fn run(seed: u64, watch: Watch, compaction: Compaction) {
    let mut rng = Rng::new(seed);
    let profile = Profile::ALL[seed as usize % 2];
    let options = options(seed % 3).with_parallel(seed.is_multiple_of(2));
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let disk = Arc::new(RealDisk);
    let identity = identity(profile);
    let mut db = Db::create_compacting(disk, &dir, identity, compaction, options.clone()).unwrap();
    let mut model = Model::new(profile, compaction, 0..300, 80 + 20 * (seed % 4));
    let mut reader: Option<Reader> = None;
    let mut kept: Vec<(View, TxNum, Model)> = Vec::new();
    model.append(&mut db, &mut rng);
    for step in 0..110 {
        let watch = match watch {
            Watch::Any => [Watch::Nobody, Watch::Reader, Watch::Views][rng.below(3) as usize],
            watch => watch,
        };
        reader = (watch == Watch::Reader).then(|| reader.unwrap_or_else(|| db.reader()));
        if watch == Watch::Views && rng.below(4) == 0 {
            kept.push((db.view(), earliest(&db), model.clone()));
        }
        match rng.below(12) {
            0..5 => come_to_nothing(&mut db, &model, &mut rng, (step + seed) % WAYS),
            5 if model.next() > 2 => match db.unwind_to(model.next() - 2) {
                Ok(_) => model.pop(profile, compaction),
                Err(error) => assert!(matches!(error, Error::UnwindTooDeep { .. })),
            },
            6 => {
                // After a block that was left or without one.
                reader = None;
                db.close().unwrap();
                db = Db::open(&dir, options.clone()).unwrap();
            }
            7 => {
                db.prune_to(model.next() / 2).unwrap();
                db.sync().unwrap();
            }
            _ => model.append(&mut db, &mut rng),
        }
        // Not always: what comes to nothing may also be followed by the next operation at once.
        if rng.below(2) == 0 {
            model.compare_since(earliest(&db), &db.view(), &mut rng);
            if let Some(reader) = &reader {
                model.compare_since(earliest(&db), &reader.view(), &mut rng);
            }
        }
        assert_eq!(db.head(), model.blocks.last().unwrap().head);
    }
    db.check().unwrap();
    assert!(db.sealed_entry_count() >= 2048, "seed {seed}");
    for (view, earliest, model) in &kept {
        model.compare_since(*earliest, view, &mut rng);
    }
    let last = model.blocks.last().unwrap();
    for number in model.keys.clone() {
        let found = db.view().get(&key(number)).unwrap();
        assert_eq!(found.as_ref(), last.map.get(&key(number)));
    }
    db.close().unwrap();
    let db = Db::open_read_only(&dir).unwrap();
    assert_eq!(db.head(), last.head);
    db.check().unwrap();
}

#[test]
fn blocks_that_come_to_nothing_leave_nothing_where_nobody_looks_on() {
    (0..6).for_each(|seed| run(seed, Watch::Nobody, Compaction::OFF));
}

#[test]
fn blocks_that_come_to_nothing_leave_nothing_beside_readers_and_views() {
    (0..3).for_each(|seed| run(seed, Watch::Reader, Compaction::OFF));
    (3..6).for_each(|seed| run(seed, Watch::Views, Compaction::OFF));
    (6..12).for_each(|seed| run(seed, Watch::Any, Compaction::OFF));
}

#[test]
fn blocks_that_come_to_nothing_leave_nothing_where_old_entries_move() {
    for (seed, watch) in [Watch::Nobody, Watch::Any, Watch::Views]
        .into_iter()
        .cycle()
        .enumerate()
        .take(6)
    {
        run(seed as u64, watch, Compaction::new(1 + seed as u8));
    }
}

/// Each way, right before a view and right before the next block, on a log of few entries too.
#[test]
fn each_way_leaves_what_was_there() {
    for way in 0..WAYS {
        for writes in [0, 1, 40, 700] {
            let folder = tempfile::tempdir().unwrap();
            let identity = identity(Profile::Blake3);
            let mut db = Db::create(folder.path().join("db"), identity, options(1)).unwrap();
            let mut model = Model::new(Profile::Blake3, Compaction::OFF, 0..1000, writes);
            let mut rng = Rng::new(way);
            // Of the first block itself too.
            if ![6, 11, 12, 13].contains(&way) && way < 5 {
                let batches = model.batches(&mut rng);
                let mut block = db.begin_block(0).unwrap();
                block.apply_all(&batches).unwrap();
                drop(block);
                assert_eq!((db.head().entry_count, db.view().blocks()), (0, None));
                assert!(matches!(
                    db.view().prove_state(&key(1), None),
                    Err(Error::NoState)
                ));
            }
            for _ in 0..3 {
                model.append(&mut db, &mut rng);
                come_to_nothing(&mut db, &model, &mut rng, way);
                model.compare(&db.view(), &mut rng);
                come_to_nothing(&mut db, &model, &mut rng, way);
            }
            db.check().unwrap();
        }
    }
}

/// The writer goes on in place: what a view holds is not what it writes to.
#[test]
fn a_view_answers_for_its_head_while_a_block_is_staged_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(Profile::Keccak256);
    let mut db = Db::create(folder.path().join("db"), identity, options(2)).unwrap();
    let mut model = Model::new(Profile::Keccak256, Compaction::OFF, 0..400, 350);
    let mut rng = Rng::new(1);
    model.append(&mut db, &mut rng);
    let (view, before) = (db.view(), model.clone());
    for _ in 0..12 {
        let newest = db.view();
        let batches = model.batches(&mut rng);
        let mut block = db.begin_block(model.next()).unwrap();
        for batch in &batches {
            block.apply(batch).unwrap();
            before.compare(&view, &mut rng);
            model.compare(&newest, &mut rng);
        }
        drop(newest);
        let head = block.commit(&PAYLOADS, &[]).unwrap();
        before.compare(&view, &mut rng);
        model.push(head, batches);
        model.compare(&db.view(), &mut rng);
    }
    assert!(db.sealed_entry_count() > 0);
    before.compare(&view, &mut rng);
}

/// What is done until the disk refuses a step.
#[derive(Debug)]
enum Step {
    Append {
        staged: bool,
        batches: Vec<StateBatch>,
    },
    /// To block 1.
    Unwind,
}

impl Step {
    fn run(&self, db: &mut Db, next: u64) -> Result<Head, Error> {
        match self {
            Self::Unwind => db.unwind_to(1),
            Self::Append {
                staged: true,
                batches,
            } => {
                let mut staged = db.begin_block(next)?;
                staged.apply_all(batches)?;
                staged.commit(&PAYLOADS, &[])
            }
            Self::Append { batches, .. } => {
                db.append(&Block::new(next, &PAYLOADS).with_batches(batches))
            }
        }
    }
}

/// Each step with what there was before it, and what there is in the end.
fn script(window: u64, db: &mut Db) -> (Vec<(Model, Step)>, Model) {
    let (mut rng, mut steps) = (Rng::new(9), Vec::new());
    let mut model = Model::new(Profile::Blake3, Compaction::OFF, 0..5000, 0);
    for number in 0..6 {
        // One is so large that more than one segment follows from it.
        model.writes = if number == 3 { 3000 } else { 600 };
        let (staged, batches) = (number % 2 == 1, model.batches(&mut rng));
        let step = Step::Append {
            staged,
            batches: batches.clone(),
        };
        let head = step.run(db, model.next()).unwrap();
        steps.push((model.clone(), step));
        model.push(head, batches);
        if number == 2 && window > 0 {
            steps.push((model.clone(), Step::Unwind));
            db.unwind_to(1).unwrap();
            model.pop(Profile::Blake3, Compaction::OFF);
        }
    }
    (steps, model)
}

#[test]
fn views_show_the_last_promised_state_after_any_disk_error() {
    for window in [0, 1] {
        let options = options(window)
            .with_durability(Durability::Immediate)
            .with_parallel(false);
        let create = |disk: &SimDisk| {
            let (disk, dir) = (Arc::new(disk.clone()), Path::new("/db"));
            Db::create_on(disk, dir, identity(Profile::Blake3), options.clone())
        };
        let whole = SimDisk::new();
        let mut db = create(&whole).unwrap();
        let (steps, _) = script(window, &mut db);
        let sealed = db.sealed_entry_count();
        assert!(sealed >= 2 * 2048, "{sealed} of {}", db.head().entry_count);
        let (mut rng, mut seen) = (Rng::new(1), 0);
        // Most steps are pieces of files that are written: some of them stand for all.
        for step in (0..whole.steps()).step_by(29) {
            let disk = SimDisk::with_seed(step);
            disk.fail_at(step);
            let Ok(mut db) = create(&disk) else { continue };
            let met = steps
                .iter()
                .find(|(model, step)| step.run(&mut db, model.next()).is_err());
            let (model, _) = met.expect("the error is met");
            let next = model.next();
            assert!(matches!(db.begin_block(next), Err(Error::Poisoned)));
            model.compare(&db.view(), &mut rng);
            assert!(matches!(db.sync(), Err(Error::Poisoned)));
            model.compare(&db.reader().view(), &mut rng);
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }
}

/// Panics where it is asked to write, once it is told to.
#[derive(Debug, Default)]
struct Trap(AtomicBool);

impl Hook for Trap {
    fn before(&self, change: Change, _path: &Path) -> io::Result<()> {
        let set = change == Change::Append && self.0.load(Ordering::SeqCst);
        assert!(!set, "trapped");
        Ok(())
    }
}

#[test]
fn after_a_panic_no_view_shows_half_a_block() {
    for watched in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let trap = Arc::new(Trap::default());
        let disk = Arc::new(HookedDisk::new(RealDisk, Arc::clone(&trap)));
        let options = options(2).with_parallel(false);
        let dir = folder.path().join("db");
        let identity = identity(Profile::Blake3);
        let mut db = Db::create_on(disk, &dir, identity, options.clone()).unwrap();
        let mut model = Model::new(Profile::Blake3, Compaction::OFF, 0..200, 50);
        let mut rng = Rng::new(1);
        model.append(&mut db, &mut rng);
        let (view, reader) = (db.view(), watched.then(|| db.reader()));
        trap.0.store(true, Ordering::SeqCst);
        let batches = model.batches(&mut rng);
        let block = Block::new(1, &PAYLOADS).with_batches(&batches);
        assert!(catch_unwind(AssertUnwindSafe(|| db.append(&block))).is_err());
        assert_eq!(db.head(), *view.head());
        assert!(matches!(db.append(&block), Err(Error::Poisoned)));
        assert!(matches!(db.begin_block(1), Err(Error::Poisoned)));
        assert!(matches!(db.sync(), Err(Error::Poisoned)));
        match &reader {
            // Copies were made for it.
            Some(reader) => {
                model.compare(&reader.view(), &mut rng);
                model.compare(&db.view(), &mut rng);
            }
            None => assert!(catch_unwind(AssertUnwindSafe(|| db.view())).is_err()),
        }
        model.compare(&view, &mut rng);
        trap.0.store(false, Ordering::SeqCst);
        drop(db);
        let mut db = Db::open(&dir, options).unwrap();
        model.compare(&db.view(), &mut rng);
        model.append(&mut db, &mut rng);
    }
}

/// A key whose entry cannot be read any more: the block that writes to it fails, and nothing else does.
#[test]
fn a_block_that_meets_a_damaged_segment_leaves_nothing() {
    for watched in [false, true] {
        let sim = SimDisk::new();
        let (dir, identity) = (Path::new("/db"), identity(Profile::Blake3));
        let disk = |sim: &SimDisk| Arc::new(sim.clone()) as Arc<dyn Disk>;
        let options = options(1).with_parallel(false);
        let mut db = Db::create_on(disk(&sim), dir, identity, options.clone()).unwrap();
        let mut model = Model::new(Profile::Blake3, Compaction::OFF, FAR..FAR + 6000, 1000);
        let mut rng = Rng::new(2);
        (0..6).for_each(|_| model.append(&mut db, &mut rng));
        assert!(db.sealed_entry_count() >= 2 * 2048);
        db.close().unwrap();
        // An entry in the middle of the first segment. It is checked when it is read first.
        let mut segments = sim.files().into_iter();
        let segment = segments
            .find(|path| path.to_str().unwrap().ends_with(".qme"))
            .unwrap();
        sim.flip(&segment, 4096 + 128 * 1000, 1);
        let mut db = Db::open_on(disk(&sim), dir, options.clone()).unwrap();
        let view = db.view();
        let reader = watched.then(|| db.reader());
        let last = model.blocks.last().unwrap().clone();
        let keys: Vec<_> = model.keys.clone().map(key).collect();
        let (good, bad): (Vec<_>, Vec<_>) = keys.iter().partition(|key| view.get(key).is_ok());
        assert!(!good.is_empty() && !bad.is_empty());
        drop(view);
        let first = model.first_tx_num();
        let writes = |tx_num, keys: &[B256]| {
            let mut batch = StateBatch::new(TxNum(tx_num));
            let value = B256::with_last_byte(7).to_vec();
            batch.writes = keys.iter().map(|key| (*key, Some(value.clone()))).collect();
            batch.sort();
            batch
        };
        let live = |keys: &[B256]| {
            let live = keys.iter().filter(|key| last.map.contains_key(*key));
            live.take(60).copied().collect::<Vec<_>>()
        };
        let (fine, damaged) = (
            writes(first + 1, &live(&good)),
            writes(first + 2, &live(&bad)),
        );
        let both = [fine.clone(), damaged.clone()];
        for way in 0..3 {
            let mut staged = db.begin_block(model.next()).unwrap();
            let failed = match way {
                0 => staged.apply_all(&both).map(drop),
                1 => staged.write(&fine).and_then(|()| staged.write(&damaged)),
                _ => {
                    drop(staged);
                    let block = Block::new(model.next(), &PAYLOADS).with_batches(&both);
                    let failed = db.append(&block).map(drop);
                    staged = db.begin_block(model.next()).unwrap();
                    failed
                }
            };
            assert!(matches!(failed, Err(Error::EntrySegment(_))), "{failed:?}");
            if way < 2 {
                assert!(matches!(staged.write(&fine), Err(Error::Poisoned)));
                assert!(matches!(
                    staged.commit(&PAYLOADS, &[]),
                    Err(Error::Poisoned)
                ));
            }
            assert_eq!(db.head(), last.head);
            for view in [Some(db.view()), reader.as_ref().map(Reader::view)]
                .into_iter()
                .flatten()
            {
                assert_eq!(*view.head(), last.head);
                for key in good.iter().step_by(17) {
                    assert_eq!(view.get(key).unwrap().as_ref(), last.map.get(key));
                    if let Ok(proof) = view.prove_state(key, None) {
                        assert_eq!(proof, model.log.prove(key, None).unwrap());
                    }
                }
                assert!(bad.iter().all(|key| view.get(key).is_err()));
            }
        }
        // What does not touch it goes on.
        let block = Block::new(model.next(), &PAYLOADS);
        let batches = [fine.clone()];
        let head = db.append(&block.with_batches(&batches)).unwrap();
        model.push(head, vec![fine]);
    }
}
