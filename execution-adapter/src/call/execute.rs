//! Executing a call on a state log.

use super::{CallError, CallTracer};
use crate::chain::ChainSpec;
use crate::leaf::{LeafRecord, Outcome};
use crate::outcome::RawOutcome;
use crate::recorder::Recorder;
use crate::state_item::root_over;
use crate::state_log::{ReadStateLog, StateLogDb, decode_header};
use crate::transition::{StepsCommitment, TraceMode, TransitionContext, TransitionKind};
use alloc::boxed::Box;
use alloc::string::ToString;
use alloy_consensus::Header;
use alloy_evm::eth::EthEvmBuilder;
use alloy_evm::{Evm as _, EvmEnv};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use core::fmt::Debug;
use qmtree_proofs::{LeafPayload, Scheme, TxNum};
use revm::context::TxEnv;
use revm::context::result::EVMError;
use revm::database::{DatabaseCommit as _, State};

/// A call: a transaction that nobody signed, that pays no fee, and that changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Who calls: any address without code (EIP-3607).
    pub from: Address,
    /// What is called.
    pub to: Address,
    /// Wei sent along; the caller must have it.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Gas limit, at most that of the block.
    pub gas: u64,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// Hash of the block in whose environment it ran.
    pub block_hash: B256,
    /// Number of that block.
    pub block_number: u64,
    /// 1 success, 0 revert, 2 and up halted: docs/FORMAT.md, section 8.3.
    pub status: u8,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// Return data, or revert data.
    pub output: Bytes,
    /// How much of the execution the leaf commits to.
    pub mode: TraceMode,
    /// The steps, in modes that have them.
    pub steps: StepsCommitment,
    /// What a leaf of the call would be: the root over its reads, the root over what it would have
    /// written, and the transition commitment. It is in no log.
    pub leaf: LeafPayload,
}

/// Executes a call on the state after `tx_num`, in the environment of that state's block. `None` as
/// gas is the block's gas limit.
///
/// # Errors
/// [`CallError`].
pub(crate) fn execute_call<R, T>(
    chain: &ChainSpec,
    tx_num: TxNum,
    request: &CallRequest,
    log: R,
    mut tracer: T,
) -> Result<CallOutcome, CallError>
where
    R: ReadStateLog + Debug,
    T: CallTracer<R>,
{
    let state = |error: Box<dyn core::error::Error + Send + Sync>| CallError::State(error);
    let log = StateLogDb::new(log);
    let header = log.header_rlp().map_err(|error| state(error.into()))?;
    let rlp = header.ok_or(CallError::NoBlock { tx_num })?;
    let header = decode_header(&rlp).map_err(CallError::Header)?;
    let spec = chain.spec_id(header.number, header.timestamp);
    let spec = spec.map_err(CallError::Chain)?;
    let account = log
        .account(request.from)
        .map_err(|error| state(error.into()))?;
    let context = TransitionContext {
        chain_id: chain.chain_id(),
        spec_id: spec as u8,
        block_number: header.number,
        subject: keccak256(&rlp),
        caller: request.from,
        target: Some(request.to),
        value: request.value,
        gas_limit: request.gas,
        nonce: account.map_or(0, |account| account.nonce),
        // With the outcome, whose record hashes it.
        input_hash: B256::ZERO,
    };

    let mode = tracer.mode();
    tracer.begin_tx().map_err(CallError::Trace)?;
    let recorder = Recorder::new(State::builder().with_database(log).build());
    let mut evm = EthEvmBuilder::new(recorder, environment(chain, &header))
        .set_inspect(mode != TraceMode::Outcome)
        .inspector(tracer)
        .build();
    let executed = evm.transact_raw(TxEnv {
        caller: request.from,
        gas_limit: request.gas,
        kind: TxKind::Call(request.to),
        value: request.value,
        data: request.data.clone(),
        nonce: context.nonce,
        chain_id: Some(chain.chain_id()),
        ..TxEnv::default()
    });
    let executed = executed.map_err(|error| match error {
        EVMError::Transaction(invalid) => CallError::Invalid {
            reason: invalid.to_string(),
        },
        EVMError::Database(error) => state(error.into()),
        other => CallError::Invalid {
            reason: other.to_string(),
        },
    })?;
    let raw = RawOutcome::new(&executed.result, request.data.clone());
    let output = executed.result.output().cloned().unwrap_or_default();
    let inner = evm.into_inner();
    let (mut tracer, mut recorder) = (inner.inspector, inner.ctx.journaled_state.database);
    tracer.end_tx().map_err(CallError::Trace)?;
    recorder.commit(executed.state);

    let record = LeafRecord {
        kind: TransitionKind::Call,
        mode,
        context,
        outcome: Outcome::Raw(raw),
        capture: recorder.take_capture(),
    };
    let parts = record.into_parts(Scheme::ReadSet1);
    let steps = tracer.commitments().map_err(CallError::Trace)?;
    let steps = steps.first().copied().unwrap_or_default();
    Ok(CallOutcome {
        block_hash: context.subject,
        block_number: header.number,
        status: parts.outcome.status,
        gas_used: parts.outcome.gas_used,
        output,
        mode,
        steps,
        leaf: parts.payload(root_over(&parts.access.reads), &steps),
    })
}

/// The environment of the block, for a call that pays no fee: the base fee reads as zero, as geth
/// has it, and gas is not capped by EIP-7825.
fn environment(chain: &ChainSpec, header: &Header) -> EvmEnv {
    let blobs = chain.blob_params(header.timestamp);
    let mut env = EvmEnv::for_eth_block(header, chain, chain.chain_id(), blobs);
    env.block_env.basefee = 0;
    env.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
    env
}
