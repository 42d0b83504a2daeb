//! An index in memory.

use super::Index;
use super::batch::{IndexBatch, Reached};
use super::error::IndexError;
use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An index in memory, for tests and builds without RocksDB.
///
/// It is empty when it is made, so it lags by the whole log: feed it everything at each start. Takes
/// 50 to 100 bytes per transaction.
#[derive(Debug, Default)]
pub struct MemoryIndex(RwLock<Content>);

#[derive(Debug, Default)]
struct Content {
    reached: Option<Reached>,
    tx_nums: HashMap<B256, TxNum>,
}

impl MemoryIndex {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // Nothing below panics while it holds the lock, so what it guards is whole.
    fn read(&self) -> RwLockReadGuard<'_, Content> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index for MemoryIndex {
    fn reached(&self) -> Option<Reached> {
        self.read().reached
    }

    fn get(&self, tx_hash: &B256) -> Result<Option<TxNum>, IndexError> {
        Ok(self.read().tx_nums.get(tx_hash).copied())
    }

    fn get_many(&self, tx_hashes: &[B256]) -> Result<Vec<Option<TxNum>>, IndexError> {
        let content = self.read();
        let get = |tx_hash| content.tx_nums.get(tx_hash).copied();
        Ok(tx_hashes.iter().map(get).collect())
    }

    fn apply(&self, batch: &IndexBatch) -> Result<(), IndexError> {
        let mut content = self.write();
        batch.check_follows(content.reached)?;
        for tx_hash in &batch.removals {
            content.tx_nums.remove(tx_hash);
        }
        content.tx_nums.extend(batch.inserts.iter().copied());
        content.reached = batch.after;
        Ok(())
    }

    /// Does nothing: an index in memory is gone with the process.
    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    fn clear(&self) -> Result<(), IndexError> {
        *self.write() = Content::default();
        Ok(())
    }
}
