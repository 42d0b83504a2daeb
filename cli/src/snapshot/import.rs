//! `qm snapshot import` and `backfill`.

use super::{Taken, Trusted, Vouched, in_snapshot};
use crate::database::Folder;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use clap::Args;
use qmtree::snapshot::ImportOptions;
use qmtree::{Db, Options};
use std::path::PathBuf;

/// Make a database from snapshot files, after verifying every leaf
///
/// Derives the root from the leaves, on all cores, and the state root from the entries of the state
/// log, and refuses files that do not lead to the trusted head before anything of them is visible. An import that was cut off goes on when it is run again.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Import {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    trusted: Trusted,
    /// Start from the roots of twigs and the tail alone; `qm snapshot backfill` gets the leaves.
    #[arg(long)]
    roots_only: bool,
    /// Start from the live keys and values of the state log, without its history before the head.
    /// Done anyway where the files have no more; where they have every entry only, all are taken.
    #[arg(long)]
    live: bool,
    /// Print the head as JSON.
    #[arg(long)]
    json: bool,
    /// Snapshot files, or folders of them.
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

impl Import {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let Taken { head, files } = self.trusted.take(&self.files)?;
        let progress = Progress::start(Task {
            name: "import",
            unit: Unit::Leaves,
            total: Some(head.leaf_count.saturating_add(head.entry_count)),
        });
        let options = ImportOptions::default()
            .with_known_heads(self.trusted.vouched.known_heads()?)
            .with_live_state(self.live)
            .with_progress(progress.counter());
        let dir = self.folder.path();
        let imported = if self.roots_only {
            Db::bootstrap_snapshot(dir, &files, &head, options)
        } else {
            Db::import_snapshot(dir, &files, &head, options)
        };
        let closed = imported.and_then(|db| {
            let has_past = db.earliest_state().is_none();
            db.close().map(|_| has_past)
        });
        drop(progress);
        let has_past = closed.map_err(in_snapshot)?;
        if self.json {
            return json(&head);
        }
        say(format_args!(
            "{}: {} up to block {}, root {}",
            dir.display(),
            match self.roots_only {
                true => format!("the roots of {} leaves", head.leaf_count),
                false => format!("{} leaves", head.leaf_count),
            },
            head.block_number,
            head.root
        ))?;
        if self.live && has_past && head.entry_count > 0 {
            say(format_args!(
                "no file has what is live alone: all {} entries are there",
                head.entry_count
            ))?;
        }
        Ok(())
    }
}

/// Fill in the leaves of a database that started from roots
///
/// From the newest that are missing back, as far as the files go. Cut off, it keeps what it has
/// filled in.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Backfill {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    vouched: Vouched,
    /// Snapshot files, or folders of them.
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

impl Backfill {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let (_, files) = self.vouched.files(&self.files)?;
        let mut db = self.folder.open(Options::default())?;
        let progress = Progress::start(Task {
            name: "backfill",
            unit: Unit::Leaves,
            total: None,
        });
        let options = ImportOptions::default()
            .with_known_heads(self.vouched.known_heads()?)
            .with_progress(progress.counter());
        let filled = db.backfill_snapshot(&files, &options);
        drop(progress);
        let first = filled.map_err(in_snapshot)?;
        db.close().map_err(in_snapshot)?;
        say(match first {
            0 => "every leaf is there".to_owned(),
            first => format!("leaves from {} on are there", first * 2048),
        })
    }
}
