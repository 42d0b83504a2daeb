//! A test as its file has it. Fields that no rule here needs are not read.

use super::number::Number;
use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(super) struct Unit {
    #[serde(default)]
    pub(super) config: Config,
    pub(super) env: Env,
    pub(super) pre: BTreeMap<Address, PreAccount>,
    pub(super) transaction: Transaction,
    /// By the fork's name.
    pub(super) post: BTreeMap<String, Vec<Expected>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    #[serde(alias = "chainId")]
    pub(super) chainid: Option<Number>,
    #[serde(default)]
    pub(super) blob_schedule: BTreeMap<String, BlobSchedule>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlobSchedule {
    pub(super) target: Option<Number>,
    pub(super) max: Option<Number>,
    pub(super) base_fee_update_fraction: Option<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    #[serde(rename = "currentChainID")]
    pub(super) current_chain_id: Option<Number>,
    #[serde(default)]
    pub(super) current_coinbase: Address,
    #[serde(default)]
    pub(super) current_difficulty: Number,
    #[serde(default)]
    pub(super) current_gas_limit: Number,
    #[serde(default)]
    pub(super) current_number: Number,
    #[serde(default)]
    pub(super) current_timestamp: Number,
    pub(super) current_base_fee: Option<Number>,
    pub(super) current_random: Option<Number>,
    pub(super) current_excess_blob_gas: Option<Number>,
    pub(super) parent_excess_blob_gas: Option<Number>,
    pub(super) parent_blob_gas_used: Option<Number>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PreAccount {
    #[serde(default)]
    pub(super) balance: Number,
    #[serde(default)]
    pub(super) code: Bytes,
    #[serde(default)]
    pub(super) nonce: Number,
    #[serde(default)]
    pub(super) storage: BTreeMap<Number, Number>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    #[serde(rename = "type")]
    pub(super) tx_type: Option<Number>,
    pub(super) chain_id: Option<Number>,
    pub(super) data: Vec<Bytes>,
    pub(super) gas_limit: Vec<Number>,
    pub(super) value: Vec<Number>,
    #[serde(default)]
    pub(super) nonce: Number,
    pub(super) secret_key: Option<String>,
    pub(super) sender: Option<Address>,
    #[serde(default, deserialize_with = "address_or_empty")]
    pub(super) to: Option<Address>,
    pub(super) gas_price: Option<Number>,
    pub(super) max_fee_per_gas: Option<Number>,
    pub(super) max_priority_fee_per_gas: Option<Number>,
    /// One for each data, or fewer.
    pub(super) access_lists: Option<Vec<Option<Vec<AccessListItem>>>>,
    pub(super) blob_versioned_hashes: Option<Vec<B256>>,
    pub(super) max_fee_per_blob_gas: Option<Number>,
    pub(super) authorization_list: Option<Vec<TestAuthorization>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessListItem {
    pub(super) address: Address,
    #[serde(default)]
    pub(super) storage_keys: Vec<Number>,
}

/// Both `v` and `yParity` may be there; they say the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TestAuthorization {
    pub(super) chain_id: Number,
    pub(super) address: Address,
    pub(super) nonce: Number,
    pub(super) v: Option<Number>,
    pub(super) y_parity: Option<Number>,
    pub(super) r: Number,
    pub(super) s: Number,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Expected {
    pub(super) hash: B256,
    /// Absent in the oldest files.
    pub(super) logs: Option<B256>,
    #[serde(default)]
    pub(super) indexes: Indexes,
    pub(super) expect_exception: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Indexes {
    pub(super) data: usize,
    pub(super) gas: usize,
    pub(super) value: usize,
}

/// A contract is created where there is no address, or an empty one.
fn address_or_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Address>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    match text.as_deref() {
        None | Some("" | "0x") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}
