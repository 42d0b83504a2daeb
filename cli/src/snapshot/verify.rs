//! `qm snapshot verify`.

use super::{Taken, Trusted, in_snapshot};
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use clap::Args;
use qmtree::proofs::Head;
use qmtree::snapshot::{ImportOptions, Verified, VerifiedState, verify_snapshot};
use serde::Serialize;
use std::path::PathBuf;

/// Derive every leaf and node of snapshot files, and compare with the trusted head
///
/// Exit code 0: the files lead to the head. 1: they do not. 2: they cannot be read, or some are
/// missing. Tags, and where blocks end, no head binds: give --key or --known-head for those.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Verify {
    #[command(flatten)]
    trusted: Trusted,
    /// Print JSON.
    #[arg(long)]
    json: bool,
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
        self.tell(&files, &head, verified.map_err(in_snapshot)?)
    }

    fn tell(&self, given: &[PathBuf], head: &Head, verified: Verified) -> Result<(), CliError> {
        let state = match verified.state {
            VerifiedState::Empty => "empty",
            VerifiedState::Full => "full",
            VerifiedState::Live => "live",
            _ => "missing",
        };
        let others = given.len().saturating_sub(verified.files);
        if self.json {
            return json(&Told {
                files: verified.files,
                other_files: others,
                leaves: head.leaf_count,
                state,
                entries: head.entry_count,
                head,
            });
        }
        say(format_args!(
            "{} files lead to the head of block {}: {} leaves, root {}",
            verified.files, head.block_number, head.leaf_count, head.root
        ))?;
        let entries = head.entry_count;
        match verified.state {
            VerifiedState::Empty => Ok(()),
            VerifiedState::Full => say(format_args!(
                "and to its state: every entry and value of {entries} entries"
            )),
            VerifiedState::Live => say(format_args!(
                "and to its state: what is live of {entries} entries"
            )),
            _ => say(format_args!(
                "its state was not verified: no file has anything of the {entries} entries"
            )),
        }?;
        match others {
            0 => Ok(()),
            others => say(format_args!(
                "{others} other files were not looked at: they have the same twigs, or tags, which no \
                 head binds"
            )),
        }
    }
}

/// What was verified.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    files: usize,
    other_files: usize,
    leaves: u64,
    /// `empty`, `full`, `live` or `missing`.
    state: &'static str,
    entries: u64,
    head: &'a Head,
}
