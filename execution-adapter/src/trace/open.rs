//! Openings: one step of a trace and the group it is in, with the proof that they are.

use super::TraceError;
use super::effect::{Effect, steps_hash};
use super::layout::{GROUP_STEPS, Message, STEP_LEN};
use super::machine::Machine;
use super::raw::{Batch, RawStep};
use super::record::{GROUP_PREFIX, Step, StepGroup, assemble, steps_message};
use super::steps::{Sink, steps_root};
use crate::transition::StepsCommitment;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::convert::Infallible;
use qmtree_proofs::{
    Digest, Head, InclusionProof, NodeSource, Profile, Prover, Scheme, TWIG_LEAVES, TWIG_LEVEL,
    TreeHasher, TxNum, VerifyError, level_tag,
};

/// A group of steps, their effects, and the proof of its place among the groups of its transaction.
///
/// docs/FORMAT.md, section 9.5, is the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepOpening {
    /// The steps, and the machine before the first of them.
    pub group: StepGroup,
    /// What they did beyond stack and memory, in order; each step says how many are its own.
    pub effects: Vec<Effect>,
    /// Root of the log of groups.
    pub log_root: B256,
    /// The group's place in that log.
    pub proof: InclusionProof,
}

/// One step of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedStep<'a> {
    /// Its fields.
    pub step: &'a Step,
    /// Gas that it took.
    pub gas_cost: u64,
    /// What it did beyond stack and memory, in order.
    pub effects: &'a [Effect],
}

impl StepOpening {
    /// The step with this number in the transaction, if the group has it.
    #[must_use]
    pub fn step(&self, number: u64) -> Option<OpenedStep<'_>> {
        let place = number.checked_sub(self.group.first_step)?;
        let place = usize::try_from(place).ok()?;
        let (before, rest) = self.group.steps.split_at_checked(place)?;
        let step = rest.first()?;
        let before = before.iter().map(|step| usize::from(step.effects)).sum();
        let (_, effects) = self.effects.split_at_checked(before)?;
        Some(OpenedStep {
            step,
            gas_cost: self.group.gas_cost(place)?,
            effects: effects.get(..usize::from(step.effects))?,
        })
    }

    /// Bytes to send, docs/FORMAT.md, section 9.5: at most 263 KB, most often below 2 KB.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.group.prefix().to_vec();
        for step in &self.group.steps {
            bytes.extend_from_slice(&step.to_bytes());
        }
        for effect in &self.effects {
            bytes.extend_from_slice(&effect.to_bytes());
        }
        bytes.extend_from_slice(self.log_root.as_slice());
        bytes.extend_from_slice(&self.proof.to_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Safe on untrusted input.
    ///
    /// # Errors
    /// [`TraceError::BadRecord`] if it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TraceError> {
        let short = TraceError::BadRecord {
            what: "the opening ends early",
        };
        let (prefix, rest) = bytes
            .split_first_chunk::<GROUP_PREFIX>()
            .ok_or(short.clone())?;
        let (mut group, count) = StepGroup::from_prefix(prefix)?;
        let (steps, rest) = rest
            .split_at_checked(STEP_LEN * count)
            .ok_or(short.clone())?;
        group.steps = steps.as_chunks().0.iter().map(Step::from_bytes).collect();
        let (effects, rest) = rest
            .split_at_checked(128 * effect_count(&group))
            .ok_or(short.clone())?;
        let effects = effects.as_chunks().0.iter().map(Effect::from_bytes);
        let (log_root, proof) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self {
            effects: effects.collect::<Result<_, _>>()?,
            group,
            log_root: B256::new(*log_root),
            proof: InclusionProof::from_bytes(proof).map_err(|_| TraceError::BadRecord {
                what: "the proof of the opening cannot be read",
            })?,
        })
    }

    /// The record of the group.
    fn record(&self, hasher: &impl TreeHasher) -> Message {
        let steps: Vec<RawStep> = self.group.steps.iter().map(|step| (*step).into()).collect();
        let effects = self.effects.iter().map(Effect::to_bytes);
        let hash = steps_hash(hasher, &steps_message(&steps), effects);
        let prefix = self.group.prefix();
        let header = prefix.first_chunk().copied().unwrap_or_default();
        assemble(
            &header,
            &self.group.stack_hash,
            &self.group.memory_hash,
            &hash,
        )
    }
}

