//! Which program a worker is, and what it may take.

use crate::envelope::MAX_PROOF_LEN;
use crate::error::BackendError;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How a worker is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Its program, by an absolute path: `PATH` is not searched.
    pub program: PathBuf,
    /// Arguments, passed as they are. No shell looks at them.
    pub arguments: Vec<OsString>,
    /// Variables that it gets from this process's environment; all others it does not see.
    pub environment: Vec<String>,
    /// What it may take.
    pub limits: WorkerLimits,
}

/// What a worker may take before it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Bytes of one answer.
    pub line_bytes: u64,
    /// Bytes of standard output, and of standard error, during one request.
    pub output_bytes: u64,
    /// Bytes of a proof's file.
    pub proof_bytes: u64,
    /// Bytes of address space of each of its processes, by `RLIMIT_AS`. Runtimes that reserve much
    /// and use little need much.
    pub address_space_bytes: Option<u64>,
    /// Bytes of each file that it writes, by `RLIMIT_FSIZE`.
    pub file_bytes: Option<u64>,
    /// Bytes of memory of all its processes together, looked at ten times a second. Linux only.
    pub memory_bytes: Option<u64>,
    /// Processes, looked at ten times a second. Linux only.
    pub processes: Option<u64>,
    /// How long it may take to say who it is, where the caller sets no time.
    pub info_timeout: Duration,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 20,
            output_bytes: 64 << 20,
            proof_bytes: MAX_PROOF_LEN as u64,
            address_space_bytes: None,
            file_bytes: Some(4 << 30),
            memory_bytes: Some(32 << 30),
            processes: Some(1024),
            info_timeout: Duration::from_secs(300),
        }
    }
}

impl WorkerConfig {
    /// A program without arguments, that sees `PATH` and `HOME`, within the default limits.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: vec!["PATH".to_owned(), "HOME".to_owned()],
            limits: WorkerLimits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), BackendError> {
        let kind = match () {
            () if !self.program.is_absolute() => io::ErrorKind::InvalidInput,
            () if !self.program.is_file() => io::ErrorKind::NotFound,
            () => return Ok(()),
        };
        Err(BackendError::Spawn {
            program: self.program.clone(),
            source: io::Error::new(kind, "not the absolute path of a program"),
        })
    }
}
