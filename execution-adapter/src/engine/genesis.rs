//! A chain of one's own, from geth's `genesis.json`.

use crate::chain::{ChainSpec, UnsupportedFork};
use crate::engine::error::FileError;
use crate::memory_state::MemoryState;
use crate::verify::StateScope;
use alloy_consensus::Header;
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::Genesis;
use alloy_primitives::B256;
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io::Read;
use std::path::Path;

/// geth's own for mainnet has 0.7 MB.
const GENESIS_LIMIT_BYTES: u64 = 1 << 30;

/// Where a chain starts: its rules, its first state, its first header.
#[derive(Debug)]
pub struct ChainGenesis {
    /// The rules.
    pub chain: ChainSpec,
    /// The state before block 1.
    pub state: MemoryState,
    /// The header of block 0.
    pub header: Header,
}

/// Why a genesis cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// Not JSON of the right form.
    #[error("{}", place(field))]
    Json {
        /// Path of the field; `.` if it is the whole document.
        field: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A field that says which chain it is, or what its first state is, and for which no value would be a
    /// good guess.
    #[error("field {field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// The configuration schedules what this version cannot execute.
    #[error("field config.{}: {}", .0.field, .0.reason)]
    Fork(UnsupportedFork),
}

impl ChainGenesis {
    /// Reads geth's `genesis.json`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Io {
            path: path.into(),
            action: "read",
            source,
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut json = Vec::new();
        file.take(GENESIS_LIMIT_BYTES + 1)
            .read_to_end(&mut json)
            .map_err(failed)?;
        if json.len() as u64 > GENESIS_LIMIT_BYTES {
            return Err(FileError::TooLarge {
                path: path.into(),
                what: "the genesis",
                limit_bytes: GENESIS_LIMIT_BYTES,
            });
        }
        Self::from_json(&json).map_err(|source| FileError::Genesis {
            path: path.into(),
            source,
        })
    }

    /// Parses geth's `genesis.json`.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn from_json(json: &[u8]) -> Result<Self, GenesisError> {
        parse::<Outline>(json)?.check()?;
        let genesis: Genesis = parse(json)?;
        let chain = ChainSpec::from_genesis(&genesis.config).map_err(GenesisError::Fork)?;
        let mut state = MemoryState::new(StateScope::Complete);
        for (address, account) in &genesis.alloc {
            let slots = account.storage.iter().flatten();
            let slots = slots.map(|(slot, value)| ((*slot).into(), (*value).into()));
            let code = account.code.clone().unwrap_or_default();
            let nonce = account.nonce.unwrap_or_default();
            state.insert_account(*address, account.balance, nonce, code, slots);
        }
        let header = header(&genesis, &chain, state.state_root());
        state.insert_block_hash(header.number, header.hash_slow());
        Ok(Self {
            chain,
            state,
            header,
        })
    }
}

/// What there must be: without it, the parser takes mainnet's chain id, no forks, and no accounts.
#[derive(Debug, Deserialize)]
struct Outline {
    config: Option<OutlineConfig>,
    alloc: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutlineConfig {
    chain_id: Option<IgnoredAny>,
}

impl Outline {
    fn check(self) -> Result<(), GenesisError> {
        let missing = |field| GenesisError::Missing { field };
        let config = self.config.ok_or(missing("config"))?;
        config.chain_id.ok_or(missing("config.chainId"))?;
        self.alloc.ok_or(missing("alloc"))?;
        Ok(())
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, GenesisError> {
    let mut json = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut json).map_err(|error| GenesisError::Json {
        field: error.path().to_string(),
        source: error.into_inner(),
    })
}

fn place(field: &str) -> String {
    match field {
        "." => "as JSON".to_owned(),
        _ => format!("field {field}"),
    }
}

/// The header that follows from a genesis: what later forks add, at the value of nothing.
fn header(genesis: &Genesis, chain: &ChainSpec, state_root: B256) -> Header {
    let number = genesis.number.unwrap_or_default();
    let spec = chain.spec_id(number, genesis.timestamp).unwrap_or_default();
    let from = |fork| spec.is_enabled_in(fork);
    let base_fee = genesis
        .base_fee_per_gas
        .and_then(|fee| u64::try_from(fee).ok());
    let blob_gas = |given: Option<u64>| from(SpecId::CANCUN).then(|| given.unwrap_or_default());
    Header {
        parent_hash: genesis.parent_hash.unwrap_or_default(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: genesis.coinbase,
        state_root,
        difficulty: genesis.difficulty,
        number,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.into(),
        base_fee_per_gas: from(SpecId::LONDON).then(|| base_fee.unwrap_or(1_000_000_000)),
        withdrawals_root: from(SpecId::SHANGHAI).then_some(EMPTY_WITHDRAWALS),
        parent_beacon_block_root: from(SpecId::CANCUN).then_some(B256::ZERO),
        blob_gas_used: blob_gas(genesis.blob_gas_used),
        excess_blob_gas: blob_gas(genesis.excess_blob_gas),
        requests_hash: from(SpecId::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
        slot_number: genesis.slot_number,
        ..Header::default()
    }
}
