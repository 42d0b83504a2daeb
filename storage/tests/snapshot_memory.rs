//! What reading hostile snapshot files takes, counted by the allocator itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use qmtree_storage::snapshot::words::WordFile;
use qmtree_storage::snapshot::{Manifest, SnapshotFile, pack_word, unpack_word};
use qmtree_storage::{Mapped, TwigOpening};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// Counts the most bytes that this thread holds at once.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|held| {
            held.set(held.get() + layout.size() as isize);
            PEAK.with(|peak| peak.set(peak.get().max(held.get())));
        });
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get() - layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` holds at once.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    work();
    (PEAK.with(Cell::get) - before) as usize
}

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/snapshot/blake3");
    std::fs::read(folder.join(name)).unwrap()
}

/// A word file, of version 0.
fn raw(words: u64, patterns: &[u8], positions: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = [words, 0, patterns.len() as u64]
        .map(u64::to_be_bytes)
        .concat();
    bytes.extend(patterns);
    bytes.extend((positions.len() as u64).to_be_bytes());
    bytes.extend(positions);
    bytes.extend(data);
    bytes
}

fn read_words(bytes: &[u8], limit: usize) {
    let Ok(file) = WordFile::parse(bytes) else {
        return;
    };
    let mut words = file.words();
    while let Ok(Some(_)) = words.next_word(limit) {}
}

#[test]
fn dictionaries_take_a_few_times_their_length() {
    // Two bytes an entry is the shortest, in a full tree of 2^16 leaves with positions of a byte.
    let entries: Vec<u8> = (0..1_u32 << 16)
        .flat_map(|i| [16, (i % 100) as u8])
        .collect();
    let empty_patterns: Vec<u8> = (0..1_u32 << 16).flat_map(|_| [16, 0]).collect();
    for bytes in [
        raw(1, &[], &entries, &[0; 9]),
        raw(1, &empty_patterns, &[1, 0, 1, 1], &[0]),
    ] {
        let taken = peak(|| read_words(&bytes, 1000));
        assert!(taken < 20 * bytes.len(), "{taken} for {}", bytes.len());
    }
}

#[test]
fn words_take_no_more_than_their_limit() {
    // A word of 100,000 bytes in a few: one pattern over and over.
    let mut patterns = vec![0, 100];
    patterns.extend([7; 100]);
    let positions = [1, 101, 2, 0, 2, 0xa1, 0x8d, 0x06];
    let mut data = vec![0; 200];
    data[0] = 0b11;
    let bomb = raw(1, &patterns, &positions, &data);
    for limit in [10, 1000, 99_999] {
        let taken = peak(|| read_words(&bomb, limit));
        assert!(taken < 10_000 + limit, "{taken}");
    }
}

#[test]
fn damaged_files_never_take_more_than_a_few_times_their_length() {
    for path in [
        "v1.0-qmtree-tail.2048-2100.seg",
        "v1.0-qmtree-roots.0-1.seg",
        "../state/keccak/v1.0-qmtree-live.0-1.seg",
        "../state/keccak/v1.0-qmtree-statetail.2048-2122.seg",
    ] {
        let (whole, name) = (golden(path), path.rsplit('/').next().unwrap());
        let most = 20 * whole.len() + 20_000;
        for at in 0..whole.len().min(700) {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let map = Mapped::from(bytes);
                let taken = peak(|| {
                    let file = SnapshotFile::from_mapped(PathBuf::from(name), map);
                    if let Ok(file) = file.as_ref()
                        && let Ok(word) = file.entries_word(file.header().twigs().start)
                    {
                        drop(TwigOpening::read(&word));
                    }
                });
                assert!(taken < most, "{name} byte {at} bit {bit}: {taken}");
            }
        }
    }
}

#[test]
fn bombs_and_notes_stay_small() {
    let bomb = pack_word(&vec![0; 256 << 20]).unwrap();
    let taken = peak(|| drop(unpack_word(&bomb, 1 << 16)));
    assert!(taken < 1 << 20, "{taken}");
    let note = "\n".repeat(1 << 20);
    let taken = peak(|| drop(Manifest::parse(Path::new("note"), note.as_bytes())));
    assert!(taken < 8 << 20, "{taken}");
}
