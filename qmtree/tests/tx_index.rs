//! Every transaction is found at every head, whatever the index holds: nothing, a part, all of it,
//! or what another fork left in it; and whatever became of its folder.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test that fails may panic, and its own files need not be durable"
)]

mod common;

use alloy_primitives::B256;
use common::{Rng, identity, leaves, tx_hashes};
use qmtree::proofs::{Head, TxNum};
use qmtree::{Block, Db, Durability, Options, TxIndex, View};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const KINDS: [TxIndex; 3] = [TxIndex::Off, TxIndex::Memory, TxIndex::Disk];
/// Longer than any wait in this file takes, however loaded the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

fn options(kind: TxIndex) -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(2)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(300_000)
        .with_tx_index(kind)
}

/// The log as it should be: hashes by number, block by block.
#[derive(Clone, Debug, Default)]
struct Model {
    blocks: Vec<Vec<B256>>,
}

impl Model {
    fn append(&mut self, db: &mut Db, branch: u64, count: usize) -> Head {
        let block = self.blocks.len() as u64;
        let mut hashes = tx_hashes(branch, block, count);
        // One transaction comes again and again.
        if let [_, again, ..] = hashes.as_mut_slice() {
            *again = B256::repeat_byte(9);
        }
        self.blocks.push(hashes);
        db.append(
            &Block::new(block, &leaves(branch, block, count))
                .with_tx_hashes(&self.blocks[block as usize]),
        )
        .unwrap()
    }

    fn unwind(&mut self, db: &mut Db, keep: usize) {
        db.unwind_to(keep as u64 - 1).unwrap();
        self.blocks.truncate(keep);
    }

    fn tx_nums(&self) -> HashMap<B256, Vec<TxNum>> {
        let mut tx_nums: HashMap<B256, Vec<TxNum>> = HashMap::new();
        let all = (0..).map(TxNum).zip(self.blocks.iter().flatten());
        for (tx_num, hash) in all.filter(|(_, hash)| !hash.is_zero()) {
            tx_nums.entry(*hash).or_default().push(tx_num);
        }
        tx_nums
    }

    /// Compares some hundred answers; those of pruned leaves are none.
    #[track_caller]
    fn check(&self, view: &View) {
        let first = common::first_readable(view);
        let tx_nums = self.tx_nums();
        let some = 1 + tx_nums.len() / 300;
        let always = B256::repeat_byte(9);
        let chosen = tx_nums.into_iter().enumerate();
        let chosen = chosen.filter(|(place, (hash, _))| place % some == 0 || *hash == always);
        for (_, (hash, mut tx_nums)) in chosen {
            tx_nums.retain(|tx_num| tx_num.0 >= first);
            assert_eq!(view.tx_nums_of(&hash).unwrap(), tx_nums, "{hash}");
        }
        for unknown in [B256::repeat_byte(0xff), B256::ZERO] {
            assert_eq!(view.tx_nums_of(&unknown).unwrap(), []);
        }
    }
}

/// Waits until the index holds the whole log; an index that is off holds nothing.
fn catch_up(db: &Db, kind: TxIndex) {
    let start = Instant::now();
    while kind != TxIndex::Off && db.tx_index().leaf_count < db.head().leaf_count {
        assert!(start.elapsed() < PATIENCE, "{:?}", db.tx_index());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(db.tx_index().error.is_none(), "{:?}", db.tx_index());
}

#[test]
fn everything_is_found_at_every_head_on_every_fork() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut db = Db::create(&dir, identity(), options(kind)).unwrap();
        let (mut model, mut rng) = (Model::default(), Rng::new(3));
        let mut views: Vec<(Model, View)> = Vec::new();
        for round in 0..60u64 {
            let count = [0, 1, 3, 40, 700, 2500][rng.below(6) as usize];
            model.append(&mut db, round, count);
            match rng.below(6) {
                0 if model.blocks.len() > 3 => {
                    let keep = model.blocks.len() - 1 - rng.below(2) as usize;
                    model.unwind(&mut db, keep);
                }
                1 => db.sync().unwrap(),
                2 => {
                    db.sync().unwrap();
                    catch_up(&db, kind);
                }
                3 if round % 3 == 0 => {
                    db.close().unwrap();
                    db = Db::open(&dir, options(kind)).unwrap();
                }
                4 if round % 3 == 0 => {
                    drop(db);
                    db = Db::open(&dir, options(kind)).unwrap();
                }
                _ => {}
            }
            if round % 4 == 0 {
                views.push((model.clone(), db.view()));
            }
            if round % 10 == 9 {
                model.check(&db.view());
            }
        }
        // Views of blocks and forks long gone, some of databases that are closed.
        for (model, view) in views.iter().step_by(2) {
            model.check(view);
        }
        model.check(&Db::open_read_only(&dir).unwrap().view());
        db.prune_to(model.blocks.len() as u64 - 10).unwrap();
        assert!(common::first_readable(&db.view()) > 0);
        model.check(&db.view());
        db.reindex().unwrap();
        let expected = if kind == TxIndex::Off {
            0
        } else {
            db.head().leaf_count
        };
        assert_eq!(db.tx_index().leaf_count, expected);
        model.check(&db.view());
        db.check().unwrap();
    }
}

