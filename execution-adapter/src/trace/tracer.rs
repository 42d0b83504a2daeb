//! The tracer: an inspector to run transactions with, and to get their commitments from.

use super::TraceError;
use super::capture::Recorder;
use super::flat::Flat;
use super::inline::Inline;
use super::limits::TraceOptions;
use super::open::{Opener, StepOpening};
use super::steps::Sink;
use crate::transition::{StepsCommitment, TraceMode};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::{Address, Log, U256};
use qmtree_proofs::TreeHasher;
use revm::context::ContextTr;
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter};

/// Captures the steps of transactions and commits to them.
///
/// It is an [`Inspector`]: pass it, or `&mut` it, to revm or to alloy-evm's
/// `create_evm_with_inspector`. What runs between [`begin_tx`](Self::begin_tx) and
/// [`end_tx`](Self::end_tx) is traced, nothing else. It never changes what a transaction does.
///
/// Hashing goes on behind: `end_tx` waits for nothing, and
/// [`commitments`](Self::commitments) at the end of a block waits for the rest.
///
/// alloy-evm runs system calls (EIP-2935, EIP-4788, EIP-7002, EIP-7251) past inspectors. They have
/// no steps, and so block-begin and block-end leaves have none.
#[derive(Debug)]
pub struct Tracer {
    options: TraceOptions,
    recorder: Recorder,
    /// Whether steps are recorded just now.
    recording: bool,
    /// Whether a transaction is under way.
    begun: bool,
    failed: Option<TraceError>,
    /// Bytes of its events in batches handed over.
    bytes: u64,
    /// Of the batch under way, bytes of events of transactions before.
    bytes_before: u64,
    /// Transactions ended, and not asked for.
    pending: usize,
    ready: Vec<StepsCommitment>,
    sink: Box<dyn Sink>,
}

/// Items, words and bytes in a batch from which on it is handed over before it has all its steps.
const MAX_ITEMS: usize = 1 << 16;
const MAX_WORDS: usize = 1 << 15;
const MAX_BYTES: usize = 1 << 20;

impl Tracer {
    /// A tracer that hashes on the thread that executes, with the hasher given.
    #[must_use]
    pub fn inline<H>(options: TraceOptions, hasher: H) -> Self
    where
        H: TreeHasher + Clone + core::fmt::Debug + Send + 'static,
    {
        match options.mode {
            TraceMode::Flat => {
                let sink = Flat::new(options.limits.flat_bytes);
                Self::with_sink(options, Box::new(sink))
            }
            _ => Self::with_sink(options, Box::new(Inline::new(hasher))),
        }
    }

    pub(super) fn with_sink(options: TraceOptions, sink: Box<dyn Sink>) -> Self {
        let mut recorder = Recorder::new();
        if options.mode == TraceMode::Flat {
            recorder = Recorder::of_each_step();
            recorder.whole_inputs = true;
        }
        Self {
            options,
            recorder,
            recording: false,
            begun: false,
            failed: None,
            bytes: 0,
            bytes_before: 0,
            pending: 0,
            ready: Vec::new(),
            sink,
        }
    }

    /// Records the machine before each step, and refund counters, for sinks that print them.
    #[cfg(feature = "engine")]
    pub(super) fn of_each_step(mut self) -> Self {
        self.recorder = Recorder::of_each_step();
        self.recorder.refunds = true;
        self
    }

    /// How it works.
    #[must_use]
    pub fn options(&self) -> &TraceOptions {
        &self.options
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`TraceError::OutOfOrder`] if one is under way.
    pub fn begin_tx(&mut self) -> Result<(), TraceError> {
        if self.begun {
            return Err(TraceError::OutOfOrder);
        }
        self.begun = true;
        self.recording = self.options.mode != TraceMode::Outcome;
        self.failed = None;
        self.bytes = 0;
        self.bytes_before = self.recorder.batch.weight();
        self.recorder.reset();
        Ok(())
    }

    /// Ends the transaction. Its commitment is one of the next [`commitments`](Self::commitments).
    ///
    /// # Errors
    /// [`TraceError::TooManySteps`] or [`TraceError::TooManyBytes`] if it exceeded the limits; it
    /// has no commitment then. [`TraceError::OutOfOrder`] if none is under way.
    pub fn end_tx(&mut self) -> Result<(), TraceError> {
        if !self.begun {
            return Err(TraceError::OutOfOrder);
        }
        if self.options.mode == TraceMode::Outcome {
            self.begun = false;
            self.ready.push(StepsCommitment::default());
            return Ok(());
        }
        self.check_limits();
        let failed = self.failed.take();
        self.leave(failed.is_some());
        failed.map_or(Ok(()), Err)
    }

    /// Ends the transaction and forgets it, as after an invalid one. Does nothing if none is under
    /// way.
    pub fn abandon_tx(&mut self) {
        if self.begun {
            self.leave(true);
        }
    }

    fn leave(&mut self, dropped: bool) {
        self.begun = false;
        self.recording = false;
        self.recorder.end(dropped);
        self.pending += usize::from(!dropped);
    }

