//! `qm witness inspect`: says what a witness holds.

use crate::error::CliError;
use crate::files::read_witness;
use crate::output::{json, say};
use alloy_primitives::{B256, Bytes};
use clap::Args;
use qmtree_execution_adapter::{StateWitness, StateWitnessError};
use qmtree_proofs::state::{Entry, OpenEntry};
use qmtree_proofs::{Head, TxNum};
use serde::Serialize;
use std::path::PathBuf;

/// Say what a witness holds; nothing is verified
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Print all of it as JSON.
    #[arg(long)]
    json: bool,
    /// The file that qm witness export wrote.
    witness: PathBuf,
}

/// A witness as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Form {
    format: &'static str,
    chain_id: u64,
    rules: B256,
    mode: &'static str,
    head_before: Head,
    last_leaf_hash: B256,
    bytes: usize,
    proof_bytes: usize,
    entries: Vec<EntryForm>,
    nodes: Vec<B256>,
    blocks: Vec<BlockForm>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryForm {
    entry_id: u64,
    key: B256,
    next_key: B256,
    value_word: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Bytes>,
    tx_num: TxNum,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockForm {
    number: u64,
    hash: B256,
    ommers_known: bool,
    block: Bytes,
}

impl Form {
    pub(super) fn new(witness: &StateWitness, bytes: usize) -> Self {
        let entry = |open: &OpenEntry| {
            let OpenEntry { id, entry, value } = open;
            let Entry {
                key,
                next_key,
                tx_num,
                supersedes,
                ..
            } = *entry;
            EntryForm {
                entry_id: id.0,
                key,
                next_key,
                value_word: entry.value.word(),
                value: value.clone().map(Bytes::from),
                tx_num,
                supersedes: supersedes.map(|id| id.0),
            }
        };
        let blocks = witness.blocks.iter().map(|block| BlockForm {
            number: block.block.header.number,
            hash: block.block.header.hash_slow(),
            ommers_known: block.ommers_known,
            block: alloy_rlp::encode(&block.block).into(),
        });
        Self {
            format: "qmtree-state-witness/1",
            chain_id: witness.chain.chain_id(),
            rules: witness.chain.digest(),
            mode: witness.mode.name(),
            head_before: *witness.edge.head(),
            last_leaf_hash: witness.edge.last_leaf_hash(),
            bytes,
            proof_bytes: witness.proof_len(),
            entries: witness.extract.entries().iter().map(entry).collect(),
            nodes: witness.extract.nodes().to_vec(),
            blocks: blocks.collect(),
        }
    }
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let bytes = Bytes::from(read_witness(&self.witness)?);
        let witness = StateWitness::from_bytes(&bytes);
        let witness = witness.map_err(|source| CliError::BadWitness {
            path: self.witness.clone(),
            source: Box::new(StateWitnessError::from(source)),
        })?;
        if self.json {
            return json(&Form::new(&witness, bytes.len()));
        }
        let head = witness.edge.head();
        let blocks: usize = witness
            .blocks
            .iter()
            .map(|block| alloy_rlp::encode(&block.block).len())
            .sum();
        let values = witness.extract.entries().iter();
        let values: usize = values
            .filter_map(|open| open.value.as_ref().map(Vec::len))
            .sum();
        let numbers = witness.blocks.iter().map(|block| block.block.header.number);
        let (first, last) = (numbers.clone().next(), numbers.last());
        let number = |number: Option<u64>| number.map_or("none".to_owned(), |n| n.to_string());
        say(format_args!(
            "chain {}, blocks {} to {}, behind block {} with {} leaves and {} entries\n\
             extract of the state log: {} entries, {values} bytes of values, {} nodes, {} bytes\n\
             edge of the execution log: {} bytes; blocks: {blocks} bytes; in all {} bytes",
            witness.chain.chain_id(),
            number(first),
            number(last),
            head.block_number,
            head.leaf_count,
            head.entry_count,
            witness.extract.entries().len(),
            witness.extract.nodes().len(),
            witness.extract.to_bytes().len(),
            witness.edge.to_bytes().len(),
            bytes.len(),
        ))
    }
}
