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

#[test]
fn every_block_size_proves_and_reopens_after_every_block() {
    for size in (1..=40).chain([
        127, 128, 129, 511, 512, 513, 1000, 2047, 2048, 2049, 4095, 4096,
    ]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("db");
        let mut model = Model::new(Profile::Keccak256, 0);
        drop(Db::create(&dir, identity(Profile::Keccak256), options()).unwrap());
        for block in 0..5u64 {
            let mut db = Db::open(&dir, options()).unwrap();
            let leaves = leaves(0, model.leaf_count(), size);
            let head = db.append_block(block, &leaves).unwrap();
            model.append(leaves);
            assert_eq!(Some(&head), model.heads.last());
            db.close().unwrap();
            let db = Db::open_read_only(&dir).unwrap();
            let view = db.view();
            assert_eq!(*view.head(), head);
            let every = if size > 500 { 97 } else { 1 };
            for i in (0..head.leaf_count).step_by(every).map(TxNum) {
                view.witness(i, At::Head).unwrap().verify(&head, i).unwrap();
            }
        }
    }
}
