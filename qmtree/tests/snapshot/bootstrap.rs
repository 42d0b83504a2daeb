//! Starting from roots, and filling in what is missing.

use crate::support::{
    COPY, DB, assert_same, database, disk, export, import_options, leaves, options, paths,
};
use qmtree::proofs::{Head, Profile, TxNum};
use qmtree::snapshot::{ExportOptions, Exported, SnapshotContent, SnapshotRefusal};
use qmtree::{At, Db, Error};
use qmtree_storage::Disk;
use qmtree_storage::sim::{Fate, SimDisk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn bootstrap(disk: &Arc<dyn Disk>, files: &[PathBuf], head: &Head) -> Result<Db, Error> {
    let options = import_options();
    Db::bootstrap_snapshot_on(Arc::clone(disk), Path::new(COPY), files, head, options)
}

fn open(disk: &Arc<dyn Disk>) -> Result<Db, Error> {
    Db::open_on(Arc::clone(disk), Path::new(COPY), options())
}

/// Files of whole twigs, by the twigs that they hold.
fn execution(exported: &Exported, from: u64, to: u64) -> Vec<PathBuf> {
    let inside = exported
        .files
        .iter()
        .zip(paths(exported))
        .filter(|(entry, _)| {
            let name = entry.name;
            name.content == SnapshotContent::Execution && name.from >= from && name.to <= to
        });
    inside.map(|(_, path)| path).collect()
}

#[test]
fn a_node_starts_from_roots_and_has_all_of_history_in_the_end() {
    for profile in Profile::ALL {
        let disk = disk();
        let mut db = database(&disk, DB, profile, 5, &[1300; 20]);
        let exported = export(&db, &disk, &ExportOptions::default().with_file_twigs(1));
        let head = exported.head;
        let sealed = (head.leaf_count - 1) / 2048;
        let mut copy = bootstrap(&disk, &paths(&exported), &head).unwrap();
        assert_eq!(copy.head(), head);
        copy.check().unwrap();
        // The tip is proved; what lies before is not there, and says so.
        let view = copy.view();
        let last = TxNum(head.leaf_count - 1);
        view.witness(last, At::Head)
            .unwrap()
            .verify(&head, last)
            .unwrap();
        assert!(matches!(view.leaf(TxNum(5)), Err(Error::Segment(_))));
        assert!(matches!(
            view.block_of(TxNum(5)),
            Err(Error::NoBlockOf { .. })
        ));
        assert_eq!(
            view.root_at(3 * 2048).unwrap(),
            db.view().root_at(3 * 2048).unwrap()
        );
        let (first, _) = view.blocks().unwrap();
        assert!(first > 5 && view.block_range(first).is_err());
        // It goes on like the other.
        for number in 25..30 {
            let appended = db.append_block(number, &leaves(number, 1300)).unwrap();
            assert_eq!(
                copy.append_block(number, &leaves(number, 1300)).unwrap(),
                appended
            );
        }
        copy.view()
            .prove_consistency(24, At::Head)
            .unwrap()
            .verify(&head, &db.head())
            .unwrap();
        copy.close().unwrap();
        let mut copy = open(&disk).unwrap();
        assert_eq!(copy.head(), db.head());
        // Backfilled in two goes, the newer leaves first.
        let newer = execution(&exported, 5, sealed);
        assert_eq!(
            copy.backfill_snapshot(&newer, &import_options()).unwrap(),
            5
        );
        assert_same(&db, &copy, 5 * 2048);
        copy.close().unwrap();
        let mut copy = open(&disk).unwrap();
        assert_same(&db, &copy, 5 * 2048);
        assert_eq!(
            copy.backfill_snapshot(&newer, &import_options()).unwrap(),
            5
        );
        // A file too few in the middle: as far as the files go.
        let older = execution(&exported, 3, 5);
        let filled = copy.backfill_snapshot(&older, &import_options());
        assert_eq!(filled.unwrap(), 3);
        let all = execution(&exported, 0, sealed);
        assert_eq!(copy.backfill_snapshot(&all, &import_options()).unwrap(), 0);
        assert_same(&db, &copy, 0);
        assert_eq!(copy.backfill_snapshot(&all, &import_options()).unwrap(), 0);
        copy.close().unwrap();
        assert_same(&db, &open(&disk).unwrap(), 0);
    }
}

#[test]
fn roots_that_were_kept_are_enough() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 1, &[1300; 20]);
    let exported = export(&db, &disk, &ExportOptions::default().with_file_twigs(4));
    let folder = qmtree::snapshot::SnapshotFolder::on(Arc::clone(&disk), Path::new("/out"));
    folder.retain_from(100, None).unwrap();
    let files: Vec<_> = folder
        .files()
        .unwrap()
        .into_iter()
        .map(|file| file.path)
        .collect();
    let bytes: usize = files
        .iter()
        .map(|path| disk.read(path).unwrap().len())
        .sum();
    assert!(bytes < 300_000, "{bytes}");
    let copy = bootstrap(&disk, &files, &exported.head).unwrap();
    assert_eq!(copy.head(), exported.head);
}

