//! From what one transaction number did to the payload of its leaf.

use crate::capture::{Capture, StateAccess};
use crate::mpt::keccak_many;
use crate::outcome::{HASHES, RawOutcome};
use crate::roots::roots_over;
use crate::state_item::root_over;
use crate::transition::{
    StepsCommitment, TRACER_VERSION, TraceMode, TransitionContext, TransitionKind,
    TransitionOutcome, transition_bytes, transition_hash,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};
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
    /// The `transitionHash`, where it is known that there are no steps to wait for.
    without_steps: Option<B256>,
}

impl LeafRecord {
    /// Sorts and hashes what a leaf of the scheme needs. Of many records this costs less
    /// [together](Self::all_to_parts).
    #[must_use]
    pub fn into_parts(self, scheme: Scheme) -> LeafParts {
        let parts = Self::all_to_parts([&self].into_iter(), scheme);
        let parts = parts.into_iter().next();
        parts.expect("as many parts as records")
    }

    /// Sorts and hashes what the leaves of many records need, in order: a few microseconds for a
    /// usual transaction, where hashes of all of them fill the lanes of a wide register.
    ///
    /// Records are independent of each other, so this may run on many threads.
    #[must_use]
    pub fn all_to_parts<'a>(
        records: impl ExactSizeIterator<Item = &'a Self> + Clone,
        scheme: Scheme,
    ) -> Vec<LeafParts> {
        let texts = hash_texts(records.clone());
        let folded = records.zip(texts);
        let mut parts: Vec<LeafParts> =
            folded.map(|(record, hashes)| record.fold(hashes)).collect();
        let roots = hash_roots(&parts, scheme);
        for (parts, [reads, writes]) in parts.iter_mut().zip(roots) {
            parts.read_root = reads;
            parts.state_change_hash = writes.unwrap_or_default();
        }
        let stepless = |parts: &LeafParts| match parts.kind {
            TransitionKind::Transaction | TransitionKind::Call => parts.mode == TraceMode::Outcome,
            _ => true,
        };
        let wanted = parts.iter_mut().filter(|parts| stepless(parts));
        let mut wanted: Vec<&mut LeafParts> = wanted.collect();
        let none = StepsCommitment::default();
        let hashes = hash_transitions(wanted.iter().map(|parts| (&**parts, &none)));
        for (parts, hash) in wanted.iter_mut().zip(hashes) {
            parts.without_steps = Some(hash);
        }
        parts
    }

    /// What was captured, to use its room again.
    pub(crate) fn into_capture(self) -> Capture {
        self.capture
    }

    /// The parts without roots.
    fn fold(&self, hashes: [B256; HASHES]) -> LeafParts {
        let mut context = self.context;
        let outcome = match &self.outcome {
            Outcome::Hashed(outcome) => *outcome,
            Outcome::Raw(raw) => {
                let (input_hash, outcome) = raw.with_hashes(hashes);
                context.input_hash = input_hash;
                outcome
            }
        };
        LeafParts {
            kind: self.kind,
            mode: self.mode,
            context,
            outcome,
            access: self.capture.fold(),
            read_root: None,
            state_change_hash: B256::ZERO,
            without_steps: None,
        }
    }
}

/// Hashes of calldata, output and logs of each record; zero where it has them already.
fn hash_texts<'a>(
    records: impl ExactSizeIterator<Item = &'a LeafRecord> + Clone,
) -> Vec<[B256; HASHES]> {
    let raw = |record: &'a LeafRecord| match &record.outcome {
        Outcome::Raw(raw) => Some(raw),
        Outcome::Hashed(_) => None,
    };
    let mut texts = Vec::with_capacity(HASHES * records.len());
    let raws = records.clone().filter_map(raw);
    texts.extend(raws.flat_map(RawOutcome::messages));
    let hashes = keccak_many(&texts);
    let (mut hashes, _) = hashes.as_chunks();
    let mut of_record = |record| {
        let (first, rest) = raw(record).and_then(|_| hashes.split_first())?;
        hashes = rest;
        Some(*first)
    };
    records
        .map(|record| of_record(record).unwrap_or_default())
        .collect()
}

/// The `transitionHash` of each leaf with these steps.
fn hash_transitions<'a>(
    leaves: impl Iterator<Item = (&'a LeafParts, &'a StepsCommitment)>,
) -> Vec<B256> {
    let tracer = keccak256(TRACER_VERSION);
    let text = |(parts, steps): (&LeafParts, _)| {
        let LeafParts {
            kind,
            mode,
            context,
            outcome,
            ..
        } = parts;
        transition_bytes(tracer, *kind, *mode, context, steps, outcome)
    };
    let texts: Vec<Vec<u8>> = leaves.map(text).collect();
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    keccak_many(&texts)
}

/// The root over the reads, where the scheme needs it, and the root over the writes.
fn hash_roots(parts: &[LeafParts], scheme: Scheme) -> Vec<[Option<B256>; 2]> {
    let reads = scheme == Scheme::ReadSet1;
    let mut lists = Vec::with_capacity(2 * parts.len());
    for StateAccess {
        reads: read,
        writes,
        ..
    } in parts.iter().map(|parts| &parts.access)
    {
        lists.extend(reads.then_some(read.as_slice()));
        lists.push(writes.as_slice());
    }
    let mut roots = roots_over(&lists).into_iter();
    let mut next = |wanted: bool| wanted.then(|| roots.next()).flatten();
    parts.iter().map(|_| [next(reads), next(true)]).collect()
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

    /// The payloads of many leaves, in order, each with what its scheme says of the state before it and
    /// its steps. Costs less than one by one.
    #[must_use]
    pub fn payloads(parts: &[Self], before: &[(B256, StepsCommitment)]) -> Vec<LeafPayload> {
        let leaves = parts.iter().zip(before);
        let unknown = leaves
            .clone()
            .filter(|(parts, (_, steps))| parts.known(steps).is_none());
        let hashes = hash_transitions(unknown.map(|(parts, (_, steps))| (parts, steps)));
        let mut hashes = hashes.into_iter();
        let payload = |(parts, (pre_state_hash, steps)): (&Self, &(B256, StepsCommitment))| {
            let hash = parts.known(steps).or_else(|| hashes.next());
            LeafPayload {
                pre_state_hash: *pre_state_hash,
                state_change_hash: parts.state_change_hash,
                transition_hash: hash.unwrap_or_default(),
            }
        };
        leaves.map(payload).collect()
    }

    /// The `transitionHash`, if it was made already.
    fn known(&self, steps: &StepsCommitment) -> Option<B256> {
        let without = *steps == StepsCommitment::default();
        self.without_steps.filter(|_| without)
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
