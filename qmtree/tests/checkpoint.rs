//! Checkpoints: databases of their own, whole or absent after a crash at any step, and no burden
//! for the database that they come from.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test that fails may panic, and its own files need not be durable"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::hooked::{Change, Hook, HookedDisk};
use common::{first_readable, identity, leaves};
use qmtree::proofs::state::Compaction;
use qmtree::proofs::{Head, TxNum};
use qmtree::snapshot::{ExportOptions, ImportOptions, StateExport};
use qmtree::{At, Block, Db, Durability, Error, Options, StateBatch};
use qmtree_storage::sim::{Fate, SimDisk};
use qmtree_storage::{CheckpointError, Disk, RealDisk};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const DIR: &str = "/db";
const TARGET: &str = "/backup/of/db";
const UNFINISHED: &str = "/backup/of/db.unfinished";

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(1)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(150_000)
        .with_parallel(false)
}

fn append(db: &mut Db, branch: u64, count: usize) -> Result<Head, Error> {
    let next = db.view().blocks().map_or(0, |(_, last)| last + 1);
    db.append_block(next, &leaves(branch, next, count))
}

/// Checks a database, and proves and compares some of its leaves.
fn verify(db: &Db) {
    db.check().unwrap();
    let (view, head) = (db.view(), db.head());
    let from = first_readable(&view);
    for i in [from, (from + head.leaf_count) / 2, head.leaf_count - 1].map(TxNum) {
        if i.0 < head.leaf_count {
            let witness = view.witness(i, At::Head).unwrap();
            witness.verify(&head, i).unwrap();
        }
    }
}

fn open(disk: &Arc<dyn Disk>, dir: &str) -> Db {
    Db::open_on(Arc::clone(disk), Path::new(dir), options()).unwrap()
}

/// A database with a pruned and some whole segments, journal files of which all but the newest are
/// linked, and blocks in memory.
fn fill(disk: &Arc<dyn Disk>, dir: &str) -> Result<Db, Error> {
    let mut db = Db::create_on(Arc::clone(disk), Path::new(dir), identity(), options())?;
    for count in [900, 900, 900, 0, 700, 2500, 10, 2100, 2100, 5, 300] {
        append(&mut db, 0, count)?;
    }
    db.prune_to(4)?;
    Ok(db)
}

/// What both databases may do after the checkpoint: whatever replaces, unlinks or adds files.
fn go_on(db: &mut Db, branch: u64) -> Head {
    let head = db.head();
    db.unwind_to(head.block_number - 1).unwrap();
    for count in [100, 3000, 2500, 2500] {
        append(db, branch, count).unwrap();
    }
    db.prune_to(db.head().block_number - 2).unwrap();
    append(db, branch, 2500).unwrap();
    verify(db);
    db.head()
}

#[test]
fn a_checkpoint_and_its_source_go_their_own_ways() {
    for source_first in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let real: Arc<dyn Disk> = Arc::new(RealDisk);
        let (dir, target) = (folder.path().join("db"), folder.path().join("a/b"));
        let (dir, target) = (dir.to_str().unwrap(), target.to_str().unwrap());
        let mut db = fill(&real, dir).unwrap();
        let (head, view) = (db.head(), db.view());
        assert_eq!(db.checkpoint(target).unwrap(), head);
        let mut copy = open(&real, target);
        assert_eq!((copy.head(), copy.identity()), (head, db.identity()));
        verify(&copy);
        for block in 0..=head.block_number {
            let of_block = view.head_at(block).unwrap();
            assert_eq!(copy.view().head_at(block).unwrap(), of_block);
        }
        for i in (first_readable(&view)..head.leaf_count).map(TxNum) {
            assert_eq!(copy.view().leaf(i).unwrap(), view.leaf(i).unwrap());
        }
        let (a, b) = if source_first {
            let a = go_on(&mut db, 1);
            (a, go_on(&mut copy, 2))
        } else {
            let b = go_on(&mut copy, 2);
            (go_on(&mut db, 1), b)
        };
        assert_ne!(a.root, b.root);
        for (db, head) in [(db, a), (copy, b)] {
            verify(&db);
            db.close().unwrap();
            assert!([a, b].contains(&head));
        }
        for (dir, head) in [(dir, a), (target, b)] {
            let db = open(&real, dir);
            assert_eq!(db.head(), head);
            verify(&db);
        }
        assert!(!Path::new(&format!("{target}.unfinished")).exists());
    }
}

