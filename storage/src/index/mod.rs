//! The index: from a transaction's hash to its number.
//!
//! ```text
//! journal   | block 7 | block 8 | block 9 | unwind to 8 | block 9' |     the truth
//! index     ................... reached: block 8                          derived; follows behind
//! ```
//!
//! Only for keys that have no order in the log; blocks are found without it. Everything here
//! follows from the log, so an index may lag it, and may be deleted: it is then built anew.
//! It knows how far it came: each [`IndexBatch`] goes from one [`Reached`] to the next, and position
//! and entries are changed together or not at all. A crash takes the index back to a position that
//! it had since the last [`flush`](Index::flush), with exactly the entries of that position; whoever
//! feeds it then goes on from there. Feed it only blocks that the journal has synced: an index may
//! lag the journal, never lead it.
//!
//! Two kinds: `RocksIndex` on disk (feature `rocksdb`, on by default), and [`MemoryIndex`] for
//! tests and builds without RocksDB.

mod batch;
mod error;
mod memory;
#[cfg(feature = "rocksdb")]
mod rocks;

pub use batch::{IndexBatch, Reached};
pub use error::IndexError;
pub use memory::MemoryIndex;
#[cfg(feature = "rocksdb")]
pub use rocks::{RocksIndex, RocksOptions};

use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use std::fmt::Debug;

/// Numbers of transactions by their hash, up to the block that it has reached.
///
/// One feeds it, many read: what a reader finds may be of a block newer than the head it looks at,
/// which it can tell by its head's leaf count.
pub trait Index: Debug + Send + Sync {
    /// The block that the index has come to; none where it is empty.
    fn reached(&self) -> Option<Reached>;

    /// The number of a transaction, or none if the index does not hold its hash.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] or [`IndexError::Store`] if what is on disk cannot be read.
    fn get(&self, tx_hash: &B256) -> Result<Option<TxNum>, IndexError>;

    /// The numbers of several transactions, in the order of their hashes.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn get_many(&self, tx_hashes: &[B256]) -> Result<Vec<Option<TxNum>>, IndexError>;

    /// Goes on by one batch, all or nothing. Seen at once, durable after [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`IndexError::OutOfOrder`] if the batch does not begin where the index is; nothing is then
    /// changed. After any other error the index takes no more batches until it is opened again.
    fn apply(&self, batch: &IndexBatch) -> Result<(), IndexError>;

    /// Makes durable what was applied.
    ///
    /// # Errors
    /// The store's; the index then takes no more batches until it is opened again.
    fn flush(&self) -> Result<(), IndexError>;

    /// Forgets everything, durably, so that the index can be built anew.
    ///
    /// # Errors
    /// The store's; the index then takes no more batches until it is opened again.
    fn clear(&self) -> Result<(), IndexError>;
}
