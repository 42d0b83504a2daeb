//! Compaction and pruning of the state log against the reference log and a map with its history:
//! the same roots whoever pruned what and restarted when, all that is retained proved, all before it
//! refused by name. Files of keys come, go and are of another day meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::Rng;
use common::hooked::{Change, Hook, HookedDisk};
use common::model::identity;
use qmtree::proofs::state::{Compaction, MemoryStateLog, StateWord};
use qmtree::proofs::{Head, LeafPayload, Profile, TxNum};
use qmtree::{Block, Db, Durability, Error, Options, StateBatch};
use qmtree_storage::RealDisk;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

type Map = BTreeMap<B256, Vec<u8>>;

const WINDOW: u64 = 2;

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(WINDOW)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(100_000)
}

fn create(dir: &Path, profile: Profile, compaction: Compaction) -> Db {
    let disk = Arc::new(RealDisk);
    Db::create_compacting(disk, dir, identity(profile), compaction, options()).unwrap()
}

fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn value(rng: &mut Rng) -> Vec<u8> {
    let seed = rng.next();
    match seed % 4 {
        0 => seed.to_be_bytes().repeat(seed as usize % 20),
        1 => b"account".to_vec(),
        _ => B256::with_last_byte(seed.to_be_bytes()[0]).to_vec(),
    }
}

fn batch(rng: &mut Rng, tx_num: u64, writes: u64, keys: u64) -> StateBatch {
    let mut batch = StateBatch::new(TxNum(tx_num));
    for _ in 0..writes {
        let live = rng.below(6) > 0;
        let value = live.then(|| value(rng));
        batch.writes.push((key(rng.below(keys)), value));
    }
    batch.sort();
    batch
}

/// What a database should hold: by block its head, the map after it, what it wrote.
struct Model {
    profile: Profile,
    compaction: Compaction,
    blocks: Vec<(Head, Map, StateBatch)>,
}

impl Model {
    fn now(&self) -> Map {
        let last = self.blocks.last();
        last.map(|(_, map, _)| map.clone()).unwrap_or_default()
    }

    fn at(&self, tx_num: u64) -> Map {
        let mut blocks = self.blocks.iter().rev();
        let found = blocks.find(|(_, _, batch)| batch.tx_num.0 <= tx_num);
        found.map(|(_, map, _)| map.clone()).unwrap_or_default()
    }

    fn reference(&self) -> MemoryStateLog<Profile> {
        let mut log = MemoryStateLog::new(self.profile).with_compaction(self.compaction);
        for (_, _, batch) in &self.blocks {
            let word = |value: &Option<Vec<u8>>| value.as_deref().map(StateWord::of);
            let writes: Vec<_> = batch.writes.iter().map(|(k, v)| (*k, word(v))).collect();
            log.apply(batch.tx_num, &writes).unwrap();
        }
        log
    }

    /// Appends a block of four leaves, of which the first writes.
    fn append(&mut self, db: &mut Db, batch: StateBatch) -> Head {
        let batches = [batch];
        let leaves = [LeafPayload::default(); 4];
        let block = Block::new(self.blocks.len() as u64, &leaves).with_batches(&batches);
        let head = db.append(&block).unwrap();
        let mut map = self.now();
        let [batch] = batches;
        for (key, value) in &batch.writes {
            match value {
                Some(value) => drop(map.insert(*key, value.clone())),
                None => drop(map.remove(key)),
            }
        }
        self.blocks.push((head, map, batch));
        head
    }

    /// A block again is known as such, sealed or not, and with other writes refused; unless what was
    /// before it was dropped.
    fn repeat(&self, db: &mut Db, number: usize) {
        let (head, _, batch) = &self.blocks[number];
        let leaves = [LeafPayload::default(); 4];
        let mut append = |batches: &[StateBatch]| {
            db.append(&Block::new(number as u64, &leaves).with_batches(batches))
        };
        assert_eq!(append(std::slice::from_ref(batch)).unwrap(), *head);
        let mut other = batch.clone();
        let (_, value) = other.writes.first_mut().unwrap();
        *value = Some(b"another one".to_vec());
        let mut fewer = batch.clone();
        fewer.writes.pop();
        let mut none = batch.clone();
        none.writes.clear();
        let has_effect = head.entry_count
            > number
                .checked_sub(1)
                .map_or(0, |n| self.blocks[n].0.entry_count);
        let earliest = db.earliest_state().unwrap_or_default();
        for other in [other, fewer, none] {
            if batch.tx_num <= earliest || !has_effect || other == *batch {
                continue;
            }
            let differs = self.differs(number, &other);
            let mut append = |batches: &[StateBatch]| {
                db.append(&Block::new(number as u64, &leaves).with_batches(batches))
            };
            match append(&[other]) {
                Err(Error::Conflict { .. }) => {}
                other => assert!(!differs, "{other:?}"),
            }
        }
    }

