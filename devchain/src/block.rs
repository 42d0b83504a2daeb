//! Executes what a block is to hold, and fills in its header.

use crate::error::DevChainError;
use crate::genesis::GAS_LIMIT;
use crate::rules::{BLOCK_TIME, CHAIN_ID, DIFFICULTY, Fork, Rules, block_time};
use crate::state::{ChainState, state_root};
use alloy_consensus::proofs::{
    calculate_ommers_root, calculate_receipt_root, calculate_transaction_root,
    calculate_withdrawals_root,
};
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{
    Block, BlockBody, EMPTY_OMMER_ROOT_HASH, Eip658Value, Header, ReceiptEnvelope, TxEnvelope,
    TxReceipt,
};
use alloy_eips::eip1559::{BaseFeeParams, INITIAL_BASE_FEE};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_evm::block::BlockExecutor;
use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
use alloy_evm::eth::{EthBlockExecutionCtx, EthBlockExecutor, EthEvmFactory};
use alloy_evm::{Evm, EvmEnv, EvmFactory};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, keccak256};
use std::borrow::Cow;

/// A block with its transactions.
pub(crate) type EthBlock = Block<TxEnvelope>;

/// What a block is to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// With their senders.
    pub(crate) transactions: Vec<Recovered<TxEnvelope>>,
    pub(crate) ommers: Vec<Header>,
    pub(crate) withdrawals: Vec<Withdrawal>,
}

/// The header of a block as far as it is known before it runs.
pub(crate) fn next_header(parent: &Header, parent_hash: B256) -> Header {
    let number = parent.number + 1;
    let fork = Fork::of_block(number);
    let paris = fork >= Fork::Paris;
    let base_fee = match fork {
        _ if number == Fork::London.first_block() => Some(INITIAL_BASE_FEE),
        _ => parent.next_block_base_fee(BaseFeeParams::ethereum()),
    };
    let excess = fork.blobs().map(|params| {
        // The first of them has no parent with blobs.
        parent.next_block_excess_blob_gas(params).unwrap_or(0)
    });
    Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: beneficiary(number),
        difficulty: if paris {
            U256::ZERO
        } else {
            U256::from(DIFFICULTY)
        },
        number,
        gas_limit: if fork < Fork::London {
            GAS_LIMIT
        } else {
            2 * GAS_LIMIT
        },
        timestamp: block_time(number),
        extra_data: Bytes::from_static(b"qmtree dev chain"),
        mix_hash: if paris {
            numbered("randomness", number)
        } else {
            B256::ZERO
        },
        base_fee_per_gas: base_fee.filter(|_| fork >= Fork::London),
        excess_blob_gas: excess,
        parent_beacon_block_root: excess.map(|_| numbered("beacon block", number - 1)),
        ..Header::default()
    }
}

/// One of four, and sometimes an account that nothing else touches.
fn beneficiary(number: u64) -> Address {
    Address::from_word(numbered("beneficiary", number % 4))
}

fn numbered(what: &str, number: u64) -> B256 {
    keccak256(format!("qmtree dev chain {what} {number}"))
}

/// A block that another miner found, with the same parent as that of its nephew's parent.
pub(crate) fn ommer(sibling: &Header) -> Header {
    Header {
        beneficiary: Address::from_word(numbered("ommer", sibling.number)),
        state_root: numbered("ommer's state", sibling.number),
        extra_data: Bytes::from_static(b"too late"),
        timestamp: sibling.timestamp + BLOCK_TIME / 10,
        ..sibling.clone()
    }
}

/// Runs a block on the state and completes it.
///
/// # Errors
/// [`DevChainError::Block`] for a block that the rules do not allow.
pub(crate) fn execute(
    state: &mut ChainState,
    mut header: Header,
    plan: Plan,
) -> Result<EthBlock, DevChainError> {
    let number = header.number;
    let fork = Fork::of_block(number);
    let failed = |source| DevChainError::Block { number, source };
    let withdrawals = (fork >= Fork::Shanghai).then_some(plan.withdrawals);
    let context = EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &plan.ommers,
        withdrawals: withdrawals.as_deref().map(Cow::Borrowed),
        extra_data: header.extra_data.clone(),
        tx_count_hint: None,
        slot_number: None,
    };
    let env = EvmEnv::for_eth_block(&header, Rules, CHAIN_ID, fork.blobs());
    let evm = EthEvmFactory::default().create_evm(&mut *state, env);
    let mut executor = EthBlockExecutor::new(evm, context, Rules, AlloyReceiptBuilder::default());
    executor.apply_pre_execution_changes().map_err(failed)?;
    let mut roots = Vec::new();
    for tx in &plan.transactions {
        executor.execute_transaction(tx).map_err(failed)?;
        if fork < Fork::Byzantium {
            roots.push(state_root(executor.evm_mut().db_mut()));
        }
    }
    let (_, result) = executor.finish().map_err(failed)?;
    let receipts = with_roots(result.receipts, &roots);
    let transactions: Vec<_> = plan
        .transactions
        .into_iter()
        .map(Recovered::into_inner)
        .collect();
    header.state_root = state_root(state);
    header.transactions_root = calculate_transaction_root(&transactions);
    header.receipts_root = calculate_receipt_root(&receipts);
    header.logs_bloom = receipts
        .iter()
        .fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
    header.gas_used = result.gas_used;
    header.ommers_hash = calculate_ommers_root(&plan.ommers);
    header.withdrawals_root = withdrawals.as_deref().map(calculate_withdrawals_root);
    header.blob_gas_used = header.excess_blob_gas.map(|_| result.blob_gas_used);
    header.requests_hash = (fork >= Fork::Prague).then(|| result.requests.requests_hash());
    let body = BlockBody {
        transactions,
        ommers: plan.ommers,
        withdrawals: withdrawals.map(Withdrawals::new),
    };
    Ok(Block::new(header, body))
}

/// Before Byzantium a receipt has the state's root in place of a status.
fn with_roots(receipts: Vec<ReceiptEnvelope>, roots: &[B256]) -> Vec<ReceiptEnvelope> {
    let mut roots = roots.iter();
    let with_root = |receipt| match (receipt, roots.next()) {
        (ReceiptEnvelope::Legacy(mut receipt), Some(root)) => {
            receipt.receipt.status = Eip658Value::PostState(*root);
            ReceiptEnvelope::Legacy(receipt)
        }
        (receipt, _) => receipt,
    };
    receipts.into_iter().map(with_root).collect()
}
