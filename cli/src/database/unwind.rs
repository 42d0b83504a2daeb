//! `qm unwind`: drop the newest blocks.

use super::Folder;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::Progress;
use clap::Args;
use qmtree::Options;

/// Drop all blocks after the one given, as a reorganisation of the chain does.
#[derive(Debug, Args)]
pub(crate) struct Unwind {
    #[command(flatten)]
    folder: Folder,
    /// Print the new head as JSON.
    #[arg(long)]
    json: bool,
    /// The block that becomes the last one.
    #[arg(value_name = "N")]
    block: u64,
}

impl Unwind {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let mut db = self.folder.open(Options::default())?;
        let progress = Progress::working("unwind");
        let head = db.unwind_to(self.block).map_err(self.folder.failed())?;
        db.close().map_err(self.folder.failed())?;
        drop(progress);
        if self.json {
            return json(&head);
        }
        say(format_args!(
            "the log has {} leaves up to block {}, root {}",
            head.leaf_count, head.block_number, head.root
        ))
    }
}
