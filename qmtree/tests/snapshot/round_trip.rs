//! Export, import, reading in place.

use crate::support::{
    COPY, DB, OUT, assert_same, database, disk, export, import, leaves, options, paths,
};
use qmtree::proofs::{Profile, TxNum};
use qmtree::snapshot::{ExportOptions, SnapshotRefusal};
use qmtree::{At, Db, Error};
use std::path::Path;
use std::sync::Arc;

/// Sizes of blocks whose ends lie around every kind of boundary.
fn histories() -> Vec<Vec<usize>> {
    vec![
        vec![5],
        vec![0, 0, 5, 0],
        vec![2048],
        vec![2048, 0, 0],
        vec![2047, 1, 1],
        vec![1000; 13],
        vec![4096, 0, 4096, 0],
        vec![0, 9000, 3, 0, 7000, 1, 2],
        vec![700, 12_000],
        vec![300; 60],
    ]
}

#[test]
fn an_import_is_the_database_that_was_exported() {
    for profile in Profile::ALL {
        for (case, sizes) in histories().into_iter().enumerate() {
            let disk = disk();
            let first = [0, 17][case % 2];
            let mut db = database(&disk, DB, profile, first, &sizes);
            let exported = export(&db, &disk, &ExportOptions::default().with_file_twigs(2));
            assert_eq!(exported.head, db.head());
            let mut copy = import(&disk, &paths(&exported), &exported.head).unwrap();
            assert_eq!(copy.head(), db.head(), "case {case}");
            assert_same(&db, &copy, 0);
            // Both go on alike, and are found again.
            for (number, size) in (db.head().block_number + 1..).zip([0, 3000, 0, 5000, 1]) {
                let head = db.append_block(number, &leaves(number, size)).unwrap();
                assert_eq!(
                    copy.append_block(number, &leaves(number, size)).unwrap(),
                    head
                );
            }
            copy.close().unwrap();
            let copy = Db::open_on(Arc::clone(&disk), Path::new(COPY), options()).unwrap();
            assert_eq!(copy.head(), db.head());
            assert_same(&db, &copy, 0);
        }
    }
}

#[test]
fn files_are_read_in_place_without_an_import() {
    for profile in Profile::ALL {
        for sizes in histories() {
            let disk = disk();
            let db = database(&disk, DB, profile, 3, &sizes);
            let exported = export(&db, &disk, &ExportOptions::default().with_file_twigs(4));
            let files = paths(&exported);
            let open = |head| Db::open_snapshot_on(Arc::clone(&disk), Path::new(OUT), &files, head);
            let copy = open(&exported.head).unwrap();
            assert_eq!(copy.head(), db.head());
            assert_same(&db, &copy, 0);
            let all: Vec<_> = (0..db.head().leaf_count).step_by(97).map(TxNum).collect();
            copy.view()
                .prove_many(&all, At::Head)
                .unwrap()
                .iter()
                .zip(&all)
                .for_each(|(proof, i)| {
                    let hash = db.view().leaf_hash(*i).unwrap();
                    proof.verify(&db.head(), *i, hash).unwrap();
                });
            let mut copy = copy;
            assert!(matches!(copy.sync(), Err(Error::ReadOnly)));
        }
    }
}

#[test]
fn an_older_head_is_imported_from_newer_files() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[1500; 12]);
    let exported = export(&db, &disk, &ExportOptions::default());
    let files = paths(&exported);
    for block in [0, 3, 4, 9] {
        let head = db.view().head_at(block).unwrap();
        let read = Db::open_snapshot_on(Arc::clone(&disk), Path::new(OUT), &files, &head).unwrap();
        assert_eq!(read.head(), head);
        assert_same(&db, &read, 0);
        let dir = format!("/older-{block}");
        let options = crate::support::import_options();
        let mut copy =
            Db::import_snapshot_on(Arc::clone(&disk), Path::new(&dir), &files, &head, options)
                .unwrap();
        assert_eq!(copy.head(), head);
        assert_same(&db, &copy, 0);
        let next = copy
            .append_block(block + 1, &leaves(block + 1, 1500))
            .unwrap();
        assert_eq!(next, db.view().head_at(block + 1).unwrap());
    }
}

#[test]
fn an_export_appends_to_what_is_there_and_has_one_byte_string() {
    let disk = disk();
    let mut db = database(&disk, DB, Profile::Keccak256, 0, &[900; 10]);
    let options = ExportOptions::default().with_file_twigs(4);
    let first = export(&db, &disk, &options);
    assert_eq!(first.written, first.files.len());
    let again = export(&db, &disk, &options);
    assert_eq!((again.written, &again.files), (0, &first.files));
    for number in 10..20 {
        db.append_block(number, &leaves(number, 900)).unwrap();
    }
    let grown = export(&db, &disk, &options);
    assert_eq!(grown.head, db.head());
    assert!(grown.written > 0 && grown.written < grown.files.len());
    // The old tail went.
    assert!(
        first
            .files
            .iter()
            .any(|entry| !disk.exists(&Path::new(OUT).join(entry.name.to_string())))
    );
    let copy = import(&disk, &paths(&grown), &grown.head).unwrap();
    assert_same(&db, &copy, 0);
    // From the copy, which has other segments, or from the files themselves: the same bytes.
    let files = paths(&grown);
    let read =
        Db::open_snapshot_on(Arc::clone(&disk), Path::new(OUT), &files, &grown.head).unwrap();
    for (db, dir) in [(&copy, "/out-2"), (&read, "/out-3")] {
        let fresh = db
            .export_snapshot_on(&*disk, Path::new(dir), &options)
            .unwrap();
        for entry in &fresh.files {
            if let Some(ours) = grown.files.iter().find(|ours| ours.name == entry.name) {
                assert_eq!(ours, entry);
                let path = |dir| Path::new(dir).join(entry.name.to_string());
                assert_eq!(
                    disk.read(&path(dir)).unwrap(),
                    disk.read(&path(OUT)).unwrap()
                );
            }
        }
        assert_eq!(fresh.head, grown.head);
    }
}

