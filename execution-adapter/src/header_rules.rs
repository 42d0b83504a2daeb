//! What a header has to be, given the header before it.

use crate::chain::ChainSpec;
use crate::verify::{Field, Mismatch, Value, same};
use alloy_consensus::Header;
use alloy_eips::eip1559::{
    BaseFeeParams, DEFAULT_ELASTICITY_MULTIPLIER, GAS_LIMIT_BOUND_DIVISOR, INITIAL_BASE_FEE,
    calc_next_block_base_fee,
};
use alloy_hardforks::EthereumHardforks;

/// Lowest gas limit of a block (Yellow Paper, section 4.4.4).
const LOWEST_GAS_LIMIT: u64 = 5000;

/// No fee and no amount of blob gas comes near this. What is above is cut, so that the libraries that
/// reckon with them cannot overflow: a header that was made up may say anything.
const HIGHEST: u64 = u64::MAX >> 16;

/// Checks the fields of a header that follow from the header before it: number, timestamp, gas limit,
/// base fee (EIP-1559) and excess blob gas (EIP-4844, 7691, 7918).
///
/// `parent` must be the header whose hash `header` names. Of its own fields only the gas used is
/// checked, which must be within its gas limit, since the base fee follows from both. What the rules of the chain leave open is
/// not checked: the fees and gas limits of a genesis file with fields that are not known, and the
/// timestamps of a proof-of-authority chain. Difficulty and seals are not checked at all.
///
/// # Errors
/// The first [`Mismatch`].
pub fn check_header(chain: &ChainSpec, header: &Header, parent: &Header) -> Result<(), Mismatch> {
    let next = parent.number.saturating_add(1);
    same(Field::Number, next, header.number)?;
    if chain.header_rules().timestamps {
        let lowest = parent.timestamp.saturating_add(1);
        let later = header.timestamp > parent.timestamp;
        within(Field::Timestamp, lowest, u64::MAX, header.timestamp, later)?;
    }
    if chain.header_rules().fees {
        // A parent that was not executed here may say anything.
        let possible = parent.gas_used <= parent.gas_limit;
        within(
            Field::GasUsed,
            0,
            parent.gas_limit,
            parent.gas_used,
            possible,
        )?;
        check_gas_limit(chain, header, parent)?;
        let base_fee = next_base_fee(chain, header, parent);
        same(Field::BaseFee, base_fee, header.base_fee_per_gas)?;
        let excess = next_excess_blob_gas(chain, header, parent);
        same(Field::ExcessBlobGas, excess, header.excess_blob_gas)?;
    }
    Ok(())
}

/// The gas limit moves by less than a 1024th. At London it is doubled first.
fn check_gas_limit(chain: &ChainSpec, header: &Header, parent: &Header) -> Result<(), Mismatch> {
    let begins = is_london(chain, header) && !is_london(chain, parent);
    let from = match begins {
        true => parent
            .gas_limit
            .saturating_mul(DEFAULT_ELASTICITY_MULTIPLIER),
        false => parent.gas_limit,
    };
    let room = (from / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
    let lowest = from.saturating_sub(room).max(LOWEST_GAS_LIMIT);
    let highest = from.saturating_add(room);
    let holds = (lowest..=highest).contains(&header.gas_limit);
    within(Field::GasLimit, lowest, highest, header.gas_limit, holds)
}

/// None before London.
fn next_base_fee(chain: &ChainSpec, header: &Header, parent: &Header) -> Option<u64> {
    if !is_london(chain, header) {
        return None;
    }
    // The first block under London begins the series.
    let Some(base_fee) = parent.base_fee_per_gas.filter(|_| is_london(chain, parent)) else {
        return Some(INITIAL_BASE_FEE);
    };
    Some(calc_next_block_base_fee(
        parent.gas_used,
        parent.gas_limit,
        base_fee.min(HIGHEST),
        BaseFeeParams::ethereum(),
    ))
}

/// None before Cancun. Its first block begins with nothing.
fn next_excess_blob_gas(chain: &ChainSpec, header: &Header, parent: &Header) -> Option<u64> {
    let params = chain.blob_params(header.timestamp)?;
    Some(params.next_block_excess_blob_gas_osaka(
        parent.excess_blob_gas.unwrap_or_default().min(HIGHEST),
        parent.blob_gas_used.unwrap_or_default().min(HIGHEST),
        parent.base_fee_per_gas.unwrap_or_default().min(HIGHEST),
    ))
}

fn is_london(chain: &ChainSpec, header: &Header) -> bool {
    chain.is_london_active_at_block(header.number)
}

fn within(
    field: Field,
    lowest: u64,
    highest: u64,
    found: u64,
    holds: bool,
) -> Result<(), Mismatch> {
    if holds {
        return Ok(());
    }
    Err(Mismatch {
        field,
        expected: Value::Within { lowest, highest },
        found: found.into(),
    })
}

#[cfg(test)]
mod tests;
