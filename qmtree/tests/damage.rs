//! Bits flipped, files cut, lost, swapped and added: opening or checking finds it, or it does no
//! harm. Nothing panics, no answer is wrong, and what is refused is not touched.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::{Rng, identity, leaves};
use qmtree::proofs::{Head, LeafPayload, TxNum};
use qmtree::{At, Db, Durability, Error, Identity, Options};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{Disk, HeaderError, IdentityError, JournalError, SegmentError};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIR: &str = "/db";

fn options() -> Options {
    Options::default()
        .with_durability(Durability::Immediate)
        .with_unwind_window_blocks(0)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(1000)
        .with_parallel(false)
}

/// Bytes of the record that closing a database appends: an unwind to the head itself.
const CLOSING_LEN: usize = 40 + 131 + 8;

/// A closed database, and what it must answer.
#[derive(Clone, Debug)]
struct Fixture {
    files: BTreeMap<PathBuf, Vec<u8>>,
    payloads: Vec<LeafPayload>,
    /// The head after each operation, newest last.
    heads: Vec<Head>,
    pruned_to: u64,
    /// Where the record begins that closing appended to the newest journal file.
    last_record_at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(usize),
    Unwind(u64),
    Prune(u64),
}

impl Fixture {
    fn build(steps: &[Step]) -> Self {
        let (sim, dir) = (SimDisk::new(), Path::new(DIR));
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let mut db = Db::create_on(disk, dir, identity(), options()).unwrap();
        let mut fixture = Self {
            files: BTreeMap::new(),
            payloads: Vec::new(),
            heads: vec![db.head()],
            pruned_to: 0,
            last_record_at: 0,
        };
        for (step, number) in steps.iter().zip(0..) {
            match *step {
                Step::Append(count) => {
                    let next = db.view().blocks().map_or(0, |(_, last)| last + 1);
                    let added = leaves(number, next, count);
                    fixture.heads.push(db.append_block(next, &added).unwrap());
                    fixture.payloads.extend(added);
                }
                Step::Unwind(block) => {
                    let head = db.unwind_to(block).unwrap();
                    fixture.payloads.truncate(head.leaf_count as usize);
                    fixture.heads.push(head);
                }
                Step::Prune(block) => {
                    db.prune_to(block).unwrap();
                    fixture.pruned_to = common::first_readable(&db.view());
                }
            }
        }
        db.close().unwrap();
        fixture.files = files_of(&sim);
        let (_, len) = newest_journal(&fixture.files);
        fixture.last_record_at = len - CLOSING_LEN;
        fixture
    }

    /// No segment; a journal of blocks with and without leaves, and an unwind.
    fn of_a_journal() -> Self {
        use Step::{Append, Unwind};
        Self::build(&[
            Append(3),
            Append(0),
            Append(2),
            Unwind(1),
            Append(4),
            Append(1),
        ])
    }

    /// One segment, and two journal files.
    fn of_a_segment() -> Self {
        use Step::Append;
        Self::build(&[Append(2040), Append(7), Append(3), Append(5), Append(2)])
    }

    /// A pruned segment and a whole one; the journal does not reach back to the pruned one.
    fn of_segments() -> Self {
        use Step::{Append, Prune};
        Self::build(&[
            Append(2047),
            Append(2),
            Append(2050),
            Append(2),
            Prune(2),
            Append(1),
        ])
    }

    fn head(&self) -> Head {
        *self.heads.last().unwrap()
    }

    fn disk(&self) -> SimDisk {
        let disk = SimDisk::new();
        for folder in ["journal", "segments"] {
            disk.create_dir_all(&Path::new(DIR).join(folder)).unwrap();
        }
        for (path, bytes) in &self.files {
            disk.set_content(path, bytes.clone());
        }
        disk
    }

    /// The same database with other bytes in one file.
    fn with(&self, path: &Path, bytes: Vec<u8>) -> SimDisk {
        let disk = self.disk();
        disk.set_content(path, bytes);
        disk
    }

    fn paths(&self, ending: &str) -> Vec<PathBuf> {
        let all = self.files.keys();
        all.filter(|path| path.to_str().unwrap().ends_with(ending))
            .cloned()
            .collect()
    }

    fn newest_journal(&self) -> PathBuf {
        newest_journal(&self.files).0
    }
}

