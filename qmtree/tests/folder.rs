//! Folders as people leave them: in use, not empty, read-only, full; a second process beside the
//! writer; and the same log in the same files whichever way it came about.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test that fails may panic, and its own files need not be durable"
)]

mod common;

use common::hooked::{Change, Hook, HookedDisk};
use common::{Rng, identity, leaves};
use qmtree::proofs::{Head, TxNum};
use qmtree::{At, Db, Durability, Error, Options};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{Disk, HeaderError, LockError, RealDisk};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CHILD_DIR: &str = "QMTREE_FOLDER_CHILD_DIR";
const CHILD_TASK: &str = "QMTREE_FOLDER_CHILD_TASK";
/// How often the second process opens the database, at least.
const CHILD_OPENS: usize = 300;
/// Longer than any wait in this file takes, however loaded the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options::default()
        .with_unwind_window_blocks(2)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(150_000)
}

fn append(db: &mut Db, branch: u64, count: usize) -> Result<Head, Error> {
    let next = db.view().blocks().map_or(0, |(_, last)| last + 1);
    db.append_block(next, &leaves(branch, next, count))
}

/// Checks a database and proves some of its leaves.
fn verify(db: &Db) {
    db.check().unwrap();
    let (view, head) = (db.view(), db.head());
    for i in [0, head.leaf_count / 2, head.leaf_count.saturating_sub(1)].map(TxNum) {
        if i.0 < head.leaf_count {
            let witness = view.witness(i, At::Head).unwrap();
            witness.verify(&head, i).unwrap();
        }
    }
}

/// Every file below a folder.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

/// Not a test by itself: what a second process does.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD_DIR) else {
        return;
    };
    match std::env::var(CHILD_TASK).unwrap().as_str() {
        "write" => match Db::open(&dir, options()) {
            Ok(_) => println!("\n@opened"),
            Err(error) => println!("\n@{error}"),
        },
        "read" => {
            let (stop, start) = (stop_file(Path::new(&dir)), Instant::now());
            for number in 0.. {
                if stop.exists() || start.elapsed() > PATIENCE {
                    break;
                }
                let db = Db::open_read_only(&dir).unwrap();
                if number % 10 == 0 {
                    verify(&db);
                }
                println!("\n@{}", as_line(&db.head()));
            }
        }
        task => panic!("{task}"),
    }
}

/// The file that ends a child that reads.
fn stop_file(dir: &Path) -> PathBuf {
    dir.with_extension("stop")
}

fn start_child(dir: &Path, task: &str, out: fs::File) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .env(CHILD_TASK, task)
        .stdout(Stdio::from(out))
        .spawn()
        .unwrap()
}

/// What the child said, without what the test runner says.
fn said(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix('@'));
    lines.map(str::to_owned).collect()
}

fn as_line(head: &Head) -> String {
    format!("{} {} {}", head.block_number, head.leaf_count, head.root)
}

#[test]
fn a_second_writer_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(), options()).unwrap();
    let head = append(&mut db, 0, 5000).unwrap();
    let before = files(&dir);
    let message = format!(
        "{}: another writer has this database open; close it, or open read-only",
        dir.join("qmtree.lock").display()
    );
    let refused = Db::open(&dir, options()).unwrap_err();
    assert!(matches!(refused, Error::Lock(LockError::Held { .. })));
    assert_eq!(refused.to_string(), message);
    let out = folder.path().join("out");
    let mut child = start_child(&dir, "write", fs::File::create(&out).unwrap());
    assert!(child.wait().unwrap().success());
    assert_eq!(said(&out), [message]);
    assert!(files(&dir) == before, "the refused writers changed files");
    let reader = Db::open_read_only(&dir).unwrap();
    assert_eq!(reader.head(), head);
    let head = append(&mut db, 0, 5000).unwrap();
    verify(&db);
    db.close().unwrap();
    let db = Db::open(&dir, options()).unwrap();
    assert_eq!(db.head(), head);
    // The lock goes with the database, closed or dropped.
    drop(db);
    Db::open(&dir, options()).unwrap();
}

