//! `qm fetch`: blocks with their execution witnesses, from a node of your own.

mod block;
mod error;
mod file;
mod rpc;

use crate::block_range::BlockRange;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use alloy_primitives::B256;
use block::Source;
use clap::Args;
pub(crate) use error::FetchError;
use rpc::Client;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Store blocks with their execution witnesses, from an Ethereum node
///
/// Asks the node for each block (eth_getBlockByNumber, debug_getRawBlock) and for its witness
/// (debug_executionWitness; the answers of geth, reth and Erigon are all understood), checks that
/// they belong together, and writes one eth-witness/1 file per block, packed with zstd, into DIR:
/// 1-23879620.json.zst is block 23879620 of chain 1. `qm run --witness` executes these files.
///
/// Checked here: the hash of the block, its transactions and withdrawals against its header, that
/// each block follows the one before, and that the witness has the parent's header. Whether a
/// witness has all that its block needs, only execution shows.
///
/// A file that is there already and has the block that the node names is kept, so an interrupted
/// run can be repeated. Connections that break, time out or answer nonsense are tried again.
///
/// Exit codes: 0 all blocks are stored, 2 they are not; those before the error stay.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Fetch {
    /// Where the node answers JSON-RPC: http://HOST:PORT/PATH, or https with that build feature.
    #[arg(long, value_name = "URL")]
    rpc: String,
    /// A header for each request, as for a node behind a login; can be given more than once.
    #[arg(long, value_name = "NAME: VALUE", value_parser = rpc::parse_header)]
    header: Vec<(String, String)>,
    /// Folder for the files; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Longest wait for an answer, in seconds. Making a witness takes a node a while.
    #[arg(long, value_name = "SECONDS", default_value = "120",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// How often a request is tried again, each time after a longer pause.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(..=20))]
    retries: u32,
    /// Headers of earlier blocks that a witness must have, as far as BLOCKHASH reaches back in these
    /// blocks; those that the node leaves out of it are asked for (debug_getRawHeader).
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    ancestors: u16,
    /// Print one JSON object per block.
    #[arg(long)]
    json: bool,
    /// Numbers of the blocks: one, or FROM..TO with both ends; decimal or 0x hexadecimal.
    #[arg(value_name = "FROM..TO")]
    blocks: BlockRange,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    block_number: u64,
    hash: B256,
    txs: usize,
    witness_bytes: usize,
    file_bytes: u64,
    file: &'a str,
    /// False if the file was there already.
    fetched: bool,
}

impl Fetch {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let client = Client::new(
            &self.rpc,
            &self.header,
            Duration::from_secs(self.timeout),
            self.retries,
        )
        .map_err(Box::new)?;
        std::fs::create_dir_all(&self.out).map_err(|source| CliError::Io {
            path: self.out.clone(),
            action: "make the folder",
            source,
        })?;
        self.fetch(&client)
    }

    fn fetch(&self, client: &Client) -> Result<(), CliError> {
        let mut source = Source::new(client, self.ancestors).map_err(Box::new)?;
        let progress = Progress::start(Task {
            name: "fetch",
            unit: Unit::Blocks,
            total: Some(self.blocks.count()),
        });
        let mut done = 0;
        for number in self.blocks.numbers() {
            let hash = source.announced(number).map_err(Box::new)?;
            let path = self
                .out
                .join(format!("{}-{number}.json.zst", source.chain_id));
            let kept = file::read(&path, hash);
            let fetched = kept.is_none();
            let block = match kept {
                Some(block) => block,
                None => source.fetch(number, hash).map_err(Box::new)?,
            };
            source.follow(&block).map_err(Box::new)?;
            let file_bytes = match fetched {
                true => file::write(&path, source.chain_id, &block)?,
                false => std::fs::metadata(&path).map_or(0, |file| file.len()),
            };
            done += 1;
            progress.set(done);
            let line = Line {
                block_number: number,
                hash,
                txs: block.block.body.transactions.len(),
                witness_bytes: block.witness.byte_len(),
                file_bytes,
                file: &path.to_string_lossy(),
                fetched,
            };
            self.print(&line)?;
        }
        Ok(())
    }

    fn print(&self, line: &Line<'_>) -> Result<(), CliError> {
        if self.json {
            return json(line);
        }
        say(format_args!(
            "block {}: {} txs, witness {} KB, {}{}",
            line.block_number,
            line.txs,
            line.witness_bytes / 1000,
            line.file,
            if line.fetched { "" } else { " (was there)" },
        ))
    }
}
