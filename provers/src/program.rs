//! The program that is proved, as it runs outside of any machine.

use alloy_primitives::B256;
use std::error::Error;

/// What a program did with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramOutput {
    /// The digest that it commits to.
    pub statement: B256,
    /// The program that the statement was made for: the input says it, the verifier compares it.
    pub program_id: B256,
}

/// Why a program did nothing with its input.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The input is none.
    #[error("bad input")]
    Input {
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It ran, and there is nothing to commit to.
    #[error("nothing to commit to")]
    Failed {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ProgramError {
    /// Whether the input was none.
    #[must_use]
    pub const fn is_bad_input(&self) -> bool {
        matches!(self, Self::Input { .. })
    }
}

/// A program that commits to a digest. It is deterministic: equal input, equal output.
pub trait GuestProgram: Send + Sync {
    /// Runs it.
    ///
    /// # Errors
    /// [`ProgramError`]. Bytes that are no input never panic.
    fn run(&self, input: &[u8]) -> Result<ProgramOutput, ProgramError>;
}

/// The program that executes a range of blocks from their witnesses.
#[cfg(feature = "range")]
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeProgram;

#[cfg(feature = "range")]
impl RangeProgram {
    /// The id that this program has where it is not compiled for any machine:
    /// `keccak256("qmtree/range-program/" || version)`, the version in four bytes, big endian.
    #[must_use]
    pub fn id() -> B256 {
        let version = qmtree_execution_adapter::PROGRAM_VERSION.to_be_bytes();
        alloy_primitives::keccak256([b"qmtree/range-program/", &version[..]].concat())
    }
}

#[cfg(feature = "range")]
impl GuestProgram for RangeProgram {
    fn run(&self, input: &[u8]) -> Result<ProgramOutput, ProgramError> {
        use qmtree_execution_adapter::{RangeError, StateWitness, execute_range_bytes};
        let input = alloy_primitives::Bytes::copy_from_slice(input);
        if StateWitness::is_one(&input) {
            return run_state_witness(&input);
        }
        let output = execute_range_bytes(&input).map_err(|error| match error {
            RangeError::Input(_) => ProgramError::Input {
                source: Box::new(error),
            },
            error => ProgramError::Failed {
                source: Box::new(error),
            },
        })?;
        Ok(ProgramOutput {
            statement: output.public_inputs.digest(),
            program_id: output.public_inputs.program.id,
        })
    }
}

/// The same program, of blocks with a witness of QMTree's own state log.
#[cfg(feature = "range")]
fn run_state_witness(input: &alloy_primitives::Bytes) -> Result<ProgramOutput, ProgramError> {
    use qmtree_execution_adapter::{StateWitnessError, execute_state_witness_bytes};
    let output = execute_state_witness_bytes(input).map_err(|error| match error {
        StateWitnessError::Input(_) => ProgramError::Input {
            source: Box::new(error),
        },
        error => ProgramError::Failed {
            source: Box::new(error),
        },
    })?;
    Ok(ProgramOutput {
        statement: output.public_inputs.digest(),
        program_id: output.public_inputs.program.id,
    })
}