    /// True if this batch in the place of that of a block leads to another map.
    fn differs(&self, number: usize, batch: &StateBatch) -> bool {
        let before = number
            .checked_sub(1)
            .map(|before| self.blocks[before].1.clone());
        let mut map = before.unwrap_or_default();
        for (key, value) in &batch.writes {
            match value {
                Some(value) => drop(map.insert(*key, value.clone())),
                None => drop(map.remove(key)),
            }
        }
        map != self.blocks[number].1
    }

    /// Compares the database with the reference, and proofs at times that `rng` chooses.
    fn compare(&self, db: &Db, rng: &mut Rng, keys: u64) {
        let (head, view, reference) = (db.head(), db.view(), self.reference());
        assert_eq!(head.entry_count, reference.entry_count());
        assert_eq!(head.state_root, reference.root());
        db.check().unwrap();
        let earliest = db.earliest_state().unwrap_or_default();
        let mut times = vec![None, Some(head.leaf_count - 1), Some(earliest.0)];
        for _ in 0..3 {
            times.push(Some(earliest.0 + rng.below(head.leaf_count - earliest.0)));
        }
        for at in times {
            let map = at.map_or_else(|| self.now(), |at| self.at(at));
            let at = at.map(TxNum);
            let from = key(rng.below(keys));
            let found = view.state_from(&from, at).unwrap();
            let found: Vec<_> = found.map(Result::unwrap).collect();
            let expected: Vec<_> = map.range(from..).map(|(k, v)| (*k, v.clone())).collect();
            assert_eq!(found, expected, "from {from} at {at:?}");
            for number in (0..keys).step_by(1 + keys as usize / 40) {
                let mut key = key(number);
                key.0[31] = key.0[31].wrapping_add(number as u8 % 3 / 2);
                let expected = map.get(&key).map(Vec::as_slice);
                let proof = view.prove_state(&key, at).unwrap();
                proof.verify_value(&head, &key, at, expected).unwrap();
                assert_eq!(proof, reference.prove(&key, at).unwrap());
            }
        }
        if let Some(before) = earliest.0.checked_sub(1) {
            let at = TxNum(rng.below(before + 1));
            let refused = [
                view.get_at(&key(1), at).map(drop),
                view.prove_state(&key(1), Some(at)).map(drop),
                view.prove_states(&[key(1), key(2)], Some(at)).map(drop),
                view.state_from(&key(1), Some(at)).map(drop),
            ];
            for error in refused.map(Result::unwrap_err) {
                assert!(
                    matches!(error, Error::StatePruned { tx_num, earliest: e } if tx_num == at && e == earliest),
                    "{error}"
                );
            }
        }
    }
}

/// The files of keys of a database.
fn key_files(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("segments")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "qmk"))
        .collect();
    files.sort();
    files
}

