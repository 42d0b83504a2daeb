//! `qm call` and `qm verify-call`: calls on past states, and their proofs.

mod prove;
mod verify;

pub(crate) use prove::Call;
pub(crate) use verify::VerifyCall;

use crate::error::CliError;
use crate::output::{json, say};
use alloy_primitives::{B256, Bytes};
use qmtree_execution_adapter::engine::ChainGenesis;
use qmtree_execution_adapter::{
    CallError, CallOutcome, CallProof, ChainSpec, TraceMode, TraceOptions, Tracer,
};
use qmtree_proofs::{Profile, TxNum};
use serde::Serialize;
use std::path::Path;

/// What a reader of the result of a call should know, if its log began with a block file.
const PARTIAL: &str = "this log began with a block file, which has a part of the chain's state only: \
    what is not in it reads as zero";

/// The rules of a chain: built in, or those of a genesis file. `about` is what they are needed for.
pub(crate) fn rules(
    chain_id: u64,
    genesis: Option<&Path>,
    about: &Path,
) -> Result<ChainSpec, CliError> {
    match genesis {
        Some(path) => Ok(ChainGenesis::read(path).map_err(Box::new)?.chain),
        None => ChainSpec::from_chain_id(chain_id).map_err(|source| CliError::Call {
            path: about.into(),
            source: CallError::Chain(source),
        }),
    }
}

fn tracer(mode: TraceMode, profile: Profile) -> Result<Tracer, CliError> {
    let tracer = Tracer::threaded(TraceOptions::new(mode, profile), 2);
    tracer.map_err(|source| CliError::Trace { source })
}

/// What is printed of a call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    tx_num: TxNum,
    block_number: u64,
    block_hash: B256,
    status: u8,
    gas_used: u64,
    output: Bytes,
    steps: u64,
    steps_root: B256,
    pre_state_hash: B256,
    state_change_hash: B256,
    transition_hash: B256,
    /// Values of the state log that the call read.
    values: usize,
    proof_bytes: usize,
    /// The log has a part of the chain's state only; a proof does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_state: Option<bool>,
}

impl Line {
    fn new(proof: &CallProof, outcome: &CallOutcome, proof_bytes: usize) -> Self {
        Self {
            valid: None,
            tx_num: proof.tx_num,
            block_number: outcome.block_number,
            block_hash: outcome.block_hash,
            status: outcome.status,
            gas_used: outcome.gas_used,
            output: outcome.output.clone(),
            steps: outcome.steps.count,
            steps_root: outcome.steps.root,
            pre_state_hash: outcome.leaf.pre_state_hash,
            state_change_hash: outcome.leaf.state_change_hash,
            transition_hash: outcome.leaf.transition_hash,
            values: proof.values.len(),
            proof_bytes,
            partial_state: None,
        }
    }

    fn say(&self, as_json: bool) -> Result<(), CliError> {
        if as_json {
            return json(self);
        }
        let status = match self.status {
            0 => "reverted".to_owned(),
            1 => "succeeded".to_owned(),
            status => format!("halted with status {status}"),
        };
        let verdict = if self.valid == Some(true) {
            "VALID "
        } else {
            ""
        };
        let Self {
            tx_num,
            block_number,
            gas_used,
            output,
            transition_hash,
            values,
            ..
        } = self;
        say(format_args!(
            "{verdict}call after txNum {tx_num}, in block {block_number}: {status}, {gas_used} gas, \
             {values} values read\noutput {output}\ntransition {transition_hash}",
        ))
    }
}
