//! The folder is the manifest: what is in it, and whether it is one unbroken log.

use super::error::SegmentError;
use super::name::{Content, SegmentName};
use super::reader::Segment;
use crate::durable::is_temporary;
use crate::identity::Identity;
use crate::io::Disk;
use qmtree_proofs::{TwigId, TxNum};
use std::io;
use std::path::{Path, PathBuf};

/// The segments of a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// The segments, in order: twig 0 up, without gaps, each linked to the one before.
    pub segments: Vec<Segment>,
    /// What a crash left behind and the writer may remove: temporary files, and whole segments
    /// whose pruned form is durable.
    pub orphans: Vec<PathBuf>,
}

impl Listing {
    /// The twig behind the last.
    #[must_use]
    pub fn end(&self) -> TwigId {
        self.segments
            .last()
            .map_or(TwigId(0), |segment| segment.twigs().end)
    }

    /// The first leaf that is not pruned; the first behind the segments if all are.
    #[must_use]
    pub fn earliest(&self) -> TxNum {
        let pruned = self.segments.iter().rfind(|segment| segment.is_pruned());
        pruned.map_or(TxNum(0), |segment| segment.leaves().end)
    }
}

/// Opens all segments of a folder. Changes nothing there.
///
/// Other files than segments and temporary ones are left out.
///
/// # Errors
/// [`SegmentError::Gap`] or [`SegmentError::Overlap`] if the segments are not twig 0 up, each twig
/// once; [`SegmentError::Unlinked`] if two neighbours are not of one log; the error of the first
/// segment that does not open.
pub fn list(disk: &dyn Disk, folder: &Path, identity: Identity) -> Result<Listing, SegmentError> {
    let (names, orphans) = names(disk, folder)?;
    let open = |name: &SegmentName| Segment::open(disk, &folder.join(name.to_string()), identity);
    let segments: Vec<_> = names.iter().map(open).collect::<Result<_, _>>()?;
    let mut before: Option<&Segment> = None;
    for segment in &segments {
        check_place(folder, before, segment)?;
        if let Some(before) = before {
            check_link(before, segment)?;
        }
        before = Some(segment);
    }
    Ok(Listing { segments, orphans })
}

/// The names of the segments that count, sorted by twig, and the orphans.
fn names(disk: &dyn Disk, folder: &Path) -> Result<(Vec<SegmentName>, Vec<PathBuf>), SegmentError> {
    let (mut names, mut orphans) = (Vec::new(), Vec::new());
    let listed = disk.list(folder).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SegmentError::MissingFolder {
            path: folder.to_owned(),
        },
        _ => SegmentError::io(folder, "list")(source),
    })?;
    for name in listed {
        let path = folder.join(name.file_name().unwrap_or_default());
        match SegmentName::parse(&path) {
            Some(Some(name)) => names.push(name),
            Some(None) => return Err(SegmentError::UnknownName { path }),
            None if is_temporary(&name) => {
                orphans.push(path);
            }
            None => {}
        }
    }
    // Of two files for the same twigs the pruned one sorts first and the whole one goes.
    names.sort_by_key(|name| (name.first_twig, name.twig_count, name.content));
    names.dedup_by(|later, name| {
        let same = (later.first_twig, later.twig_count) == (name.first_twig, name.twig_count);
        let pruned = name.content == Content::Pruned;
        let orphan = same && pruned && later.content == Content::Whole;
        if orphan {
            orphans.push(folder.join(later.to_string()));
        }
        orphan
    });
    // Leaves that are to take the place of roots do so once the file of the roots is gone.
    let roots: Vec<_> = names
        .iter()
        .filter(|name| name.content == Content::Roots)
        .copied()
        .collect();
    names.retain(|name| {
        let orphan = roots.iter().any(|roots| is_inside(name, roots));
        if orphan {
            orphans.push(folder.join(name.to_string()));
        }
        !orphan
    });
    orphans.sort();
    Ok((names, orphans))
}

/// True if the twigs of one file are among those of another one.
fn is_inside(name: &SegmentName, other: &SegmentName) -> bool {
    let end = |name: &SegmentName| name.first_twig.0.saturating_add(name.twig_count);
    name != other && name.first_twig >= other.first_twig && end(name) <= end(other)
}

/// Each segment starts where the one before it ends.
fn check_place(
    folder: &Path,
    before: Option<&Segment>,
    segment: &Segment,
) -> Result<(), SegmentError> {
    let expected = before.map_or(TwigId(0), |before| before.twigs().end);
    let found = segment.first_twig();
    match before {
        Some(before) if found < expected => Err(SegmentError::Overlap {
            path: segment.path.clone(),
            other: before.path.clone(),
            from: found,
            to: expected.min(segment.twigs().end),
        }),
        _ if found > expected => Err(SegmentError::Gap {
            path: folder.to_owned(),
            from: expected,
            to: found,
        }),
        _ => Ok(()),
    }
}

/// Leaves link on, blocks number on and end further on.
fn check_link(before: &Segment, segment: &Segment) -> Result<(), SegmentError> {
    let unlinked = |what| {
        Err(SegmentError::Unlinked {
            path: segment.path.clone(),
            other: before.path.clone(),
            what,
        })
    };
    if before.end() != segment.anchor() {
        return unlinked("first leaf");
    }
    let (old, new) = (before.blocks(), segment.blocks());
    if !old.is_empty() && !new.is_empty() && old.end != new.start {
        return unlinked("first block");
    }
    Ok(())
}
