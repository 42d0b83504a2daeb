//! What goes into a segment comes out of it.

use crate::support::{TWIGS, blocks, identity, log, open, seal, sealed, tag};
use qmtree_kernels::Hasher;
use qmtree_proofs::{NodeSource, Profile, TWIG_LEAVES, TWIG_LEVEL, TwigId, TxNum};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{BlockEnd, ContentsError, NO_TAG, Segment, SegmentError, Twig, write_segment};
use std::path::Path;

#[test]
fn twigs_have_the_nodes_of_the_log() {
    for profile in Profile::ALL {
        let log = log(profile);
        for twig in &log.twigs {
            let first = twig.twig_id().0;
            for level in 0..=TWIG_LEVEL {
                let width = TWIG_LEAVES >> level;
                for index in 0..width {
                    let expected = log.memory.node(level, first * width + index).unwrap();
                    assert_eq!(twig.node(level, index), Some(expected));
                }
                assert_eq!(twig.node(level, width), None);
            }
            let previous = twig.previous_leaf_hash();
            let payloads = twig.payloads().to_vec();
            let again = Twig::rebuild(&Hasher::new(profile), twig.twig_id(), previous, payloads);
            assert_eq!(again.root(), twig.root());
            assert_eq!(again.leaf_hashes(), twig.leaf_hashes());
            assert_eq!(Some(twig.last_leaf_hash()), twig.leaf_hash(TWIG_LEAVES - 1));
            assert_eq!(twig.anchor(0), Some(previous));
            assert_eq!(twig.anchor(127), twig.leaf_hash(127 * 16 - 1));
            assert_eq!(twig.anchor(128), None);
        }
    }
}

#[test]
fn every_tag_comes_back_and_no_tags_take_no_room() {
    let profile = Profile::Blake3;
    let (name, bytes) = sealed(profile, 1..3);
    let segment = open(&name, &bytes, profile).unwrap();
    assert!(segment.has_tags());
    for tx_num in TWIG_LEAVES..3 * TWIG_LEAVES {
        assert_eq!(segment.tag(TxNum(tx_num)).unwrap(), tag(tx_num));
    }
    for outside in [0, TWIG_LEAVES - 1, 3 * TWIG_LEAVES, u64::MAX] {
        let error = segment.tag(TxNum(outside)).unwrap_err();
        assert!(matches!(error, SegmentError::Outside { .. }), "{error}");
    }
    assert_eq!(segment.tags(TwigId(1)).unwrap(), [NO_TAG; 2048]);
    // Twigs 0 and 1 have no tags.
    let (name, without) = sealed(profile, 0..2);
    let blocks = |twigs| 80 * blocks(twigs).1.len();
    assert_eq!(
        bytes.len() - blocks(1..3),
        without.len() - blocks(0..2) + 2 * 16_384
    );
    let segment = open(&name, &without, profile).unwrap();
    assert!(!segment.has_tags());
    assert_eq!(segment.tag(TxNum(77)).unwrap(), NO_TAG);
    assert_eq!(segment.tags(TwigId(1)).unwrap(), [NO_TAG; 0]);
}

#[test]
fn every_node_and_leaf_comes_back() {
    for profile in Profile::ALL {
        let (name, bytes) = sealed(profile, 1..3);
        let segment = open(&name, &bytes, profile).unwrap();
        let memory = &log(profile).memory;
        for level in 0..=TWIG_LEVEL {
            let width = TWIG_LEAVES >> level;
            for index in width..3 * width {
                let expected = memory.node(level, index).unwrap();
                assert_eq!(
                    segment.node(level, index).unwrap(),
                    expected,
                    "({level}, {index})"
                );
            }
            for index in [0, width - 1, 3 * width, u64::MAX] {
                assert!(matches!(
                    segment.node(level, index),
                    Err(SegmentError::Outside { .. })
                ));
            }
        }
        assert!(matches!(
            segment.node(12, 0),
            Err(SegmentError::Outside { .. })
        ));
        for tx_num in (TWIG_LEAVES..3 * TWIG_LEAVES).map(TxNum) {
            let leaf = memory.leaf(tx_num).unwrap();
            assert_eq!(segment.leaf(tx_num).unwrap(), leaf);
            assert_eq!(segment.payload(tx_num).unwrap(), leaf.payload().to_bytes());
            assert_eq!(
                segment.leaf_hash(tx_num).unwrap(),
                memory.leaf_hash(tx_num).unwrap().0
            );
        }
        for tx_num in [0, TWIG_LEAVES - 1, 3 * TWIG_LEAVES, u64::MAX].map(TxNum) {
            assert!(matches!(
                segment.payload(tx_num),
                Err(SegmentError::Outside { .. })
            ));
            assert!(matches!(
                segment.leaf(tx_num),
                Err(SegmentError::Outside { .. })
            ));
        }
        segment.verify_checksums().unwrap();
        segment.check().unwrap();
        segment.check_twig(TwigId(2)).unwrap();
        assert!(matches!(
            segment.check_twig(TwigId(3)),
            Err(SegmentError::Outside { .. })
        ));
    }
}

