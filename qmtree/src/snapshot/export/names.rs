//! Which files a range becomes, and their lines in the manifest.

use crate::error::Error;
use qmtree_storage::Disk;
use qmtree_storage::snapshot::{
    ManifestEntry, SnapshotContent, SnapshotFile, SnapshotName, newest_manifest, read_manifest,
};
use std::ops::Range;
use std::path::Path;

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

/// The manifest's lines for files that were there: from the last manifest, or hashed now.
pub(in crate::snapshot) fn entries(
    disk: &dyn Disk,
    folder: &Path,
    files: &[&SnapshotFile],
) -> Result<Vec<ManifestEntry>, Error> {
    let old = match newest_manifest(disk, folder)? {
        Some((_, path)) => read_manifest(disk, &path)?.unverified().files.clone(),
        None => Vec::new(),
    };
    let entry = |file: &&SnapshotFile| {
        let (name, len_bytes) = (file.header().name, file.len_bytes());
        let known = old
            .iter()
            .find(|entry| (entry.name, entry.len_bytes) == (name, len_bytes));
        known.copied().unwrap_or_else(|| ManifestEntry {
            name,
            len_bytes,
            blake3: file.blake3(),
        })
    };
    Ok(files.iter().map(entry).collect())
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
}
