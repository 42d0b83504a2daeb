//! The state root after a block.

use super::database::WitnessDb;
use super::error::WitnessError;
use crate::mpt::{AccountChange, AccountFields};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloy_primitives::{Address, B256};
use revm::database::{BundleAccount, BundleState};

impl WitnessDb {
    /// Writes what the block changed and returns the state root after it. To be called once, when
    /// the whole block has run.
    ///
    /// # Errors
    /// What [`failure`](Self::failure) shows, if the block met anything that was missing;
    /// [`WitnessError::PostState`] if a node is missing that only the new root needs: on the way to a
    /// value that was written and not read, or the last child of a branch.
    pub fn post_state_root(&mut self, bundle: &BundleState) -> Result<B256, WitnessError> {
        if let Some(failure) = self.failure().get() {
            return Err(failure.clone());
        }
        let accounts = bundle.state.iter();
        let changes: BTreeMap<Address, AccountChange> = accounts
            .map(|(address, account)| (*address, change(account)))
            .collect();
        let root = self.state.apply(&changes);
        let root = root.map_err(|error| WitnessError::PostState(Box::new(error)));
        self.failure.note(root)
    }
}

fn change(account: &BundleAccount) -> AccountChange {
    let storage_wiped = account.was_destroyed();
    let slots = account.storage.iter();
    // The old values of a wiped storage say nothing: what is there now was written after it.
    let changed = slots.filter(|(_, slot)| storage_wiped || slot.is_changed());
    let fields = |info: &revm::state::AccountInfo| AccountFields {
        nonce: info.nonce,
        balance: info.balance,
        code_hash: info.code_hash,
    };
    AccountChange {
        account: account.info.as_ref().map(fields),
        storage_wiped,
        storage: changed
            .map(|(slot, value)| (*slot, value.present_value))
            .collect(),
    }
}