fn newest_journal(files: &BTreeMap<PathBuf, Vec<u8>>) -> (PathBuf, usize) {
    let newest = files
        .iter()
        .rfind(|(path, _)| path.to_str().unwrap().ends_with(".qmj"));
    let (path, bytes) = newest.unwrap();
    (path.clone(), bytes.len())
}

fn files_of(disk: &SimDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = disk.files().into_iter();
    files
        .map(|path| (path.clone(), disk.content(&path).unwrap()))
        .collect()
}

fn open(disk: &SimDisk) -> Result<Db, Error> {
    Db::open_on(Arc::new(disk.clone()), Path::new(DIR), options())
}

/// What became of a database that was tampered with.
#[derive(Debug)]
enum Found {
    Refused(Error),
    ByCheck,
    /// The same head and the same answers.
    Harmless,
    /// An earlier head, as if the power had been cut before the last sync.
    Earlier,
}

/// Opens, checks and asks. Anything that answers must answer right.
fn examine(fixture: &Fixture, disk: &SimDisk, what: &str) -> Found {
    let examined = catch_unwind(AssertUnwindSafe(|| examine_inner(fixture, disk)));
    examined.unwrap_or_else(|_| panic!("{what}: see above"))
}

fn examine_inner(fixture: &Fixture, disk: &SimDisk) -> Found {
    let before = disk.steps();
    let db = match open(disk) {
        Ok(db) => db,
        Err(error) => {
            assert_eq!(disk.steps(), before, "refused, but modified: {error}");
            return Found::Refused(error);
        }
    };
    let (head, view, n) = (db.head(), db.view(), fixture.head().leaf_count);
    assert!(fixture.heads.contains(&head), "unknown head {head:?}");
    let checked = db.check();
    let is_whole = head == fixture.head() && checked.is_ok();
    let step = if n > 100 { 129 } else { 1 };
    let places = (0..head.leaf_count).step_by(step);
    for i in places.chain(head.leaf_count.checked_sub(1)).map(TxNum) {
        match view.witness(i, At::Head) {
            Ok(witness) => {
                witness.verify(&head, i).unwrap();
                if head == fixture.head() {
                    let payload = view.leaf(i).unwrap().payload();
                    assert_eq!(payload, fixture.payloads[i.0 as usize], "leaf {i}");
                }
            }
            Err(error) => {
                let may_fail = i.0 < fixture.pruned_to || !is_whole;
                assert!(may_fail, "leaf {i}: {error}");
            }
        }
    }
    for known in &fixture.heads {
        // Blocks that were unwound have other heads now.
        if let Ok(found) = view.head_at(known.block_number)
            && head == fixture.head()
        {
            assert!(fixture.heads.contains(&found), "unknown head {found:?}");
        }
    }
    match checked {
        Err(_) => Found::ByCheck,
        Ok(()) if is_whole => Found::Harmless,
        Ok(()) => Found::Earlier,
    }
}

/// Flips bits and counts what became of them: refused, found by check, harmless.
fn flip_all(
    fixture: &Fixture,
    path: &Path,
    flips: impl Iterator<Item = (usize, u8)>,
) -> (u64, u64, u64) {
    let bytes = &fixture.files[path];
    let is_newest_journal = path == fixture.newest_journal();
    let mut counts = (0, 0, 0);
    for (offset, mask) in flips {
        let what = format!("{} at {offset} ^ {mask:02x}", path.display());
        let mut damaged = bytes.clone();
        damaged[offset] ^= mask;
        match examine(fixture, &fixture.with(path, damaged), &what) {
            Found::Refused(error) => {
                let named = error.to_string().contains(DIR);
                assert!(named, "{what}: no path in: {error}");
                counts.0 += 1;
            }
            Found::ByCheck => counts.1 += 1,
            // The closing record cannot be told from one that was torn, and says nothing new.
            Found::Harmless => {
                let closing = is_newest_journal && offset >= fixture.last_record_at;
                assert!(closing, "{what}: nobody noticed");
                counts.2 += 1;
            }
            Found::Earlier => panic!("{what}: an earlier head"),
        }
    }
    counts
}

fn all_bits(range: std::ops::Range<usize>) -> impl Iterator<Item = (usize, u8)> {
    range.flat_map(|offset| (0..8).map(move |bit| (offset, 1 << bit)))
}

