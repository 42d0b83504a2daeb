//! Calls on a database, with proofs of what they read.

use crate::call::{
    CallError, CallOutcome, CallProof, CallRequest, CallTracer, Noted, ReadValue, check_identity,
    execute_call,
};
use crate::chain::ChainSpec;
use crate::engine::past::StateAt;
use crate::state_log::{StateLogDb, decode_header, keeps_all};
use alloy_primitives::B256;
use qmtree::View;
use qmtree::proofs::TxNum;

/// The state that a call of [`prove_call`] runs on.
pub type CallState = Noted<StateAt>;

/// Executes a call on the state after `tx_num`, and proves all that it read under the view's head.
///
/// Gas 0 stands for the gas limit of the block. Nothing is written. Costs the execution and a proof
/// of each value, with shared nodes once.
///
/// # Errors
/// [`CallError`]: of a call that is not valid, of a transaction number that there is not
/// ([`CallError::State`]), of a log without state or of another chain.
pub fn prove_call<T>(
    view: &View,
    chain: &ChainSpec,
    tx_num: TxNum,
    request: &CallRequest,
    tracer: T,
) -> Result<(CallProof, CallOutcome), CallError>
where
    T: for<'a> CallTracer<&'a CallState>,
{
    check_identity(view.head(), chain)?;
    let past = StateAt::new(view.clone(), tx_num);
    let mut request = request.clone();
    if request.gas == 0 {
        request.gas = block_gas(&past, tx_num)?;
    }
    let noted = Noted::new(past);
    let outcome = execute_call(chain, tx_num, &request, &noted, tracer)?;
    let values = noted.into_values().into_iter();
    let values: Vec<ReadValue> = values
        .map(|(key, value)| ReadValue {
            key,
            value: value.map(Into::into),
        })
        .collect();
    let keys: Vec<B256> = values.iter().map(|read| read.key).collect();
    let proof = view.prove_states(&keys, Some(tx_num));
    let proof = CallProof {
        tx_num,
        request,
        mode: outcome.mode,
        output: outcome.output.clone(),
        leaf: outcome.leaf,
        values,
        proof: proof.map_err(|error| CallError::State(error.into()))?,
    };
    Ok((proof, outcome))
}

/// Whether the log of a view has all of its chain's state, so that what it lacks is nothing there.
///
/// False of a log that began with the state of a block file: what the file left out reads as nothing,
/// whatever it is on the chain. A proof of a call does not show which of the two its log is.
///
/// # Errors
/// [`CallError::State`] if the log cannot be read.
pub fn has_whole_state(view: &View) -> Result<bool, CallError> {
    keeps_all(view).map_err(|error| CallError::State(error.into()))
}

/// The gas limit of the block whose state it is.
fn block_gas(past: &StateAt, tx_num: TxNum) -> Result<u64, CallError> {
    let header = StateLogDb::new(past).header_rlp();
    let header = header.map_err(|error| CallError::State(error.into()))?;
    let header = header.ok_or(CallError::NoBlock { tx_num })?;
    Ok(decode_header(&header).map_err(CallError::Header)?.gas_limit)
}
