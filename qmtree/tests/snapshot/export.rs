//! Exporting again: what was published stays until the next manifest is there, and what is not listed
//! is not believed.

use crate::state_files::{Case, append, key};
use crate::support::{
    COPY, DB, OUT, database, disk, export, identity, import, import_options, leaves, options, paths,
};
use qmtree::proofs::{Head, Profile};
use qmtree::snapshot::{
    ExportOptions, Exported, ImportOptions, SnapshotFolder, SnapshotRefusal, StateExport,
    verify_snapshot_on,
};
use qmtree::{Block, Db, Error};
use qmtree_storage::Disk;
use qmtree_storage::sim::{Fate, SimDisk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn folder(disk: &Arc<dyn Disk>) -> SnapshotFolder {
    SnapshotFolder::on(Arc::clone(disk), Path::new(OUT))
}

fn one_twig() -> ExportOptions {
    ExportOptions::default().with_file_twigs(1)
}

fn names(disk: &Arc<dyn Disk>) -> Vec<String> {
    let paths = folder(disk).paths().unwrap();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(name).collect()
}

/// The folder has the files of its manifest and no others, and they lead to its head.
fn assert_whole(disk: &Arc<dyn Disk>, exported: &Exported) {
    let listed = folder(disk).check_manifest(None, &None).unwrap();
    assert_eq!(
        (listed.head, &listed.files),
        (exported.head, &exported.files)
    );
    let mut expected: Vec<_> = listed
        .files
        .iter()
        .map(|entry| entry.name.to_string())
        .collect();
    expected.sort();
    assert_eq!(names(disk), expected);
    let files = folder(disk).paths().unwrap();
    verify_snapshot_on(&**disk, &files, &listed.head, &ImportOptions::default()).unwrap();
}

#[test]
fn twigs_of_unwound_blocks_go() {
    let disk = disk();
    let mut db = database(&disk, DB, Profile::Blake3, 0, &[1000; 20]);
    export(&db, &disk, &one_twig());
    db.unwind_to(17).unwrap();
    db.append_block(18, &leaves(99, 400)).unwrap();
    assert_eq!(db.head().leaf_count / 2048, 8);
    let exported = export(&db, &disk, &one_twig());
    assert_whole(&disk, &exported);
    assert!(!names(&disk).contains(&"v1.0-qmtree-execution.8-9.seg".to_owned()));
    import(&disk, &paths(&exported), &exported.head).unwrap();
    // Files that others still have of the fork do no harm beside these.
    let fork = database(&disk, "/fork", Profile::Blake3, 0, &[1000; 20]);
    let forked = fork.export_snapshot_on(&*disk, Path::new("/forked"), &one_twig());
    let forked = forked.unwrap().files;
    let mut files = paths(&exported);
    let rest = forked.iter().map(|entry| entry.name.to_string());
    files.extend(
        rest.filter(|name| name.contains(".8-9.") || name.contains("tail"))
            .map(|name| Path::new("/forked").join(name)),
    );
    let (head, options) = (exported.head, ImportOptions::default());
    verify_snapshot_on(&*disk, &files, &head, &options).unwrap();
}

#[test]
fn a_fork_of_the_same_length_replaces_the_tail() {
    let mut case = Case::new(Profile::Blake3, 9, 900, 20);
    case.export(StateExport::Full);
    case.db.unwind_to(7).unwrap();
    // Other leaves, as many of them and of entries.
    let others: Vec<_> = leaves(77, 900);
    case.db.append_block(8, &others).unwrap();
    let exported = case.export(StateExport::Full);
    assert_whole(&case.disk, &exported);
}

#[test]
fn a_refused_export_changes_nothing() {
    let case = Case::new(Profile::Blake3, 12, 700, 60);
    let live = case.export(StateExport::Live);
    let mut copy = case.import(&live, import_options()).unwrap();
    append(&mut copy, 12, 700, 60);
    let before: Vec<_> = case.sim.files();
    let full = ExportOptions::default().with_file_twigs(2);
    let refused = copy.export_snapshot_on(&*case.disk, Path::new(OUT), &full);
    let history = SnapshotRefusal::StateHistory {
        earliest: copy.earliest_state().unwrap(),
    };
    assert!(matches!(refused, Err(Error::Refused(found)) if found == history));
    assert_eq!(case.sim.files(), before);
    assert_whole(&case.disk, &live);
}

#[test]
fn an_export_that_is_cut_off_leaves_the_one_before() {
    for state in [StateExport::Live, StateExport::Full] {
        let mut case = Case::new(Profile::Blake3, 9, 800, 60);
        let old = case.export(state);
        for number in 9..13 {
            append(&mut case.db, number, 800, 60);
        }
        let files: Vec<_> = case
            .sim
            .files()
            .into_iter()
            .filter(|path| path.starts_with(OUT.trim_start_matches('/')) || path.starts_with(OUT))
            .collect();
        assert!(files.len() > 4);
        let published = |seed| {
            let sim = SimDisk::with_seed(seed);
            for path in &files {
                sim.set_content(path, case.sim.content(path).unwrap());
            }
            sim
        };
        let script = |sim: &SimDisk| {
            let options = ExportOptions::default()
                .with_file_twigs(2)
                .with_state(state)
                .with_threads(1);
            case.db.export_snapshot_on(sim, Path::new(OUT), &options)
        };
        let whole = published(0);
        let new = script(&whole).unwrap();
        let (mut before, mut after) = (0, 0);
        for (step, fate) in (0..whole.steps()).flat_map(|step| Fate::ALL.map(|fate| (step, fate))) {
            let sim = published(step);
            sim.crash_at(step, fate);
            script(&sim).unwrap_err();
            let found: Arc<dyn Disk> = Arc::new(sim.after_crash());
            let listed = folder(&found).check_manifest(None, &None);
            let listed = listed.unwrap_or_else(|error| panic!("step {step} {fate:?}: {error}"));
            let is_old = listed.head == old.head;
            let expected = if is_old { &old } else { &new };
            assert_eq!(listed.files, expected.files, "step {step} {fate:?}");
            before += u32::from(is_old);
            after += u32::from(!is_old);
            let (files, options) = (folder(&found).listed(&listed), ImportOptions::default());
            verify_snapshot_on(&*found, &files, &listed.head, &options).unwrap();
            let again = ExportOptions::default()
                .with_file_twigs(2)
                .with_state(state);
            let again = case.db.export_snapshot_on(&*found, Path::new(OUT), &again);
            assert_eq!(again.unwrap().files, new.files, "step {step} {fate:?}");
            assert_whole(&found, &new);
        }
        assert!(before > 10 && after > 0, "{before} {after}");
    }
}

#[test]
fn files_that_are_gone_are_written_again() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[1000; 20]);
    let exported = export(&db, &disk, &one_twig());
    for entry in &exported.files {
        let path = Path::new(OUT).join(entry.name.to_string());
        disk.remove(&path).unwrap();
        let again = export(&db, &disk, &one_twig());
        assert_eq!((&again.files, again.written), (&exported.files, 1));
        assert_whole(&disk, &again);
    }
}