#[cfg(unix)]
#[test]
fn segments_and_older_journal_files_are_linked_and_the_newest_is_not() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let (dir, target) = (folder.path().join("db"), folder.path().join("copy"));
    let real: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut db = fill(&real, dir.to_str().unwrap()).unwrap();
    db.checkpoint(&target).unwrap();
    let names = |sub: &str| {
        let entries = fs::read_dir(target.join(sub)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
    let mut linked = 0;
    for sub in ["segments", "journal"] {
        let names = names(sub);
        for (place, name) in names.iter().enumerate() {
            let newest = sub == "journal" && place + 1 == names.len();
            let [a, b] = [&dir, &target].map(|db| inode(db.join(sub).join(name)));
            assert_eq!(a == b, !newest, "{sub}/{}", name.display());
            linked += usize::from(a == b);
        }
    }
    assert!(linked >= 5 && names("journal").len() >= 2);
    assert!(
        names("segments")
            .iter()
            .any(|n| n.to_str().unwrap().ends_with(".qmp"))
    );
}

/// A disk that refuses links, as between two file systems.
#[derive(Debug, Default)]
struct NoLinks(AtomicU64);

impl Hook for NoLinks {
    fn before(&self, change: Change, _: &Path) -> io::Result<()> {
        if change == Change::Link {
            self.0.fetch_add(1, Ordering::SeqCst);
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        Ok(())
    }
}

#[test]
fn where_files_cannot_be_linked_they_are_copied() {
    let (sim, refused) = (SimDisk::new(), Arc::new(NoLinks::default()));
    let disk: Arc<dyn Disk> = Arc::new(HookedDisk::new(sim.clone(), Arc::clone(&refused)));
    let mut db = fill(&disk, DIR).unwrap();
    let head = db.checkpoint(TARGET).unwrap();
    assert!(refused.0.load(Ordering::SeqCst) >= 5);
    go_on(&mut db, 1);
    let lost: Arc<dyn Disk> = Arc::new(sim.power_loss(Fate::Lost));
    let mut copy = open(&lost, TARGET);
    assert_eq!(copy.head(), head);
    go_on(&mut copy, 2);
}

/// Steps of the disk before and after the checkpoint of the script, and its head.
fn undisturbed() -> (u64, u64, Head) {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut db = fill(&disk, DIR).unwrap();
    let before = sim.steps();
    let head = db.checkpoint(TARGET).unwrap();
    (before, sim.steps(), head)
}

fn is_there(disk: &SimDisk, dir: &str) -> bool {
    disk.exists(Path::new(dir))
}

#[test]
fn a_crash_at_any_step_leaves_the_checkpoint_whole_or_absent() {
    let (before, after, expected) = undisturbed();
    assert!(after - before > 25);
    let (mut whole, mut left) = (0, 0);
    for (step, fate) in (before..after).flat_map(|step| Fate::ALL.map(|fate| (step, fate))) {
        let what = format!("step {step} {fate:?}");
        let sim = SimDisk::with_seed(step);
        let mut db = fill(&(Arc::new(sim.clone()) as Arc<dyn Disk>), DIR).unwrap();
        sim.crash_at(step, fate);
        let made = db.checkpoint(TARGET);
        assert!(made.is_err() && sim.has_crashed(), "{what}");
        drop(db);
        let found = sim.after_crash();
        let disk: Arc<dyn Disk> = Arc::new(found.clone());
        if is_there(&found, TARGET) {
            whole += 1;
            let mut copy = open(&disk, TARGET);
            assert_eq!(copy.head(), expected, "{what}");
            go_on(&mut copy, 2);
        }
        left += usize::from(is_there(&found, UNFINISHED));
        // Before the first sync of a buffered log everything since may be lost.
        let mut db = open(&disk, DIR);
        if step > before + 3 {
            assert_eq!(db.head(), expected, "{what}");
        }
        verify(&db);
        // What the crash left is not in the way of another try.
        if !is_there(&found, TARGET) {
            let head = db.checkpoint(TARGET).unwrap();
            let lost: Arc<dyn Disk> = Arc::new(found.power_loss(Fate::Lost));
            assert_eq!(open(&lost, TARGET).head(), head, "{what}");
            assert!(!is_there(&found, UNFINISHED), "{what}");
        }
        go_on(&mut db, 3);
    }
    assert!(whole >= 1 && left >= 10, "{whole} {left}");
}

#[test]
fn an_error_at_any_step_leaves_no_checkpoint_and_a_writer_that_goes_on() {
    let (before, after, expected) = undisturbed();
    let (mut refused, mut poisoned, mut copied) = (0, 0, 0);
    for step in before..after {
        let what = format!("step {step}");
        let sim = SimDisk::with_seed(step);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let mut db = fill(&disk, DIR).unwrap();
        sim.fail_at(step);
        match db.checkpoint(TARGET) {
            // A link that is refused is a copy.
            Ok(head) => {
                copied += 1;
                assert_eq!(head, expected, "{what}");
                go_on(&mut open(&disk, TARGET), 2);
            }
            Err(Error::Checkpoint(error)) => {
                refused += 1;
                assert!(matches!(
                    error,
                    CheckpointError::Io { .. } | CheckpointError::Lock(_)
                ));
                assert!(!is_there(&sim, UNFINISHED), "{what}");
                // Only the last sync may fail when it has its name already.
                assert!(!is_there(&sim, TARGET) || step + 1 == after, "{what}");
                go_on(&mut db, 1);
            }
            Err(error) => {
                // The log could not be synced, so nothing was begun.
                poisoned += 1;
                assert!(matches!(error, Error::Journal(_)), "{what}: {error}");
                assert!(!is_there(&sim, "/backup"), "{what}");
                assert!(matches!(append(&mut db, 1, 1), Err(Error::Poisoned)));
            }
        }
    }
    assert!(
        refused >= 10 && poisoned >= 2 && copied >= 5,
        "{refused} {poisoned} {copied}"
    );
}

/// Appends blocks that write to 500 keys of the state, again and again.
fn append_state(db: &mut Db, blocks: u64) -> Result<(), Error> {
    for _ in 0..blocks {
        let number = db.view().blocks().map_or(0, |(_, last)| last + 1);
        let mut batch = StateBatch::new(TxNum(db.head().leaf_count));
        for i in 0..400 {
            let key = keccak256(((number * 37 + i * 3) % 500).to_be_bytes());
            let value = vec![number.to_le_bytes()[0]; 20 + (i as usize % 40)];
            batch.writes.push((key, Some(value)));
        }
        batch.sort();
        let (leaves, batches) = (leaves(0, number, 300), [batch]);
        db.append(&Block::new(number, &leaves).with_batches(&batches))?;
    }
    Ok(())
}

/// A database with a sealed state log, closed: one that began empty and was pruned, or one that
/// began with a snapshot of what was live.
fn state_disk(live: bool) -> SimDisk {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let source = if live { "/source" } else { DIR };
    let (dir, rule) = (Path::new(source), Compaction::new(1));
    let mut db =
        Db::create_compacting(Arc::clone(&disk), dir, identity(), rule, options()).unwrap();
    append_state(&mut db, 16).unwrap();
    if live {
        let (out, what) = (Path::new("/out"), StateExport::Live);
        let export = ExportOptions::default().with_state(what);
        let exported = db.export_snapshot_on(&*disk, out, &export).unwrap();
        db.close().unwrap();
        let names = exported.files.iter().map(|entry| entry.name.to_string());
        let files: Vec<_> = names.map(|name| out.join(name)).collect();
        let import = ImportOptions::default().with_open(options());
        let (dir, head) = (Path::new(DIR), &exported.head);
        db = Db::import_snapshot_on(Arc::clone(&disk), dir, &files, head, import).unwrap();
        append_state(&mut db, 8).unwrap();
    } else {
        db.prune_to(14).unwrap();
        assert!(db.pruned_entry_count() > 0);
    }
    db.close().unwrap();
    let kept = sim.power_loss(Fate::Kept);
    let has = |ending| {
        let files = kept.files().into_iter();
        let mut ours = files.filter(|path| path.starts_with(DIR) || path.starts_with("db"));
        ours.any(|path| path.extension().is_some_and(|found| found == ending))
    };
    assert!(has("qme") && has("qmk") && has(if live { "qml" } else { "qmx" }));
    kept
}

fn verify_state(db: &Db) {
    verify(db);
    let (view, head) = (db.view(), db.head());
    for number in [0u64, 77, 499, 10_000] {
        let key = keccak256(number.to_be_bytes());
        let found = view.get(&key).unwrap().is_some();
        assert_eq!(found, number < 500);
        let proof = view.prove_state(&key, None).unwrap();
        assert_eq!(proof.verify(&head, &key, None).unwrap().is_some(), found);
    }
    assert_eq!(view.get(&B256::repeat_byte(1)).unwrap(), None);
}

#[test]
fn a_state_log_has_checkpoints_whatever_it_began_with() {
    for live in [false, true] {
        let disk: Arc<dyn Disk> = Arc::new(state_disk(live));
        let mut db = open(&disk, DIR);
        let head = db.checkpoint(TARGET).unwrap();
        assert_eq!(head, db.head());
        let mut copy = open(&disk, TARGET);
        verify_state(&copy);
        append_state(&mut db, 8).unwrap();
        append_state(&mut copy, 8).unwrap();
        verify_state(&copy);
        assert_eq!(db.head(), copy.head());
    }
}

#[test]
fn a_crash_at_any_step_of_a_checkpoint_of_a_state_log_is_not_in_the_way_of_the_next() {
    for live in [false, true] {
        let base = state_disk(live);
        let start = || {
            let sim = base.power_loss(Fate::Kept);
            let db = open(&(Arc::new(sim.clone()) as Arc<dyn Disk>), DIR);
            (sim, db)
        };
        let (sim, mut db) = start();
        let before = sim.steps();
        let expected = db.checkpoint(TARGET).unwrap();
        let after = sim.steps();
        let mut left = 0;
        for step in before..after {
            let what = format!("{live} step {step}");
            // An error that leaves the writer as it is.
            let (sim, mut db) = start();
            sim.fail_at(step);
            if db.checkpoint(TARGET).is_err() {
                assert!(!is_there(&sim, UNFINISHED), "{what}");
                drop(db);
                let disk: Arc<dyn Disk> = Arc::new(sim.clone());
                if !is_there(&sim, TARGET) {
                    open(&disk, DIR).checkpoint(TARGET).unwrap();
                }
                assert_eq!(open(&disk, TARGET).head(), expected, "{what}");
            }
            for fate in Fate::ALL {
                let (sim, mut db) = start();
                sim.crash_at(step, fate);
                db.checkpoint(TARGET).unwrap_err();
                drop(db);
                let found = sim.after_crash();
                let disk: Arc<dyn Disk> = Arc::new(found.clone());
                left += usize::from(is_there(&found, UNFINISHED));
                if !is_there(&found, TARGET) {
                    let again = open(&disk, DIR).checkpoint(TARGET);
                    assert_eq!(again.unwrap(), expected, "{what} {fate:?}");
                }
                assert!(!is_there(&found, UNFINISHED), "{what} {fate:?}");
                let lost: Arc<dyn Disk> = Arc::new(found.power_loss(Fate::Lost));
                verify_state(&open(&lost, TARGET));
            }
        }
        assert!(left >= 20, "{left}");
    }
}

/// Room for so many bytes.
#[derive(Debug)]
struct Room(AtomicU64);

impl Hook for Room {
    fn before(&self, change: Change, _: &Path) -> io::Result<()> {
        match change {
            Change::Link => Err(io::ErrorKind::Unsupported.into()),
            _ => Ok(()),
        }
    }

    fn take_room(&self, len: usize) -> usize {
        let left = self.0.load(Ordering::SeqCst);
        let taken = left.min(len as u64);
        self.0.store(left - taken, Ordering::SeqCst);
        taken as usize
    }
}

#[test]
fn a_full_disk_ends_the_checkpoint_and_not_the_writer() {
    let (sim, room) = (SimDisk::new(), Arc::new(Room(AtomicU64::new(u64::MAX))));
    let disk: Arc<dyn Disk> = Arc::new(HookedDisk::new(sim.clone(), Arc::clone(&room)));
    let mut db = fill(&disk, DIR).unwrap();
    for left in [0, 100, 5000, 300_000] {
        db.sync().unwrap();
        room.0.store(left, Ordering::SeqCst);
        let full = db.checkpoint(TARGET).unwrap_err();
        let Error::Checkpoint(CheckpointError::Io { source, .. }) = full else {
            panic!("{full:?}")
        };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(!is_there(&sim, TARGET) && !is_there(&sim, UNFINISHED));
        room.0.store(u64::MAX, Ordering::SeqCst);
        go_on(&mut db, left);
    }
    let head = db.checkpoint(TARGET).unwrap();
    assert_eq!(open(&disk, TARGET).head(), head);
}

#[test]
fn what_is_there_is_never_touched() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut db = fill(&disk, DIR).unwrap();
    db.sync().unwrap();
    sim.set_content(Path::new("/mine/file"), b"mine".to_vec());
    sim.set_content(Path::new("/other.unfinished/notes"), b"mine".to_vec());
    sim.set_content(
        Path::new("/more.unfinished/journal/notes"),
        b"mine".to_vec(),
    );
    let before = (sim.files(), sim.steps());
    for target in [
        "/mine",
        "/mine/file",
        DIR,
        "/db/backup",
        "/db/journal/x",
        "/",
    ] {
        let refused = db.checkpoint(target).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "{target}: not a place for a checkpoint; \
                 name a folder that is not there yet, outside of the database"
            )
        );
        assert_eq!((sim.files(), sim.steps()), before, "{target}");
    }
    for (target, way) in [
        ("/other", "/other.unfinished/notes"),
        ("/more", "/more.unfinished/journal/notes"),
    ] {
        let refused = db.checkpoint(target).unwrap_err();
        let message = "in the way of a checkpoint that is made there first; move it away";
        assert_eq!(refused.to_string(), format!("{way}: {message}"));
        assert_eq!(sim.content(Path::new(way)).unwrap(), b"mine");
    }
    // Two at once to one target.
    disk.create_dir_all(Path::new(UNFINISHED)).unwrap();
    let lock = disk
        .lock(&Path::new(UNFINISHED).join("qmtree.lock"))
        .unwrap();
    let refused = db.checkpoint(TARGET).unwrap_err();
    assert!(
        matches!(refused, Error::Checkpoint(CheckpointError::Busy { .. })),
        "{refused}"
    );
    assert_eq!(
        refused.to_string(),
        "/backup/of/db: another checkpoint is being made to this place; \
         wait until it is done, or name another folder"
    );
    drop(lock);
    db.checkpoint(TARGET).unwrap();
    append(&mut db, 1, 10).unwrap();
}

