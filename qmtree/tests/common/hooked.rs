//! A disk that asks a hook before each change: to wait, to count, or to refuse it.

use qmtree_storage::{Disk, DiskFile, Mapped};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a disk is asked to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Append,
    Sync,
    Truncate,
    Link,
    Rename,
    Remove,
    Folder,
    Lock,
}

pub(crate) trait Hook: Debug + Send + Sync {
    /// Called before the change is made; an error is returned in its place.
    fn before(&self, change: Change, path: &Path) -> io::Result<()>;

    /// How many of so many bytes the disk has room for.
    fn take_room(&self, len: usize) -> usize {
        len
    }
}

/// No hook: only the salt is another than that of the disk.
impl Hook for () {
    fn before(&self, _change: Change, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct HookedDisk<D, H> {
    disk: D,
    hook: Arc<H>,
}

#[derive(Debug)]
struct HookedFile<H> {
    file: Box<dyn DiskFile>,
    hook: Arc<H>,
    path: PathBuf,
}

impl<D: Disk, H: Hook + 'static> HookedDisk<D, H> {
    pub(crate) fn new(disk: D, hook: Arc<H>) -> Self {
        Self { disk, hook }
    }

    fn file(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(HookedFile {
            file,
            hook: Arc::clone(&self.hook),
            path: path.to_path_buf(),
        })
    }
}

impl<D: Disk, H: Hook + 'static> Disk for HookedDisk<D, H> {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.hook.before(Change::Folder, path)?;
        self.disk.create_dir_all(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.hook.before(Change::Create, path)?;
        Ok(self.file(path, self.disk.create_new(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.hook.before(Change::Append, path)?;
        Ok(self.file(path, self.disk.open_append(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        self.disk.map(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.list(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.hook.before(Change::Link, to)?;
        self.disk.hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.hook.before(Change::Rename, from)?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.hook.before(Change::Remove, path)?;
        self.disk.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.hook.before(Change::Folder, path)?;
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.hook.before(Change::Folder, path)?;
        self.disk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.hook.before(Change::Lock, path)?;
        self.disk.lock(path)
    }

    /// Always the same, so that equal scripts leave equal files.
    fn salt(&self) -> u32 {
        0x5a17_5a17
    }
}

impl<H: Hook> DiskFile for HookedFile<H> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hook.before(Change::Append, &self.path)?;
        let room = self.hook.take_room(bytes.len());
        let (now, rest) = bytes.split_at(room);
        self.file.append(now)?;
        if rest.is_empty() {
            Ok(())
        } else {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.hook.before(Change::Sync, &self.path)?;
        self.file.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.hook.before(Change::Truncate, &self.path)?;
        self.file.truncate(len)
    }
}