#[test]
fn leaves_of_another_history_are_not_filled_in() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 1, &[1300; 8]);
    let exported = export(&db, &disk, &ExportOptions::default());
    let mut copy = bootstrap(&disk, &paths(&exported), &exported.head).unwrap();
    let other: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut fork = database(&other, DB, Profile::Blake3, 1, &[1300; 2]);
    for number in 3..9 {
        fork.append_block(number, &leaves(number + 70, 1300))
            .unwrap();
    }
    fork.export_snapshot_on(&*disk, Path::new("/fork"), &ExportOptions::default())
        .unwrap();
    let files: Vec<_> = disk.list(Path::new("/fork")).unwrap();
    let files = files
        .into_iter()
        .filter(|name| name.to_str().unwrap().contains("execution"));
    let files: Vec<_> = files.map(|name| Path::new("/fork").join(name)).collect();
    let refused = copy
        .backfill_snapshot(&files, &import_options())
        .unwrap_err();
    assert!(
        matches!(refused, Error::Refused(SnapshotRefusal::Twig { .. })),
        "{refused}"
    );
    drop(copy);
    let mut copy = open(&disk).unwrap();
    assert_eq!(copy.head(), exported.head);
    copy.backfill_snapshot(&paths(&exported), &import_options())
        .unwrap();
    assert_same(&db, &copy, 0);
}

#[test]
fn a_backfill_that_is_cut_off_goes_on() {
    let source = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(source.clone());
    let db = database(&shared, DB, Profile::Blake3, 1, &[1300; 8]);
    let exported = export(&db, &shared, &ExportOptions::default());
    let files = paths(&exported);
    let started = |seed| {
        let sim = SimDisk::with_seed(seed);
        for path in &files {
            sim.set_content(path, source.content(path).unwrap());
        }
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        (sim, disk)
    };
    let script = |disk: &Arc<dyn Disk>| -> Result<(), Error> {
        let mut copy = bootstrap(disk, &files, &exported.head)?;
        copy.backfill_snapshot(&files, &import_options())?;
        copy.close()
    };
    let (sim, disk) = started(0);
    script(&disk).unwrap();
    for (step, fate) in (0..sim.steps()).flat_map(|step| Fate::ALL.map(|fate| (step, fate))) {
        let (sim, disk) = started(step);
        sim.crash_at(step, fate);
        assert!(script(&disk).is_err() || !sim.has_crashed());
        let disk: Arc<dyn Disk> = Arc::new(sim.after_crash());
        let opened = match open(&disk) {
            Ok(copy) => Ok(copy),
            Err(_) => bootstrap(&disk, &files, &exported.head),
        };
        let mut copy = opened.unwrap_or_else(|error| panic!("step {step} {fate:?}: {error}"));
        assert_eq!(copy.head(), exported.head);
        copy.check().unwrap();
        copy.backfill_snapshot(&files, &import_options()).unwrap();
        assert_same(&db, &copy, 0);
        drop(copy);
        assert_same(&db, &open(&disk).unwrap(), 0);
    }
}
