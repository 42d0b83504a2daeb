//! Executes a block: a leaf for its begin, one for each transaction, one for its end.

mod error;
mod leaves;

pub use error::ExecuteError;

use crate::block::EthBlock;
#[cfg(feature = "engine")]
use crate::capture::Capture;
use crate::chain::ChainSpec;
use crate::leaf::LeafRecord;
use crate::recorder::Recorder;
use crate::tracing::BlockTracer;
#[cfg(feature = "engine")]
use crate::transition::StepsCommitment;
use crate::transition::TraceMode;
use crate::verify::BlockOutcome;
use alloc::borrow::Cow;
use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::Recovered;
use alloy_evm::block::{BlockExecutionError, BlockExecutor};
use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
use alloy_evm::eth::{
    EthBlockExecutionCtx, EthBlockExecutor, EthEvm, EthEvmBuilder, EthEvmContext,
};
use alloy_evm::precompiles::PrecompilesMap;
use alloy_evm::{Database, Evm, EvmEnv};
use alloy_primitives::Address;
#[cfg(feature = "engine")]
use alloy_primitives::B256;
use leaves::BlockLeaves;
#[cfg(feature = "engine")]
use qmtree_proofs::Scheme;
use revm::Inspector;
use revm::database::State;

/// A block to execute, with all that its execution depends on but the state.
#[derive(Clone, Copy, Debug)]
pub struct BlockInput<'a> {
    /// The rules.
    pub chain: &'a ChainSpec,
    /// The block.
    pub block: &'a EthBlock,
    /// The sender of each transaction.
    pub senders: &'a [Address],
    /// Whether to keep the changes of the block, for a state root or for the next block.
    pub keep_changes: bool,
}

/// A block that was executed.
#[derive(Debug)]
pub struct ExecutedBlock<DB, T> {
    /// What came of it.
    pub outcome: BlockOutcome,
    /// The state after it. Its bundle holds the changes, if they were to be kept.
    pub state: State<DB>,
    /// The tracer, ready for the next block.
    pub tracer: T,
}

/// A [`BlockTracer`] that can inspect execution on a database.
pub trait TracerFor<DB: Database>: BlockTracer + Inspector<EthEvmContext<Recorder<DB>>> {}

impl<DB: Database, T> TracerFor<DB> for T where
    T: BlockTracer + Inspector<EthEvmContext<Recorder<DB>>>
{
}

/// The `transitionHash` of the begin of a block, which binds the block, its rules and the mode.
///
/// # Errors
/// [`ExecuteError::Chain`] if there are no rules for it.
#[cfg(feature = "engine")]
pub(crate) fn begin_transition(
    chain: &ChainSpec,
    block: &EthBlock,
    mode: TraceMode,
) -> Result<B256, ExecuteError> {
    let header = &block.header;
    let spec = chain.spec_id(header.number, header.timestamp);
    let spec = spec.map_err(|source| ExecuteError::Chain {
        block: header.number,
        source,
    })?;
    let begin = BlockLeaves::new(chain, block, spec, mode).begin(Capture::default());
    let parts = begin.into_parts(Scheme::StateRoot1);
    let payload = parts.payload(B256::ZERO, &StepsCommitment::default());
    Ok(payload.transition_hash)
}

type Executor<'a, DB, T> = EthBlockExecutor<
    'a,
    EthEvm<Recorder<DB>, T, PrecompilesMap>,
    &'a ChainSpec,
    AlloyReceiptBuilder,
>;

/// Executes a block and hands out its leaves in order, n + 2 for n transactions.
///
/// The commitments to the transactions' steps are left to be asked of the tracer.
///
/// A leaf is handed out as soon as its transaction is done, so that its hashes can be made while
/// the next one runs. Nothing is checked against the header here but what execution itself
/// depends on: see [`check_outcome`](crate::check_outcome).
///
/// # Errors
/// [`ExecuteError`]: no rules for the block, an invalid transaction, a trace beyond its limits, or
/// a database that failed.
/// Leaves that were handed out before are of no use then.
pub fn execute_block<DB, T>(
    input: BlockInput<'_>,
    database: DB,
    tracer: T,
    mut each_leaf: impl FnMut(LeafRecord),
) -> Result<ExecutedBlock<DB, T>, ExecuteError>
where
    DB: Database,
    T: TracerFor<DB>,
{
    execute_block_reusing(input, database, tracer, |record| {
        each_leaf(record);
        None
    })
}

