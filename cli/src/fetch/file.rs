//! `eth-witness/1` files: written whole or not at all.

use super::block::FetchedBlock;
use crate::error::CliError;
use alloy_primitives::{B256, Bytes};
use qmtree_execution_adapter::{ExecutionWitness, check_body, decode_block};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

const FORMAT: &str = "eth-witness/1";
/// As far as reading such a file goes.
const LIMIT_BYTES: u64 = 512 << 20;
/// Trie nodes are mostly hashes, which no level makes smaller.
const ZSTD_LEVEL: i32 = 3;

/// docs/WITNESS.md, "Files".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    format: &'static str,
    chain_id: u64,
    number: u64,
    hash: B256,
    timestamp: u64,
    txs: usize,
    gas_used: u64,
    post_state_root: B256,
    block: &'a Bytes,
    witness: Lists<'a>,
}

#[derive(Serialize)]
struct Lists<'a> {
    state: &'a [Bytes],
    codes: &'a [Bytes],
    keys: &'a [Bytes],
    headers: &'a [Bytes],
}

/// Writes a block's file, and returns its length. It appears under its name when it is whole.
pub(super) fn write(path: &Path, chain_id: u64, fetched: &FetchedBlock) -> Result<u64, CliError> {
    let failed = |source| CliError::Io {
        path: path.into(),
        action: "write",
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    write_packed(file.as_file_mut(), chain_id, fetched).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let file = file.persist(path).map_err(|error| failed(error.error))?;
    Ok(file.metadata().map_err(failed)?.len())
}

fn write_packed(file: &mut File, chain_id: u64, fetched: &FetchedBlock) -> std::io::Result<()> {
    let (header, witness) = (&fetched.block.header, &fetched.witness);
    let written = Written {
        format: FORMAT,
        chain_id,
        number: header.number,
        hash: fetched.hash,
        timestamp: header.timestamp,
        txs: fetched.block.body.transactions.len(),
        gas_used: header.gas_used,
        post_state_root: header.state_root,
        block: &fetched.raw,
        witness: Lists {
            state: &witness.state,
            codes: &witness.codes,
            keys: &witness.keys,
            headers: &witness.headers,
        },
    };
    let packed = zstd::Encoder::new(file, ZSTD_LEVEL)?;
    let mut packed = BufWriter::new(packed);
    serde_json::to_writer(&mut packed, &written)?;
    packed.into_inner()?.finish()?.flush()
}

/// The block of a file that an earlier run wrote, if it is the one of this hash.
///
/// Whatever else lies there is written anew.
pub(super) fn read(path: &Path, hash: B256) -> Option<FetchedBlock> {
    #[derive(Deserialize)]
    struct Stored {
        format: String,
        block: Bytes,
        witness: ExecutionWitness,
    }
    let file = zstd::Decoder::new(File::open(path).ok()?).ok()?;
    let stored: Stored = serde_json::from_reader(BufReader::new(file.take(LIMIT_BYTES))).ok()?;
    let block = decode_block(&stored.block).ok()?;
    let same = stored.format == FORMAT && block.header.hash_slow() == hash;
    check_body(&block, true).ok().filter(|()| same)?;
    Some(FetchedBlock {
        hash,
        block,
        raw: stored.block,
        witness: stored.witness,
    })
}