/// The effects that the steps of a group have.
fn effect_count(group: &StepGroup) -> usize {
    let counts = group.steps.iter().map(|step| usize::from(step.effects));
    counts.sum()
}

/// Checks that step `index` of the trace that `commitment` binds is in the group opened, and that the
/// group and its effects are those given.
///
/// The commitment is what a leaf's `transitionHash` was made of; the caller has checked that. Costs
/// one hash per level, two per effect and four more. Safe on untrusted openings.
///
/// # Errors
/// [`TraceError::NoSuchStep`] if the trace is shorter; [`TraceError::OtherSteps`] if the group has not
/// this step; [`TraceError::EffectMismatch`] if there are more or less effects than the steps have;
/// [`TraceError::Proof`] if the proof is of another trace, or for another group.
pub fn verify_step(
    profile: Profile,
    commitment: &StepsCommitment,
    index: u64,
    opening: &StepOpening,
) -> Result<(), TraceError> {
    let count = commitment.count;
    if index >= count {
        return Err(TraceError::NoSuchStep { index, count });
    }
    let group = &opening.group;
    let first = group.first_step;
    let end = first.saturating_add(group.steps.len() as u64);
    if !(first..end).contains(&index) || end > count || group.steps.len() > GROUP_STEPS {
        return Err(TraceError::OtherSteps { index, first, end });
    }
    if effect_count(group) != opening.effects.len() {
        return Err(TraceError::EffectMismatch);
    }
    let groups = opening.proof.leaf_count();
    let root = steps_root(&profile, opening.log_root, groups);
    if root != commitment.root {
        return Err(VerifyError::RootMismatch {
            computed: root,
            trusted: commitment.root,
        }
        .into());
    }
    let head = Head {
        leaf_count: groups,
        root: opening.log_root,
        ..Head::empty(0, profile, Scheme::StateRoot1)
    };
    let leaf_hash = B256::new(profile.hash_leaf(&opening.record(&profile)));
    let place = opening.proof.tx_num();
    Ok(opening.proof.verify(&head, place, leaf_hash)?)
}

/// Commits to transactions, and collects the opening of one step of each.
#[derive(Debug)]
pub(super) struct Opener<H> {
    hasher: H,
    index: u64,
    machine: Machine<H>,
    records: Vec<Message>,
    log: TwigLog<H>,
    found: Option<Found>,
    opening: Option<StepOpening>,
    ended: Vec<StepsCommitment>,
}

/// The group that has the step: its place, its record without what stands for the steps, its steps and
/// their effects.
#[derive(Debug)]
struct Found {
    place: u64,
    prefix: [u8; GROUP_PREFIX],
    steps: Vec<RawStep>,
    effects: Vec<Message>,
}

impl<H: TreeHasher + Clone> Opener<H> {
    pub(super) fn new(hasher: H, index: u64) -> Self {
        Self {
            machine: Machine::new(hasher.clone()),
            records: Vec::new(),
            log: TwigLog::new(hasher.clone()),
            found: None,
            opening: None,
            ended: Vec::new(),
            hasher,
            index,
        }
    }

    /// Appends the records `from..to` of a batch.
    fn append(&mut self, batch: &Batch, from: usize, to: usize) {
        for at in from..to {
            let (Some(record), Some(group)) = (self.records.get(at), batch.groups.get(at)) else {
                return;
            };
            let steps = batch.steps_of(at);
            let end = group.number + steps.len() as u64;
            if (group.number..end).contains(&self.index) {
                self.log.keep_youngest();
                self.found = Some(Found {
                    place: self.log.count,
                    prefix: record.first_chunk().copied().unwrap_or([0; GROUP_PREFIX]),
                    effects: self.machine.effects_of(batch, &steps),
                    steps: batch.steps.get(steps).unwrap_or_default().to_vec(),
                });
            }
            self.log.push(self.hasher.hash_leaf(record));
        }
    }