fn run(seed: u64, profile: Profile, compaction: Compaction, keys: u64, blocks: u64) {
    let mut rng = Rng::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = create(&dir, profile, compaction);
    let mut model = Model {
        profile,
        compaction,
        blocks: Vec::new(),
    };
    let mut old_keys: Option<(PathBuf, Vec<u8>)> = None;
    let (mut old_view, mut loaded) = (None, 0);
    for round in 0..blocks {
        let writes = 1 + rng.below(keys / 2);
        let tx_num = db.head().leaf_count;
        let batch = batch(&mut rng, tx_num, writes, keys);
        model.append(&mut db, batch);
        let n = model.blocks.len() as u64;
        if round % 9 == 4 {
            let keep = n - 1 - rng.below(WINDOW);
            assert_eq!(
                db.unwind_to(keep - 1).unwrap(),
                model.blocks[keep as usize - 1].0
            );
            model.blocks.truncate(keep as usize);
        }
        let n = model.blocks.len() as u64;
        if round % 12 == 11 {
            let before = (db.view(), model.blocks.len());
            db.prune_to(n - 1 - rng.below(8)).unwrap();
            old_view = Some(before);
        }
        if round % 7 == 6 {
            db.close().unwrap();
            let files = key_files(&dir);
            loaded += files.len();
            match rng.below(4) {
                0 => files
                    .iter()
                    .for_each(|file| std::fs::remove_file(file).unwrap()),
                1 => {
                    // One of another day, if its segments are still whole, or a damaged one.
                    files
                        .iter()
                        .for_each(|file| std::fs::remove_file(file).unwrap());
                    if let Some((path, bytes)) = old_keys.take() {
                        std::fs::write(path, bytes).unwrap();
                    }
                }
                2 => {
                    for file in &files {
                        let mut bytes = std::fs::read(file).unwrap();
                        let at = rng.below(bytes.len() as u64) as usize;
                        bytes[at] ^= 4;
                        std::fs::write(file, bytes).unwrap();
                    }
                }
                _ => {
                    let newest = files.last().cloned();
                    old_keys = newest.map(|path| (path.clone(), std::fs::read(path).unwrap()));
                }
            }
            let read_only = Db::open_read_only(&dir).unwrap();
            assert_eq!(read_only.head(), model.blocks.last().unwrap().0);
            drop(read_only);
            db = Db::open(&dir, options()).unwrap();
        }
        if round % 10 == 9 {
            model.compare(&db, &mut rng, keys);
            for _ in 0..4 {
                let number = rng.below(model.blocks.len() as u64);
                model.repeat(&mut db, number as usize);
            }
        }
    }
    let compacts = compaction != Compaction::OFF;
    assert_eq!(db.compaction(), compaction);
    assert_eq!(db.pruned_entry_count() > 0, compacts);
    assert!(loaded > 0);
    if compacts {
        let (live, _) = db.view().key_counts();
        let kept = db.head().entry_count - db.pruned_entry_count();
        assert!(kept < 60 * (live + 200), "{kept} entries for {live} keys");
    }
    // A view of before the last pruning is what it was.
    let (view, blocks) = old_view.unwrap();
    let map = &model.blocks[..blocks.min(model.blocks.len())];
    if blocks <= model.blocks.len() {
        for number in 0..keys {
            let expected = map.last().unwrap().1.get(&key(number)).cloned();
            assert_eq!(view.get(&key(number)).unwrap(), expected);
        }
    }
    // A backup goes on by the same rule.
    let copy = folder.path().join("copy");
    db.checkpoint(&copy).unwrap();
    let mut copied = Db::open(&copy, options()).unwrap();
    assert_eq!(copied.compaction(), compaction);
    let tx_num = db.head().leaf_count;
    let last = batch(&mut rng, tx_num, 50, keys);
    let leaves = [LeafPayload::default(); 4];
    let batches = [last.clone()];
    let next = Block::new(model.blocks.len() as u64, &leaves).with_batches(&batches);
    let head = copied.append(&next).unwrap();
    assert_eq!(model.append(&mut db, last), head);
    model.compare(&copied, &mut rng, keys);
    model.compare(&db, &mut rng, keys);
}

#[test]
fn a_compacted_log_is_pruned_and_proves_what_is_retained() {
    run(1, Profile::Blake3, Compaction::new(2), 300, 120);
    run(2, Profile::Keccak256, Compaction::new(1), 150, 100);
    run(3, Profile::Blake3, Compaction::new(4), 200, 120);
}

#[test]
fn without_a_rule_nothing_is_pruned_and_all_is_proved() {
    run(4, Profile::Blake3, Compaction::OFF, 300, 60);
}

/// Two nodes that restart and prune at different moments, and one that does neither.
#[test]
fn nodes_that_restart_at_different_moments_have_equal_roots() {
    let folder = tempfile::tempdir().unwrap();
    let compaction = Compaction::new(2);
    let dirs: Vec<_> = (0..3).map(|i| folder.path().join(i.to_string())).collect();
    let mut nodes: Vec<_> = dirs
        .iter()
        .map(|dir| Some(create(dir, Profile::Keccak256, compaction)))
        .collect();
    let mut rng = Rng::new(11);
    for number in 0..90u64 {
        let tx_num = nodes[0].as_ref().unwrap().head().leaf_count;
        let writes = 1 + rng.below(200);
        let batches = [batch(&mut rng, tx_num, writes, 300)];
        let leaves = [LeafPayload::default(); 2];
        let mut heads = Vec::new();
        for (which, (node, dir)) in nodes.iter_mut().zip(&dirs).enumerate() {
            let mut db = node.take().unwrap();
            let block = Block::new(number, &leaves).with_batches(&batches);
            heads.push(db.append(&block).unwrap());
            if which > 0 && number % (5 * which as u64) == 3 {
                db.prune_to(number.saturating_sub(4 * which as u64))
                    .unwrap();
            }
            if which > 0 && number % (3 + 4 * which as u64) == 1 {
                // Dropped, not closed: as after a crash of the process.
                drop(db);
                db = Db::open(dir, options()).unwrap();
            }
            *node = Some(db);
        }
        assert!(heads.iter().all(|head| *head == heads[0]), "block {number}");
    }
    let pruned: Vec<_> = nodes.iter().flatten().map(Db::pruned_entry_count).collect();
    assert!(
        pruned[0] == 0 && pruned[1] > 0 && pruned[2] > 0,
        "{pruned:?}"
    );
    nodes.iter().flatten().for_each(|db| db.check().unwrap());
}

