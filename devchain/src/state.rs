//! The whole state of the chain, in memory.

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use core::convert::Infallible;
use revm::Database;
use revm::database::State;
use revm::state::{AccountInfo, Bytecode};
use std::collections::BTreeMap;

/// All accounts sit in the cache of revm's `State`; below it there are only the hashes of blocks.
pub(crate) type ChainState = State<BlockHashes>;

#[derive(Clone, Debug, Default)]
pub(crate) struct BlockHashes(pub(crate) BTreeMap<u64, B256>);

impl Database for BlockHashes {
    type Error = Infallible;

    fn basic(&mut self, _: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(None)
    }

    fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, Infallible> {
        Ok(Bytecode::default())
    }

    fn storage(&mut self, _: Address, _: U256) -> Result<U256, Infallible> {
        Ok(U256::ZERO)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        Ok(self.0.get(&number).copied().unwrap_or_default())
    }
}

pub(crate) fn genesis_state(genesis: &Genesis) -> ChainState {
    let mut state = State::builder()
        .with_database(BlockHashes::default())
        .build();
    for (address, account) in &genesis.alloc {
        let code = account.code.clone().unwrap_or_default();
        let mut info = AccountInfo {
            balance: account.balance,
            nonce: account.nonce.unwrap_or_default(),
            ..AccountInfo::default()
        };
        if !code.is_empty() {
            let code = Bytecode::new_legacy(code);
            info.code_hash = code.hash_slow();
            state.cache.contracts.insert(info.code_hash, code.clone());
            info.code = Some(code);
        }
        state.insert_account(*address, info);
    }
    state
}

/// The root of all accounts.
pub(crate) fn state_root(state: &ChainState) -> B256 {
    let accounts = state
        .cache
        .trie_account()
        .into_iter()
        .map(|(address, account)| {
            let live = account.storage.iter().filter(|(_, value)| !value.is_zero());
            let slots = live.map(|(slot, value)| (B256::from(*slot), *value));
            let account = TrieAccount {
                nonce: account.info.nonce,
                balance: account.info.balance,
                storage_root: storage_root_unhashed(slots),
                code_hash: account.info.code_hash,
            };
            (address, account)
        });
    state_root_unhashed(accounts)
}
