//! Readers beside the writer: every view answers for its own head whatever the writer does, no
//! reader waits for it, and the number of threads does not change what is stored.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::hooked::{Change, Hook, HookedDisk};
use common::{Rng, first_readable, identity, leaves};
use qmtree::proofs::{Head, TxNum};
use qmtree::{At, Db, Durability, Error, Options, Reader, View};
use qmtree_storage::{Disk, RealDisk};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than any wait in this file takes, however loaded the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Buffered)
        .with_unwind_window_blocks(2)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(200_000)
}

#[test]
fn views_and_readers_go_to_other_threads() {
    fn send_sync<T: Send + Sync + 'static>() {}
    fn send<T: Send + 'static>() {}
    send_sync::<View>();
    send_sync::<Reader>();
    send_sync::<Error>();
    send::<Db>();
}

/// A view that a reader holds on to.
#[derive(Debug)]
struct Pinned {
    view: View,
    /// The head when it was taken.
    head: Head,
    /// The first leaf that could be read then.
    readable_from: u64,
}

impl Pinned {
    fn new(view: View) -> Self {
        Self {
            head: *view.head(),
            readable_from: first_readable(&view),
            view,
        }
    }

    /// Whatever the writer has done since: the same head, and proofs for it.
    fn verify(&self, rng: &mut Rng) {
        let Self { view, head, .. } = self;
        assert_eq!(view.head(), head);
        let (from, n) = (self.readable_from, head.leaf_count);
        if from >= n {
            return;
        }
        for i in [from, from + rng.below(n - from), n - 1].map(TxNum) {
            view.witness(i, At::Head).unwrap().verify(head, i).unwrap();
            let to = TxNum((i.0 + 1 + rng.below(20)).min(n));
            let range = view.range_witness(i..to, At::Head).unwrap();
            range.verify(head, i, to).unwrap();
        }
        let (first, last) = view.blocks().unwrap();
        let old = view.head_at(first + rng.below(last + 1 - first)).unwrap();
        if old.leaf_count > from && old.leaf_count < n {
            let proof = view.prove_consistency(old.block_number, At::Head);
            proof.unwrap().verify(&old, head).unwrap();
            let i = TxNum(from + rng.below(old.leaf_count - from));
            let witness = view.witness(i, At::Block(old.block_number)).unwrap();
            witness.verify(&old, i).unwrap();
        }
    }
}

/// Takes views and holds some until it is told to stop; returns the heads that it saw.
fn read_until(stop: &AtomicBool, reader: &Reader, seed: u64) -> HashSet<Head> {
    let (mut rng, mut seen) = (Rng::new(seed), HashSet::new());
    let mut held: VecDeque<Pinned> = VecDeque::new();
    // Relaxed: the flag orders nothing; the threads are joined.
    while !stop.load(Ordering::Relaxed) || seen.len() < 3 {
        let pinned = Pinned::new(reader.view());
        seen.insert(pinned.head);
        // Some are held for long, some only for a moment.
        if held.len() == 8 {
            let place = rng.below(8) as usize;
            held.remove(place);
        }
        held.push_back(pinned);
        held.iter().for_each(|pinned| pinned.verify(&mut rng));
    }
    held.iter().for_each(|pinned| pinned.verify(&mut rng));
    seen
}

/// What a writer does in the tests of this file; `number` is that of the step.
fn write(db: &mut Db, rng: &mut Rng, number: u64) -> Head {
    let next = db.view().blocks().map_or(0, |(_, last)| last + 1);
    let back = 1 + rng.below(2);
    match rng.below(40) {
        0..=3 if next > back + 1 => match db.unwind_to(next - 1 - back) {
            Ok(head) => head,
            // Two unwinds in a row may go beyond the window.
            Err(Error::UnwindTooDeep { .. }) => db.head(),
            Err(error) => panic!("{error}"),
        },
        4 if next > 30 => {
            db.prune_to(next - 30).unwrap();
            db.head()
        }
        kind => {
            let count = match kind {
                5..=10 => 500 + rng.below(2500),
                11 => 0,
                _ => 1 + rng.below(60),
            };
            db.append_block(next, &leaves(number, next, count as usize))
                .unwrap()
        }
    }
}

#[test]
fn every_view_answers_for_its_own_head_while_the_writer_works() {
    const STEPS: u64 = 600;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(dir, identity(), options()).unwrap();
    let mut written = HashSet::from([db.head()]);
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let start = |seed| {
            let (reader, stop) = (db.reader(), &stop);
            scope.spawn(move || read_until(stop, &reader, seed))
        };
        let readers: Vec<_> = (0..8).map(start).collect();
        let mut rng = Rng::new(1);
        for number in 0..STEPS {
            written.insert(write(&mut db, &mut rng, number));
        }
        stop.store(true, Ordering::Relaxed);
        let seen = readers.into_iter().flat_map(|r| r.join().unwrap());
        seen.collect::<HashSet<_>>()
    });
    assert!(db.sealed_leaf_count() > 20 * 2048, "nothing was sealed");
    assert!(first_readable(&db.view()) > 0, "nothing was pruned");
    assert!(seen.len() > 20, "readers saw {} heads", seen.len());
    assert!(seen.is_subset(&written), "a head that no writer returned");
    db.check().unwrap();
    db.close().unwrap();
}

