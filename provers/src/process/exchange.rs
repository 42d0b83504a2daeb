//! Files that a host and a worker exchange: a folder for each request.

use crate::error::BackendError;
use crate::exec::shortened;
use crate::protocol::is_file_name;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of one request; gone with this.
#[derive(Debug)]
pub(super) struct Exchange {
    folder: TempDir,
}

impl Exchange {
    pub(super) fn new(within: &Path) -> Result<Self, BackendError> {
        let folder = tempfile::Builder::new()
            .prefix("request-")
            .tempdir_in(within);
        let folder = folder.map_err(io_error(within, "make a folder in"))?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file for the worker, which must not have put anything in its place.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BackendError> {
        let path = self.path().join(name);
        File::create_new(&path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(io_error(&path, "write"))
    }

    /// Reads a file of the worker's: one in the folder, no link, no pipe, and not too long.
    pub(super) fn read(&self, name: &str, limit_bytes: u64) -> Result<Vec<u8>, BackendError> {
        let refused = |reason: &str| BackendError::Protocol {
            reason: format!("proof_path {:?}: {reason}", shortened(name)),
        };
        if !is_file_name(name) {
            return Err(refused("not the name of a file in the folder"));
        }
        let path = self.path().join(name);
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => refused("no such file"),
            _ => refused("no file that is read"),
        })?;
        let metadata = file.metadata().map_err(io_error(&path, "read"))?;
        if !metadata.is_file() {
            return Err(refused("no file that is read"));
        }
        let too_long = BackendError::OutputTooLong {
            to: "the file of its proof",
            limit_bytes,
        };
        if metadata.len() > limit_bytes {
            return Err(too_long);
        }
        let mut bytes = Vec::new();
        let mut file = file.take(limit_bytes.saturating_add(1));
        file.read_to_end(&mut bytes)
            .map_err(io_error(&path, "read"))?;
        match bytes.len() as u64 > limit_bytes {
            true => Err(too_long),
            false => Ok(bytes),
        }
    }
}

pub(super) fn io_error(
    path: &Path,
    action: &'static str,
) -> impl FnOnce(io::Error) -> BackendError + use<> {
    let path: PathBuf = path.to_owned();
    move |source| BackendError::Io {
        path,
        action,
        source,
    }
}
