//! The state log as revm's database.

use super::error::word;
use super::{ReadStateLog, StateLogError, keys};
use crate::state_item::AccountValue;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use revm::database::{Database, DatabaseRef};
use revm::state::{AccountInfo, Bytecode};

/// The state that a state log holds: at a head, after a past transaction, or in a block that is being
/// made, whatever `R` reads.
///
/// What is not there reads as a state does: no account, zero. Code or a block hash that is not there
/// is an error. Nothing is cached but what the log itself caches; a lookup takes about a
/// microsecond at the head, and a step for each later version of a key in the past.
#[derive(Clone, Debug)]
pub struct StateLogDb<R> {
    log: R,
}

impl<R: ReadStateLog> StateLogDb<R> {
    /// The state that `log` tells.
    pub const fn new(log: R) -> Self {
        Self { log }
    }

    /// What it is read from, back.
    pub fn into_log(self) -> R {
        self.log
    }

    /// What it is read from.
    pub const fn log(&self) -> &R {
        &self.log
    }

    /// The account without its code; `None` if it does not exist.
    ///
    /// # Errors
    /// [`StateLogError::Read`] and [`StateLogError::Account`].
    pub fn account(
        &self,
        address: Address,
    ) -> Result<Option<AccountValue>, StateLogError<R::Error>> {
        let Some(value) = self.read(&keys::account(address))? else {
            return Ok(None);
        };
        let account = decode_exact::<AccountValue>(&value);
        account
            .map(Some)
            .map_err(|reason| StateLogError::Account { address, reason })
    }

    /// The value of a slot; zero if it was never set.
    ///
    /// # Errors
    /// [`StateLogError::Read`] and [`StateLogError::Word`].
    pub fn slot(&self, address: Address, slot: B256) -> Result<U256, StateLogError<R::Error>> {
        let key = keys::storage(address, slot);
        let Some(value) = self.read(&key)? else {
            return Ok(U256::ZERO);
        };
        Ok(word::<R::Error>(key, &value)?.into())
    }

    /// A code by its hash.
    ///
    /// # Errors
    /// [`StateLogError::Read`] and [`StateLogError::UnknownCode`].
    pub fn code(&self, hash: B256) -> Result<Bytes, StateLogError<R::Error>> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        let code = self.read(&keys::code(hash))?;
        code.map(Bytes::from)
            .ok_or(StateLogError::UnknownCode { hash })
    }

    /// The header of the block that this is the state of, as RLP; `None` in a state that was given
    /// without one.
    ///
    /// # Errors
    /// [`StateLogError::Read`].
    pub fn header_rlp(&self) -> Result<Option<Vec<u8>>, StateLogError<R::Error>> {
        self.read(&keys::header())
    }

    fn read(&self, key: &B256) -> Result<Option<Vec<u8>>, StateLogError<R::Error>> {
        self.log.value(key).map_err(StateLogError::Read)
    }
}

/// The one value that the bytes encode.
pub(crate) fn decode_exact<T: Decodable>(mut bytes: &[u8]) -> alloy_rlp::Result<T> {
    let value = T::decode(&mut bytes)?;
    match bytes {
        [] => Ok(value),
        _ => Err(alloy_rlp::Error::UnexpectedLength),
    }
}

/// The header that the bytes encode.
pub(crate) fn decode_header(bytes: &[u8]) -> alloy_rlp::Result<Header> {
    decode_exact(bytes)
}

/// An EIP-7702 delegation is read as one; anything else is code as it stands.
pub(crate) fn bytecode(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}

impl<R: ReadStateLog> DatabaseRef for StateLogDb<R> {
    type Error = StateLogError<R::Error>;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let account = self.account(address)?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.code(hash).map(bytecode)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.slot(address, slot.into())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        // The newest block is the parent of one that is about to begin.
        if let Some(header) = self.header_rlp()?
            && decode_header(&header).is_ok_and(|newest| newest.number == number)
        {
            return Ok(keccak256(header));
        }
        let key = keys::block_hash(number);
        let hash = self.read(&key)?;
        let hash = hash.ok_or(StateLogError::UnknownBlockHash { number })?;
        word(key, &hash)
    }
}

impl<R: ReadStateLog> Database for StateLogDb<R> {
    type Error = StateLogError<R::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.code_by_hash_ref(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        self.storage_ref(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.block_hash_ref(number)
    }
}
