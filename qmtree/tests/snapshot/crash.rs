//! The power is cut at every step of an import, of an export and of a merge.

use crate::support::{COPY, DB, OUT, assert_same, database, import_options, options, paths};
use qmtree::proofs::Profile;
use qmtree::snapshot::{ExportOptions, Exported, SnapshotFolder};
use qmtree::{Db, Error};
use qmtree_storage::Disk;
use qmtree_storage::sim::{Fate, SimDisk};
use std::path::Path;
use std::sync::Arc;

/// A disk with a database and what it exports.
fn source() -> (SimDisk, Db, Exported) {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let db = database(&disk, DB, Profile::Blake3, 0, &[1500; 7]);
    let options = ExportOptions::default().with_file_twigs(1);
    let exported = db
        .export_snapshot_on(&*disk, Path::new(OUT), &options)
        .unwrap();
    (sim, db, exported)
}

/// A fresh disk with the exported files alone.
fn with_files(source: &SimDisk, exported: &Exported, seed: u64) -> SimDisk {
    let sim = SimDisk::with_seed(seed);
    for path in paths(exported) {
        sim.set_content(&path, source.content(&path).unwrap());
    }
    sim
}

fn import(sim: &SimDisk, exported: &Exported) -> Result<Db, Error> {
    let options = import_options().with_threads(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    Db::import_snapshot_on(
        disk,
        Path::new(COPY),
        &paths(exported),
        &exported.head,
        options,
    )
}

#[test]
fn an_import_that_is_cut_off_goes_on_or_never_was() {
    let (source, db, exported) = source();
    let whole = with_files(&source, &exported, 0);
    import(&whole, &exported).unwrap();
    let steps = whole.steps();
    assert!(steps > 40, "{steps} steps");
    let (mut resumed, mut done) = (0, 0);
    for (step, fate) in (0..steps).flat_map(|step| Fate::ALL.map(|fate| (step, fate))) {
        let sim = with_files(&source, &exported, step);
        sim.crash_at(step, fate);
        let error = import(&sim, &exported);
        assert!(error.is_err(), "step {step} {fate:?}: nobody noticed");
        drop(error);
        let found = sim.after_crash();
        let disk: Arc<dyn Disk> = Arc::new(found.clone());
        match Db::open_on(Arc::clone(&disk), Path::new(COPY), options()) {
            // The header was there: all of it was.
            Ok(copy) => {
                assert_eq!(copy.head(), exported.head, "step {step} {fate:?}");
                assert_same(&db, &copy, 0);
                copy.close().unwrap();
                done += 1;
            }
            Err(_) => {
                let before = found.steps();
                let copy = import(&found, &exported)
                    .unwrap_or_else(|error| panic!("step {step} {fate:?}: {error}"));
                resumed += u32::from(found.steps() - before < steps - 3);
                assert_eq!(copy.head(), exported.head);
                assert_same(&db, &copy, 0);
                drop(copy);
                let copy = Db::open_on(disk, Path::new(COPY), options()).unwrap();
                assert_eq!(copy.head(), exported.head);
            }
        }
    }
    assert!(done > 0 && resumed > 0, "{done} {resumed}");
}

#[test]
fn an_import_on_a_failing_disk_fails_and_can_be_done_again() {
    let (source, db, exported) = source();
    let whole = with_files(&source, &exported, 0);
    import(&whole, &exported).unwrap();
    for step in 0..whole.steps() {
        let sim = with_files(&source, &exported, step);
        sim.fail_at(step);
        let failed = import(&sim, &exported);
        if let Ok(copy) = &failed {
            // Only what comes behind the end may fail without notice.
            assert_eq!(copy.head(), exported.head, "step {step}");
            continue;
        }
        drop(failed);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let copy = match import(&sim, &exported) {
            // All was done but the removal of the mark.
            Err(Error::NotEmpty { .. }) => Db::open_on(disk, Path::new(COPY), options()),
            copy => copy,
        };
        let copy = copy.unwrap_or_else(|error| panic!("step {step}: {error}"));
        assert_same(&db, &copy, 0);
    }
}

#[test]
fn an_export_and_a_merge_that_are_cut_off_go_on() {
    let (source, db, exported) = source();
    let script = |sim: &SimDisk| -> Result<(), Error> {
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let options = ExportOptions::default().with_file_twigs(1).with_threads(1);
        db.export_snapshot_on(&*disk, Path::new(OUT), &options)?;
        SnapshotFolder::on(disk, Path::new(OUT)).merge(4, None)?;
        Ok(())
    };
    let whole = SimDisk::new();
    script(&whole).unwrap();
    let steps = whole.steps();
    for (step, fate) in (0..steps).flat_map(|step| Fate::ALL.map(|fate| (step, fate))) {
        let sim = SimDisk::with_seed(step);
        sim.crash_at(step, fate);
        script(&sim).unwrap_err();
        let found = sim.after_crash();
        script(&found).unwrap_or_else(|error| panic!("step {step} {fate:?}: {error}"));
        let disk: Arc<dyn Disk> = Arc::new(found);
        let folder = SnapshotFolder::on(Arc::clone(&disk), Path::new(OUT));
        let files: Vec<_> = folder
            .files()
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect();
        let manifest = folder.check_manifest(None, &None).unwrap();
        assert_eq!(manifest.head, exported.head);
        let head = exported.head;
        let copy = Db::open_snapshot_on(disk, Path::new(OUT), &files, &head).unwrap();
        copy.check().unwrap();
    }
    drop(source);
}
