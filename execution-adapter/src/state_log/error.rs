//! Why a state log does not tell a chain's state.

use alloy_primitives::{Address, B256};
use core::error::Error;
use core::fmt;
use revm::database::DBErrorMarker;

/// Why a state log does not tell a chain's state. `E` is the error of what it is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateLogError<E> {
    /// It could not be read.
    Read(E),
    /// The value of an account is not its RLP.
    Account {
        /// Whose.
        address: Address,
        /// What is wrong.
        reason: alloy_rlp::Error,
    },
    /// A value that should have 32 bytes.
    Word {
        /// Key in the state log.
        key: B256,
        /// Bytes it has.
        found: usize,
    },
    /// An account has this code, and the code is not in the log.
    UnknownCode {
        /// Keccak-256 of the code.
        hash: B256,
    },
    /// BLOCKHASH of a block whose hash is not in the log.
    UnknownBlockHash {
        /// Number of that block.
        number: u64,
    },
    /// A list of accounts or slots that does not end where it should.
    List {
        /// Key in the state log at which it breaks.
        key: B256,
    },
}

impl<E: fmt::Display> fmt::Display for StateLogError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Account { address, reason } => {
                write!(f, "the value of account {address} is no account: {reason}")
            }
            Self::Word { key, found } => {
                write!(f, "the value of key {key} has {found} bytes, not 32")
            }
            Self::UnknownCode { hash } => {
                write!(f, "the code with hash {hash} is not in the state log")
            }
            Self::UnknownBlockHash { number } => {
                write!(f, "the hash of block {number} is not in the state log")
            }
            Self::List { key } => {
                write!(
                    f,
                    "the list that key {key} belongs to does not hold together"
                )
            }
        }
    }
}

impl<E: Error + 'static> Error for StateLogError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            _ => None,
        }
    }
}

impl<E: Error + Send + Sync + 'static> DBErrorMarker for StateLogError<E> {}

/// A value of 32 bytes.
pub(super) fn word<E>(key: B256, value: &[u8]) -> Result<B256, StateLogError<E>> {
    B256::try_from(value).map_err(|_| StateLogError::Word {
        key,
        found: value.len(),
    })
}
