//! Damaged and hostile files: always an error that says where, never a panic.

use crate::support::{identity, open, sealed};
use crc32c::crc32c;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_proofs::{Profile, TwigId, TxNum};
use qmtree_storage::{HeaderError, Part, Segment, SegmentError};
use std::path::{Path, PathBuf};

const HEADER_LEN: usize = 4096;
const TWIG_LEN: usize = 208_896;
const ANCHORS: usize = 196_608;
const TWIG_HEADER: usize = 200_704;
const NODES: usize = 200_736;
const TAGS_LEN: usize = 16_384;
const TAGS: usize = HEADER_LEN + 2 * TWIG_LEN;
const FOOTER: usize = TAGS + 2 * TAGS_LEN;

/// Two twigs; one profile is enough, since hashes make no difference here.
fn file() -> (PathBuf, Vec<u8>) {
    sealed(Profile::Blake3, 1..3)
}

fn open_blake3(name: &Path, bytes: &[u8]) -> Result<Segment, SegmentError> {
    open(name, bytes, Profile::Blake3)
}

/// Makes every checksum right again.
fn mend(bytes: &mut [u8]) {
    let put = |bytes: &mut [u8], at: usize, crc: u32| {
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    };
    let crc = crc32c(&bytes[..4092]);
    put(bytes, 4092, crc);
    for (twig, tags) in [(HEADER_LEN, TAGS), (HEADER_LEN + TWIG_LEN, TAGS + TAGS_LEN)] {
        let crc = crc32c(&bytes[tags..tags + TAGS_LEN]);
        put(bytes, twig + TWIG_HEADER + 12, crc);
        for (at, from, to) in [
            (0, 0, ANCHORS),
            (4, ANCHORS, TWIG_HEADER),
            (8, NODES, TWIG_LEN),
        ] {
            let crc = crc32c(&bytes[twig + from..twig + to]);
            put(bytes, twig + TWIG_HEADER + at, crc);
        }
    }
    let tail = bytes.len() - 32;
    let crc = crc32c(&bytes[FOOTER..tail]);
    put(bytes, tail, crc);
}

#[test]
fn mending_an_undamaged_file_changes_nothing() {
    let (_, bytes) = file();
    let mut mended = bytes.clone();
    mend(&mut mended);
    assert!(mended == bytes);
}

#[test]
fn every_flip_in_header_footer_and_tail_is_refused() {
    let (name, mut bytes) = file();
    let positions: Vec<_> = (0..HEADER_LEN).chain(FOOTER..bytes.len()).collect();
    for at in positions {
        bytes[at] ^= 1 << (at % 8);
        let opened = open_blake3(&name, &bytes);
        assert!(opened.is_err(), "byte {at}");
        bytes[at] ^= 1 << (at % 8);
    }
    open_blake3(&name, &bytes).unwrap();
}

#[test]
fn flips_in_the_header_are_refused_with_right_checksums_too() {
    let (name, original) = file();
    for at in 0..HEADER_LEN - 4 {
        // The first block's number can be anything, and unless the segment is the first, so can
        // the anchor and the end.
        if (48..56).contains(&at) || (64..128).contains(&at) {
            continue;
        }
        let mut bytes = original.clone();
        bytes[at] ^= 1 << (at % 8);
        mend(&mut bytes[..]);
        assert!(open_blake3(&name, &bytes).is_err(), "byte {at}");
    }
}

