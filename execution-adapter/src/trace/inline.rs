//! Hashing on the execution thread itself, for builds without threads.

use super::TraceError;
use super::layout::Message;
use super::machine::Machine;
use super::raw::Batch;
use super::steps::{Sink, StepLog};
use crate::transition::StepsCommitment;
use alloc::vec::Vec;
use qmtree_proofs::TreeHasher;

/// Hashes each batch when it is handed over.
#[derive(Debug)]
pub(super) struct Inline<H> {
    machine: Machine<H>,
    log: StepLog<H>,
    records: Vec<Message>,
    ended: Vec<StepsCommitment>,
}

impl<H: TreeHasher + Clone> Inline<H> {
    pub(super) fn new(hasher: H) -> Self {
        Self {
            machine: Machine::new(hasher.clone()),
            log: StepLog::new(hasher),
            records: Vec::new(),
            ended: Vec::new(),
        }
    }
}

impl<H: TreeHasher + Clone + core::fmt::Debug + Send> Sink for Inline<H> {
    fn consume(&mut self, mut batch: Batch) -> Result<Batch, TraceError> {
        self.machine.records(&batch, &mut self.records);
        let ended = &mut self.ended;
        let push = |commitment| ended.push(commitment);
        self.log.append(&self.records, &batch.ends, push);
        batch.clear();
        Ok(batch)
    }

    fn commitments(
        &mut self,
        count: usize,
        out: &mut Vec<StepsCommitment>,
    ) -> Result<(), TraceError> {
        if self.ended.len() < count {
            return Err(TraceError::OutOfOrder);
        }
        out.extend(self.ended.drain(..count));
        Ok(())
    }
}
