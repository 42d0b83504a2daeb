//! What a case runs: the chain's rules, the block and the transaction.
//!
//! What a file leaves out: the chain id is 1; the base fee from London on is 10, as the tool that
//! filled such tests had it; the randomness of the beacon chain is the difficulty; blobs have no
//! excess; the sender is that of the secret key; the type of the transaction follows from its
//! fields. A field out of its range makes a transaction that no bytes encode, so it is refused.

use super::constantinople;
use super::fork::Rules;
use super::number::Number;
use super::unit::{Env, Indexes, TestAuthorization, Transaction, Unit};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, TxKind, hex};
use k256::ecdsa::SigningKey;
use revm::context::{BlockEnv, CfgEnv, TransactionType, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::cfg::GasParams;
use revm::context_interface::either::Either;
use revm::primitives::hardfork::SpecId;

/// The base fee that `retesteth` gave the first block after its genesis.
const FIRST_BASE_FEE: u64 = 10;

#[derive(Debug)]
pub(super) struct Setup {
    pub(super) rules: Rules,
    pub(super) cfg: CfgEnv,
    pub(super) block: BlockEnv,
    /// Or why there is no such transaction.
    pub(super) tx: Result<TxEnv, &'static str>,
}

impl Setup {
    pub(super) fn new(unit: &Unit, rules: Rules, indexes: Indexes, must_fail: bool) -> Self {
        let cfg = cfg_env(unit, rules);
        let tx = tx_env(&unit.transaction, indexes, cfg.chain_id, must_fail);
        Self {
            rules,
            block: block_env(&unit.env, rules),
            cfg,
            tx,
        }
    }
}

fn cfg_env(unit: &Unit, rules: Rules) -> CfgEnv {
    let given = unit.config.chainid.or(unit.env.current_chain_id);
    let chain_id = given.and_then(|id| id.u64()).unwrap_or(1);
    let mut cfg = CfgEnv::new().with_chain_id(chain_id);
    cfg.set_spec_and_mainnet_gas_params(rules.spec);
    cfg.set_max_blobs_per_tx(rules.blobs.max_blobs_per_tx);
    cfg.blob_base_fee_update_fraction = Some(update_fraction(&rules.blobs));
    if rules.eip1283 {
        let mut params = GasParams::new_spec(rules.spec);
        constantinople::set_prices(&mut params);
        cfg.set_gas_params(params);
    }
    cfg
}

/// At least 1: it is a divisor.
fn update_fraction(blobs: &BlobParams) -> u64 {
    u64::try_from(blobs.update_fraction)
        .unwrap_or(u64::MAX)
        .max(1)
}

fn block_env(env: &Env, rules: Rules) -> BlockEnv {
    let spec = rules.spec;
    let difficulty = env.current_difficulty.u256().unwrap_or_default();
    let random = env.current_random.and_then(|random| random.word());
    let mut block = BlockEnv {
        number: env.current_number.u256().unwrap_or_default(),
        beneficiary: env.current_coinbase,
        timestamp: env.current_timestamp.u256().unwrap_or_default(),
        gas_limit: env.current_gas_limit.u64().unwrap_or(u64::MAX),
        basefee: match env.current_base_fee {
            _ if !spec.is_enabled_in(SpecId::LONDON) => 0,
            Some(fee) => fee.u64().unwrap_or(u64::MAX),
            None => FIRST_BASE_FEE,
        },
        difficulty,
        prevrandao: spec
            .is_enabled_in(SpecId::MERGE)
            .then(|| random.unwrap_or_else(|| B256::from(difficulty))),
        ..BlockEnv::default()
    };
    block.blob_excess_gas_and_price = Some(blob_price(excess_blob_gas(env, rules), &rules.blobs));
    block
}

/// Blobs that cost more than fits a `u128` on the way to their price cost too much for everybody.
fn blob_price(excess_blob_gas: u64, blobs: &BlobParams) -> BlobExcessGasAndPrice {
    let fraction = update_fraction(blobs);
    // The price is e to this power, computed times the fraction: e^70 < 2^101, fractions < 2^27.
    if excess_blob_gas / fraction < 70 && fraction < 1 << 27 {
        return BlobExcessGasAndPrice::new(excess_blob_gas, fraction);
    }
    BlobExcessGasAndPrice {
        excess_blob_gas,
        blob_gasprice: u128::MAX,
    }
}

/// The oldest tests of Cancun and Prague give the parent's numbers instead, for EIP-4844's rule.
fn excess_blob_gas(env: &Env, rules: Rules) -> u64 {
    let number = |number: Option<Number>| Some(number?.u64().unwrap_or(u64::MAX));
    number(env.current_excess_blob_gas).unwrap_or_else(|| {
        let target = rules
            .blobs
            .target_blob_count
            .saturating_mul(DATA_GAS_PER_BLOB);
        let excess = number(env.parent_excess_blob_gas).unwrap_or(0);
        let used = number(env.parent_blob_gas_used).unwrap_or(0);
        excess.saturating_add(used).saturating_sub(target)
    })
}

fn tx_env(
    tx: &Transaction,
    indexes: Indexes,
    chain_id: u64,
    must_fail: bool,
) -> Result<TxEnv, &'static str> {
    let access_lists = tx.access_lists.as_ref();
    let access_list = access_lists.and_then(|lists| lists.get(indexes.data)?.as_ref());
    let tx_type = tx_type(tx, access_list.is_some())?;
    let dynamic_fee = tx_type >= TransactionType::Eip1559 as u8;
    let gas_price = match dynamic_fee {
        true => tx.max_fee_per_gas.or(tx.gas_price),
        false => tx.gas_price.or(tx.max_fee_per_gas),
    };
    let list = access_list.map(|items| {
        items.iter().map(|item| {
            let keys = item.storage_keys.iter().map(|key| key.word());
            let storage_keys = keys
                .collect::<Option<_>>()
                .ok_or("a storage key is too wide")?;
            Ok(AccessListItem {
                address: item.address,
                storage_keys,
            })
        })
    });
    Ok(TxEnv {
        tx_type,
        caller: sender(tx, must_fail)?,
        gas_limit: pick(&tx.gas_limit, indexes.gas)?
            .u64()
            .ok_or("the gas limit is too wide")?,
        gas_price: gas_price
            .unwrap_or_default()
            .u128()
            .ok_or("the gas price is too wide")?,
        kind: tx.to.map_or(TxKind::Create, TxKind::Call),
        value: pick(&tx.value, indexes.value)?
            .u256()
            .ok_or("the value is too wide")?,
        data: pick(&tx.data, indexes.data)?,
        nonce: tx.nonce.u64().ok_or("the nonce is too wide")?,
        chain_id: Some(match tx.chain_id {
            None => chain_id,
            Some(id) => id.u64().ok_or("the chain id is too wide")?,
        }),
        access_list: AccessList(list.map_or(Ok(Vec::new()), Iterator::collect::<Result<_, &str>>)?),
        gas_priority_fee: match dynamic_fee {
            true => {
                let fee = tx.max_priority_fee_per_gas.unwrap_or_default();
                Some(fee.u128().ok_or("the priority fee is too wide")?)
            }
            false => None,
        },
        blob_hashes: tx.blob_versioned_hashes.clone().unwrap_or_default(),
        max_fee_per_blob_gas: tx
            .max_fee_per_blob_gas
            .unwrap_or_default()
            .u128()
            .ok_or("the blob fee is too wide")?,
        authorization_list: authorizations(tx.authorization_list.as_deref().unwrap_or_default())?,
    })
}

