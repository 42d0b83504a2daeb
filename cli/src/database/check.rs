//! `qm check`: the audit.

use super::Folder;
use crate::error::CliError;
use crate::output::say;
use clap::Args;

/// Derive every hash from the raw leaves and compare it with what is stored. Changes nothing.
///
/// Exit code 0: all agrees. 2: damaged, with the file, the place and what to do.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    folder: Folder,
}

impl Check {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let db = self.folder.open_read_only()?;
        db.check().map_err(self.folder.failed())?;
        let head = db.head();
        say(format_args!(
            "{} leaves up to block {} agree with root {}",
            head.leaf_count, head.block_number, head.root
        ))
    }
}