#[test]
fn blocks_come_to_the_index_by_themselves_once_they_are_synced() {
    for kind in [TxIndex::Memory, TxIndex::Disk] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let options = options(kind).with_durability(Durability::Immediate);
        let mut db = Db::create(&dir, identity(), options).unwrap();
        let mut model = Model::default();
        for _ in 0..3 {
            model.append(&mut db, 0, 30);
            catch_up(&db, kind);
        }
        model.append(&mut db, 0, 100_000);
        catch_up(&db, kind);
        model.unwind(&mut db, 2);
        model.append(&mut db, 1, 10);
        catch_up(&db, kind);
        model.check(&db.view());
    }
}

#[test]
fn an_unsynced_block_is_not_in_the_index_and_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(), options(TxIndex::Disk)).unwrap();
    let mut model = Model::default();
    model.append(&mut db, 0, 50);
    db.sync().unwrap();
    catch_up(&db, TxIndex::Disk);
    model.append(&mut db, 0, 50);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(db.tx_index().leaf_count, 50);
    model.check(&db.view());
}

#[test]
fn the_same_leaves_with_other_hashes_on_another_fork() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut db = Db::create(&dir, identity(), options(kind)).unwrap();
        let leaves = leaves(0, 1, 20);
        let hashes = [0, 1, 2].map(|branch| tx_hashes(branch, 1, 20));
        db.append_block(0, &leaves).unwrap();
        for (turn, mine) in hashes.iter().enumerate() {
            let head = db
                .append(&Block::new(1, &leaves).with_tx_hashes(mine))
                .unwrap();
            db.sync().unwrap();
            if turn != 1 {
                catch_up(&db, kind);
            }
            let view = db.view();
            for (other, hashes) in hashes.iter().enumerate() {
                for (place, hash) in hashes.iter().enumerate().skip(1).take(18) {
                    let expected = [TxNum(20 + place as u64)];
                    let expected = if other == turn { &expected[..] } else { &[] };
                    assert_eq!(view.tx_nums_of(hash).unwrap(), expected);
                }
            }
            assert_eq!(head.leaf_count, 40);
            db.close().unwrap();
            db = Db::open(&dir, options(kind)).unwrap();
            assert_eq!(db.view().tx_nums_of(&mine[3]).unwrap(), [TxNum(23)]);
            db.unwind_to(0).unwrap();
        }
    }
}

#[test]
fn a_view_that_outlives_its_database_keeps_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut model = Model::default();
    let mut views = Vec::new();
    for turn in 0..4 {
        let mut db = match turn {
            0 => Db::create(&dir, identity(), options(TxIndex::Disk)).unwrap(),
            _ => Db::open(&dir, options(TxIndex::Disk)).unwrap(),
        };
        assert!(db.tx_index().error.is_none(), "{:?}", db.tx_index());
        model.append(&mut db, 0, 3000);
        views.push((model.clone(), db.view()));
        if turn % 2 == 0 {
            db.close().unwrap();
        }
    }
    for (model, view) in &views {
        model.check(view);
    }
}

