//! The state: accounts, and the storage of those in use.

use super::error::{TrieError, TrieFault, TrieName};
use super::node_set::NodeSet;
use super::trie::{Trie, settle};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};

/// The state under a state root, as far as the nodes in hand show it.
#[derive(Clone, Debug)]
pub struct SparseState {
    nodes: NodeSet,
    accounts: Trie,
    storages: BTreeMap<Address, Trie>,
}

/// What a block made of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account, or nothing if it is gone.
    pub account: Option<AccountFields>,
    /// Whether its storage is gone, before `storage` is written.
    pub storage_wiped: bool,
    /// Slots and their new values.
    pub storage: Vec<(U256, U256)>,
}

/// The fields of an account beside its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountFields {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Keccak-256 of the code.
    pub code_hash: B256,
}

impl SparseState {
    /// The state with this root. Nothing is read yet.
    #[must_use]
    pub fn new(state_root: B256, nodes: NodeSet) -> Self {
        Self {
            nodes,
            accounts: Trie::new(TrieName::Accounts, state_root),
            storages: BTreeMap::new(),
        }
    }

    /// The nodes, with the knowledge of which were used.
    #[must_use]
    pub const fn nodes(&self) -> &NodeSet {
        &self.nodes
    }

    /// The account, or nothing if the trie proves that there is none.
    ///
    /// # Errors
    /// [`TrieError`] if a node is missing, or is none, or does not hold an account.
    pub fn account(&mut self, address: Address) -> Result<Option<TrieAccount>, TrieError> {
        let key = keccak256(address);
        let Some(mut value) = self.accounts.get(&mut self.nodes, &key)? else {
            return Ok(None);
        };
        let account = TrieAccount::decode(&mut value).and_then(|account| whole(account, value));
        account
            .map(Some)
            .map_err(|error| value_error(TrieName::Accounts, &key, error))
    }

    /// The value of a storage slot; zero if the trie proves that there is none.
    ///
    /// # Errors
    /// [`TrieError`] as for [`account`](Self::account).
    pub fn storage(&mut self, address: Address, slot: U256) -> Result<U256, TrieError> {
        let key = keccak256(slot.to_be_bytes::<32>());
        let root = match self.storages.contains_key(&address) {
            true => EMPTY_ROOT_HASH,
            false => self.storage_root(address)?,
        };
        let name = TrieName::Storage(address);
        let storage = self.storages.entry(address);
        let trie = storage.or_insert_with(|| Trie::new(name, root));
        let Some(mut value) = trie.get(&mut self.nodes, &key)? else {
            return Ok(U256::ZERO);
        };
        let word = U256::decode(&mut value).and_then(|word| whole(word, value));
        word.map_err(|error| value_error(name, &key, error))
    }

    /// Writes what a block changed and returns the new state root.
    ///
    /// Writes come before removals in every trie, so that as few nodes as possible are needed; see
    /// [`Trie::remove`].
    ///
    /// # Errors
    /// [`TrieError`] if a node is missing or is none. What is held then is part old and part new:
    /// drop it.
    pub fn apply(&mut self, changes: &BTreeMap<Address, AccountChange>) -> Result<B256, TrieError> {
        for (address, change) in changes {
            self.write_storage(*address, change)?;
        }
        let mut storages: Vec<&mut Trie> = self.storages.values_mut().collect();
        settle(&mut storages);
        for (address, change) in changes {
            if let Some(fields) = change.account {
                let account = self.with_storage_root(*address, change, fields)?;
                let value = alloy_rlp::encode(account);
                let key = keccak256(address);
                self.accounts.insert(&mut self.nodes, &key, value)?;
            }
        }
        for (address, change) in changes {
            if change.account.is_none() {
                self.accounts.remove(&mut self.nodes, &keccak256(address))?;
                self.storages.remove(address);
            }
        }
        Ok(self.accounts.root())
    }

    fn write_storage(&mut self, address: Address, change: &AccountChange) -> Result<(), TrieError> {
        let untouched = change.storage.is_empty() && !change.storage_wiped;
        if change.account.is_none() || untouched {
            return Ok(());
        }
        let name = TrieName::Storage(address);
        if change.storage_wiped {
            self.storages
                .insert(address, Trie::new(name, EMPTY_ROOT_HASH));
        } else if !self.storages.contains_key(&address) {
            let root = self.storage_root(address)?;
            self.storages.insert(address, Trie::new(name, root));
        }
        let Some(trie) = self.storages.get_mut(&address) else {
            return Ok(());
        };
        let (removals, writes): (Vec<_>, Vec<_>) = change
            .storage
            .iter()
            .partition(|(_, value)| value.is_zero());
        for (slot, value) in writes {
            let key = keccak256(slot.to_be_bytes::<32>());
            trie.insert(&mut self.nodes, &key, alloy_rlp::encode(value))?;
        }
        for (slot, _) in removals {
            trie.remove(&mut self.nodes, &keccak256(slot.to_be_bytes::<32>()))?;
        }
        Ok(())
    }

    fn with_storage_root(
        &mut self,
        address: Address,
        change: &AccountChange,
        fields: AccountFields,
    ) -> Result<TrieAccount, TrieError> {
        let storage_root = match self.storages.get_mut(&address) {
            Some(trie) => trie.root(),
            None if change.storage_wiped => EMPTY_ROOT_HASH,
            None => self.storage_root(address)?,
        };
        let AccountFields {
            nonce,
            balance,
            code_hash,
        } = fields;
        Ok(TrieAccount::new(nonce, balance, storage_root, code_hash))
    }

    /// The storage root that the account's leaf names.
    fn storage_root(&mut self, address: Address) -> Result<B256, TrieError> {
        let account = self.account(address)?;
        Ok(account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root))
    }
}

/// `value` if nothing is left behind it.
fn whole<T>(value: T, rest: &[u8]) -> alloy_rlp::Result<T> {
    match rest {
        [] => Ok(value),
        _ => Err(alloy_rlp::Error::UnexpectedLength),
    }
}

fn value_error(trie: TrieName, key: &B256, error: alloy_rlp::Error) -> TrieError {
    TrieError {
        trie,
        path: Nibbles::unpack_array(&key.0),
        fault: TrieFault::Value(error),
    }
}