#[test]
fn flips_in_twigs_are_found_on_touch_and_by_both_audits() {
    let (name, mut bytes) = file();
    let header = (0..2).flat_map(|twig| twig * TWIG_LEN + TWIG_HEADER..twig * TWIG_LEN + NODES);
    let sampled = (0..2 * TWIG_LEN).step_by(997);
    let last = [
        TWIG_LEN - 1,
        TWIG_LEN,
        2 * TWIG_LEN - 1,
        ANCHORS - 1,
        ANCHORS,
    ];
    for at in header.chain(sampled).chain(last) {
        bytes[HEADER_LEN + at] ^= 1 << (at % 8);
        let segment = open_blake3(&name, &bytes).expect("opening leaves the twigs alone");
        let (twig, inside) = (1 + at / TWIG_LEN, at % TWIG_LEN);
        let twig_id = TwigId(twig as u64);
        let first = twig_id.first_tx_num().unwrap();
        if inside < ANCHORS {
            let leaf = TxNum(first.0 + inside as u64 / 96);
            assert!(segment.group(leaf).is_err(), "byte {at}");
            assert!(segment.leaf(leaf).is_err(), "byte {at}");
            assert!(segment.payload(first).is_err(), "byte {at}");
            assert!(
                segment.payload(first).is_err(),
                "byte {at}, and the second time"
            );
            segment.node(4, first.0 >> 4).unwrap();
        } else if (TWIG_HEADER..TWIG_HEADER + 4).contains(&inside) {
            assert!(segment.payload(first).is_err(), "byte {at}");
        } else if (TWIG_HEADER + 12..TWIG_HEADER + 16).contains(&inside) {
            assert!(segment.tag(first).is_err(), "byte {at}");
        } else {
            assert!(segment.node(4, first.0 >> 4).is_err(), "byte {at}");
            assert!(segment.group(first).is_err(), "byte {at}");
            assert!(segment.twig_anchor(twig_id).is_err(), "byte {at}");
        }
        let other = TwigId(3 - twig as u64);
        segment.payloads(other).expect("the other twig is whole");
        segment
            .node(5, other.first_tx_num().unwrap().0 >> 5)
            .expect("the other twig is whole");
        assert!(segment.verify_checksums().is_err(), "byte {at}");
        assert!(segment.check().is_err(), "byte {at}");
        assert!(segment.check_twig(twig_id).is_err(), "byte {at}");
        bytes[HEADER_LEN + at] ^= 1 << (at % 8);
    }
    open_blake3(&name, &bytes).unwrap().check().unwrap();
}

#[test]
fn flips_in_tags_are_found_on_touch_and_by_both_audits_and_hurt_nothing_else() {
    let (name, mut bytes) = file();
    for at in (TAGS..FOOTER).step_by(331).chain([FOOTER - 1]) {
        bytes[at] ^= 1 << (at % 8);
        let segment = open_blake3(&name, &bytes).expect("opening leaves the tags alone");
        let twig = 1 + (at - TAGS) / TAGS_LEN;
        let (twig_id, other) = (TwigId(twig as u64), TwigId(3 - twig as u64));
        let error = segment.tags(twig_id).unwrap_err();
        let SegmentError::Checksum { part, offset, .. } = error else {
            panic!("{error}")
        };
        let from = TAGS + (twig - 1) * TAGS_LEN;
        assert_eq!((part, offset), (Part::Tags(twig_id), from as u64));
        let first = twig_id.first_tx_num().unwrap();
        assert!(segment.tag(first).is_err());
        segment.tags(other).unwrap();
        segment.payload(first).unwrap();
        segment.group(first).unwrap();
        assert!(segment.verify_checksums().is_err() && segment.check().is_err());
        bytes[at] ^= 1 << (at % 8);
    }
    open_blake3(&name, &bytes).unwrap().check().unwrap();
}

#[test]
fn a_checksum_of_tags_that_are_not_there_is_refused() {
    let (name, mut bytes) = sealed(Profile::Blake3, 0..1);
    bytes[HEADER_LEN + TWIG_HEADER + 12] = 1;
    let error = open_blake3(&name, &bytes).unwrap().check().unwrap_err();
    let field = "checksum of tags that are not there";
    assert!(
        matches!(error, SegmentError::Field { field: found, .. } if found == field),
        "{error}"
    );
}

