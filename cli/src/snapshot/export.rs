//! `qm snapshot export`.

use super::{Signing, in_snapshot, power_of_two};
use crate::database::Folder;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use clap::{Args, ValueEnum};
use qmtree::snapshot::{ExportOptions, StateExport};
use std::path::PathBuf;

/// Write snapshot files of a database, and a manifest with their hashes
///
/// Twigs that the folder has already are not written again: exporting now and then appends, and an
/// export that was cut off goes on. The last leaves and entries, which make no whole twig yet, are in
/// tail files, which the next export replaces.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Export {
    #[command(flatten)]
    folder: Folder,
    /// Folder for the files.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The block to end with, instead of the newest: one that will not be unwound.
    #[arg(long, value_name = "N")]
    to_block: Option<u64>,
    /// The first twig of 2048 leaves to write, where those before are pruned or elsewhere.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from_twig: u64,
    /// Twigs of a new file, a power of two.
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = power_of_two)]
    file_twigs: u64,
    /// What to write of the state log: all of it, what is live, or nothing.
    #[arg(long, value_enum, default_value_t = State::Full)]
    state: State,
    #[command(flatten)]
    signing: Signing,
    /// Print the head that the files lead to as JSON.
    #[arg(long)]
    json: bool,
}

/// What is written of the state log.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Every entry and every value.
    Full,
    /// Live keys and values at the block, and what proves them: to start without history.
    Live,
    /// Nothing.
    None,
}

impl From<State> for StateExport {
    fn from(state: State) -> Self {
        match state {
            State::Full => Self::Full,
            State::Live => Self::Live,
            State::None => Self::None,
        }
    }
}

impl Export {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let db = self.folder.open_read_only()?;
        let progress = Progress::start(Task {
            name: "export",
            unit: Unit::Leaves,
            total: None,
        });
        let mut options = ExportOptions::default()
            .with_from_twig(self.from_twig)
            .with_file_twigs(self.file_twigs)
            .with_state(self.state.into())
            .with_progress(progress.counter());
        if let Some(block) = self.to_block {
            options = options.with_to_block(block);
        }
        if let Some(signer) = self.signing.signer()? {
            options = options.with_signer(signer);
        }
        let exported = db.export_snapshot(&self.out, &options);
        drop(progress);
        let exported = exported.map_err(in_snapshot)?;
        if self.json {
            return json(&exported.head);
        }
        let bytes: u64 = exported.files.iter().map(|file| file.len_bytes).sum();
        say(format_args!(
            "{}: {} files, {} of them new, {bytes} bytes, for the {} leaves up to block {}",
            self.out.display(),
            exported.files.len(),
            exported.written,
            exported.head.leaf_count,
            exported.head.block_number,
        ))?;
        say(format_args!("manifest {}", exported.manifest.display()))
    }
}
