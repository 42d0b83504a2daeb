//! Dropping entries that nothing needs any more.

use super::error::EntrySegmentError;
use super::layout::*;
use super::reader::EntrySegment;
use crate::durable;
use crate::io::Disk;
use crc32c::crc32c;
use qmtree_proofs::{TWIG_LEVEL, TxNum};
use std::path::Path;

/// Writes the pruned form of a segment, which has the roots of its twigs and nothing else, and
/// unlinks the segment; durable on return. `earliest` is the first transaction after which the
/// state is still known.
///
/// Readers keep the whole segment as long as they hold it.
///
/// # Errors
/// [`EntrySegmentError::Io`]; others if the segment is damaged.
pub fn prune_entry_segment(
    disk: &dyn Disk,
    segment: &EntrySegment,
    earliest: TxNum,
) -> Result<EntrySegment, EntrySegmentError> {
    let twigs = segment.twigs();
    let roots = (twigs.start.0..twigs.end.0).map(|twig| segment.node(TWIG_LEVEL, twig));
    let roots = roots.collect::<Result<Vec<_>, _>>()?;
    let header = Header {
        content: Content::Pruned,
        first_twig: twigs.start.0,
        twig_count: segment.header.twig_count,
        revived: 0,
        values: 0,
        value_bytes: 0,
        earliest: earliest.0,
        live_bytes: 0,
    };
    let folder = segment.path.parent().unwrap_or_else(|| Path::new("."));
    let path = folder.join(header.name());
    let file_len = header
        .file_len()
        .expect("it is shorter than the segment, whose length fits");
    durable::create(disk, &path, |file| {
        file.append(&header.to_bytes(segment.identity))?;
        file.append(roots.as_flattened())?;
        file.append(&tail_bytes(crc32c(roots.as_flattened()), file_len))
    })
    .map_err(EntrySegmentError::io(&path, "write"))?;
    let pruned = EntrySegment::open(disk, &path, segment.identity)?;
    durable::remove(disk, &segment.path).map_err(EntrySegmentError::io(&segment.path, "remove"))?;
    Ok(pruned)
}
