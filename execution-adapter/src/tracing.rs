//! What the executor asks of a tracer.

use crate::trace::{TraceError, Tracer};
use crate::transition::{StepsCommitment, TraceMode};
use alloc::vec::Vec;
use revm::Inspector;

/// Watches the transactions of a block execute, beside its being an [`Inspector`].
///
/// System calls at the begin and the end of a block are not inspected: their leaves have no steps.
pub trait BlockTracer {
    /// How much of the execution is committed to. [`TraceMode::Outcome`] is not inspected at all.
    fn mode(&self) -> TraceMode;

    /// A transaction is about to be executed.
    ///
    /// # Errors
    /// As the tracer says.
    fn begin_tx(&mut self) -> Result<(), TraceError>;

    /// The transaction is done.
    ///
    /// # Errors
    /// As the tracer says, such as a limit that was exceeded.
    fn end_tx(&mut self) -> Result<(), TraceError>;

    /// The transaction is invalid: there is nothing to commit to.
    fn abandon_tx(&mut self);

    /// The commitments of the transactions ended since the last call, in order. Waits for them;
    /// none at all in mode [`TraceMode::Outcome`] stands for commitments to no steps.
    ///
    /// # Errors
    /// As the tracer says.
    fn commitments(&mut self) -> Result<Vec<StepsCommitment>, TraceError>;
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoTracer;

impl<CTX> Inspector<CTX> for NoTracer {}

impl BlockTracer for NoTracer {
    fn mode(&self) -> TraceMode {
        TraceMode::Outcome
    }

    fn begin_tx(&mut self) -> Result<(), TraceError> {
        Ok(())
    }

    fn end_tx(&mut self) -> Result<(), TraceError> {
        Ok(())
    }

    fn abandon_tx(&mut self) {}

    fn commitments(&mut self) -> Result<Vec<StepsCommitment>, TraceError> {
        Ok(Vec::new())
    }
}

impl BlockTracer for Tracer {
    fn mode(&self) -> TraceMode {
        self.options().mode
    }

    fn begin_tx(&mut self) -> Result<(), TraceError> {
        Self::begin_tx(self)
    }

    fn end_tx(&mut self) -> Result<(), TraceError> {
        Self::end_tx(self)
    }

    fn abandon_tx(&mut self) {
        Self::abandon_tx(self);
    }

    fn commitments(&mut self) -> Result<Vec<StepsCommitment>, TraceError> {
        Self::commitments(self)
    }
}
