//! What `qm run` prints of each block.

use crate::error::CliError;
use crate::output::{json, say};
use alloy_primitives::B256;
use qmtree_execution_adapter::engine::BlockReport;
use qmtree_proofs::TxNum;
use serde::Serialize;

/// A line of JSON. Of a block that could not be read, what is not known is null.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) block_number: Option<u64>,
    pub(super) txs: Option<usize>,
    pub(super) gas_used: Option<u64>,
    pub(super) first_tx_num: Option<TxNum>,
    pub(super) last_tx_num: Option<TxNum>,
    pub(super) root: Option<B256>,
    pub(super) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl Line {
    /// Prints the line of what the run stops at; returns why it ends.
    pub(super) fn stops(self, as_json: bool, error: CliError) -> CliError {
        if !as_json {
            return error;
        }
        let line = Self {
            ok: false,
            error: Some(error.chain()),
            ..self
        };
        json(&line).err().unwrap_or(error)
    }
}

/// Prints what became of a block that holds.
pub(super) fn print(as_json: bool, report: &BlockReport) -> Result<(), CliError> {
    let BlockReport {
        block_number,
        transactions,
        gas_used,
        head,
        ..
    } = report;
    if as_json {
        return json(&Line {
            block_number: Some(*block_number),
            txs: Some(*transactions),
            gas_used: Some(*gas_used),
            first_tx_num: Some(report.first_tx_num),
            last_tx_num: Some(report.last_tx_num),
            root: Some(head.root),
            ok: true,
            error: None,
        });
    }
    let leaves = report.leaves();
    let known = if report.appended {
        ""
    } else {
        " (in the log already)"
    };
    // A block that was passed over was not executed.
    let speed = match report.execution.as_secs_f64() {
        0.0 => String::new(),
        seconds => format!(" {:.0} Mgas/s,", *gas_used as f64 / 1e6 / seconds),
    };
    say(format_args!(
        "block {block_number}: {transactions} txs, {gas_used} gas,{speed} {leaves} leaves, \
         root {}{known}",
        head.root
    ))
}
