//! Folders of segments: order, gaps, overlaps, pruning, and what a crash leaves.
#![allow(
    clippy::single_range_in_vec_init,
    reason = "a list of one segment is a list"
)]

use crate::support::{blocks, identity, log, seal};
use qmtree_proofs::{Profile, TWIG_LEVEL, TwigId, TxNum};
use qmtree_storage::{
    Listing, RealDisk, Segment, SegmentError, list_segments, prune_segment, write_segment,
};
use std::ops::Range;
use std::path::Path;
use tempfile::TempDir;

const PROFILE: Profile = Profile::Blake3;

fn folder(segments: &[Range<u64>]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for twigs in segments {
        seal(&RealDisk, folder.path(), PROFILE, twigs.clone()).unwrap();
    }
    folder
}

fn list(folder: &Path) -> Result<Listing, SegmentError> {
    list_segments(&RealDisk, folder, identity(PROFILE))
}

fn path(folder: &Path, name: &str) -> std::path::PathBuf {
    folder.join(name)
}

/// Makes an empty file.
fn touch(folder: &Path, name: &str) {
    std::fs::File::create_new(folder.join(name)).unwrap();
}

#[test]
fn segments_come_in_order() {
    let folder = folder(&[3..4, 1..3, 0..1]);
    touch(folder.path(), "notes.txt");
    let listing = list(folder.path()).unwrap();
    let twigs: Vec<_> = listing.segments.iter().map(Segment::twigs).collect();
    assert_eq!(
        twigs,
        [(0, 1), (1, 3), (3, 4)].map(|(from, to)| TwigId(from)..TwigId(to))
    );
    assert_eq!(listing.orphans, [""; 0].map(std::path::PathBuf::from));
    assert_eq!((listing.end(), listing.earliest()), (TwigId(4), TxNum(0)));
}

#[test]
fn an_empty_folder_is_an_empty_log() {
    let folder = folder(&[]);
    let listing = list(folder.path()).unwrap();
    assert!(listing.segments.is_empty() && listing.orphans.is_empty());
    assert_eq!((listing.end(), listing.earliest()), (TwigId(0), TxNum(0)));
    let missing = list(&folder.path().join("nothing")).unwrap_err();
    let text = missing.to_string();
    assert!(
        text.ends_with("nothing: this folder is missing; restore it from a backup"),
        "{text}"
    );
}

