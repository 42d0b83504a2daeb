//! `qm repair`: drop what a crash left behind.

use super::Folder;
use super::files::list;
use crate::error::CliError;
use crate::output::say;
use clap::Args;
use qmtree::Options;
use serde::Serialize;
use std::path::PathBuf;

/// Drop what a crash left behind: blocks that never were whole, files that never were finished
///
/// Every writing command does the same when it opens the database; this one says what was dropped.
/// Acknowledged blocks are never dropped, and nothing is changed in a database that is damaged:
/// then the error says which file, where, and what to do. `qm check` looks without changing.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Repair {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What a file lost.
#[derive(Debug, Serialize)]
struct Dropped {
    path: PathBuf,
    bytes: u64,
    /// The whole file, not just its end.
    removed: bool,
}

impl Repair {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        // Before anything is listed, so that a foreign folder is named as such.
        self.folder.open_read_only()?;
        let before = list(&self.folder.db)?;
        let db = self.folder.open(Options::default())?;
        let head = db.head();
        db.close().map_err(self.folder.failed())?;
        let after = list(&self.folder.db)?;
        let dropped = before.into_iter().filter_map(|(path, len)| {
            let left = after.get(&path).copied();
            let bytes = len.saturating_sub(left.unwrap_or(0));
            let removed = left.is_none();
            (removed || bytes > 0).then_some(Dropped {
                path,
                bytes,
                removed,
            })
        });
        let dropped: Vec<Dropped> = dropped.collect();
        if self.json {
            return say(serde_json::json!({
                "dropped": dropped,
                "blockNumber": head.block_number,
                "leafCount": head.leaf_count,
                "root": head.root,
            }));
        }
        for Dropped {
            path,
            bytes,
            removed,
        } in &dropped
        {
            let path = path.display();
            if *removed {
                say(format_args!("{path}: removed, {bytes} bytes"))?;
            } else {
                say(format_args!(
                    "{path}: {bytes} bytes cut off, of a block that was not whole"
                ))?;
            }
        }
        if dropped.is_empty() {
            say("nothing to drop")?;
        }
        say(format_args!(
            "the log has {} leaves up to block {}, root {}",
            head.leaf_count, head.block_number, head.root
        ))
    }
}
