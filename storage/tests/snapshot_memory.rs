//! What reading hostile snapshot files takes, counted by the allocator itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::B256;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Head, Profile, Scheme};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::snapshot::words::WordFile;
use qmtree_storage::snapshot::{
    Manifest, SnapshotBlock, SnapshotContent, SnapshotError, SnapshotFile, SnapshotHeader,
    SnapshotName, SnapshotParts, pack_word, unpack_word, write_snapshot,
};
use qmtree_storage::{Disk, Identity, Mapped, TwigOpening};
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

/// A word, and from where on one pattern after the other covers how many bytes of it.
struct Packed<'a> {
    word: &'a [u8],
    from: usize,
    patterns: usize,
}

/// A word file of these words, with these patterns of one length, of which the first is used.
fn with_patterns(words: &[Packed<'_>], patterns: &[Vec<u8>]) -> Vec<u8> {
    let len = patterns[0].len();
    let mut steps = vec![0, len as u64 + 1];
    for packed in words {
        steps.extend([packed.word.len() as u64 + 1, packed.from as u64 + 1]);
    }
    steps.sort_unstable();
    steps.dedup();
    let depth = steps.len().next_power_of_two().trailing_zeros();
    let unused = (1 << 40)..;
    steps.extend(unused.take((1 << depth) - steps.len()));
    let pattern_depth = patterns.len().trailing_zeros();
    let positions: Vec<u8> = steps
        .iter()
        .flat_map(|step| [varint(depth.into()), varint(*step)].concat())
        .collect();
    let dictionary: Vec<u8> = patterns
        .iter()
        .flat_map(|bytes| {
            [
                varint(pattern_depth.into()),
                varint(len as u64),
                bytes.clone(),
            ]
            .concat()
        })
        .collect();
    let code = |step: u64| {
        let place = steps.iter().position(|known| *known == step).unwrap();
        (0..depth).rev().map(move |bit| place >> bit & 1 == 1)
    };
    let mut data = Vec::new();
    for packed in words {
        let mut bits: Vec<bool> = code(packed.word.len() as u64 + 1).collect();
        for number in 0..packed.patterns {
            let distance = if number == 0 { packed.from } else { len };
            bits.extend(code(distance as u64 + 1));
            // The first pattern is the leftmost.
            bits.extend((0..pattern_depth).map(|_| false));
        }
        if !packed.word.is_empty() {
            bits.extend(code(0));
        }
        let byte = |bits: &[bool]| {
            let bits = bits.iter().enumerate();
            bits.fold(0, |byte, (place, bit)| byte | u8::from(*bit) << place)
        };
        data.extend(bits.chunks(8).map(byte));
        let end = packed.from + packed.patterns * len;
        data.extend(&packed.word[..packed.from]);
        data.extend(&packed.word[end..]);
    }
    let empty = words.iter().filter(|packed| packed.word.is_empty()).count();
    let mut bytes = [words.len(), empty, dictionary.len()]
        .map(|number| (number as u64).to_be_bytes())
        .concat();
    bytes.extend(dictionary);
    bytes.extend((positions.len() as u64).to_be_bytes());
    bytes.extend(positions);
    bytes.extend(data);
    bytes
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// The words of a tail of one leaf and many blocks, of which all but the first have none.
fn tail_of(blocks: usize) -> (String, Vec<Vec<u8>>) {
    let sim = SimDisk::new();
    let head = Head {
        leaf_count: 1,
        block_number: blocks as u64 - 1,
        root: B256::repeat_byte(1),
        ..Head::empty(1, Profile::Blake3, Scheme::StateRoot1)
    };
    let name = SnapshotName {
        content: SnapshotContent::Tail,
        from: 0,
        to: 1,
    };
    let header = SnapshotHeader {
        identity: Identity {
            profile: Profile::Blake3,
            scheme: Scheme::StateRoot1,
            chain_id: 1,
        },
        name,
        first_block: 0,
        block_count: 0,
        anchor: [0; 32],
        end: [1; 32],
        head,
        tables_crc: 0,
        compaction: Compaction::OFF,
    };
    let block = SnapshotBlock {
        leaf_count: 1,
        entry_count: 0,
        state_root: B256::ZERO,
    };
    let parts = SnapshotParts {
        header,
        roots: &[],
        blocks: &vec![block; blocks],
        tags: &[],
    };
    let folder = Path::new("/out");
    sim.create_dir_all(folder).unwrap();
    let written = write_snapshot(&sim, folder, &parts, |sink| {
        sink.twig(&[0; 32], [&[[0; 96]][..]]).unwrap();
        Ok::<_, SnapshotError>(())
    });
    let name = written.unwrap().name.to_string();
    let bytes = sim.content(&folder.join(&name)).unwrap();
    let file = WordFile::parse(&bytes).unwrap();
    let mut words = file.words();
    let all = std::iter::from_fn(|| words.next_word(1 << 30).unwrap());
    (name, all.map(|word| word.to_vec()).collect())
}

fn open(name: &str, bytes: Vec<u8>) -> Result<SnapshotFile, SnapshotError> {
    SnapshotFile::from_mapped(PathBuf::from(name), Mapped::from(bytes))
}

#[test]
fn tables_of_patterns_take_no_memory() {
    let blocks = 1 << 18;
    let (name, words) = tail_of(blocks);
    let table = words[2].len();
    assert_eq!(table, 2 * blocks);
    let file = |patterns| {
        let pack = |place: usize| Packed {
            word: &words[place],
            from: usize::from(place == 2),
            patterns: if place == 2 { patterns } else { 0 },
        };
        let words: Vec<_> = (0..words.len()).map(pack).collect();
        with_patterns(&words, &[vec![0; 4096]])
    };
    // All of it as it is, half of it, and up to a sixteenth.
    let most = (table - 1) / 4096;
    for (patterns, opens) in [(0, true), (most / 2, false), (most / 16 * 15, false)] {
        let bytes = file(patterns);
        assert!(bytes.len() * 16 > table);
        let len = bytes.len();
        let map = Mapped::from(bytes);
        let taken = peak(|| {
            let file = SnapshotFile::from_mapped(PathBuf::from(&name), map);
            assert_eq!(file.is_ok(), opens, "{file:?}");
        });
        assert!(taken < 20 * len, "{taken} for {len}");
    }
}

#[test]
fn a_dictionary_is_read_once() {
    let (name, words) = tail_of(3);
    let pack = |place: usize| Packed {
        word: &words[place],
        from: if place == 1 { 32 } else { 0 },
        patterns: usize::from(place == 1),
    };
    let words: Vec<_> = (0..words.len()).map(pack).collect();
    let bytes = with_patterns(&words, &vec![vec![0; 8]; 1 << 14]);
    assert!(WordFile::parse(&bytes).unwrap().pattern_count() > 1000);
    let file = open(&name, bytes).unwrap();
    let taken = peak(|| assert_eq!(file.twig(0).unwrap().payloads(), [[0; 96]]));
    assert!(taken < 1000, "{taken}");
}
