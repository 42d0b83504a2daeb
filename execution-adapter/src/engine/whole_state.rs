//! All of a chain's state, from the lists in its log.

use crate::engine::error::RunError;
use crate::memory_state::MemoryState;
use crate::state_log::{ReadStateLog, StateLogDb, StateLogError, accounts, slots_of};
use crate::verify::StateScope;
use alloy_primitives::U256;

/// All accounts, slots and codes of a state log that began with a whole state; `None` if it did not.
///
/// Costs a lookup for each account and slot that there ever was, and memory for those that are: for
/// development chains, and to compare a state with one known from elsewhere.
///
/// # Errors
/// [`RunError::StateLog`] if the log cannot be read, or does not hold together.
pub fn whole_state<R>(log: &R) -> Result<Option<MemoryState>, RunError>
where
    R: ReadStateLog<Error = qmtree::Error>,
{
    read(log).map_err(|source| RunError::StateLog { source })
}

fn read<R: ReadStateLog>(log: &R) -> Result<Option<MemoryState>, StateLogError<R::Error>> {
    let Some(addresses) = accounts(log)? else {
        return Ok(None);
    };
    let log = StateLogDb::new(log);
    let mut state = MemoryState::new(StateScope::Complete);
    for address in addresses {
        let Some(account) = log.account(address)? else {
            continue;
        };
        let mut storage = Vec::new();
        for slot in slots_of(log.log(), address)? {
            storage.push((U256::from_be_bytes(slot.0), log.slot(address, slot)?));
        }
        let code = log.code(account.code_hash)?;
        state.insert_account(address, account.balance, account.nonce, code, storage);
    }
    Ok(Some(state))
}
