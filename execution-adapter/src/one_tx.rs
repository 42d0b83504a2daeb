//! Tracing one transaction of a block.

use crate::trace::{TraceError, Tracer};
use crate::tracing::BlockTracer;
use crate::transition::{StepsCommitment, TraceMode};
use alloc::vec::Vec;
use alloy_primitives::{Address, Log, U256};
use revm::context::ContextTr;
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter};

/// Lets a [`Tracer`] watch one transaction of a block, as to open a step of it or to print it.
///
/// The others are executed and not traced, so leaves made with it are not those of the log.
#[derive(Debug)]
pub struct OneTx {
    tracer: Tracer,
    index: usize,
    next: usize,
    commitment: Option<StepsCommitment>,
}

impl OneTx {
    /// Watches the transaction at this position in its block.
    #[must_use]
    pub fn new(tracer: Tracer, index: usize) -> Self {
        Self {
            tracer,
            index,
            next: 0,
            commitment: None,
        }
    }

    /// The tracer, and the commitment to the transaction's steps if it was executed.
    #[must_use]
    pub fn into_parts(self) -> (Tracer, Option<StepsCommitment>) {
        (self.tracer, self.commitment)
    }
}

impl BlockTracer for OneTx {
    fn mode(&self) -> TraceMode {
        self.tracer.options().mode
    }

    fn begin_tx(&mut self) -> Result<(), TraceError> {
        if self.next == self.index {
            self.tracer.begin_tx()?;
        }
        Ok(())
    }

    fn end_tx(&mut self) -> Result<(), TraceError> {
        if self.next == self.index {
            self.commitment = Some(self.tracer.finish_tx()?);
        }
        self.next += 1;
        Ok(())
    }

    fn abandon_tx(&mut self) {
        self.tracer.abandon_tx();
    }

    fn commitments(&mut self) -> Result<Vec<StepsCommitment>, TraceError> {
        Ok(Vec::new())
    }
}

/// The tracer itself leaves out what runs outside of its transaction.
impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX, EthInterpreter> for OneTx {
    fn initialize_interp(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.tracer.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.tracer.step(interp, context);
    }

    fn step_end(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        self.tracer.step_end(interp, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.tracer.log(context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.tracer.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.tracer.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.tracer.create(context, inputs)
    }

    fn create_end(
        &mut self,
        context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.tracer.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        <Tracer as Inspector<CTX, EthInterpreter>>::selfdestruct(
            &mut self.tracer,
            contract,
            target,
            value,
        );
    }
}
