//! The seam between the engine and the disk: the few file operations that it uses.
//!
//! [`RealDisk`](crate::RealDisk) is the operating system; the simulated disk forgets what was not
//! synced, so that tests can cut the power at every step.

use std::fmt::Debug;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A disk, or something that behaves like one. Paths are absolute or relative to its own root.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder and its parents, if they are not there.
    ///
    /// # Errors
    /// The operating system's.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes a file that must not exist yet, for writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if it exists; others as the operating system says.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a file like [`create_new`](Self::create_new), to be written in bulk, synced, and read
    /// later if at all: the disk need not keep what is written at hand. Nothing of it may be there
    /// before it is synced.
    ///
    /// # Errors
    /// As [`create_new`](Self::create_new).
    fn create_new_bulk(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.create_new(path)
    }

    /// Opens an existing file for writing at its end.
    ///
    /// # Errors
    /// The operating system's.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// The whole content of a file.
    ///
    /// # Errors
    /// The operating system's.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The content of a file, or its first `len` bytes if it is longer.
    ///
    /// # Errors
    /// The operating system's.
    fn read_start(&self, path: &Path, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = self.read(path)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Maps a sealed file, one that is never written, shortened or renamed over.
    ///
    /// # Errors
    /// The operating system's.
    fn map(&self, path: &Path) -> io::Result<Mapped>;

    /// Names, not paths, of the files and folders in a folder, in no order.
    ///
    /// # Errors
    /// The operating system's; a folder that is not there is an error too.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;

    /// True if there is a file or folder of this name.
    fn exists(&self, path: &Path) -> bool;

    /// Gives a sealed file a second name, which may be in another folder; durable once that is
    /// synced. `to` must not exist.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file, [`io::ErrorKind::AlreadyExists`] if
    /// `to` exists. Any other error says that this disk does not link the two, as a disk without
    /// links does, and then the caller copies.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _ = (from, to);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Renames a file or a folder within its folder; durable once that is synced. `to` must not
    /// exist.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if it exists; others as the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Unlinks a file; durable once the folder is synced.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder; durable once the folder that it lies in is synced.
    ///
    /// # Errors
    /// The operating system's, also if it is not empty.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes earlier renames, creations and removals in a folder durable.
    ///
    /// # Errors
    /// The operating system's. Never retry it.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of a file, which is made if need be. The lock lasts as long as the
    /// value.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another has it; others as the operating system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>>;

    /// Where the operating system has a file or folder, for libraries that keep files of their own.
    /// `None` if this disk is none of the system's.
    fn native_path(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    /// A number that whoever chooses the content of files cannot foresee. A disk for tests may give
    /// the same one each time.
    fn salt(&self) -> u32 {
        let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

/// A sync that is still to be done.
pub type Syncer = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// A file that is open for appending.
pub trait DiskFile: Debug + Send {
    /// Appends all of `bytes`.
    ///
    /// # Errors
    /// The operating system's; the file may then end with a part of them.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Appends all of `parts`, one behind the other, in one call of the system where it has one.
    ///
    /// # Errors
    /// The operating system's; the file may then end with some of them, or a part of one.
    fn append_parts(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        parts.iter().try_for_each(|part| self.append(part))
    }

    /// Makes what was appended durable, together with the length.
    ///
    /// # Errors
    /// The operating system's. Never retry it: the kernel may have dropped the dirty pages.
    fn sync(&mut self) -> io::Result<()>;

    /// What makes durable, on any thread, all that was appended until now. If it fails, so does the
    /// next [`sync`](Self::sync). `None` if the file has no such thing.
    fn syncer(&self) -> Option<Syncer> {
        None
    }

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// The bytes of a sealed file, wherever they live; cheap to clone, valid after an unlink.
#[derive(Clone)]
pub struct Mapped(pub(crate) Arc<dyn MappedBytes>);

/// Where mapped bytes come from.
pub(crate) trait MappedBytes: AsRef<[u8]> + Send + Sync {
    /// See [`Mapped::read_ahead`].
    fn read_ahead(&self, on: bool);
}

impl MappedBytes for Vec<u8> {
    fn read_ahead(&self, _on: bool) {}
}

impl Mapped {
    /// Says whether the system should read ahead of what is used, as it does at first. Who reads a
    /// few bytes here and there does not want the megabytes behind them.
    pub(crate) fn read_ahead(&self, on: bool) {
        self.0.read_ahead(on);
    }
}

impl From<Vec<u8>> for Mapped {
    /// Bytes in memory, as if they had been mapped.
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl Debug for Mapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mapped({} bytes)", self.len())
    }
}

impl std::ops::Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}