#[test]
fn gaps_are_named() {
    for (segments, from, to) in [(&[2..3][..], 0, 2), (&[0..1, 3..4], 1, 3)] {
        let folder = folder(segments);
        let error = list(folder.path()).unwrap_err();
        let expected = format!(
            "{}: segments for twigs {from}..{to} are missing; restore them from a copy",
            folder.path().display(),
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn overlaps_are_named() {
    for (segments, from, to) in [
        (&[0..2, 1..3][..], 1, 2),
        (&[0..4, 1..2], 1, 2),
        (&[0..1, 0..2], 0, 1),
        (&[0..1, 1..2, 1..4], 1, 2),
    ] {
        let folder = folder(segments);
        match list(folder.path()).unwrap_err() {
            SegmentError::Overlap {
                from: found,
                to: end,
                ..
            } => {
                assert_eq!((found, end), (TwigId(from), TwigId(to)));
            }
            other => panic!("{other}"),
        }
    }
    let folder = folder(&[0..2, 1..3]);
    let expected = format!(
        "{}: twigs 1..2 are also in {}; move one of the two out of the folder",
        path(folder.path(), "0000000000000001-0000000000000002.qms").display(),
        path(folder.path(), "0000000000000000-0000000000000002.qms").display(),
    );
    assert_eq!(list(folder.path()).unwrap_err().to_string(), expected);
}

#[test]
fn neighbours_must_be_of_one_log() {
    let folder = folder(&[0..1]);
    // Twig 1 of another log: leaf hashes of the other profile, the right identity.
    let twigs = &log(Profile::Keccak256).twigs[1..2];
    let identity = identity(PROFILE);
    write_segment(&RealDisk, folder.path(), identity, twigs, 0, &[]).unwrap();
    let error = list(folder.path()).unwrap_err();
    assert!(
        matches!(
            error,
            SegmentError::Unlinked {
                what: "first leaf",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn block_numbers_go_on() {
    let folder = folder(&[0..1]);
    let (first_block, table) = blocks(1..2);
    let identity = identity(PROFILE);
    let twigs = &log(PROFILE).twigs[1..2];
    write_segment(
        &RealDisk,
        folder.path(),
        identity,
        twigs,
        first_block + 1,
        &table,
    )
    .unwrap();
    let error = list(folder.path()).unwrap_err();
    assert!(
        matches!(
            error,
            SegmentError::Unlinked {
                what: "first block",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn temporary_files_are_orphans() {
    let folder = folder(&[0..1]);
    let name = "0000000000000001-0000000000000001.qms.tmp";
    touch(folder.path(), name);
    let listing = list(folder.path()).unwrap();
    assert_eq!(listing.orphans, [folder.path().join(name)]);
    assert_eq!(listing.segments.len(), 1);
    assert!(folder.path().join(name).exists(), "listing removes nothing");
}

#[test]
fn a_name_that_is_almost_a_segments_is_refused() {
    let folder = folder(&[0..1]);
    touch(folder.path(), "copy of a segment.qms");
    assert!(matches!(
        list(folder.path()),
        Err(SegmentError::UnknownName { .. })
    ));
}

#[test]
fn pruning_keeps_roots_and_blocks() {
    let folder = folder(&[0..2, 2..4]);
    let whole = list(folder.path()).unwrap().segments.remove(0);
    let pruned = prune_segment(&RealDisk, &whole).unwrap();
    assert!(!whole.path().exists() && pruned.path().exists());
    let len = 4128 + 32 * 2 + 80 * blocks(0..2).1.len() as u64;
    let seams = (pruned.len_bytes() - len) / 32;
    // 20 ends of blocks in each twig, a hundred leaves apart.
    assert!((2 * 20..2 * 21 * 7).contains(&seams), "{seams}");

    let listing = list(folder.path()).unwrap();
    assert_eq!(
        (listing.end(), listing.earliest()),
        (TwigId(4), TxNum(4096))
    );
    for pruned in [&pruned, &listing.segments[0]] {
        assert!(pruned.is_pruned());
        assert_eq!(pruned.twig_roots(), whole.twig_roots());
        assert_eq!(
            (pruned.anchor(), pruned.end()),
            (whole.anchor(), whole.end())
        );
        assert_eq!(
            (pruned.leaves(), pruned.blocks()),
            (whole.leaves(), whole.blocks())
        );
        assert!(
            pruned
                .blocks()
                .all(|n| pruned.block_end(n) == whole.block_end(n))
        );
        assert_eq!(pruned.block_of(TxNum(3000)), whole.block_of(TxNum(3000)));
        assert_eq!(
            pruned.node(TWIG_LEVEL, 1).unwrap(),
            whole.node(TWIG_LEVEL, 1).unwrap()
        );
        pruned.verify_checksums().unwrap();
        pruned.check().unwrap();
        is_pruned(pruned);
        seams_are_left(pruned, &whole);
    }
    // The whole one is unlinked, and still there for who holds it.
    whole.check().unwrap();
}

/// Every node that no end of a block lies inside of and that is no part of such a node is left;
/// every other is not.
fn seams_are_left(pruned: &Segment, whole: &Segment) {
    let blocks = pruned.blocks();
    let ends: Vec<u64> = blocks
        .map(|n| pruned.block_end(n).unwrap().leaf_count)
        .collect();
    // If none lies inside of its parent either, the node is a part of a larger one that is kept.
    let has_seam = |level: u32, index: u64| {
        let (start, end) = (index << level, (index + 1) << level);
        ends.iter().any(|cut| (start + 1..end).contains(cut))
    };
    let mut counts = [0, 0];
    for level in 0..TWIG_LEVEL {
        for index in 0..4096 >> level {
            let is_left = has_seam(level + 1, index / 2);
            counts[usize::from(is_left)] += 1;
            match pruned.node(level, index) {
                Ok(node) => {
                    assert!(is_left, "{level} {index}");
                    assert_eq!(node, whole.node(level, index).unwrap());
                }
                Err(SegmentError::Pruned { .. }) => assert!(!is_left, "{level} {index}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(counts[0] > 5000 && counts[1] > 300, "{counts:?}");
}

fn is_pruned(segment: &Segment) {
    let at = |error: SegmentError| match error {
        SegmentError::Pruned {
            tx_num, earliest, ..
        } => (tx_num.0, earliest.0),
        other => panic!("{other}"),
    };
    assert_eq!(at(segment.payload(TxNum(3000)).unwrap_err()), (3000, 4096));
    assert_eq!(at(segment.leaf(TxNum(3000)).unwrap_err()), (3000, 4096));
    assert_eq!(at(segment.group(TxNum(3000)).unwrap_err()), (3000, 4096));
    assert_eq!(at(segment.node(2, 600).unwrap_err()), (2400, 4096));
    assert_eq!(
        at(segment.twig_anchor(TwigId(1)).unwrap_err()),
        (2048, 4096)
    );
    assert_eq!(at(segment.check_twig(TwigId(1)).unwrap_err()), (2048, 4096));
    let error = segment.payload(TxNum(7)).unwrap_err().to_string();
    let path = segment.path().display();
    assert_eq!(
        error,
        format!("{path}: leaf 7 is pruned, as are all before 4096")
    );
    assert!(matches!(
        segment.payload(TxNum(4096)),
        Err(SegmentError::Outside { .. })
    ));
}

#[test]
fn pruning_twice_changes_nothing() {
    let folder = folder(&[0..1]);
    let whole = list(folder.path()).unwrap().segments.remove(0);
    let pruned = prune_segment(&RealDisk, &whole).unwrap();
    let again = prune_segment(&RealDisk, &pruned).unwrap();
    assert_eq!(again.path(), pruned.path());
    assert!(again.path().exists());
}

#[test]
fn a_whole_segment_beside_its_pruned_one_is_an_orphan() {
    let folder = folder(&[0..2, 2..3]);
    let whole = list(folder.path()).unwrap().segments.remove(0);
    let bytes = std::fs::read(whole.path()).unwrap();
    prune_segment(&RealDisk, &whole).unwrap();
    let mut file = std::fs::File::create_new(whole.path()).unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();

    let listing = list(folder.path()).unwrap();
    assert_eq!(listing.orphans, [whole.path()]);
    assert_eq!(listing.segments.len(), 2);
    assert!(listing.segments[0].is_pruned());
}
