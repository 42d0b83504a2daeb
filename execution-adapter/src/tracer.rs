//! What the executor asks of a tracer.

use crate::transition::{StepsCommitment, TraceMode};
use alloc::boxed::Box;
use core::error::Error;
use revm::Inspector;

/// Why a trace could not be committed to, such as a limit that it ran into.
pub type TraceError = Box<dyn Error + Send + Sync>;

/// Watches transactions execute, beside its being an [`Inspector`].
///
/// System calls at the begin and the end of a block are not inspected: their leaves have no steps.
pub trait Tracer {
    /// Steps as they were watched. Committing to them may be costly, so it is done elsewhere.
    type Steps: PendingSteps;

    /// How much of the execution is committed to. [`TraceMode::Outcome`] is not inspected at all.
    fn mode(&self) -> TraceMode;

    /// Ends a transaction: hands out its steps and is ready for the next.
    fn finish_tx(&mut self) -> Self::Steps;
}

/// Steps that are not committed to yet. The default is no steps, as of a system call.
pub trait PendingSteps: Default + Send + 'static {
    /// Commits to them.
    ///
    /// # Errors
    /// [`TraceError`] as the tracer says.
    fn commit(self) -> Result<StepsCommitment, TraceError>;
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoTracer;

impl<CTX> Inspector<CTX> for NoTracer {}

impl Tracer for NoTracer {
    type Steps = StepsCommitment;

    fn mode(&self) -> TraceMode {
        TraceMode::Outcome
    }

    fn finish_tx(&mut self) -> StepsCommitment {
        StepsCommitment::default()
    }
}

impl PendingSteps for StepsCommitment {
    fn commit(self) -> Result<StepsCommitment, TraceError> {
        Ok(self)
    }
}
