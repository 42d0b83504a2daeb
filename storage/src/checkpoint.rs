//! A second database made of the files of a first: a backup of one that is in use.
//!
//! ```text
//! DIR/qmtree.db              -- link --> TARGET/qmtree.db
//! DIR/segments/*             -- link --> TARGET/segments/*      never written again, by either
//! DIR/journal/<older>.qmj    -- link --> TARGET/journal/<older>.qmj           the same
//! DIR/journal/<newest>.qmj   -- copy --> TARGET/journal/<newest>.qmj   each goes on with its own
//! ```
//!
//! It is made in `TARGET.unfinished`, synced, opened once, and renamed. So a crash leaves `TARGET`
//! whole or not at all; what it leaves of the other folder, the next checkpoint to the same target
//! removes.

use crate::database::{
    DATABASE_FILE, DatabaseLock, JOURNAL_FOLDER, LOCK_FILE, LockError, SEGMENTS_FOLDER,
    has_sealed_ending, lock_database,
};
use crate::durable;
use crate::io::Disk;
use crate::journal::has_journal_ending;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Why a checkpoint was not made.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The target is there already, or lies in the database that it is a copy of.
    #[error(
        "{path}: not a place for a checkpoint; \
         name a folder that is not there yet, outside of the database"
    )]
    Target {
        /// The target.
        path: PathBuf,
    },
    /// The folder in which the checkpoint would be made holds something else.
    #[error("{path}: in the way of a checkpoint that is made there first; move it away")]
    InTheWay {
        /// What is in the way.
        path: PathBuf,
    },
    /// Another checkpoint is being made to the same target.
    #[error(
        "{path}: another checkpoint is being made to this place; \
         wait until it is done, or name another folder"
    )]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// The lock of the folder in which the checkpoint is made was not to be had.
    #[error(transparent)]
    Lock(LockError),
    /// The operating system refused.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl CheckpointError {
    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    }

    /// True if a file was not there: beside a writer, one that was replaced since it was listed.
    #[must_use]
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Makes a database of the files of the one in `dir`, in the folder `target`, which must not exist;
/// durable on return.
///
/// Safe beside a writer. `verify` is given the folder in which all files are by then, before it
/// gets its name; if it fails there is no checkpoint. Costs a link for each file, and a copy of the
/// newest journal file, which is in memory for a while.
///
/// # Errors
/// [`CheckpointError`], which is worth another try if it [is a file that
/// went](CheckpointError::is_missing_file); whatever `verify` returns.
pub fn write_checkpoint<E: From<CheckpointError>>(
    disk: &dyn Disk,
    dir: &Path,
    target: &Path,
    verify: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let target = &check_target(disk, dir, target)?;
    let unfinished = Unfinished::prepare(disk, target)?;
    let made = check_target(disk, dir, target).and_then(|_| fill(disk, dir, &unfinished.folder));
    let made = made.map_err(E::from);
    let verified = made.and_then(|()| verify(&unfinished.folder));
    verified
        .and_then(|()| Ok(unfinished.finish(target)?))
        .inspect_err(|_| {
            // The first error is the one that says why.
            let _ = unfinished.abandon();
        })
}

/// The target without `/` or `/.` at its end, if a checkpoint may be made there: nothing of that name
/// is there, and neither it nor the folder in which it is made lies in the database, or has it inside.
fn check_target(disk: &dyn Disk, dir: &Path, target: &Path) -> Result<PathBuf, CheckpointError> {
    let refused = || CheckpointError::Target {
        path: target.to_path_buf(),
    };
    let named = target.with_file_name(target.file_name().ok_or_else(refused)?);
    let dir = resolved(disk, dir);
    let is_of_dir = |path: &Path| {
        let path = resolved(disk, path);
        path.starts_with(&dir) || dir.starts_with(&path)
    };
    if disk.exists(&named) || is_of_dir(&named) || is_of_dir(&unfinished(&named)) {
        return Err(refused());
    }
    Ok(named)
}

/// The folder in which a checkpoint is made.
fn unfinished(target: &Path) -> PathBuf {
    let mut folder = target.as_os_str().to_owned();
    folder.push(".unfinished");
    folder.into()
}

/// A path by which places can be compared: without symbolic links, `.` and `..`. What does not exist
/// is not resolved by the system, and need not be: it has no links.
fn resolved(disk: &dyn Disk, path: &Path) -> PathBuf {
    let path = disk.native_path(path).unwrap_or_else(|| path.to_path_buf());
    let existing = path.ancestors().find_map(|ancestor| {
        let is_here = ancestor.as_os_str().is_empty();
        let native = disk.native_path(if is_here { Path::new(".") } else { ancestor })?;
        Some((fs::canonicalize(native).ok()?, ancestor))
    });
    let (mut resolved, ancestor) = existing.unwrap_or((PathBuf::new(), Path::new("")));
    for part in path.strip_prefix(ancestor).unwrap_or(&path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
    }
    resolved
}

