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
        run_range(input, None)
    }
}

/// [`RangeProgram`] for whoever verifies by executing again, and knows the public inputs: an input that
/// cannot lead to these is refused before it is executed.
///
/// An input is as much work as its maker likes, within the limits of a range. Public inputs that were
/// compared with what is expected say which blocks there have to be, behind which head, under which
/// rules; input that says otherwise is not worth an execution.
#[cfg(feature = "range")]
#[derive(Clone, Copy, Debug)]
pub struct ExpectedRange {
    public_inputs: qmtree_proofs::statement::PublicInputs,
}

#[cfg(feature = "range")]
impl ExpectedRange {
    /// The program, for inputs that lead to `public_inputs`.
    #[must_use]
    pub const fn new(public_inputs: qmtree_proofs::statement::PublicInputs) -> Self {
        Self { public_inputs }
    }
}

#[cfg(feature = "range")]
impl GuestProgram for ExpectedRange {
    fn run(&self, input: &[u8]) -> Result<ProgramOutput, ProgramError> {
        run_range(input, Some(&self.public_inputs))
    }
}

/// Executes blocks from witnesses of either kind, if they can lead to what is expected.
#[cfg(feature = "range")]
fn run_range(
    input: &[u8],
    expected: Option<&qmtree_proofs::statement::PublicInputs>,
) -> Result<ProgramOutput, ProgramError> {
    use qmtree_execution_adapter::{RangeError, RangeInput, StateWitness, execute_range};
    let input = alloy_primitives::Bytes::copy_from_slice(input);
    if StateWitness::is_one(&input) {
        return run_state_witness(&input, expected);
    }
    let execute = || {
        let input = RangeInput::from_bytes(&input)?;
        if let Some(expected) = expected {
            input.check_for(expected)?;
        }
        let output = execute_range(&input, input.edge.head().profile)?;
        Ok(output.public_inputs)
    };
    output_of(execute(), |error| matches!(error, RangeError::Input(_)))
}

/// The same program, of blocks with a witness of QMTree's own state log.
#[cfg(feature = "range")]
fn run_state_witness(
    input: &alloy_primitives::Bytes,
    expected: Option<&qmtree_proofs::statement::PublicInputs>,
) -> Result<ProgramOutput, ProgramError> {
    use qmtree_execution_adapter::{StateWitness, StateWitnessError, execute_state_witness};
    let execute = || {
        let witness = StateWitness::from_bytes(input)?;
        if let Some(expected) = expected {
            witness.check_for(expected)?;
        }
        let output = execute_state_witness(&witness, witness.edge.head().profile)?;
        Ok(output.public_inputs)
    };
    output_of(execute(), |error| {
        matches!(error, StateWitnessError::Input(_))
    })
}

/// What the program says of the public inputs that an execution led to, or of why it led to none.
#[cfg(feature = "range")]
fn output_of<E: Error + Send + Sync + 'static>(
    inputs: Result<qmtree_proofs::statement::PublicInputs, E>,
    is_bad_input: impl FnOnce(&E) -> bool,
) -> Result<ProgramOutput, ProgramError> {
    match inputs {
        Ok(inputs) => Ok(ProgramOutput {
            statement: inputs.digest(),
            program_id: inputs.program.id,
        }),
        Err(error) if is_bad_input(&error) => Err(ProgramError::Input {
            source: Box::new(error),
        }),
        Err(error) => Err(ProgramError::Failed {
            source: Box::new(error),
        }),
    }
}
