//! The program that a prover runs, whatever the kind of its input.

use crate::range::{RangeError, RangeInput, RangeInputError, execute_range};
use crate::state_witness::{StateWitness, StateWitnessError, execute_state_witness};
use alloc::vec::Vec;
use alloy_primitives::Bytes;
use core::error::Error;
use core::fmt;
use qmtree_proofs::statement::PublicInputs;

/// The whole program of a prover: bytes in, public inputs out.
///
/// A guest for a zkVM reads its input, calls this, and commits to [`PublicInputs::digest`]; whoever wants
/// the public inputs themselves takes [`PublicInputs::to_bytes`]. Blocks with execution witnesses and
/// witnesses of the state log are both taken: the input says which it is (docs/FORMAT.md, sections 12.5
/// and 13.2). Needs no `std`, threads, files or clock.
///
/// ```no_run
/// # fn read_input() -> Vec<u8> { Vec::new() }
/// # fn commit(_: &[u8]) {}
/// use qmtree_execution_adapter::execute_program;
///
/// let public_inputs = execute_program(read_input()).expect("the blocks hold");
/// commit(public_inputs.digest().as_slice());
/// ```
///
/// # Errors
/// [`ProgramInputError`]. A guest must panic then, so that there is no proof.
pub fn execute_program(input: Vec<u8>) -> Result<PublicInputs, ProgramInputError> {
    ProgramInput::from_bytes(&input.into())?.execute()
}

/// The input of a program, of either kind.
#[derive(Clone, Debug)]
pub enum ProgramInput {
    /// Blocks with execution witnesses, of Ethereum's state.
    Execution(RangeInput),
    /// Blocks with a witness of the state log.
    State(StateWitness),
}

/// Why an input leads to no public inputs.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProgramInputError {
    /// Blocks with execution witnesses.
    Execution(RangeError),
    /// Blocks with a witness of the state log.
    State(StateWitnessError),
}

impl ProgramInput {
    /// Decodes an input. Bytes of neither kind are refused as one of the first.
    ///
    /// # Errors
    /// [`ProgramInputError`], for which [`is_bad_input`](ProgramInputError::is_bad_input) holds.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, ProgramInputError> {
        match StateWitness::is_one(bytes) {
            true => Ok(Self::State(StateWitness::from_bytes(bytes).map_err(
                |error: RangeInputError| ProgramInputError::State(error.into()),
            )?)),
            false => Ok(Self::Execution(
                RangeInput::from_bytes(bytes)
                    .map_err(|error| ProgramInputError::Execution(error.into()))?,
            )),
        }
    }

    /// Checks that the execution can lead to these public inputs, without executing anything.
    ///
    /// # Errors
    /// [`ProgramInputError`] with the first thing that differs.
    pub fn check_for(&self, expected: &PublicInputs) -> Result<(), ProgramInputError> {
        match self {
            Self::Execution(input) => input.check_for(expected)?,
            Self::State(witness) => witness.check_for(expected)?,
        }
        Ok(())
    }

    /// Executes it, with hashers that need no operating system.
    ///
    /// # Errors
    /// [`ProgramInputError`].
    pub fn execute(&self) -> Result<PublicInputs, ProgramInputError> {
        Ok(match self {
            Self::Execution(input) => {
                execute_range(input, input.edge.head().profile)?.public_inputs
            }
            Self::State(witness) => {
                execute_state_witness(witness, witness.edge.head().profile)?.public_inputs
            }
        })
    }
}

impl ProgramInputError {
    /// Whether the bytes are no input at all.
    #[must_use]
    pub const fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Execution(RangeError::Input(_)) | Self::State(StateWitnessError::Input(_))
        )
    }

    /// Whether a block breaks the rules or is not what its header says, or blocks do not follow each
    /// other, so that no other witness would make them good.
    #[must_use]
    pub fn is_invalid_block(&self) -> bool {
        match self {
            Self::Execution(error) => error.is_invalid_block(),
            Self::State(error) => error.is_invalid_block(),
        }
    }
}

impl From<RangeError> for ProgramInputError {
    fn from(error: RangeError) -> Self {
        Self::Execution(error)
    }
}

impl From<StateWitnessError> for ProgramInputError {
    fn from(error: StateWitnessError) -> Self {
        Self::State(error)
    }
}

impl fmt::Display for ProgramInputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execution(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
        }
    }
}

impl Error for ProgramInputError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Execution(error) => error.source(),
            Self::State(error) => error.source(),
        }
    }
}
