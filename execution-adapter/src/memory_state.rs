//! A state in memory: the accounts that a file gives, or all of a small chain.

use crate::capture::StateAccess;
use crate::state_item::{AccountValue, StateItem};
use crate::state_log::bytecode;
use crate::verify::StateScope;
use alloc::vec::Vec;
use alloy_primitives::map::{AddressMap, B256Map, HashMap};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use core::fmt;
use revm::database::{BundleState, DBErrorMarker, Database};
use revm::state::{AccountInfo, Bytecode};

/// Accounts, storage, code and block hashes in memory.
///
/// What is not there reads as a state does: no account, zero. Only the hash of a block that was
/// not given is an error.
#[derive(Clone, Debug)]
pub struct MemoryState {
    accounts: AddressMap<MemoryAccount>,
    codes: B256Map<Bytecode>,
    block_hashes: HashMap<u64, B256>,
    scope: StateScope,
}

#[derive(Clone, Debug)]
struct MemoryAccount {
    value: AccountValue,
    storage: HashMap<U256, U256>,
}

/// Why a [`MemoryState`] has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryStateError {
    /// BLOCKHASH of a block whose hash was not given.
    UnknownBlockHash {
        /// Number of that block.
        number: u64,
    },
    /// An account has this code, and the code was not given.
    UnknownCode {
        /// Keccak-256 of the code.
        hash: B256,
    },
}

impl MemoryState {
    /// A state without accounts.
    #[must_use]
    pub fn new(scope: StateScope) -> Self {
        Self {
            accounts: AddressMap::default(),
            codes: B256Map::default(),
            block_hashes: HashMap::default(),
            scope,
        }
    }

    /// Whether this is all of a chain's state.
    #[must_use]
    pub fn scope(&self) -> StateScope {
        self.scope
    }

    /// Adds an account, in place of one with the same address.
    pub fn insert_account(
        &mut self,
        address: Address,
        balance: U256,
        nonce: u64,
        code: Bytes,
        storage: impl IntoIterator<Item = (U256, U256)>,
    ) {
        let code_hash = if code.is_empty() {
            KECCAK256_EMPTY
        } else {
            keccak256(&code)
        };
        if !code.is_empty() {
            self.codes.insert(code_hash, bytecode(code));
        }
        let value = AccountValue {
            nonce,
            balance,
            code_hash,
        };
        let storage = storage
            .into_iter()
            .filter(|(_, value)| !value.is_zero())
            .collect();
        self.accounts
            .insert(address, MemoryAccount { value, storage });
    }

    /// Adds the hash of a block, for BLOCKHASH. Those that it can no longer reach are dropped.
    pub fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
        if self.block_hashes.len() > 2 * BLOCK_HASHES {
            let oldest = number.saturating_sub(BLOCK_HASHES as u64);
            self.block_hashes.retain(|number, _| *number >= oldest);
        }
    }

    /// All of it, as if it had just been written. Sorts it.
    #[must_use]
    pub fn as_writes(&self) -> StateAccess {
        let mut writes = Vec::new();
        for (address, account) in &self.accounts {
            writes.push(StateItem::Account(*address, Some(account.value)));
            if let Some(hash) = account.value.code() {
                writes.push(StateItem::Code(*address, Some(hash)));
            }
            let slots = account.storage.iter();
            writes.extend(
                slots.map(|(slot, value)| StateItem::Storage(*address, (*slot).into(), *value)),
            );
        }
        writes.sort_unstable_by_key(StateItem::key);
        let codes = self.codes.iter();
        let mut codes: Vec<_> = codes
            .map(|(hash, code)| (*hash, code.original_bytes()))
            .collect();
        codes.sort_unstable_by_key(|(hash, _)| *hash);
        StateAccess {
            writes,
            codes,
            ..StateAccess::default()
        }
    }

    /// The hashes of blocks that are known, by number.
    #[cfg(feature = "engine")]
    pub(crate) fn block_hashes(&self) -> impl Iterator<Item = (u64, B256)> + '_ {
        let hashes = self.block_hashes.iter();
        hashes.map(|(number, hash)| (*number, *hash))
    }

    /// Applies the changes of a block.
    pub fn apply(&mut self, changes: &BundleState) {
        for (hash, code) in &changes.contracts {
            self.codes.insert(*hash, code.clone());
        }
        for (address, change) in &changes.state {
            let Some(info) = &change.info else {
                self.accounts.remove(address);
                continue;
            };
            let account = self
                .accounts
                .entry(*address)
                .or_insert_with(MemoryAccount::empty);
            account.value = AccountValue::from(info);
            if change.was_destroyed() {
                account.storage.clear();
            }
            for (slot, value) in &change.storage {
                if value.present_value.is_zero() {
                    account.storage.remove(slot);
                } else {
                    account.storage.insert(*slot, value.present_value);
                }
            }
        }
    }

    /// Ethereum's state root of all accounts. Hashes the whole state: for small chains.
    #[must_use]
    pub fn state_root(&self) -> B256 {
        state_root_unhashed(self.accounts.iter().map(|(address, account)| {
            let slots = account.storage.iter();
            let slots = slots.map(|(slot, value)| (B256::from(*slot), *value));
            let account = TrieAccount {
                nonce: account.value.nonce,
                balance: account.value.balance,
                storage_root: storage_root_unhashed(slots),
                code_hash: account.value.code_hash,
            };
            (*address, account)
        }))
    }
}

/// How many blocks back BLOCKHASH reaches.
const BLOCK_HASHES: usize = 256;

impl MemoryAccount {
    fn empty() -> Self {
        let value = AccountValue {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK256_EMPTY,
        };
        Self {
            value,
            storage: HashMap::default(),
        }
    }
}

impl Database for MemoryState {
    type Error = MemoryStateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.accounts.get(&address).map(|account| AccountInfo {
            balance: account.value.balance,
            nonce: account.value.nonce,
            code_hash: account.value.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.codes.get(&hash).cloned();
        code.ok_or(MemoryStateError::UnknownCode { hash })
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        let account = self.accounts.get(&address);
        let value = account.and_then(|account| account.storage.get(&slot));
        Ok(value.copied().unwrap_or_default())
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        let hash = self.block_hashes.get(&number).copied();
        hash.ok_or(MemoryStateError::UnknownBlockHash { number })
    }
}

impl fmt::Display for MemoryStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownBlockHash { number } => {
                write!(
                    f,
                    "the hash of block {number} was asked for, and is not given"
                )
            }
            Self::UnknownCode { hash } => write!(f, "the code with hash {hash} is not given"),
        }
    }
}

impl core::error::Error for MemoryStateError {}
impl DBErrorMarker for MemoryStateError {}
