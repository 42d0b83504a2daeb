//! The folder is the manifest: which entry segments there are, and that none is missing.

use super::error::EntrySegmentError;
use super::layout::EXTENSION;
use super::reader::EntrySegment;
use crate::identity::Identity;
use crate::io::Disk;
use qmtree_proofs::TwigId;
use std::path::Path;

/// Opens all entry segments of a folder, in order. Other files are left out.
///
/// # Errors
/// [`EntrySegmentError::Place`] unless they are twig 0 up, each twig once; the error of the first
/// one that does not open.
pub fn list_entry_segments(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
) -> Result<Vec<EntrySegment>, EntrySegmentError> {
    let listed = disk.list(folder);
    let mut names = listed.map_err(EntrySegmentError::io(folder, "list"))?;
    names.retain(|name| name.extension().is_some_and(|ending| ending == EXTENSION));
    // Names have 16 digits for the first twig, so their order is that of the twigs.
    names.sort();
    let (mut segments, mut expected) = (Vec::new(), TwigId(0));
    for name in names {
        let segment = EntrySegment::open(disk, &folder.join(name), identity)?;
        let found = segment.twigs().start;
        if found != expected {
            let path = segment.path().to_owned();
            return Err(EntrySegmentError::Place {
                path,
                expected,
                found,
            });
        }
        expected = segment.twigs().end;
        segments.push(segment);
    }
    Ok(segments)
}
