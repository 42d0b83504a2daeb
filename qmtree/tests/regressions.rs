//! Bugs that the engine once had, each held by a test.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::hooked::{Change, Hook, HookedDisk};
use common::{identity, leaves};
use qmtree::{Db, Durability, Error, Options};
use qmtree_storage::SegmentError;
use qmtree_storage::sim::SimDisk;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

fn options() -> Options {
    Options::default()
        .with_unwind_window_blocks(1)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(1000)
        .with_parallel(false)
}

fn create(sim: &SimDisk, options: Options) -> Db {
    Db::create_on(Arc::new(sim.clone()), Path::new("/db"), identity(), options).unwrap()
}

/// `create` in a folder whose qmtree.db was lost deleted the journal.
#[test]
fn a_database_that_lost_its_header_is_not_wiped_by_create() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("db");
    let mut db = Db::create(&dir, identity(), options()).unwrap();
    db.append_block(0, &leaves(0, 0, 1000)).unwrap();
    db.close().unwrap();
    let journal = dir.join("journal/0000000000000000.qmj");
    let before = std::fs::read(&journal).unwrap();
    std::fs::remove_file(dir.join("qmtree.db")).unwrap();
    let created = Db::create(&dir, identity(), options());
    assert!(
        matches!(created, Err(Error::NotEmpty { .. })),
        "{created:?}"
    );
    assert!(std::fs::read(&journal).unwrap() == before);
}

/// Appending a block with the highest number panicked after it was committed.
#[test]
fn the_last_block_number_there_is_does_not_panic() {
    let mut db = create(&SimDisk::new(), options());
    let first = db.append_block(u64::MAX, &leaves(0, 0, 3));
    if first.is_ok() {
        assert_eq!(db.view().blocks(), Some((u64::MAX, u64::MAX)));
        db.append_block(u64::MAX, &leaves(0, 0, 3)).unwrap();
    }
}

/// The same block again, once pruned, was called a conflict: "in the log with other leaves".
#[test]
fn a_pruned_block_that_is_appended_again_is_no_conflict() {
    let mut db = create(&SimDisk::new(), options());
    for block in 0..10 {
        db.append_block(block, &leaves(0, block, 1000)).unwrap();
    }
    let head = db.append_block(0, &leaves(0, 0, 1000)).unwrap();
    assert_eq!(db.prune_to(9).unwrap(), 4);
    match db.append_block(0, &leaves(0, 0, 1000)) {
        Ok(again) => assert_eq!(again, head),
        Err(Error::Segment(SegmentError::Pruned { .. })) => {}
        Err(error) => panic!("{error}"),
    }
}

#[derive(Debug)]
struct Gate(Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>);

impl Hook for Gate {
    fn before(&self, change: Change, path: &Path) -> io::Result<()> {
        if change == Change::Sync && path.to_str().unwrap().contains("segments") {
            let gate = self.0.lock().unwrap().take();
            if let Some((arrived, go)) = gate {
                arrived.send(()).unwrap();
                go.recv_timeout(Duration::from_secs(60)).unwrap();
            }
        }
        Ok(())
    }
}

fn files(durability: Durability, file_len: u64, parallel: bool) -> BTreeMap<PathBuf, usize> {
    let sim = SimDisk::new();
    let options = options()
        .with_durability(durability)
        .with_journal_file_len_bytes(file_len)
        .with_parallel(parallel);
    let mut db = create(&sim, options);
    for block in 0..60 {
        db.append_block(block, &leaves(0, block, 700)).unwrap();
    }
    db.close().unwrap();
    let files = sim.files().into_iter();
    let sum = |bytes: Vec<u8>| {
        bytes
            .iter()
            .fold(bytes.len(), |a, b| a.wrapping_mul(31) + *b as usize)
    };
    files
        .map(|path| (path.clone(), sum(sim.content(&path).unwrap()) % 1_000_003))
        .collect()
}

