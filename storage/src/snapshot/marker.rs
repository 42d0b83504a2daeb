//! The mark of a folder that a database is being imported into.

use super::error::SnapshotError;
use crate::durable;
use crate::io::Disk;
use std::path::Path;

/// The file that says so; empty.
pub const IMPORT_FILE: &str = "qmtree.import";

/// Marks a folder, durably, unless it is marked already.
///
/// # Errors
/// [`SnapshotError::Io`].
pub fn begin_import(disk: &dyn Disk, dir: &Path) -> Result<(), SnapshotError> {
    let path = dir.join(IMPORT_FILE);
    if disk.exists(&path) {
        // It may not be durable yet.
        return disk.sync_dir(dir).map_err(SnapshotError::io(dir, "sync"));
    }
    durable::create(disk, &path, |_| Ok(()))
        .map(drop)
        .map_err(SnapshotError::io(&path, "write"))
}

/// Takes the mark away, for good.
///
/// # Errors
/// [`SnapshotError::Io`].
pub fn end_import(disk: &dyn Disk, dir: &Path) -> Result<(), SnapshotError> {
    let path = dir.join(IMPORT_FILE);
    durable::remove(disk, &path).map_err(SnapshotError::io(&path, "remove"))
}
