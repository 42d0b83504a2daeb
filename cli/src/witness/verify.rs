//! `qm witness verify`: executes a witness behind a head that is trusted.

use crate::arguments::TraceName;
use crate::call::rules;
use crate::error::CliError;
use crate::files::{read_head, read_witness};
use crate::output::{json, print_note, say};
use alloy_primitives::{B256, Bytes};
use clap::Args;
use qmtree_execution_adapter::{StateWitness, StateWitnessError, execute_state_witness};
use qmtree_kernels::Hasher;
use qmtree_proofs::Head;
use serde::Serialize;
use std::path::PathBuf;

/// Execute a witness offline behind a head that you trust
///
/// Verifies every value that the blocks read against the head, executes them, computes their leaves, the
/// state root after each, and the head after the last, and compares that with --after where it is given.
/// Trusted are the head, and the rules of its chain: those built in, or --genesis. Without --after, how
/// much the leaves commit to (--trace) is the file's word, and so is that these blocks are the chain's.
/// A block whose ommers are not in the file is a claim; none is accepted without --claims.
///
/// Exit code 0: valid. 1: invalid. 2: a file is malformed, or head and rules do not fit.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Verify {
    /// The trusted head before the first block, as JSON.
    #[arg(long, value_name = "HEAD.json")]
    head: PathBuf,
    /// The head that there must be after the last block, as JSON.
    #[arg(long, value_name = "HEAD.json")]
    after: Option<PathBuf>,
    /// The trace mode of the log: how much its leaves commit to.
    #[arg(long, value_enum, value_name = "MODE")]
    trace: Option<TraceName>,
    /// Blocks whose ommers may be missing: those of their headers are then believed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    claims: u64,
    /// geth's genesis.json: the rules of a chain that is not built in.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The file that qm witness export wrote.
    witness: PathBuf,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    valid: bool,
    first_block: u64,
    last_block: u64,
    parent_hash: B256,
    last_block_hash: B256,
    leaves: usize,
    gas_used: u64,
    claims: u64,
    trace: &'static str,
    head_after: Head,
    digest: B256,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let head = read_head(&self.head)?;
        let after = self.after.as_deref().map(read_head).transpose()?;
        let bytes = Bytes::from(read_witness(&self.witness)?);
        let path = || self.witness.clone();
        let witness = StateWitness::from_bytes(&bytes);
        let witness = witness.map_err(|source| CliError::BadWitness {
            path: path(),
            source: Box::new(StateWitnessError::from(source)),
        })?;
        let other = |what| CliError::OtherWitness { path: path(), what };
        let chain = rules(head.chain_id, self.genesis.as_deref(), &self.head)?;
        if chain.digest() != witness.chain.digest() {
            return Err(other("it was made for other rules of the chain"));
        }
        if *witness.edge.head() != head {
            return Err(other(
                "it was made behind another head than the trusted one",
            ));
        }
        let mode = witness.mode;
        match self.trace.map(TraceName::mode) {
            Some(expected) if expected != mode => {
                return Err(other("it was made for another trace mode"));
            }
            None if after.is_none() => print_note(&format!(
                "nobody said how much the leaves commit to (--trace); those of the file commit to mode {}",
                mode.name()
            )),
            _ => {}
        }
        let missing = witness.blocks.iter().filter(|block| !block.ommers_known);
        match missing.count() as u64 {
            0 => {}
            claims if claims > self.claims => {
                return Err(other(
                    "it lacks the ommers of more blocks than --claims accepts, so they are not verified",
                ));
            }
            claims => print_note(&format!("{claims} claims are accepted")),
        }
        let output = execute_state_witness(&witness, Hasher::new(head.profile));
        let output = output.map_err(|source| CliError::InvalidWitness {
            path: path(),
            source: Box::new(source),
        })?;
        let inputs = &output.public_inputs;
        if after.is_some_and(|after| after != inputs.head_after) {
            return Err(other("it leads to another head than the one after it"));
        }
        let line = Line {
            valid: true,
            first_block: inputs.first_block,
            last_block: inputs.last_block,
            parent_hash: inputs.parent_hash,
            last_block_hash: inputs.last_block_hash,
            leaves: output.blocks.iter().map(|block| block.leaves.len()).sum(),
            gas_used: output.blocks.iter().map(|block| block.gas_used).sum(),
            claims: inputs.claims,
            trace: mode.name(),
            head_after: inputs.head_after,
            digest: inputs.digest(),
        };
        if self.json {
            return json(&line);
        }
        let Line {
            first_block,
            last_block,
            leaves,
            gas_used,
            trace,
            head_after,
            digest,
            ..
        } = line;
        say(format_args!(
            "VALID blocks {first_block} to {last_block}: {leaves} leaves of mode {trace}, {gas_used} gas, \
             head {} after them\npublic inputs {digest}",
            head_after.hash()
        ))
    }
}
