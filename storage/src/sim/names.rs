//! Which names there are, as programs see them and as the platter has them.

use crate::sim::Fate;
use crate::sim::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// Place of a file's content in the table of contents.
pub(crate) type FileId = usize;

/// Names of files and folders. The root, which is the empty path, is always there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) files: BTreeMap<PathBuf, FileId>,
    pub(crate) folders: BTreeSet<PathBuf>,
}

/// A change of a name, which is durable once the folder that it lies in is synced.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Folder(PathBuf),
    /// A file of this name; a new one, or one that has other names already.
    Create(PathBuf, FileId),
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: FileId,
    },
    Remove(PathBuf),
    /// A folder with all that is in it.
    RenameFolder {
        from: PathBuf,
        to: PathBuf,
    },
    RemoveFolder(PathBuf),
}

/// The names now, and those that a power loss would leave.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameTable {
    now: Names,
    synced: Names,
    pending: Vec<Change>,
}

/// The path as the tables have it: no root, no `.`.
pub(crate) fn key(path: &Path) -> PathBuf {
    let is_name = |component: &Component<'_>| matches!(component, Component::Normal(_));
    path.components().filter(is_name).collect()
}

impl Names {
    pub(crate) fn has_folder(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || self.folders.contains(path)
    }

    /// True if all folders above the path are there.
    pub(crate) fn is_reachable(&self, path: &Path) -> bool {
        path.ancestors()
            .skip(1)
            .all(|folder| self.has_folder(folder))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Folder(path) => {
                self.folders.insert(path.clone());
            }
            Change::Create(path, file) => {
                self.files.insert(path.clone(), *file);
            }
            Change::Rename { from, to, file } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *file);
            }
            Change::Remove(path) => {
                self.files.remove(path);
            }
            Change::RenameFolder { from, to } => {
                let moved = |path: &PathBuf| match path.strip_prefix(from) {
                    Ok(rest) => to.components().chain(rest.components()).collect(),
                    Err(_) => path.clone(),
                };
                self.folders = self.folders.iter().map(moved).collect();
                let files = self.files.iter();
                self.files = files.map(|(path, file)| (moved(path), *file)).collect();
            }
            Change::RemoveFolder(path) => {
                self.folders.remove(path);
            }
        }
    }

    fn without_unreachable(mut self) -> Self {
        let all = self.clone();
        self.files.retain(|path, _| all.is_reachable(path));
        self.folders.retain(|path| all.is_reachable(path));
        self
    }
}

impl Change {
    /// The folder whose sync makes it durable.
    fn folder(&self) -> &Path {
        let (Self::Folder(path)
        | Self::Create(path, _)
        | Self::Rename { to: path, .. }
        | Self::Remove(path)
        | Self::RenameFolder { to: path, .. }
        | Self::RemoveFolder(path)) = self;
        path.parent().unwrap_or(path)
    }
}

impl NameTable {
    /// These names, all of them durable.
    pub(crate) fn durable(names: Names) -> Self {
        Self {
            now: names.clone(),
            synced: names,
            pending: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> &Names {
        &self.now
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.now.apply(&change);
        self.pending.push(change);
    }

    /// True if all names in a folder, at any depth, are durable.
    pub(crate) fn is_synced(&self, folder: &Path) -> bool {
        let mut pending = self.pending.iter().map(Change::folder);
        !pending.any(|changed| changed.starts_with(folder))
    }

    /// A change from outside of the simulation.
    pub(crate) fn change_durably(&mut self, change: &Change) {
        self.now.apply(change);
        self.synced.apply(change);
    }

    pub(crate) fn sync_folder(&mut self, folder: &Path) {
        let (done, pending) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change: &Change| change.folder() == folder);
        self.pending = pending;
        let done: Vec<Change> = done;
        done.iter().for_each(|change| self.synced.apply(change));
    }

    /// What a power loss leaves of them: of the changes that were not synced none, all, or some.
    pub(crate) fn after_power_loss(&self, fate: Fate, random: &mut Random) -> Names {
        let mut names = self.synced.clone();
        for change in &self.pending {
            let kept = match fate {
                Fate::Lost => false,
                Fate::Kept => true,
                Fate::Torn => random.coin(),
            };
            if kept {
                names.apply(change);
            }
        }
        names.without_unreachable()
    }
}
