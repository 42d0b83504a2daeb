//! An index in memory.

use super::Index;
use super::batch::{IndexBatch, Reached};
use super::error::IndexError;
use crate::tag::Tag;
use qmtree_proofs::TxNum;
use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An index in memory, for tests and builds without RocksDB.
///
/// It is empty when it is made, so it lags by the whole log: feed it everything at each start. Takes
/// 20 to 40 bytes per transaction.
#[derive(Debug, Default)]
pub struct MemoryIndex(RwLock<Content>);

#[derive(Debug, Default)]
struct Content {
    reached: Option<Reached>,
    /// One number for each tag.
    tx_nums: HashMap<Tag, TxNum>,
    /// Further ones, for the few tags that have any.
    more: BTreeSet<(Tag, TxNum)>,
}

impl Content {
    fn insert(&mut self, tag: Tag, tx_num: TxNum) {
        if *self.tx_nums.entry(tag).or_insert(tx_num) != tx_num {
            self.more.insert((tag, tx_num));
        }
    }
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

    fn candidates(&self, tag: &Tag) -> Result<Vec<TxNum>, IndexError> {
        let content = self.read();
        let more = content
            .more
            .range((*tag, TxNum(0))..=(*tag, TxNum(u64::MAX)));
        let first = content.tx_nums.get(tag).copied();
        let mut all: Vec<_> = first.into_iter().chain(more.map(|(_, n)| *n)).collect();
        all.sort_unstable();
        Ok(all)
    }

    fn apply(&self, batch: &IndexBatch) -> Result<(), IndexError> {
        let mut content = self.write();
        batch.check_follows(content.reached)?;
        for (tag, tx_num) in &batch.inserts {
            content.insert(*tag, *tx_num);
        }
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
