//! Openings: the group of a step, with the proof of its place in the trace.

use super::TraceError;
use super::effect::{Effect, steps_hash};
use super::layout::{GROUP_STEPS, Message, tag};
use super::machine::Machine;
use super::raw::{Batch, RawStep};
use super::record::{Step, Stretch, steps_message};
use super::steps::Sink;
use crate::transition::StepsCommitment;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::convert::Infallible;
use qmtree_proofs::{
    Digest, Head, InclusionProof, NodeSource, Profile, Prover, Scheme, TWIG_LEAVES, TWIG_LEVEL,
    TreeHasher, TxNum, level_tag,
};

/// Steps of a group, as a count.
const GROUP: u64 = GROUP_STEPS as u64;

/// A group of eight steps, or the last ones of a transaction, and the proof of its place among the
/// groups. Steps 8 n to 8 n + 7 are group n.
///
/// docs/FORMAT.md, section 9.5, is the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepOpening {
    /// The steps, frame after frame.
    pub stretches: Vec<Stretch>,
    /// The group's place in the log of groups.
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
    /// The stretch that it is in; its stack and memory are those before its first step.
    pub stretch: &'a Stretch,
    /// Number of that first step in the transaction.
    pub stretch_start: u64,
}

impl StepOpening {
    /// Number of the first step.
    #[must_use]
    pub fn first_step(&self) -> u64 {
        self.proof.tx_num().0.saturating_mul(GROUP)
    }

    /// Number of steps.
    #[must_use]
    pub fn step_count(&self) -> usize {
        let steps = self.stretches.iter().map(|stretch| stretch.steps.len());
        steps.sum()
    }

    /// The step with this number in the transaction, if the group has it.
    #[must_use]
    pub fn step(&self, number: u64) -> Option<OpenedStep<'_>> {
        let mut start = self.first_step();
        for stretch in &self.stretches {
            let place = usize::try_from(number.checked_sub(start)?).ok()?;
            if let Some(step) = stretch.steps.get(place) {
                return Some(OpenedStep {
                    step,
                    gas_cost: stretch.gas_cost(place)?,
                    effects: stretch.effects_of(place)?,
                    stretch,
                    stretch_start: start,
                });
            }
            start = start.checked_add(stretch.steps.len() as u64)?;
        }
        None
    }

    /// Bytes to send, docs/FORMAT.md, section 9.5: at most 264 KB, most often below 2 KB.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u8::try_from(self.stretches.len()).unwrap_or(u8::MAX);
        let mut bytes = alloc::vec![count];
        for (stretch, tag) in self.stretches.iter().zip(tags()) {
            stretch.put_bytes(tag, &mut bytes);
        }
        bytes.extend_from_slice(&self.proof.to_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Safe on untrusted input.
    ///
    /// # Errors
    /// [`TraceError::BadRecord`] if it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TraceError> {
        let bad = |what| TraceError::BadRecord { what };
        let (count, mut rest) = bytes.split_first().ok_or(bad("the opening ends early"))?;
        if !(1..=GROUP_STEPS).contains(&usize::from(*count)) {
            return Err(bad("a group has 1 to 8 stretches"));
        }
        let mut stretches = Vec::new();
        for tag in tags().take(usize::from(*count)) {
            let stretch;
            (stretch, rest) = Stretch::read(tag, rest)?;
            stretches.push(stretch);
        }
        Ok(Self {
            stretches,
            proof: InclusionProof::from_bytes(rest)
                .map_err(|_| bad("the proof of the opening cannot be read"))?,
        })
    }

    /// The record of the group.
    fn record(&self, hasher: &impl TreeHasher) -> Message {
        let steps = self.stretches.iter().flat_map(|stretch| &stretch.steps);
        let steps: Vec<RawStep> = steps.map(|step| (*step).into()).collect();
        let folded = self.stretches.iter().zip(0..).flat_map(|(stretch, place)| {
            let later = (place > 0).then(|| stretch.record(tag::STRETCH, &[0; 32]));
            let effects = stretch.effects.iter().map(Effect::to_bytes);
            later.into_iter().chain(effects)
        });
        let hash = steps_hash(hasher, &steps_message(&steps), folded);
        let first = self.stretches.first();
        first.map_or([0; 128], |first| first.record(tag::GROUP, &hash))
    }
}

