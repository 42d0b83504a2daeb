//! A state log as revm's database, which remembers what it could not tell.

use super::error::{MissingState, StateName};
use crate::state_log::{ReadStateLog, StateLogDb, StateLogError};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloy_primitives::{Address, B256, U256};
use core::fmt;
use once_cell::race::OnceBox;
use revm::database::{DBErrorMarker, Database};
use revm::state::{AccountInfo, Bytecode};

/// Where the first thing is seen that a log did not tell. A block executor turns such an error into
/// a flaw of the block, without its cause.
pub(crate) type Failure<E> = Arc<OnceBox<MissingState<E>>>;

/// A state log that a block is executed on.
#[derive(Debug)]
pub(crate) struct WitnessedLog<L: ReadStateLog> {
    log: StateLogDb<L>,
    failure: Failure<L::Error>,
}

/// What revm is told: the cause is kept beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTold(StateName);

impl fmt::Display for NotTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be read", self.0)
    }
}

impl core::error::Error for NotTold {}
impl DBErrorMarker for NotTold {}

impl<L: ReadStateLog> WitnessedLog<L> {
    pub(crate) fn new(log: L) -> (Self, Failure<L::Error>) {
        let failure = Failure::default();
        let log = Self {
            log: StateLogDb::new(log),
            failure: Arc::clone(&failure),
        };
        (log, failure)
    }

    pub(crate) fn into_log(self) -> L {
        self.log.into_log()
    }

    fn note<T>(
        &self,
        name: StateName,
        read: Result<T, StateLogError<L::Error>>,
    ) -> Result<T, NotTold> {
        read.map_err(|source| {
            // A later one is dropped.
            _ = self.failure.set(Box::new(MissingState { name, source }));
            NotTold(name)
        })
    }
}

impl<L: ReadStateLog> Database for WitnessedLog<L> {
    type Error = NotTold;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, NotTold> {
        let account = self.log.basic(address);
        self.note(StateName::Account(address), account)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, NotTold> {
        let code = self.log.code_by_hash(hash);
        self.note(StateName::Code(hash), code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, NotTold> {
        let value = self.log.storage(address, slot);
        self.note(StateName::Storage(address, slot), value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, NotTold> {
        let hash = self.log.block_hash(number);
        self.note(StateName::BlockHash(number), hash)
    }
}
