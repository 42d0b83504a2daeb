//! The two traits, and what they speak of.

use crate::envelope::Envelope;
use crate::error::BackendError;
use alloy_primitives::B256;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What is proved: a digest, by a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What the backend calls the program: a verifying key, an image id, a measurement, or a hash of
    /// those.
    pub program_id: B256,
    /// What the program commits to: the digest of the public inputs.
    pub digest: B256,
}

/// Why a verifier's word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Trust {
    /// A proof is checked here that nobody can make for a false statement, as far as is known.
    Cryptographic,
    /// A quote is checked here, so a maker of hardware, and whoever holds the machine, is believed.
    Hardware,
    /// Another program says so.
    External,
    /// Nothing is proved to someone who does not do the work again: re-execution, mocks, dev modes.
    None,
}

/// What a backend says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendInfo {
    /// Its name: 1 to 32 of `a-z`, `0-9`, `-`, `.`, `_`. It is part of what is proved.
    pub name: String,
    /// Version of the proof system, up to 32 printable characters.
    pub version: String,
    /// What its proofs are worth, by its own word. Nothing rests on this: see [`VerifierInfo::trust`].
    pub trust: Trust,
    /// The one program that it proves.
    pub program_id: B256,
    /// Whether it can execute without proving.
    pub can_execute: bool,
    /// Whether it can prove.
    pub can_prove: bool,
    /// Forms of proofs that it can make, the usual one first.
    pub formats: Vec<String>,
}

/// What a verifier says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierInfo {
    /// The backend whose proofs it verifies.
    pub backend: String,
    /// Its version.
    pub version: String,
    /// What its word is worth.
    pub trust: Trust,
}

/// What an execution gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The digest that the program committed to.
    pub statement: B256,
    /// What the backend measures work in, if it does.
    pub cycles: Option<u64>,
}

/// What is to be proved.
#[derive(Clone, Copy, Debug)]
pub struct ProveRequest<'a> {
    /// What the program reads.
    pub input: &'a [u8],
    /// What it has to commit to. Anything else is an error, not a proof of something else.
    pub statement: B256,
    /// Which form the proof has to have; `None` for the usual one.
    pub format: Option<&'a str>,
}

/// How long something may take, and whether it is still wanted. Copies share the latter.
#[derive(Clone, Debug)]
pub struct Control {
    started: Instant,
    timeout: Duration,
    cancelled: Arc<AtomicBool>,
}

/// A proof that held. There is no way to make one but to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub(crate) backend: String,
    pub(crate) trust: Trust,
    pub(crate) statement: Statement,
}

/// Makes proofs that a program, run on some input, commits to a statement.
///
/// One backend has one program. All calls block; those that take a [`Control`] end soon after its
/// time: workers are killed, and work in this process is left to itself.
pub trait ProverBackend: Send + Sync {
    /// What it is, and what it can do. Cheap after the first call.
    ///
    /// # Errors
    /// Those of a worker that cannot be asked.
    fn info(&self) -> Result<BackendInfo, BackendError>;

    /// Runs the program without proving it.
    ///
    /// # Errors
    /// [`BackendError`].
    fn execute(&self, input: &[u8], control: &Control) -> Result<Executed, BackendError>;

    /// Runs the program and proves what it commits to.
    ///
    /// # Errors
    /// [`BackendError::WrongStatement`] if that is not what was asked for, and others.
    fn prove(
        &self,
        request: &ProveRequest<'_>,
        control: &Control,
    ) -> Result<Envelope, BackendError>;
}

/// Checks proofs of one backend.
pub trait VerifierBackend: Send + Sync {
    /// Whose proofs it checks, and what its word is worth.
    fn info(&self) -> VerifierInfo;

    /// Checks that the proof in `envelope` shows `expected`. What the envelope says of itself is
    /// compared, never believed.
    ///
    /// Callers go through [`verify`](crate::verify), which asks a policy first.
    ///
    /// # Errors
    /// [`BackendError`]; [`is_invalid_proof`](BackendError::is_invalid_proof) if the proof is wrong.
    fn check(
        &self,
        envelope: &Envelope,
        expected: &Statement,
        control: &Control,
    ) -> Result<(), BackendError>;
}

impl Trust {
    /// The name of the class.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cryptographic => "cryptographic",
            Self::Hardware => "hardware",
            Self::External => "external",
            Self::None => "none",
        }
    }

    /// The class called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let known = [
            Self::Cryptographic,
            Self::Hardware,
            Self::External,
            Self::None,
        ];
        known.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Control {
    /// So much time from now.
    #[must_use]
    pub fn timeout(timeout: Duration) -> Self {
        Self {
            started: Instant::now(),
            timeout,
            cancelled: Arc::default(),
        }
    }

    /// Ends all that goes on under this control or its copies.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The time that is left, if any is and nobody cancelled.
    ///
    /// # Errors
    /// [`BackendError::Timeout`] or [`BackendError::Cancelled`].
    pub fn left(&self) -> Result<Duration, BackendError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(BackendError::Cancelled);
        }
        match self.timeout.checked_sub(self.started.elapsed()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(BackendError::Timeout {
                limit_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }
}

impl Verified {
    /// The backend whose proof it was.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// What the verifier's word is worth.
    #[must_use]
    pub const fn trust(&self) -> Trust {
        self.trust
    }

    /// What was proved.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }
}