/// Links and copies all files, durably. The header comes last: where it is, there is a database.
///
/// A writer may seal, prune and unlink meanwhile. What is linked stays, so the order makes sure
/// that the log has no gap: journal files that are there now are held before the segments are
/// listed that may replace them, and journal files that are newer than these segments follow.
fn fill(disk: &dyn Disk, dir: &Path, to: &Path) -> Result<(), CheckpointError> {
    let names = [SEGMENTS_FOLDER, JOURNAL_FOLDER];
    let [old, new] = [dir, to].map(|folder| names.map(|name| folder.join(name)));
    for folder in &new {
        durable::create_folder(disk, folder).map_err(CheckpointError::io(folder, "create"))?;
    }
    let ([old_segments, old_journal], [segments, journal]) = (&old, &new);
    let held = hold_journal(disk, old_journal, journal)?;
    for name in list(disk, old_segments)? {
        if has_sealed_ending(&name) {
            link(disk, &old_segments.join(name), segments)?;
        }
    }
    sync(disk, segments)?;
    let mut files = journal_files(disk, old_journal)?;
    let newest = files.pop();
    for path in files.iter().filter(|path| !held.contains(path)) {
        link(disk, path, journal)?;
    }
    if let Some(newest) = newest {
        durable::copy(disk, &newest, &place_in(journal, &newest))
            .map_err(CheckpointError::io(&newest, "copy"))?;
    }
    sync(disk, journal)?;
    link(disk, &dir.join(DATABASE_FILE), to)?;
    sync(disk, to)
}

/// Links all journal files but the newest, and returns which. The newest of them first: they are
/// unlinked oldest first, so those that went meanwhile leave no gap, and segments hold what they had.
fn hold_journal(disk: &dyn Disk, from: &Path, to: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let mut files = journal_files(disk, from)?;
    files.pop();
    let mut held = Vec::new();
    for path in files.into_iter().rev() {
        match link(disk, &path, to) {
            Err(error) if error.is_missing_file() => break,
            linked => linked?,
        }
        held.push(path);
    }
    Ok(held)
}

/// The journal files in a folder, oldest first. Names are not judged here: recovery does that.
fn journal_files(disk: &dyn Disk, folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let mut names = list(disk, folder)?;
    names.retain(|name| has_journal_ending(name));
    // All names have 16 digits, so their order is that of the numbers.
    names.sort();
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// True if a checkpoint may hold a file of this name, or have been making it.
fn is_ours(name: &Path) -> bool {
    has_sealed_ending(name) || has_journal_ending(name) || durable::is_temporary(name)
}

fn place_in(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path.file_name().unwrap_or_default())
}

fn link(disk: &dyn Disk, path: &Path, folder: &Path) -> Result<(), CheckpointError> {
    durable::link_or_copy(disk, path, &place_in(folder, path))
        .map_err(CheckpointError::io(path, "link or copy"))
}

fn sync(disk: &dyn Disk, folder: &Path) -> Result<(), CheckpointError> {
    disk.sync_dir(folder)
        .map_err(CheckpointError::io(folder, "sync"))
}

/// The folder in which a checkpoint is made. Its lock keeps others away who have the same target.
#[derive(Debug)]
struct Unfinished<'a> {
    disk: &'a dyn Disk,
    folder: PathBuf,
    _lock: DatabaseLock,
}

impl<'a> Unfinished<'a> {
    /// Makes the folder, or empties the one that a crash left.
    fn prepare(disk: &'a dyn Disk, target: &Path) -> Result<Self, CheckpointError> {
        let folder = unfinished(target);
        let made = durable::create_folder(disk, &folder);
        let made = made.map_err(CheckpointError::io(&folder, "create"));
        let lock = made.and_then(|()| {
            check_names(disk, &folder)?;
            lock_database(disk, &folder).map_err(|error| match error {
                LockError::Held { .. } => CheckpointError::Busy {
                    path: target.to_path_buf(),
                },
                error => CheckpointError::Lock(error),
            })
        });
        let lock = lock.inspect_err(|_| {
            // Does nothing where there is something in it.
            let _ = disk.remove_dir(&folder);
        })?;
        let unfinished = Self {
            disk,
            folder,
            _lock: lock,
        };
        unfinished.clear()?;
        Ok(unfinished)
    }

    /// Removes all but the lock.
    fn clear(&self) -> Result<(), CheckpointError> {
        let disk = self.disk;
        for folder in [SEGMENTS_FOLDER, JOURNAL_FOLDER] {
            let folder = self.folder.join(folder);
            if !disk.exists(&folder) {
                continue;
            }
            for name in list(disk, &folder)? {
                let path = folder.join(&name);
                if !is_ours(&name) {
                    return Err(CheckpointError::InTheWay { path });
                }
                disk.remove(&path)
                    .map_err(CheckpointError::io(&path, "remove"))?;
            }
            disk.remove_dir(&folder)
                .map_err(CheckpointError::io(&folder, "remove"))?;
        }
        let header = self.folder.join(DATABASE_FILE);
        if disk.exists(&header) {
            disk.remove(&header)
                .map_err(CheckpointError::io(&header, "remove"))?;
        }
        Ok(())
    }

    /// Removes all of it, as far as the disk lets us.
    fn abandon(&self) -> io::Result<()> {
        let Self { disk, folder, .. } = self;
        self.clear().map_err(io::Error::other)?;
        disk.remove(&folder.join(LOCK_FILE))?;
        disk.remove_dir(folder)
    }

    fn finish(&self, target: &Path) -> Result<(), CheckpointError> {
        durable::rename_folder(self.disk, &self.folder, target).map_err(CheckpointError::io(
            target,
            "rename the checkpoint to this name",
        ))
    }
}

/// Refuses a folder that holds what no checkpoint has.
fn check_names(disk: &dyn Disk, folder: &Path) -> Result<(), CheckpointError> {
    let ours = [DATABASE_FILE, LOCK_FILE, SEGMENTS_FOLDER, JOURNAL_FOLDER].map(Path::new);
    match list(disk, folder)?
        .into_iter()
        .find(|name| !ours.contains(&&**name))
    {
        Some(name) => Err(CheckpointError::InTheWay {
            path: folder.join(name),
        }),
        None => Ok(()),
    }
}

fn list(disk: &dyn Disk, folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    disk.list(folder)
        .map_err(CheckpointError::io(folder, "list"))
}
