//! `qm snapshot list` and `inspect`.

use super::in_snapshot;
use crate::error::CliError;
use crate::output::{json, say};
use clap::Args;
use qmtree::proofs::Head;
use qmtree::snapshot::{SnapshotFolder, SnapshotInfo};
use serde::Serialize;
use std::path::PathBuf;

/// What a file says about itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    file: String,
    /// Leaves, or entries of the state log.
    log: &'static str,
    /// What the file holds, as in its name.
    content: &'static str,
    from_twig: u64,
    to_twig: u64,
    /// Of a file of the state log: entries for each live key beyond which it compacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries_per_key: Option<u8>,
    from_leaf: u64,
    to_leaf: u64,
    first_block: u64,
    blocks: u64,
    bytes: u64,
    head: Head,
}

impl Shown {
    fn of(info: &SnapshotInfo) -> Self {
        Self {
            file: info.name.to_string(),
            log: match info.name.content.is_state() {
                true => "state",
                false => "execution",
            },
            content: info.name.content.text(),
            from_twig: info.twigs.start,
            to_twig: info.twigs.end,
            entries_per_key: (info.name.content.is_state()).then_some(info.entries_per_key),
            from_leaf: info.leaves.start,
            to_leaf: info.leaves.end,
            first_block: info.blocks.start,
            blocks: info.blocks.end - info.blocks.start,
            bytes: info.len_bytes,
            head: info.head,
        }
    }
}

impl Shown {
    fn items(&self) -> &'static str {
        match self.log {
            "state" => "entries",
            _ => "leaves",
        }
    }
}

/// List the snapshot files of a folder
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Print one JSON object per file.
    #[arg(long)]
    json: bool,
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl List {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let folder = SnapshotFolder::new(&self.folder);
        let files = folder.files().map_err(in_snapshot)?;
        for info in &files {
            let shown = Shown::of(info);
            if self.json {
                json(&shown)?;
            } else {
                let items = shown.items();
                let Shown {
                    file,
                    from_leaf,
                    to_leaf,
                    blocks,
                    bytes,
                    ..
                } = shown;
                say(format_args!(
                    "{file:<44} {items} {from_leaf}..{to_leaf}, {blocks} blocks, {bytes} bytes"
                ))?;
            }
        }
        if self.json {
            return Ok(());
        }
        match folder.manifest().map_err(in_snapshot)? {
            Some(manifest) => {
                let signers: Vec<_> = manifest.signers().collect();
                say(format_args!(
                    "manifest of {} files at block {}, {}",
                    manifest.unverified().files.len(),
                    manifest.unverified().head.block_number,
                    match signers.is_empty() {
                        true => "not signed".to_owned(),
                        false => format!("signed by {} (not verified)", signers.join(", ")),
                    }
                ))
            }
            None => say("no manifest"),
        }
    }
}

/// Show what a snapshot file says about itself; nothing of it is verified
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The file.
    file: PathBuf,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let info = SnapshotInfo::read(&self.file).map_err(in_snapshot)?;
        let shown = Shown::of(&info);
        if self.json {
            return json(&shown);
        }
        let head = shown.head;
        say(format_args!(
            "file     {} ({} bytes)",
            shown.file, shown.bytes
        ))?;
        say(format_args!(
            "log      chain {}, profile {}, scheme {}",
            head.chain_id, head.profile, head.scheme
        ))?;
        say(format_args!("content  {}", shown.content))?;
        say(format_args!(
            "twigs    {}..{}",
            shown.from_twig, shown.to_twig
        ))?;
        say(format_args!(
            "{:<9}{}..{}",
            shown.items(),
            shown.from_leaf,
            shown.to_leaf
        ))?;
        if let Some(entries) = shown.entries_per_key {
            return say(match entries {
                0 => "compacts never".to_owned(),
                entries => format!("compacts beyond {entries} entries for each live key"),
            });
        }
        say(match shown.blocks {
            0 => "blocks   none end here".to_owned(),
            count => format!(
                "blocks   {}..{} end here",
                shown.first_block,
                shown.first_block + count
            ),
        })?;
        say(format_args!(
            "root     {} of the log that ends with it",
            head.root
        ))
    }
}
