//! The text of each error that a person will act on: what, where, and how to mend it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use common::{identity, leaves};
use qmtree::proofs::{Head, TxNum};
use qmtree::{At, Db, Error, Options};
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

fn create(disk: &SimDisk) -> Db {
    Db::create_on(shared(disk), Path::new(DIR), identity(), options()).unwrap()
}

fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Appends blocks of these sizes, the first one with the number 10.
fn append(db: &mut Db, counts: &[usize]) -> Head {
    for count in counts {
        let next = db.view().blocks().map_or(10, |(_, last)| last + 1);
        db.append_block(next, &leaves(0, next, *count)).unwrap();
    }
    db.head()
}

/// The text of the error, which must be of the given kind.
macro_rules! text {
    ($result:expr, $kind:pat) => {{
        let error = $result.unwrap_err();
        assert!(matches!(error, $kind), "{error:?}");
        error.to_string()
    }};
}

#[test]
fn a_block_that_does_not_belong_here() {
    let mut db = create(&SimDisk::new());
    append(&mut db, &[3, 2]);
    assert_eq!(
        text!(
            db.append_block(13, &[]),
            Error::Gap {
                expected: 12,
                found: 13
            }
        ),
        "block 13 does not follow: the next block is 12"
    );
    assert_eq!(
        text!(
            db.append_block(11, &leaves(1, 11, 2)),
            Error::Conflict { block_number: 11 }
        ),
        "block 11 is in the log with other leaves, writes or transaction hashes; unwind to the block before it first"
    );
    // The same leaves again are no conflict, one less or one more is.
    assert_eq!(db.append_block(11, &leaves(0, 11, 2)).unwrap(), db.head());
    for count in [1, 3] {
        let other = db.append_block(11, &leaves(0, 11, count));
        assert!(matches!(other, Err(Error::Conflict { .. })));
    }
}

#[test]
fn a_block_or_leaf_that_the_log_does_not_have() {
    let mut db = create(&SimDisk::new());
    assert_eq!(
        text!(db.view().head_at(3), Error::NoSuchBlock { .. }),
        "no block 3: the log is empty"
    );
    assert_eq!(
        text!(db.view().leaf(TxNum(0)), Error::NoSuchLeaf { .. }),
        "no leaf 0: the log has 0 leaves"
    );
    append(&mut db, &[3, 2]);
    for (number, result) in [
        (9, db.view().head_at(9)),
        (12, db.view().head_at(12)),
        (u64::MAX, db.view().head_at(u64::MAX)),
        (9, db.unwind_to(9)),
        (12, db.unwind_to(12)),
    ] {
        assert_eq!(
            text!(result, Error::NoSuchBlock { .. }),
            format!("no block {number}: the log has blocks 10 to 11")
        );
    }
    let refused = db.view().prove_inclusion(TxNum(0), At::Block(12));
    assert!(matches!(refused, Err(Error::NoSuchBlock { .. })));
    assert_eq!(
        text!(db.view().leaf(TxNum(5)), Error::NoSuchLeaf { .. }),
        "no leaf 5: the log has 5 leaves"
    );
}

#[test]
fn a_block_too_old_to_unwind_to() {
    let mut db = create(&SimDisk::new());
    let head = append(&mut db, &[10, 2000, 100, 10, 1]);
    assert_eq!(
        text!(db.unwind_to(10), Error::UnwindTooDeep { .. }),
        "cannot unwind to block 10: 12 is the earliest still possible"
    );
    // The caller's mistake changes nothing and stops nothing.
    assert_eq!(db.head(), head);
    assert_eq!(db.unwind_to(12).unwrap().block_number, 12);
    append(&mut db, &[1]);
}

#[test]
fn a_writer_that_failed() {
    let disk = SimDisk::new();
    let mut db = create(&disk);
    append(&mut db, &[1]);
    disk.fail_at(disk.steps());
    assert_eq!(
        text!(db.append_block(11, &[]), Error::Journal(_)),
        "/db/journal/0000000000000000.qmj: cannot append to the journal"
    );
    assert_eq!(
        text!(db.append_block(11, &[]), Error::Poisoned),
        "an earlier write failed; close the database and open it again to recover"
    );
}

