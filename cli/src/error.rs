//! What can go wrong in a command, and the exit code that says so.

use qmtree_proofs::{DecodeError, VerifyError};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A proof does not hold.
    #[error("{path}: INVALID", path = path.display())]
    Invalid { path: PathBuf, source: VerifyError },
    /// A file could not be read or written.
    #[error("{path}: cannot {action}", path = path.display())]
    Io {
        path: PathBuf,
        action: &'static str,
        source: io::Error,
    },
    /// A file is not JSON of the expected form.
    #[error("{path}: not a {expected}", path = path.display())]
    Json {
        path: PathBuf,
        expected: &'static str,
        source: serde_json::Error,
    },
    /// A file is not an encoded proof.
    #[error("{path}: not a proof", path = path.display())]
    Decode { path: PathBuf, source: DecodeError },
    /// Something is missing that this kind of proof cannot be verified without.
    #[error("{path}: {missing}", path = path.display())]
    Missing {
        path: PathBuf,
        missing: &'static str,
    },
    /// The demonstration did not show what it should.
    #[error("the demonstration failed: {what}")]
    Demo { what: String },
}

impl CliError {
    /// 1 for an invalid proof, 2 for everything that could not even be checked.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Invalid { .. } | Self::Demo { .. } => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }

    /// The message with its causes, on one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
