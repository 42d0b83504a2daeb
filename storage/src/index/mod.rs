//! The index: from a transaction's tag to its numbers.
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
//! it had since the last [`flush`](Index::flush); whoever feeds it then goes on from there. Feed it
//! only blocks that the journal has synced: an index may lag the journal, never lead it.
//!
//! It only ever grows. What it says are [candidates](Index::candidates): the log holds the tag of
//! each leaf, and whoever asks compares. So what unwinds, crashes and short keys leave in an index
//! does no harm, and a view of an older fork still finds what is in it.
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

use crate::tag::Tag;
use qmtree_proofs::TxNum;
use std::fmt::Debug;

/// Numbers of transactions by their tag, up to the block that it has reached.
///
/// One feeds it, many read.
pub trait Index: Debug + Send + Sync {
    /// The block that the index has come to; none where it has not begun.
    fn reached(&self) -> Option<Reached>;

    /// Numbers that transactions of this tag may have, ascending: all that were inserted with the
    /// tag, and maybe some that were inserted with another.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] or [`IndexError::Store`] if what is on disk cannot be read.
    fn candidates(&self, tag: &Tag) -> Result<Vec<TxNum>, IndexError>;

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
