//! The state before a test and the root of the state after it.

use super::unit::PreAccount;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use core::convert::Infallible;
use revm::DatabaseRef;
use revm::primitives::hardfork::SpecId;
use revm::state::{Account, AccountInfo, Bytecode, EvmState};
use std::collections::BTreeMap;

type Storage = BTreeMap<U256, U256>;

/// The whole state before a test's transaction.
#[derive(Debug, Default)]
pub(super) struct PreState {
    accounts: BTreeMap<Address, (AccountInfo, Storage)>,
    codes: BTreeMap<B256, Bytecode>,
    /// Each account as the trie has it: most are the same after every case.
    trie: BTreeMap<Address, TrieAccount>,
}

impl PreState {
    /// `None` if a number in it is out of range.
    pub(super) fn new(pre: &BTreeMap<Address, PreAccount>) -> Option<Self> {
        let mut state = Self::default();
        for (address, account) in pre {
            state.insert(*address, account)?;
        }
        Some(state)
    }

    fn insert(&mut self, address: Address, account: &PreAccount) -> Option<()> {
        let mut storage = Storage::new();
        for (slot, value) in &account.storage {
            storage.insert(slot.u256()?, value.u256()?);
        }
        storage.retain(|_, value| !value.is_zero());
        let mut code_hash = KECCAK256_EMPTY;
        if !account.code.is_empty() {
            code_hash = keccak256(&account.code);
            // A malformed delegation is code like any other.
            let code = Bytecode::new_raw_checked(account.code.clone())
                .unwrap_or_else(|_| Bytecode::new_legacy(account.code.clone()));
            self.codes.insert(code_hash, code);
        }
        let info = AccountInfo {
            balance: account.balance.u256()?,
            nonce: account.nonce.u64()?,
            code_hash,
            // Left to `code_by_hash`, as a node's state would serve it.
            code: None,
            ..AccountInfo::default()
        };
        self.trie.insert(address, trie_account(&info, &storage));
        self.accounts.insert(address, (info, storage));
        Some(())
    }

    /// The state after the changes of a transaction.
    pub(super) fn after(&self, changes: &EvmState) -> PostState {
        let mut accounts = self.trie.clone();
        for (address, account) in changes {
            match self.changed(*address, account) {
                Change::None => {}
                Change::Gone => drop(accounts.remove(address)),
                Change::To(account) => drop(accounts.insert(*address, account)),
            }
        }
        PostState { accounts }
    }

    fn changed(&self, address: Address, account: &Account) -> Change {
        if !account.is_touched() {
            return Change::None;
        }
        // revm marks as created what EIP-161 must not clear before it was there.
        if account.is_selfdestructed() || (account.is_empty() && !account.is_created()) {
            return Change::Gone;
        }
        let mut storage = match self.accounts.get(&address) {
            Some((_, storage)) if !account.is_created() => storage.clone(),
            _ => Storage::new(),
        };
        storage.extend(
            account
                .storage
                .iter()
                .map(|(slot, value)| (*slot, value.present_value)),
        );
        storage.retain(|_, value| !value.is_zero());
        Change::To(trie_account(&account.info, &storage))
    }
}

enum Change {
    None,
    Gone,
    To(TrieAccount),
}

fn trie_account(info: &AccountInfo, storage: &Storage) -> TrieAccount {
    let slots = storage
        .iter()
        .map(|(slot, value)| (B256::from(*slot), *value));
    TrieAccount {
        nonce: info.nonce,
        balance: info.balance,
        storage_root: storage_root_unhashed(slots),
        code_hash: info.code_hash,
    }
}

/// Every account of the state after a transaction.
#[derive(Clone, Debug)]
pub(super) struct PostState {
    accounts: BTreeMap<Address, TrieAccount>,
}

impl PostState {
    pub(super) fn root(&self) -> B256 {
        state_root_unhashed(
            self.accounts
                .iter()
                .map(|(address, account)| (*address, *account)),
        )
    }

    /// The root where the block paid its beneficiary a reward of zero, which touches the account.
    ///
    /// Some of the tools that filled these tests did, others not. It matters where the transaction
    /// was refused, or the beneficiary destroyed: before EIP-161 an empty account then comes to be,
    /// since then one that was there goes.
    pub(super) fn root_with_reward(&self, spec: SpecId, beneficiary: Address) -> B256 {
        let mut rewarded = self.clone();
        let account = rewarded.accounts.entry(beneficiary).or_default();
        let clears = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        if clears && *account == TrieAccount::default() {
            rewarded.accounts.remove(&beneficiary);
        }
        rewarded.root()
    }
}

impl DatabaseRef for PreState {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).map(|(info, _)| info.clone()))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        let account = self.accounts.get(&address);
        let value = account.and_then(|(_, storage)| storage.get(&slot));
        Ok(value.copied().unwrap_or_default())
    }

    /// There is no chain: by convention the hash of a block is that of its number in decimal.
    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(keccak256(number.to_string()))
    }
}