/// Paths were compared as text: a checkpoint could be made in its own database.
#[cfg(unix)]
#[test]
fn no_checkpoint_is_made_in_its_own_database_however_it_is_named() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    // So that the database itself is found under two names.
    let root = folder.path().join("real");
    fs::create_dir(&root).unwrap();
    symlink(&root, folder.path().join("root")).unwrap();
    let place = |path: &str| folder.path().join(path);
    let real: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut db = fill(&real, place("real/db").to_str().unwrap()).unwrap();
    symlink(place("real/db"), place("link")).unwrap();
    symlink(place("real/db/segments"), place("segments")).unwrap();
    db.sync().unwrap();
    let files = |dir: &str| {
        let files = ["", "journal", "segments"].map(|sub| place(dir).join(sub));
        let names = files.iter().flat_map(|sub| fs::read_dir(sub).unwrap());
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    };
    let before = files("real/db");
    for target in [
        "real/db/copy",
        "real/db/journal/copy",
        "real/../real/db/copy",
        "real/./db/nowhere/../copy",
        "nowhere/../real/db/copy",
        "root/db/copy",
        "root/db/copy/",
        "link/copy",
        "link/journal/deep/copy",
        "segments/copy",
        "segments/../copy",
        "segments/..",
    ] {
        let refused = db.checkpoint(place(target)).unwrap_err();
        let is_refused = matches!(refused, Error::Checkpoint(CheckpointError::Target { .. }));
        assert!(is_refused, "{target}: {refused}");
        assert_eq!(files("real/db"), before, "{target}");
    }
    assert!(!place("nowhere").exists());
    // Nor is a database taken for what a crash left of its own checkpoint.
    drop(db);
    fs::create_dir(place("real/made")).unwrap();
    fs::rename(place("real/db"), place("real/made/db.unfinished")).unwrap();
    let mut db = Db::open_read_only(place("root/made/db.unfinished")).unwrap();
    let refused = db.checkpoint(place("real/made/db")).unwrap_err();
    let is_refused = matches!(refused, Error::Checkpoint(CheckpointError::Target { .. }));
    assert!(is_refused, "{refused}");
    assert_eq!(files("real/made/db.unfinished").len(), before.len());
    // Beside it is a good place.
    for target in ["real/../copy", "root/made/copy/", "new/folder/copy/."] {
        let head = db.checkpoint(place(target)).unwrap();
        let copy = place(target.trim_end_matches("/."));
        assert_eq!(Db::open_read_only(copy).unwrap().head(), head, "{target}");
    }
}