/// Stops the next sync of a file whose path has a given part, until it is let go.
#[derive(Debug)]
struct Gate {
    part: &'static str,
    closed: AtomicBool,
    arrived: Mutex<Sender<()>>,
    go: Mutex<Receiver<()>>,
}

impl Gate {
    /// The gate, what says that somebody stands before it, and what lets them go.
    fn new(part: &'static str) -> (Arc<Self>, Receiver<()>, Sender<()>) {
        let (arrived, arrivals) = mpsc::channel();
        let (let_go, go) = mpsc::channel();
        let gate = Self {
            part,
            closed: AtomicBool::new(false),
            arrived: Mutex::new(arrived),
            go: Mutex::new(go),
        };
        (Arc::new(gate), arrivals, let_go)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

impl Hook for Gate {
    fn before(&self, change: Change, path: &Path) -> io::Result<()> {
        let here = change == Change::Sync && path.to_str().unwrap().contains(self.part);
        if here && self.closed.swap(false, Ordering::SeqCst) {
            self.arrived.lock().unwrap().send(()).unwrap();
            let waited = self.go.lock().unwrap().recv_timeout(PATIENCE);
            waited.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

#[test]
fn a_reader_does_not_wait_for_a_commit_that_the_disk_holds_up() {
    for parallel in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (gate, arrivals, let_go) = Gate::new(".qmj");
        let disk = Arc::new(HookedDisk::new(RealDisk, Arc::clone(&gate)));
        let options = options()
            .with_durability(Durability::Immediate)
            .with_parallel(parallel);
        let dir = folder.path().join("db");
        let mut db = Db::create_on(disk, &dir, identity(), options).unwrap();
        let before = db.append_block(0, &leaves(0, 0, 3000)).unwrap();
        let reader = db.reader();
        // Both a commit and an unwind end with a sync.
        let append = |db: &mut Db| db.append_block(1, &leaves(0, 1, 700)).unwrap();
        let unwind = |db: &mut Db| db.unwind_to(0).unwrap();
        let operations: [&(dyn Fn(&mut Db) -> Head + Sync); 2] = [&append, &unwind];
        let mut before = before;
        for operation in operations {
            gate.close();
            let (after, db) = (&mut before.clone(), &mut db);
            std::thread::scope(|scope| {
                let writer = scope.spawn(move || operation(db));
                arrivals.recv_timeout(PATIENCE).unwrap();
                // The writer stands still until this thread, which is a reader, is done.
                let mut rng = Rng::new(3);
                for _ in 0..50 {
                    let pinned = Pinned::new(reader.view());
                    assert_eq!(pinned.head, before);
                    pinned.verify(&mut rng);
                }
                assert!(!writer.is_finished());
                let_go.send(()).unwrap();
                *after = writer.join().unwrap();
            });
            assert_ne!(*after, before);
            assert_eq!(reader.view().head(), after);
            before = *after;
        }
    }
}

#[test]
fn the_writer_goes_on_while_a_segment_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, arrivals, let_go) = Gate::new("segments");
    let disk = Arc::new(HookedDisk::new(RealDisk, Arc::clone(&gate)));
    let dir = folder.path().join("db");
    let mut db = Db::create_on(disk, &dir, identity(), options().with_parallel(true)).unwrap();
    gate.close();
    let mut rng = Rng::new(4);
    // Blocks 2 and 3 move leaves of block 0 out of the window; two more twigs may wait in memory.
    for block in 0..6 {
        let count = if block == 0 { 2500 } else { 200 };
        db.append_block(block, &leaves(0, block, count)).unwrap();
        Pinned::new(db.view()).verify(&mut rng);
    }
    arrivals.recv_timeout(PATIENCE).unwrap();
    assert_eq!(db.sealed_leaf_count(), 0);
    let during = Pinned::new(db.view());
    let_go.send(()).unwrap();
    while db.sealed_leaf_count() == 0 {
        let next = db.head().block_number + 1;
        db.append_block(next, &leaves(0, next, 1)).unwrap();
    }
    assert_eq!(db.sealed_leaf_count(), 2048);
    during.verify(&mut rng);
    Pinned::new(db.view()).verify(&mut rng);
    db.close().unwrap();
}

#[test]
fn the_lock_is_held_as_long_as_a_segment_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, arrivals, let_go) = Gate::new("segments");
    let disk = Arc::new(HookedDisk::new(RealDisk, Arc::clone(&gate)));
    let dir = folder.path().join("db");
    let mut db = Db::create_on(disk, &dir, identity(), options().with_parallel(true)).unwrap();
    gate.close();
    for (block, count) in [(0, 2500), (1, 1), (2, 1)] {
        db.append_block(block, &leaves(0, block, count)).unwrap();
    }
    let head = db.head();
    arrivals.recv_timeout(PATIENCE).unwrap();
    // Dropped without being closed, while a thread of its own still writes in the folder.
    let dropped = std::thread::spawn(move || drop(db));
    std::thread::sleep(Duration::from_millis(100));
    let second = Db::open(&dir, options());
    assert!(matches!(second, Err(Error::Lock(_))), "{second:?}");
    let_go.send(()).unwrap();
    dropped.join().unwrap();
    let db = Db::open(&dir, options()).unwrap();
    assert_eq!((db.head(), db.sealed_leaf_count()), (head, 2048));
    db.check().unwrap();
}

