//! `qm snapshot merge` and `retain`.

use super::{Signing, in_snapshot, power_of_two};
use crate::error::CliError;
use crate::output::say;
use clap::Args;
use qmtree::snapshot::SnapshotFolder;
use std::path::PathBuf;

/// Merge small snapshot files of a folder into larger ones
///
/// The bytes are those that an export with files of that size would have written. The manifest is
/// written anew; sign it again with --sign.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Merge {
    /// Twigs of the largest file, a power of two.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    #[arg(value_parser = power_of_two)]
    file_twigs: u64,
    #[command(flatten)]
    signing: Signing,
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Merge {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let folder = SnapshotFolder::new(&self.folder);
        let signer = self.signing.signer()?;
        let merged = folder.merge(self.file_twigs, signer.as_deref());
        say(format_args!(
            "{}: {} larger files written",
            self.folder.display(),
            merged.map_err(in_snapshot)?
        ))
    }
}

/// Drop old leaves from a folder of snapshot files, and keep the roots of their twigs
///
/// Files that lie wholly before a twig go. What is left can be imported with --roots-only.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Retain {
    /// The first twig of 2048 leaves that stays.
    #[arg(long, value_name = "N")]
    from_twig: u64,
    #[command(flatten)]
    signing: Signing,
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Retain {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let folder = SnapshotFolder::new(&self.folder);
        let signer = self.signing.signer()?;
        let gone = folder.retain_from(self.from_twig, signer.as_deref());
        say(format_args!(
            "{}: {} files replaced by their roots",
            self.folder.display(),
            gone.map_err(in_snapshot)?
        ))
    }
}
