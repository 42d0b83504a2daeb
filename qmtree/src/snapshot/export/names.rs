//! Which files a range becomes, and their lines in the manifest.

use qmtree_storage::snapshot::{ManifestEntry, SnapshotContent, SnapshotName};
use std::ops::Range;

/// Names of files for a range of twigs: each starts at a multiple of its size, and is as large as that
/// and the range allow. So files of one history are the same wherever they were made, and two
/// neighbours of one size merge into one of twice that.
pub(in crate::snapshot) fn file_names(twigs: Range<u64>, largest: u64) -> Vec<SnapshotName> {
    let largest = 1 << largest.max(1).ilog2();
    let (mut names, mut from) = (Vec::new(), twigs.start);
    while from < twigs.end {
        let aligned = 1 << from.trailing_zeros().min(63);
        let left: u64 = 1 << (twigs.end - from).ilog2();
        let to = from + left.min(aligned).min(largest);
        names.push(SnapshotName {
            content: SnapshotContent::Execution,
            from,
            to,
        });
        from = to;
    }
    names
}

/// The twigs of a range that no file of a content has.
pub(in crate::snapshot) fn gaps(
    files: &[ManifestEntry],
    content: SnapshotContent,
    range: Range<u64>,
) -> Vec<Range<u64>> {
    let names = files.iter().map(|entry| entry.name);
    let mut names: Vec<_> = names.filter(|name| name.content == content).collect();
    names.sort();
    let (mut gaps, mut at) = (Vec::new(), range.start);
    for name in names {
        let end = name.from.min(range.end);
        if at < end {
            gaps.push(at..end);
        }
        at = at.max(name.to);
    }
    if at < range.end {
        gaps.push(at..range.end);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_aligned_and_cover_the_range() {
        let sizes = |from, to, largest| {
            let names = file_names(from..to, largest);
            let ends: Vec<_> = names.iter().map(|name| name.to).collect();
            assert!(
                names
                    .iter()
                    .skip(1)
                    .zip(&ends)
                    .all(|(name, end)| name.from == *end)
            );
            names
                .iter()
                .map(|name| name.to - name.from)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(0, 100, 64), [64, 32, 4]);
        assert_eq!(sizes(100, 130, 64), [4, 8, 16, 2]);
        assert_eq!(sizes(0, 5, 2), [2, 2, 1]);
        assert_eq!(sizes(0, 5, 3), [2, 2, 1]);
        assert_eq!(sizes(7, 7, 64), []);
        assert_eq!(sizes(0, 3, 0), [1, 1, 1]);
    }

    #[test]
    fn gaps_are_what_no_file_has() {
        let entry = |content, from, to| ManifestEntry {
            name: SnapshotName { content, from, to },
            len_bytes: 0,
            blake3: [0; 32],
        };
        let leaves = SnapshotContent::Execution;
        let files = [
            entry(leaves, 4, 8),
            entry(leaves, 2, 3),
            entry(SnapshotContent::State, 0, 9),
            entry(leaves, 4, 6),
        ];
        let found = |range| gaps(&files, leaves, range);
        assert_eq!(found(0..10), [0..2, 3..4, 8..10]);
        assert_eq!(found(1..7), [1..2, 3..4]);
        assert_eq!(found(5..8), []);
        assert_eq!(found(9..9), []);
        assert_eq!(
            gaps(&[], leaves, 0..3),
            gaps(&files, SnapshotContent::Live, 0..3)
        );
    }
}
