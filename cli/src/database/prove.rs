//! `qm prove`: leaves with the proof of their positions.

use super::{Source, at};
use crate::error::CliError;
use crate::files::write_proof;
use crate::output::say;
use crate::progress::Progress;
use clap::Args;
use qmtree_proofs::{Proof, TxNum};
use std::path::PathBuf;

/// Prove leaves: write a witness that `qm verify` checks against a head
///
/// The witness holds the leaf, or the range of leaves, and the proof of the position. It holds
/// under the head of the block given, or under the newest.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Prove {
    #[command(flatten)]
    source: Source,
    /// Prove it under the head after this block instead of the newest.
    #[arg(long, value_name = "N")]
    at_block: Option<u64>,
    /// Prove the range of leaves up to this transaction number, exclusive.
    #[arg(long, value_name = "TXNUM")]
    to: Option<u64>,
    /// Write JSON instead of the binary form.
    #[arg(long)]
    json: bool,
    /// The file to write; not -.
    #[arg(short, long, value_name = "PROOF")]
    output: PathBuf,
    /// Transaction number of the leaf, or of the first one.
    #[arg(value_name = "TXNUM")]
    tx_num: u64,
}

impl Prove {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let (from, at) = (TxNum(self.tx_num), at(self.at_block));
        let progress = Progress::working("prove");
        let proof = match self.to {
            None => view.witness(from, at).map(Proof::Witness),
            Some(to) => view
                .range_witness(from..TxNum(to), at)
                .map(Proof::RangeWitness),
        };
        let proof = proof.map_err(self.source.failed())?;
        let bytes = write_proof(&self.output, &proof, self.json)?;
        drop(progress);
        say(format_args!("{}: {bytes} bytes", self.output.display()))
    }
}
