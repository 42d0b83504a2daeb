//! A chain's state in the state log: its keys, what a transaction writes, and revm's view of it.
//!
//! docs/FORMAT.md, section 1.6, is the contract.
//!
//! ```text
//! StateAccess  --batch_of-->  writes by key, as the state log takes them
//! state log    --StateLogDb-> accounts, slots, code and block hashes, as revm asks for them
//! ```
//!
//! Keys are hashes, so a log cannot be searched for the slots of an account. What needs that, the end
//! of an account and the root of Ethereum's own trie, is served by lists in the log itself
//! ([`Lists`]): so they are committed to, and come back after a crash, an unwind or an import like
//! everything else.

mod batch;
mod database;
mod error;
pub mod keys;
mod lists;

pub use batch::{BatchContext, Write, batch_of};
pub use database::StateLogDb;
pub(crate) use database::{bytecode, decode_exact, decode_header};
pub use error::StateLogError;
pub(crate) use lists::lists_of;
pub use lists::{Lists, accounts, keeps_all, slots_of};

use alloc::vec::Vec;
use alloy_primitives::B256;
use core::error::Error;

/// Something that tells the values of a state log: a head, a past transaction, a block that is being
/// made, or a set of proven values.
pub trait ReadStateLog {
    /// Why a value cannot be told.
    type Error: Error + Send + Sync + 'static;

    /// The value of a key; `None` if it is absent.
    ///
    /// # Errors
    /// As the reader says; not that the key is absent.
    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<R: ReadStateLog + ?Sized> ReadStateLog for &R {
    type Error = R::Error;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).value(key)
    }
}

#[cfg(test)]
mod tests;