    /// The commitments of all transactions ended since the last call, in their order. Waits until
    /// they are hashed.
    ///
    /// # Errors
    /// [`TraceError::OutOfOrder`] while a transaction is under way;
    /// [`TraceError::TooManyBytes`] if a list of mode [`TraceMode::Flat`] is longer than its limit;
    /// [`TraceError::HasherLost`] if a thread has died.
    pub fn commitments(&mut self) -> Result<Vec<StepsCommitment>, TraceError> {
        if self.begun {
            return Err(TraceError::OutOfOrder);
        }
        self.hand_over()?;
        let pending = core::mem::take(&mut self.pending);
        self.sink.commitments(pending, &mut self.ready)?;
        Ok(core::mem::take(&mut self.ready))
    }

    /// Ends the transaction and waits for its commitment.
    ///
    /// Blocks are faster with [`end_tx`](Self::end_tx): hashing goes on while the next transaction
    /// is executed, and lanes are filled across transactions.
    ///
    /// # Errors
    /// As [`end_tx`](Self::end_tx) and [`commitments`](Self::commitments).
    pub fn finish_tx(&mut self) -> Result<StepsCommitment, TraceError> {
        self.end_tx()?;
        let mut commitments = self.commitments()?;
        let last = commitments.pop().ok_or(TraceError::OutOfOrder)?;
        self.ready = commitments;
        Ok(last)
    }

    /// The opening that a tracer made by [`opening`](Self::opening) collected from the transaction
    /// finished last; none if it had no such step.
    pub fn take_opening(&mut self) -> Option<StepOpening> {
        self.sink.opening()
    }

    /// A tracer that collects what proves step `index`. Run the transaction again with it, finish
    /// it, and [`take_opening`](Self::take_opening).
    ///
    /// Memory stays flat: it keeps one digest for 2048 groups, and two twigs of leaf hashes.
    #[must_use]
    pub fn opening<H>(options: TraceOptions, hasher: H, index: u64) -> Self
    where
        H: TreeHasher + Clone + core::fmt::Debug + Send + 'static,
    {
        let options = TraceOptions {
            mode: TraceMode::Full,
            ..options
        };
        Self::with_sink(options, Box::new(Opener::new(hasher, index)))
    }

    /// Hands over the batch, and goes on with an empty one.
    fn hand_over(&mut self) -> Result<(), TraceError> {
        if self.recorder.batch.is_empty() {
            return Ok(());
        }
        let batch = core::mem::take(&mut self.recorder.batch);
        self.recorder.batch = self.sink.consume(batch)?;
        Ok(())
    }

    /// Stops recording beyond the limits.
    fn check_limits(&mut self) {
        let limits = self.options.limits;
        let bytes = self.bytes + self.recorder.batch.weight() - self.bytes_before;
        if self.recorder.step_count > limits.steps {
            self.give_up(TraceError::TooManySteps {
                limit: limits.steps,
            });
        } else if bytes > limits.bytes {
            self.give_up(TraceError::TooManyBytes {
                limit: limits.bytes,
            });
        }
    }

    fn give_up(&mut self, error: TraceError) {
        self.recording = false;
        self.failed.get_or_insert(error);
    }

    /// Between steps of a transaction, with a full batch.
    #[cold]
    fn next_batch(&mut self) {
        self.check_limits();
        if self.recording {
            self.bytes += self.recorder.batch.weight() - self.bytes_before;
            self.bytes_before = 0;
            if let Err(error) = self.hand_over() {
                self.give_up(error);
            }
        }
    }

    #[inline]
    fn batch_is_full(&self) -> bool {
        let batch = &self.recorder.batch;
        batch.steps.len() >= self.options.batch_steps
            || batch.items.len() >= MAX_ITEMS
            || batch.words.len() >= MAX_WORDS
            || batch.bytes.len() >= MAX_BYTES
    }
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX, EthInterpreter> for Tracer {
    fn initialize_interp(&mut self, interp: &mut Interpreter<EthInterpreter>, _: &mut CTX) {
        if self.recording {
            self.recorder.begin_frame(interp);
        }
    }

    #[inline]
    fn step(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        if self.recording {
            // A group is never cut in two by a batch.
            if self.recorder.begins_group() && self.batch_is_full() {
                self.next_batch();
            }
            self.recorder.step(interp, context);
        }
    }

    #[inline]
    fn step_end(&mut self, interp: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        if self.recording {
            self.recorder.step_end(interp, context);
        }
    }

    fn log(&mut self, _: &mut CTX, log: Log) {
        if self.recording {
            self.recorder.log(&log);
        }
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        if self.recording {
            self.recorder.call(inputs, context);
        }
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        if self.recording {
            let precompile = outcome.was_precompile_called;
            self.recorder
                .end_call(&outcome.result, precompile, None, false);
        }
    }

    fn create(&mut self, _: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        if self.recording {
            self.recorder.create(inputs);
        }
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        if self.recording {
            self.recorder
                .end_call(&outcome.result, false, outcome.address, true);
        }
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        if self.recording {
            self.recorder.self_destruct(contract, target, value);
        }
    }
}
