//! Why a statement cannot be made, or is not the expected one.

use super::mode::TraceMode;
use crate::error::{DecodeError, ShapeError, VerifyError};
use alloy_primitives::B256;
use core::fmt;

/// Why blocks do not make a statement, or a statement is not what its verifier expects.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementError {
    /// A number that is not the expected one.
    Number {
        /// Which.
        field: &'static str,
        /// The one that is there.
        found: u64,
        /// The one that should be.
        expected: u64,
    },
    /// A hash that is not the expected one.
    Hash {
        /// Which.
        field: &'static str,
        /// The one that is there.
        found: B256,
        /// The one that should be.
        expected: B256,
    },
    /// A statement about no block, or a block without leaves.
    Empty,
    /// More or fewer peaks than the edge of a log of so many leaves has.
    Peaks {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Fields that cannot belong together.
    Inconsistent {
        /// The first of them.
        field: &'static str,
    },
    /// A witness kind that this release does not know.
    WitnessKind {
        /// The byte that names it.
        found: u8,
    },
    /// Leaves that commit to more or less of the execution than expected.
    Mode {
        /// How much they commit to.
        found: TraceMode,
        /// How much they should.
        expected: TraceMode,
    },
    /// A trace mode that this release does not know.
    UnknownMode {
        /// The byte that names it.
        found: u8,
    },
    /// Bytes that are none.
    Decode(DecodeError),
    /// The opening of a block that does not hold.
    Opening(VerifyError),
    /// A position that a range does not have.
    Shape(ShapeError),
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number {
                field,
                found,
                expected,
            } => write!(f, "{field} is {found}, not {expected}"),
            Self::Hash {
                field,
                found,
                expected,
            } => write!(f, "{field} is {found}, not {expected}"),
            Self::Empty => f.write_str("no block, or a block without leaves"),
            Self::Peaks { found, expected } => {
                write!(
                    f,
                    "the edge of the log has {found} peaks instead of {expected}"
                )
            }
            Self::Inconsistent { field } => {
                write!(f, "{field} cannot belong to the other fields")
            }
            Self::WitnessKind { found } => write!(f, "unknown kind of witness {found}"),
            Self::Mode { found, expected } => {
                let (found, expected) = (found.name(), expected.name());
                write!(f, "the trace mode is {found}, not {expected}")
            }
            Self::UnknownMode { found } => write!(f, "unknown trace mode {found}"),
            Self::Decode(error) => error.fmt(f),
            Self::Opening(error) => error.fmt(f),
            Self::Shape(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StatementError {}

impl From<DecodeError> for StatementError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<VerifyError> for StatementError {
    fn from(error: VerifyError) -> Self {
        Self::Opening(error)
    }
}

impl From<ShapeError> for StatementError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

pub(super) fn same_number(
    field: &'static str,
    found: u64,
    expected: u64,
) -> Result<(), StatementError> {
    match found == expected {
        true => Ok(()),
        false => Err(StatementError::Number {
            field,
            found,
            expected,
        }),
    }
}

pub(super) fn same_mode(found: TraceMode, expected: TraceMode) -> Result<(), StatementError> {
    match found == expected {
        true => Ok(()),
        false => Err(StatementError::Mode { found, expected }),
    }
}

pub(super) fn same_hash(
    field: &'static str,
    found: B256,
    expected: B256,
) -> Result<(), StatementError> {
    match found == expected {
        true => Ok(()),
        false => Err(StatementError::Hash {
            field,
            found,
            expected,
        }),
    }
}