#[test]
fn a_database_is_not_created_where_something_is() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, file) = (folder.path().join("db"), folder.path().join("file"));
    fs::write(&file, "mine").unwrap();
    let create = |dir: &Path| Db::create(dir, identity(), options());
    let mut db = create(&dir).unwrap();
    let head = append(&mut db, 0, 10).unwrap();
    drop(db);
    let before = files(folder.path());
    // In a folder with something in it, over a database, in the place of a file, below a file.
    for place in [folder.path(), &dir, &file, &file.join("db")] {
        let refused = create(place).unwrap_err();
        assert!(matches!(refused, Error::NotEmpty { .. }), "{refused:?}");
        let message = format!(
            "{}: not an empty folder; create a database in a new one",
            place.display()
        );
        assert_eq!(refused.to_string(), message);
        assert!(files(folder.path()) == before);
    }
    assert_eq!(Db::open(&dir, options()).unwrap().head(), head);
    // An empty folder, and one whose parents are missing, will do.
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    create(&empty).unwrap();
    create(&folder.path().join("a/b/c")).unwrap();
}

#[test]
fn where_there_is_no_database_none_is_opened_or_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for place in [folder.path(), &folder.path().join("nowhere"), &file] {
        let refused = [
            Db::open(place, options()).unwrap_err(),
            Db::open_read_only(place).unwrap_err(),
        ];
        for refused in refused {
            let is_named = matches!(refused, Error::Header(HeaderError::NoDatabase { .. }));
            assert!(is_named, "{refused:?}");
            let message = format!("{}: no database here: ", place.display());
            assert!(refused.to_string().starts_with(&message), "{refused}");
        }
    }
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_folder_in_the_place_of_a_segment_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(), options()).unwrap();
    for _ in 0..6 {
        append(&mut db, 0, 1500).unwrap();
    }
    db.close().unwrap();
    let segment = dir.join("segments/0000000000000000-0000000000000001.qms");
    fs::remove_file(&segment).unwrap();
    fs::create_dir(&segment).unwrap();
    let refused = Db::open(&dir, options()).unwrap_err();
    let message = format!("{}: cannot map", segment.display());
    assert_eq!(refused.to_string(), message);
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert_eq!(
        source,
        "not a regular file; move it away, and restore the file from a copy"
    );
}

/// A disk that nothing can be written to.
#[derive(Debug)]
struct WriteProtected;

impl Hook for WriteProtected {
    fn before(&self, _: Change, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

#[test]
fn a_write_protected_database_is_read_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(), options()).unwrap();
    let head = append(&mut db, 0, 5000).unwrap();
    drop(db);
    let before = files(folder.path());
    let disk = Arc::new(HookedDisk::new(RealDisk, Arc::new(WriteProtected)));
    let refused = Db::open_on(disk.clone(), &dir, options()).unwrap_err();
    let message = format!(
        "{}: cannot take the lock",
        dir.join("qmtree.lock").display()
    );
    assert_eq!(refused.to_string(), message);
    let new = folder.path().join("new");
    let refused = Db::create_on(disk, &new, identity(), options()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{}: cannot create", new.display())
    );
    assert!(files(folder.path()) == before && !new.exists());
    let db = Db::open_read_only(&dir).unwrap();
    assert_eq!(db.head(), head);
    verify(&db);
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_to_write_is_read_and_not_written() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(), options()).unwrap();
    let head = append(&mut db, 0, 5000).unwrap();
    drop(db);
    fs::remove_file(dir.join("qmtree.lock")).unwrap();
    let before = files(&dir);
    let allow = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    if fs::File::create(dir.join("probe")).is_ok() {
        eprintln!("SKIPPED: permissions do not bind this user; run the tests as another than root");
        return;
    }
    let refused = Db::open(&dir, options()).unwrap_err();
    assert!(
        matches!(refused, Error::Lock(LockError::Io { .. })),
        "{refused}"
    );
    let db = Db::open_read_only(&dir).unwrap();
    assert_eq!(db.head(), head);
    verify(&db);
    assert!(files(&dir) == before);
    allow(0o755);
    assert_eq!(Db::open(&dir, options()).unwrap().head(), head);
}

/// A disk of limited room. What does not fit is written as far as it does.
#[derive(Debug)]
struct Room {
    left: AtomicU64,
    /// Bytes written so far, before each append.
    appends: Mutex<Vec<u64>>,
}

impl Room {
    fn new(left: u64) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicU64::new(left),
            appends: Mutex::default(),
        })
    }

    fn free(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
    }
}

