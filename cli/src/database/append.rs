//! `qm append`: blocks of leaves from JSON lines.

use super::{Folder, parse_durability};
use crate::error::CliError;
use crate::output::say;
use clap::Args;
use qmtree::{Durability, Options};
use qmtree_proofs::LeafPayload;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Append blocks of leaves, one JSON object per line.
///
/// A line is {"block":N,"leaves":[{"preStateHash":"0x..","stateChangeHash":"0x..",
/// "transitionHash":"0x.."}]}. Blocks that are in the log already, with the same leaves, are
/// passed over, so an interrupted run can be repeated. It stops at the first line that cannot be
/// appended; the blocks before it stay.
#[derive(Debug, Args)]
pub(crate) struct Append {
    #[command(flatten)]
    folder: Folder,
    /// When a block survives a power loss: immediate, grouped:N (blocks) or buffered.
    #[arg(long, value_name = "MODE", default_value = "immediate", value_parser = parse_durability)]
    durability: Durability,
    /// Print one JSON object per block.
    #[arg(long)]
    json: bool,
    /// File of JSON lines, or - for standard input.
    file: PathBuf,
}

/// A line longer than this is refused: about two million leaves.
const MAX_LINE_LEN: u64 = 512 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    block: u64,
    leaves: Vec<LeafPayload>,
}

impl Append {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let mut input = open(&self.file)?;
        let options = Options::default().with_durability(self.durability);
        let mut db = self.folder.open(options)?;
        let (mut number, mut blocks) = (0, 0u64);
        let mut line = Vec::new();
        while read_line(&mut input, &mut line).map_err(|source| CliError::Io {
            path: self.file.clone(),
            action: "read",
            source,
        })? {
            number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Line { block, leaves } =
                serde_json::from_slice(&line).map_err(|source| CliError::Line {
                    path: self.file.clone(),
                    number,
                    source,
                })?;
            let first = db.head().leaf_count;
            let head = db
                .append_block(block, &leaves)
                .map_err(self.folder.failed())?;
            blocks += 1;
            if self.json {
                say(serde_json::json!({
                    "blockNumber": block,
                    "leaves": leaves.len(),
                    "appended": head.leaf_count > first || (leaves.is_empty()),
                    "leafCount": head.leaf_count,
                    "root": head.root,
                }))?;
            }
        }
        let head = db.head();
        db.close().map_err(self.folder.failed())?;
        if !self.json {
            say(format_args!(
                "{blocks} blocks read; the log has {} leaves up to block {}, root {}",
                head.leaf_count, head.block_number, head.root
            ))?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::with_capacity(1 << 20, file))),
        Err(source) => Err(CliError::Io {
            path: path.to_path_buf(),
            action: "read",
            source,
        }),
    }
}

/// Reads a line without its end; false at the end of the input.
fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let read = input.take(MAX_LINE_LEN).read_until(b'\n', line)?;
    if read as u64 == MAX_LINE_LEN && line.last() != Some(&b'\n') {
        let what = format!("a line is longer than {} MiB", MAX_LINE_LEN >> 20);
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
    }
    Ok(read > 0)
}
