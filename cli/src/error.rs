//! What can go wrong in a command, and the exit code that says so.

use crate::fetch::FetchError;
use alloy_primitives::B256;
use qmtree::snapshot::{KeyError, SnapshotRefusal};
use qmtree_execution_adapter::engine::{
    EdgeError, FileError, RecordError, RunError, WitnessStateError,
};
use qmtree_execution_adapter::statetest::StateTestError;
use qmtree_execution_adapter::{CallError, RangeError, StateWitnessError, TraceError};
use qmtree_proofs::statement::StatementError;
use qmtree_proofs::{DecodeError, TxNum, VerifyError};
use qmtree_provers::{ArtifactError, BackendError};
use std::io;
use std::ops::RangeInclusive;
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
    #[error("{path}: line {number}: {what} (column {column})", path = path.display())]
    Line {
        path: PathBuf,
        number: u64,
        column: usize,
        what: String,
    },
    /// A block that a database did not take.
    #[error("{path}: {place}", path = path.display())]
    Block {
        path: PathBuf,
        place: String,
        source: Box<qmtree::Error>,
    },
    /// A block again, of which the leaves are gone.
    #[error(
        "{path}: {place}: block {block} is in the log already and its leaves are pruned, so it \
         cannot be compared; start at block {start}",
        path = path.display()
    )]
    PrunedBlock {
        path: PathBuf,
        place: String,
        block: u64,
        start: u64,
    },
    /// Raw leaves of which the last one is not whole.
    #[error(
        "{path}: {len} bytes, no multiple of 96: a raw leaf is preStateHash, stateChangeHash and \
         transitionHash, 32 bytes each; nothing of block {block} was appended",
        path = path.display()
    )]
    RawLength { path: PathBuf, len: u64, block: u64 },
    /// More raw leaves than one block can be made of.
    #[error(
        "{path}: more than {leaves} leaves for one block; cut them into blocks with --block-leaves",
        path = path.display()
    )]
    RawTooLong { path: PathBuf, leaves: u64 },
    /// A proof that `qm verify` would not read.
    #[error("{path}: this proof has {len} bytes, more than {limit}; {remedy}", path = path.display())]
    ProofTooLarge {
        path: PathBuf,
        len: usize,
        limit: &'static str,
        remedy: &'static str,
    },
    /// A pipe where a file is needed.
    #[error("- stands for no file here: name one (./- if that is its name)")]
    NoPipe,
    /// A database refused or failed.
    #[error("{path}", path = path.display())]
    Database {
        path: PathBuf,
        source: Box<qmtree::Error>,
    },
    /// A block that a node did not give.
    #[error(transparent)]
    Fetch(#[from] Box<FetchError>),
    /// A file that gives no block.
    #[error(transparent)]
    BlockFile(#[from] Box<FileError>),
    /// A block that was not run.
    #[error("{path}", path = path.display())]
    Run {
        path: PathBuf,
        source: Box<RunError>,
    },
    /// A block that is not the next one of a log.
    #[error(
        "{path}: block {block} does not follow block {last}; blocks that are unrelated go into a \
         database each with --isolated",
        path = path.display()
    )]
    Unrelated {
        path: PathBuf,
        block: u64,
        last: u64,
    },
    /// A trace could not be made, or its threads not be started.
    #[error("cannot trace")]
    Trace { source: TraceError },
    /// A block without the state that it needs.
    #[error("{path}: brings no state to execute the block on; give an eth-block-prestate/1 file",
        path = path.display())]
    NoState { path: PathBuf },
    /// A transaction that a block does not have.
    #[error("{path}: no transaction {index}: the block has {count}", path = path.display())]
    NoTransaction {
        path: PathBuf,
        index: usize,
        count: usize,
    },
    /// An opening of a step that does not hold.
    #[error("{path}: INVALID", path = path.display())]
    InvalidStep { path: PathBuf, source: TraceError },
    /// A file that is no opening of a step.
    #[error("{path}: not the opening of a step", path = path.display())]
    NoOpening { path: PathBuf, source: TraceError },
    /// A call that could not be executed, or a head or rules that it cannot be verified with.
    #[error("{path}", path = path.display())]
    Call { path: PathBuf, source: CallError },
    /// The proof of a call does not hold.
    #[error("{path}: INVALID", path = path.display())]
    InvalidCall { path: PathBuf, source: CallError },
    /// The proof of a call holds, for another call.
    #[error("{path}: INVALID: the call is not the one that was asked for: {what} is {found}",
        path = path.display())]
    OtherCall {
        path: PathBuf,
        what: &'static str,
        found: String,
    },
    /// Blocks that are not in the files.
    #[error("the files do not have all blocks from {} to {}", blocks.start(), blocks.end())]
    NoBlocks { blocks: RangeInclusive<u64> },
    /// A block that was given with its state, and not executed.
    #[error(
        "block {block} has no witness: its state was given, by a genesis or a block file, and nothing was \
         executed; witnesses begin with block {}, transaction number {next}", block.saturating_add(1)
    )]
    GivenBlock { block: u64, next: TxNum },
    /// A witness that could not be made.
    #[error("{path}", path = path.display())]
    Record {
        path: PathBuf,
        source: Box<RecordError>,
    },
    /// A file that is no witness.
    #[error("{path}", path = path.display())]
    BadWitness {
        path: PathBuf,
        source: Box<StateWitnessError>,
    },
    /// A witness does not hold.
    #[error("{path}: INVALID", path = path.display())]
    InvalidWitness {
        path: PathBuf,
        source: Box<StateWitnessError>,
    },
    /// A witness of something else.
    #[error("{path}: INVALID: {what}", path = path.display())]
    OtherWitness { path: PathBuf, what: &'static str },
    /// What a bench compares is not the same.
    #[error("the bench failed: {what}")]
    Bench { what: &'static str },
    /// A bench could not take a state out of an execution witness.
    #[error("{path}", path = path.display())]
    WitnessState {
        path: PathBuf,
        source: Box<WitnessStateError>,
    },
    /// State tests failed.
    #[error("{failed} state tests failed")]
    StateTestsFailed { failed: u64 },
    /// Files that were asked for could not be used.
    #[error("{unreadable} files could not be used")]
    StateTestsUnreadable { unreadable: u64 },
    /// Files of state tests could not be found.
    #[error(transparent)]
    StateTests(#[from] StateTestError),
    /// The yardstick of a bench failed.
    #[cfg(feature = "rocksdb")]
    #[error("the yardstick failed")]
    RocksDb { source: rocksdb::Error },
    /// Snapshot files that cannot be used.
    #[error("snapshot")]
    Snapshot { source: Box<qmtree::Error> },
    /// An object store.
    #[cfg(feature = "object-store")]
    #[error("{url}: cannot {action}")]
    Store {
        url: String,
        action: &'static str,
        source: io::Error,
    },
    /// A text that is no key.
    #[error("note key")]
    Key { source: KeyError },
    /// No leaf that can be read was made by the transaction.
    #[error("{path}: no leaf of transaction {tx_hash}; it is unknown, or its leaf is pruned", path = path.display())]
    NoLeafOf { path: PathBuf, tx_hash: B256 },
    /// Blocks that do not lead to public inputs.
    #[error("the range of blocks")]
    Range { source: Box<RangeError> },
    /// There is no edge of the log before a range.
    #[error("{path}: the log before block {block}", path = path.display())]
    Edge {
        path: PathBuf,
        block: u64,
        source: Box<EdgeError>,
    },
    /// A prover or a verifier that did not do what it was asked to.
    #[error("backend {backend}")]
    Prover {
        backend: String,
        source: Box<BackendError>,
    },
    /// A file that holds no proof about a range of blocks.
    #[error("{path}: not a proof about blocks", path = path.display())]
    Artifact {
        path: PathBuf,
        source: Box<ArtifactError>,
    },
    /// A proof that shows something else than what was asked for.
    #[error("{path}: INVALID", path = path.display())]
    OtherRange {
        path: PathBuf,
        source: StatementError,
    },
    /// A proof that does not hold, or is not accepted.
    #[error("{path}: INVALID", path = path.display())]
    InvalidRange {
        path: PathBuf,
        source: Box<BackendError>,
    },
    /// Options that do not go together.
    #[error("{what}")]
    Usage { what: &'static str },
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

/// True if snapshot files are all there, and not what the trusted head says.
fn is_invalid(error: &qmtree::Error) -> bool {
    use SnapshotRefusal::{Anchor, Blocks, Head, Root, StateEntry, StateRoot, StateTwig, Twig};
    matches!(
        error,
        qmtree::Error::Refused(
            Root { .. }
                | Twig { .. }
                | Anchor { .. }
                | Blocks { .. }
                | Head { .. }
                | StateRoot { .. }
                | StateTwig { .. }
                | StateEntry { .. }
        )
    )
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
    /// Nothing that files could be compared with.
    #[error("nothing is trusted: give a head with --head, or a key with --key")]
    TrustMissing,
    /// A signature covers the files of one manifest.
    #[error("vouches for the files of one manifest; name its folder, and nothing beside it")]
    OtherFiles,
    /// A manifest lies in a folder.
    #[error("is about the manifest of a folder; name the folder instead of its files")]
    FolderMissing,
    /// A kind that came later than this command.
    #[error("this release of qm cannot verify proofs of kind {kind}")]
    UnknownKind { kind: &'static str },
    /// A proof that another command verifies.
    #[error("a proof of the state: qm state verify takes it, with the keys that you ask about")]
    OfTheState,
    /// One that says nothing about the state.
    #[error("a proof of kind {kind} says nothing about the state: qm verify takes it")]
    NoStateProof { kind: &'static str },
    /// A value is that of one key.
    #[error("--value is what the one key must be; verify several keys one by one")]
    OneKey,
}

impl CliError {
    /// 1 for an invalid proof or block, 2 for everything that could not even be checked.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Invalid { .. }
            | Self::InvalidStep { .. }
            | Self::InvalidCall { .. }
            | Self::OtherCall { .. }
            | Self::InvalidWitness { .. }
            | Self::OtherWitness { .. }
            | Self::Demo { .. }
            | Self::StateTestsFailed { .. } => ExitCode::from(1),
            Self::OtherRange { .. } | Self::InvalidRange { .. } => ExitCode::from(1),
            Self::Range { source } if source.is_invalid_block() => ExitCode::from(1),
            Self::Run { source, .. } if source.is_invalid_block() => ExitCode::from(1),
            Self::Snapshot { source } if is_invalid(source) => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }

    /// What the command printed has said it already.
    pub(crate) fn is_told(&self) -> bool {
        matches!(
            self,
            Self::StateTestsFailed { .. } | Self::StateTestsUnreadable { .. }
        )
    }

    /// The message with its causes, on one line.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }
}

/// The message of an error with its causes, on one line and not too long.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // A folder, and then a file in it, or the same once more: once is enough.
        let rest = next.strip_prefix(&text);
        if rest.is_some_and(|rest| rest.starts_with(['/', ':'])) {
            text = next;
        } else {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}