#[test]
fn a_database_that_is_open_for_reading_only() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(), options()).unwrap();
    append(&mut db, &[5]);
    let mut reader = Db::open_read_only(&dir).unwrap();
    let results = [
        reader.append_block(11, &[]).map(drop),
        reader.unwind_to(10).map(drop),
        reader.prune_to(10).map(drop),
        reader.sync(),
    ];
    for result in results {
        assert_eq!(
            text!(result, Error::ReadOnly),
            "the database is open for reading only"
        );
    }
    reader.close().unwrap();
}

#[test]
fn a_folder_that_is_in_use_or_not_empty() {
    let disk = SimDisk::new();
    let db = create(&disk);
    assert_eq!(
        text!(
            Db::open_on(shared(&disk), Path::new(DIR), options()),
            Error::Lock(_)
        ),
        "/db/qmtree.lock: another writer has this database open; close it, or open read-only"
    );
    drop(db);
    let again = Db::create_on(shared(&disk), Path::new(DIR), identity(), options());
    assert_eq!(
        text!(again, Error::NotEmpty { .. }),
        "/db: not an empty folder; create a database in a new one"
    );
}

#[test]
fn segments_that_are_missing() {
    let disk = SimDisk::new();
    let mut db = create(&disk);
    append(&mut db, &[2050, 2050, 1, 1, 2050, 1, 1]);
    db.close().unwrap();
    let open = || Db::open_on(shared(&disk), Path::new(DIR), options());
    assert_eq!(open().unwrap().sealed_leaf_count(), 3 * 2048);
    let segment = |twig: u64| Path::new(DIR).join(format!("segments/{twig:016x}-{:016x}.qms", 1));
    let first = disk.content(&segment(0)).unwrap();
    disk.remove(&segment(0)).unwrap();
    assert_eq!(
        text!(open(), Error::Segment(_)),
        "/db/segments: segments for twigs 0..1 are missing; restore them from a copy"
    );
    disk.set_content(&segment(0), first);
    disk.remove(&segment(2)).unwrap();
    disk.remove(&segment(1)).unwrap();
    assert_eq!(
        text!(open(), Error::MissingLeaves { .. }),
        "/db: the journal and the segments do not meet, at leaves 4100 and 2048: \
         files are missing; restore them from a backup"
    );
}

#[test]
fn leaves_that_are_pruned() {
    let mut db = create(&SimDisk::new());
    append(&mut db, &[2050, 10, 1, 1]);
    assert_eq!(db.prune_to(11).unwrap(), 1);
    assert_eq!(
        text!(db.view().leaf(TxNum(7)), Error::Segment(_)),
        "/db/segments/0000000000000000-0000000000000001.qmp: leaf 7 is pruned, as are all before 2048"
    );
    // Of several pruned segments each names the first leaf that there is.
    append(&mut db, &[2048 * 3, 1, 1, 1]);
    assert_eq!(db.prune_to(db.head().block_number).unwrap(), 3);
    let (view, at) = (db.view(), At::Head);
    for (segment, leaf) in [(0, 7), (1, 2048), (1, 4095)] {
        let text = format!(
            "/db/segments/{segment:016x}-0000000000000001.qmp: leaf {leaf} is pruned, as are all before 8192"
        );
        let (i, two) = (TxNum(leaf), [TxNum(leaf), TxNum(8192)]);
        for refused in [
            view.leaf(i).map(drop),
            view.leaf_hash(i).map(drop),
            view.prove_inclusion(i, at).map(drop),
            view.witness(i, at).map(drop),
            view.prove_range(i..TxNum(8200), at).map(drop),
            view.range_witness(i..TxNum(8200), at).map(drop),
            view.prove_multi(&two, at).map(drop),
            view.prove_many(&two, at).map(drop),
            view.leaves(i..TxNum(8200))
                .try_for_each(|leaf| leaf.map(drop)),
        ] {
            assert_eq!(text!(refused, Error::Segment(_)), text);
        }
    }
    view.leaf(TxNum(8192)).unwrap();
    view.prove_range(TxNum(8192)..TxNum(8200), at).unwrap();
}
