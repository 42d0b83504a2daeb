//! From what one transaction number did to the payload of its leaf.

use crate::capture::{Capture, StateAccess};
use crate::outcome::RawOutcome;
use crate::state_item::root_over;
use crate::tracer::{PendingSteps, TraceError};
use crate::transition::{
    StepsCommitment, TraceMode, TransitionContext, TransitionKind, TransitionOutcome,
    transition_hash,
};
use alloy_primitives::B256;
use qmtree_proofs::{LeafPayload, Scheme};

/// What one transaction number did, as the execution thread saw it: nothing is sorted or hashed.
#[derive(Clone, Debug)]
pub struct LeafRecord<S = StepsCommitment> {
    pub(crate) kind: TransitionKind,
    pub(crate) mode: TraceMode,
    pub(crate) context: TransitionContext,
    pub(crate) outcome: Outcome,
    pub(crate) capture: Capture,
    pub(crate) steps: S,
}

/// Of a transaction, or of a begin or end of a block, which has its hashes already.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Raw(RawOutcome),
    Hashed(TransitionOutcome),
}

/// What a leaf commits to, but for the state before it, which is up to the leaf scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafParts {
    /// System calls, a transaction, or the end of a block.
    pub kind: TransitionKind,
    /// Hash of the transaction, or of the block.
    pub subject: B256,
    /// What was read and written.
    pub access: StateAccess,
    /// Root over the reads, under the scheme that needs it.
    pub read_root: Option<B256>,
    /// Root over the writes.
    pub state_change_hash: B256,
    /// Commitment to the execution.
    pub transition_hash: B256,
}

impl<S: PendingSteps> LeafRecord<S> {
    /// Sorts and hashes what a leaf of the scheme needs: tens of microseconds for a usual transaction. Records of one block are
    /// independent of each other, so this may run on many threads.
    ///
    /// # Errors
    /// [`TraceError`] if the steps cannot be committed to.
    pub fn into_parts(self, scheme: Scheme) -> Result<LeafParts, TraceError> {
        let access = self.capture.fold();
        let steps = self.steps.commit()?;
        let outcome = match self.outcome {
            Outcome::Raw(raw) => raw.hash(),
            Outcome::Hashed(outcome) => outcome,
        };
        Ok(LeafParts {
            kind: self.kind,
            subject: self.context.subject,
            read_root: (scheme == Scheme::ReadSet1).then(|| root_over(&access.reads)),
            state_change_hash: root_over(&access.writes),
            transition_hash: transition_hash(self.kind, self.mode, &self.context, &steps, &outcome),
            access,
        })
    }
}

/// The rule of a leaf scheme: what a leaf says of the state before it.
pub trait PreStateHash {
    /// The scheme whose rule this is.
    fn scheme(&self) -> Scheme;

    /// The `preStateHash` of the leaf with these parts. Called for each leaf in order, so that a
    /// rule may keep a state of its own and apply the writes to it.
    ///
    /// # Errors
    /// As the rule says.
    fn pre_state_hash(&mut self, parts: &LeafParts) -> Result<B256, TraceError>;
}

/// `read-set/1`: the root over what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSet;

impl PreStateHash for ReadSet {
    fn scheme(&self) -> Scheme {
        Scheme::ReadSet1
    }

    fn pre_state_hash(&mut self, parts: &LeafParts) -> Result<B256, TraceError> {
        Ok(parts
            .read_root
            .unwrap_or_else(|| root_over(&parts.access.reads)))
    }
}

impl LeafParts {
    /// The leaf's payload, given what its scheme says of the state before it.
    #[must_use]
    pub fn payload(&self, pre_state_hash: B256) -> LeafPayload {
        LeafPayload {
            pre_state_hash,
            state_change_hash: self.state_change_hash,
            transition_hash: self.transition_hash,
        }
    }
}
