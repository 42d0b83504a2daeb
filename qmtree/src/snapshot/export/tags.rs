//! Tags: what finds leaves by their transactions, in files of their own.

use super::super::output::Output;
use super::super::plan::has_any;
use super::Export;
use crate::error::Error;
use qmtree_proofs::{TWIG_LEAVES, TwigId};
use qmtree_storage::snapshot::{
    ManifestEntry, SnapshotContent, SnapshotHeader, SnapshotName, SnapshotParts, write_snapshot,
};
use qmtree_storage::{NO_TAG, Tag};
use std::borrow::Cow;
use std::ops::Range;

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

/// Writes the tags of a file beside it, if there are any.
pub(in crate::snapshot) fn write_tags(
    output: &Output<'_>,
    parts: &SnapshotParts<'_>,
) -> Result<Option<ManifestEntry>, Error> {
    if parts.tags.is_empty() {
        return Ok(None);
    }
    let name = SnapshotName {
        content: SnapshotContent::Tags,
        ..parts.header.name
    };
    let header = SnapshotHeader {
        name,
        ..parts.header
    };
    let parts = SnapshotParts { header, ..*parts };
    let written = output.put(name, |disk| {
        write_snapshot(disk, output.folder, &parts, |_| Ok::<_, Error>(()))
    });
    written.map(Some)
}
