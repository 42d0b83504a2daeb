//! The program that is proved, as it runs outside of any machine.

use crate::backend::Control;
use crate::error::BackendError;
use alloy_primitives::B256;
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often it is looked at whether a caller gave up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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

/// Runs a program on a thread of its own, so that there is an answer in time whatever the input.
///
/// A thread cannot be ended: one that is late goes on, and takes a processor and its memory until it is
/// done or the process ends.
pub(crate) fn run_within<P: GuestProgram + 'static>(
    program: &Arc<P>,
    input: &[u8],
    control: &Control,
) -> Result<ProgramOutput, BackendError> {
    control.left()?;
    let (send, done) = sync_channel(1);
    let (program, input) = (Arc::clone(program), input.to_vec());
    let thread = std::thread::Builder::new().name("qmtree-program".to_owned());
    let thread = thread.spawn(move || {
        // Who asked may be gone by now.
        _ = send.send(program.run(&input));
    });
    let thread = thread.map_err(|source| BackendError::Io {
        path: "a thread".into(),
        action: "start",
        source,
    })?;
    loop {
        match done.recv_timeout(control.left()?.min(LOOK_EVERY)) {
            Ok(output) => {
                control.left()?;
                return Ok(output?);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // It panicked, and its panic is the caller's.
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("a thread that does not panic sends what it has"),
            },
        }
    }
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
    use qmtree_execution_adapter::{ProgramInput, ProgramInputError};
    let input = alloy_primitives::Bytes::copy_from_slice(input);
    let execute = || {
        let input = ProgramInput::from_bytes(&input)?;
        if let Some(expected) = expected {
            input.check_for(expected)?;
        }
        input.execute()
    };
    let public_inputs = execute().map_err(|error: ProgramInputError| {
        let bad = error.is_bad_input();
        let source = Box::new(error);
        match bad {
            true => ProgramError::Input { source },
            false => ProgramError::Failed { source },
        }
    })?;
    Ok(ProgramOutput {
        statement: public_inputs.digest(),
        program_id: public_inputs.program.id,
    })
}