#[test]
fn tags_that_are_gone_are_written_again() {
    let disk = disk();
    let mut db = Db::create_on(
        Arc::clone(&disk),
        Path::new(DB),
        identity(Profile::Blake3),
        options(),
    )
    .unwrap();
    for number in 0..6 {
        let leaves = leaves(number, 1000);
        let hashes: Vec<_> = (0..1000)
            .map(|place| key(1 + number * 1000 + place))
            .collect();
        db.append(&Block::new(number, &leaves).with_tx_hashes(&hashes))
            .unwrap();
    }
    let exported = export(&db, &disk, &one_twig());
    let tags = exported.files.iter().map(|entry| entry.name.to_string());
    let tags: Vec<_> = tags.filter(|name| name.contains("tags")).collect();
    assert_eq!(tags.len(), 2);
    for name in tags {
        disk.remove(&Path::new(OUT).join(name)).unwrap();
        let again = export(&db, &disk, &one_twig());
        assert_eq!((&again.files, again.written), (&exported.files, 1));
        assert_whole(&disk, &again);
    }
}

/// Another split of the same leaves into blocks, exported elsewhere.
fn forged(disk: &Arc<dyn Disk>, twigs: u64) -> Exported {
    let mut db = database(disk, "/forge", Profile::Blake3, 0, &[]);
    let all: Vec<_> = (0..20).flat_map(|number| leaves(number, 1000)).collect();
    for (number, leaves) in (0..).zip(all.chunks(800)) {
        db.append_block(number, leaves).unwrap();
    }
    let options = ExportOptions::default().with_file_twigs(twigs);
    db.export_snapshot_on(&**disk, Path::new("/forged"), &options)
        .unwrap()
}

fn copy(disk: &Arc<dyn Disk>, name: &str, from: &str) -> PathBuf {
    let bytes = disk.read(&Path::new(from).join(name)).unwrap();
    let path = Path::new(OUT).join(name);
    disk.create_dir_all(Path::new(OUT)).unwrap();
    let mut file = disk.create_new(&path).unwrap();
    file.append(&bytes).unwrap();
    file.sync().unwrap();
    path
}

