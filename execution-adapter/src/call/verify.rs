//! Verifying a call, offline.

use super::execute::{CallOutcome, execute_call};
use super::noted::Noted;
use super::proof::{CallProof, ReadValue};
use super::{CallError, CallTracer};
use crate::chain::ChainSpec;
use crate::state_log::ReadStateLog;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use core::fmt;
use qmtree_proofs::state::{Entry, ProvenState};
use qmtree_proofs::{Head, Scheme};

/// Checks the proof of a call against a head and the rules of the chain, both of which the caller
/// trusts, by executing it again on the proven values alone.
///
/// What a caller wants to know is in the proof: the call, the transaction number that it ran after,
/// and the output. So compare these with what was asked for. The tracer must have the mode of the
/// proof, and of a `full` trace the hash profile that it was made with, which is the head's.
/// Safe on untrusted input: it costs the gas of the call, which is at most that of a block.
///
/// # Errors
/// [`CallError`].
pub fn verify_call<T>(
    head: &Head,
    chain: &ChainSpec,
    proof: &CallProof,
    tracer: T,
) -> Result<CallOutcome, CallError>
where
    T: for<'a> CallTracer<&'a Noted<ProvenValues>>,
{
    check_identity(head, chain)?;
    let state = proof.proof.verify_all(head, Some(proof.tx_num));
    let state = state.map_err(CallError::Proof)?;
    let values = Noted::new(ProvenValues::check(&proof.values, &state)?);
    let outcome = execute_call(chain, proof.tx_num, &proof.request, &values, tracer)?;
    let used = values.into_values();
    if let Some(read) = proof
        .values
        .iter()
        .find(|read| !used.contains_key(&read.key))
    {
        return Err(CallError::Surplus { key: read.key });
    }
    let differs = |what| Err(CallError::OtherResult { what });
    if outcome.output != proof.output {
        return differs("output");
    }
    if outcome.mode != proof.mode {
        return differs("mode of trace");
    }
    if outcome.leaf.pre_state_hash != proof.leaf.pre_state_hash {
        return differs("preStateHash");
    }
    if outcome.leaf.state_change_hash != proof.leaf.state_change_hash {
        return differs("stateChangeHash");
    }
    if outcome.leaf.transition_hash != proof.leaf.transition_hash {
        return differs("transitionHash");
    }
    Ok(outcome)
}

/// Checks that head and rules are of one chain that keeps a state.
pub(crate) fn check_identity(head: &Head, chain: &ChainSpec) -> Result<(), CallError> {
    if head.scheme != Scheme::StateRoot1 {
        return Err(CallError::Scheme { found: head.scheme });
    }
    let (head, rules) = (head.chain_id, chain.chain_id());
    if head != rules {
        return Err(CallError::OtherChain { head, rules });
    }
    Ok(())
}

/// Values that follow from a head.
#[derive(Debug)]
pub struct ProvenValues(BTreeMap<B256, Option<Bytes>>);

/// A value that was asked for and that the proof does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotProven {
    key: B256,
}

impl ProvenValues {
    /// Takes values that ascend by key, are those of the state, and use up all that it proves.
    fn check(values: &[ReadValue], state: &ProvenState) -> Result<Self, CallError> {
        // Keys and entries ascend, so those that show the keys come up one after the other.
        let mut shown = 0;
        let mut last = None;
        for ReadValue { key, value } in values {
            if last.replace(*key).is_some_and(|last| last >= *key) {
                return Err(CallError::Surplus { key: *key });
            }
            let found = state.get(key).map_err(CallError::Proof)?;
            let holds = match (found, value) {
                (Some(entry), Some(value)) => entry.holds(value),
                (None, None) => true,
                _ => false,
            };
            if !holds {
                return Err(CallError::OtherValue { key: *key });
            }
            // What shows the key or its absence: the largest key up to it.
            let behind = state.entries().partition_point(|entry| entry.key <= *key);
            if behind > shown + 1 {
                return Err(surplus(state.entries().get(shown)));
            }
            shown = behind;
        }
        if let Some(entry) = state.entries().get(shown) {
            return Err(surplus(Some(entry)));
        }
        let values = values.iter();
        Ok(Self(
            values.map(|read| (read.key, read.value.clone())).collect(),
        ))
    }
}

/// An entry that shows none of the keys.
fn surplus(entry: Option<&Entry>) -> CallError {
    CallError::Surplus {
        key: entry.map_or(B256::ZERO, |entry| entry.key),
    }
}

impl ReadStateLog for ProvenValues {
    type Error = NotProven;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, NotProven> {
        match self.0.get(key) {
            Some(value) => Ok(value.as_ref().map(|value| value.to_vec())),
            None => Err(NotProven { key: *key }),
        }
    }
}

impl fmt::Display for NotProven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the call reads key {}, which the proof does not have",
            self.key
        )
    }
}

impl core::error::Error for NotProven {}
