//! `qm trace commit`: the commitments of a block's transactions.

use super::block::{check_index, execute, read};
use crate::arguments::ProfileName;
use crate::error::CliError;
use crate::output::{json, say};
use alloy_primitives::B256;
use clap::{Args, ValueEnum};
use qmtree_execution_adapter::{TraceMode, TraceOptions, Tracer, TransitionKind};
use serde::Serialize;
use std::path::PathBuf;

/// Print what the transactions of a block commit to
///
/// For each transaction the root of its steps and their number, and the transitionHash of its
/// leaf, which anyone recomputes from the same block with this command.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Commit {
    /// File of the block.
    block: PathBuf,
    /// Only the transaction at this position, from 0.
    #[arg(long, value_name = "N")]
    tx: Option<usize>,
    /// What is committed to.
    #[arg(long, value_enum, default_value_t = Mode::Full)]
    mode: Mode,
    /// Hash profile of the steps' log.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Print one JSON object per transaction.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Every step, each of which can be proved.
    Full,
    /// Every step, as Keccak-256 of one RLP list.
    Flat,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    tx: usize,
    hash: B256,
    steps: u64,
    steps_root: B256,
    transition_hash: B256,
}

impl Commit {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let block = read(&self.block)?;
        if let Some(index) = self.tx {
            check_index(&self.block, &block, index)?;
        }
        let mode = match self.mode {
            Mode::Full => TraceMode::Full,
            Mode::Flat => TraceMode::Flat,
        };
        let options = TraceOptions::new(mode, self.profile.profile());
        let tracer = Tracer::threaded(options, 2).map_err(|source| CliError::Trace { source })?;
        let executed = execute(&self.block, block, tracer)?;
        let leaves = executed.parts.iter().zip(&executed.payloads);
        let leaves = leaves.zip(&executed.steps);
        let transactions =
            leaves.filter(|((parts, _), _)| parts.kind == TransitionKind::Transaction);
        for (tx, ((parts, payload), steps)) in transactions.enumerate() {
            if self.tx.is_some_and(|only| only != tx) {
                continue;
            }
            self.print(&Line {
                tx,
                hash: parts.context.subject,
                steps: steps.count,
                steps_root: steps.root,
                transition_hash: payload.transition_hash,
            })?;
        }
        Ok(())
    }

    fn print(&self, line: &Line) -> Result<(), CliError> {
        if self.json {
            return json(line);
        }
        let Line {
            tx,
            hash,
            steps,
            steps_root,
            transition_hash,
        } = line;
        say(format_args!(
            "tx {tx} {hash}: {steps} steps, root {steps_root}, transition {transition_hash}"
        ))
    }
}
