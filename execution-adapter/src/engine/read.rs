//! Files of blocks: which format a file is, and reading it within limits.

use crate::block::{EthBlock, recover_sender};
use crate::chain::ChainSpec;
use crate::engine::chain_file::ChainBlocks;
use crate::engine::error::FileError;
use crate::engine::prestate_file;
use crate::engine::run::PreparedBlock;
use alloy_primitives::Address;
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// A JSON file, unpacked. The largest block ever had 1.8 MB; its pre-state may be some times that.
const JSON_LIMIT_BYTES: u64 = 512 << 20;
/// Enough of a file to tell what it is.
const START_BYTES: usize = 64;
/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The blocks of a file.
#[derive(Debug)]
pub enum BlockFile {
    /// One block with the state before it (`eth-block-prestate/1`).
    WithState(Box<PreparedBlock>),
    /// Blocks alone: concatenated RLP, as `geth export` writes it.
    Chain(ChainBlocks),
}

/// Opens a file of blocks, in any of the formats of docs/EXECUTION.md, packed with zstd or not.
///
/// `chain` has the rules for blocks that do not name their chain.
///
/// # Errors
/// [`FileError`], naming the file and what is wrong with it.
pub fn open_block_file(
    path: &Path,
    chain: Option<&Arc<ChainSpec>>,
) -> Result<BlockFile, FileError> {
    let reader = unpacked(path)?;
    let (start, reader) = peek(reader).map_err(|source| FileError::Io {
        path: path.into(),
        action: "unpack",
        source,
    })?;
    if start.trim_ascii_start().starts_with(b"{") {
        let json = read_whole(path, reader)?;
        let block = prestate_file::parse(path, &json, chain)?;
        return Ok(BlockFile::WithState(Box::new(block)));
    }
    if holds_nothing(&start) && start.len() < START_BYTES {
        return Err(FileError::NoBlocks { path: path.into() });
    }
    // RLP of blocks does not begin with a bracket.
    if start.trim_ascii_start().starts_with(b"[") {
        return Err(FileError::Format {
            path: path.into(),
            found: None,
        });
    }
    let Some(chain) = chain else {
        return Err(FileError::GenesisNeeded { path: path.into() });
    };
    let reader = BufReader::with_capacity(1 << 20, reader);
    Ok(BlockFile::Chain(ChainBlocks::new(
        path,
        reader,
        Arc::clone(chain),
    )))
}

/// The text of a JSON file, packed with zstd or not.
pub(super) fn read_json(path: &Path) -> Result<Vec<u8>, FileError> {
    read_whole(path, unpacked(path)?)
}

/// What a file holds, unpacked if it is packed with zstd.
fn unpacked(path: &Path) -> Result<Box<dyn Read + Send>, FileError> {
    let failed = |action| {
        move |source| FileError::Io {
            path: path.into(),
            action,
            source,
        }
    };
    let file = File::open(path).map_err(failed("open"))?;
    let (start, file) = peek(file).map_err(failed("read"))?;
    let reader: Box<dyn Read + Send> = if start.starts_with(&ZSTD_MAGIC) {
        Box::new(zstd::Decoder::new(file).map_err(failed("unpack"))?)
    } else {
        Box::new(file)
    };
    Ok(reader)
}

/// Whether a file is empty, or the JSON of an empty list.
pub(super) fn holds_nothing(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    let list = text.strip_prefix(b"[");
    text.is_empty() || list.is_some_and(|rest| rest.trim_ascii_start() == b"]")
}

/// The first bytes, and a reader that still has them.
fn peek<R: Read>(mut reader: R) -> std::io::Result<(Vec<u8>, impl Read)> {
    let mut start = Vec::new();
    reader
        .by_ref()
        .take(START_BYTES as u64)
        .read_to_end(&mut start)?;
    let again = std::io::Cursor::new(start.clone());
    Ok((start, again.chain(reader)))
}

fn read_whole(path: &Path, reader: impl Read) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = reader.take(JSON_LIMIT_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|source| FileError::Io {
        path: path.into(),
        action: "read",
        source,
    })?;
    if bytes.len() as u64 > JSON_LIMIT_BYTES {
        return Err(FileError::TooLarge {
            path: path.into(),
            what: "the JSON document",
            limit_bytes: JSON_LIMIT_BYTES,
        });
    }
    Ok(bytes)
}

/// The senders of a block, on all threads.
pub(super) fn senders(
    path: &Path,
    index: u64,
    block: &EthBlock,
) -> Result<Vec<Address>, FileError> {
    let transactions = block.body.transactions.par_iter().enumerate();
    let senders = transactions.map(|(index, tx)| recover_sender(index, tx));
    let senders: Result<_, _> = senders.collect();
    senders.map_err(|source| FileError::Block {
        path: path.into(),
        index,
        source,
    })
}
