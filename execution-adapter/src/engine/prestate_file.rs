//! `eth-block-prestate/1`: a block, and of the state before it what its transactions read.

use crate::block::{BlockError, decode_block};
use crate::chain::ChainSpec;
use crate::engine::error::FileError;
use crate::engine::read::senders;
use crate::engine::run::PreparedBlock;
use crate::memory_state::MemoryState;
use crate::verify::StateScope;
use alloy_primitives::map::{AddressMap, HashMap};
use alloy_primitives::{B256, Bytes, U64, U256};
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;

const FORMAT: &str = "eth-block-prestate/1";

/// Enough to tell what a file is.
#[derive(Debug, Deserialize)]
struct AnyFormat {
    format: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrestateFile {
    chain_id: u64,
    number: u64,
    hash: B256,
    fork: Option<String>,
    txs: Option<u64>,
    gas_used: Option<u64>,
    timestamp: Option<u64>,
    #[serde(default)]
    ommers_omitted: bool,
    #[serde(default)]
    block_hashes: HashMap<u64, B256>,
    block: Bytes,
    pre_state: AddressMap<PrestateAccount>,
}

#[derive(Debug, Deserialize)]
struct PrestateAccount {
    balance: U256,
    #[serde(default)]
    nonce: U64,
    #[serde(default)]
    code: Bytes,
    #[serde(default)]
    storage: HashMap<U256, U256>,
}

/// Parses a file, finds the senders, and checks what the file says of its block.
pub(super) fn parse(
    path: &Path,
    json: &[u8],
    chain: Option<&Arc<ChainSpec>>,
) -> Result<PreparedBlock, FileError> {
    let AnyFormat { format } = from_json(path, json)?;
    if format.as_deref() != Some(FORMAT) {
        return Err(FileError::Format {
            path: path.into(),
            found: format,
        });
    }
    let file: PrestateFile = from_json(path, json)?;
    let bad = |source: BlockError| FileError::Block {
        path: path.into(),
        index: 0,
        source,
    };
    let block = decode_block(&file.block).map_err(bad)?;
    let chain = match chain {
        Some(chain) if chain.chain_id() == file.chain_id => Arc::clone(chain),
        _ => Arc::new(ChainSpec::from_chain_id(file.chain_id).map_err(|source| {
            FileError::Chain {
                path: path.into(),
                block: block.header.number,
                source,
            }
        })?),
    };
    let header = &block.header;
    let spec = chain.spec_id(header.number, header.timestamp);
    let spec = spec.map_err(|source| FileError::Chain {
        path: path.into(),
        block: header.number,
        source,
    })?;
    let number = header.number;
    check(path, number, "number", number, Some(file.number))?;
    check(path, number, "timestamp", header.timestamp, file.timestamp)?;
    check(path, number, "gasUsed", header.gas_used, file.gas_used)?;
    check(
        path,
        number,
        "txs",
        block.body.transactions.len() as u64,
        file.txs,
    )?;
    check(path, number, "fork", fork_name(spec), file.fork.as_deref())?;
    Ok(PreparedBlock {
        senders: senders(path, 0, &block)?,
        hash: Some(file.hash),
        ommers_known: !file.ommers_omitted,
        state: Some(state(&file, number, header.parent_hash)),
        chain,
        block,
    })
}

/// Parses JSON, and names the field where that fails.
pub(super) fn from_json<'a, T: Deserialize<'a>>(
    path: &Path,
    json: &'a [u8],
) -> Result<T, FileError> {
    let mut json = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut json).map_err(|error| FileError::Json {
        path: path.into(),
        field: error.path().to_string(),
        source: error.into_inner(),
    })
}

/// A field that the block decides.
fn check<T: PartialEq + ToString>(
    path: &Path,
    block: u64,
    field: &'static str,
    expected: T,
    found: Option<T>,
) -> Result<(), FileError> {
    match found {
        Some(found) if found != expected => Err(FileError::Field {
            path: path.into(),
            block,
            field,
            expected: expected.to_string(),
            found: found.to_string(),
        }),
        _ => Ok(()),
    }
}

fn state(file: &PrestateFile, number: u64, parent_hash: B256) -> MemoryState {
    let mut state = MemoryState::new(StateScope::Transactions);
    for (address, account) in &file.pre_state {
        let PrestateAccount {
            balance,
            nonce,
            code,
            storage,
        } = account;
        let storage = storage.iter().map(|(slot, value)| (*slot, *value));
        state.insert_account(*address, *balance, nonce.to(), code.clone(), storage);
    }
    for (number, hash) in &file.block_hashes {
        state.insert_block_hash(*number, *hash);
    }
    state.insert_block_hash(number.saturating_sub(1), parent_hash);
    state
}

/// What the format calls the rules.
pub(super) fn fork_name(spec: SpecId) -> &'static str {
    match spec {
        SpecId::FRONTIER => "Frontier",
        SpecId::HOMESTEAD => "Homestead",
        SpecId::TANGERINE => "Tangerine",
        SpecId::SPURIOUS_DRAGON => "SpuriousDragon",
        SpecId::BYZANTIUM => "Byzantium",
        SpecId::PETERSBURG => "Petersburg",
        SpecId::ISTANBUL => "Istanbul",
        SpecId::BERLIN => "Berlin",
        SpecId::LONDON => "London",
        SpecId::MERGE => "Merge",
        SpecId::SHANGHAI => "Shanghai",
        SpecId::CANCUN => "Cancun",
        SpecId::PRAGUE => "Prague",
        SpecId::OSAKA => "Osaka",
        SpecId::AMSTERDAM => "Amsterdam",
    }
}
