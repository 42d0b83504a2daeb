//! The entries behind the whole twigs: those of the blocks of the journal.

use super::super::refusal::SnapshotRefusal;
use super::StateFiles;
use super::ends::BlockEnds;
use super::twig::is_hash;
use crate::error::Error;
use crate::state_log::StateLog;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{Entry, EntryId, StateWord};
use qmtree_proofs::{LEAF_LEN, TWIG_LEAVES, TxNum};
use qmtree_storage::put_value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The entries behind the whole twigs, and their values.
#[derive(Debug)]
pub(in crate::snapshot) struct StateTail {
    first: u64,
    entries: Vec<Entry>,
    values: BTreeMap<EntryId, Arc<[u8]>>,
}

impl StateFiles<'_> {
    pub(super) fn tail(&self, hasher: &Hasher) -> Result<StateTail, Error> {
        let mut tail = StateTail {
            first: self.twigs * TWIG_LEAVES,
            entries: Vec::new(),
            values: BTreeMap::new(),
        };
        for twig in self.twigs..self.all_twigs() {
            let read = self.twig(hasher, twig)?;
            tail.entries
                .extend(read.entries.iter().map(|(_, entry)| *entry));
            tail.values.extend(read.values);
        }
        Ok(tail)
    }
}

impl StateTail {
    /// The transaction of the first of them. There is always one.
    pub(super) fn first_tx_num(&self) -> TxNum {
        self.entries.first().map_or(TxNum(0), |entry| entry.tx_num)
    }

    /// Appends them to the log of all twigs before. At each block that ends on the way the root must
    /// be the one that its file says.
    pub(super) fn follow(
        &self,
        log: &mut StateLog,
        hasher: &Hasher,
        ends: &mut BlockEnds<'_>,
    ) -> Result<(), Error> {
        for (id, entry) in (self.first..).zip(&self.entries) {
            ends.check(log, hasher, Some(entry))?;
            self.push(log, EntryId(id))?;
        }
        ends.check(log, hasher, None)
    }

    fn push(&self, log: &mut StateLog, entry_id: EntryId) -> Result<(), Error> {
        let refused = || Error::from(SnapshotRefusal::StateEntry { entry_id });
        let place = entry_id.0.checked_sub(self.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let entry = place.and_then(|place| self.entries.get(place));
        let value = self.values.get(&entry_id).map(Arc::clone);
        push(log, entry_id, entry.ok_or_else(refused)?, value)
    }

    /// The entries from `from` to `to`, as a record of the journal has them.
    pub(in crate::snapshot) fn part(&self, from: u64, to: u64) -> (Vec<[u8; LEAF_LEN]>, Vec<u8>) {
        let place = |id: u64| usize::try_from(id.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let entries = self.entries.get(place(from)..place(to)).unwrap_or_default();
        let mut values = Vec::new();
        for (id, value) in self.values.range(EntryId(from)..EntryId(to)) {
            let place = u32::try_from(id.0 - from).unwrap_or(u32::MAX);
            put_value(&mut values, place, value);
        }
        (entries.iter().map(Entry::to_bytes).collect(), values)
    }
}

/// Appends an entry that must continue the history of its key, and have its own value or that of
/// the one which it supersedes.
pub(super) fn push(
    log: &mut StateLog,
    entry_id: EntryId,
    entry: &Entry,
    value: Option<Arc<[u8]>>,
) -> Result<(), Error> {
    let refused = || Error::from(SnapshotRefusal::StateEntry { entry_id });
    if is_hash(entry) && value.is_none() {
        let older = entry.supersedes.filter(|older| *older < entry_id);
        let older: StateWord = log.entry(older.ok_or_else(refused)?)?.value;
        if older != entry.value {
            return Err(refused());
        }
    }
    match log.push(entry, value) {
        Err(Error::BadEntry { .. }) => Err(refused()),
        pushed => pushed,
    }
}

/// The root of a log, and of none.
pub(super) fn root(log: &mut StateLog, hasher: &Hasher) -> Result<B256, Error> {
    match log.entry_count() {
        0 => Ok(B256::ZERO),
        _ => log.root(hasher),
    }
}
