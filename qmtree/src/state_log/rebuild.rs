//! From segments to a log: what is active, and the index, read off the sealed entries.

use super::entries::Entries;
use super::index::{Item, KeyIndex};
use super::log::StateLog;
use crate::error::Error;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{ActiveBits, Compaction, Entry, EntryId, StateWord};
use qmtree_proofs::{TWIG_LEAVES, TWIG_LEVEL, TwigId};
use qmtree_storage::{EntrySegment, StateKeys};
use rayon::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

/// What one twig says about active bits: its own entries, and those that it supersedes.
struct TwigBits {
    born_active: ActiveBits,
    superseded: Vec<EntryId>,
}

impl StateLog {
    /// The log of all sealed entries. A file of keys, if it fits, says all that follows from the
    /// entries that it is about; the others are read.
    ///
    /// # Errors
    /// [`Error::EntrySegment`] or [`Error::Entry`] if something is damaged.
    pub(crate) fn from_segments(
        segments: Vec<Arc<EntrySegment>>,
        keys: Option<&StateKeys>,
        compaction: Compaction,
    ) -> Result<Self, Error> {
        let empty = Self {
            entries: Entries::new(segments),
            ..Self::new(compaction)
        };
        if let Some(keys) = keys {
            let mut log = empty.clone();
            if log.load_keys(keys)? {
                return Ok(log);
            }
        }
        empty.derive()
    }

    /// The log of these sealed entries, whatever holds them.
    ///
    /// # Errors
    /// As [`from_segments`](Self::from_segments).
    pub(crate) fn in_place(entries: Entries, compaction: Compaction) -> Result<Self, Error> {
        let log = Self {
            entries,
            ..Self::new(compaction)
        };
        log.derive()
    }

    /// The same log, with everything but the entries derived from them anew.
    ///
    /// # Errors
    /// [`Error::CheckState`] if another root comes out; others if an entry cannot be read.
    pub(crate) fn reindexed(&self, hasher: &Hasher) -> Result<Self, Error> {
        let mut log = Self::in_place(self.entries.sealed_only(), self.compaction)?;
        for id in (log.entry_count()..self.entry_count()).map(EntryId) {
            let entry = self.entry(id)?;
            let own = match entry.value {
                StateWord::Hash(_) => Some(self.entries.held(id)?),
                StateWord::Value(_) => None,
            };
            let own = own.filter(|(owner, _)| *owner == id);
            log.push(&entry, own.and_then(|(_, bytes)| bytes))?;
        }
        match log.root(hasher)? == self.root {
            true => Ok(log),
            false => Err(Error::CheckState { what: "the root" }),
        }
    }

    /// Reads each entry twice and hashes none; twigs in parallel.
    pub(super) fn derive(self) -> Result<Self, Error> {
        let mut log = self;
        let entries = log.entries.clone();
        let twigs = 0..entries.sealed() / TWIG_LEAVES;
        let bits = twigs
            .clone()
            .into_par_iter()
            .map(|twig| twig_bits(&entries, TwigId(twig)));
        for bits in bits.collect::<Result<Vec<_>, _>>()? {
            log.active.push(bits.born_active);
            for older in bits.superseded {
                log.set_active(older, false);
            }
        }
        log.dirty = twigs.clone().collect();
        for twig in twigs.clone() {
            if let Some(roots) = log.inside.get_mut(TWIG_LEVEL as usize) {
                let root = entries.sealed_node(TWIG_LEVEL, twig)?;
                roots.push(root.unwrap_or_default());
            }
        }
        let revived = entries.sealed_revived().into_iter();
        let ended: HashSet<EntryId> = revived.map(|(_, tombstone)| tombstone).collect();
        let items = twigs
            .into_par_iter()
            .map(|twig| items(&entries, TwigId(twig), &log.active_bits(twig), &ended));
        let items = items.collect::<Result<Vec<_>, _>>()?.concat();
        let live = items.iter().filter(|item| !item.is_dead()).count() as u64;
        log.live_keys = live.saturating_sub(1);
        log.index = KeyIndex::from_items(&log.entries, items)?;
        Ok(log)
    }
}

fn twig_bits(entries: &Entries, twig: TwigId) -> Result<TwigBits, Error> {
    let mut bits = TwigBits {
        born_active: ActiveBits::NONE,
        superseded: Vec::new(),
    };
    for (id, entry) in entries.sealed_twig(twig)? {
        bits.born_active.set(id.index_in_twig(), !entry.tombstone);
        bits.superseded.extend(entry.supersedes);
    }
    Ok(bits)
}

/// The entries of a twig that are the newest of their key: those that are active, and tombstones
/// that nothing came after.
fn items(
    entries: &Entries,
    twig: TwigId,
    active: &ActiveBits,
    ended: &HashSet<EntryId>,
) -> Result<Vec<Item>, Error> {
    let newest = entries
        .sealed_twig(twig)?
        .into_iter()
        .filter(|(id, entry)| {
            active.get(id.index_in_twig()) || (entry.tombstone && !ended.contains(id))
        });
    let item = |(id, entry): (EntryId, Entry)| Item::new(&entry.key, id, entry.tombstone);
    Ok(newest.map(item).collect())
}

impl KeyIndex {
    /// The index of these items, in any order, of one key each.
    fn from_items(entries: &Entries, mut items: Vec<Item>) -> Result<Self, Error> {
        items.par_sort_unstable_by_key(|item| item.prefix());
        let mut sorted = Self::builder();
        for run in items.chunk_by(|a, b| a.prefix() == b.prefix()) {
            if let [item] = run {
                sorted.push(*item);
                continue;
            }
            let mut keyed = Vec::with_capacity(run.len());
            for item in run {
                keyed.push((super::index::Keys::key_of(entries, item.id())?, *item));
            }
            keyed.sort_unstable_by_key(|(key, _): &(B256, Item)| *key);
            keyed.iter().for_each(|(_, item)| sorted.push(*item));
        }
        Ok(sorted.finish())
    }
}