#[test]
fn unlisted_files_are_not_taken_over() {
    let disk = disk();
    let db = database(&disk, DB, Profile::Blake3, 0, &[1000; 20]);
    let forged = forged(&disk, 2);
    assert_eq!(forged.head.root, db.head().root);
    let larger = "v1.0-qmtree-execution.0-2.seg";
    // Before there is any manifest, and beside one.
    for options in [
        ExportOptions::default().with_file_twigs(2),
        one_twig(),
        ExportOptions::default(),
    ] {
        if disk.exists(Path::new(OUT)) {
            for name in disk.list(Path::new(OUT)).unwrap() {
                disk.remove(&Path::new(OUT).join(name)).unwrap();
            }
        }
        copy(&disk, larger, "/forged");
        for _ in 0..2 {
            let exported = export(&db, &disk, &options);
            assert_whole(&disk, &exported);
            let fresh = db.export_snapshot_on(&*disk, Path::new("/fresh"), &options);
            assert_eq!(fresh.unwrap().files, exported.files);
            for name in disk.list(Path::new("/fresh")).unwrap() {
                disk.remove(&Path::new("/fresh").join(name)).unwrap();
            }
            let listed = |entry: &qmtree::snapshot::ManifestEntry| entry.name.to_string() == larger;
            if !exported.files.iter().any(listed) {
                copy(&disk, larger, "/forged");
            }
        }
    }
}

#[test]
fn a_merge_believes_listed_files_alone() {
    let db_and_files = || {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let db = database(&disk, DB, Profile::Blake3, 0, &[1000; 20]);
        let exported = export(&db, &disk, &one_twig());
        (sim, disk, db, exported)
    };
    let name = "v1.0-qmtree-execution.0-2.seg";
    let head_of = |disk: &Arc<dyn Disk>, head: &Head| {
        let files = folder(disk).paths().unwrap();
        let copy = import(disk, &files, head).unwrap();
        copy.view().head_at(3).unwrap()
    };
    // A larger file that nobody has listed, forged or rotten.
    for rotten in [false, true] {
        let (sim, disk, db, exported) = db_and_files();
        if rotten {
            let options = ExportOptions::default().with_file_twigs(2);
            db.export_snapshot_on(&*disk, Path::new("/forged"), &options)
                .unwrap();
        } else {
            forged(&disk, 2);
        }
        let path = copy(&disk, name, "/forged");
        if rotten {
            sim.flip(&path, 100_000, 1);
        }
        let folder = folder(&disk);
        assert_eq!(folder.merge(2, None).unwrap(), 4);
        folder.check_manifest(None, &None).unwrap();
        assert_eq!(
            head_of(&disk, &exported.head),
            db.view().head_at(3).unwrap()
        );
    }
    // A listed file that has rotted: nothing is merged, and nothing goes.
    let (sim, disk, _, _) = db_and_files();
    sim.flip(
        &Path::new(OUT).join("v1.0-qmtree-execution.1-2.seg"),
        100_000,
        1,
    );
    let before = sim.files();
    for _ in 0..2 {
        let refused = folder(&disk).merge(2, None).unwrap_err();
        assert!(
            refused.to_string().contains("not the one in the manifest"),
            "{refused}"
        );
        let refused = folder(&disk).retain_from(4, None).unwrap_err();
        assert!(
            refused.to_string().contains("not the one in the manifest"),
            "{refused}"
        );
    }
    assert!(before.iter().all(|path| sim.content(path).is_some()));
    folder(&disk).check_manifest(None, &None).unwrap_err();
    sim.flip(
        &Path::new(OUT).join("v1.0-qmtree-execution.1-2.seg"),
        100_000,
        1,
    );
    folder(&disk).check_manifest(None, &None).unwrap();
    // And no folder without a manifest.
    let (_, disk, _, exported) = db_and_files();
    disk.remove(&exported.manifest).unwrap();
    let refused = folder(&disk).merge(2, None).unwrap_err();
    assert!(matches!(
        refused,
        Error::Refused(SnapshotRefusal::ManifestMissing)
    ));
}

#[test]
fn a_pruned_database_says_from_where_it_exports() {
    let disk = disk();
    let mut db = database(&disk, DB, Profile::Blake3, 0, &[1000; 20]);
    assert!(db.prune_to(12).unwrap() > 0);
    let export = |options: ExportOptions| {
        db.export_snapshot_on(&*disk, Path::new(OUT), &options.with_file_twigs(1))
    };
    let refused = export(ExportOptions::default()).unwrap_err();
    let Error::Refused(SnapshotRefusal::LeavesPruned { twig }) = refused else {
        panic!("{refused}");
    };
    let says = format!("the leaves before {} were pruned", twig * 2048);
    assert!(refused.to_string().starts_with(&says), "{refused}");
    assert!(refused.to_string().contains("--from-twig"), "{refused}");
    assert!(names(&disk).is_empty());
    export(ExportOptions::default().with_from_twig(twig)).unwrap();
    assert!(!disk.exists(Path::new(COPY)));
}
