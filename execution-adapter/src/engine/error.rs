//! Why blocks could not be read from a file, or run into a database.

use crate::block::BlockError;
use crate::chain::ChainError;
use crate::engine::genesis::GenesisError;
use crate::execute::ExecuteError;
use crate::leaf::RuleError;
use crate::state_log::StateLogError;
use crate::trace::TraceError;
use crate::verify::Mismatch;
use crate::witness::WitnessError;
use alloy_primitives::B256;
use qmtree_proofs::Scheme;
use std::io;
use std::path::PathBuf;

/// Why a file gives no block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused, or the compressed data is damaged.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Larger than anything that makes sense.
    #[error("{}: {what} is larger than {limit_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// No blocks at all: empty, or an empty list.
    #[error("{}: there are no blocks in it", path.display())]
    NoBlocks {
        /// The file.
        path: PathBuf,
    },
    /// A chain file that ends in the middle of a block.
    #[error("{}: block {index} of the file, at byte {offset}: the file ends in the middle of it",
        path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// How many blocks come before it in the file.
        index: u64,
        /// How many bytes these have, unpacked.
        offset: u64,
    },
    /// A block in a chain file that is larger than any that makes sense.
    #[error("{}: block {index} of the file, at byte {offset}: larger than {limit_bytes} bytes",
        path.display())]
    LargeBlock {
        /// The file.
        path: PathBuf,
        /// How many blocks come before it in the file.
        index: u64,
        /// How many bytes these have, unpacked.
        offset: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// Not JSON, or a field that is missing or of the wrong form.
    #[error("{}{}", path.display(), in_field(field))]
    Json {
        /// The file.
        path: PathBuf,
        /// Path of the field; `.` if it is the whole document.
        field: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// JSON, but of no format that holds blocks.
    #[error("{}: {}", path.display(), format_problem(found.as_deref()))]
    Format {
        /// The file.
        path: PathBuf,
        /// Its field `format`.
        found: Option<String>,
    },
    /// JSON, but not a block with an execution witness.
    #[error("{}: {}", path.display(), witness_problem(found.as_deref()))]
    NoWitness {
        /// The file.
        path: PathBuf,
        /// Its field `format`.
        found: Option<String>,
    },
    /// A block that is more work than is taken on from a witness.
    #[error("{}", path.display())]
    Limit {
        /// The file.
        path: PathBuf,
        /// What is too much.
        source: crate::limits::LimitError,
    },
    /// A witness that cannot be used, or that lacks what the block needs.
    #[error("{}: block {block}", path.display())]
    Witness {
        /// The file.
        path: PathBuf,
        /// Number of the block.
        block: u64,
        /// Why.
        source: WitnessError,
    },
    /// A field that contradicts the block.
    #[error("{}: block {block}: field {field} is {found}, and the block says {expected}",
        path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Number of the block.
        block: u64,
        /// The field.
        field: &'static str,
        /// What the block says.
        expected: String,
        /// What the field says.
        found: String,
    },
    /// Bytes that are no block.
    #[error("{}: block {index} of the file", path.display())]
    Block {
        /// The file.
        path: PathBuf,
        /// How many blocks come before it in the file.
        index: u64,
        /// Why.
        source: BlockError,
    },
    /// No rules for the block.
    #[error("{}: block {block}", path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// Number of the block.
        block: u64,
        /// Why.
        source: ChainError,
    },
    /// A file of blocks alone, without a state to start from.
    #[error(
        "{}: blocks without a state; give the state before the first one with --genesis",
        path.display()
    )]
    GenesisNeeded {
        /// The file.
        path: PathBuf,
    },
    /// A genesis that cannot be used.
    #[error("{}: not a usable genesis", path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// Why.
        source: GenesisError,
    },
}

impl FileError {
    /// Number of the block that it is about, where that could be read.
    #[must_use]
    pub const fn block_number(&self) -> Option<u64> {
        match self {
            Self::Witness { block, .. } | Self::Field { block, .. } | Self::Chain { block, .. } => {
                Some(*block)
            }
            _ => None,
        }
    }
}

