//! Block 0.

use crate::actors::{ACTORS, Actor};
use crate::contracts;
use crate::error::DevChainError;
use crate::rules::{
    CHAIN_ID, DEPOSIT_CONTRACT, DIFFICULTY, Fork, GENESIS_TIME, terminal_total_difficulty,
};
use alloy_consensus::Header;
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH};
use alloy_eips::eip7840::BlobParams;
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};
use alloy_primitives::{B256, Bytes, U256};
use std::collections::BTreeMap;

/// Gas of a block before London; twice that since.
pub(crate) const GAS_LIMIT: u64 = 15_000_000;

/// What genesis.json holds: geth's form.
pub(crate) fn genesis() -> Result<Genesis, DevChainError> {
    let mut alloc = BTreeMap::new();
    for index in 0..ACTORS {
        let balance = U256::from(10).pow(U256::from(24));
        let account = GenesisAccount::default().with_balance(balance);
        alloc.insert(Actor::new(index)?.address, account);
    }
    // The system's contracts are there from the start and idle until their fork.
    for (address, code) in [
        (
            eip4788::BEACON_ROOTS_ADDRESS,
            eip4788::BEACON_ROOTS_CODE.clone(),
        ),
        (
            eip2935::HISTORY_STORAGE_ADDRESS,
            eip2935::HISTORY_STORAGE_CODE.clone(),
        ),
        (
            eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
            eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone(),
        ),
        (
            eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
            eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE.clone(),
        ),
        (DEPOSIT_CONTRACT, contracts::code("deposit")?),
    ] {
        let account = GenesisAccount::default()
            .with_nonce(Some(1))
            .with_code(Some(code));
        alloc.insert(address, account);
    }
    Ok(Genesis {
        config: config(),
        timestamp: GENESIS_TIME,
        extra_data: Bytes::from_static(b"qmtree dev chain"),
        gas_limit: GAS_LIMIT,
        difficulty: U256::from(DIFFICULTY),
        alloc,
        ..Genesis::default()
    })
}

fn config() -> ChainConfig {
    let block = |fork: Fork| Some(fork.first_block());
    let time = |fork: Fork| Some(fork.first_time());
    let blobs = |name: &str, params: BlobParams| (name.to_owned(), params);
    ChainConfig {
        chain_id: CHAIN_ID,
        homestead_block: block(Fork::Homestead),
        eip150_block: block(Fork::Tangerine),
        eip155_block: block(Fork::SpuriousDragon),
        eip158_block: block(Fork::SpuriousDragon),
        byzantium_block: block(Fork::Byzantium),
        constantinople_block: block(Fork::Petersburg),
        petersburg_block: block(Fork::Petersburg),
        istanbul_block: block(Fork::Istanbul),
        muir_glacier_block: block(Fork::Istanbul),
        berlin_block: block(Fork::Berlin),
        london_block: block(Fork::London),
        arrow_glacier_block: block(Fork::London),
        gray_glacier_block: block(Fork::London),
        merge_netsplit_block: block(Fork::Paris),
        terminal_total_difficulty: Some(terminal_total_difficulty()),
        terminal_total_difficulty_passed: true,
        shanghai_time: time(Fork::Shanghai),
        cancun_time: time(Fork::Cancun),
        prague_time: time(Fork::Prague),
        osaka_time: time(Fork::Osaka),
        bpo1_time: time(Fork::Bpo1),
        bpo2_time: time(Fork::Bpo2),
        deposit_contract_address: Some(DEPOSIT_CONTRACT),
        blob_schedule: BTreeMap::from([
            blobs("cancun", BlobParams::cancun()),
            blobs("prague", BlobParams::prague()),
            blobs("osaka", BlobParams::osaka()),
            blobs("bpo1", BlobParams::bpo1()),
            blobs("bpo2", BlobParams::bpo2()),
        ]),
        ..ChainConfig::default()
    }
}

/// The header of block 0.
pub(crate) fn genesis_header(genesis: &Genesis, state_root: B256) -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        state_root,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        ..Header::default()
    }
}
