//! `qm append`: blocks of leaves from JSON lines, or from raw leaves.

mod input;
mod lines;
mod raw;

use super::Folder;
use crate::arguments::parse_durability;
use crate::error::CliError;
use crate::output::say;
use crate::progress::Progress;
use alloy_primitives::B256;
use clap::Args;
use input::Input;
use lines::Lines;
use qmtree::{Block, Db, Durability, Options, StateBatch};
use qmtree_proofs::LeafPayload;
use raw::Raw;
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// Append blocks of leaves: one JSON object per line, or raw leaves
///
/// A line is
///   {"block":N,"leaves":[{"preStateHash":"0x..","stateChangeHash":"0x..","transitionHash":"0x.."}]}
/// A leaf may have a "txHash" too, the hash of the transaction that made it. A block may have what its
/// transactions write to the state, in their order, keys ascending:
///   "batches":[{"txNum":N,"writes":[{"key":"0x..","value":"0x.."},{"key":"0x..","value":null}]}]
///
/// With --raw the file is leaves of 96 bytes and nothing else: preStateHash, stateChangeHash,
/// transitionHash. They are one block, or blocks of --block-leaves each, the last one of what is left.
/// The first block has the number --block, or else the next one of the log, 0 if it is empty.
///
/// Blocks that are in the log already, with the same leaves and hashes, are passed over, so an interrupted
/// run can be repeated (of raw leaves with --block, as else their numbers go on). What is pruned cannot be
/// compared: then a repeated run stops and says at which block to start. It stops at the first block that
/// cannot be appended and names it; the blocks before it stay.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Append {
    #[command(flatten)]
    folder: Folder,
    /// When a block survives a power loss: immediate, grouped:N (blocks) or buffered.
    #[arg(long, value_name = "MODE", default_value = "immediate", value_parser = parse_durability)]
    durability: Durability,
    /// Take raw leaves of 96 bytes instead of JSON lines.
    #[arg(long)]
    raw: bool,
    /// Number of the first block of raw leaves; the next one of the log if it is left out.
    #[arg(long, value_name = "N", requires = "raw")]
    block: Option<u64>,
    /// Cut raw leaves into blocks of so many.
    #[arg(long, value_name = "K", requires = "raw", value_parser = clap::value_parser!(u64).range(1..=raw::MAX_LEAVES))]
    block_leaves: Option<u64>,
    /// Print one JSON object per block.
    #[arg(long)]
    json: bool,
    /// File of JSON lines or raw leaves, or - for standard input.
    file: PathBuf,
}

/// A block as it was read.
#[derive(Debug, Default)]
struct Given {
    number: u64,
    leaves: Vec<LeafPayload>,
    /// One for each leaf, or none.
    tx_hashes: Vec<B256>,
    batches: Vec<StateBatch>,
}

/// Where blocks come from.
enum Blocks {
    Lines(Lines),
    Raw(Raw),
}

impl Blocks {
    fn next(&mut self) -> Result<Option<Given>, CliError> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Raw(raw) => raw.next(),
        }
    }

    fn input(&self) -> &Input {
        match self {
            Self::Lines(lines) => &lines.input,
            Self::Raw(raw) => &raw.input,
        }
    }

    /// The block that was read last, for messages.
    fn place(&self) -> String {
        match self {
            Self::Lines(lines) => format!("line {}", lines.number),
            Self::Raw(raw) => raw.place(),
        }
    }
}

impl Append {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let input = Input::open(&self.file)?;
        let options = Options::default().with_durability(self.durability);
        let mut db = self.folder.open(options)?;
        let mut blocks = if self.raw {
            let next = db.view().blocks().map_or(0, |(_, last)| last + 1);
            Blocks::Raw(Raw::new(
                input,
                self.block.unwrap_or(next),
                self.block_leaves,
            ))
        } else {
            Blocks::Lines(Lines::new(input))
        };
        let appended = self.append(&mut db, &mut blocks);
        let head = db.head();
        // Blocks before a line that is no good stay, so they are made durable too.
        let closed = db.close().map_err(self.folder.failed());
        let blocks = appended?;
        closed?;
        if !self.json {
            say(format_args!(
                "{blocks} blocks read; the log has {} leaves up to block {}, root {}",
                head.leaf_count, head.block_number, head.root
            ))?;
        }
        Ok(())
    }

    /// Appends every block; returns how many there were.
    fn append(&self, db: &mut Db, blocks: &mut Blocks) -> Result<u64, CliError> {
        // A bar between lines of output would make neither readable.
        let silent = self.json && std::io::stdout().is_terminal();
        let progress = (!silent).then(|| Progress::start(blocks.input().task()));
        let mut count = 0;
        while let Some(given) = blocks.next()? {
            let before = db.view().blocks();
            let block = Block::new(given.number, &given.leaves)
                .with_tx_hashes(&given.tx_hashes)
                .with_batches(&given.batches);
            let head = db.append(&block);
            let head = head.map_err(|source| refused(blocks, db, given.number, source))?;
            count += 1;
            if let Some(progress) = &progress {
                progress.set(blocks.input().bytes);
            }
            if self.json {
                say(serde_json::json!({
                    "blockNumber": given.number,
                    "leaves": given.leaves.len(),
                    "appended": db.view().blocks() != before,
                    "leafCount": head.leaf_count,
                    "root": head.root,
                }))?;
            }
        }
        Ok(count)
    }
}

/// Why a block was not appended, and where the input has it.
fn refused(blocks: &Blocks, db: &Db, block: u64, source: qmtree::Error) -> CliError {
    let (path, place) = (blocks.input().path.clone(), blocks.place());
    match source.earliest_leaf() {
        Some(earliest) => CliError::PrunedBlock {
            path,
            place,
            block,
            start: first_whole_block(db, earliest),
        },
        None => CliError::Block {
            path,
            place,
            source: Box::new(source),
        },
    }
}

/// The first block of which no leaf is pruned; the next one of the log if there is none.
fn first_whole_block(db: &Db, earliest: qmtree_proofs::TxNum) -> u64 {
    let view = db.view();
    let next = db.head().block_number.saturating_add(1);
    let Ok(block) = view.block_of(earliest) else {
        return next;
    };
    match view.block_range(block) {
        Ok(range) if range.start >= earliest => block,
        _ => block.saturating_add(1),
    }
}
