//! Files that a host and a worker exchange: a folder for each request.

use crate::error::BackendError;
use crate::exec::shortened;
use crate::files::{Unread, read_regular, write_new};
use crate::protocol::is_file_name;
use std::io;
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
        write_new(&self.path().join(name), bytes)
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
        read_regular(&path, limit_bytes).map_err(|unread| match unread {
            Unread::Missing => refused("no such file"),
            Unread::NoFile => refused("no file that is read"),
            Unread::TooLong => BackendError::OutputTooLong {
                to: "the file of its proof",
                limit_bytes,
            },
            Unread::Io(source) => io_error(&path, "read")(source),
        })
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
