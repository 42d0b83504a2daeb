//! `qm snapshot verify`.

use super::{Taken, Trusted, in_snapshot};
use crate::error::CliError;
use crate::output::say;
use crate::progress::{Progress, Task, Unit};
use clap::Args;
use qmtree::snapshot::{ImportOptions, verify_snapshot};
use std::path::PathBuf;

/// Derive every leaf and node of snapshot files, and compare with the trusted head
///
/// Exit code 0: the files lead to the head. 1: they do not. 2: they cannot be read, or some are
/// missing.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Verify {
    #[command(flatten)]
    trusted: Trusted,
    /// Snapshot files, or folders of them.
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let Taken { head, files } = self.trusted.take(&self.files)?;
        let progress = Progress::start(Task {
            name: "verify",
            unit: Unit::Leaves,
            total: Some(head.leaf_count),
        });
        let options = ImportOptions::default()
            .with_known_heads(self.trusted.vouched.known_heads()?)
            .with_progress(progress.counter());
        let verified = verify_snapshot(&files, &head, &options);
        drop(progress);
        verified.map_err(in_snapshot)?;
        say(format_args!(
            "{} files lead to the head of block {}: {} leaves, root {}",
            files.len(),
            head.block_number,
            head.leaf_count,
            head.root
        ))
    }
}
