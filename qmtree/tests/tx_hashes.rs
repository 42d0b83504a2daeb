//! Hashes of transactions travel with their blocks: through journal, recovery, tail and segments,
//! and leave the same bytes whatever the number of threads.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::B256;
use common::{identity, leaves, tx_hashes};
use qmtree::proofs::Head;
use qmtree::{Block, Db, Durability, Error, Options};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{Disk, Segment};
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/db";

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(1)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(300_000)
}

fn append(db: &mut Db, branch: u64, block: u64, count: usize) -> Result<Head, Error> {
    let (leaves, hashes) = (
        leaves(branch, block, count),
        tx_hashes(branch, block, count),
    );
    db.append(&Block::new(block, &leaves).with_tx_hashes(&hashes))
}

fn create(options: Options) -> (SimDisk, Db) {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let db = Db::create_on(shared, Path::new(DIR), identity(), options).unwrap();
    (disk, db)
}

fn open(disk: &SimDisk, options: Options) -> Db {
    Db::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap()
}

fn segments(disk: &SimDisk) -> Vec<Segment> {
    let files = disk.files().into_iter();
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "qms"));
    files
        .map(|path| Segment::open(disk, &path, identity()).unwrap())
        .collect()
}

#[test]
fn a_block_is_appended_again_with_the_same_hashes_only() {
    let (disk, mut db) = create(options());
    let mut heads = Vec::new();
    for block in 0..6 {
        heads.push(append(&mut db, 0, block, 1200).unwrap());
    }
    db.close().unwrap();
    let mut db = open(&disk, options());
    assert!(
        db.sealed_leaf_count() > 2 * 1200,
        "blocks 0 and 1 are sealed"
    );
    for (block, head) in (0..).zip(&heads) {
        assert_eq!(append(&mut db, 0, block, 1200).unwrap(), *head);
        let leaves = leaves(0, block, 1200);
        let mut other = tx_hashes(0, block, 1200);
        other[700] = B256::repeat_byte(1);
        for hashes in [&[][..], &[B256::ZERO; 1200], &other] {
            let refused = db.append(&Block::new(block, &leaves).with_tx_hashes(hashes));
            assert!(matches!(refused, Err(Error::Conflict { .. })), "{block}");
        }
    }
    assert_eq!(db.head(), heads[5]);
    // And one without hashes, without.
    db.append_block(6, &leaves(0, 6, 10)).unwrap();
    let zero = [B256::ZERO; 10];
    db.append(&Block::new(6, &leaves(0, 6, 10)).with_tx_hashes(&zero))
        .unwrap();
    assert!(matches!(
        append(&mut db, 0, 6, 10),
        Err(Error::Conflict { .. })
    ));
}

#[test]
fn one_hash_for_each_leaf_or_none() {
    let (_, mut db) = create(options());
    let leaves = leaves(0, 3, 4);
    for wrong in [1, 3, 5] {
        let hashes = vec![B256::ZERO; wrong];
        let error = db.append(&Block::new(3, &leaves).with_tx_hashes(&hashes));
        assert_eq!(
            error.unwrap_err().to_string(),
            format!(
                "block 3 has 4 leaves and {wrong} transaction hashes; give one for each leaf, \
                 zero where there is none, or no hashes at all"
            )
        );
    }
    append(&mut db, 0, 3, 4).unwrap();
}

#[test]
fn segments_hold_the_tags_also_of_blocks_that_were_recovered() {
    let (disk, mut db) = create(options());
    let count = |block: u64| [700, 0, 3000, 1, 2][block as usize % 5];
    let mut all = Vec::new();
    for block in 0..20 {
        // Some blocks have no hashes.
        if block % 4 == 3 {
            db.append_block(block, &leaves(0, block, count(block)))
                .unwrap();
            all.resize(all.len() + count(block), B256::ZERO);
        } else {
            append(&mut db, 0, block, count(block)).unwrap();
            all.extend(tx_hashes(0, block, count(block)));
        }
        if block % 3 == 0 {
            // Nothing is closed in order: a segment may be written, and not be part of the state.
            drop(db);
            db = open(&disk, options());
        }
        if block == 12 {
            append(&mut db, 1, 13, 2500).unwrap();
            db.unwind_to(12).unwrap();
        }
    }
    db.check().unwrap();
    db.close().unwrap();
    let segments = segments(&disk);
    assert!(segments.len() > 3);
    for segment in segments {
        let leaves = segment.leaves();
        for (tx_num, hash) in (leaves.start.0..leaves.end.0).zip(&all[leaves.start.0 as usize..]) {
            let expected = hash.first_chunk::<8>().unwrap();
            let tag = segment.tag(qmtree::proofs::TxNum(tx_num)).unwrap();
            assert_eq!(tag, *expected, "leaf {tx_num}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let files = [true, false].map(|parallel| {
        let (disk, mut db) = create(options().with_parallel(parallel));
        for (block, count) in (0..).zip([700, 5, 3000, 1000, 0, 2600]) {
            append(&mut db, 0, block, count).unwrap();
        }
        db.unwind_to(4).unwrap();
        append(&mut db, 2, 5, 2000).unwrap();
        db.close().unwrap();
        let files = disk.files().into_iter();
        files
            .map(|path| (disk.content(&path).unwrap(), path))
            .collect::<Vec<_>>()
    });
    assert!(files[0].len() > 4);
    assert!(files[0] == files[1]);
}

#[test]
fn blocks_without_hashes_cost_nothing_extra() {
    let bytes = [false, true].map(|zeros| {
        let (disk, mut db) = create(options());
        for block in 0..4 {
            let (leaves, hashes) = (leaves(0, block, 1500), [B256::ZERO; 1500]);
            let hashes = if zeros { &hashes[..] } else { &[] };
            db.append(&Block::new(block, &leaves).with_tx_hashes(hashes))
                .unwrap();
        }
        db.close().unwrap();
        let segments = segments(&disk);
        assert!(!segments.is_empty());
        for segment in segments {
            assert!(!segment.has_tags());
            let blocks = segment.blocks();
            let len = 4128 + 208_928 * segment.twig_count() + 80 * (blocks.end - blocks.start);
            assert_eq!(segment.len_bytes(), len);
        }
        let files = disk.files().into_iter();
        files
            .map(|path| (disk.content(&path).unwrap(), path))
            .collect::<Vec<_>>()
    });
    assert!(bytes[0] == bytes[1]);
}
