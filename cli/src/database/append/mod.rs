//! `qm append`: blocks of leaves from JSON lines.

use super::Folder;
use crate::arguments::parse_durability;
use crate::error::CliError;
use crate::output::say;
use crate::progress::{Progress, Task, Unit};
use alloy_primitives::{B256, Bytes};
use clap::Args;
use qmtree::{Block, Db, Durability, Options, StateBatch};
use qmtree_proofs::{LeafPayload, TxNum};
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

/// Append blocks of leaves, one JSON object per line
///
/// A line is
///   {"block":N,"leaves":[{"preStateHash":"0x..","stateChangeHash":"0x..","transitionHash":"0x.."}]}
/// A leaf may have a "txHash" too, the hash of the transaction that made it. A block may have what its
/// transactions write to the state, in their order, keys ascending:
///   "batches":[{"txNum":N,"writes":[{"key":"0x..","value":"0x.."},{"key":"0x..","value":null}]}]
///
/// Blocks that are in the log already, with the same leaves and hashes, are passed over, so an interrupted
/// run can be repeated. It stops at the first line that cannot be appended and names it; the
/// blocks before it stay.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
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
    leaves: Vec<LeafLine>,
    #[serde(default)]
    batches: Vec<BatchLine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LeafLine {
    pre_state_hash: Hash,
    state_change_hash: Hash,
    transition_hash: Hash,
    tx_hash: Option<Hash>,
}

/// What a transaction writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BatchLine {
    tx_num: u64,
    writes: Vec<WriteLine>,
}

/// A key with its new value, or null to delete it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteLine {
    key: Hash,
    value: Option<Bytes>,
}

/// A hash as `0x` and 64 hex digits, in no other way.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "Cow<'_, str>")]
struct Hash(B256);

impl TryFrom<Cow<'_, str>> for Hash {
    type Error = &'static str;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
        let hash = digits.and_then(|digits| digits.parse().ok());
        hash.map(Self)
            .ok_or("invalid hash: expected a string of 0x and 64 hex digits")
    }
}

impl Line {
    /// The leaves, and the hashes of their transactions if there are any.
    fn leaves(&self) -> (Vec<LeafPayload>, Vec<B256>) {
        let tx_hash = |leaf: &LeafLine| leaf.tx_hash.unwrap_or_default().0;
        let payload = |leaf: &LeafLine| LeafPayload {
            pre_state_hash: leaf.pre_state_hash.0,
            state_change_hash: leaf.state_change_hash.0,
            transition_hash: leaf.transition_hash.0,
        };
        let tx_hashes = self.leaves.iter().map(tx_hash).collect();
        (self.leaves.iter().map(payload).collect(), tx_hashes)
    }
}

impl From<BatchLine> for StateBatch {
    fn from(line: BatchLine) -> Self {
        let writes = line.writes.into_iter();
        let writes = writes.map(|write| (write.key.0, write.value.map(|value| value.to_vec())));
        Self {
            tx_num: TxNum(line.tx_num),
            writes: writes.collect(),
        }
    }
}

impl Append {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let mut input = Input::open(&self.file)?;
        let options = Options::default().with_durability(self.durability);
        let mut db = self.folder.open(options)?;
        let appended = self.append(&mut db, &mut input);
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

    /// Appends every line; returns how many there were.
    fn append(&self, db: &mut Db, input: &mut Input) -> Result<u64, CliError> {
        // A bar between lines of output would make neither readable.
        let silent = self.json && std::io::stdout().is_terminal();
        let progress = (!silent).then(|| Progress::start(input.task()));
        let mut blocks = 0;
        while let Some(line) = input.next()? {
            let (leaves, tx_hashes) = line.leaves();
            let (block, batches) = (line.block, line.batches);
            let batches: Vec<_> = batches.into_iter().map(StateBatch::from).collect();
            let before = db.view().blocks();
            let appended = Block::new(block, &leaves);
            let head = db.append(&appended.with_tx_hashes(&tx_hashes).with_batches(&batches));
            let head = head.map_err(|source| input.refused(source))?;
            blocks += 1;
            if let Some(progress) = &progress {
                progress.set(input.bytes);
            }
            if self.json {
                say(serde_json::json!({
                    "blockNumber": block,
                    "leaves": leaves.len(),
                    "appended": db.view().blocks() != before,
                    "leafCount": head.leaf_count,
                    "root": head.root,
                }))?;
            }
        }
        Ok(blocks)
    }
}

/// Lines, and where in them we are.
struct Input {
    reader: Box<dyn BufRead>,
    /// Of the file, for messages.
    path: PathBuf,
    /// Length of a file.
    len: Option<u64>,
    line: Vec<u8>,
    number: u64,
    /// Bytes read.
    bytes: u64,
}

impl Input {
    fn open(path: &Path) -> Result<Self, CliError> {
        let mut input = Self {
            reader: Box::new(BufReader::new(std::io::stdin())),
            path: "standard input".into(),
            len: None,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        };
        if path == Path::new("-") {
            return Ok(input);
        }
        input.path = path.into();
        let file = File::open(path).map_err(|source| input.failed(source))?;
        let metadata = file.metadata().map_err(|source| input.failed(source))?;
        input.len = metadata.is_file().then_some(metadata.len());
        input.reader = Box::new(BufReader::with_capacity(1 << 20, file));
        Ok(input)
    }

    fn task(&self) -> Task {
        Task {
            name: "append",
            unit: Unit::Bytes,
            total: self.len,
        }
    }

    /// The next line that is not blank, if there is one.
    fn next(&mut self) -> Result<Option<Line>, CliError> {
        loop {
            if !self.read_line().map_err(|source| self.failed(source))? {
                return Ok(None);
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let line = serde_json::from_slice(&self.line);
            return line.map(Some).map_err(|source| CliError::Line {
                path: self.path.clone(),
                number: self.number,
                source,
            });
        }
    }

    /// Reads a line; false at the end of the input.
    fn read_line(&mut self) -> std::io::Result<bool> {
        self.line.clear();
        let mut limited = (&mut self.reader).take(MAX_LINE_LEN);
        let read = limited.read_until(b'\n', &mut self.line)? as u64;
        self.bytes += read;
        self.number += 1;
        if read == MAX_LINE_LEN && self.line.last() != Some(&b'\n') {
            let (number, limit) = (self.number, MAX_LINE_LEN >> 20);
            let what = format!("line {number} is longer than {limit} MiB");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
        }
        Ok(read > 0)
    }

    fn failed(&self, source: std::io::Error) -> CliError {
        CliError::Io {
            path: self.path.clone(),
            action: "read",
            source,
        }
    }

    fn refused(&self, source: qmtree::Error) -> CliError {
        CliError::Block {
            path: self.path.clone(),
            number: self.number,
            source: Box::new(source),
        }
    }
}
