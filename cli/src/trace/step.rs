//! `qm trace step`: one step with the proof that it is one.

use super::block::{check_index, execute, read};
use crate::arguments::ProfileName;
use crate::error::CliError;
use crate::files::write;
use crate::output::{json, say};
use alloy_primitives::{B256, hex};
use clap::Args;
use qmtree_execution_adapter::{
    OneTx, Step, StepOpening, StepsCommitment, TraceError, TraceMode, TraceOptions, Tracer,
    verify_step,
};
use qmtree_kernels::Hasher;
use serde::Serialize;
use std::path::PathBuf;

/// Open one step of a transaction
///
/// Executes the block again, prints the step and what it did, and with -o writes the opening, which
/// `qm trace verify` checks alone against the root and number of steps.
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
    memory_words: u32,
    gas_remaining: u64,
    gas_cost: u64,
    stack_hash: B256,
    memory_hash: B256,
    effect_hash: B256,
    effects: Vec<String>,
    siblings: usize,
    opening: String,
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
        let line = Line::new(&commitment, self.step, &opening);
        if self.json { json(&line) } else { line.say() }
    }
}

impl Line {
    pub(super) fn new(commitment: &StepsCommitment, index: u64, opening: &StepOpening) -> Self {
        let Step {
            depth,
            pc,
            opcode,
            stack_height,
            memory_words,
            gas_remaining,
            stack_hash,
            memory_hash,
            gas_cost,
            effect_hash,
        } = opening.step;
        Self {
            steps_root: commitment.root,
            steps: commitment.count,
            step: index,
            depth,
            pc,
            opcode,
            stack_height,
            memory_words,
            gas_remaining,
            gas_cost,
            stack_hash,
            memory_hash,
            effect_hash,
            effects: opening
                .effects
                .iter()
                .map(|effect| format!("{effect:?}"))
                .collect(),
            siblings: opening.proof.siblings().len(),
            opening: hex::encode_prefixed(opening.to_bytes()),
        }
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
            siblings,
            ..
        } = self;
        say(format_args!(
            "step {step} of {steps}, root {steps_root}: depth {depth}, pc {pc}, opcode \
             {opcode:#04x}, gas {gas_remaining}, cost {gas_cost}; proof of {siblings} digests holds"
        ))?;
        self.effects.iter().try_for_each(say)
    }
}