#[test]
fn an_export_to_an_older_block_ends_there() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[1500; 9]);
    let exported = export(&db, &disk, &ExportOptions::default().with_to_block(5));
    assert_eq!(exported.head, db.view().head_at(5).unwrap());
    let copy = import(&disk, &paths(&exported), &exported.head).unwrap();
    assert_same(&db, &copy, 0);
    let nothing = db.export_snapshot_on(
        &*disk,
        Path::new("/x"),
        &ExportOptions::default().with_to_block(9),
    );
    assert!(matches!(nothing, Err(Error::NoSuchBlock { .. })));
}

#[test]
fn leaves_take_96_bytes_and_little_more() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[200; 1400]);
    let exported = export(&db, &disk, &ExportOptions::default());
    let bytes: u64 = exported.files.iter().map(|entry| entry.len_bytes).sum();
    let payload = 96 * db.head().leaf_count;
    assert!(
        bytes > payload && bytes - payload < payload / 500,
        "{bytes} for {payload}"
    );
}

#[test]
fn an_empty_log_is_neither_exported_nor_imported() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[0]);
    let refused = db.export_snapshot_on(&*disk, Path::new(OUT), &ExportOptions::default());
    assert!(matches!(
        refused,
        Err(Error::Refused(SnapshotRefusal::Empty))
    ));
    let refused = import(&disk, &[], &db.head());
    assert!(matches!(
        refused,
        Err(Error::Refused(SnapshotRefusal::Empty))
    ));
}

#[test]
fn progress_counts_every_leaf_once() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[3000; 7]);
    let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let exported = export(
        &db,
        &disk,
        &ExportOptions::default().with_progress(Arc::clone(&count)),
    );
    assert_eq!(count.swap(0, std::sync::atomic::Ordering::Relaxed), 21_000);
    let options = crate::support::import_options().with_progress(Arc::clone(&count));
    let files = paths(&exported);
    Db::import_snapshot_on(disk, Path::new(COPY), &files, &exported.head, options).unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 20_480);
}

#[test]
fn tags_travel_beside_the_leaves() {
    use alloy_primitives::B256;
    let disk = disk();
    let mut db = database(&disk, DB, Profile::Blake3, 0, &[1500; 5]);
    let mut all = vec![B256::ZERO; 7500];
    for number in 5..12_u64 {
        let hash = |i: u64| match i % 3 {
            0 => B256::ZERO,
            _ => B256::with_last_byte(1) | B256::from([(number * 3 + i) as u8; 32]),
        };
        let hashes: Vec<_> = (0..1500).map(hash).collect();
        all.extend(&hashes);
        let leaves = leaves(number, 1500);
        db.append(&qmtree::Block::new(number, &leaves).with_tx_hashes(&hashes))
            .unwrap();
    }
    let small = ExportOptions::default().with_file_twigs(1);
    let exported = export(&db, &disk, &small);
    let folder = qmtree::snapshot::SnapshotFolder::on(Arc::clone(&disk), Path::new(OUT));
    let count = exported.files.len();
    assert!(
        exported
            .files
            .iter()
            .any(|entry| entry.name.to_string().contains("tags"))
    );
    let check = |files: &[std::path::PathBuf], dir: &str| {
        let options = crate::support::import_options();
        let head = exported.head;
        let copy = Db::import_snapshot_on(Arc::clone(&disk), Path::new(dir), files, &head, options)
            .unwrap();
        assert_same(&db, &copy, 0);
        let read = Db::open_snapshot_on(Arc::clone(&disk), Path::new(OUT), files, &head).unwrap();
        // The bytes of a new export are those of the first: every tag is where it was.
        for (number, again) in [&copy, &read].into_iter().enumerate() {
            let out = format!("{dir}-{number}");
            let again = again
                .export_snapshot_on(&*disk, Path::new(&out), &small)
                .unwrap();
            assert_eq!(again.files, exported.files);
        }
    };
    check(&paths(&exported), "/one");
    assert!(folder.merge(4, None).unwrap() > 0);
    let merged = folder.files().unwrap();
    assert!(merged.len() < count);
    folder.check_manifest(None, &None).unwrap();
    let files: Vec<_> = merged.into_iter().map(|file| file.path).collect();
    check(&files, "/two");
    // Without their files the leaves are the same.
    let untagged: Vec<_> = files
        .into_iter()
        .filter(|path| !path.to_str().unwrap().contains("tags"))
        .collect();
    let copy = import(&disk, &untagged, &exported.head).unwrap();
    assert_same(&db, &copy, 0);
}