/// Batches that are large enough for a second thread, and many small ones, of which it hashes some
/// while others are applied; with it and without it, all at once and one by one.
#[test]
fn the_number_of_threads_does_not_change_a_byte_of_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (parallel, at_once) in [(false, true), (true, true), (true, false)] {
        let dir = folder.path().join(format!("{parallel} {at_once}"));
        let options = options().with_parallel(parallel);
        let rule = Compaction::new(2);
        let mut db = Db::create_with(&dir, identity(Profile::Keccak256), rule, options).unwrap();
        let (mut rng, mut roots) = (Rng::new(5), Vec::new());
        for number in 0..12u64 {
            let first = db.head().leaf_count;
            let (leaves, writes) = if number % 3 == 1 { (300, 5) } else { (3, 3000) };
            let batches: Vec<_> = (first..first + leaves)
                .map(|tx_num| batch(&mut rng, tx_num, writes, 9000))
                .collect();
            let mut staged = db.begin_block(number).unwrap();
            if at_once {
                roots.extend(staged.apply_all(&batches).unwrap());
            } else {
                let applied = batches.iter().map(|batch| staged.apply(batch).unwrap());
                roots.extend(applied);
            }
            let leaves = vec![LeafPayload::default(); leaves as usize];
            staged.commit(&leaves, &[]).unwrap();
        }
        db.prune_to(11).unwrap();
        db.close().unwrap();
        let files = std::fs::read_dir(dir.join("segments")).unwrap();
        let files: BTreeMap<_, _> = files
            .map(|file| file.unwrap().path())
            .map(|path| {
                (
                    path.file_name().unwrap().to_owned(),
                    std::fs::read(path).unwrap(),
                )
            })
            .collect();
        assert!(files.len() > 10, "{} files", files.len());
        found.push((roots, files));
    }
    for other in &found[1..] {
        assert!(found[0].0 == other.0, "the roots differ");
        assert!(found[0].1 == other.1, "the files differ");
    }
}

/// Lets so many pruned segments be made, and then none.
#[derive(Debug)]
struct PrunesFew(AtomicUsize);

impl Hook for PrunesFew {
    fn before(&self, change: Change, path: &Path) -> std::io::Result<()> {
        let is_pruned = path.to_string_lossy().contains(".qmx");
        if change == Change::Create && is_pruned {
            let one_less = |left: usize| left.checked_sub(1);
            let left = self
                .0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
            left.map_err(|_| std::io::Error::other("no more"))?;
        }
        Ok(())
    }
}

/// What is left of the older segments may hold values with those that are gone already.
#[test]
fn pruning_that_is_cut_off_between_segments_leaves_a_sound_database() {
    let folder = tempfile::tempdir().unwrap();
    for allowed in 0.. {
        let dir = folder.path().join(allowed.to_string());
        let few = Arc::new(PrunesFew(AtomicUsize::new(allowed)));
        let disk = Arc::new(HookedDisk::new(RealDisk, few));
        let identity = identity(Profile::Blake3);
        let mut db =
            Db::create_compacting(disk, &dir, identity, Compaction::OFF, options()).unwrap();
        let mut rng = Rng::new(17);
        for number in 0..80 {
            let mut batch = batch(&mut rng, number, 250, 300);
            if number >= 40 {
                // All keys anew, and none goes: what is older is held by none of what is newer.
                let with_value = |n| (key(n), Some(value(&mut rng)));
                batch.writes = (0..300).map(with_value).collect();
            }
            // A first key that comes and goes, so that the entry before all keys is written again too.
            let first = (number / 10 % 2 == 0).then(|| b"first".to_vec());
            batch.writes.push((B256::with_last_byte(1), first));
            batch.sort();
            let batches = [batch];
            let leaves = [LeafPayload::default()];
            let block = Block::new(number, &leaves).with_batches(&batches);
            db.append(&block).unwrap();
        }
        let pruned = db.prune_to(77);
        drop(db);
        let mut db = Db::open(&dir, options()).unwrap();
        db.check().unwrap();
        let Err(error) = pruned else {
            assert!(allowed > 2, "{allowed} segments at once");
            return;
        };
        assert!(matches!(error, Error::EntrySegment(_)), "{error}");
        assert!(db.prune_to(77).unwrap() > 0);
        db.check().unwrap();
    }
}

