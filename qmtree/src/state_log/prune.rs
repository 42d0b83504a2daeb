//! Dropping the oldest entries. A segment can go once everything in it was superseded, or deleted,
//! before all times that are still to be asked about, and by entries that are sealed: so neither a
//! proof, nor unwinding, nor recovery needs it.

use super::log::StateLog;
use crate::error::Error;
use qmtree_proofs::TxNum;
use qmtree_proofs::state::EntryId;
use qmtree_storage::{Disk, EntrySegment, prune_entry_segment};
use std::path::Path;
use std::sync::Arc;

impl StateLog {
    /// The segments that can be dropped if the state is to be known after `earliest` and later:
    /// the first ones that were not dropped before.
    pub(crate) fn prunable(&self, earliest: TxNum) -> Result<Vec<Arc<EntrySegment>>, Error> {
        let kept = self.entries.segments().iter();
        let mut kept: Vec<_> = kept
            .filter(|segment| !segment.is_pruned())
            .cloned()
            .collect();
        let mut found = Vec::new();
        for segment in &kept {
            let last = match segment.earliest() {
                Some(of_all) => of_all,
                None => self.entry(EntryId(segment.entries().end.0 - 1))?.tx_num,
            };
            if self.any_active(segment) || last > earliest {
                break;
            }
            found.push(Arc::clone(segment));
        }
        let Some(last) = found.last() else {
            return Ok(found);
        };
        let mut needed = self.first_needed(last.entries().end, earliest)?;
        // From the newest segment back: one that stays may hold on to values of those before it.
        while let Some(segment) = kept.pop() {
            if kept.len() < found.len() && segment.entries().end <= needed {
                break;
            }
            found.truncate(kept.len());
            let owners = segment.borrowed_values().map(|(_, owner)| owner);
            needed = owners.fold(needed, EntryId::min);
        }
        Ok(found)
    }

    fn any_active(&self, segment: &EntrySegment) -> bool {
        let twigs = segment.twigs();
        (twigs.start.0..twigs.end.0).any(|twig| self.active_bits(twig).count() > 0)
    }

    /// The first entry that the ones from `from` on need: one that was superseded after `earliest`,
    /// or by an entry that can be unwound, or that holds the value of one.
    fn first_needed(&self, from: EntryId, earliest: TxNum) -> Result<EntryId, Error> {
        let from_whole = from.0.max(self.entries.partial());
        let (mut low, mut high) = (from_whole, self.sealed_entries());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(EntryId(middle))?.tx_num <= earliest {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut needed = from;
        for id in (low..self.entry_count()).map(EntryId) {
            needed = needed.min(self.entry(id)?.supersedes.unwrap_or(needed));
        }
        Ok(self
            .entries
            .first_owner()
            .map_or(needed, |owner| owner.min(needed)))
    }

    /// Drops segments that are [`prunable`](Self::prunable).
    pub(crate) fn prune(
        &mut self,
        disk: &dyn Disk,
        segments: &[Arc<EntrySegment>],
        earliest: TxNum,
    ) -> Result<(), Error> {
        for segment in segments {
            self.forget_deleted(segment)?;
        }
        let pruned = segments
            .iter()
            .map(|segment| prune_entry_segment(disk, segment, earliest));
        self.entries.prune(pruned.collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Takes the keys out of the index whose last entry is a tombstone in this segment.
    fn forget_deleted(&mut self, segment: &EntrySegment) -> Result<(), Error> {
        if segment.earliest().is_some() {
            // What was live has no tombstones.
            return Ok(());
        }
        for id in (segment.entries().start.0..segment.entries().end.0).map(EntryId) {
            let entry = self.entry(id)?;
            if !entry.tombstone {
                continue;
            }
            let newest = self.index.down_from(&self.entries, &entry.key)?.next();
            if newest.is_some_and(|item| item.id() == id) {
                self.index.remove(&self.entries, &entry.key)?;
            }
        }
        Ok(())
    }

    /// Writes the file of keys, unless there is one about all that is sealed.
    pub(crate) fn cover_sealed(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        identity: qmtree_storage::Identity,
    ) -> Result<(), Error> {
        let sealed = self.sealed_entries();
        if self.keys_covered < sealed {
            self.write_keys(disk, folder, identity, sealed)?;
            self.keys_covered = sealed;
        }
        Ok(())
    }

    /// The first transaction after which the state is known, if any of it was dropped.
    pub(crate) fn earliest(&self) -> Option<TxNum> {
        self.entries.earliest()
    }
}
