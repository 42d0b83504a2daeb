//! Merging, retention, listing.

use crate::support::{COPY, DB, OUT, assert_same, database, disk, export, import, leaves};
use qmtree::proofs::Profile;
use qmtree::snapshot::{ExportOptions, SnapshotContent, SnapshotFolder, SnapshotRefusal};
use qmtree::{Db, Error};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[test]
fn merged_files_are_those_that_an_export_would_write() {
    let disk = disk();
    let mut db = database(&disk, DB, Profile::Blake3, 4, &[1000; 20]);
    let small = ExportOptions::default().with_file_twigs(1);
    export(&db, &disk, &small);
    for number in 24..50 {
        db.append_block(number, &leaves(number, 1000)).unwrap();
    }
    export(&db, &disk, &small);
    let folder = SnapshotFolder::on(Arc::clone(&disk), Path::new(OUT));
    assert_eq!(folder.merge(1, None).unwrap(), 0);
    assert_eq!(folder.merge(16, None).unwrap(), 3);
    assert_eq!(folder.merge(16, None).unwrap(), 0);
    let names: Vec<_> = folder
        .files()
        .unwrap()
        .iter()
        .map(|file| (file.name.content, file.name.from, file.name.to))
        .collect();
    let execution = SnapshotContent::Execution;
    let tail = (SnapshotContent::Tail, 22 * 2048, 46_000);
    assert_eq!(
        names,
        [
            (execution, 0, 16),
            (execution, 16, 20),
            (execution, 20, 22),
            tail
        ]
    );
    let large = ExportOptions::default().with_file_twigs(16);
    let fresh = db
        .export_snapshot_on(&*disk, Path::new("/fresh"), &large)
        .unwrap();
    assert_eq!(
        folder.check_manifest(None, &None).unwrap().files,
        fresh.files
    );
    let files: Vec<_> = folder
        .files()
        .unwrap()
        .into_iter()
        .map(|file| file.path)
        .collect();
    assert_same(&db, &import(&disk, &files, &db.head()).unwrap(), 0);
}

#[test]
fn files_of_two_histories_are_not_merged() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[1000; 20]);
    let small = ExportOptions::default().with_file_twigs(2);
    export(&db, &disk, &small);
    let mut fork = database(&disk, "/fork", Profile::Blake3, 0, &[1000; 4]);
    for number in 4..20 {
        fork.append_block(number, &leaves(number + 90, 1000))
            .unwrap();
    }
    fork.export_snapshot_on(&*disk, Path::new("/forked"), &small)
        .unwrap();
    let name = "v1.0-qmtree-execution.2-4.seg";
    let path = Path::new(OUT).join(name);
    disk.remove(&path).unwrap();
    let mut file = disk.create_new(&path).unwrap();
    file.append(&disk.read(&Path::new("/forked").join(name)).unwrap())
        .unwrap();
    let refused = SnapshotFolder::on(disk, Path::new(OUT)).merge(8, None);
    assert!(matches!(refused, Err(Error::Snapshot(_))), "{refused:?}");
}

#[test]
fn what_is_not_retained_leaves_its_roots() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[1000; 20]);
    export(&db, &disk, &ExportOptions::default().with_file_twigs(2));
    let folder = SnapshotFolder::on(Arc::clone(&disk), Path::new(OUT));
    assert_eq!(folder.retain_from(5, None).unwrap(), 2);
    assert_eq!(folder.retain_from(5, None).unwrap(), 0);
    folder.check_manifest(None, &None).unwrap();
    let files: Vec<PathBuf> = folder
        .files()
        .unwrap()
        .into_iter()
        .map(|file| file.path)
        .collect();
    let refused = import(&disk, &files, &db.head()).unwrap_err();
    let refusal = SnapshotRefusal::LeavesMissing { from: 0, to: 4 };
    assert!(
        matches!(refused, Error::Refused(found) if found == refusal),
        "{refused}"
    );
    assert!(!disk.exists(Path::new(COPY)));
    // Read in place, what is there can be proved.
    let read = Db::open_snapshot_on(Arc::clone(&disk), Path::new(OUT), &files, &db.head()).unwrap();
    assert_same(&db, &read, 4 * 2048);
    let gone = read
        .view()
        .leaf(qmtree::proofs::TxNum(4 * 2048 - 1))
        .unwrap_err();
    assert!(matches!(
        gone,
        Error::Refused(SnapshotRefusal::LeavesMissing { from: 0, to: 4 })
    ));
    let unknown = read.view().block_of(qmtree::proofs::TxNum(5)).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the block of leaf 5 is not known: this log started from roots before 8192"
    );
    let (first, _) = read.view().blocks().unwrap();
    assert!(matches!(
        read.view().block_range(first),
        Err(Error::NoSuchBlock { .. })
    ));
}
