//! A block as it is executed: decoded, its senders known.

use alloc::{string::String, vec::Vec};
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Block, TxEnvelope};
use alloy_primitives::{Address, B256};
use alloy_rlp::Decodable;
use core::fmt;

/// An Ethereum block, as it is in the consensus encoding.
pub type EthBlock = Block<TxEnvelope>;

/// Why bytes are no block that could be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// Not the consensus encoding of a block.
    Rlp {
        /// What is wrong.
        reason: alloy_rlp::Error,
    },
    /// Bytes after the block.
    TrailingBytes {
        /// So many.
        count: usize,
    },
    /// Another encoding of a block than the one that it has.
    NotCanonical,
    /// No key has made this signature.
    Signature {
        /// Position of the transaction in its block.
        index: usize,
        /// Hash of the transaction.
        hash: B256,
        /// What the library says.
        reason: String,
    },
}

/// Decodes a block from `[header, transactions, ommers, withdrawals?]`.
///
/// A block has one encoding: what decodes to a block that is encoded otherwise is refused. The decoders of
/// some fields take more than their encoders write.
///
/// # Errors
/// [`BlockError::Rlp`], [`BlockError::TrailingBytes`] or [`BlockError::NotCanonical`].
pub fn decode_block(bytes: &[u8]) -> Result<EthBlock, BlockError> {
    let mut rest = bytes;
    let block = EthBlock::decode(&mut rest).map_err(|reason| BlockError::Rlp { reason })?;
    match rest.len() {
        0 if alloy_rlp::encode(&block) == bytes => Ok(block),
        0 => Err(BlockError::NotCanonical),
        count => Err(BlockError::TrailingBytes { count }),
    }
}

/// The sender of a transaction, which only its signature tells.
///
/// Signatures with a high `s` are let through: before Homestead they are valid, and later blocks
/// that a chain has accepted have none. So this finds senders, it does not validate.
///
/// # Errors
/// [`BlockError::Signature`].
pub fn recover_sender(index: usize, tx: &TxEnvelope) -> Result<Address, BlockError> {
    tx.recover_signer_unchecked()
        .map_err(|error| BlockError::Signature {
            index,
            hash: *tx.tx_hash(),
            reason: alloc::format!("{error}"),
        })
}

/// The senders of all transactions of a block, one after the other.
///
/// # Errors
/// [`BlockError::Signature`] for the first that has none.
pub fn recover_senders(block: &EthBlock) -> Result<Vec<Address>, BlockError> {
    let transactions = block.body.transactions.iter().enumerate();
    transactions
        .map(|(index, tx)| recover_sender(index, tx))
        .collect()
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rlp { reason } => write!(f, "not the RLP of a block: {reason}"),
            Self::TrailingBytes { count } => write!(f, "{count} bytes after the block"),
            Self::NotCanonical => f.write_str("not the one RLP that this block has"),
            Self::Signature {
                index,
                hash,
                reason,
            } => {
                write!(f, "transaction {index} ({hash}): no sender: {reason}")
            }
        }
    }
}

impl core::error::Error for BlockError {}