#[test]
fn an_empty_database_has_a_checkpoint_too() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let mut db = Db::create_on(Arc::clone(&disk), Path::new(DIR), identity(), options()).unwrap();
    assert_eq!(db.checkpoint(TARGET).unwrap(), db.head());
    let mut copy = open(&disk, TARGET);
    append(&mut copy, 1, 10).unwrap();
    append(&mut db, 2, 20).unwrap();
    assert_ne!(copy.head(), db.head());
}

#[test]
fn damage_is_not_copied() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut db = fill(&disk, DIR).unwrap();
    db.sync().unwrap();
    let journal = sim
        .files()
        .into_iter()
        .rfind(|path| path.extension().is_some_and(|e| e == "qmj"));
    sim.flip(&journal.unwrap(), 3000, 1);
    assert!(matches!(db.checkpoint(TARGET), Err(Error::Journal(_))));
    assert!(!is_there(&sim, TARGET) && !is_there(&sim, UNFINISHED));
}

#[test]
fn a_reader_makes_checkpoints_beside_a_writer() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let real: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut db = fill(&real, dir.to_str().unwrap()).unwrap();
    let stop = AtomicBool::new(false);
    let (heads, copies) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut heads = vec![db.head()];
            for branch in 0..3000 {
                heads.push(append(&mut db, branch, 100 + branch as usize % 700).unwrap());
                if branch % 7 == 0 {
                    heads.push(db.unwind_to(db.head().block_number - 1).unwrap());
                }
                if branch % 50 == 0 {
                    db.prune_to(db.head().block_number - 10).unwrap();
                }
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
            heads
        });
        let mut copies = Vec::new();
        let mut reader = Db::open_read_only(&dir).unwrap();
        for number in 0..20 {
            let target = folder.path().join(format!("copy{number}"));
            let head = reader.checkpoint(&target).unwrap();
            let copy = Db::open(&target, options()).unwrap();
            assert_eq!(copy.head(), head);
            verify(&copy);
            copies.push(head);
        }
        stop.store(true, Ordering::SeqCst);
        (writer.join().unwrap(), copies)
    });
    for head in &copies {
        assert!(heads.contains(head), "{head:?}");
    }
    assert!(copies.windows(2).any(|two| two[0] != two[1]));
    // Writing to them all did no harm.
    verify(&Db::open_read_only(&dir).unwrap());
}
