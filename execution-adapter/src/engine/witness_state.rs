//! The state that a block reads, out of its execution witness.

use super::witness_file::WitnessedBlock;
use crate::engine::error::RunError;
use crate::engine::leaves::execute_to_leaves;
use crate::execute::BlockInput;
use crate::leaf::ReadSet;
use crate::memory_state::MemoryState;
use crate::state_item::{AccountValue, StateItem, StateKey};
use crate::tracing::NoTracer;
use crate::verify::StateScope;
use crate::witness::{Ancestors, WitnessError};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use std::collections::BTreeMap;

/// Why there is no such state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessStateError {
    /// The witness does not serve.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The block cannot be executed from it.
    #[error(transparent)]
    Run(#[from] Box<RunError>),
}

impl WitnessedBlock {
    /// Executes the block from its witness, and returns the accounts, slots and codes that it read,
    /// as they were before it: a state that the block can be executed on in place of the witness.
    /// An account whose code is not in the witness, as nobody runs it, comes without.
    ///
    /// # Errors
    /// [`WitnessStateError`].
    pub fn state_read(&self) -> Result<MemoryState, WitnessStateError> {
        let prepared = &self.prepared;
        let header = &prepared.block.header;
        let input = BlockInput {
            chain: &prepared.chain,
            block: &prepared.block,
            senders: &prepared.senders,
            keep_changes: false,
        };
        let executed = execute_to_leaves(input, self.state()?, NoTracer, &mut ReadSet);
        let parts = executed.map_err(Box::new)?.parts;
        let mut reads: BTreeMap<StateKey, StateItem> = BTreeMap::new();
        for parts in &parts {
            for item in &parts.access.reads {
                reads.entry(item.key()).or_insert(*item);
            }
            // What a leaf writes without a read was not there before.
            for item in &parts.access.writes {
                reads.entry(item.key()).or_insert(nothing(item));
            }
        }
        let codes = self.witness.codes.iter();
        let codes: BTreeMap<B256, &Bytes> = codes.map(|code| (keccak256(code), code)).collect();
        let mut state = MemoryState::new(StateScope::Transactions);
        let mut accounts: BTreeMap<Address, (AccountValue, Vec<(U256, U256)>)> = BTreeMap::new();
        for item in reads.values() {
            match *item {
                StateItem::Account(address, Some(value)) => {
                    accounts.insert(address, (value, Vec::new()));
                }
                StateItem::Storage(address, slot, value) if !value.is_zero() => {
                    if let Some((_, slots)) = accounts.get_mut(&address) {
                        slots.push((slot.into(), value));
                    }
                }
                _ => {}
            }
        }
        for (address, (value, slots)) in accounts {
            let code = codes.get(&value.code_hash);
            let code = code.map(|code| (*code).clone()).unwrap_or_default();
            state.insert_account(address, value.balance, value.nonce, code, slots);
        }
        let ancestors = Ancestors::verify(header, &self.witness.headers)?;
        for number in header.number.saturating_sub(256)..header.number {
            let claimed = self.claims.block_hashes.get(&number).copied();
            if let Some(hash) = ancestors.hash(number).or(claimed) {
                state.insert_block_hash(number, hash);
            }
        }
        Ok(state)
    }
}

fn nothing(item: &StateItem) -> StateItem {
    match *item {
        StateItem::Account(address, _) => StateItem::Account(address, None),
        StateItem::Storage(address, slot, _) => StateItem::Storage(address, slot, U256::ZERO),
        StateItem::Code(address, _) => StateItem::Code(address, None),
    }
}