impl Hook for Room {
    fn before(&self, _: Change, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn take_room(&self, len: usize) -> usize {
        let left = self.left.load(Ordering::SeqCst);
        let taken = left.min(len as u64);
        self.left.store(left - taken, Ordering::SeqCst);
        self.appends.lock().unwrap().push(u64::MAX - left);
        taken as usize
    }
}

/// Commits, seals, unwinds and prunes until the end or the first error.
fn script(disk: Arc<dyn Disk>, db: &mut Option<Db>, heads: &mut Vec<Head>) -> Result<(), Error> {
    let options = options()
        .with_unwind_window_blocks(1)
        .with_parallel(false)
        .with_durability(Durability::Immediate);
    let db = db.insert(Db::create_on(disk, Path::new("/db"), identity(), options)?);
    heads.push(db.head());
    for (count, branch) in [900, 900, 900, 0, 700, 2500, 10, 2100, 5]
        .into_iter()
        .zip(0..)
    {
        heads.push(append(db, branch, count)?);
        if branch == 4 {
            heads.push(db.unwind_to(3)?);
        }
        if branch == 6 {
            db.prune_to(3)?;
        }
    }
    Ok(())
}

fn is_disk_full(error: &Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::StorageFull;
        }
        cause = error.source();
    }
    false
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    let room = Room::new(u64::MAX);
    let mut all = Vec::new();
    let disk = HookedDisk::new(SimDisk::new(), Arc::clone(&room));
    script(Arc::new(disk), &mut None, &mut all).unwrap();
    let starts = room.appends.lock().unwrap().clone();
    assert!(starts.len() > 30);
    let mut rng = Rng::new(6);
    let end = u64::MAX - room.left.load(Ordering::SeqCst);
    // Full before, in the middle of and just before the end of each append.
    let budgets = starts.iter().zip(starts.iter().skip(1).chain([&end]));
    for (start, end) in budgets.filter(|(start, end)| start < end) {
        for budget in [*start, start + rng.below(end - start), end - 1] {
            let sim = SimDisk::new();
            fill(&sim, budget, &all);
        }
    }
}

fn fill(sim: &SimDisk, budget: u64, all: &[Head]) {
    let room = Room::new(budget);
    let disk: Arc<dyn Disk> = Arc::new(HookedDisk::new(sim.clone(), Arc::clone(&room)));
    let (mut promised, dir) = (Vec::new(), Path::new("/db"));
    let mut db = None;
    let error = script(Arc::clone(&disk), &mut db, &mut promised).unwrap_err();
    assert!(is_disk_full(&error), "{budget}: {error:?}");
    let Some(mut db) = db else {
        // Nothing was promised. With room it is created after all.
        room.free();
        Db::create_on(disk, dir, identity(), options()).unwrap();
        return;
    };
    let last = *promised.last().unwrap();
    assert!(matches!(append(&mut db, 9, 1), Err(Error::Poisoned)));
    assert!(matches!(db.unwind_to(0), Err(Error::Poisoned)));
    assert_eq!(
        db.head(),
        last,
        "{budget}: readers see what was acknowledged"
    );
    verify_unpruned(&db);
    assert!(matches!(db.close(), Err(Error::Poisoned)));
    // It opens although the disk is still full, and what was in flight is there or not.
    let db = Db::open_on(Arc::clone(&disk), dir, options()).unwrap();
    let head = db.head();
    let next = all.get(promised.len());
    assert!(head == last || Some(&head) == next, "{budget}: {head:?}");
    verify_unpruned(&db);
    drop(db);
    room.free();
    let mut db = Db::open_on(Arc::clone(&disk), dir, options()).unwrap();
    assert_eq!(db.head(), head);
    let grown = append(&mut db, 9, 3000).unwrap();
    db.close().unwrap();
    let db = Db::open_on(disk, dir, options()).unwrap();
    assert_eq!(db.head(), grown);
    verify_unpruned(&db);
}

/// As `verify`, from the first leaf that is not pruned.
fn verify_unpruned(db: &Db) {
    db.check().unwrap();
    let (view, head) = (db.view(), db.head());
    let from = common::first_readable(&view);
    for i in [from, (from + head.leaf_count) / 2].map(TxNum) {
        if i.0 < head.leaf_count {
            let witness = view.witness(i, At::Head).unwrap();
            witness.verify(&head, i).unwrap();
        }
    }
}