/// So many bits of a range, at random places.
fn some_bits(range: std::ops::Range<usize>, count: usize) -> impl Iterator<Item = (usize, u8)> {
    let mut rng = Rng::new(range.start as u64);
    (0..count).map(move |_| {
        let offset = range.start + rng.below(range.len() as u64) as usize;
        (offset, 1 << rng.below(8))
    })
}

#[test]
fn every_bit_of_a_small_database_matters() {
    let fixture = Fixture::of_a_journal();
    for (path, bytes) in &fixture.files {
        let (refused, by_check, harmless) = flip_all(&fixture, path, all_bits(0..bytes.len()));
        let closing = if *path == fixture.newest_journal() {
            8 * (bytes.len() - fixture.last_record_at)
        } else {
            0
        };
        assert_eq!(harmless, closing as u64, "{}", path.display());
        assert_eq!(by_check, 0, "{}", path.display());
        assert_eq!(refused + harmless, 8 * bytes.len() as u64);
    }
}

#[test]
fn every_bit_of_a_pruned_segment_matters() {
    let fixture = Fixture::of_segments();
    let [path] = &fixture.paths(".qmp")[..] else {
        panic!("{:?}", fixture.files.keys())
    };
    let bits = all_bits(0..fixture.files[path].len());
    let (refused, by_check, harmless) = flip_all(&fixture, path, bits);
    assert_eq!((by_check, harmless), (0, 0));
    assert!(refused > 8 * 4096);
}

#[test]
fn a_bit_of_a_segment_is_missed_neither_by_opening_nor_by_checking() {
    const TWIG_HEADER: usize = 4096 + 200_704;
    let fixture = Fixture::of_a_segment();
    let [path] = &fixture.paths(".qms")[..] else {
        panic!("{:?}", fixture.files.keys())
    };
    let len = fixture.files[path].len();
    // Header and footer are checked on opening.
    let opened = all_bits(0..128)
        .chain(some_bits(128..4092, 2000))
        .chain(all_bits(4092..4096))
        .chain(all_bits(4096 + 208_896..len));
    let (refused, by_check, _) = flip_all(&fixture, path, opened);
    assert!(refused > 0 && by_check == 0);
    // Twigs are verified when they are used, and by check.
    let used = all_bits(TWIG_HEADER..TWIG_HEADER + 32)
        .chain(some_bits(4096..4096 + 196_608, 3000))
        .chain(some_bits(4096 + 196_608..4096 + 208_896, 3000));
    let (refused, by_check, _) = flip_all(&fixture, path, used);
    assert!(refused == 0 && by_check > 0);
}

#[test]
fn a_bit_of_a_journal_beside_a_segment_matters() {
    let fixture = Fixture::of_a_segment();
    let journals = fixture.paths(".qmj");
    assert_eq!(journals.len(), 2);
    for path in journals {
        let len = fixture.files[&path].len();
        // Headers, then the middle of the large first block, then the blocks behind it.
        let first = 256 + 96;
        let behind = len.saturating_sub(2500).max(first);
        let bits = all_bits(0..first)
            .chain(some_bits(first..behind + 1, 500))
            .chain(some_bits(behind..len, 3000));
        let (refused, by_check, _) = flip_all(&fixture, &path, bits);
        assert!(refused > 0 && by_check == 0, "{}", path.display());
    }
}

#[test]
fn a_file_that_was_cut_is_noticed_or_ends_at_a_known_head() {
    for fixture in [
        Fixture::of_a_journal(),
        Fixture::of_a_segment(),
        Fixture::of_segments(),
    ] {
        for (path, bytes) in &fixture.files {
            let near_the_ends =
                |at: &usize| *at < 400 || *at + 3000 > bytes.len() || at.is_multiple_of(977);
            for len in (0..bytes.len()).filter(near_the_ends) {
                let what = format!("{} cut to {len}", path.display());
                let disk = fixture.with(path, bytes[..len].to_vec());
                match examine(&fixture, &disk, &what) {
                    Found::Refused(_) => {}
                    // Where the journal ends is known from its records alone.
                    Found::Earlier | Found::Harmless => {
                        assert!(*path == fixture.newest_journal(), "{what}")
                    }
                    found => panic!("{what}: {found:?}"),
                }
            }
        }
    }
}