/// [`execute_block`], where `each_leaf` may give back a record that is done with, so that what a
/// thread has allocated is freed by no other: an allocator makes the two wait for each other.
pub(crate) fn execute_block_reusing<DB, T>(
    input: BlockInput<'_>,
    database: DB,
    tracer: T,
    mut each_leaf: impl FnMut(LeafRecord) -> Option<LeafRecord>,
) -> Result<ExecutedBlock<DB, T>, ExecuteError>
where
    DB: Database,
    T: TracerFor<DB>,
{
    let BlockInput {
        chain,
        block,
        senders,
        ..
    } = input;
    let header = &block.header;
    let number = header.number;
    if senders.len() != block.body.transactions.len() {
        return Err(ExecuteError::SenderCount {
            block: number,
            transactions: block.body.transactions.len(),
            senders: senders.len(),
        });
    }
    let spec = chain.spec_id(number, header.timestamp);
    let spec = spec.map_err(|source| ExecuteError::Chain {
        block: number,
        source,
    })?;
    let leaves = BlockLeaves::new(chain, block, spec, tracer.mode());
    let failed = |source| ExecuteError::System {
        block: number,
        source,
    };

    let mut executor = new_executor(input, database, tracer);
    executor.apply_pre_execution_changes().map_err(failed)?;
    each_leaf(leaves.begin(executor.evm.db_mut().take_capture()));

    let transactions = block.body.transactions.iter().zip(senders).enumerate();
    for (index, (tx, sender)) in transactions {
        let trace = |source| ExecuteError::Trace {
            block: number,
            index,
            source,
        };
        executor.evm.inspector_mut().begin_tx().map_err(trace)?;
        let recovered = Recovered::new_unchecked(tx, *sender);
        let result = executor.execute_transaction_without_commit(&recovered);
        let result = result.map_err(|source| ExecuteError::Transaction {
            block: number,
            index,
            hash: *tx.tx_hash(),
            source,
        })?;
        let outcome = crate::outcome::RawOutcome::new(&result.result.result, tx.input().clone());
        executor.commit_transaction(result);
        executor.evm.inspector_mut().end_tx().map_err(trace)?;
        let capture = executor.evm.db_mut().take_capture();
        if let Some(spent) = each_leaf(leaves.transaction(tx, *sender, capture, outcome)) {
            executor.evm.db_mut().reuse(spent.into_capture());
        }
    }

    finish(executor, spec, failed, |capture, outcome| {
        each_leaf(leaves.end(capture, outcome));
    })
}

fn new_executor<'a, DB, T>(input: BlockInput<'a>, database: DB, tracer: T) -> Executor<'a, DB, T>
where
    DB: Database,
    T: TracerFor<DB>,
{
    let BlockInput {
        chain,
        block,
        keep_changes,
        ..
    } = input;
    let (header, body) = (&block.header, &block.body);
    let state = State::builder()
        .with_database(database)
        .with_bundle_update_if(keep_changes)
        .build();
    let blobs = chain.blob_params(header.timestamp);
    let env = EvmEnv::for_eth_block(header, chain, chain.chain_id(), blobs);
    let evm = EthEvmBuilder::new(Recorder::new(state), env)
        .set_inspect(tracer.mode() != TraceMode::Outcome)
        .inspector(tracer)
        .build();
    let context = EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &body.ommers,
        withdrawals: body
            .withdrawals
            .as_deref()
            .map(|list| Cow::Borrowed(list.as_slice())),
        extra_data: header.extra_data.clone(),
        tx_count_hint: Some(body.transactions.len()),
        slot_number: header.slot_number,
    };
    EthBlockExecutor::new(evm, context, chain, AlloyReceiptBuilder::default())
}

/// Withdrawals, requests and rewards, and the leaf for them.
fn finish<DB, T>(
    executor: Executor<'_, DB, T>,
    spec: revm::primitives::hardfork::SpecId,
    failed: impl Fn(BlockExecutionError) -> ExecuteError,
    end: impl FnOnce(crate::capture::Capture, &BlockOutcome),
) -> Result<ExecutedBlock<DB, T>, ExecuteError>
where
    DB: Database,
    T: TracerFor<DB>,
{
    let (evm, result) = executor.finish().map_err(failed)?;
    let outcome = BlockOutcome {
        spec,
        receipts: result.receipts,
        requests: result.requests,
        gas_used: result.gas_used,
        blob_gas_used: result.blob_gas_used,
    };
    let inner = evm.into_inner();
    let tracer = inner.inspector;
    let mut recorder = inner.ctx.journaled_state.database;
    end(recorder.take_capture(), &outcome);
    Ok(ExecutedBlock {
        outcome,
        state: recorder.into_state(),
        tracer,
    })
}
