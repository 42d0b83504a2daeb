//! Dropping the newest entries.

use super::hashing::place;
use super::index::Item;
use super::log::StateLog;
use crate::error::Error;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{Entry, EntryId, StateWord};
use qmtree_proofs::{TWIG_LEAVES, TWIG_LEVEL, root_level};

impl StateLog {
    /// Keeps the first `count` entries, and makes active what the others had superseded. Costs
    /// about what is dropped.
    ///
    /// Needs nothing but what is in memory, so that damaged segments do not stop it; fails only if
    /// some of what is dropped is sealed. All that follows from the entries is then as if the others had
    /// never been, but for the shape of the index, and for where the search for the oldest active
    /// entry begins, which may be earlier.
    pub(crate) fn truncate(&mut self, hasher: &Hasher, count: u64) -> Result<(), Error> {
        if count >= self.entry_count() {
            return Ok(());
        }
        if count < self.sealed_entries() {
            return Err(Error::CheckState {
                what: "the number of sealed entries",
            });
        }
        if count == 0 {
            *self = Self::new(self.compaction);
            return Ok(());
        }
        // The index reads keys from the entries, so these go last.
        for id in (count..self.entry_count()).rev().map(EntryId) {
            self.forget(id)?;
        }
        for twig in (count / TWIG_LEAVES)..self.active.len() as u64 {
            let first = (count.saturating_sub(twig * TWIG_LEAVES)).min(TWIG_LEAVES);
            for index in first..TWIG_LEAVES {
                if self.active_bits(twig).get(index) {
                    self.set_active(EntryId(twig * TWIG_LEAVES + index), false);
                }
            }
        }
        self.entries.truncate(count);
        for (nodes, level) in self.inside.iter_mut().zip(0u32..) {
            let gone = if level == TWIG_LEVEL {
                0
            } else {
                self.entries.sealed() >> level
            };
            nodes.truncate(place((count >> level) - gone).unwrap_or(usize::MAX));
        }
        let twigs = count.div_ceil(TWIG_LEAVES);
        self.active.truncate(place(twigs).unwrap_or(usize::MAX));
        let levels = root_level(count) - TWIG_LEVEL + 1;
        self.upper.truncate(levels as usize);
        for (nodes, level) in self.upper.iter_mut().zip(0u32..) {
            nodes.truncate(place(twigs.div_ceil(1 << level)).unwrap_or(usize::MAX));
        }
        self.dirty.retain(|twig| *twig < twigs);
        // What lies beside the end of the log is null now.
        self.dirty.push(twigs - 1);
        self.root(hasher)?;
        Ok(())
    }

    /// Takes an entry out of everything but the entries and nodes.
    fn forget(&mut self, id: EntryId) -> Result<(), Error> {
        let entry = self.entry(id)?;
        let older = self.previous(id, &entry);
        let dead = entry.supersedes.is_none();
        self.put_back(id, &entry, older.map(|id| Item::new(&entry.key, id, dead)))?;
        if let Some(older) = older.filter(|_| !dead) {
            self.set_active(older, true);
        }
        let last = self.revived.len().checked_sub(1);
        if let Some(last) = last.filter(|at| self.revived.get(*at).is_some_and(|(i, _)| *i == id)) {
            self.revived.truncate(last);
        }
        debug_assert!(!entry.tombstone || entry.value == StateWord::Value(B256::ZERO));
        if entry.tombstone {
            self.live_keys += 1;
        } else if entry.supersedes.is_none() && entry.key != B256::ZERO {
            self.live_keys = self.live_keys.saturating_sub(1);
        }
        Ok(())
    }

    /// Puts an older item in the place of an entry's in the index, or nothing.
    fn put_back(&mut self, id: EntryId, entry: &Entry, older: Option<Item>) -> Result<(), Error> {
        let (index, entries, key) = (&mut self.index, &self.entries, &entry.key);
        let done = match older {
            Some(older) => index.set(entries, key, older).map(drop),
            None => index.remove(entries, key).map(drop),
        };
        let newest = Item::new(key, id, entry.tombstone);
        // Keys that begin alike are told apart by their entries. If one of these cannot be read, the
        // item itself is looked for.
        if done.is_ok() || index.exchange(newest, older) {
            return Ok(());
        }
        Err(Error::CheckState {
            what: "an item of the index",
        })
    }
}
