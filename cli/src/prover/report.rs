//! Public inputs, for people and as JSON.

use crate::error::CliError;
use crate::output::{print_note, say};
use alloy_primitives::B256;
use qmtree_proofs::statement::{BlockRecord, PublicInputs};
use qmtree_proofs::{Head, TxNum};
use serde::Serialize;

/// The JSON form of public inputs. `statement` is their digest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InputsJson {
    chain_id: u64,
    rules: B256,
    witness: &'static str,
    trace: &'static str,
    first_block: u64,
    last_block: u64,
    parent_hash: B256,
    last_block_hash: B256,
    chain_state_before: B256,
    chain_state_after: B256,
    first_tx_num: TxNum,
    last_tx_num: TxNum,
    head_before: Head,
    head_after: Head,
    range_root: B256,
    claims: u64,
    execution_inputs: B256,
    program_version: u32,
    backend_id: B256,
    program_id: B256,
    statement: B256,
}

/// The JSON form of a block's record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockJson {
    number: u64,
    hash: B256,
    spec_id: u8,
    first_tx_num: TxNum,
    last_tx_num: TxNum,
    head: Head,
}

impl InputsJson {
    pub(super) fn new(inputs: &PublicInputs) -> Self {
        Self {
            chain_id: inputs.chain_id,
            rules: inputs.rules,
            witness: inputs.witness.name(),
            trace: inputs.mode.name(),
            first_block: inputs.first_block,
            last_block: inputs.last_block,
            parent_hash: inputs.parent_hash,
            last_block_hash: inputs.last_block_hash,
            chain_state_before: inputs.chain_state_before,
            chain_state_after: inputs.chain_state_after,
            first_tx_num: inputs.first_tx_num,
            last_tx_num: inputs.last_tx_num,
            head_before: inputs.head_before,
            head_after: inputs.head_after,
            range_root: inputs.range_root,
            claims: inputs.claims,
            execution_inputs: inputs.execution_inputs,
            program_version: inputs.program.version,
            backend_id: inputs.program.backend,
            program_id: inputs.program.id,
            statement: inputs.digest(),
        }
    }
}

impl BlockJson {
    pub(super) fn all(blocks: &[BlockRecord]) -> Vec<Self> {
        let json = |block: &BlockRecord| Self {
            number: block.number,
            hash: block.hash,
            spec_id: block.spec_id,
            first_tx_num: block.first_tx_num,
            last_tx_num: block.last_tx_num(),
            head: block.head,
        };
        blocks.iter().map(json).collect()
    }
}

/// Prints public inputs for people.
pub(super) fn say_inputs(inputs: &PublicInputs) -> Result<(), CliError> {
    let PublicInputs {
        chain_id,
        first_block,
        last_block,
        first_tx_num,
        last_tx_num,
        head_before,
        head_after,
        ..
    } = inputs;
    say(format_args!(
        "chain        {chain_id}, rules {}",
        inputs.rules
    ))?;
    say(format_args!(
        "blocks       {first_block} to {last_block}, from {} on to {}",
        inputs.parent_hash, inputs.last_block_hash
    ))?;
    say(format_args!(
        "leaves       {first_tx_num} to {last_tx_num}, trace {}",
        inputs.mode.name()
    ))?;
    say(format_args!(
        "state        {} to {}",
        inputs.chain_state_before, inputs.chain_state_after
    ))?;
    for (name, head) in [("head before", head_before), ("head after ", head_after)] {
        say(format_args!(
            "{name}  {} leaves, root {}, hash {}",
            head.leaf_count,
            head.root,
            head.hash()
        ))?;
    }
    say(format_args!("range root   {}", inputs.range_root))?;
    say(format_args!("program      {}", inputs.program.id))?;
    say(format_args!("statement    {}", inputs.digest()))?;
    note_claims(inputs);
    Ok(())
}

/// Says on standard error what the range rests on beside the hash of its last block.
pub(super) fn note_claims(inputs: &PublicInputs) {
    if inputs.claims > 0 {
        print_note(&format!(
            "{} state roots or block hashes are claims of the files, not proven \
             (docs/WITNESS.md, \"What can be claimed\")",
            inputs.claims
        ));
    }
}