/// Thread count decided which segments were there after close (a), the `durable` field of records
/// under Buffered (b), and where journal files began and which were left (c).
#[test]
fn thread_count_a_which_segments() {
    let run = |parallel| {
        let mut files = files(Durability::Immediate, u64::MAX, parallel);
        files.retain(|path, _| path.starts_with("db/segments"));
        files.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn thread_count_b_buffered_records() {
    let run = |parallel| {
        let mut files = files(Durability::Buffered, u64::MAX, parallel);
        files.retain(|path, _| path.starts_with("db/journal"));
        files
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn thread_count_c_journal_files() {
    let run = |parallel| {
        let mut files = files(Durability::Immediate, 100_000, parallel);
        files.retain(|path, _| path.starts_with("db/journal"));
        files
    };
    assert_eq!(run(false), run(true));
}

/// On two threads at most one segment was sealed per append, so that blocks larger than a segment
/// piled up in memory and in the journal without bound.
#[test]
fn sealing_keeps_up_with_blocks_larger_than_segments() {
    let mut db = create(&SimDisk::new(), options().with_parallel(true));
    for block in 0..30 {
        db.append_block(block, &leaves(0, block, 10_000)).unwrap();
    }
    let unsealed = db.head().leaf_count - db.sealed_leaf_count();
    db.close().unwrap();
    assert!(unsealed < 60_000, "{unsealed} leaves in memory");
}

/// What cannot be looked at was called "not an empty folder".
#[test]
fn a_header_that_cannot_be_read_is_not_called_a_full_folder() {
    #[derive(Debug)]
    struct Free;
    impl Hook for Free {
        fn before(&self, _: Change, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    // A link to itself: the system refuses to look (ELOOP), as it would without permission.
    let dir = folder.path().join("db");
    std::os::unix::fs::symlink(&dir, &dir).unwrap();
    let _unused = Free;
    let refused = Db::create(&dir, identity(), options()).unwrap_err();
    assert!(!matches!(refused, Error::NotEmpty { .. }), "{refused}");
}

/// A block that a segment lists cannot be unwound to: the segment would go on listing those after
/// it. The database could not be opened again, or answered for blocks that were gone.
#[test]
fn blocks_that_a_segment_lists_stay() {
    let sim = SimDisk::new();
    let options = || options().with_unwind_window_blocks(0);
    let mut db = create(&sim, options());
    for (block, count) in [(0, 2048), (1, 0), (2, 0), (3, 1)] {
        db.append_block(block, &leaves(0, block, count)).unwrap();
    }
    for block in 0..3 {
        let refused = db.unwind_to(block);
        assert!(
            matches!(refused, Err(Error::UnwindTooDeep { earliest: 3, .. })),
            "{refused:?}"
        );
    }
    for block in 4..9 {
        db.append_block(block, &leaves(1, block, 1500)).unwrap();
    }
    let head = db.head();
    db.close().unwrap();
    let db = Db::open_on(Arc::new(sim), Path::new("/db"), options()).unwrap();
    assert_eq!(db.head(), head);
    db.check().unwrap();
}

/// A commit waited for rayon's global pool, and in a pool of one that was itself.
#[test]
fn a_commit_inside_a_pool_of_one_thread_ends() {
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let mut db = create(&SimDisk::new(), options().with_parallel(true));
        pool.install(|| db.append_block(0, &leaves(0, 0, 5000)).unwrap());
        done.send(db.head().leaf_count).unwrap();
    });
    assert_eq!(finished.recv_timeout(Duration::from_secs(60)), Ok(5000));
}

/// A flipped bit anywhere in the journal of a closed database cut off every block since the last
/// sync, in silence.
#[test]
fn damage_of_a_closed_database_is_no_crash() {
    for durability in [Durability::Immediate, Durability::Buffered] {
        let sim = SimDisk::new();
        let options = || Options::default().with_durability(durability);
        let mut db = create(&sim, options());
        for block in 0..20 {
            db.append_block(block, &leaves(0, block, 3)).unwrap();
        }
        let head = db.head();
        db.close().unwrap();
        let path = Path::new("/db/journal/0000000000000000.qmj");
        let bytes = sim.content(path).unwrap();
        let last_block_ends = bytes.len() - (40 + 131 + 8);
        for at in (256..last_block_ends)
            .step_by(101)
            .chain([last_block_ends - 9])
        {
            let damaged = sim.power_loss(qmtree_storage::sim::Fate::Kept);
            damaged.flip(path, at, 0x10);
            let opened = Db::open_on(Arc::new(damaged), Path::new("/db"), options());
            assert!(
                matches!(opened, Err(Error::Journal(_))),
                "{durability:?} byte {at}"
            );
        }
        // The record that says so is itself no loss, and opening and closing adds no other.
        let open = |sim: &SimDisk| Db::open_on(Arc::new(sim.clone()), Path::new("/db"), options());
        open(&sim).unwrap().close().unwrap();
        assert_eq!(sim.content(path).unwrap(), bytes);
        sim.flip(path, bytes.len() - 50, 0x10);
        assert_eq!(open(&sim).unwrap().head(), head);
    }
}

/// A journal of which nothing can be sealed yet grew in one file without end.
#[test]
fn the_journal_starts_a_new_file_by_its_length_also_where_nothing_is_sealed() {
    let sim = SimDisk::new();
    let options = Options::default()
        .with_durability(qmtree::Durability::Buffered)
        .with_unwind_window_blocks(1_000_000)
        .with_journal_file_len_bytes(20_000);
    let mut db = create(&sim, options.clone());
    for block in 0..100 {
        db.append_block(block, &leaves(0, block, 10)).unwrap();
        if block % 10 == 9 {
            db.unwind_to(block - 1).unwrap();
            db.append_block(block, &leaves(1, block, 10)).unwrap();
        }
    }
    let head = db.head();
    assert_eq!(db.sealed_leaf_count(), 0);
    let lens: Vec<_> = sim
        .files()
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "qmj"))
        .map(|path| sim.content(path).unwrap().len())
        .collect();
    assert!(lens.len() > 5, "{lens:?}");
    assert!(lens.iter().all(|len| *len < 20_000 + 1500), "{lens:?}");
    drop(db);
    let mut db = Db::open_on(Arc::new(sim), Path::new("/db"), options).unwrap();
    assert_eq!(db.head(), head);
    db.unwind_to(0).unwrap();
    db.check().unwrap();
}

/// A disk that makes no segments.
#[derive(Debug, Default)]
struct NoSegments;

impl Hook for NoSegments {
    fn before(&self, change: Change, path: &Path) -> std::io::Result<()> {
        let is_segment = path.to_str().unwrap().ends_with(".qms.tmp");
        if is_segment && change == Change::Rename {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// That a segment could not be written came to light when the next one was due.
#[test]
fn a_segment_that_could_not_be_written_is_known_at_the_next_operation() {
    type Operation = fn(&mut Db) -> Result<(), Error>;
    let operations: [Operation; 3] = [
        Db::sync,
        |db| db.append_block(9, &leaves(0, 9, 1)).map(drop),
        |db| db.unwind_to(8).map(drop),
    ];
    for operation in operations {
        let disk = HookedDisk::new(SimDisk::new(), Arc::new(NoSegments));
        let options = options().with_parallel(true).with_unwind_window_blocks(1);
        let dir = Path::new("/db");
        let mut db = Db::create_on(Arc::new(disk), dir, identity(), options).unwrap();
        let mut failed = None;
        // Two blocks are enough to start the first segment, and it fails while nothing else is due.
        for block in 0..9 {
            let count = if block == 0 { 3000 } else { 1 };
            if let Err(error) = db.append_block(block, &leaves(0, block, count)) {
                failed = Some(error);
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let start = std::time::Instant::now();
        let error = loop {
            match failed.take() {
                Some(error) => break error,
                None => failed = operation(&mut db).err(),
            }
            assert!(start.elapsed().as_secs() < 60, "nobody noticed");
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        assert!(matches!(error, Error::Segment(_)), "{error}");
        assert!(matches!(db.sync(), Err(Error::Poisoned)));
        assert!(matches!(db.close(), Err(Error::Poisoned)));
    }
}

/// Closing says it too, however long the segment takes.
#[test]
fn a_segment_that_could_not_be_written_is_known_on_closing() {
    let disk = HookedDisk::new(SimDisk::new(), Arc::new(NoSegments));
    let options = options().with_parallel(true).with_unwind_window_blocks(1);
    let dir = Path::new("/db");
    let mut db = Db::create_on(Arc::new(disk), dir, identity(), options).unwrap();
    db.append_block(0, &leaves(0, 0, 3000)).unwrap();
    let started = db.append_block(1, &leaves(0, 1, 1));
    let closed = db.close();
    assert!(started.is_ok(), "{started:?}");
    assert!(matches!(closed, Err(Error::Segment(_))), "{closed:?}");
}