/// The lists were checked when the file was read.
fn pick<T: Clone>(list: &[T], index: usize) -> Result<T, &'static str> {
    list.get(index).cloned().ok_or("an index outside its list")
}

fn tx_type(tx: &Transaction, has_access_list: bool) -> Result<u8, &'static str> {
    let derived = if tx.authorization_list.is_some() {
        TransactionType::Eip7702
    } else if tx.max_fee_per_blob_gas.is_some() || tx.blob_versioned_hashes.is_some() {
        TransactionType::Eip4844
    } else if tx.max_fee_per_gas.is_some() || tx.max_priority_fee_per_gas.is_some() {
        TransactionType::Eip1559
    } else if has_access_list {
        TransactionType::Eip2930
    } else {
        TransactionType::Legacy
    };
    let tx_type = match tx.tx_type {
        None => derived as u8,
        Some(number) => number.u8().ok_or("no such type of transaction")?,
    };
    if tx_type > TransactionType::Eip7702 as u8 {
        return Err("no such type of transaction");
    }
    if tx_type >= TransactionType::Eip4844 as u8 && tx.to.is_none() {
        return Err("a transaction of this type has to have a recipient");
    }
    Ok(tx_type)
}

/// The tests are unsigned; the key stands for the signature.
fn sender(tx: &Transaction, must_fail: bool) -> Result<Address, &'static str> {
    match (&tx.secret_key, tx.sender) {
        (Some(_), Some(sender)) => Ok(sender),
        (None, Some(sender)) if !must_fail => Ok(sender),
        (None, _) => Err("it has no signature"),
        (Some(key), None) => {
            let key = hex::decode(key).ok();
            let key = key.and_then(|key| SigningKey::from_slice(&key).ok());
            key.map(|key| Address::from_public_key(key.verifying_key()))
                .ok_or("no key has this signature")
        }
    }
}

type TxAuthorizations =
    Vec<Either<SignedAuthorization, alloy_eips::eip7702::RecoveredAuthorization>>;

fn authorizations(list: &[TestAuthorization]) -> Result<TxAuthorizations, &'static str> {
    let signed = list.iter().map(|item| {
        let inner = Authorization {
            chain_id: item.chain_id.u256()?,
            address: item.address,
            nonce: item.nonce.u64()?,
        };
        let parity = item.y_parity.or(item.v)?.u8()?;
        let signed =
            SignedAuthorization::new_unchecked(inner, parity, item.r.u256()?, item.s.u256()?);
        Some(Either::Left(signed))
    });
    signed
        .collect::<Option<_>>()
        .ok_or("an authorization has a field out of range")
}
