//! The engine against a log in memory, for every size of block.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::model::{Model, identity, leaves};
use qmtree::proofs::{Profile, TxNum};
use qmtree::{At, Db, Durability, Options};

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(3)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(300_000)
}

/// All small sizes, those around powers of two, and samples of the rest.
fn sizes() -> impl Iterator<Item = u64> {
    let powers = (6..13).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    let samples = [100, 200, 300, 777, 1000, 1500, 3000, 3500, 4000];
    let sizes = (1..=40).chain(powers).chain(samples);
    sizes.filter(|size| *size <= 4096)
}

/// Appends blocks of each size behind a first one of `first` leaves, with a new opening for every
/// block, and proves every leaf: those of a block as soon as it is there, all of them in the end.
fn prove_and_reopen(profile: Profile, first: u64) {
    for size in sizes() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut model = Model::new(profile, 0);
        drop(Db::create(&dir, identity(profile), options()).unwrap());
        let counts = [first, size, size, size, size, size];
        for (block, count) in (0..).zip(counts) {
            let mut db = Db::open(&dir, options()).unwrap();
            let leaves = leaves(0, model.leaf_count(), count);
            let head = db.append_block(block, &leaves).unwrap();
            model.append(leaves);
            assert_eq!(Some(&head), model.heads.last());
            db.close().unwrap();
            let db = Db::open_read_only(&dir).unwrap();
            let view = db.view();
            assert_eq!(*view.head(), head);
            assert_eq!(
                head.leaf_count == 0,
                head.root.is_zero(),
                "a root from leaf 1 on"
            );
            let is_last = block + 1 == counts.len() as u64;
            let from = if is_last { 0 } else { head.leaf_count - count };
            for i in (from..head.leaf_count).map(TxNum) {
                view.witness(i, At::Head).unwrap().verify(&head, i).unwrap();
            }
        }
    }
}

#[test]
fn every_block_size_proves_and_reopens_after_every_block() {
    prove_and_reopen(Profile::Keccak256, 0);
}

#[test]
fn every_block_size_proves_and_reopens_across_the_end_of_a_twig() {
    prove_and_reopen(Profile::Blake3, 2047);
}
