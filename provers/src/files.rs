//! Files that somebody else may have had a hand in.

use crate::error::BackendError;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Why a file is not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// There is none of that name.
    Missing,
    /// A link, a pipe, a folder, a device, or one that cannot be opened.
    NoFile,
    /// Longer than it may be.
    TooLong,
    /// The system failed.
    Io(io::Error),
}

/// Reads a regular file of at most `limit_bytes`. Links are not followed, and pipes not waited for.
pub(crate) fn read_regular(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, Unread> {
    let file = open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Missing,
        _ => Unread::NoFile,
    })?;
    let metadata = file.metadata().map_err(Unread::Io)?;
    if !metadata.is_file() {
        return Err(Unread::NoFile);
    }
    if metadata.len() > limit_bytes {
        return Err(Unread::TooLong);
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    let mut file = file.take(limit_bytes.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(Unread::Io)?;
    match bytes.len() as u64 > limit_bytes {
        true => Err(Unread::TooLong),
        false => Ok(bytes),
    }
}

/// Writes a file that must not be there yet, be it as a link to nowhere.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BackendError> {
    File::create_new(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| BackendError::Io {
            path: path.to_owned(),
            action: "write",
            source,
        })
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Where there are no such flags the path is looked at first, which whoever may write to the folder can
/// get around.
#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    match std::fs::symlink_metadata(path)?.is_file() {
        true => OpenOptions::new().read(true).open(path),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}
