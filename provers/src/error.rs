//! Why a backend did not do what it was asked to.

use crate::envelope::EnvelopeError;
use crate::program::ProgramError;
use alloy_primitives::B256;
use std::io;
use std::path::PathBuf;

/// Why something was not executed, not proved, or not found valid.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The backend cannot do this. Never a reason to do something else silently.
    #[error("backend {backend} does not support {what}")]
    Unsupported {
        /// Name of the backend.
        backend: String,
        /// What was asked for.
        what: String,
    },
    /// The program refused its input, or failed on it.
    #[error("the program failed")]
    Program {
        /// What it says.
        #[from]
        source: ProgramError,
    },
    /// A worker says that its input is none.
    #[error("the worker refuses its input: {message}")]
    BadInput {
        /// What it says.
        message: String,
    },
    /// A worker says that the program failed in its machine.
    #[error("the program failed in the worker: {message}")]
    GuestFailed {
        /// What it says.
        message: String,
    },
    /// A worker says that it failed.
    #[error("the worker failed: {message}")]
    WorkerFailed {
        /// What it says.
        message: String,
    },
    /// It took too long. A worker was killed; work in this process goes on, and nobody waits for it.
    #[error("not done after {limit_ms} ms; give it more time, or a smaller range")]
    Timeout {
        /// The limit.
        limit_ms: u64,
    },
    /// The caller gave up. A worker was killed.
    #[error("cancelled")]
    Cancelled,
    /// A worker took more than it may. It was killed.
    #[error("the worker took more than {limit} {what}; give it more, or a smaller range")]
    Resources {
        /// What of: `bytes of memory`, `processes`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A worker wrote more than it may. It was killed.
    #[error("the worker wrote more than {limit_bytes} bytes to {to}")]
    OutputTooLong {
        /// Where to.
        to: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// A worker ended without an answer.
    #[error("the worker ended without an answer: {status}; its last words: {stderr:?}")]
    Exited {
        /// How it ended.
        status: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// A worker answered something that is no answer. It was killed.
    #[error("the worker's answer is none: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
    /// A worker could not be started.
    #[error("{program}: cannot start the worker", program = program.display())]
    Spawn {
        /// Its program.
        program: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file that is exchanged with a worker.
    #[error("{path}: cannot {action}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// The proof, or what was executed, is about something else.
    #[error("the statement is {found}, not {expected}")]
    WrongStatement {
        /// The statement that is there.
        found: B256,
        /// The one that was expected.
        expected: B256,
    },
    /// The proof is one of another program.
    #[error("the program is {found}, not {expected}")]
    WrongProgram {
        /// The program that is there.
        found: B256,
        /// The one that was expected.
        expected: B256,
    },
    /// The proof is one of another backend.
    #[error("the backend is {found:?}, not {expected:?}")]
    WrongBackend {
        /// The backend that is there.
        found: String,
        /// The one that was expected.
        expected: String,
    },
    /// The proof is not the one that commits to what it says, or no proof.
    #[error("the proof does not hold: {reason}")]
    InvalidProof {
        /// What is wrong with it.
        reason: String,
    },
    /// An envelope that is none.
    #[error("not a proof envelope")]
    Envelope {
        /// What is wrong with it.
        #[from]
        source: EnvelopeError,
    },
    /// Nobody here can verify proofs of this backend.
    #[error("no verifier for backend {backend:?} is at hand")]
    NoVerifier {
        /// Name of the backend.
        backend: String,
    },
    /// The policy does not count this backend's word.
    #[error(
        "backend {backend:?} is of trust class {trust}, which the policy does not accept; a proof of \
         this class shows nothing to someone who trusts nobody"
    )]
    Policy {
        /// Name of the backend.
        backend: String,
        /// Its trust class.
        trust: crate::Trust,
    },
}

impl BackendError {
    /// Whether this says that a proof is wrong, or about something else, and not that it could not
    /// be checked.
    #[must_use]
    pub fn is_invalid_proof(&self) -> bool {
        matches!(
            self,
            Self::InvalidProof { .. }
                | Self::WrongStatement { .. }
                | Self::WrongProgram { .. }
                | Self::WrongBackend { .. }
        )
    }

    /// The name of the error in the protocol of workers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "unsupported",
            Self::Program { source } if source.is_bad_input() => "bad_input",
            Self::BadInput { .. } | Self::WrongStatement { .. } | Self::WrongProgram { .. } => {
                "bad_input"
            }
            Self::Program { .. } | Self::GuestFailed { .. } => "guest_failed",
            Self::InvalidProof { .. } | Self::WrongBackend { .. } | Self::Envelope { .. } => {
                "invalid_proof"
            }
            Self::Timeout { .. } | Self::Cancelled => "timeout",
            Self::Resources { .. } | Self::OutputTooLong { .. } => "resources",
            _ => "internal",
        }
    }
}
