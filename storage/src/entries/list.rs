//! The folder is the manifest: which entry segments there are, and that none is missing.

use super::error::EntrySegmentError;
use super::keys::EXTENSION as KEYS_ENDING;
use super::layout::Content;
use super::reader::EntrySegment;
use crate::identity::Identity;
use crate::io::Disk;
use qmtree_proofs::TwigId;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The entry segments of a folder.
#[derive(Debug)]
pub struct EntryListing {
    /// In order.
    pub segments: Vec<EntrySegment>,
    /// Whole segments beside their pruned form: what a crash left.
    pub orphans: Vec<PathBuf>,
}

/// Opens all entry segments of a folder. Other files are left out.
///
/// # Errors
/// [`EntrySegmentError::Place`] unless they are twig 0 up, each twig once; the error of the first
/// one that does not open.
pub fn list_entry_segments(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
) -> Result<EntryListing, EntrySegmentError> {
    let listed = disk.list(folder);
    let names = listed.map_err(EntrySegmentError::io(folder, "list"))?;
    let (mut files, mut orphans) = (Vec::new(), Vec::new());
    for name in names {
        if let Some(content) = content_of(&name) {
            files.push((name.with_extension(""), content));
        }
    }
    // Names have 16 digits for the first twig, so their order is that of the twigs.
    files.sort();
    let (mut segments, mut expected) = (Vec::<EntrySegment>::new(), TwigId(0));
    let mut before = None;
    for (stem, content) in files {
        let path = folder.join(&stem).with_extension(content.extension());
        if before.as_ref() == Some(&stem) {
            orphans.push(path);
            continue;
        }
        let segment = EntrySegment::open(disk, &path, identity)?;
        let found = segment.twigs().start;
        if found != expected {
            return Err(EntrySegmentError::Place {
                path,
                expected,
                found,
            });
        }
        expected = segment.twigs().end;
        segments.push(segment);
        before = Some(stem);
    }
    Ok(EntryListing { segments, orphans })
}

fn content_of(name: &Path) -> Option<Content> {
    let ending = name.extension()?;
    Content::ALL
        .into_iter()
        .find(|content| ending == content.extension())
}

/// True if this is the ending of a file of the state log: a segment, or the keys.
pub(crate) fn has_entry_ending(name: &Path) -> bool {
    content_of(name).is_some() || name.extension().is_some_and(|ending| ending == KEYS_ENDING)
}

/// True if this is how a file of the state log is named: a segment, or the keys.
#[must_use]
pub fn is_entry_file(name: &Path) -> bool {
    let is_digits = |part: &str| part.len() == 16 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let stem = name.file_stem().and_then(OsStr::to_str);
    has_entry_ending(name) && stem.is_some_and(|stem| stem.split('-').all(is_digits))
}
