//! A state that notes what is asked of it and what is committed to it.

use crate::capture::Capture;
use crate::state_item::{AccountValue, StateItem};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, map::B256Map};
use revm::database::{Database, DatabaseCommit, State};
use revm::primitives::AddressMap;
use revm::state::{Account, AccountId, AccountInfo, Bytecode};

/// Stands between the EVM and the state of the block, so that it sees the reads of each
/// transaction, also of what an earlier one of the block has loaded already.
///
/// Accounts are handed out without their code. So each use of code is a request of its own, and
/// does not depend on who loaded or made the account before.
#[derive(Debug)]
pub struct Recorder<DB> {
    state: State<DB>,
    capture: Capture,
    /// One that is done with, and has room.
    spare: Option<Capture>,
    /// Code made in this block, which the database below may not have.
    new_codes: B256Map<Bytecode>,
}

impl<DB> Recorder<DB> {
    pub(crate) fn new(state: State<DB>) -> Self {
        Self {
            state,
            capture: Capture::default(),
            spare: None,
            new_codes: B256Map::default(),
        }
    }

    /// What was noted since the last call.
    pub(crate) fn take_capture(&mut self) -> Capture {
        let next = self.spare.take();
        let next = next.unwrap_or_else(|| self.capture.as_large());
        core::mem::replace(&mut self.capture, next)
    }

    /// Takes back the room of what was noted earlier.
    pub(crate) fn reuse(&mut self, mut spent: Capture) {
        spent.clear();
        self.spare = Some(spent);
    }

    pub(crate) fn into_state(self) -> State<DB> {
        self.state
    }
}

impl<DB: Database> Database for Recorder<DB> {
    type Error = <State<DB> as Database>::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let mut info = self.state.basic(address)?;
        if let Some(info) = &mut info {
            info.code = None;
        }
        let value = info.as_ref().map(AccountValue::from);
        self.capture.read(StateItem::Account(address, value));
        Ok(info)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        match self.new_codes.get(&code_hash) {
            Some(code) => Ok(code.clone()),
            None => self.state.code_by_hash(code_hash),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        let value = Database::storage(&mut self.state, address, slot)?;
        let item = StateItem::Storage(address, B256::from(slot), value);
        self.capture.read(item);
        Ok(value)
    }

    fn storage_by_account_id(
        &mut self,
        address: Address,
        _: AccountId,
        slot: U256,
    ) -> Result<U256, Self::Error> {
        self.storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.state.block_hash(number)
    }
}

impl<DB: Database> DatabaseCommit for Recorder<DB> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        for (address, account) in &changes {
            self.note(*address, account);
        }
        self.state.commit(changes);
    }
}

impl<DB> Recorder<DB> {
    /// Notes what became of an account that the EVM had loaded.
    fn note(&mut self, address: Address, account: &Account) {
        self.note_code(address, account);
        // revm leaves an account alone that nothing touched.
        if !account.is_touched() {
            return;
        }
        if account.is_selfdestructed() {
            self.capture.write_account(address, None);
            self.capture.destroy(address);
            return;
        }
        // EIP-161: what was touched and is empty goes. Before that fork the EVM marks what stays.
        let gone = account.is_empty() && !account.is_created();
        let value = (!gone).then(|| AccountValue::from(&account.info));
        self.capture.write_account(address, value);
        for (slot, value) in account.changed_storage_slots() {
            let (before, after) = (value.original_value, value.present_value);
            self.capture
                .write_slot(address, B256::from(*slot), before, after);
        }
    }

    /// Code that was loaded is a read; code that is new is kept.
    fn note_code(&mut self, address: Address, account: &Account) {
        let Some(code) = &account.info.code else {
            return;
        };
        let before = account.original_info().code_hash;
        if before != KECCAK256_EMPTY && before != B256::ZERO {
            self.capture.read(StateItem::Code(address, Some(before)));
        }
        let after = account.info.code_hash;
        if after != before && after != KECCAK256_EMPTY {
            self.capture.new_code(after, code.original_bytes());
            self.new_codes.insert(after, code.clone());
        }
    }
}