/// First bytes of the records of a group's stretches.
fn tags() -> impl Iterator<Item = u8> {
    core::iter::once(tag::GROUP).chain(core::iter::repeat(tag::STRETCH))
}

/// Checks that an opening is of the group that has step `index` of the trace that `commitment` binds,
/// with all its steps and effects.
///
/// The commitment is what a leaf's `transitionHash` was made of; the caller has checked that. Costs
/// one hash per level, two per effect and further stretch, and three more. Safe on untrusted openings.
///
/// # Errors
/// [`TraceError::NoSuchStep`] if the trace is shorter; [`TraceError::OtherSteps`] if the group is
/// another, or has more or less steps; [`TraceError::EffectMismatch`] and [`TraceError::BadRecord`] for
/// what no trace has; [`TraceError::Proof`] if the proof is of another trace or group.
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
    let group = index / GROUP;
    let steps = GROUP.min(count - group * GROUP);
    let place = opening.proof.tx_num();
    if place != TxNum(group) || opening.step_count() as u64 != steps {
        let first = opening.first_step();
        let steps = opening.step_count();
        return Err(TraceError::OtherSteps {
            index,
            first,
            steps,
        });
    }
    let last = opening.stretches.len().saturating_sub(1);
    for (stretch, place) in opening.stretches.iter().zip(0..) {
        stretch.check(place == last)?;
    }
    let head = Head {
        leaf_count: count.div_ceil(GROUP),
        root: commitment.root,
        ..Head::empty(0, profile, Scheme::StateRoot1)
    };
    let leaf_hash = B256::new(profile.hash_leaf(&opening.record(&profile)));
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
    found: Option<Vec<Stretch>>,
    opening: Option<StepOpening>,
    ended: Vec<StepsCommitment>,
}

impl<H: TreeHasher + Clone> Opener<H> {
    pub(super) fn new(hasher: H, index: u64) -> Self {
        Self {
            machine: Machine::new(hasher.clone()),
            records: Vec::new(),
            log: TwigLog::new(hasher.clone(), index / GROUP),
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
            let Some(record) = self.records.get(at) else {
                return;
            };
            if self.log.count == self.index / GROUP {
                self.found = self.stretches(batch, at, record);
            }
            self.log.push(self.hasher.hash_leaf(record));
        }
    }

    /// The stretches of the group at a place in the batch, of which this is the record.
    fn stretches(&self, batch: &Batch, group: usize, record: &Message) -> Option<Vec<Stretch>> {
        let stretches = batch.stretches_of(group).zip(0..);
        let opened = stretches.map(|(place, in_group)| {
            let steps = batch.steps_of(place);
            let effects = self.machine.effects_of(batch, &steps);
            let record = match in_group {
                0 => *record,
                _ => self.machine.later_stretch(batch, place)?,
            };
            let steps = batch.steps.get(steps)?.iter().map(|step| Step::from(*step));
            Stretch::of_record(&record, steps.collect(), &effects).ok()
        });
        opened.collect()
    }

    /// Ends the transaction, which had `count` steps.
    fn end(&mut self, count: u64, dropped: bool) {
        let next = TwigLog::new(self.hasher.clone(), self.index / GROUP);
        let log = core::mem::replace(&mut self.log, next);
        let found = self.found.take();
        if dropped {
            return;
        }
        let Ok(prover) = Prover::new(&log, &self.hasher, log.count);
        self.ended.push(StepsCommitment {
            root: if log.count == 0 {
                B256::ZERO
            } else {
                prover.root()
            },
            count,
        });
        self.opening = found.filter(|_| self.index < count).and_then(|stretches| {
            Some(StepOpening {
                stretches,
                proof: prover.inclusion(TxNum(self.index / GROUP)).ok()?,
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
    kept_twig: u64,
    youngest: Vec<Digest>,
}

impl<H: TreeHasher> TwigLog<H> {
    fn new(hasher: H, group: u64) -> Self {
        Self {
            hasher,
            count: 0,
            roots: Vec::new(),
            kept: Vec::new(),
            kept_twig: group / TWIG_LEAVES,
            youngest: Vec::new(),
        }
    }

    fn push(&mut self, leaf_hash: Digest) {
        self.youngest.push(leaf_hash);
        self.count += 1;
        if self.youngest.len() as u64 == TWIG_LEAVES {
            let twig = core::mem::take(&mut self.youngest);
            if self.roots.len() as u64 == self.kept_twig {
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