    /// Ends the transaction, which had `count` steps.
    fn end(&mut self, count: u64, dropped: bool) {
        let log = core::mem::replace(&mut self.log, TwigLog::new(self.hasher.clone()));
        let found = self.found.take();
        if dropped {
            return;
        }
        let Ok(prover) = Prover::new(&log, &self.hasher, log.count);
        let log_root = prover.root();
        self.ended.push(StepsCommitment {
            root: steps_root(&self.hasher, log_root, log.count),
            count,
        });
        self.opening = found.and_then(|found| {
            let (mut group, _) = StepGroup::from_prefix(&found.prefix).ok()?;
            group.steps = found.steps.into_iter().map(Step::from).collect();
            let effects = found.effects.iter().map(Effect::from_bytes);
            Some(StepOpening {
                group,
                effects: effects.collect::<Result<_, _>>().ok()?,
                log_root,
                proof: prover.inclusion(TxNum(found.place)).ok()?,
            })
        });
    }
}

impl<H: TreeHasher + Clone + core::fmt::Debug + Send> Sink for Opener<H> {
    fn consume(&mut self, mut batch: Batch) -> Result<Batch, TraceError> {
        let mut records = core::mem::take(&mut self.records);
        self.machine.records(&batch, &mut records);
        self.records = records;
        let mut from = 0;
        let ends = core::mem::take(&mut batch.ends);
        for end in &ends {
            self.append(&batch, from, end.group as usize);
            self.end(end.count, end.dropped);
            from = end.group as usize;
        }
        self.append(&batch, from, batch.groups.len());
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

    fn opening(&mut self) -> Option<StepOpening> {
        self.opening.take()
    }
}

/// A log that keeps what one proof needs: the roots of all complete twigs, and the leaf hashes of
/// two, that of the step's group and the youngest.
#[derive(Debug)]
struct TwigLog<H> {
    hasher: H,
    count: u64,
    roots: Vec<Digest>,
    /// The twig of the step's group, once it is complete.
    kept: Vec<Digest>,
    kept_twig: Option<usize>,
    youngest: Vec<Digest>,
}

impl<H: TreeHasher> TwigLog<H> {
    fn new(hasher: H) -> Self {
        Self {
            hasher,
            count: 0,
            roots: Vec::new(),
            kept: Vec::new(),
            kept_twig: None,
            youngest: Vec::new(),
        }
    }

    /// Keeps the twig that the next leaf hash is in.
    fn keep_youngest(&mut self) {
        self.kept_twig = Some(self.roots.len());
    }

    fn push(&mut self, leaf_hash: Digest) {
        self.youngest.push(leaf_hash);
        self.count += 1;
        if self.youngest.len() as u64 == TWIG_LEAVES {
            let twig = core::mem::take(&mut self.youngest);
            if self.kept_twig == Some(self.roots.len()) {
                self.kept.clone_from(&twig);
            }
            self.roots.push(self.root_of(twig, 0));
        }
    }

    /// The root of complete nodes at `level`, a power of two of them.
    fn root_of(&self, mut nodes: Vec<Digest>, mut level: u32) -> Digest {
        while nodes.len() > 1 {
            level += 1;
            let pairs = nodes.as_flattened().as_chunks().0;
            let mut parents = alloc::vec![[0; 32]; pairs.len()];
            self.hasher
                .hash_nodes(level_tag(level), pairs, &mut parents);
            nodes = parents;
        }
        nodes.first().copied().unwrap_or_default()
    }
}

impl<H: TreeHasher> NodeSource for &TwigLog<H> {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Digest, Infallible> {
        let (nodes, base, from, span) = if level >= TWIG_LEVEL {
            let span = 1 << (level - TWIG_LEVEL);
            (&self.roots, TWIG_LEVEL, index * span, span)
        } else {
            let span = 1 << level;
            let first = index * span;
            let nodes = if first / TWIG_LEAVES == self.roots.len() as u64 {
                &self.youngest
            } else {
                &self.kept
            };
            (nodes, 0, first % TWIG_LEAVES, span)
        };
        let count = usize::try_from(span).unwrap_or(usize::MAX);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let nodes: Vec<Digest> = nodes.iter().skip(from).take(count).copied().collect();
        Ok(self.root_of(nodes, base))
    }
}
