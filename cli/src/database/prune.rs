//! `qm prune`: drop the oldest leaves.

use super::Folder;
use crate::error::CliError;
use crate::output::say;
use crate::progress::Progress;
use clap::Args;
use qmtree::Options;

/// Drop the leaves of sealed segments that lie wholly before a block.
///
/// Roots and heads of all blocks stay known. Leaves in the unwind window are never dropped. Of the
/// state log, sealed segments go that no state from the one before the block on needs, nor any that
/// can still be unwound to; `qm state stats` says since when the state is known.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The first block whose leaves are kept.
    #[arg(value_name = "N")]
    block: u64,
}

impl Prune {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let mut db = self.folder.open(Options::default())?;
        let progress = Progress::working("prune");
        let pruned = db.prune_to(self.block).map_err(self.folder.failed())?;
        db.close().map_err(self.folder.failed())?;
        drop(progress);
        if self.json {
            return say(serde_json::json!({ "prunedSegments": pruned }));
        }
        say(format_args!("{pruned} segments pruned"))
    }
}
