//! The state log at one moment.

use super::entries::Entries;
use super::index::{Item, KeyIndex};
use crate::error::Error;
use crate::shared_vec::SharedVec;
use alloy_primitives::B256;
use qmtree_proofs::state::{ActiveBits, Compaction, Entry, EntryId, StateWord};
use qmtree_proofs::{Digest, LEAF_LEN, TWIG_LEAVES, TWIG_LEVEL, TxNum};
use std::sync::Arc;

/// The state log at one moment. A clone is cheap and never changes.
#[derive(Clone, Debug)]
pub(crate) struct StateLog {
    pub(super) entries: Entries,
    /// Complete nodes over the entries, by level, 0 to 11: of the twigs that are not sealed, but at
    /// level 11 of all.
    pub(super) inside: Vec<SharedVec<Digest>>,
    /// Active bits of every twig.
    pub(super) active: SharedVec<ActiveBits, 8>,
    /// Nodes that cover an entry, by level from the twig roots, 11, on.
    pub(super) upper: Vec<SharedVec<Digest, 64>>,
    pub(super) index: KeyIndex,
    /// Entries of keys inserted again after a deletion, each with the tombstone before it, by
    /// ascending id: the one step back in a key's history that no entry names. Sealed ones are in
    /// their segments.
    pub(super) revived: SharedVec<(EntryId, EntryId)>,
    /// Live keys, without the sentinel.
    pub(super) live_keys: u64,
    /// Twigs whose active bits or entries changed since the root was computed.
    pub(super) dirty: Vec<u64>,
    pub(super) root: B256,
    /// The rule by which old entries move.
    pub(super) compaction: Compaction,
    /// No entry of a twig before this one is active.
    pub(super) first_active_twig: u64,
    /// Entries that the file of keys is about.
    pub(super) keys_covered: u64,
}

impl Default for StateLog {
    fn default() -> Self {
        Self {
            entries: Entries::default(),
            inside: vec![SharedVec::default(); TWIG_LEVEL as usize + 1],
            active: SharedVec::default(),
            upper: Vec::new(),
            index: KeyIndex::default(),
            revived: SharedVec::default(),
            live_keys: 0,
            dirty: Vec::new(),
            root: B256::ZERO,
            compaction: Compaction::OFF,
            first_active_twig: 0,
            keys_covered: 0,
        }
    }
}

impl StateLog {
    /// An empty log of a database with this rule.
    pub(crate) fn new(compaction: Compaction) -> Self {
        Self {
            compaction,
            ..Self::default()
        }
    }

    pub(crate) fn compaction(&self) -> Compaction {
        self.compaction
    }

    /// Entries in the log.
    pub(crate) fn entry_count(&self) -> u64 {
        self.entries.count()
    }

    /// Live keys.
    pub(crate) fn live_keys(&self) -> u64 {
        self.live_keys
    }

    /// Keys that there ever were.
    pub(crate) fn all_keys(&self) -> u64 {
        (self.index.len() as u64).saturating_sub(1)
    }

    /// Bytes of memory of the index of keys. Costs a visit of each of its nodes.
    pub(crate) fn index_bytes(&self) -> u64 {
        self.index.bytes()
    }

    pub(crate) fn entry(&self, id: EntryId) -> Result<Entry, Error> {
        self.entries.get(id)
    }

    /// The bytes of an entry.
    pub(crate) fn entry_bytes(&self, id: EntryId) -> Result<[u8; LEAF_LEN], Error> {
        self.entries.bytes(id)
    }

    /// The transaction that wrote last.
    pub(crate) fn last_tx_num(&self) -> Result<Option<TxNum>, Error> {
        match self.entry_count().checked_sub(1) {
            Some(last) => Ok(Some(self.entry(EntryId(last))?.tx_num)),
            None => Ok(None),
        }
    }

    /// Appends an entry that follows the rules, with its value if that is new and its word a hash.
    ///
    /// # Errors
    /// [`Error::BadEntry`] if it does not continue the history of its key; others if what it needs
    /// of sealed entries cannot be read. Nothing has changed then.
    pub(crate) fn push(&mut self, entry: &Entry, value: Option<Arc<[u8]>>) -> Result<(), Error> {
        let id = EntryId(self.entry_count());
        let value = match (entry.value, value, entry.supersedes) {
            (StateWord::Value(_), None, _) => None,
            (StateWord::Hash(_), Some(value), _) => Some((id, Some(value))),
            // Its neighbour changed, the value did not.
            (StateWord::Hash(_), None, Some(older)) => Some(self.entries.held(older)?),
            _ => return Err(Error::BadEntry { entry_id: id }),
        };
        let old = self.track(id, entry)?;
        self.entries.push(entry, value);
        if let Some(dead) = old.filter(|old| old.is_dead()) {
            self.revived.push((id, dead.id()));
        }
        Ok(())
    }

