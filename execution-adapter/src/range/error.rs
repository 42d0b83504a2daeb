//! Why a range cannot be executed.

use crate::block::BlockError;
use crate::chain::RulesError;
use crate::limits::LimitError;
use crate::stateless::StatelessError;
use crate::trace::TraceError;
use crate::witness::MAX_HEADERS;
use alloc::boxed::Box;
use core::fmt;
use qmtree_proofs::statement::StatementError;
use qmtree_proofs::{DecodeError, Scheme};

/// Why a range of blocks does not show what it should.
#[derive(Debug)]
#[non_exhaustive]
pub enum RangeError {
    /// The input is none.
    Input(RangeInputError),
    /// A block that cannot be executed from its witness, or is not what its header says.
    Block {
        /// Number of the block.
        number: u64,
        /// Why.
        source: Box<StatelessError>,
    },
    /// The blocks do not follow each other, or the log.
    Statement(StatementError),
    /// The log has leaves of a scheme that execution witnesses cannot make.
    Scheme {
        /// The scheme of the log.
        found: Scheme,
    },
    /// The log is one of another chain.
    Chain {
        /// The chain id of the log.
        log: u64,
        /// That of the rules.
        rules: u64,
    },
    /// The tracer could not be made.
    Trace(TraceError),
    /// More work than is taken on, by the headers.
    Limit(LimitError),
}

/// Why bytes are no input for [`execute_range_bytes`](super::execute_range_bytes).
#[derive(Debug)]
#[non_exhaustive]
pub enum RangeInputError {
    /// Not the input of this program.
    Magic,
    /// A version that this program does not read.
    Version {
        /// The version byte.
        found: u8,
    },
    /// A kind of witness that this program does not execute from.
    WitnessKind {
        /// The byte that names it.
        found: u8,
    },
    /// It ends too early.
    Truncated {
        /// Offset of the field that is cut.
        offset: usize,
    },
    /// It goes on behind its end.
    TrailingBytes {
        /// How many bytes.
        extra: usize,
    },
    /// A byte that stands for one of a few things, and for none of those.
    Choice {
        /// What it chooses.
        what: &'static str,
        /// The byte.
        found: u8,
    },
    /// A list that is not in the one order it can have, or names an item that is not there.
    Order {
        /// Which list.
        what: &'static str,
    },
    /// A block lists more headers than `BLOCKHASH` reaches back.
    Headers {
        /// How many.
        found: usize,
    },
    /// The rules of the chain.
    Rules(RulesError),
    /// The edge of the log.
    Edge(StatementError),
    /// A block.
    Block(BlockError),
    /// An extract of the state log.
    Extract(DecodeError),
}

impl RangeError {
    /// Whether a block breaks the rules or is not what its header says, or blocks do not follow each
    /// other, so that no other witness would make them good.
    #[must_use]
    pub fn is_invalid_block(&self) -> bool {
        match self {
            Self::Block { source, .. } => match &**source {
                StatelessError::Block(_) | StatelessError::Mismatch(_) => true,
                StatelessError::Execute(error) => error.is_invalid_block(),
                _ => false,
            },
            Self::Statement(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => write!(f, "not the input of a range: {error}"),
            Self::Block { number, .. } => write!(f, "block {number}"),
            Self::Statement(error) => error.fmt(f),
            Self::Scheme { found } => write!(
                f,
                "the log has leaves of scheme {found}; blocks with execution witnesses make leaves of \
                 scheme {}",
                Scheme::ReadSet1
            ),
            Self::Chain { log, rules } => write!(
                f,
                "the log is one of chain {log}, and the blocks are of chain {rules}"
            ),
            Self::Trace(error) => error.fmt(f),
            Self::Limit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RangeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Block { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for RangeInputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("it does not begin with QMRI"),
            Self::Version { found } => write!(f, "version {found} is not one that is read here"),
            Self::WitnessKind { found } => {
                write!(
                    f,
                    "blocks are not executed from witnesses of kind {found} here"
                )
            }
            Self::Truncated { offset } => write!(f, "it ends in the field at byte {offset}"),
            Self::TrailingBytes { extra } => write!(f, "{extra} bytes behind its end"),
            Self::Choice { what, found } => write!(f, "{found} is no {what}"),
            Self::Order { what } => write!(f, "{what} out of order"),
            Self::Headers { found } => write!(
                f,
                "a block with {found} headers; {MAX_HEADERS} are as far back as BLOCKHASH reaches"
            ),
            Self::Rules(error) => error.fmt(f),
            Self::Edge(error) => error.fmt(f),
            Self::Block(error) => error.fmt(f),
            Self::Extract(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RangeInputError {}

impl From<RangeInputError> for RangeError {
    fn from(error: RangeInputError) -> Self {
        Self::Input(error)
    }
}

impl From<LimitError> for RangeError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl From<StatementError> for RangeError {
    fn from(error: StatementError) -> Self {
        Self::Statement(error)
    }
}
