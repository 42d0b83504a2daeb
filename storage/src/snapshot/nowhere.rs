//! A disk that keeps nothing: what would be written is hashed, and compared with what is there.

use crate::io::{Disk, DiskFile, Mapped};
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Takes files and forgets them. Nothing is ever there.
///
/// [`write_snapshot`](super::write_snapshot) to it returns the line for the manifest that the file
/// would have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

fn nothing<T>() -> io::Result<T> {
    Err(ErrorKind::NotFound.into())
}

impl Disk for Nowhere {
    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_new(&self, _path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Self))
    }

    fn open_append(&self, _path: &Path) -> io::Result<Box<dyn DiskFile>> {
        nothing()
    }

    fn read(&self, _path: &Path) -> io::Result<Vec<u8>> {
        nothing()
    }

    fn map(&self, _path: &Path) -> io::Result<Mapped> {
        nothing()
    }

    fn list(&self, _path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn exists(&self, _path: &Path) -> bool {
        false
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        nothing()
    }

    fn remove_dir(&self, _path: &Path) -> io::Result<()> {
        nothing()
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl DiskFile for Nowhere {
    fn append(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }
}
