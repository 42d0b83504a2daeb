//! Entry segments: what is written is read, and every damaged byte is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::{B256, keccak256};
use qmtree_proofs::state::{ActiveBits, Entry, EntryId, StateWord};
use qmtree_proofs::{Digest, Profile, Scheme, TreeHasher, TwigId, TxNum, level_tag};
use qmtree_storage::sim::{Fate, SimDisk};
use qmtree_storage::{
    Disk, EntrySegment, EntrySegmentError, EntryTwig, Identity, KeyItem, KeyTwig, SealedValue,
    ValueAt, create_folder, list_entry_segments, open_state_keys, prune_entry_segment,
    remove_old_state_keys, write_entry_segment, write_state_keys,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const IDENTITY: Identity = Identity {
    profile: Profile::Blake3,
    scheme: Scheme::StateRoot1,
    chain_id: 7,
};

fn folder() -> &'static Path {
    Path::new("segments")
}

/// A twig of made-up entries and all nodes over them, by the portable hasher.
struct Twig {
    entries: Vec<[u8; 128]>,
    levels: Vec<Vec<Digest>>,
}

impl Twig {
    fn new(number: u64) -> Self {
        let entry = |i: u64| Entry {
            key: keccak256(i.to_be_bytes()),
            next_key: Entry::END,
            value: StateWord::of(&value(i)),
            tx_num: TxNum(i),
            supersedes: i.checked_sub(3).map(EntryId),
            tombstone: false,
        };
        let ids = number * 2048..(number + 1) * 2048;
        let entries: Vec<_> = ids.map(|i| entry(i).to_bytes()).collect();
        let mut nodes = vec![[0; 32]; 2048];
        IDENTITY.profile.hash_leaves(&entries, &mut nodes);
        let mut levels = vec![nodes];
        for level in 1..=11 {
            let below: &Vec<Digest> = levels.last().unwrap();
            let mut nodes = vec![[0; 32]; below.len() / 2];
            let (pairs, _) = below.as_flattened().as_chunks();
            IDENTITY
                .profile
                .hash_nodes(level_tag(level), pairs, &mut nodes);
            levels.push(nodes);
        }
        Self { entries, levels }
    }
}

impl EntryTwig for Twig {
    fn entry(&self, index: usize) -> [u8; 128] {
        self.entries[index]
    }

    fn node(&self, level: u32, index: usize) -> Digest {
        self.levels[level as usize][index]
    }
}

/// Every fourth value is not a word.
fn value(i: u64) -> Vec<u8> {
    if i.is_multiple_of(4) {
        i.to_be_bytes().repeat(i as usize % 5)
    } else {
        B256::with_last_byte(1).to_vec()
    }
}

fn values(twigs: std::ops::Range<u64>) -> Vec<SealedValue> {
    let ids = (twigs.start * 2048..twigs.end * 2048).filter(|i| i.is_multiple_of(4));
    let value = |i: u64| {
        let owner = if i % 12 == 4 && i > 4 { i - 4 } else { i };
        let bytes: Arc<[u8]> = value(owner).into();
        SealedValue {
            entry: EntryId(i),
            owner: EntryId(owner),
            bytes: Some(bytes),
        }
    };
    ids.map(value).collect()
}

fn write(disk: &SimDisk, twigs: std::ops::Range<u64>) -> PathBuf {
    create_folder(disk, folder()).unwrap();
    let made: Vec<_> = twigs.clone().map(Twig::new).collect();
    let first = twigs.start * 2048;
    let revived = [
        (EntryId(first + 9), EntryId(first)),
        (EntryId(first + 70), EntryId(first + 8)),
    ];
    let values = values(twigs.clone());
    write_entry_segment(
        disk,
        folder(),
        IDENTITY,
        twigs.start,
        &made,
        &revived,
        &values,
    )
    .unwrap()
}

fn open(disk: &SimDisk, path: &Path) -> Result<EntrySegment, EntrySegmentError> {
    EntrySegment::open(disk, path, IDENTITY)
}

