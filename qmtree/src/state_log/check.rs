//! The audit of the state log: all of it derived again from the entries.

use super::index::Item;
use super::log::StateLog;
use crate::error::Error;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{Entry, EntryId, StateWord};
use qmtree_proofs::{TWIG_LEAVES, TWIG_LEVEL};

impl StateLog {
    /// True if the value of an entry, whose word is a hash, is there, or may be gone.
    ///
    /// It may where pruning was cut off between two segments: the older one held it, and nothing in
    /// the newer one, which would have gone next, is needed by a state that is still known.
    fn holds_its_value(&self, id: EntryId, entry: &Entry) -> Result<bool, Error> {
        let (owner, _) = self.entries.held(id)?;
        if owner == id || !self.entries.is_pruned(owner) {
            return Ok(entry.holds(&self.entries.stored(id)?));
        }
        let is_active = self.active_bits(id.twig_id().0).get(id.index_in_twig());
        let is_past = self.earliest().is_some_and(|since| entry.tx_num <= since);
        Ok(!is_active && is_past)
    }

    /// Follows all entries again from the first, and compares. Changes nothing.
    ///
    /// Sealed entries are hashed by their segments and followed here one by one, so that this costs
    /// no more memory than the index.
    pub(crate) fn check(&self, hasher: &Hasher) -> Result<(), Error> {
        self.entries.check_sealed()?;
        let mut again = Self {
            entries: self.entries.sealed_only(),
            ..Self::new(self.compaction)
        };
        // What dropped entries superseded was dropped with them. So the rest says what is active,
        // but it cannot be followed from the first entry on.
        let partial = self.entries.partial() > 0;
        if partial {
            again = again.derive()?;
        }
        let mut last_tx_num = None;
        let ids = (self.entries.pruned()..self.entry_count()).map(EntryId);
        for id in ids.filter(|id| !self.entries.is_pruned(*id)) {
            let entry = self.entry(id)?;
            let is_hash = matches!(entry.value, StateWord::Hash(_));
            if Some(entry.tx_num) < last_tx_num || (is_hash && !self.holds_its_value(id, &entry)?) {
                return Err(Error::BadEntry { entry_id: id });
            }
            last_tx_num = Some(entry.tx_num);
            if id.0 < self.sealed_entries() && partial {
                continue;
            }
            if id.0 < self.sealed_entries() {
                let old = again.track(id, &entry)?;
                let dead = old.filter(|old| old.is_dead()).map(Item::id);
                if dead != self.entries.sealed_tombstone_before(id) {
                    return Err(Error::BadEntry { entry_id: id });
                }
            } else {
                let (owner, bytes) = if is_hash {
                    self.entries.held(id)?
                } else {
                    (id, None)
                };
                let new = bytes.filter(|_| owner == id);
                again.push(&entry, new)?;
            }
        }
        let derived = again.inside.last().map_or(0, |roots| roots.len() as u64);
        for twig in derived..self.sealed_entries() / TWIG_LEAVES {
            if let Some(roots) = again.inside.last_mut() {
                roots.push(self.inside_node(TWIG_LEVEL, twig)?.unwrap_or_default());
            }
        }
        let differs = |what| Err(Error::CheckState { what });
        if again.root(hasher)? != self.root {
            return differs("the root");
        }
        if again.live_keys != self.live_keys || again.index.len() != self.index.len() {
            return differs("the number of keys");
        }
        self.check_order(&again)
    }

    /// The index must name the same entries, and the live ones must form one chain.
    fn check_order(&self, again: &Self) -> Result<(), Error> {
        let differs = |what| Err(Error::CheckState { what });
        let ours = self.index.up_from(&self.entries, &B256::ZERO)?;
        let mut derived = again.index.up_from(&again.entries, &B256::ZERO)?;
        let mut expected = (self.entry_count() > 0).then_some(B256::ZERO);
        for item in ours {
            if derived.next() != Some(item) {
                return differs("the index");
            }
            if item.is_dead() {
                continue;
            }
            let entry = self.entry(item.id())?;
            if expected != Some(entry.key) {
                return differs("the order of the keys");
            }
            expected = Some(entry.next_key);
        }
        if derived.next().is_some() || expected.is_some_and(|key| key != Entry::END) {
            return differs("the order of the keys");
        }
        Ok(())
    }
}