/// What only an index on disk can go through.
#[cfg(feature = "rocksdb")]
mod on_disk {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn copy(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &to);
            } else {
                fs::copy(&path, &to).unwrap();
            }
        }
    }

    /// A database with forks, and its index as it was at earlier times.
    #[test]
    fn an_index_that_is_gone_or_of_an_earlier_time_is_brought_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let index = dir.join("index");
        let mut db = Db::create(&dir, identity(), options(TxIndex::Disk)).unwrap();
        let (mut model, mut older) = (Model::default(), Vec::new());
        for round in 0..12u64 {
            for _ in 0..3 {
                model.append(&mut db, round, 900);
            }
            // Taken on a fork that is given up, most of the time.
            db.close().unwrap();
            older.push(folder.path().join(format!("index-{round}")));
            copy(&index, &older[round as usize]);
            db = Db::open(&dir, options(TxIndex::Disk)).unwrap();
            if round % 3 != 0 {
                let keep = model.blocks.len() - 2;
                model.unwind(&mut db, keep);
            }
        }
        assert!(db.sealed_leaf_count() > 10_000);
        db.close().unwrap();
        for older in older.iter().map(Some).chain([None]) {
            fs::remove_dir_all(&index).unwrap();
            if let Some(older) = older {
                copy(older, &index);
            }
            let db = Db::open(&dir, options(TxIndex::Disk)).unwrap();
            model.check(&db.view());
            catch_up(&db, TxIndex::Disk);
            model.check(&db.view());
            // Without an end: what was not flushed is gone.
            drop(db);
        }
    }

    #[test]
    fn an_index_of_another_log_is_fed_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut models = [Model::default(), Model::default()];
        for (branch, (dir, model)) in [&a, &b].into_iter().zip(&mut models).enumerate() {
            let mut db = Db::create(dir, identity(), options(TxIndex::Disk)).unwrap();
            for _ in 0..8 {
                model.append(&mut db, branch as u64, 1500);
            }
            db.close().unwrap();
        }
        fs::remove_dir_all(b.join("index")).unwrap();
        copy(&a.join("index"), &b.join("index"));
        let db = Db::open(&b, options(TxIndex::Disk)).unwrap();
        catch_up(&db, TxIndex::Disk);
        models[1].check(&db.view());
    }

    #[test]
    fn a_damaged_index_hurts_nothing_and_is_made_anew_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut db = Db::create(&dir, identity(), options(TxIndex::Disk)).unwrap();
        let mut model = Model::default();
        model.append(&mut db, 0, 3000);
        db.close().unwrap();
        for entry in fs::read_dir(dir.join("index")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "sst") {
                fs::remove_file(path).unwrap();
            }
        }
        let mut db = Db::open(&dir, options(TxIndex::Disk)).unwrap();
        assert!(db.tx_index().error.is_some());
        model.append(&mut db, 0, 10);
        model.check(&db.view());
        db.reindex().unwrap();
        assert!(db.tx_index().error.is_none());
        assert_eq!(db.tx_index().leaf_count, 3010);
        model.append(&mut db, 0, 10);
        model.check(&db.view());
        db.close().unwrap();
        // Something of somebody else's is not removed.
        fs::remove_dir_all(dir.join("index")).unwrap();
        fs::create_dir(dir.join("index")).unwrap();
        fs::write(dir.join("index/letter.txt"), "dear").unwrap();
        let mut db = Db::open(&dir, options(TxIndex::Disk)).unwrap();
        assert!(db.reindex().is_err());
        model.append(&mut db, 0, 10);
        model.check(&db.view());
        assert_eq!(fs::read(dir.join("index/letter.txt")).unwrap(), b"dear");
    }

    /// A copy of a folder that is written to is what a killed process leaves, file by file.
    #[test]
    fn a_process_that_ends_at_any_time_leaves_an_index_to_go_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let options = options(TxIndex::Disk).with_durability(Durability::Immediate);
        let mut db = Db::create(&dir, identity(), options.clone()).unwrap();
        let mut model = Model::default();
        for round in 0..30u64 {
            model.append(&mut db, round, 800);
            if round % 7 == 3 {
                let keep = model.blocks.len() - 2;
                model.unwind(&mut db, keep);
            }
            if round % 5 == 4 {
                // Index first: it must not lead the journal, but may lag it.
                let crash = folder.path().join(format!("crash-{round}"));
                fs::create_dir(&crash).unwrap();
                let mut tries = 0;
                while std::panic::catch_unwind(|| copy(&dir.join("index"), &crash.join("index")))
                    .is_err()
                {
                    let _ = fs::remove_dir_all(crash.join("index"));
                    tries += 1;
                    assert!(tries < 100);
                }
                catch_up(&db, TxIndex::Disk);
                for name in ["journal", "segments"] {
                    copy(&dir.join(name), &crash.join(name));
                }
                fs::copy(dir.join("qmtree.db"), crash.join("qmtree.db")).unwrap();
                let again = Db::open(&crash, options.clone()).unwrap();
                model.check(&again.view());
                catch_up(&again, TxIndex::Disk);
                model.check(&again.view());
            }
        }
    }
}
