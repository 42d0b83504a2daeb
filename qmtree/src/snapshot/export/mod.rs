//! From a database to snapshot files.

mod file;
mod names;
mod options;
mod state;
mod tags;

pub(super) use names::{entries, file_names};
pub use options::{ExportOptions, Exported, StateExport};
pub(super) use tags::write_tags;

use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use crate::db::Db;
use crate::error::Error;
use crate::state::State;
use crate::view::View;
use qmtree_proofs::{Head, TWIG_LEAVES, TWIG_LEVEL};
use qmtree_storage::snapshot::{
    Manifest, ManifestEntry, SnapshotContent, SnapshotError, SnapshotFile, SnapshotName,
    write_manifest,
};
use qmtree_storage::{Disk, Identity, RealDisk, create_folder, remove_temporary_files};
use state::StateNames;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

impl Db {
    /// Writes snapshot files of the log into a folder, with a manifest.
    ///
    /// Twigs that files of the folder hold already are not written again, so exporting now and then
    /// appends. Cut off at any point, it goes on the next time. Views that are open, and a writer,
    /// go on meanwhile. Costs reading and writing 96 bytes a leaf and hashing them with BLAKE3; no
    /// leaf hash is derived, but every payload is compared with its checksum.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::Refused`] if [all of the state log](StateExport::Full) is to
    /// be exported and was pruned; [`Error::Segment`] if leaves are pruned or damaged;
    /// [`Error::Snapshot`] if a file cannot be written, or one that is there is of another log.
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
        self.check_files(&there)?;
        let from = self.covered(&there, options.from_twig);
        let names = file_names(from..self.whole, options.file_twigs);
        let mut written = self.write_all(disk, folder, &names, options)?;
        let state = self.state_names(options.state)?;
        let (kept, old) = self.kept(&there, &state);
        // A tail of this name may be of blocks that were unwound.
        for path in &old {
            disk.remove(path).map_err(failed(path))?;
        }
        if !old.is_empty() {
            disk.sync_dir(folder).map_err(failed(folder))?;
        }
        written.extend(self.write_state(disk, folder, &state, &kept, options)?);
        if !kept
            .iter()
            .any(|file| file.header().name == self.tail_name())
        {
            written.extend(self.write_file(disk, folder, self.tail_name(), &options.progress)?);
        }
        let count = written.len();
        let mut files = entries(disk, folder, &kept)?;
        files.extend(written);
        files.sort_by_key(|entry| entry.name);
        let manifest = Manifest {
            head: self.head,
            files,
        };
        let path = write_manifest(disk, folder, &manifest, options.signer.as_deref())?;
        Ok(Exported {
            head: self.head,
            files: manifest.files,
            written: count,
            manifest: path,
        })
    }

    /// The files in the folder are of this log, or the folder is another's.
    fn check_files(&self, there: &SnapshotSet) -> Result<(), Error> {
        for file in there.files() {
            let content = file.header().name.content;
            let state_log = &self.state.state_log;
            let ours = |twig: u64, root| match content.is_state() {
                // Those behind may be of blocks that were unwound.
                true => {
                    (twig + 1) * TWIG_LEAVES > state_log.entry_count()
                        || state_log.entries_root(twig).is_ok_and(|ours| ours == root)
                }
                false => {
                    twig >= self.whole || self.state.upper.node(TWIG_LEVEL, twig) == Some(root)
                }
            };
            let roots = file.header().twigs().zip(file.roots());
            let same = file.header().identity == self.identity
                && roots.into_iter().all(|(twig, root)| ours(twig, *root));
            if !same {
                let path = file.path().to_path_buf();
                let what = "log";
                return Err(SnapshotError::Differs { path, what }.into());
            }
        }
        Ok(())
    }

    /// The first twig from `from` on that no file has the leaves of.
    fn covered(&self, there: &SnapshotSet, from: u64) -> u64 {
        let mut at = from;
        let leaves =
            |file: &&SnapshotFile| file.header().name.content == SnapshotContent::Execution;
        while let Some(file) = there
            .files()
            .iter()
            .filter(leaves)
            .find(|file| file.header().twigs().contains(&at))
        {
            at = file.header().twigs().end;
        }
        at
    }

    /// Files that stay, and those of other heads that go: tails, and what was live.
    fn kept<'s>(
        &self,
        there: &'s SnapshotSet,
        state: &StateNames,
    ) -> (Vec<&'s SnapshotFile>, Vec<PathBuf>) {
        let is_tail = |file: &&SnapshotFile| {
            file.header().name.content == SnapshotContent::Tail && file.header().head == self.head
        };
        // The tail comes last: what lies beside it is of its head.
        let same_head = there.files().iter().any(|file| is_tail(&file));
        let stays = |file: &&SnapshotFile| {
            let name = file.header().name;
            match name.content {
                SnapshotContent::Tail => is_tail(file),
                content if content.is_state() => {
                    let beside = content == SnapshotContent::State || same_head;
                    beside && state.keeps(name)
                }
                _ => true,
            }
        };
        let (kept, old): (Vec<_>, Vec<_>) = there.files().iter().partition(stays);
        let old = old.into_iter().map(|file| file.path().to_path_buf());
        (kept, old.collect())
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
        disk: &dyn Disk,
        folder: &Path,
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
                let entries = self.write_file(disk, folder, *name, &options.progress);
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
