//! `qm consistency`: an older log is a prefix of a newer one.

use super::{Source, at};
use crate::error::CliError;
use crate::files::write_proof;
use crate::output::say;
use clap::Args;
use qmtree_proofs::Proof;
use std::path::PathBuf;

/// Prove that the log after an older block is a prefix of the log after a newer one
///
/// `qm verify --head NEW.json --old-head OLD.json PROOF` checks it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Consistency {
    #[command(flatten)]
    source: Source,
    /// The newer block, instead of the newest.
    #[arg(long, value_name = "N")]
    at_block: Option<u64>,
    /// Write JSON instead of the binary form.
    #[arg(long)]
    json: bool,
    /// The file to write.
    #[arg(short, long, value_name = "PROOF")]
    output: PathBuf,
    /// The older block.
    #[arg(value_name = "OLD_BLOCK")]
    old_block: u64,
}

impl Consistency {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let proof = view.prove_consistency(self.old_block, at(self.at_block));
        let proof = Proof::Consistency(proof.map_err(self.source.failed())?);
        let bytes = write_proof(&self.output, &proof, self.json)?;
        say(format_args!("{}: {bytes} bytes", self.output.display()))
    }
}