#[test]
fn what_is_written_is_read() {
    let disk = SimDisk::new();
    let paths = [write(&disk, 0..1), write(&disk, 1..3)];
    assert_eq!(
        paths[1],
        Path::new("segments/0000000000000001-0000000000000002.qme")
    );
    let segments = list_entry_segments(&disk, folder(), IDENTITY)
        .unwrap()
        .segments;
    assert_eq!(segments.len(), 2);
    let segment = &segments[1];
    segment.check().unwrap();
    assert_eq!(segment.twigs(), TwigId(1)..TwigId(3));
    assert_eq!(segment.entries(), EntryId(2048)..EntryId(6144));
    let twigs = [Twig::new(1), Twig::new(2)];
    for (twig, number) in twigs.iter().zip(1..) {
        let found = segment.twig_entries(TwigId(number)).unwrap();
        assert!(found.iter().map(|(_, entry)| *entry).eq(&twig.entries));
        for index in (0..2048).step_by(77) {
            let id = EntryId(number * 2048 + index);
            assert_eq!(segment.entry(id).unwrap(), twig.entries[index as usize]);
        }
        for level in 0..=11u32 {
            for index in (0..2048usize >> level).step_by(1 + (61 >> level)) {
                let at = (number << (11 - level)) + index as u64;
                let node = twig.levels[level as usize][index];
                assert_eq!(segment.node(level, at).unwrap(), node, "{level} {index}");
            }
        }
    }
    for known in values(1..3) {
        match segment.value(known.entry).unwrap() {
            ValueAt::Here(bytes) => {
                assert_eq!((known.owner, bytes), (known.entry, &*known.bytes.unwrap()));
            }
            ValueAt::With(owner) => {
                assert_eq!(owner, known.owner);
                assert_ne!(owner, known.entry);
            }
        }
    }
    assert!(matches!(
        segment.value(EntryId(2049)),
        Err(EntrySegmentError::Contents { .. })
    ));
    assert_eq!(
        segment.tombstone_before(EntryId(2048 + 70)),
        Some(EntryId(2056))
    );
    assert_eq!(segment.tombstone_before(EntryId(2048 + 71)), None);
    assert_eq!(segment.revived().len(), 2);
    for outside in [0, 2047, 6144, u64::MAX] {
        segment.entry(EntryId(outside)).unwrap_err();
    }
    segment.node(11, 3).unwrap_err();
    segment.node(12, 0).unwrap_err();
}

#[test]
fn every_damaged_byte_is_noticed_and_every_length_matters() {
    let disk = SimDisk::new();
    let path = write(&disk, 0..1);
    let bytes = disk.content(&path).unwrap();
    let damaged = |at: usize| {
        let copy = SimDisk::new();
        create_folder(&copy, folder()).unwrap();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        copy.set_content(&path, bytes);
        let opened = open(&copy, &path);
        assert!(
            opened.and_then(|segment| segment.check()).is_err(),
            "byte {at} does not matter"
        );
    };
    // The header, the ends of all parts, and a sample of the rest.
    let (entries, tables) = (4096 + 262_144, 4096 + 270_336);
    let edges = [
        4096,
        entries,
        entries + 32,
        tables,
        tables + 32,
        bytes.len() - 32,
    ];
    (0..200).for_each(damaged);
    edges
        .into_iter()
        .flat_map(|at| at - 3..at + 24)
        .for_each(damaged);
    (200..bytes.len()).step_by(4999).for_each(damaged);
    (bytes.len() - 32..bytes.len()).for_each(damaged);
    for len in (0..bytes.len()).step_by(7001).chain([bytes.len() - 1]) {
        let copy = SimDisk::new();
        create_folder(&copy, folder()).unwrap();
        copy.set_content(&path, bytes[..len].to_vec());
        assert!(open(&copy, &path).is_err(), "{len} bytes");
    }
}

#[test]
fn a_missing_segment_or_a_wrong_name_is_refused() {
    let disk = SimDisk::new();
    let (first, second) = (write(&disk, 0..1), write(&disk, 1..2));
    disk.remove(&first).unwrap();
    let error = list_entry_segments(&disk, folder(), IDENTITY).unwrap_err();
    assert_eq!(
        error.to_string(),
        "segments/0000000000000001-0000000000000001.qme: begins with twig 1, \
         but the ones before end at twig 0: a segment of the state log is missing or there twice; \
         restore it from a backup"
    );
    let wrong = folder().join("0000000000000000-0000000000000001.qme");
    disk.rename(&second, &wrong).unwrap();
    let error = list_entry_segments(&disk, folder(), IDENTITY).unwrap_err();
    assert!(matches!(error, EntrySegmentError::Name { .. }), "{error}");
    let other = Identity {
        chain_id: 8,
        ..IDENTITY
    };
    assert!(EntrySegment::open(&disk, &wrong, other).is_err());
}