    /// Takes an entry into the index, the active bits and the counts. Returns the newest item of
    /// its key before. If it fails nothing has changed.
    pub(super) fn track(&mut self, id: EntryId, entry: &Entry) -> Result<Option<Item>, Error> {
        let item = Item::new(&entry.key, id, entry.tombstone);
        let known = entry.supersedes;
        let old = self
            .index
            .set_known(&self.entries, &entry.key, item, known)?;
        let live = old.filter(|old| !old.is_dead()).map(Item::id);
        if live != entry.supersedes {
            self.index.exchange(item, old);
            return Err(Error::BadEntry { entry_id: id });
        }
        if let Some(older) = live {
            self.set_active(older, false);
        }
        self.set_active(id, !entry.tombstone);
        if live.is_none() && entry.key != B256::ZERO {
            self.live_keys += 1;
        } else if entry.tombstone {
            self.live_keys = self.live_keys.saturating_sub(1);
        }
        Ok(old)
    }

    /// The entry before this one in the history of its key, if it was not dropped.
    pub(super) fn previous(&self, id: EntryId, entry: &Entry) -> Option<EntryId> {
        let sealed = id.0 < self.entries.sealed();
        let previous = entry.supersedes.or_else(|| {
            if sealed {
                return self.entries.sealed_tombstone_before(id);
            }
            let place = self.revived.partition_point(|(known, _)| *known < id);
            let found = self.revived.get(place).filter(|(known, _)| *known == id);
            found.map(|(_, tombstone)| *tombstone)
        });
        previous.filter(|id| !self.entries.is_pruned(*id))
    }

    /// The smallest ids of active entries, up to `count` of them.
    pub(super) fn oldest_active(&mut self, count: u64) -> Vec<EntryId> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let twigs = self.active.len() as u64;
        for twig in self.first_active_twig..twigs {
            let bits = self.active_bits(twig);
            let ids = bits.iter().map(|index| EntryId(twig * TWIG_LEAVES + index));
            found.extend(ids.take(count - found.len()));
            if found.is_empty() {
                self.first_active_twig = twig + 1;
            }
            if found.len() >= count {
                break;
            }
        }
        found
    }

    pub(super) fn set_active(&mut self, id: EntryId, active: bool) {
        let twig = id.twig_id().0;
        let place = usize::try_from(twig).unwrap_or(usize::MAX);
        if place == self.active.len() {
            self.active.push(ActiveBits::NONE);
        }
        if let Some(bits) = self.active.get_mut(place) {
            bits.set(id.index_in_twig(), active);
        }
        if active {
            self.first_active_twig = self.first_active_twig.min(twig);
        }
        if self.dirty.last() != Some(&twig) {
            self.dirty.push(twig);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qmtree_kernels::Hasher;
    use qmtree_proofs::Profile;

    fn entry(key: B256, value: StateWord, supersedes: Option<u64>) -> Entry {
        Entry {
            key,
            next_key: Entry::END,
            value,
            tx_num: TxNum(1),
            supersedes: supersedes.map(EntryId),
            tombstone: false,
        }
    }

    #[test]
    fn an_entry_that_is_refused_changes_nothing() {
        let hasher = Hasher::new(Profile::Blake3);
        let (a, b) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let (word, long) = (StateWord::of(&[7; 32]), StateWord::of(b"long"));
        let mut log = StateLog::new(Compaction::OFF);
        log.push(&entry(B256::ZERO, word, None), None).unwrap();
        log.push(&entry(a, word, None), None).unwrap();
        log.push(&entry(b, long, None), Some(b"long".as_slice().into()))
            .unwrap();
        let root = log.root(&hasher).unwrap();
        let refused = [
            // Live already; of no such entry; of another key.
            entry(a, word, None),
            entry(a, word, Some(9)),
            entry(a, word, Some(2)),
            entry(B256::repeat_byte(3), word, Some(1)),
            // Words whose values are not known.
            entry(a, long, Some(1)),
            entry(B256::repeat_byte(3), long, None),
        ];
        for refused in refused {
            assert!(log.push(&refused, None).is_err(), "{refused:?}");
            let items: Vec<_> = log.index.all().map(|item| item.id().0).collect();
            assert_eq!(items, [0, 1, 2]);
            assert_eq!(
                (log.index.len(), log.live_keys, log.entry_count()),
                (3, 2, 3)
            );
            assert_eq!(log.active_bits(0).iter().collect::<Vec<_>>(), [0, 1, 2]);
            assert!(log.dirty.is_empty());
        }
        // As if they had not been.
        log.push(&entry(b, long, Some(2)), None).unwrap();
        assert_eq!(log.get(&b, None).unwrap(), Some(b"long".to_vec()));
        log.truncate(&hasher, 3).unwrap();
        assert_eq!(log.root(&hasher).unwrap(), root);
    }
}
