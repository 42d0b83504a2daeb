//! The disk of the operating system.

#[cfg(all(target_os = "linux", not(miri)))]
use crate::direct::{LogFile as RealFile, SealedFile};
use crate::io::{Disk, DiskFile, Mapped};
use crate::mmap;
#[cfg(not(all(target_os = "linux", not(miri))))]
use plain::RealFile;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The operating system's files.
///
/// A sync is `fdatasync` on Linux, which persists the length as well, and the equivalent elsewhere.
/// Folders are synced on Unix; other systems have no such call.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// Bytes of a file whose removal takes the system a millisecond.
const LONG_LEN: u64 = 8 << 20;

impl Disk for RealDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile::create_new(path)?))
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    fn create_new_bulk(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SealedFile::create_new(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile::open_append(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_start(&self, path: &Path, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        mmap::map(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().into()))
            .collect()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    #[expect(clippy::disallowed_methods, reason = "this is what `durable` calls")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Not atomic, and need not be: the lock of the database keeps other writers out.
        if to.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        // What a long file has in the page cache goes with its last handle: elsewhere.
        let file = File::open(path).ok();
        let file = file.filter(|file| file.metadata().is_ok_and(|data| data.len() >= LONG_LEN));
        fs::remove_file(path)?;
        if let Some(file) = file {
            let thread = std::thread::Builder::new().name("qmtree-remove".to_owned());
            // Without a thread it goes right here.
            let _ = thread.spawn(move || drop(file));
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn native_path(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_path_buf())
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.try_lock()?;
        Ok(Box::new(HeldLock(file)))
    }
}

/// A lock that ends with the value, even if a child process that is just being started holds a
/// copy of the file: closing ours alone would leave it locked until the child lets go.
#[derive(Debug)]
struct HeldLock(File);

impl Drop for HeldLock {
    fn drop(&mut self) {
        // Closing the file, which comes next, unlocks it in every other case.
        let _ = self.0.unlock();
    }
}

/// Files of systems without `O_DIRECT`.
#[cfg(not(all(target_os = "linux", not(miri))))]
mod plain {
    use crate::io::DiskFile;
    use std::fs::{File, OpenOptions};
    use std::io::{self, IoSlice, Write};
    use std::path::Path;

    #[derive(Debug)]
    pub(super) struct RealFile(File);

    impl RealFile {
        pub(super) fn create_new(path: &Path) -> io::Result<Self> {
            let mut options = OpenOptions::new();
            options.append(true).create_new(true).open(path).map(Self)
        }

        pub(super) fn open_append(path: &Path) -> io::Result<Self> {
            OpenOptions::new().append(true).open(path).map(Self)
        }
    }

    impl DiskFile for RealFile {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.write_all(bytes)
        }

        fn append_parts(&mut self, parts: &[&[u8]]) -> io::Result<()> {
            let mut slices: Vec<IoSlice<'_>> =
                parts.iter().map(|part| IoSlice::new(part)).collect();
            let mut rest = slices.as_mut_slice();
            // Advancing by nothing drops leading empty parts, so that a write of 0 bytes is an error.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match self.0.write_vectored(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => IoSlice::advance_slices(&mut rest, written),
                    // A signal came before anything was written.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.0.sync_data()
        }

        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_appended_to_cut_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut file = RealDisk.create_new(&path).unwrap();
        file.append(b"one").unwrap();
        file.append_parts(&[b"", b"two", b"", b"three", b""])
            .unwrap();
        file.append_parts(&[]).unwrap();
        file.sync().unwrap();
        assert_eq!(RealDisk.read(&path).unwrap(), b"onetwothree");
        file.truncate(4).unwrap();
        drop(file);
        RealDisk.open_append(&path).unwrap().append(b"!").unwrap();
        assert_eq!(RealDisk.read(&path).unwrap(), b"onet!");
        assert_eq!(RealDisk.read_start(&path, 3).unwrap(), b"one");
        assert_eq!(RealDisk.read_start(&path, 9).unwrap(), b"onet!");
        assert_eq!(RealDisk.list(dir.path()).unwrap(), [PathBuf::from("a")]);
    }

    #[test]
    fn names_are_never_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        RealDisk.create_new(&a).unwrap();
        RealDisk.create_new(&b).unwrap();
        let exists = io::ErrorKind::AlreadyExists;
        assert_eq!(RealDisk.create_new(&a).unwrap_err().kind(), exists);
        assert_eq!(RealDisk.rename(&a, &b).unwrap_err().kind(), exists);
        RealDisk.remove(&b).unwrap();
        RealDisk.rename(&a, &b).unwrap();
        RealDisk.sync_dir(dir.path()).unwrap();
        assert!(!RealDisk.exists(&a) && RealDisk.exists(&b));
    }

    #[test]
    fn a_link_shares_the_bytes_and_outlives_the_first_name() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("folder/b"));
        RealDisk.create_new(&a).unwrap().append(b"sealed").unwrap();
        let kind = |linked: io::Result<()>| linked.unwrap_err().kind();
        assert_eq!(kind(RealDisk.hard_link(&a, &b)), io::ErrorKind::NotFound);
        RealDisk.create_dir_all(&dir.path().join("folder")).unwrap();
        RealDisk.hard_link(&a, &b).unwrap();
        let exists = io::ErrorKind::AlreadyExists;
        assert_eq!(kind(RealDisk.hard_link(&a, &b)), exists);
        RealDisk.remove(&a).unwrap();
        assert_eq!(RealDisk.read(&b).unwrap(), b"sealed");
        RealDisk.remove_dir(b.parent().unwrap()).unwrap_err();
        RealDisk.remove(&b).unwrap();
        RealDisk.remove_dir(b.parent().unwrap()).unwrap();
        assert!(!RealDisk.exists(b.parent().unwrap()));
    }

    #[test]
    #[cfg_attr(miri, ignore = "cannot map files")]
    fn a_map_outlives_the_name_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        for content in [&b""[..], b"sealed"] {
            let path = dir.path().join("a");
            RealDisk.create_new(&path).unwrap().append(content).unwrap();
            let map = RealDisk.map(&path).unwrap();
            RealDisk.remove(&path).unwrap();
            assert_eq!(&map.clone()[..], content);
        }
    }

    #[test]
    fn a_lock_is_exclusive_and_ends_with_its_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = RealDisk.lock(&path).unwrap();
        assert_eq!(
            RealDisk.lock(&path).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(held);
        RealDisk.lock(&path).unwrap();
    }
}