#[test]
fn a_pruned_segment_keeps_roots_and_says_since_when_the_state_is_known() {
    let disk = SimDisk::new();
    let (first, _) = (write(&disk, 0..2), write(&disk, 2..3));
    let whole = open(&disk, &first).unwrap();
    let pruned = prune_entry_segment(&disk, &whole, TxNum(77)).unwrap();
    assert_eq!(
        pruned.path(),
        Path::new("segments/0000000000000000-0000000000000002.qmx")
    );
    assert!(pruned.is_pruned() && !disk.exists(&first));
    assert_eq!(pruned.earliest(), Some(TxNum(77)));
    assert_eq!(pruned.entries(), whole.entries());
    for twig in 0..2 {
        assert_eq!(
            pruned.node(11, twig).unwrap(),
            whole.node(11, twig).unwrap()
        );
    }
    pruned.check().unwrap();
    pruned.node(11, 2).unwrap_err();
    let refused = pruned.entry(EntryId(3)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "segments/0000000000000000-0000000000000002.qmx: entries of twig 0 were pruned; \
         the state is known after transaction 77 and later"
    );
    // The whole one stays readable where somebody holds it, and counts for nothing beside the other.
    assert_eq!(whole.entry(EntryId(3)).unwrap(), Twig::new(0).entries[3]);
    write(&disk, 0..2);
    let listing = list_entry_segments(&disk, folder(), IDENTITY).unwrap();
    assert_eq!(listing.orphans, [first]);
    let pruned_first: Vec<_> = listing
        .segments
        .iter()
        .map(EntrySegment::is_pruned)
        .collect();
    assert_eq!(pruned_first, [true, false]);
    // Every byte counts.
    let bytes = disk.content(pruned.path()).unwrap();
    for at in (0..200).chain(4000..bytes.len()) {
        let copy = SimDisk::new();
        create_folder(&copy, folder()).unwrap();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        copy.set_content(pruned.path(), bytes);
        assert!(
            open(&copy, pruned.path()).is_err(),
            "byte {at} does not matter"
        );
    }
}

#[test]
fn a_crash_while_pruning_leaves_one_of_the_two_forms() {
    let prune = |disk: &SimDisk| {
        let path = folder().join("0000000000000000-0000000000000001.qme");
        let whole = open(disk, &path)?;
        prune_entry_segment(disk, &whole, TxNum(5))
    };
    let before = SimDisk::new();
    write(&before, 0..1);
    let steps = {
        let disk = before.power_loss(Fate::Kept);
        prune(&disk).unwrap();
        disk.steps()
    };
    assert!(steps > 4);
    for step in 0..steps {
        for fate in Fate::ALL {
            let disk = before.power_loss(Fate::Kept);
            disk.crash_at(step, fate);
            prune(&disk).unwrap_err();
            let found = disk.after_crash();
            let listing = list_entry_segments(&found, folder(), IDENTITY).unwrap();
            assert_eq!(listing.segments.len(), 1, "step {step} {fate:?}");
            listing.segments[0].check().unwrap();
        }
    }
}

fn key_twigs(count: u8) -> Vec<KeyTwig> {
    let twig = |number: u8| KeyTwig {
        active: ActiveBits([[number; 32]; 8]),
        entries_root: [number + 100; 32],
    };
    (0..count).map(twig).collect()
}

fn key_items() -> Vec<KeyItem> {
    let item = |i: u64| KeyItem {
        prefix: i / 2,
        entry: i ^ 1 << 63,
    };
    (0..100).map(item).collect()
}

fn write_keys(disk: &SimDisk, twigs: u8) -> Result<(), EntrySegmentError> {
    let items = key_items().into_iter().map(Ok);
    write_state_keys(disk, folder(), IDENTITY, &key_twigs(twigs), 50, items)
}

#[test]
fn a_file_of_keys_is_read_whole_or_not_at_all() {
    let disk = SimDisk::new();
    create_folder(&disk, folder()).unwrap();
    let open = |disk: &SimDisk, max| open_state_keys(disk, folder(), IDENTITY, max);
    assert!(open(&disk, 9).is_none());
    write_keys(&disk, 3).unwrap();
    write_keys(&disk, 5).unwrap();
    write_keys(&disk, 5).unwrap();
    let keys = open(&disk, 9).unwrap();
    assert_eq!((keys.twig_count(), keys.live_keys()), (5, 50));
    assert_eq!(keys.twigs().collect::<Vec<_>>(), key_twigs(5));
    assert_eq!(keys.items().collect::<Vec<_>>(), key_items());
    // An older one where the segments end earlier, or the newer one is damaged.
    assert_eq!(open(&disk, 4).unwrap().twig_count(), 3);
    assert!(open(&disk, 2).is_none());
    let path = folder().join("0000000000000005.qmk");
    let bytes = disk.content(&path).unwrap();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        disk.set_content(&path, bytes);
        assert_eq!(open(&disk, 9).unwrap().twig_count(), 3, "byte {at}");
    }
    for len in 0..bytes.len() {
        disk.set_content(&path, bytes[..len].to_vec());
        assert_eq!(open(&disk, 9).unwrap().twig_count(), 3, "{len} bytes");
    }
    disk.set_content(&path, bytes);
    remove_old_state_keys(&disk, folder(), 5).unwrap();
    assert_eq!(disk.files(), [path]);
    let other = Identity {
        chain_id: 8,
        ..IDENTITY
    };
    assert!(open_state_keys(&disk, folder(), other, 9).is_none());
}