#[test]
fn what_can_be_unwound_to_keeps_its_state_whatever_was_pruned() {
    let mut rng = Rng::new(5);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let (disk, compaction) = (Arc::new(RealDisk), Compaction::new(2));
    let wide = || options().with_unwind_window_blocks(40);
    let identity = identity(Profile::Blake3);
    let mut db = Db::create_compacting(disk, &dir, identity, compaction, wide()).unwrap();
    let mut model = Model {
        profile: Profile::Blake3,
        compaction,
        blocks: Vec::new(),
    };
    let keys = 300;
    for _ in 0..400 {
        let tx_num = db.head().leaf_count;
        let batch = batch(&mut rng, tx_num, 100, keys);
        model.append(&mut db, batch);
    }
    // To a block inside the window, of which any can become the head again.
    db.prune_to(398).unwrap();
    assert!(db.pruned_entry_count() > 0);
    let mut deepest = 399;
    for block in (0..399).rev().step_by(5) {
        let copy = folder.path().join(format!("to-{block}"));
        db.checkpoint(&copy).unwrap();
        let mut copy = Db::open(&copy, wide()).unwrap();
        let head = match copy.unwind_to(block) {
            Err(Error::UnwindTooDeep { .. }) => break,
            unwound => unwound.unwrap(),
        };
        assert_eq!(head, model.blocks[block as usize].0);
        let earliest = copy.earliest_state().unwrap();
        assert!(earliest.0 < head.leaf_count, "{earliest} at block {block}");
        let at = Some(TxNum(head.leaf_count - 1));
        copy.view().prove_state(&key(1), at).unwrap();
        // The block that went is a block like any other.
        let mut shorter = Model {
            blocks: model.blocks[..block as usize + 2].to_vec(),
            ..model
        };
        let (head, _, batch) = shorter.blocks.pop().unwrap();
        assert_eq!(shorter.append(&mut copy, batch), head);
        shorter.repeat(&mut copy, block as usize + 1);
        deepest = block;
    }
    assert!(deepest < 370, "only down to {deepest}");
}

#[test]
fn the_index_of_keys_is_made_anew_from_the_entries() {
    for compaction in [Compaction::OFF, Compaction::new(2)] {
        let (mut rng, keys) = (Rng::new(11), 200);
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut db = create(&dir, Profile::Keccak256, compaction);
        let mut model = Model {
            profile: Profile::Keccak256,
            compaction,
            blocks: Vec::new(),
        };
        for _ in 0..150 {
            let tx_num = db.head().leaf_count;
            let batch = batch(&mut rng, tx_num, 80, keys);
            model.append(&mut db, batch);
        }
        db.prune_to(148).unwrap();
        // Damaged beside the open database, as by a disk, and missing.
        for file in key_files(&dir) {
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }
        db.reindex().unwrap();
        model.compare(&db, &mut rng, keys);
        let made: Vec<_> = key_files(&dir)
            .iter()
            .map(|f| std::fs::read(f).unwrap())
            .collect();
        assert_eq!(made.len(), 1);
        key_files(&dir)
            .iter()
            .for_each(|file| std::fs::remove_file(file).unwrap());
        db.reindex().unwrap();
        let again: Vec<_> = key_files(&dir)
            .iter()
            .map(|f| std::fs::read(f).unwrap())
            .collect();
        assert_eq!(made, again);
        let tx_num = db.head().leaf_count;
        let next = batch(&mut rng, tx_num, 80, keys);
        model.append(&mut db, next);
        db.close().unwrap();
        let db = Db::open(&dir, options()).unwrap();
        model.compare(&db, &mut rng, keys);
    }
}
