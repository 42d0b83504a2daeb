//! What benches compare with: the same blocks without anything of ours, and a tracer that hashes
//! everything at every step.

use crate::execute::{BlockInput, ExecuteError};
use crate::trace::TraceError;
use crate::tracing::BlockTracer;
use crate::transition::{StepsCommitment, TraceMode};
use alloy_consensus::transaction::Recovered;
use alloy_evm::block::{BlockExecutionError, BlockExecutor};
use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
use alloy_evm::eth::{EthBlockExecutionCtx, EthBlockExecutor, EthEvmBuilder};
use alloy_evm::{Database, EvmEnv};
use alloy_primitives::{B256, keccak256};
use revm::Inspector;
use revm::database::State;
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::MemoryTr;
use std::borrow::Cow;
use std::vec::Vec;

/// Executes a block with revm and alloy-evm alone: no reads or writes captured, no leaves, no
/// checks. Returns the gas used.
///
/// # Errors
/// [`ExecuteError::System`], whatever failed.
pub fn execute_plain<DB: Database>(
    input: BlockInput<'_>,
    database: DB,
) -> Result<u64, ExecuteError> {
    let block = input.block.header.number;
    run_plain(input, database).map_err(|source| ExecuteError::System { block, source })
}

fn run_plain<DB: Database>(
    input: BlockInput<'_>,
    database: DB,
) -> Result<u64, BlockExecutionError> {
    let BlockInput {
        chain,
        block,
        senders,
        keep_changes,
    } = input;
    let (header, body) = (&block.header, &block.body);
    let state = State::builder()
        .with_database(database)
        .with_bundle_update_if(keep_changes)
        .build();
    let blobs = chain.blob_params(header.timestamp);
    let env = EvmEnv::for_eth_block(header, chain, chain.chain_id(), blobs);
    let evm = EthEvmBuilder::new(state, env).build();
    let withdrawals = body.withdrawals.as_deref();
    let context = EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &body.ommers,
        withdrawals: withdrawals.map(|list| Cow::Borrowed(list.as_slice())),
        extra_data: header.extra_data.clone(),
        tx_count_hint: Some(body.transactions.len()),
        slot_number: header.slot_number,
    };
    let builder = AlloyReceiptBuilder::default();
    let mut executor = EthBlockExecutor::new(evm, context, chain, builder);
    executor.apply_pre_execution_changes()?;
    for (tx, sender) in body.transactions.iter().zip(senders) {
        let recovered = Recovered::new_unchecked(tx, *sender);
        let result = executor.execute_transaction_without_commit(&recovered)?;
        executor.commit_transaction(result);
    }
    let (_, result) = executor.finish()?;
    Ok(result.gas_used)
}

/// Keccak-256 of the whole stack and the whole memory at each step, one after the other: what a
/// step commitment costs without deltas, lanes and threads. It commits to nothing of use.
#[derive(Debug, Default)]
pub struct HashEverything {
    rolling: B256,
    count: u64,
    ended: Vec<StepsCommitment>,
    bytes: Vec<u8>,
}

impl BlockTracer for HashEverything {
    fn mode(&self) -> TraceMode {
        TraceMode::Full
    }

    fn begin_tx(&mut self) -> Result<(), TraceError> {
        self.rolling = B256::ZERO;
        self.count = 0;
        Ok(())
    }

    fn end_tx(&mut self) -> Result<(), TraceError> {
        self.ended.push(StepsCommitment {
            root: self.rolling,
            count: self.count,
        });
        Ok(())
    }

    fn abandon_tx(&mut self) {}

    fn commitments(&mut self) -> Result<Vec<StepsCommitment>, TraceError> {
        Ok(core::mem::take(&mut self.ended))
    }
}

impl<CTX> Inspector<CTX, EthInterpreter> for HashEverything {
    fn step(&mut self, interp: &mut Interpreter<EthInterpreter>, _: &mut CTX) {
        self.bytes.clear();
        for item in interp.stack.data() {
            self.bytes.extend_from_slice(&item.to_be_bytes::<32>());
        }
        let stack = keccak256(&self.bytes);
        let memory = keccak256(&*interp.memory.slice(0..interp.memory.size()));
        self.rolling = keccak256([self.rolling, stack, memory].concat());
        self.count += 1;
    }
}