/// All files below a folder but the lock, by name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["journal", "segments", "."] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_str().unwrap();
                let name = format!("{folder}/{name}");
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

/// Records by number, from docs/FORMAT.md, section 6.2.
fn records(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<u64, Vec<u8>> {
    let mut records = BTreeMap::new();
    let u64_at = |bytes: &[u8], at| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    for (name, bytes) in files {
        if !name.ends_with(".qmj") {
            continue;
        }
        let mut rest = &bytes[256..];
        while !rest.is_empty() {
            let (record, after) = rest.split_at(48 + u64_at(rest, 24) as usize);
            records.insert(u64_at(record, 8), record.to_vec());
            rest = after;
        }
    }
    records
}

/// Blocks small and large, unwinds within the window, and empty blocks at twig ends.
fn same_script(db: &mut Db) {
    let mut rng = Rng::new(5);
    for number in 0..120u64 {
        let next = db.view().blocks().map_or(0, |(_, last)| last + 1);
        if number % 17 == 16 {
            db.unwind_to(next - 3).unwrap();
            continue;
        }
        let count = match rng.below(8) {
            0 => 500 + rng.below(3000),
            1 => 2048 - db.head().leaf_count % 2048,
            2 | 3 => 0,
            _ => 1 + rng.below(300),
        };
        db.append_block(next, &leaves(number, next, count as usize))
            .unwrap();
        if number == 60 {
            db.prune_to(20).unwrap();
        }
    }
}

fn run_same_script(journal_file_len_bytes: u64, parallel: bool) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let options = options()
        .with_durability(Durability::Immediate)
        .with_journal_file_len_bytes(journal_file_len_bytes)
        .with_parallel(parallel);
    // Journal files that are made twice differ in their salts only.
    let disk: Arc<dyn Disk> = Arc::new(HookedDisk::new(RealDisk, Arc::new(())));
    let mut db = Db::create_on(Arc::clone(&disk), &dir, identity(), options.clone()).unwrap();
    same_script(&mut db);
    db.close().unwrap();
    // One thread seals at once, the other behind the writer: let both catch up.
    let mut db = Db::open_on(disk, &dir, options.with_parallel(false)).unwrap();
    let next = db.head().block_number + 1;
    db.append_block(next, &leaves(0, next, 1)).unwrap();
    db.close().unwrap();
    files(&dir)
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let one = run_same_script(u64::MAX, false);
    let many = run_same_script(u64::MAX, true);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&many));
    assert!(one.len() > 10);
    for (name, bytes) in &one {
        assert!(many[name] == *bytes, "{name} differs");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_record_or_a_segment_of_a_journal_of_many_files() {
    let one = run_same_script(100_000, false);
    let many = run_same_script(100_000, true);
    let segments = |files: &BTreeMap<String, Vec<u8>>| {
        let segments = files.iter().filter(|(name, _)| name.contains(".qm"));
        let segments = segments.filter(|(name, _)| !name.ends_with(".qmj"));
        segments.map(|(n, b)| (n.clone(), b.clone())).collect()
    };
    let (a, b): (Vec<_>, Vec<_>) = (segments(&one), segments(&many));
    assert!(a.len() > 10 && a == b);
    // A segment is finished sooner or later, and where the journal starts a new file follows from
    // that; what is in the files does not.
    let (one, many) = (records(&one), records(&many));
    let (last, same_last) = (one.keys().last(), many.keys().last());
    assert_eq!(last, same_last);
    let mut shared = 0;
    for (number, record) in &one {
        if let Some(other) = many.get(number) {
            assert!(record == other, "record {number} differs");
            shared += 1;
        }
    }
    assert!(shared > 0);
}
