//! From a database to snapshot files.

mod file;
mod kept;
mod names;
mod options;
mod state;
mod tags;

pub(super) use names::file_names;
use names::gaps;
pub use options::{ExportOptions, Exported, StateExport};
pub(super) use tags::write_tags;

use super::output::Output;
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use crate::db::Db;
use crate::error::Error;
use crate::state::State;
use crate::view::View;
use qmtree_proofs::{Head, TWIG_LEAVES};
use qmtree_storage::snapshot::{
    Manifest, ManifestEntry, SnapshotContent, SnapshotName, newest_manifest, read_manifest,
    write_manifest,
};
use qmtree_storage::{Disk, Identity, RealDisk, create_folder, remove_temporary_files};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

impl Db {
    /// Writes snapshot files of the log into a folder, with a manifest.
    ///
    /// Twigs that files of the folder hold already, by its manifest, are not written again, so
    /// exporting now and then appends. What is new is written first, then the manifest, and only then
    /// files go that it does not list: cut off at any point, what was exported before is still
    /// there, and the next export goes on. (But a file of a history that was unwound may stand
    /// where one of the same name must be: it is replaced just before the manifest.) Twigs that
    /// are no longer whole, since blocks were unwound, go.
    ///
    /// Views that are open, and a writer, go on meanwhile. Costs reading and writing 96 bytes a leaf and hashing them with BLAKE3; no
    /// leaf hash is derived, but every payload is compared with its checksum.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::Refused`], and nothing is changed, if leaves are pruned that
    /// no file has, or [all of the state log](StateExport::Full) is to be exported and was pruned, or
    /// the folder has files of another log; [`Error::Segment`] if leaves are damaged;
    /// [`Error::Snapshot`] if a file cannot be written, or one that is there cannot be read.
    pub fn export_snapshot(
        &self,
        folder: impl AsRef<Path>,
        options: &ExportOptions,
    ) -> Result<Exported, Error> {
        self.export_snapshot_on(&RealDisk, folder.as_ref(), options)
    }

    /// [`export_snapshot`](Self::export_snapshot) to a disk of the caller's.
    ///
    /// # Errors
    /// As [`export_snapshot`](Self::export_snapshot).
    pub fn export_snapshot_on(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        options: &ExportOptions,
    ) -> Result<Exported, Error> {
        let state = self.reader().state();
        let view = View::new(Arc::clone(&state));
        let block = options.to_block.unwrap_or(state.head.block_number);
        let head = view.head_at(block)?;
        let Some(last) = head.leaf_count.checked_sub(1) else {
            return Err(SnapshotRefusal::Empty.into());
        };
        let export = Export {
            state,
            view,
            head,
            identity: self.identity(),
            whole: last / TWIG_LEAVES,
        };
        export.run(disk, folder, options)
    }
}

/// An export of the log up to one head.
struct Export {
    state: Arc<State>,
    view: View,
    head: Head,
    identity: Identity,
    /// Whole twigs that end before the head's last leaf.
    whole: u64,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io {
        path: path.to_path_buf(),
        action: "export",
        source,
    }
}

impl Export {
    fn run(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        options: &ExportOptions,
    ) -> Result<Exported, Error> {
        create_folder(disk, folder).map_err(failed(folder))?;
        remove_temporary_files(disk, folder).map_err(failed(folder))?;
        let there = SnapshotSet::open(disk, &SnapshotSet::paths(disk, folder)?)?;
        let listed = match newest_manifest(disk, folder)? {
            Some((_, path)) => Some(read_manifest(disk, &path)?.unverified().clone()),
            None => None,
        };
        // What may be refused comes before anything is written.
        let state = self.state_names(options.state)?;
        let mut files = self.kept(&there, listed.as_ref(), &state)?;
        let names = self.leaf_names(&files, options)?;
        let state_names = self.missing_state(&files, &state, options)?;
        let lost = self.lost_tags(&files, listed.as_ref());
        let output = Output::new(disk, folder);
        let mut written = self.write_all(&output, &names, options)?;
        for name in lost {
            written.extend(self.write_lost_tags(&output, name)?);
        }
        for name in state_names {
            written.push(self.write_state(&output, name)?);
        }
        if !files.iter().any(|entry| entry.name == self.tail_name()) {
            written.extend(self.write_file(&output, self.tail_name(), &options.progress)?);
        }
        files.extend(written);
        files.sort_by_key(|entry| entry.name);
        let manifest = Manifest {
            head: self.head,
            files,
        };
        let path = write_manifest(disk, folder, &manifest, options.signer.as_deref())?;
        let stays = |name| manifest.files.iter().any(|entry| entry.name == name);
        let old = there.files().iter();
        let old = old.filter(|file| !stays(file.header().name));
        output.remove_all(old.map(qmtree_storage::snapshot::SnapshotFile::path))?;
        Ok(Exported {
            head: self.head,
            files: manifest.files,
            written: output.written(),
            manifest: path,
        })
    }

    /// The files of whole twigs that are to be written: of those that no file has.
    fn leaf_names(
        &self,
        kept: &[ManifestEntry],
        options: &ExportOptions,
    ) -> Result<Vec<SnapshotName>, Error> {
        let wanted = options.from_twig..self.whole;
        let gaps = gaps(kept, SnapshotContent::Execution, wanted);
        let names: Vec<_> = gaps
            .into_iter()
            .flat_map(|gap| file_names(gap, options.file_twigs))
            .collect();
        let segments = self.state.sealed.segments().iter();
        let twig = segments.rev().find(|segment| segment.is_pruned());
        let twig = twig.map_or(0, |segment| segment.twigs().end.0);
        if names.iter().any(|name| name.from < twig) {
            return Err(SnapshotRefusal::LeavesPruned { twig }.into());
        }
        Ok(names)
    }

    fn tail_name(&self) -> SnapshotName {
        SnapshotName {
            content: SnapshotContent::Tail,
            from: self.whole * TWIG_LEAVES,
            to: self.head.leaf_count,
        }
    }

    /// Writes files on several threads. Those that were written stay if one fails.
    fn write_all(
        &self,
        output: &Output<'_>,
        names: &[SnapshotName],
        options: &ExportOptions,
    ) -> Result<Vec<ManifestEntry>, Error> {
        let next = AtomicU64::new(0);
        let results = Mutex::new(Vec::new());
        let run = || {
            loop {
                // Relaxed: the counter only hands out places.
                let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed));
                let Some(name) = place.ok().and_then(|place| names.get(place)) else {
                    return;
                };
                let entries = self.write_file(output, *name, &options.progress);
                let stop = entries.is_err();
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push(entries);
                if stop {
                    next.store(names.len() as u64, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            let threads = options.threads.min(names.len());
            (1..threads).for_each(|_| drop(scope.spawn(run)));
            run();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let results: Vec<_> = results.into_iter().collect::<Result<_, _>>()?;
        Ok(results.concat())
    }
}