#[test]
fn a_group_has_its_leaves_and_no_others() {
    let (name, bytes) = sealed(Profile::Blake3, 0..2);
    let segment = open(&name, &bytes, Profile::Blake3).unwrap();
    let memory = &log(Profile::Blake3).memory;
    for first in [0, 16, 2032, 2048, 4080] {
        let group = segment.group(TxNum(first + 7)).unwrap();
        assert_eq!(group.first_tx_num(), TxNum(first));
        for level in 0..=4 {
            let (from, to) = (first >> level, (first + 16) >> level);
            for index in from..to {
                assert_eq!(group.node(level, index), memory.node(level, index).ok());
            }
            assert_eq!(group.node(level, to), None);
            assert_eq!(
                from.checked_sub(1)
                    .and_then(|index| group.node(level, index)),
                None
            );
        }
        assert_eq!((group.node(5, 0), group.node(64, 0)), (None, None));
        for tx_num in (first..first + 16).map(TxNum) {
            let leaf = memory.leaf(tx_num).unwrap();
            assert_eq!(group.leaf(tx_num), Some(leaf));
            assert_eq!(
                group.previous_leaf_hash(tx_num),
                Some(leaf.previous_leaf_hash.0)
            );
        }
        assert_eq!(group.leaf(TxNum(first + 16)), None);
    }
}

#[test]
fn the_frame_tells_what_is_inside() {
    let (name, bytes) = sealed(Profile::Keccak256, 1..3);
    let log = log(Profile::Keccak256);
    let segment = open(&name, &bytes, Profile::Keccak256).unwrap();
    assert_eq!(segment.path(), name);
    assert_eq!(segment.len_bytes(), bytes.len() as u64);
    assert_eq!((segment.first_twig(), segment.twig_count()), (TwigId(1), 2));
    assert_eq!(segment.twigs(), TwigId(1)..TwigId(3));
    assert_eq!(segment.leaves(), TxNum(2048)..TxNum(6144));
    assert_eq!(segment.anchor(), log.twigs[0].last_leaf_hash());
    assert_eq!(segment.end(), log.twigs[2].last_leaf_hash());
    assert_eq!(
        segment.twig_roots(),
        [log.twigs[1].root(), log.twigs[2].root()]
    );
    assert_eq!(segment.twig_root(TwigId(2)), Some(log.twigs[2].root()));
    assert_eq!(segment.twig_root(TwigId(0)), None);
    assert_eq!(segment.twig_root(TwigId(3)), None);
    assert_eq!(
        segment.twig_anchor(TwigId(2)).unwrap(),
        log.twigs[1].last_leaf_hash()
    );
    assert_eq!(
        segment.payloads(TwigId(2)).unwrap(),
        log.twigs[2].payloads()
    );
    assert!(!segment.is_pruned());
}

