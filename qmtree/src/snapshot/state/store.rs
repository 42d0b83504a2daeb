//! Reading the state log straight from snapshot files, without an import.
//!
//! Opening verifies every entry and every value, and keeps in memory what the entries alone do not
//! tell in their places: index, active bits, and these lists. Entries are then read where they lie.
//! Nodes inside a twig and values are derived with the twig, of which the last few are kept.

use super::super::kept::Kept;
use super::super::plan::Plan;
use super::super::refusal::SnapshotRefusal;
use super::super::set::SnapshotSet;
use super::StateFiles;
use super::ends::BlockEnds;
use super::twig::StateTwig;
use crate::error::Error;
use crate::state_log::{Entries, StateLog};
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{ActiveBits, Entry, EntryId};
use qmtree_proofs::{Digest, Head, LEAF_LEN, TWIG_LEAVES, TWIG_LEVEL, TxNum};
use qmtree_storage::TwigOpening;
use qmtree_storage::snapshot::SnapshotFile;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Twigs that are kept once derived: about 500 KiB each, and their values.
const KEPT: usize = 16;

/// The whole twigs of a state log in snapshot files, which were verified.
#[derive(Debug)]
pub(crate) struct StateStore {
    set: Arc<SnapshotSet>,
    hasher: Hasher,
    head: Head,
    twigs: u64,
    /// Places of files in the set: what is live, if not all is taken, and the tail.
    live: Option<usize>,
    tail: usize,
    roots: Vec<Digest>,
    /// Of files of what is live: which entries are there, and the first transaction after which the
    /// state is known.
    there: Option<(Vec<ActiveBits>, TxNum)>,
    /// Entries without a value of their own, by ascending id, each with the one that has it.
    borrowed: Vec<(EntryId, EntryId)>,
    /// Entries of keys inserted again, by ascending id, each with the tombstone before it.
    revived: Vec<(EntryId, EntryId)>,
    kept: Kept<StateTwig>,
}

