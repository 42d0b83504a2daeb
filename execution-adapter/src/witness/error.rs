//! Why a block cannot be executed from a witness.

use crate::mpt::TrieError;
use alloc::boxed::Box;
use alloy_primitives::{Address, B256, U256};
use core::fmt;
use revm::database_interface::DBErrorMarker;

/// Why a witness does not serve: what was asked of it, and what is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WitnessError {
    /// An account cannot be read.
    Account {
        /// Its address.
        address: Address,
        /// Where the way to it ends.
        source: Box<TrieError>,
    },
    /// A storage slot cannot be read.
    Storage {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
        /// Where the way to it ends.
        source: Box<TrieError>,
    },
    /// The state after the block cannot be computed.
    PostState(Box<TrieError>),
    /// A code is not in the witness.
    MissingCode {
        /// Keccak-256 of the code.
        code_hash: B256,
    },
    /// `BLOCKHASH` asked for a block whose hash no header shows.
    MissingHeader {
        /// Number of that block.
        number: u64,
    },
    /// The parent's header is not there, and nobody claimed a state root in its place.
    MissingParent {
        /// Its hash.
        parent_hash: B256,
    },
    /// A header is wrong.
    Header {
        /// Its place in the witness's list.
        index: usize,
        /// What is wrong.
        fault: HeaderFault,
    },
    /// Something that was claimed contradicts what the headers prove.
    FalseClaim {
        /// What.
        what: &'static str,
        /// What was claimed.
        claimed: B256,
        /// What the headers prove.
        proven: B256,
    },
}

/// What is wrong with a header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// It is no RLP of a header.
    Rlp(alloy_rlp::Error),
    /// Its hash is not the one that the block after it names.
    Hash {
        /// Its number.
        number: u64,
        /// Its hash.
        found: B256,
        /// The hash that the block after it names.
        expected: B256,
    },
    /// Headers must lead from the parent back without a gap. This one does not continue the line.
    Number {
        /// Its number.
        found: u64,
        /// The number that was to come.
        expected: u64,
    },
}

impl fmt::Display for WitnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { address, source } => write!(f, "account {address:#x}: {source}"),
            Self::Storage {
                address,
                slot,
                source,
            } => write!(f, "storage slot {slot:#x} of {address:#x}: {source}"),
            Self::PostState(source) => write!(f, "state after the block: {source}"),
            Self::MissingCode { code_hash } => {
                write!(f, "code {code_hash} is not in the witness")
            }
            Self::MissingHeader { number } => write!(
                f,
                "the hash of block {number} is needed, and no header in the witness shows it"
            ),
            Self::MissingParent { parent_hash } => write!(
                f,
                "the parent's header, {parent_hash}, is not in the witness, so its state root is \
                 not known"
            ),
            Self::Header { index, fault } => write!(f, "header {index} of the witness: {fault}"),
            Self::FalseClaim {
                what,
                claimed,
                proven,
            } => write!(
                f,
                "{what} is claimed to be {claimed}, but the headers prove {proven}"
            ),
        }
    }
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rlp(error) => write!(f, "not a header: {error}"),
            Self::Hash {
                number,
                found,
                expected,
            } => write!(
                f,
                "block {number} has the hash {found}, but the block after it names {expected}"
            ),
            Self::Number { found, expected } => write!(
                f,
                "block {found} where block {expected} is to come; headers must lead from the \
                 parent back without a gap"
            ),
        }
    }
}

impl core::error::Error for WitnessError {}
impl DBErrorMarker for WitnessError {}
