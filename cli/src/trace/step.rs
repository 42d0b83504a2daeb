//! `qm trace step`: one step with the proof that it is one.

use super::block::{check_index, execute, read};
use crate::arguments::ProfileName;
use crate::error::CliError;
use crate::files::write;
use crate::output::{json, say};
use alloy_primitives::{B256, hex};
use clap::Args;
use qmtree_execution_adapter::{
    OneTx, StepOpening, StepsCommitment, TraceError, TraceMode, TraceOptions, Tracer, verify_step,
};
use qmtree_kernels::Hasher;
use serde::Serialize;
use std::path::PathBuf;

/// Open one step of a transaction
///
/// Executes the block again, prints the step and what it did, and with -o writes the opening: the
/// group of eight steps that it is in, the machine before the first of them, and the proof.
/// `qm trace verify` checks it alone against the root and number of steps.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StepCommand {
    /// File of the block.
    block: PathBuf,
    /// Position of the transaction, from 0.
    #[arg(long, value_name = "N")]
    tx: usize,
    /// Number of the step, from 0.
    #[arg(long, value_name = "I")]
    step: u64,
    /// Hash profile of the steps' log.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// File to write the opening to.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A step as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    steps_root: B256,
    steps: u64,
    step: u64,
    depth: u16,
    pc: u32,
    opcode: u8,
    stack_height: u16,
    gas_remaining: u64,
    gas_cost: u64,
    effects: Vec<String>,
    group: GroupLine,
    machine: MachineLine,
    siblings: usize,
    opening: String,
}

/// The steps that were opened.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupLine {
    first_step: u64,
    steps: usize,
}

/// What the opening says of the machine: it is that before `step`, the first step of the stretch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MachineLine {
    step: u64,
    memory_words: u32,
    stack_hash: B256,
    memory_hash: B256,
}

impl StepCommand {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let failed = |source| CliError::Trace { source };
        let block = read(&self.block)?;
        check_index(&self.block, &block, self.tx)?;
        let profile = self.profile.profile();
        let options = TraceOptions::new(TraceMode::Full, profile);
        let tracer = Tracer::opening(options, Hasher::new(profile), self.step);
        let executed = execute(&self.block, block, OneTx::new(tracer, self.tx))?;
        let (mut tracer, commitment) = executed.tracer.into_parts();
        let commitment = commitment.unwrap_or_default();
        let opening = tracer.take_opening().ok_or(TraceError::NoSuchStep {
            index: self.step,
            count: commitment.count,
        });
        let opening = opening.map_err(failed)?;
        verify_step(profile, &commitment, self.step, &opening).map_err(failed)?;
        if let Some(path) = &self.output {
            write(path, &opening.to_bytes())?;
        }
        let line = Line::new(&commitment, self.step, &opening).map_err(failed)?;
        if self.json { json(&line) } else { line.say() }
    }
}

impl Line {
    /// The line of a step that the opening was verified to have.
    pub(super) fn new(
        commitment: &StepsCommitment,
        index: u64,
        opening: &StepOpening,
    ) -> Result<Self, TraceError> {
        let group = GroupLine {
            first_step: opening.first_step(),
            steps: opening.step_count(),
        };
        let opened = opening.step(index).ok_or(TraceError::OtherSteps {
            index,
            first: group.first_step,
            steps: group.steps,
        })?;
        let stretch = opened.stretch;
        let effects = opened.effects.iter();
        Ok(Self {
            steps_root: commitment.root,
            steps: commitment.count,
            step: index,
            depth: stretch.depth,
            pc: opened.step.pc,
            opcode: opened.step.opcode,
            stack_height: opened.step.stack_height,
            gas_remaining: opened.step.gas_remaining,
            gas_cost: opened.gas_cost,
            effects: effects.map(|effect| format!("{effect:?}")).collect(),
            group,
            machine: MachineLine {
                step: opened.stretch_start,
                memory_words: stretch.memory_words,
                stack_hash: stretch.stack_hash,
                memory_hash: stretch.memory_hash,
            },
            siblings: opening.proof.siblings().len(),
            opening: hex::encode_prefixed(opening.to_bytes()),
        })
    }

    pub(super) fn say(&self) -> Result<(), CliError> {
        let Self {
            steps_root,
            steps,
            step,
            depth,
            pc,
            opcode,
            gas_remaining,
            gas_cost,
            group,
            siblings,
            ..
        } = self;
        say(format_args!(
            "step {step} of {steps}, root {steps_root}: depth {depth}, pc {pc}, opcode \
             {opcode:#04x}, gas {gas_remaining}, cost {gas_cost}; opened with the {} steps from {} \
             on, proof of {siblings} digests holds",
            group.steps, group.first_step
        ))?;
        self.effects.iter().try_for_each(say)
    }
}
