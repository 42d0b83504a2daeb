//! What can go wrong while the chain is made.

use alloy_evm::block::BlockExecutionError;

/// Why the chain could not be made: in each case a mistake in this crate.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DevChainError {
    /// Assembly that means nothing.
    #[error("contract {contract}: {token:?} is no instruction, number or label")]
    Assembly {
        /// Which one.
        contract: &'static str,
        /// The word.
        token: String,
    },
    /// A block that the rules do not allow.
    #[error("block {number}")]
    Block {
        /// Which one.
        number: u64,
        /// What they say.
        source: BlockExecutionError,
    },
    /// A key that cannot sign.
    #[error("a key or signature is not valid")]
    Signature(#[from] k256::ecdsa::Error),
    /// Hex that is none.
    #[error("contract {contract}: not hex")]
    Hex {
        /// Which one.
        contract: &'static str,
    },
    /// A genesis without a JSON form.
    #[error("the genesis has no JSON form")]
    Json(#[from] serde_json::Error),
}