#[test]
fn bytes_behind_the_end_of_a_file_are_noticed_or_cut_off() {
    let fixture = Fixture::of_segments();
    for (path, bytes) in &fixture.files {
        let what = format!("{} grown", path.display());
        for more in [&[0][..], b"QMR1", &[0xff; 100]] {
            let disk = fixture.with(path, [bytes, more].concat());
            let found = examine(&fixture, &disk, &what);
            if path.ends_with("qmtree.lock") {
                assert!(matches!(found, Found::Harmless), "{what}: {found:?}");
            } else if *path == fixture.newest_journal() {
                assert!(matches!(found, Found::Harmless), "{what}: {found:?}");
                assert_eq!(disk.content(path).unwrap(), *bytes, "a torn tail");
            } else {
                let Found::Refused(error) = found else {
                    panic!("{what}: {found:?}")
                };
                assert!(error.to_string().contains(path.to_str().unwrap()));
            }
        }
    }
}

#[test]
fn a_file_that_is_missing_is_named_or_not_needed() {
    for fixture in [
        Fixture::of_a_journal(),
        Fixture::of_a_segment(),
        Fixture::of_segments(),
    ] {
        for path in fixture.files.keys() {
            let disk = fixture.disk();
            disk.remove(path).unwrap();
            let disk = disk.power_loss(qmtree_storage::sim::Fate::Kept);
            let what = format!("{} missing", path.display());
            let name = path.to_str().unwrap();
            let newest_segment = name.contains("segments") && {
                let last = fixture.files.keys().rfind(|p| p.starts_with("db/segments"));
                last == Some(path)
            };
            match examine(&fixture, &disk, &what) {
                Found::Refused(Error::Header(HeaderError::NoDatabase { path: dir })) => {
                    assert_eq!(dir, Path::new(DIR));
                    assert!(name.ends_with("qmtree.db"), "{what}");
                }
                Found::Refused(Error::Journal(JournalError::Missing { folder })) => {
                    assert_eq!(folder, Path::new(DIR).join("journal"), "{what}");
                }
                Found::Refused(Error::Journal(JournalError::Damaged { path, .. })) => {
                    assert!(path.starts_with(DIR) && name.ends_with(".qmj"), "{what}");
                }
                Found::Refused(Error::Segment(SegmentError::Gap { path, .. })) => {
                    assert!(path.ends_with("segments") && !newest_segment, "{what}");
                }
                Found::Refused(Error::MissingLeaves { .. }) => {
                    assert!(newest_segment || name.ends_with(".qmj"), "{what}");
                }
                // The lock is made again; leaves that are still in the journal are read from it.
                Found::Harmless => assert!(name.ends_with("lock") || newest_segment, "{what}"),
                // Nothing else says how far the newest journal file went.
                Found::Earlier => assert_eq!(*path, fixture.newest_journal(), "{what}"),
                found => panic!("{what}: {found:?}"),
            }
        }
    }
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let fixture = Fixture::of_segments();
    for folder in ["journal", "segments"] {
        let disk = SimDisk::new();
        let (lost, gone) = (Path::new(DIR).join(folder), Path::new("db").join(folder));
        for (path, bytes) in fixture.files.iter().filter(|(p, _)| !p.starts_with(&gone)) {
            disk.set_content(path, bytes.clone());
        }
        let refused = open(&disk).unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with(lost.to_str().unwrap()), "{text}");
        assert!(text.contains("; restore"), "{text}");
        assert_eq!(disk.steps(), 0);
    }
}