/// Why a block was not run into a database. The database is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It could not be executed.
    #[error(transparent)]
    Execute(Box<ExecuteError>),
    /// It was executed, and is not what its header says.
    #[error("block {block}: {mismatch}")]
    Mismatch {
        /// Number of the block.
        block: u64,
        /// The field, expected and found.
        mismatch: Mismatch,
    },
    /// A leaf could not be made.
    #[error("block {block}: leaf {leaf} of the block: {source}")]
    Leaf {
        /// Number of the block.
        block: u64,
        /// Position of the leaf in the block: 0 is the block's begin.
        leaf: usize,
        /// Why.
        source: RuleError,
    },
    /// The traces of its transactions have no commitment.
    #[error("block {block}: its trace")]
    Trace {
        /// Number of the block.
        block: u64,
        /// Why.
        source: TraceError,
    },
    /// It was executed, but what comes after it could not be derived from the state.
    #[error("block {block}: the state after it: {source}")]
    State {
        /// Number of the block.
        block: u64,
        /// Why.
        source: RuleError,
    },
    /// The database is for another chain.
    #[error("the database is for chain id {database}, and block {block} is of chain id {chain_id}")]
    OtherChain {
        /// Number of the block.
        block: u64,
        /// Chain id of the block.
        chain_id: u64,
        /// Chain id of the database.
        database: u64,
    },
    /// The database is for leaves of another scheme.
    #[error(
        "the database has leaves of scheme {database}, and these would be of scheme {leaves}; use \
         a database of that scheme (qm init --scheme, or a new folder)"
    )]
    OtherScheme {
        /// Scheme of the leaves.
        leaves: Scheme,
        /// Scheme of the database.
        database: Scheme,
    },
    /// The block does not follow the one before it.
    #[error("block {block}: its parent is {found}, but the block before it is {expected}")]
    OtherParent {
        /// Number of the block.
        block: u64,
        /// Hash of the block before it.
        expected: B256,
        /// The parent hash in its header.
        found: B256,
    },
    /// The log has another block of this number, or the same with leaves of another mode.
    #[error(
        "block {block} is in the log already, and is another block there, or was run with another \
         --trace or genesis: its first leaf has transitionHash {found}, this would make {expected}; \
         use another folder, or unwind the log to the block before it"
    )]
    OtherBlock {
        /// Number of the block.
        block: u64,
        /// The `transitionHash` that this block's begin has.
        expected: B256,
        /// The one in the log.
        found: B256,
    },
    /// The log has blocks, but its state is not that of a chain.
    #[error(
        "the log has blocks that were not executed into it: there is no state after block {block} to \
         go on from; use a new folder"
    )]
    NoState {
        /// The newest block of the log.
        block: u64,
    },
    /// The log is new, and nothing says what the state before its first block is.
    #[error("block {block}: the log is empty, and there is no state to begin it with")]
    NoPreState {
        /// Number of the block.
        block: u64,
    },
    /// A block file brings a state that the log does not have.
    #[error(
        "block {block}: the state before it in the file is not that of the log: {what} is {file} in the \
         file and {log} in the log; a block with its own state goes into a new folder, or is run with \
         --isolated"
    )]
    OtherState {
        /// Number of the block.
        block: u64,
        /// An account or slot.
        what: String,
        /// Its value in the file.
        file: String,
        /// Its value in the log.
        log: String,
    },
    /// The state log could not be read as the state of a chain.
    #[error("the state in the log: {source}")]
    StateLog {
        /// Why.
        source: StateLogError<qmtree::Error>,
    },
    /// The database did not take it.
    #[error("block {block}")]
    Database {
        /// Number of the block.
        block: u64,
        /// Why.
        source: Box<qmtree::Error>,
    },
}

impl RunError {
    /// Whether the block breaks the rules or is not what its header says, so that no other state
    /// or database would make it good.
    #[must_use]
    pub fn is_invalid_block(&self) -> bool {
        match self {
            Self::Execute(error) => error.is_invalid_block(),
            Self::Mismatch { .. } | Self::OtherParent { .. } => true,
            _ => false,
        }
    }
}

/// Of the whole document, what is wrong says where.
fn in_field(field: &str) -> String {
    match field {
        "." => String::new(),
        _ => format!(": field {field}"),
    }
}

fn format_problem(found: Option<&str>) -> String {
    match found {
        Some(found @ "eth-witness/1") => {
            format!("format {found:?} is a block with its witness, which runs with --witness")
        }
        Some(found) => format!("format {found:?} is not one that holds blocks to run"),
        None => "not a block file: JSON without a field \"format\"".to_owned(),
    }
}

fn witness_problem(found: Option<&str>) -> String {
    match found {
        Some(found) => format!(
            "format {found:?} is not eth-witness/1; files of other formats run without --witness"
        ),
        None => "not a block with its witness: JSON without a field \"format\" (docs/WITNESS.md)"
            .to_owned(),
    }
}
