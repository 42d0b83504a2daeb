//! Why blocks cannot be executed from a witness of the state log.

use crate::block::BlockError;
use crate::execute::ExecuteError;
use crate::limits::LimitError;
use crate::range::RangeInputError;
use crate::state_log::StateLogError;
use crate::trace::TraceError;
use crate::verify::Mismatch;
use alloc::boxed::Box;
use alloy_primitives::{Address, B256, U256};
use core::error::Error;
use core::fmt;
use qmtree_proofs::state::PartialError;
use qmtree_proofs::statement::StatementError;
use qmtree_proofs::{Scheme, VerifyError};

/// What a block reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    /// An account.
    Account(Address),
    /// A storage slot.
    Storage(Address, U256),
    /// A code, by its hash.
    Code(B256),
    /// The hash of an earlier block.
    BlockHash(u64),
}

/// Something that a block reads and that the log does not tell. `E` is the error of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingState<E> {
    /// What was to be read.
    pub name: StateName,
    /// Why it cannot be.
    pub source: StateLogError<E>,
}

/// Why a block cannot be executed on a log, or is not what its header says.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateBlockError<E> {
    /// A transaction without a sender.
    Sender(BlockError),
    /// The log does not tell what the block reads.
    Missing(MissingState<E>),
    /// The log does not tell what is to be written to it, or does not take it.
    Log(StateLogError<E>),
    /// It could not be executed, though everything could be read.
    Execute(Box<ExecuteError>),
    /// It was executed, and is not what its header says.
    Mismatch(Mismatch),
    /// The tracer failed, or ran into its limits.
    Trace(TraceError),
    /// The block does not come behind the newest one of the log.
    Parent {
        /// The hash that it names.
        found: B256,
        /// The hash of that block, as the log has it.
        expected: Option<B256>,
    },
}

/// Why a witness of the state log does not show what it should.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateWitnessError {
    /// The bytes are no witness.
    Input(RangeInputError),
    /// The extract of the state log does not belong to the head.
    Extract(VerifyError),
    /// The blocks do not follow each other, or the log.
    Statement(StatementError),
    /// A block.
    Block {
        /// Its number.
        number: u64,
        /// What is wrong.
        source: Box<StateBlockError<PartialError>>,
    },
    /// The log has leaves of another scheme.
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

impl StateWitnessError {
    /// Whether a block breaks the rules or is not what its header says, or blocks do not follow each
    /// other, so that no other witness would make them good.
    #[must_use]
    pub fn is_invalid_block(&self) -> bool {
        match self {
            Self::Block { source, .. } => match &**source {
                StateBlockError::Sender(_)
                | StateBlockError::Mismatch(_)
                | StateBlockError::Parent { .. } => true,
                StateBlockError::Execute(error) => error.is_invalid_block(),
                _ => false,
            },
            Self::Statement(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(address) => write!(f, "account {address:#x}"),
            Self::Storage(address, slot) => write!(f, "storage slot {slot:#x} of {address:#x}"),
            Self::Code(hash) => write!(f, "code {hash}"),
            Self::BlockHash(number) => write!(f, "the hash of block {number}"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for MissingState<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.source)
    }
}

impl<E: fmt::Display> fmt::Display for StateBlockError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender(error) => error.fmt(f),
            Self::Missing(missing) => missing.fmt(f),
            Self::Log(error) => error.fmt(f),
            Self::Execute(error) => error.fmt(f),
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Trace(error) => error.fmt(f),
            Self::Parent {
                found,
                expected: Some(expected),
            } => write!(
                f,
                "it names {found} as its parent, and the block before it in the log is {expected}"
            ),
            Self::Parent {
                found,
                expected: None,
            } => write!(
                f,
                "it names {found} as its parent, and the log does not know the hash of its newest \
                 block"
            ),
        }
    }
}

impl<E: Error + 'static> Error for StateBlockError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Execute(error) => error.source(),
            _ => None,
        }
    }
}

impl fmt::Display for StateWitnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(error) => write!(f, "not a witness of the state log: {error}"),
            Self::Extract(error) => write!(f, "the extract of the state log: {error}"),
            Self::Statement(error) => error.fmt(f),
            Self::Block { number, .. } => write!(f, "block {number}"),
            Self::Scheme { found } => write!(
                f,
                "the log has leaves of scheme {found}; blocks with a witness of the state log make \
                 leaves of scheme {}",
                Scheme::StateRoot1
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

impl Error for StateWitnessError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Block { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<RangeInputError> for StateWitnessError {
    fn from(error: RangeInputError) -> Self {
        Self::Input(error)
    }
}

impl From<LimitError> for StateWitnessError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl From<StatementError> for StateWitnessError {
    fn from(error: StatementError) -> Self {
        Self::Statement(error)
    }
}

impl<E> From<Mismatch> for StateBlockError<E> {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

impl<E> From<TraceError> for StateBlockError<E> {
    fn from(error: TraceError) -> Self {
        Self::Trace(error)
    }
}

impl<E> From<StateLogError<E>> for StateBlockError<E> {
    fn from(error: StateLogError<E>) -> Self {
        Self::Log(error)
    }
}
