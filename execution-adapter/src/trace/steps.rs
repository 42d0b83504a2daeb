//! The log of a transaction's step groups: records in, commitments out.

use super::layout::Message;
use super::raw::{Batch, RawEnd};
use crate::transition::StepsCommitment;
use alloc::vec::Vec;
use qmtree_proofs::{Digest, Frontier, TreeHasher};

/// Appends records to the log of the transaction under way.
#[derive(Debug)]
pub(super) struct StepLog<H> {
    hasher: H,
    log: Frontier<H>,
    hashes: Vec<Digest>,
}

impl<H: TreeHasher + Clone> StepLog<H> {
    pub(super) fn new(hasher: H) -> Self {
        Self {
            log: Frontier::new(hasher.clone()),
            hasher,
            hashes: Vec::new(),
        }
    }

    /// Appends the records of groups, and hands over the commitment of each transaction that ended.
    pub(super) fn append(
        &mut self,
        records: &[Message],
        ends: &[RawEnd],
        mut ended: impl FnMut(StepsCommitment),
    ) {
        self.hashes.clear();
        self.hashes.resize(records.len(), [0; 32]);
        self.hasher.hash_leaves(records, &mut self.hashes);
        let mut rest = self.hashes.as_slice();
        let mut appended = 0;
        for end in ends {
            let (these, later) = rest
                .split_at_checked(end.group as usize - appended)
                .unwrap_or_default();
            self.log.append(these);
            let log = core::mem::replace(&mut self.log, Frontier::new(self.hasher.clone()));
            if !end.dropped {
                ended(StepsCommitment {
                    root: log.root(),
                    count: end.count,
                });
            }
            (rest, appended) = (later, end.group as usize);
        }
        self.log.append(rest);
    }
}

/// Where batches go.
pub(super) trait Sink: core::fmt::Debug + Send {
    /// Takes a batch, and returns an empty one.
    fn consume(&mut self, batch: Batch) -> Result<Batch, super::TraceError>;

    /// The commitments of the next `count` transactions that were not dropped, once they are
    /// there.
    fn commitments(
        &mut self,
        count: usize,
        out: &mut Vec<StepsCommitment>,
    ) -> Result<(), super::TraceError>;

    /// The opening of the step that the sink was made for, of the last transaction that ended.
    fn opening(&mut self) -> Option<super::StepOpening> {
        None
    }
}
