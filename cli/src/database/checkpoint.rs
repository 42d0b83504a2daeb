//! `qm checkpoint`: a backup of a database in use.

use super::Folder;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::Progress;
use clap::Args;
use std::path::PathBuf;

/// Make a backup that is a database of its own, beside a writer or without one
///
/// Sealed segments and older journal files are linked where the disk can, so that it costs little
/// time and room; the newest journal file is copied. On another file system than the database all
/// files are copied, and the backup stands for itself; where they are linked, the loss of the disk loses
/// both. The backup is opened once before it gets its name, and is there whole or not at all. TARGET may
/// not lie in the database. What a crash leaves is TARGET.unfinished, which the next try empties.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Checkpoint {
    #[command(flatten)]
    folder: Folder,
    /// Print the head of the backup as JSON.
    #[arg(long)]
    json: bool,
    /// Folder of the backup, which must not exist yet.
    #[arg(value_name = "TARGET")]
    target: PathBuf,
}

impl Checkpoint {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let mut db = self.folder.open_read_only()?;
        let progress = Progress::working("checkpoint");
        let head = db.checkpoint(&self.target).map_err(self.folder.failed())?;
        drop(progress);
        if self.json {
            return json(&head);
        }
        say(format_args!(
            "{}: {} leaves up to block {}, root {}",
            self.target.display(),
            head.leaf_count,
            head.block_number,
            head.root
        ))
    }
}
