//! `qm trace steps`: the steps of a transaction for people.

use super::block::{check_index, execute, read};
use crate::error::CliError;
use crate::output::say;
use clap::Args;
use qmtree_execution_adapter::{OneTx, TraceMode, TraceOptions, Tracer, summary_line};
use qmtree_proofs::Profile;
use std::path::PathBuf;

/// Print the steps of a transaction as JSON lines
///
/// One object per step as EIP-3155 has it and `evm --json` of geth prints it, then one with gas
/// used and whether the transaction succeeded.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Steps {
    /// File of the block.
    block: PathBuf,
    /// Position of the transaction, from 0.
    #[arg(long, value_name = "N")]
    tx: usize,
}

impl Steps {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let block = read(&self.block)?;
        check_index(&self.block, &block, self.tx)?;
        let options = TraceOptions::new(TraceMode::Full, Profile::Keccak256);
        let tracer = OneTx::new(Tracer::json_lines(options, std::io::stdout()), self.tx);
        let executed = execute(&self.block, block, tracer)?;
        let mut transactions = executed.parts.iter().skip(1);
        let outcome = transactions.nth(self.tx).map(|parts| parts.outcome);
        let Some(outcome) = outcome else {
            return Ok(());
        };
        let fork = format!("{:?}", executed.outcome.spec);
        say(summary_line(outcome.gas_used, outcome.status == 1, &fork))
    }
}
