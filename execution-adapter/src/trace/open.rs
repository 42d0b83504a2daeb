//! Openings: one step of a trace, with the proof that it is one.

use super::TraceError;
use super::effect::{Effect, effect_hash};
use super::layout::Message;
use super::machine::Machine;
use super::raw::Batch;
use super::record::Step;
use super::steps::Sink;
use crate::transition::StepsCommitment;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::convert::Infallible;
use qmtree_proofs::{
    Digest, Head, InclusionProof, NodeSource, Profile, Prover, Scheme, TWIG_LEAVES, TWIG_LEVEL,
    TreeHasher, TxNum, level_tag,
};

/// One step, its effects, and the proof of its place among the steps of its transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepOpening {
    /// The step.
    pub step: Step,
    /// What it did beyond stack and memory, in order.
    pub effects: Vec<Effect>,
    /// Its place in the log of steps.
    pub proof: InclusionProof,
}

/// Most effects of a step that are read: more than any opcode has.
const MAX_EFFECTS: usize = 255;

impl StepOpening {
    /// Bytes to send: the step, the number of effects, the effects, the proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.step.to_bytes().to_vec();
        bytes.push(u8::try_from(self.effects.len()).unwrap_or(u8::MAX));
        for effect in self.effects.iter().take(MAX_EFFECTS) {
            bytes.extend_from_slice(&effect.to_bytes());
        }
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
        let (step, rest) = bytes.split_first_chunk().ok_or(short.clone())?;
        let (count, rest) = rest.split_first().ok_or(short.clone())?;
        let (effects, proof) = rest
            .split_at_checked(128 * usize::from(*count))
            .ok_or(short)?;
        let effects = effects.as_chunks().0.iter().map(Effect::from_bytes);
        Ok(Self {
            step: Step::from_bytes(step)?,
            effects: effects.collect::<Result<_, _>>()?,
            proof: InclusionProof::from_bytes(proof).map_err(|_| TraceError::BadRecord {
                what: "the proof of the opening cannot be read",
            })?,
        })
    }
}

/// Checks that step `index` of the trace that `commitment` binds is the one opened, and that its
/// effects are those given.
///
/// The commitment is what a leaf's `transitionHash` was made of; the caller has checked that. Costs
/// one hash per level and per effect. Safe on untrusted openings.
///
/// # Errors
/// [`TraceError::NoSuchStep`] if the trace is shorter; [`TraceError::EffectMismatch`] if the effects
/// are others; [`TraceError::Proof`] if the proof is for another trace or index, or leads
/// elsewhere.
pub fn verify_step(
    profile: Profile,
    commitment: &StepsCommitment,
    index: u64,
    opening: &StepOpening,
) -> Result<(), TraceError> {
    if index >= commitment.count {
        return Err(TraceError::NoSuchStep {
            index,
            count: commitment.count,
        });
    }
    let effects: Vec<Message> = opening.effects.iter().map(Effect::to_bytes).collect();
    if effect_hash(&profile, &effects) != opening.step.effect_hash.0 {
        return Err(TraceError::EffectMismatch);
    }
    let head = Head {
        leaf_count: commitment.count,
        root: commitment.root,
        ..Head::empty(0, profile, Scheme::StateRoot1)
    };
    let leaf_hash = B256::new(profile.hash_leaf(&opening.step.to_bytes()));
    Ok(opening.proof.verify(&head, TxNum(index), leaf_hash)?)
}

/// Commits to transactions, and collects the opening of one step of each.
#[derive(Debug)]
pub(super) struct Opener<H> {
    hasher: H,
    index: u64,
    machine: Machine<H>,
    records: Vec<Message>,
    log: TwigLog<H>,
    found: Option<(Message, Vec<Message>)>,
    opening: Option<StepOpening>,
    ended: Vec<StepsCommitment>,
}

impl<H: TreeHasher + Clone> Opener<H> {
    pub(super) fn new(hasher: H, index: u64) -> Self {
        Self {
            machine: Machine::new(hasher.clone()),
            records: Vec::new(),
            log: TwigLog::new(hasher.clone(), index),
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
            if self.log.count == self.index {
                let effects = self.machine.step_effects(batch, super::raw::index(at));
                self.found = Some((*record, effects));
            }
            self.log.push(self.hasher.hash_leaf(record));
        }
    }

    /// Ends the transaction.
    fn end(&mut self, dropped: bool) {
        let log = core::mem::replace(&mut self.log, TwigLog::new(self.hasher.clone(), self.index));
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
            count: log.count,
        });
        self.opening = found.and_then(|(record, effects)| {
            Some(StepOpening {
                step: Step::from_bytes(&record).ok()?,
                effects: effects
                    .iter()
                    .map(Effect::from_bytes)
                    .collect::<Result<_, _>>()
                    .ok()?,
                proof: prover.inclusion(TxNum(self.index)).ok()?,
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
            self.append(&batch, from, end.step as usize);
            self.end(end.dropped);
            from = end.step as usize;
        }
        self.append(&batch, from, batch.steps.len());
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
/// two, that of the step and the youngest.
#[derive(Debug)]
struct TwigLog<H> {
    hasher: H,
    count: u64,
    roots: Vec<Digest>,
    /// The twig of the step, once it is complete.
    kept: Vec<Digest>,
    kept_twig: u64,
    youngest: Vec<Digest>,
}

impl<H: TreeHasher> TwigLog<H> {
    fn new(hasher: H, index: u64) -> Self {
        Self {
            hasher,
            count: 0,
            roots: Vec::new(),
            kept: Vec::new(),
            kept_twig: index / TWIG_LEAVES,
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
