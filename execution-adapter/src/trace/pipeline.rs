//! Hashing on threads of its own, behind the execution.
//!
//! ```text
//! execution thread --batches--> machine thread --records--> steps thread --commitments--> caller
//!        ^---------- empty batches ---'   ^------- empty records ---'
//! ```
//!
//! The channels are short, so memory stays flat however long a transaction is: who is ahead
//! waits. Two threads have about the same to do in the Keccak profile; in the BLAKE3 profile one
//! is enough for both.

use super::TraceError;
use super::flat::Flat;
use super::layout::Message;
use super::limits::TraceOptions;
use super::machine::Machine;
use super::raw::{Batch, RawEnd};
use super::steps::{Sink, StepLog};
use super::tracer::Tracer;
use crate::transition::{StepsCommitment, TraceMode};
use qmtree_kernels::Hasher;
use std::boxed::Box;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::vec::Vec;

/// Batches under way between two threads.
const QUEUE: usize = 4;

/// Records of a batch and where its transactions end.
#[derive(Debug, Default)]
struct Records {
    records: Vec<Message>,
    ends: Vec<RawEnd>,
}

/// The threads, from the execution thread's side.
#[derive(Debug)]
struct Pipeline {
    /// Taken when the pipeline ends, which ends the threads.
    batches: Option<SyncSender<Batch>>,
    empty: Receiver<Batch>,
    commitments: Receiver<StepsCommitment>,
    threads: Vec<JoinHandle<()>>,
}

impl Tracer {
    /// A tracer that hashes on `threads` threads of its own, on the fastest kernels of this CPU: 0
    /// is on the thread that executes, more than 2 are 2. The commitments are the same.
    ///
    /// Mode [`TraceMode::Flat`] has no use for threads.
    ///
    /// # Errors
    /// [`TraceError::HasherLost`] if the operating system gives no thread.
    pub fn threaded(options: TraceOptions, threads: usize) -> Result<Self, TraceError> {
        let hasher = Hasher::new(options.profile);
        if threads == 0 || options.mode == TraceMode::Outcome {
            return Ok(Self::inline(options, hasher));
        }
        if options.mode == TraceMode::Flat {
            return Ok(Self::with_sink(
                options,
                Box::new(Flat::new(options.limits.flat_bytes)),
            ));
        }
        let pipeline = Pipeline::start(hasher, threads).map_err(|_| TraceError::HasherLost)?;
        Ok(Self::with_sink(options, Box::new(pipeline)))
    }
}

impl Pipeline {
    fn start(hasher: Hasher, threads: usize) -> std::io::Result<Self> {
        let (batches, batches_in) = sync_channel(QUEUE);
        let (empty_out, empty) = channel();
        let (commitments_out, commitments) = channel();
        let mut handles = Vec::new();
        if threads == 1 {
            handles.push(spawn("qm-trace", move || {
                both(hasher, &batches_in, &empty_out, &commitments_out);
            })?);
        } else {
            let (records, records_in) = sync_channel(QUEUE);
            let (spent_out, spent) = channel();
            handles.push(spawn("qm-trace-state", move || {
                machine(hasher, &batches_in, &empty_out, &records, &spent);
            })?);
            handles.push(spawn("qm-trace-steps", move || {
                steps(hasher, &records_in, &spent_out, &commitments_out);
            })?);
        }
        Ok(Self {
            batches: Some(batches),
            empty,
            commitments,
            threads: handles,
        })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}

/// The work of a single thread.
fn both(
    hasher: Hasher,
    batches: &Receiver<Batch>,
    empty: &Sender<Batch>,
    commitments: &Sender<StepsCommitment>,
) {
    let mut machine = Machine::new(hasher);
    let mut log = StepLog::new(hasher);
    let mut records = Vec::new();
    while let Ok(mut batch) = batches.recv() {
        machine.records(&batch, &mut records);
        log.append(&records, &batch.ends, |ended| send(commitments, ended));
        batch.clear();
        send(empty, batch);
    }
}

/// Sends to a tracer that may be gone by now; then no further batch comes.
fn send<T>(to: &Sender<T>, value: T) {
    let _: Result<(), _> = to.send(value);
}

/// Events to records.
fn machine(
    hasher: Hasher,
    batches: &Receiver<Batch>,
    empty: &Sender<Batch>,
    records: &SyncSender<Records>,
    spent: &Receiver<Records>,
) {
    let mut machine = Machine::new(hasher);
    while let Ok(mut batch) = batches.recv() {
        let mut made = spent.try_recv().unwrap_or_default();
        machine.records(&batch, &mut made.records);
        made.ends.clear();
        made.ends.append(&mut batch.ends);
        batch.clear();
        send(empty, batch);
        if records.send(made).is_err() {
            return;
        }
    }
}

/// Records to commitments.
fn steps(
    hasher: Hasher,
    records: &Receiver<Records>,
    spent: &Sender<Records>,
    commitments: &Sender<StepsCommitment>,
) {
    let mut log = StepLog::new(hasher);
    while let Ok(made) = records.recv() {
        log.append(&made.records, &made.ends, |ended| send(commitments, ended));
        send(spent, made);
    }
}

impl Sink for Pipeline {
    fn consume(&mut self, batch: Batch) -> Result<Batch, TraceError> {
        let batches = self.batches.as_ref().ok_or(TraceError::HasherLost)?;
        batches.send(batch).map_err(|_| TraceError::HasherLost)?;
        // No more than what the channels hold is ever made: an empty one comes back for each.
        Ok(self.empty.try_recv().unwrap_or_default())
    }

    fn commitments(
        &mut self,
        count: usize,
        out: &mut Vec<StepsCommitment>,
    ) -> Result<(), TraceError> {
        for _ in 0..count {
            let next = self.commitments.recv();
            out.push(next.map_err(|_| TraceError::HasherLost)?);
        }
        Ok(())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.batches = None;
        for thread in self.threads.drain(..) {
            // A panic of the thread was reported by the panic hook, and seen as a lost hasher.
            drop(thread.join());
        }
    }
}