#[test]
fn checksums_say_where() {
    let (name, mut bytes) = file();
    let cases = [
        (5, Part::Payload(TwigId(2)), 0),
        (ANCHORS + 4000, Part::Anchors(TwigId(2)), ANCHORS),
        (NODES + 4000, Part::Nodes(TwigId(2)), NODES),
    ];
    for (at, part, from) in cases {
        bytes[HEADER_LEN + TWIG_LEN + at] ^= 1;
        let error = open_blake3(&name, &bytes)
            .unwrap()
            .verify_checksums()
            .unwrap_err();
        let SegmentError::Checksum {
            part: found,
            offset,
            stored,
            computed,
            path,
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((*found, path), (part, &name));
        assert_eq!(*offset, (HEADER_LEN + TWIG_LEN + from) as u64);
        assert_eq!(
            error.to_string(),
            format!(
                "{}: {part} at byte {offset}: checksum {stored:08x}, computed {computed:08x}; \
                 restore the segment from a copy",
                name.display(),
            ),
        );
        bytes[HEADER_LEN + TWIG_LEN + at] ^= 1;
    }
}

/// Changes one byte, mends the checksums, and returns what `check` says.
fn forge(at: usize) -> (Segment, SegmentError) {
    let (name, mut bytes) = file();
    bytes[at] ^= 1;
    mend(&mut bytes);
    let segment = open_blake3(&name, &bytes).expect("checksums are right");
    let error = segment.check().unwrap_err();
    (segment, error)
}

#[test]
fn check_finds_forgeries_that_have_right_checksums() {
    let twig = HEADER_LEN + TWIG_LEN;
    let cases = [
        // A payload in the middle of group 1: its hash is the anchor of group 2.
        (
            twig + 96 * 20,
            Part::Anchors(TwigId(2)),
            twig + ANCHORS + 64,
        ),
        // A payload in the last group of the last twig: no anchor of the twig follows.
        (twig + 96 * 2047, Part::Nodes(TwigId(2)), twig + NODES),
        // An anchor: the chain before it ends elsewhere.
        (
            twig + ANCHORS + 32 * 5,
            Part::Anchors(TwigId(2)),
            twig + ANCHORS + 32 * 5,
        ),
        // The first anchor of the second twig.
        (twig + ANCHORS, Part::Anchors(TwigId(2)), twig + ANCHORS),
        // A node.
        (
            twig + NODES + 32 * 100,
            Part::Nodes(TwigId(2)),
            twig + NODES + 32 * 100,
        ),
        // The end, in the header.
        (96, Part::End, 96),
    ];
    for (at, part, offset) in cases {
        let (segment, error) = forge(at);
        match error {
            SegmentError::Mismatch {
                part: found,
                offset: at,
                ..
            } => {
                assert_eq!((found, at), (part, offset as u64));
            }
            other => panic!("{at}: {other}"),
        }
        segment
            .verify_checksums()
            .expect("checksums alone do not tell");
    }
}

#[test]
fn a_forged_payload_is_found_by_its_group() {
    let (segment, _) = forge(HEADER_LEN + 96 * 20);
    let group = segment.group(TxNum(2048 + 16)).unwrap_err();
    assert_eq!(
        group.to_string().split_once("digest").unwrap().0,
        format!(
            "{}: nodes of twig 1 at byte {}: ",
            segment.path().display(),
            204_800 + 32 * 129
        ),
    );
    segment.group(TxNum(2048)).unwrap();
    segment
        .payload(TxNum(2048 + 20))
        .expect("its checksum is right");
}

#[test]
fn what_is_stored_twice_is_compared_on_touch() {
    for at in [64, FOOTER] {
        let (name, mut bytes) = file();
        bytes[at] ^= 1;
        mend(&mut bytes);
        let segment = open_blake3(&name, &bytes).unwrap();
        let error = segment.group(TxNum(2048)).unwrap_err();
        assert!(matches!(error, SegmentError::Mismatch { .. }), "{error}");
        segment.group(TxNum(4096)).expect("the other twig is whole");
        assert!(matches!(
            segment.verify_checksums(),
            Err(SegmentError::Mismatch { .. })
        ));
    }
}

#[test]
fn every_other_length_is_refused() {
    let (name, bytes) = file();
    let ends = (0..HEADER_LEN + 100).chain(FOOTER - 40..bytes.len());
    let middle = (HEADER_LEN..FOOTER).step_by(1009);
    let borders = (0..2).flat_map(|twig| {
        [0, ANCHORS, TWIG_HEADER, NODES].map(|part| HEADER_LEN + TWIG_LEN * twig + part)
    });
    for len in ends.chain(middle).chain(borders) {
        assert!(open_blake3(&name, &bytes[..len]).is_err(), "{len} bytes");
    }
    for more in [1, 32, 80, TWIG_LEN] {
        let longer = [&bytes[..], &vec![0; more]].concat();
        assert!(open_blake3(&name, &longer).is_err(), "{more} more");
    }
    let error = open_blake3(&name, &bytes[..5000]).unwrap_err();
    let expected = format!(
        "{}: 5000 bytes, {} expected; it was cut or grew after it was sealed: \
         restore the segment from a copy",
        name.display(),
        bytes.len(),
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn another_database_or_name_is_refused() {
    let (name, bytes) = file();
    let error = open(&name, &bytes, Profile::Keccak256).unwrap_err();
    assert!(
        matches!(
            error,
            SegmentError::Header(HeaderError::OtherDatabase { .. })
        ),
        "{error}"
    );
    let ours = identity(Profile::Blake3);
    assert_eq!(open_blake3(&name, &bytes).unwrap().path(), name);
    for wrong in [
        "0000000000000001-0000000000000001.qms",
        "0000000000000002-0000000000000002.qms",
        "0000000000000001-0000000000000002.qmp",
        "1-2.qms",
    ] {
        let error = open_blake3(wrong.as_ref(), &bytes).unwrap_err();
        let expected = format!(
            "{wrong}: a segment of this name should be called {}; rename it back",
            name.display(),
        );
        assert_eq!(error.to_string(), expected, "{ours}");
    }
}

/// Writes a number over a field of the header.
fn with_field(at: usize, value: u64) -> Result<Segment, SegmentError> {
    let (name, mut bytes) = file();
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    mend(&mut bytes);
    open_blake3(&name, &bytes)
}

#[test]
fn absurd_numbers_are_refused() {
    let values = [
        0,
        1,
        3,
        1 << 31,
        1 << 32,
        1 << 53,
        (1 << 53) - 2,
        u64::MAX - 1,
        u64::MAX,
    ];
    for at in [32, 40, 56] {
        for value in values {
            let result = with_field(at, value);
            assert!(result.is_err() || (at, value) == (32, 1), "{value} at {at}");
        }
    }
    assert!(matches!(
        with_field(48, u64::MAX - 1),
        Err(SegmentError::Header(HeaderError::Field { offset: 56, .. }))
    ));
}

#[test]
fn blocks_that_cannot_be_are_refused() {
    let table = FOOTER + 64;
    // A leaf count outside, one that falls, a state root of no entries.
    for (at, value) in [
        (table, 2048),
        (table, 6145),
        (table + 80, 2049),
        (table + 8, 0),
    ] {
        let (name, mut bytes) = file();
        bytes[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
        mend(&mut bytes);
        let error = open_blake3(&name, &bytes).unwrap_err();
        assert!(
            matches!(error, SegmentError::Field { field: "block", .. }),
            "{error}"
        );
    }
}

/// Asks a segment everything there is to ask; what it answers is the business of other tests, here
/// nothing may panic.
fn use_all(segment: &Segment) {
    let leaves = segment.leaves();
    let some = [
        leaves.start.0,
        leaves.start.0 + 2047,
        leaves.end.0 - 1,
        leaves.end.0,
        0,
        u64::MAX,
    ];
    for tx_num in some {
        for level in [0, 3, 4, 10, 11, 12, 64, u32::MAX] {
            let _ = segment.node(level, tx_num.checked_shr(level).unwrap_or_default());
        }
        let _ = (segment.payload(TxNum(tx_num)), segment.leaf(TxNum(tx_num)));
        let _ = segment.tag(TxNum(tx_num));
        let _ = (segment.block_of(TxNum(tx_num)), segment.block_end(tx_num));
    }
    let _ = (segment.verify_checksums(), segment.check());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_makes_a_reader_panic(
        changes in prop::collection::vec(
            (prop_oneof![0_usize..136, FOOTER..FOOTER + 300, 4096_usize..FOOTER], any::<u64>()),
            1..4,
        ),
        narrow in any::<bool>(),
        name in prop_oneof![Just(1_u64), any::<u64>()],
        len in prop_oneof![Just(usize::MAX), 0..FOOTER + 5000],
    ) {
        let (_, mut bytes) = file();
        for (at, value) in changes {
            let width = if narrow { 1 } else { 8 };
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        mend(&mut bytes);
        bytes.truncate(len);
        for content in ["qms", "qmp"] {
            let name = format!("{name:016x}-0000000000000002.{content}");
            if let Ok(segment) = open_blake3(name.as_ref(), &bytes) {
                use_all(&segment);
            }
        }
    }
}