#[test]
fn foreign_files_are_left_alone_or_refused() {
    let fixture = Fixture::of_a_segment();
    let in_folder = |folder: &str, name: &str| Path::new(DIR).join(folder).join(name);
    for folder in ["segments", "journal", "."] {
        for name in [
            "notes.txt",
            "qms",
            ".hidden",
            "0000000000000000-0000000000000001",
        ] {
            let path = in_folder(folder, name);
            let disk = fixture.with(&path, b"mine".to_vec());
            let found = examine(&fixture, &disk, name);
            assert!(matches!(found, Found::Harmless), "{name}: {found:?}");
            assert_eq!(disk.content(&path).unwrap(), b"mine");
        }
        let ours = [
            "0000000000000000-0000000000000001.qms.tmp",
            "0000000000000000.qmj.tmp",
        ];
        for name in ours {
            let path = in_folder(folder, name);
            let disk = fixture.with(&path, b"half".to_vec());
            let found = examine(&fixture, &disk, "a temporary file");
            assert!(matches!(found, Found::Harmless), "{found:?}");
            assert_eq!(disk.content(&path), None, "a writer removes it");
        }
        let path = in_folder(folder, "letter.tmp");
        let disk = fixture.with(&path, b"mine".to_vec());
        let found = examine(&fixture, &disk, "a temporary file of somebody else's");
        assert!(matches!(found, Found::Harmless), "{found:?}");
        assert_eq!(disk.content(&path).unwrap(), b"mine");
    }
    let unknown = in_folder("segments", "copy of 0.qms");
    let refused = open(&fixture.with(&unknown, b"?".to_vec())).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "/db/segments/copy of 0.qms: not a segment's name; move the file out of the folder"
    );
    let unknown = in_folder("journal", "0.qmj");
    let refused = open(&fixture.with(&unknown, b"?".to_vec())).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "/db/journal/0.qmj: a journal file is named by 16 lowercase hex digits; move the file \
         away if it is not of this database, else give it back its name"
    );
    // A segment under the name of its neighbour, and one that overlaps another.
    let segment = &fixture.files[&fixture.paths(".qms")[0]];
    let moved = in_folder("segments", "0000000000000001-0000000000000001.qms");
    let refused = open(&fixture.with(&moved, segment.clone())).unwrap_err();
    assert!(
        matches!(refused, Error::Segment(SegmentError::Name { .. })),
        "{refused}"
    );
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// A file whose header has other bytes, and the checksum to go with them.
fn with_header(bytes: &[u8], header_len: usize, at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    let checksum = crc32c(&bytes[..header_len - 4]);
    bytes[header_len - 4..header_len].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The header error inside an error, whichever file it is about.
fn header_error(error: Error) -> HeaderError {
    match error {
        Error::Header(error)
        | Error::Journal(JournalError::Header(error))
        | Error::Segment(SegmentError::Header(error)) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn files_of_another_version_or_kind_are_refused_by_name_and_not_modified() {
    let fixture = Fixture::of_segments();
    let headers = [
        ("qmtree.db", 128),
        (".qmj", 256),
        (".qms", 4096),
        (".qmp", 4096),
    ];
    for (ending, header_len) in headers {
        let path = fixture.paths(ending).pop().unwrap();
        let refuse = |at: usize, new: &[u8]| {
            let bytes = with_header(&fixture.files[&path], header_len, at, new);
            let disk = fixture.with(&path, bytes);
            let (before, steps) = (files_of(&disk), disk.steps());
            let error = open(&disk).unwrap_err();
            let unchanged = files_of(&disk) == before && disk.steps() == steps;
            assert!(unchanged, "modified: {error}");
            let full = Path::new("/").join(&path);
            assert!(
                error.to_string().starts_with(full.to_str().unwrap()),
                "{error}"
            );
            header_error(error)
        };
        let version = refuse(8, &[2]);
        assert!(
            matches!(
                version,
                HeaderError::Version {
                    found: 2,
                    supported: 1,
                    ..
                }
            ),
            "{version}"
        );
        assert!(matches!(refuse(0, b"QMTREE__"), HeaderError::Magic { .. }));
        for (at, value, expected) in [
            (12, 9, IdentityError::Profile(9)),
            (13, 9, IdentityError::Scheme(9)),
            (14, 10, IdentityError::TwigShift(10)),
            (15, 5, IdentityError::GroupShift(5)),
        ] {
            let HeaderError::Identity { source, .. } = refuse(at, &[value]) else {
                panic!("byte {at} of {ending}")
            };
            assert_eq!(source, expected);
        }
        // Known values, but not this database's: the one of qmtree.db counts, so that all the
        // other files are another's if that one changes.
        let other = Identity {
            chain_id: 8,
            ..identity()
        };
        let bytes = with_header(&fixture.files[&path], header_len, 16, &[8]);
        let disk = fixture.with(&path, bytes);
        let steps = disk.steps();
        let error = header_error(open(&disk).unwrap_err());
        assert_eq!(disk.steps(), steps);
        let HeaderError::OtherDatabase {
            found, expected, ..
        } = error
        else {
            panic!("{ending}: {error}")
        };
        let (mine, its) = if ending == "qmtree.db" {
            (other, identity())
        } else {
            (identity(), other)
        };
        assert_eq!((found, expected), (its, mine));
    }
}
