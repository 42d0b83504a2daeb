//! What can go wrong in a command, and the exit code that says so.

use alloy_primitives::B256;
use qmtree_proofs::{DecodeError, TxNum, VerifyError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Longest error that is printed: some quote their input.
const LONGEST: usize = 400;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A proof does not hold.
    #[error("{path}: INVALID", path = path.display())]
    Invalid { path: PathBuf, source: Refusal },
    /// A file could not be read or written.
    #[error("{path}: cannot {action}", path = path.display())]
    Io {
        path: PathBuf,
        action: &'static str,
        source: io::Error,
    },
    /// A file is larger than any that makes sense.
    #[error("{path}: larger than {limit}", path = path.display())]
    TooLarge { path: PathBuf, limit: &'static str },
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
    /// The options are not those that this kind of proof is verified with.
    #[error("{path}", path = path.display())]
    Options { path: PathBuf, source: OptionError },
    /// A line of a file of JSON lines.
    #[error("{path}: line {number}", path = path.display())]
    Line {
        path: PathBuf,
        number: u64,
        source: serde_json::Error,
    },
    /// A block that a database did not take.
    #[error("{path}: line {number}", path = path.display())]
    Block {
        path: PathBuf,
        number: u64,
        source: Box<qmtree::Error>,
    },
    /// A database refused or failed.
    #[error("{path}", path = path.display())]
    Database {
        path: PathBuf,
        source: Box<qmtree::Error>,
    },
    /// No leaf that can be read was made by the transaction.
    #[error("{path}: no leaf of transaction {tx_hash}; it is unknown, or its leaf is pruned", path = path.display())]
    NoTransaction { path: PathBuf, tx_hash: B256 },
    /// The demonstration did not show what it should.
    #[error("the demonstration failed: {what}")]
    Demo { what: String },
}

/// Says of the engine's errors which database they are about.
pub(crate) fn in_database(path: &Path) -> impl Fn(qmtree::Error) -> CliError + use<> {
    let path = path.to_path_buf();
    move |source| CliError::Database {
        path: path.clone(),
        source: Box::new(source),
    }
}

/// Why a proof is not what the caller expects.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It does not hold, or is about other positions.
    #[error(transparent)]
    Proof(#[from] VerifyError),
    /// It ends elsewhere.
    #[error("the proof ends before leaf {found}, not before leaf {expected}")]
    End { found: TxNum, expected: TxNum },
    /// It holds, for another leaf.
    #[error("leaf {tx_num} has hash {found}, not {expected}")]
    LeafHash {
        tx_num: TxNum,
        found: B256,
        expected: B256,
    },
}

/// An option that is missing, or that says nothing about this kind of proof.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionError {
    /// One that is not for this kind.
    #[error("{option} is not for proofs of kind {kind}")]
    Unused {
        option: &'static str,
        kind: &'static str,
    },
    /// One that is for this kind, but not so often.
    #[error("proofs of kind {kind} take {option} only once")]
    Repeated {
        option: &'static str,
        kind: &'static str,
    },
    /// Leaves that the proof does not carry.
    #[error("this proof does not carry its leaves; give their hashes with --leaf-hash")]
    LeafHashMissing,
    /// The older head of a consistency proof.
    #[error("a consistency proof needs the older head: --old-head")]
    OldHeadMissing,
    /// A kind that came later than this command.
    #[error("this release of qm cannot verify proofs of kind {kind}")]
    UnknownKind { kind: &'static str },
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
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
            text.push_str("...");
        }
        text
    }
}