impl StateFiles<'_> {
    /// Verifies everything, and opens the log at the head. Hashes each entry once, and reads it
    /// three times.
    pub(in crate::snapshot) fn open(&self, plan: &Plan) -> Result<StateLog, Error> {
        let hasher = &plan.hasher;
        let store = Arc::new(self.store(plan)?);
        let mut log = StateLog::in_place(Entries::in_snapshot(store), self.compaction())?;
        let tail = self.tail(hasher)?;
        tail.follow(&mut log, hasher, &mut BlockEnds::of_tail(plan)?)?;
        let (derived, trusted) = (log.root(hasher)?, self.head.state_root);
        if derived != trusted || log.entry_count() != self.head.entry_count {
            return self.refuse(SnapshotRefusal::StateRoot { derived, trusted });
        }
        Ok(log)
    }

    fn store(&self, plan: &Plan) -> Result<StateStore, Error> {
        let hasher = plan.hasher;
        let mut roots = Vec::new();
        let mut borrowed: Vec<(EntryId, EntryId)> = Vec::new();
        let mut tombstones: HashMap<B256, Vec<EntryId>> = HashMap::new();
        self.verify_each(&hasher, &None, |facts| {
            // The entries behind the whole twigs are followed one by one.
            if facts.twig >= self.twigs {
                return;
            }
            roots.push(facts.entries_root);
            for (id, older) in &facts.borrowed {
                let owner = find(&borrowed, *older).unwrap_or(*older);
                borrowed.push((*id, owner));
            }
            for (key, id) in &facts.tombstones {
                tombstones.entry(*key).or_default().push(*id);
            }
        })?;
        let place = |file: &SnapshotFile| {
            let mut files = plan.set.files().iter();
            let place = files.position(|other| std::ptr::eq(other, file));
            place.expect("these files were found in this set")
        };
        Ok(StateStore {
            set: Arc::clone(&plan.set),
            hasher,
            head: self.head,
            twigs: self.twigs,
            live: self.live.map(place),
            tail: place(self.tail),
            roots,
            there: self.there(&hasher)?,
            borrowed,
            revived: self.revived(&tombstones)?,
            kept: Kept::new(KEPT),
        })
    }

    fn there(&self, hasher: &Hasher) -> Result<Option<(Vec<ActiveBits>, TxNum)>, Error> {
        if self.live.is_none() || self.twigs == 0 {
            return Ok(None);
        }
        let bits = (0..self.twigs).map(|twig| self.opening(twig).map(|opening| *opening.live()));
        let earliest = self.tail(hasher)?.first_tx_num();
        Ok(Some((bits.collect::<Result<_, _>>()?, earliest)))
    }

    /// Which entries brought a key back, given all deletions.
    fn revived(
        &self,
        tombstones: &HashMap<B256, Vec<EntryId>>,
    ) -> Result<Vec<(EntryId, EntryId)>, Error> {
        // What is live alone has no history.
        if tombstones.is_empty() || self.live.is_some() {
            return Ok(Vec::new());
        }
        let revived = (0..self.twigs).into_par_iter().map(|twig| {
            let entries = self.entries(twig)?.into_iter();
            let born = entries.filter(|(_, entry)| entry.supersedes.is_none() && !entry.tombstone);
            let revived = born.filter_map(|(id, entry)| {
                let ends = tombstones.get(&entry.key)?;
                let before = ends.partition_point(|end| *end < id).checked_sub(1)?;
                Some((id, *ends.get(before)?))
            });
            Ok::<_, Error>(revived.collect::<Vec<_>>())
        });
        Ok(revived.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The entries of a whole twig that are there, not hashed.
    fn entries(&self, twig: u64) -> Result<Vec<(EntryId, Entry)>, Error> {
        let first = twig * TWIG_LEAVES;
        let entry = |(index, bytes): (u64, &[u8; LEAF_LEN])| {
            let entry_id = EntryId(first + index);
            let entry = Entry::from_bytes(bytes);
            let entry = entry.map_err(|source| Error::Entry { entry_id, source })?;
            Ok((entry_id, entry))
        };
        if self.live.is_some() {
            return self.opening(twig)?.entries().map(entry).collect();
        }
        let word = self.file(twig)?.entries_word(twig)?;
        (0..).zip(word.as_chunks().0).map(entry).collect()
    }

    fn opening(&self, twig: u64) -> Result<TwigOpening, Error> {
        let word = self.file(twig)?.entries_word(twig)?;
        TwigOpening::read(&word).ok_or_else(|| SnapshotRefusal::StateTwig { twig }.into())
    }
}

impl StateStore {
    /// Entries of the whole twigs.
    pub(crate) fn count(&self) -> u64 {
        self.twigs * TWIG_LEAVES
    }

    /// The first transaction after which the state is known, if not all of it is.
    pub(crate) fn earliest(&self) -> Option<TxNum> {
        self.there.as_ref().map(|(_, earliest)| *earliest)
    }

    /// True if an entry is there.
    pub(crate) fn has(&self, id: EntryId) -> bool {
        let Some((bits, _)) = &self.there else {
            return id.0 < self.count();
        };
        let place = usize::try_from(id.twig_id().0).unwrap_or(usize::MAX);
        bits.get(place)
            .is_some_and(|bits| bits.get(id.index_in_twig()))
    }

    /// The bytes of an entry.
    pub(crate) fn entry(&self, id: EntryId) -> Result<[u8; LEAF_LEN], Error> {
        let (twig, index) = (id.twig_id().0, id.index_in_twig());
        let files = self.files()?;
        let found = if self.live.is_some() {
            let opening = files.opening(twig)?;
            let found = opening.entries().find(|(place, _)| *place == index);
            found.map(|(_, bytes)| *bytes)
        } else {
            let word = files.file(twig)?.entries_word(twig)?;
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            word.as_chunks().0.get(place).copied()
        };
        found.ok_or_else(|| Error::NoSuchEntry {
            entry_id: id,
            entry_count: self.head.entry_count,
        })
    }

    /// The entries of a whole twig that are there.
    pub(crate) fn twig_entries(&self, twig: u64) -> Result<Vec<(EntryId, Entry)>, Error> {
        self.files()?.entries(twig)
    }

    /// A node of levels 0 to 11, by its index in the log.
    pub(crate) fn node(&self, level: u32, index: u64) -> Result<Option<Digest>, Error> {
        let depth = TWIG_LEVEL.saturating_sub(level);
        let (twig, inside) = (index >> depth, index & ((1 << depth) - 1));
        if depth == 0 {
            let place = usize::try_from(twig).unwrap_or(usize::MAX);
            return Ok(self.roots.get(place).copied());
        }
        Ok(self.twig(twig)?.node(level, inside))
    }

    /// The tombstone before an entry that brought a key back.
    pub(crate) fn tombstone_before(&self, id: EntryId) -> Option<EntryId> {
        find(&self.revived, id)
    }

    /// All of these, each with the tombstone.
    pub(crate) fn revived(&self) -> &[(EntryId, EntryId)] {
        &self.revived
    }

    /// The entry that has the value of this one, whose word is a hash.
    pub(crate) fn owner(&self, id: EntryId) -> EntryId {
        find(&self.borrowed, id).unwrap_or(id)
    }

    /// The value of an entry that has it.
    pub(crate) fn value(&self, owner: EntryId) -> Result<Option<Arc<[u8]>>, Error> {
        Ok(self.twig(owner.twig_id().0)?.values.get(&owner).cloned())
    }

    /// Hashes everything again, and compares.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.files()?.verify(&self.hasher, &None)
    }

    fn twig(&self, twig: u64) -> Result<Arc<StateTwig>, Error> {
        self.kept.get_or(twig, || {
            let read = self.files()?.twig(&self.hasher, twig)?;
            let place = usize::try_from(twig).unwrap_or(usize::MAX);
            // It was verified, but the file may have changed since.
            match self.roots.get(place) == Some(&read.entries_root) {
                true => Ok(read),
                false => Err(SnapshotRefusal::StateTwig { twig }.into()),
            }
        })
    }

    fn files(&self) -> Result<StateFiles<'_>, Error> {
        let files = self.set.files();
        let tail = files.get(self.tail);
        let entry_count = self.head.entry_count;
        Ok(StateFiles {
            set: &self.set,
            head: self.head,
            twigs: self.twigs,
            live: self.live.and_then(|place| files.get(place)),
            tail: tail.ok_or(SnapshotRefusal::StateMissing { entry_count })?,
        })
    }
}

/// What goes with an entry, in a list by ascending id.
fn find(list: &[(EntryId, EntryId)], id: EntryId) -> Option<EntryId> {
    let place = list.partition_point(|(known, _)| *known < id);
    let found = list.get(place).filter(|(known, _)| *known == id);
    found.map(|(_, other)| *other)
}
