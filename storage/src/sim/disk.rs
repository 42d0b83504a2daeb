//! The simulated disk behind the trait that the engine uses.

use crate::io::{Disk, DiskFile, Mapped, Syncer};
use crate::sim::content::Content;
use crate::sim::names::{Change, FileId, key};
use crate::sim::state::{Fate, State};
use std::fmt::{self, Debug};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A simulated disk. A clone is another handle of the same disk.
///
/// Paths start at a root that is always there; a leading `/` or `.` makes no difference.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An empty disk; what is torn by a crash, and where, follows from `seed`.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self::of(State::new(seed))
    }

    /// Steps so far: operations that changed something, or tried to. Reading is no step.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Lets the operation with this number fail once. An append may leave a part behind.
    pub fn fail_at(&self, step: u64) {
        self.state().fail_at(step);
    }

    /// Cuts the power during the operation with this number. It fails, and all that come after it.
    pub fn crash_at(&self, step: u64, fate: Fate) {
        self.state().crash_at(step, fate);
    }

    /// True once the power is off.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.state().has_crashed()
    }

    /// The disk as it is found when the power comes back: a new disk, without faults, at step 0.
    ///
    /// # Panics
    /// If no crash was asked for.
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let fate = self.state().fate().expect("crash_at comes first");
        self.power_loss(fate)
    }

    /// The disk as it would be found if the power were cut now. This one goes on.
    #[must_use]
    pub fn power_loss(&self, fate: Fate) -> Self {
        Self::of(self.state().after_power_loss(fate))
    }

    /// The paths of all files, in order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.now().files.keys().cloned().collect()
    }

    /// The content of a file, if it is there.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let id = state.find(&key(path)).ok()?;
        Some(state.content(id).now().to_vec())
    }

    /// Replaces the content of a file, or makes it and its folders: durably, and without a step.
    pub fn set_content(&self, path: &Path, bytes: Vec<u8>) {
        self.state().put(key(path), bytes);
    }

    /// Flips the bits of `mask` in one byte of a file: durably, and without a step.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip(&self, path: &Path, offset: usize, mask: u8) {
        let mut bytes = self.content(path).expect("the file is there");
        *bytes.get_mut(offset).expect("the file is longer") ^= mask;
        self.set_content(path, bytes);
    }

    fn of(state: State) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere says more than a poisoned lock would.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, if the power is on.
    fn running(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        state.check_power()?;
        Ok(state)
    }

    fn file(&self, id: FileId) -> Box<dyn DiskFile> {
        Box::new(SimFile {
            disk: self.clone(),
            id,
        })
    }
}

impl Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the contents, which are long, nor the lock, which may be held.
        f.debug_struct("SimDisk").finish_non_exhaustive()
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for SimDisk {
    /// Always the same, so that equal scripts leave equal files.
    fn salt(&self) -> u32 {
        0x5a17_5a17
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = key(path);
        let folders: Vec<&Path> = path.ancestors().collect();
        let mut state = self.running()?;
        for folder in folders.into_iter().rev() {
            if !state.names.now().has_folder(folder) {
                state.change(Change::Folder(folder.to_path_buf()))?;
            }
        }
        Ok(())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let path = key(path);
        let mut state = self.running()?;
        free(&state, &path)?;
        let id = state.create(path)?;
        drop(state);
        Ok(self.file(id))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let id = self.running()?.find(&key(path))?;
        Ok(self.file(id))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.running()?;
        let id = state.find(&key(path))?;
        Ok(state.content(id).now().to_vec())
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        self.read(path).map(Mapped::from)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let path = key(path);
        let state = self.running()?;
        let names = state.names.now();
        if !names.has_folder(&path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = |entry: &&PathBuf| entry.parent() == Some(&path);
        let entries = names.files.keys().chain(&names.folders).filter(inside);
        Ok(entries
            .filter_map(|entry| entry.file_name().map(PathBuf::from))
            .collect())
    }

    fn exists(&self, path: &Path) -> bool {
        let path = key(path);
        let state = self.state();
        let names = state.names.now();
        names.files.contains_key(&path) || names.has_folder(&path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (key(from), key(to));
        let mut state = self.running()?;
        let file = state.find(&from)?;
        free(&state, &to)?;
        state.change(Change::Create(to, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (key(from), key(to));
        let mut state = self.running()?;
        free(&state, &to)?;
        assert_eq!(from.parent(), to.parent(), "renames stay in their folder");
        if state.names.now().has_folder(&from) {
            // What was not synced in it could be lost under the new name.
            assert!(state.names.is_synced(&from), "a folder is synced first");
            return state.change(Change::RenameFolder { from, to });
        }
        let file = state.find(&from)?;
        state.change(Change::Rename { from, to, file })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let path = key(path);
        let mut state = self.running()?;
        state.find(&path)?;
        state.change(Change::Remove(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let path = key(path);
        let mut state = self.running()?;
        let names = state.names.now();
        if !names.has_folder(&path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut entries = names.files.keys().chain(&names.folders);
        if entries.any(|entry| entry.parent() == Some(&path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.change(Change::RemoveFolder(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = key(path);
        let mut state = self.running()?;
        if !state.names.now().has_folder(&path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.sync_folder(&path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let path = key(path);
        let mut state = self.running()?;
        if state.locks.contains(&path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if state.find(&path).is_err() {
            free(&state, &path)?;
            state.create(path.clone())?;
        }
        state.locks.insert(path.clone());
        drop(state);
        Ok(Box::new(SimLock {
            disk: self.clone(),
            path,
        }))
    }
}

/// Checks that a file of this name can be made.
fn free(state: &State, path: &Path) -> io::Result<()> {
    let names = state.names.now();
    if names.files.contains_key(path) || names.has_folder(path) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if !names.is_reachable(path) {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(())
}

/// A file that is open for appending, under whatever name.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: FileId,
}

impl DiskFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().append(self.id, bytes)
    }

    fn append_parts(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.append(&parts.concat())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.state().with_content(self.id, Content::sync)
    }

    fn syncer(&self) -> Option<Syncer> {
        let (disk, id) = (self.disk.clone(), self.id);
        Some(Box::new(move || {
            disk.state().with_content(id, Content::sync)
        }))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.disk
            .state()
            .with_content(self.id, |content| content.truncate(len))
    }
}

/// A lock that is held.
#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}
