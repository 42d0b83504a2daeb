//! From what one transaction number did to the payload of its leaf.

use crate::capture::{Capture, StateAccess};
use crate::outcome::RawOutcome;
use crate::state_item::root_over;
use crate::transition::{
    StepsCommitment, TraceMode, TransitionContext, TransitionKind, TransitionOutcome,
    transition_hash,
};
use alloc::boxed::Box;
use alloy_primitives::B256;
use core::error::Error;
use qmtree_proofs::{LeafPayload, Scheme};

/// What one transaction number did, as the execution thread saw it: nothing is sorted or hashed.
#[derive(Clone, Debug)]
pub struct LeafRecord {
    pub(crate) kind: TransitionKind,
    pub(crate) mode: TraceMode,
    pub(crate) context: TransitionContext,
    pub(crate) outcome: Outcome,
    pub(crate) capture: Capture,
}

/// Of a transaction, or of a begin or end of a block, which has its hashes already.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Raw(RawOutcome),
    Hashed(TransitionOutcome),
}

/// What a leaf commits to, but for the state before it, which is up to the leaf scheme, and the
/// steps, which a tracer has at the end of the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafParts {
    /// System calls, a transaction, or the end of a block.
    pub kind: TransitionKind,
    /// How much of the execution is committed to.
    pub mode: TraceMode,
    /// What was asked for; its subject is the hash of the transaction or block.
    pub context: TransitionContext,
    /// What came of it.
    pub outcome: TransitionOutcome,
    /// What was read and written.
    pub access: StateAccess,
    /// Root over the reads, under the scheme that needs it.
    pub read_root: Option<B256>,
    /// Root over the writes.
    pub state_change_hash: B256,
}

impl LeafRecord {
    /// Sorts and hashes what a leaf of the scheme needs: tens of microseconds for a usual
    /// transaction. Records of one block are independent of each other, so this may run on many
    /// threads.
    #[must_use]
    pub fn into_parts(self, scheme: Scheme) -> LeafParts {
        let access = self.capture.fold();
        LeafParts {
            kind: self.kind,
            mode: self.mode,
            context: self.context,
            outcome: match self.outcome {
                Outcome::Raw(raw) => raw.hash(),
                Outcome::Hashed(outcome) => outcome,
            },
            read_root: (scheme == Scheme::ReadSet1).then(|| root_over(&access.reads)),
            state_change_hash: root_over(&access.writes),
            access,
        }
    }
}

impl LeafParts {
    /// The leaf's payload, given what its scheme says of the state before it, and its steps.
    #[must_use]
    pub fn payload(&self, pre_state_hash: B256, steps: &StepsCommitment) -> LeafPayload {
        let Self {
            kind,
            mode,
            context,
            outcome,
            ..
        } = self;
        LeafPayload {
            pre_state_hash,
            state_change_hash: self.state_change_hash,
            transition_hash: transition_hash(*kind, *mode, context, steps, outcome),
        }
    }

    /// The hash of the transaction; none for the begin and the end of a block.
    #[must_use]
    pub fn transaction_hash(&self) -> Option<B256> {
        (self.kind == TransitionKind::Transaction).then_some(self.context.subject)
    }
}

/// Why the rule of a scheme failed, such as a state log that could not be read.
pub type RuleError = Box<dyn Error + Send + Sync>;

/// The rule of a leaf scheme: what a leaf says of the state before it.
pub trait PreStateHash {
    /// The scheme whose rule this is.
    fn scheme(&self) -> Scheme;

    /// The `preStateHash` of the leaf with these parts. Called for each leaf in order, so that a
    /// rule may keep a state of its own and apply the writes to it.
    ///
    /// # Errors
    /// As the rule says.
    fn pre_state_hash(&mut self, parts: &LeafParts) -> Result<B256, RuleError>;
}

/// `read-set/1`: the root over what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSet;

impl PreStateHash for ReadSet {
    fn scheme(&self) -> Scheme {
        Scheme::ReadSet1
    }

    fn pre_state_hash(&mut self, parts: &LeafParts) -> Result<B256, RuleError> {
        let root = parts.read_root;
        Ok(root.unwrap_or_else(|| root_over(&parts.access.reads)))
    }
}
