//! Questions and blocks of unusual sizes, and options that change at every opening.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::{Rng, first_readable, identity, leaves};
use qmtree::proofs::TxNum;
use qmtree::{At, Db, Durability, Options, View};
use qmtree_storage::Disk;
use qmtree_storage::sim::SimDisk;
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/db";

fn options() -> Options {
    Options::default()
        .with_unwind_window_blocks(1)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(1000)
        .with_parallel(false)
}

fn create() -> (Arc<dyn Disk>, Db) {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let db = Db::create_on(Arc::clone(&disk), Path::new(DIR), identity(), options()).unwrap();
    (disk, db)
}

#[test]
fn a_check_counts_every_leaf_once() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let (_, mut db) = create();
    for (number, count) in [3000, 2500, 0, 4000, 2100, 1, 77].into_iter().enumerate() {
        let number = number as u64;
        db.append_block(number, &leaves(0, number, count)).unwrap();
        let done = AtomicU64::new(5);
        db.check_with(&done).unwrap();
        assert_eq!(done.into_inner() - 5, db.head().leaf_count);
    }
    assert!(db.prune_to(4).unwrap() > 0 && db.sealed_leaf_count() < db.head().leaf_count);
    let done = AtomicU64::new(0);
    db.check_with(&done).unwrap();
    assert_eq!(done.load(Ordering::Relaxed), db.head().leaf_count);
}

/// Proves some leaves, from the first that is not pruned.
fn verify(view: &View) {
    let (head, from) = (view.head(), first_readable(view));
    let n = head.leaf_count;
    for i in (from..n).step_by(1501).chain(n.checked_sub(1)).map(TxNum) {
        view.witness(i, At::Head).unwrap().verify(head, i).unwrap();
        let block = view.block_of(i).unwrap();
        assert!(view.block_range(block).unwrap().contains(&i));
    }
}

#[test]
fn no_question_panics() {
    const BLOCKS: u64 = 10;
    let ends = [0, 1, 2047, 2048, 4096, 9999, 10_000, 10_001];
    let odd = [
        ends.as_slice(),
        &[1 << 32, 1 << 52, 1 << 63, u64::MAX - 1, u64::MAX],
    ]
    .concat();
    let (_disk, mut db) = create();
    // Empty, full, and pruned.
    for round in 0..3 {
        let view = db.view();
        for a in odd.iter().copied() {
            let known = view.head_at(a).is_ok();
            assert_eq!(known, round > 0 && a < BLOCKS, "block {a}");
            assert_eq!(view.block_range(a).is_ok(), known);
            let in_log = a < view.head().leaf_count;
            let readable = in_log && a >= first_readable(&view);
            assert_eq!(view.block_of(TxNum(a)).is_ok(), in_log);
            assert_eq!(view.leaf(TxNum(a)).is_ok(), readable, "leaf {a}");
            assert_eq!(view.witness(TxNum(a), At::Head).is_ok(), readable);
            assert!(view.root_at(a).is_ok() || round != 1 || a > 10_000);
            assert!(view.prove_multi(&[TxNum(a); 2], At::Head).is_err());
            for (b, at) in odd.iter().flat_map(|b| {
                let blocks = [0, 3, *b].map(At::Block);
                blocks.into_iter().chain([At::Head]).map(move |at| (*b, at))
            }) {
                let range = TxNum(a)..TxNum(b);
                let fits = a < b && b <= view.head().leaf_count;
                assert!(fits || view.range_witness(range.clone(), at).is_err());
                assert!(fits || view.prove_range(range.clone(), at).is_err());
                let pair = [range.start, range.end];
                assert!(a < b || view.prove_multi(&pair, at).is_err());
                let (_, _) = (
                    view.prove_inclusion(TxNum(b), at),
                    view.prove_consistency(b, at),
                );
                assert!(view.leaves(range.clone()).take(3).count() <= 3);
                assert!(view.leaves(range).rev().take(3).count() <= 3);
            }
        }
        assert!(view.prove_multi(&[], At::Head).is_err());
        match round {
            0 => {
                for block in 0..BLOCKS {
                    db.append_block(block, &leaves(0, block, 1000)).unwrap();
                }
            }
            _ => assert!(db.prune_to(5).is_ok() && db.prune_to(BLOCKS).is_err()),
        }
    }
}

#[test]
fn blocks_larger_than_segments_and_empty_ones_beside_them() {
    for (first, parallel) in [(0, false), (0, true), (1000, false), (1000, true)] {
        let (disk, mut db) = create();
        let counts = [0, 0, 10_000, 0, 20_000, 1, 0, 0, 4095, 0, 5000, 1, 1];
        for (count, block) in counts.into_iter().zip(first..) {
            let head = db.append_block(block, &leaves(0, block, count)).unwrap();
            db.close().unwrap();
            let options = options().with_parallel(parallel);
            db = Db::open_on(Arc::clone(&disk), Path::new(DIR), options).unwrap();
            assert_eq!(db.head(), head);
            db.check().unwrap();
            let view = db.view();
            assert_eq!(view.blocks(), Some((first, block)));
            for known in first..=block {
                let range = view.block_range(known).unwrap();
                let expected = counts[(known - first) as usize] as u64;
                assert_eq!(range.end.0 - range.start.0, expected, "block {known}");
                assert_eq!(view.head_at(known).unwrap().leaf_count, range.end.0);
            }
            verify(&view);
        }
        // Two threads seal one segment behind each block, one thread all that are due.
        assert!(db.sealed_leaf_count() >= if parallel { 2048 } else { 30_000 });
    }
}

#[test]
fn options_may_change_at_every_opening() {
    for seed in 0..20 {
        let (disk, mut db) = create();
        let mut rng = Rng::new(seed);
        for branch in 0..50 {
            if rng.below(2) == 0 {
                db.close().unwrap();
                let durabilities = [
                    Durability::Immediate,
                    Durability::Grouped { blocks: 0 },
                    Durability::Grouped { blocks: 3 },
                    Durability::Buffered,
                ];
                let file_lens = [0, 1000, 100_000, u64::MAX];
                let options = Options::default()
                    .with_parallel(rng.below(2) == 0)
                    .with_segment_twigs(rng.below(4))
                    .with_unwind_window_blocks(1 + rng.below(5))
                    .with_journal_file_len_bytes(file_lens[rng.below(4) as usize])
                    .with_durability(durabilities[rng.below(4) as usize]);
                db = Db::open_on(Arc::clone(&disk), Path::new(DIR), options).unwrap();
            }
            let next = db.view().blocks().map_or(0, |(_, last)| last + 1);
            let count = [0, 1, 700, 2048, 3000, 9000][rng.below(6) as usize];
            let before = db.head();
            db.append_block(next, &leaves(branch, next, count)).unwrap();
            // Whatever the window was when, the last block can always be unwound.
            if rng.below(5) == 0 && next > 0 {
                assert_eq!(db.unwind_to(next - 1).unwrap(), before, "seed {seed}");
            }
            if rng.below(9) == 0 && db.head().block_number > 9 {
                db.prune_to(db.head().block_number - rng.below(10)).unwrap();
            }
            db.check()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            verify(&db.view());
        }
    }
}
