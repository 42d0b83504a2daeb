//! Where an export or a merge writes its files.

use crate::error::Error;
use qmtree_storage::Disk;
use qmtree_storage::snapshot::{ManifestEntry, Nowhere, SnapshotError, SnapshotName, has_file};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that files are written into, of which those that are listed already are left alone.
#[derive(Debug)]
pub(super) struct Output<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) folder: &'a Path,
    written: AtomicUsize,
}

impl<'a> Output<'a> {
    pub(super) fn new(disk: &'a dyn Disk, folder: &'a Path) -> Self {
        let written = AtomicUsize::new(0);
        Self {
            disk,
            folder,
            written,
        }
    }

    /// Files that were written, and not just there.
    pub(super) fn written(&self) -> usize {
        // Relaxed: read once all threads are done.
        self.written.load(Ordering::Relaxed)
    }

    /// Writes a file that no manifest vouches for yet. One of its name that is there, left by a run
    /// that was cut off or by anybody, is taken only if it is the same to the byte.
    pub(super) fn put(
        &self,
        name: SnapshotName,
        write: impl Fn(&dyn Disk) -> Result<ManifestEntry, Error>,
    ) -> Result<ManifestEntry, Error> {
        let path = self.folder.join(name.to_string());
        if self.disk.exists(&path) {
            let entry = write(&Nowhere)?;
            match has_file(self.disk, self.folder, &entry) {
                Ok(true) => return Ok(entry),
                Ok(false) => {}
                // Unlinked before: a file that is mapped is never renamed over.
                Err(SnapshotError::Differs { .. }) => self.remove(&path)?,
                Err(error) => return Err(error.into()),
            }
        }
        // Relaxed: only counts.
        self.written.fetch_add(1, Ordering::Relaxed);
        write(self.disk)
    }

    /// Unlinks files for good.
    pub(super) fn remove_all<'p>(
        &self,
        paths: impl Iterator<Item = &'p Path>,
    ) -> Result<(), Error> {
        let mut any = false;
        for path in paths {
            self.remove(path)?;
            any = true;
        }
        if !any {
            return Ok(());
        }
        let failed = |source| Error::Io {
            path: self.folder.to_path_buf(),
            action: "sync",
            source,
        };
        self.disk.sync_dir(self.folder).map_err(failed)
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::Io {
            path: path.to_path_buf(),
            action: "remove",
            source,
        };
        self.disk.remove(path).map_err(failed)
    }
}
