//! The file of keys: index and active bits as of the sealed entries, so that opening need not read
//! these (docs/FORMAT.md, section 11.1). It is derived: where it is missing or old, entries are read.

use super::index::Item;
use super::log::StateLog;
use crate::error::Error;
use qmtree_proofs::state::{ActiveBits, EntryId};
use qmtree_proofs::{TWIG_LEAVES, TWIG_LEVEL};
use qmtree_storage::{
    Disk, Identity, KeyItem, KeyTwig, StateKeys, remove_old_state_keys, write_state_keys,
};
use std::path::Path;

impl StateLog {
    /// True if the file of keys should be made anew once `end` entries are sealed: when as many
    /// were sealed since as a `part` of the keys is, so that writing it costs little for each.
    pub(crate) fn keys_are_due(&self, end: u64, part: u64) -> bool {
        let behind = end.saturating_sub(self.keys_covered);
        behind > 0 && behind >= self.index.len() as u64 / part
    }

    /// Says that there is a file of keys about so many entries.
    pub(crate) fn set_keys_covered(&mut self, entries: u64) {
        self.keys_covered = entries;
    }

    /// Writes the file of keys as of the first `end` entries, whole twigs that are sealed or about
    /// to be, and unlinks older ones. Costs a walk through the index.
    pub(crate) fn write_keys(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        identity: Identity,
        end: u64,
    ) -> Result<(), Error> {
        let (twigs, live_keys) = (self.twigs_as_of(end)?, self.live_keys_as_of(end)?);
        let items = self.index.all();
        let items = items.filter_map(|item| self.item_as_of(item, end).transpose());
        write_state_keys(disk, folder, identity, &twigs, live_keys, items)?;
        Ok(remove_old_state_keys(disk, folder, end / TWIG_LEAVES)?)
    }

    /// Active bits and entries roots once there were `end` entries, whole twigs.
    fn twigs_as_of(&self, end: u64) -> Result<Vec<KeyTwig>, Error> {
        let active = self.active_as_of(end)?;
        let twig = |(twig, active)| {
            let entries_root = self.entries_root(twig)?;
            Ok(KeyTwig {
                active,
                entries_root,
            })
        };
        (0..).zip(active).map(twig).collect()
    }

    /// What was active once there were `end` entries, whole twigs: what is, and what later entries
    /// superseded.
    pub(crate) fn active_as_of(&self, end: u64) -> Result<Vec<ActiveBits>, Error> {
        let twigs = 0..end / TWIG_LEAVES;
        let mut active: Vec<_> = twigs.map(|twig| self.active_bits(twig)).collect();
        for id in (end..self.entry_count()).map(EntryId) {
            let older = self.entry(id)?.supersedes.filter(|older| older.0 < end);
            if let Some(older) = older
                && let Ok(at) = usize::try_from(older.twig_id().0)
                && let Some(active) = active.get_mut(at)
            {
                active.set(older.index_in_twig(), true);
            }
        }
        Ok(active)
    }

    fn live_keys_as_of(&self, end: u64) -> Result<u64, Error> {
        let mut live = self.live_keys;
        for id in (end..self.entry_count()).rev().map(EntryId) {
            let entry = self.entry(id)?;
            if entry.tombstone {
                live += 1;
            } else if entry.supersedes.is_none() && !entry.key.is_zero() {
                live = live.saturating_sub(1);
            }
        }
        Ok(live)
    }

    /// The newest entry of a key before `end`, if there is one.
    fn item_as_of(&self, item: Item, end: u64) -> Result<Option<KeyItem>, Error> {
        let (mut id, mut dead) = (item.id(), item.is_dead());
        while id.0 >= end {
            let entry = self.entry(id)?;
            let Some(older) = self.previous(id, &entry) else {
                return Ok(None);
            };
            // Only a tombstone is named by no entry.
            dead = entry.supersedes.is_none();
            id = older;
        }
        Ok(Some(item.with_entry(id, dead).to_stored()))
    }

    /// Takes over what a file of keys says, and follows the entries that were sealed later. False
    /// if the file does not fit the segments: then it is of no use.
    pub(super) fn load_keys(&mut self, keys: &StateKeys) -> Result<bool, Error> {
        let pruned = self.entries.pruned();
        self.keys_covered = keys.twig_count() * TWIG_LEAVES;
        if self.keys_covered < self.entries.partial() {
            return Ok(false);
        }
        let mut index = super::index::KeyIndex::builder();
        for item in keys.items().map(Item::from_stored) {
            if item.id().0 >= self.keys_covered || (item.id().0 < pruned && !item.is_dead()) {
                return Ok(false);
            }
            // A key that was deleted before anything that is known is forgotten.
            if item.id().0 >= pruned {
                index.push(item);
            }
        }
        self.index = index.finish();
        self.live_keys = keys.live_keys();
        for twig in keys.twigs() {
            self.active.push(twig.active);
            if let Some(roots) = self.inside.last_mut() {
                roots.push(twig.entries_root);
            }
        }
        let sealed = self.entries.sealed() / TWIG_LEAVES;
        for twig in keys.twig_count()..sealed {
            let Some(root) = self.entries.sealed_node(TWIG_LEVEL, twig)? else {
                return Ok(false);
            };
            if let Some(roots) = self.inside.last_mut() {
                roots.push(root);
            }
            self.active.push(ActiveBits::NONE);
        }
        for id in (self.keys_covered..self.entries.sealed()).map(EntryId) {
            let entry = self.entry(id)?;
            self.track(id, &entry)?;
        }
        self.dirty = (0..sealed).collect();
        Ok(true)
    }
}