#[test]
fn blocks_are_found_by_number_and_by_leaf() {
    for twigs in [0..1, 0..2, 1..3, 3..4] {
        let (name, bytes) = sealed(Profile::Blake3, twigs.clone());
        let segment = open(&name, &bytes, Profile::Blake3).unwrap();
        let (first_block, table) = blocks(twigs.clone());
        assert_eq!(
            segment.blocks(),
            first_block..first_block + table.len() as u64
        );
        for (number, end) in (first_block..).zip(&table) {
            assert_eq!(segment.block_end(number), Some(*end));
        }
        assert_eq!(segment.block_end(first_block.wrapping_sub(1)), None);
        assert_eq!(segment.block_end(first_block + table.len() as u64), None);
        for tx_num in twigs.start * TWIG_LEAVES..twigs.end * TWIG_LEAVES {
            let mut ends = (first_block..).zip(&table);
            let expected = ends
                .find(|(_, end)| end.leaf_count > tx_num)
                .map(|(number, _)| number);
            assert_eq!(segment.block_of(TxNum(tx_num)), expected, "leaf {tx_num}");
        }
        assert_eq!(segment.block_of(TxNum(twigs.end * TWIG_LEAVES)), None);
    }
}

#[test]
fn a_segment_may_have_no_blocks() {
    let disk = SimDisk::new();
    let twigs = &log(Profile::Blake3).twigs[1..2];
    let identity = identity(Profile::Blake3);
    let path = write_segment(&disk, Path::new("."), identity, twigs, 9, &[]).unwrap();
    let segment = Segment::open(&disk, &path, identity).unwrap();
    assert_eq!(segment.blocks(), 0..0);
    assert_eq!(segment.block_of(TxNum(2048)), None);
    segment.check().unwrap();
}

#[test]
fn writing_refuses_what_is_no_segment() {
    let disk = SimDisk::new();
    let twigs = &log(Profile::Blake3).twigs;
    let (first_block, table) = blocks(1..2);
    let write = |twigs: &[_], first_block, blocks: &[BlockEnd]| {
        let identity = identity(Profile::Blake3);
        match write_segment(&disk, Path::new("."), identity, twigs, first_block, blocks) {
            Err(SegmentError::Contents(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(write(&[], 0, &[]), ContentsError::NoTwigs);
    let gap = [twigs[0].clone(), twigs[2].clone()];
    let order = ContentsError::TwigOrder {
        expected: TwigId(1),
        found: TwigId(2),
    };
    assert_eq!(write(&gap, 0, &[]), order);

    let rebuild = |id, previous| {
        let payloads = twigs[1].payloads().to_vec();
        Twig::rebuild(
            &Hasher::new(Profile::Blake3),
            TwigId(id),
            previous,
            payloads,
        )
        .into()
    };
    let unlinked = [twigs[0].clone(), rebuild(1, [1; 32])];
    assert_eq!(
        write(&unlinked, 0, &[]),
        ContentsError::Unlinked { twig_id: TwigId(1) }
    );
    let first = ContentsError::Unlinked { twig_id: TwigId(0) };
    assert_eq!(write(&[rebuild(0, [1; 32])], 0, &[]), first);
    let last = TwigId(u64::MAX >> 11);
    let order = ContentsError::TwigOrder {
        expected: last,
        found: last,
    };
    assert_eq!(write(&[rebuild(last.0, [1; 32])], 0, &[]), order);

    let twig = &twigs[1..2];
    let misfit = |place: usize, change: fn(&mut BlockEnd)| {
        let mut table = table.clone();
        change(&mut table[place]);
        let expected = ContentsError::Block {
            block_number: first_block + place as u64,
        };
        assert_eq!(write(twig, first_block, &table), expected);
    };
    misfit(0, |end| end.leaf_count = 2048);
    misfit(0, |end| end.entry_count = 0);
    misfit(table.len() - 1, |end| end.leaf_count = 4097);
    misfit(3, |end| end.leaf_count = 2049);
    misfit(3, |end| end.state_root = Default::default());
    let behind = ContentsError::Block {
        block_number: u64::MAX,
    };
    assert_eq!(write(twig, u64::MAX, &table), behind);
    assert!(disk.files().is_empty(), "nothing was written");
}

#[test]
fn a_segment_is_never_written_over() {
    let disk = SimDisk::new();
    let path = seal(&disk, Path::new("."), Profile::Blake3, 0..1).unwrap();
    match seal(&disk, Path::new("."), Profile::Blake3, 0..1) {
        Err(SegmentError::Exists { path: found }) => assert_eq!(found, path),
        other => panic!("{other:?}"),
    }
}

#[test]
fn equal_logs_make_equal_files() {
    for profile in Profile::ALL {
        let all = 0..TWIGS as u64;
        assert_eq!(sealed(profile, all.clone()), sealed(profile, all));
    }
}
