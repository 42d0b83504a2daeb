//! Why a block could not be executed.

use crate::chain::ChainError;
use crate::trace::TraceError;
use alloy_evm::block::BlockExecutionError;
use alloy_primitives::B256;
use core::fmt;

/// Why a block could not be executed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExecuteError {
    /// There are no rules for it.
    Chain {
        /// Number of the block.
        block: u64,
        /// Why.
        source: ChainError,
    },
    /// The caller's mistake: as many senders as transactions are needed.
    SenderCount {
        /// Number of the block.
        block: u64,
        /// Transactions in the block.
        transactions: usize,
        /// Senders that were given.
        senders: usize,
    },
    /// A system call, a withdrawal or a reward.
    System {
        /// Number of the block.
        block: u64,
        /// Why.
        source: BlockExecutionError,
    },
    /// A transaction.
    Transaction {
        /// Number of the block.
        block: u64,
        /// Position of the transaction in the block.
        index: usize,
        /// Its hash.
        hash: B256,
        /// Why.
        source: BlockExecutionError,
    },
    /// The trace of a transaction.
    Trace {
        /// Number of the block.
        block: u64,
        /// Position of the transaction in the block.
        index: usize,
        /// Why.
        source: TraceError,
    },
}

impl ExecuteError {
    /// Whether the block breaks the rules. If not, the rules or the state to execute it on are
    /// missing or could not be read.
    #[must_use]
    pub fn is_invalid_block(&self) -> bool {
        match self {
            Self::System { source, .. } | Self::Transaction { source, .. } => {
                matches!(source, BlockExecutionError::Validation(_))
            }
            _ => false,
        }
    }
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain { block, .. } => write!(f, "block {block}: no rules to execute it under"),
            Self::SenderCount {
                block,
                transactions,
                senders,
            } => {
                write!(
                    f,
                    "block {block}: {transactions} transactions, but {senders} senders"
                )
            }
            Self::System { block, .. } => {
                write!(f, "block {block}: cannot apply what is not a transaction")
            }
            Self::Transaction {
                block, index, hash, ..
            } => {
                write!(
                    f,
                    "block {block}: transaction {index} ({hash}) cannot be executed"
                )
            }
            Self::Trace { block, index, .. } => {
                write!(f, "block {block}: the trace of transaction {index}")
            }
        }
    }
}

impl core::error::Error for ExecuteError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Chain { source, .. } => Some(source),
            Self::System { source, .. } | Self::Transaction { source, .. } => Some(source),
            Self::Trace { source, .. } => Some(source),
            Self::SenderCount { .. } => None,
        }
    }
}
