//! Tags: what finds leaves by their transactions, in files of their own.

use super::super::plan::has_any;
use super::Export;
use crate::error::Error;
use qmtree_proofs::{TWIG_LEAVES, TwigId};
use qmtree_storage::snapshot::{
    ManifestEntry, SnapshotContent, SnapshotHeader, SnapshotName, SnapshotParts, write_snapshot,
};
use qmtree_storage::{Disk, NO_TAG, Tag};
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

impl Export {
    /// The tags of a range that starts with a twig; none if no leaf has one.
    pub(super) fn tags(&self, leaves: &Range<u64>) -> Result<Vec<Tag>, Error> {
        let mut tags: Vec<Tag> = Vec::new();
        for twig in leaves.start / TWIG_LEAVES..leaves.end.div_ceil(TWIG_LEAVES) {
            let place = usize::try_from(twig * TWIG_LEAVES - leaves.start).unwrap_or(usize::MAX);
            if let Some(of_twig) = self.tags_of(twig)?.filter(|tags| has_any(tags)) {
                tags.resize(place, NO_TAG);
                tags.extend_from_slice(&of_twig);
            }
        }
        let len = usize::try_from(leaves.end - leaves.start).unwrap_or(usize::MAX);
        if has_any(tags.get(..len).unwrap_or(&tags)) {
            tags.resize(len, NO_TAG);
            Ok(tags)
        } else {
            Ok(Vec::new())
        }
    }

    fn tags_of(&self, twig: u64) -> Result<Option<Cow<'_, [Tag]>>, Error> {
        if let Some(tail) = self.state.tail_twig(TwigId(twig)) {
            return Ok(tail.tags().map(Cow::Owned));
        }
        let sealed = &self.state.sealed;
        if let Some(files) = sealed.snapshot() {
            return Ok(files.plan().set.tags(twig).map(Cow::Borrowed));
        }
        match sealed.segment_of(TwigId(twig)) {
            Some(segment) => Ok(Some(Cow::Borrowed(segment.tags(TwigId(twig))?))),
            None => Err(self.no_leaf(twig)),
        }
    }
}

/// Writes the tags of a file beside it, unless they are there already. They go into no hash that
/// could tell, so nobody else may have written them.
pub(in crate::snapshot) fn write_tags(
    disk: &dyn Disk,
    folder: &Path,
    parts: &SnapshotParts<'_>,
) -> Result<Option<ManifestEntry>, Error> {
    let name = SnapshotName {
        content: SnapshotContent::Tags,
        ..parts.header.name
    };
    if disk.exists(&folder.join(name.to_string())) {
        return Ok(None);
    }
    let header = SnapshotHeader {
        name,
        ..parts.header
    };
    let parts = SnapshotParts { header, ..*parts };
    let written = write_snapshot(disk, folder, &parts, |_| Ok::<_, Error>(()))?;
    Ok(Some(written))
}