#[test]
fn a_second_process_reads_known_heads_while_the_writer_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, out) = (folder.path().join("db"), folder.path().join("out"));
    let mut db = Db::create(&dir, identity(), options()).unwrap();
    let mut known = HashSet::from([as_line(&db.head())]);
    let mut child = start_child(&dir, "read", fs::File::create(&out).unwrap());
    let (mut rng, start) = (Rng::new(7), Instant::now());
    for number in 0.. {
        if number % 100 == 0 && number >= 1000 && said(&out).len() >= CHILD_OPENS {
            break;
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "the reader failed: {ended:?}");
        assert!(start.elapsed() < PATIENCE, "the reader is stuck");
        let last = db.head().block_number;
        let head = match rng.below(10) {
            0 if last > 2 => match db.unwind_to(last - 1) {
                Ok(head) => head,
                Err(Error::UnwindTooDeep { .. }) => db.head(),
                Err(error) => panic!("{error}"),
            },
            1 => append(&mut db, number, 1000).unwrap(),
            _ => append(&mut db, number, rng.below(50) as usize).unwrap(),
        };
        known.insert(as_line(&head));
        // Slow enough for the reader to see many heads of a database that stays small.
        std::thread::sleep(Duration::from_micros(300));
    }
    fs::write(stop_file(&dir), "").unwrap();
    let status = child.wait().unwrap();
    let said = said(&out);
    assert!(status.success(), "{:?}", said.last());
    let seen: HashSet<_> = said.iter().cloned().collect();
    assert!(
        seen.len() > 5,
        "saw {} of {} heads",
        seen.len(),
        known.len()
    );
    assert!(
        seen.is_subset(&known),
        "unknown: {:?}",
        seen.difference(&known)
    );
    assert!(db.sealed_leaf_count() > 0);
    verify(&db);
}

#[test]
fn a_database_that_is_opened_for_every_block_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (at_once, by_one) = (folder.path().join("a"), folder.path().join("b"));
    let counts = [5, 0, 2043, 1, 0, 700, 3000, 0, 2, 4096, 1, 600, 1, 2, 3];
    let options = options().with_parallel(false);
    // Journal files that are made twice differ in their salts only.
    let disk: Arc<dyn Disk> = Arc::new(HookedDisk::new(RealDisk, Arc::new(())));
    let create = |dir| Db::create_on(Arc::clone(&disk), dir, identity(), options.clone()).unwrap();
    let mut db = create(&at_once);
    drop(create(&by_one));
    for (count, block) in counts.into_iter().zip(0..) {
        let head = append(&mut db, 0, count).unwrap();
        // Dropped: closing would add a record each time. Only the last one closes, as the other does.
        let mut again = Db::open_on(Arc::clone(&disk), &by_one, options.clone()).unwrap();
        assert_eq!(append(&mut again, 0, count).unwrap(), head);
        if block + 1 == counts.len() as u64 {
            again.close().unwrap();
        }
        verify(&Db::open_read_only(&by_one).unwrap());
    }
    db.close().unwrap();
    let relative = |dir: &Path| {
        let files = files(dir).into_iter();
        files
            .map(|(path, bytes)| (path.strip_prefix(dir).unwrap().to_path_buf(), bytes))
            .collect::<BTreeMap<_, _>>()
    };
    assert!(relative(&at_once) == relative(&by_one));
}

#[test]
fn a_log_that_was_unwound_has_the_segments_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    for parallel in [false, true] {
        let options = options().with_parallel(parallel);
        let name = |kind: &str| folder.path().join(format!("{kind}-{parallel}"));
        let (straight, unwound) = (name("straight"), name("unwound"));
        let mut db = Db::create(&straight, identity(), options.clone()).unwrap();
        let mut other = Db::create(&unwound, identity(), options.clone()).unwrap();
        for block in 0..40u64 {
            let count = [1300, 2, 0, 2049, 17][block as usize % 5];
            let head = append(&mut db, 0, count).unwrap();
            if block % 7 == 3 {
                // A branch of two blocks, of other sizes, that is given up.
                let before = other.head();
                append(&mut other, 1, 1000).unwrap();
                append(&mut other, 1, 2500).unwrap();
                assert_eq!(other.unwind_to(block - 1).unwrap(), before);
            }
            assert_eq!(append(&mut other, 0, count).unwrap(), head);
        }
        // What was sealed behind the writer, and what is due, comes on one thread now.
        for (db, dir) in [(db, &straight), (other, &unwound)] {
            db.close().unwrap();
            let mut db = Db::open(dir, options.clone().with_parallel(false)).unwrap();
            append(&mut db, 0, 1).unwrap();
            db.close().unwrap();
        }
        let segments = |dir: &Path| {
            let files = files(&dir.join("segments")).into_iter();
            files
                .map(|(path, bytes)| (path.file_name().unwrap().to_owned(), bytes))
                .collect::<BTreeMap<_, _>>()
        };
        let (a, b) = (segments(&straight), segments(&unwound));
        assert!(a.len() > 5 && a == b);
    }
}
