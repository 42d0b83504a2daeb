//! `qm check`: the audit.

use super::Source;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use alloy_primitives::B256;
use clap::Args;

/// Derive every hash from the raw leaves and compare it with what is stored
///
/// Changes nothing. Exit code 0: all agrees. 2: damaged; the error says which file, where, and what to do.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Check {
    #[command(flatten)]
    source: Source,
    /// Print the head that all agrees with as JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let db = self.source.open()?;
        let head = db.head();
        let progress = Progress::start(Task {
            name: "check",
            unit: Unit::Leaves,
            total: Some(head.leaf_count),
        });
        let checked = db.check_with(&progress.counter());
        drop(progress);
        checked.map_err(self.source.failed())?;
        if self.json {
            return json(&head);
        }
        say(format_args!(
            "{} leaves up to block {} agree with root {}",
            head.leaf_count, head.block_number, head.root
        ))?;
        // Snapshot files may be those of the leaves alone.
        if head.entry_count == 0 || db.view().state_from(&B256::ZERO, None).is_err() {
            return Ok(());
        }
        say(format_args!(
            "{} entries of the state agree with state root {}",
            head.entry_count, head.state_root
        ))
    }
}
