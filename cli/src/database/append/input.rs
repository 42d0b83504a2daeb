//! A file, or standard input.

use crate::error::CliError;
use crate::progress::{Task, Unit};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What is read, and how far.
pub(super) struct Input {
    pub(super) reader: Box<dyn BufRead>,
    /// Of the file, for messages.
    pub(super) path: PathBuf,
    /// Length of a file.
    len: Option<u64>,
    /// Bytes read.
    pub(super) bytes: u64,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let mut input = Self {
            reader: Box::new(BufReader::new(std::io::stdin())),
            path: "standard input".into(),
            len: None,
            bytes: 0,
        };
        if path == Path::new("-") {
            return Ok(input);
        }
        input.path = path.into();
        let file = File::open(path).map_err(|source| input.failed(source))?;
        let metadata = file.metadata().map_err(|source| input.failed(source))?;
        input.len = metadata.is_file().then_some(metadata.len());
        input.reader = Box::new(BufReader::with_capacity(1 << 20, file));
        Ok(input)
    }

    pub(super) fn task(&self) -> Task {
        Task {
            name: "append",
            unit: Unit::Bytes,
            total: self.len,
        }
    }

    pub(super) fn failed(&self, source: std::io::Error) -> CliError {
        CliError::Io {
            path: self.path.clone(),
            action: "read",
            source,
        }
    }
}
