//! `qm state prove`: the value of keys, or their absence, with a proof.

use super::key::parse_key;
use crate::database::Source;
use crate::error::CliError;
use crate::files::write_proof;
use crate::output::say;
use alloy_primitives::B256;
use clap::Args;
use qmtree_proofs::{Proof, TxNum};
use std::path::PathBuf;

/// Prove the value of a key, or its absence: write a proof that `qm state verify` checks
///
/// It holds under the newest head (`qm head --json`), also where it is about a past transaction.
/// Several keys go into one proof.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ProveState {
    #[command(flatten)]
    source: Source,
    /// Prove what was after this transaction instead of what is now.
    #[arg(long, value_name = "TXNUM")]
    at: Option<u64>,
    /// Write JSON instead of the binary form.
    #[arg(long)]
    json: bool,
    /// The file to write.
    #[arg(short, long, value_name = "PROOF")]
    output: PathBuf,
    /// The keys.
    #[arg(value_parser = parse_key, required = true)]
    keys: Vec<B256>,
}

impl ProveState {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let proof = view.prove_states(&self.keys, self.at.map(TxNum));
        let proof = Proof::State(proof.map_err(self.source.failed())?);
        let bytes = write_proof(&self.output, &proof, self.json)?;
        say(format_args!("{}: {bytes} bytes", self.output.display()))
    }
}
