//! Batches: what one transaction writes, and how it becomes entries.

use super::log::StateLog;
use crate::error::Error;
use crate::workers::Workers;
use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use qmtree_proofs::state::{
    BatchError, Compaction, Entry, EntryId, StateWord, Touched, check_keys, rewrite,
};
use qmtree_storage::put_value;
use std::sync::Arc;

/// Most bytes of a value: more than any code that a chain lets in.
pub const MAX_VALUE_LEN: usize = 64 << 10;

/// Keys that are worth looking up on two threads: about a microsecond each.
const PARALLEL_LOOKUPS: usize = 256;

/// What one transaction writes to the state.
///
/// ```
/// use alloy_primitives::{B256, keccak256};
/// use qmtree::StateBatch;
/// use qmtree::proofs::TxNum;
///
/// let mut batch = StateBatch::new(TxNum(7));
/// batch.writes.push((keccak256(b"balance"), Some(B256::with_last_byte(5).to_vec())));
/// batch.writes.push((keccak256(b"allowance"), None));
/// batch.sort();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateBatch {
    /// The transaction. Batches come in ascending order, one for each transaction that writes.
    pub tx_num: TxNum,
    /// By strictly ascending key: the new value, at most [`MAX_VALUE_LEN`] bytes, or `None` to
    /// delete. A value of 32 bytes is committed to as it is, any other by its keccak256.
    pub writes: Vec<(B256, Option<Vec<u8>>)>,
}

impl StateBatch {
    /// A batch that writes nothing yet.
    #[must_use]
    pub fn new(tx_num: TxNum) -> Self {
        Self {
            tx_num,
            writes: Vec::new(),
        }
    }

    /// Puts the writes in order; of several to one key the last stays.
    pub fn sort(&mut self) {
        self.writes.sort_by_key(|(key, _)| *key);
        self.writes.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
    }

    pub(super) fn check(&self) -> Result<(), BatchError> {
        check_keys(self.writes.iter().map(|(key, _)| key))?;
        for (key, value) in &self.writes {
            let found = value.as_ref().map_or(0, Vec::len);
            if found > MAX_VALUE_LEN {
                return Err(BatchError::ValueLength {
                    key: *key,
                    found,
                    max: MAX_VALUE_LEN,
                });
            }
        }
        Ok(())
    }
}

impl StateLog {
    /// Applies a batch. New values are also written to `values`, as a journal record has them in
    /// which the entries begin with `first`.
    ///
    /// # Errors
    /// [`Error::Batch`] if the batch breaks a rule, and then nothing has changed; others if an
    /// entry cannot be read, and then this copy of the log is of no more use.
    pub(crate) fn apply(
        &mut self,
        batch: &StateBatch,
        first: u64,
        values: &mut Vec<u8>,
        workers: &Workers,
    ) -> Result<(), Error> {
        batch.check()?;
        let last = self.last_tx_num()?.filter(|last| *last >= batch.tx_num);
        if let Some(last) = last {
            let found = batch.tx_num;
            return Err(BatchError::TxNum { found, last }.into());
        }
        let mut touched = self.touched(batch, None, workers)?;
        self.touch_oldest(&mut touched)?;
        let mut writes = batch.writes.iter().peekable();
        for entry in rewrite(batch.tx_num, &touched) {
            while writes.next_if(|(key, _)| *key < entry.key).is_some() {}
            let written = writes.next_if(|(key, _)| *key == entry.key);
            let value = written.and_then(|(_, value)| value.as_deref());
            let value = value.filter(|_| matches!(entry.value, StateWord::Hash(_)));
            if let Some(value) = value {
                let place = u32::try_from(self.entry_count() - first);
                let place = place.map_err(|_| Error::BlockTooLarge)?;
                put_value(values, place, value);
            }
            self.push(&entry, value.map(Arc::from))?;
        }
        Ok(())
    }

    /// Adds the oldest active entries that the rule of compaction moves.
    fn touch_oldest(&mut self, touched: &mut Vec<Touched>) -> Result<(), Error> {
        let (own, count) = (touched.len() as u64, self.entry_count());
        if self.compaction == Compaction::OFF || own == 0 {
            return Ok(());
        }
        let oldest = self.oldest_active(own);
        let first = oldest.first().map_or(count, |id| id.0);
        if self.compaction.moves(own, count, first, self.live_keys + 1) == 0 {
            return Ok(());
        }
        let by_key = |known: &Touched, key: &B256| known.key.cmp(key);
        let mut moved = Vec::with_capacity(oldest.len());
        for id in oldest {
            let entry = self.entry(id)?;
            if touched
                .binary_search_by(|known| by_key(known, &entry.key))
                .is_err()
            {
                moved.push(unchanged(id, &entry));
            }
        }
        touched.extend(moved);
        touched.sort_unstable_by_key(|known| known.key);
        Ok(())
    }

    /// The keys that a batch touches, as [`rewrite`] wants them, in the state now or after `at`.
    pub(super) fn touched(
        &self,
        batch: &StateBatch,
        at: Option<TxNum>,
        workers: &Workers,
    ) -> Result<Vec<Touched>, Error> {
        let mut touched: Vec<Touched> = Vec::with_capacity(batch.writes.len() + 1);
        let writes_any = batch.writes.iter().any(|(_, value)| value.is_some());
        if self.entry_count() == 0 && writes_any {
            touched.push(Touched {
                key: B256::ZERO,
                old: None,
                next_key: Entry::END,
                new: Some(StateWord::Value(B256::ZERO)),
            });
        }
        // By ascending key, as the writes before which they are.
        let mut neighbours: Vec<Touched> = Vec::new();
        let lookups = self.look_up(&batch.writes, at, workers)?;
        for ((key, value), (found, below)) in batch.writes.iter().zip(lookups) {
            let new = value.as_deref().map(StateWord::of);
            if found.is_none() && new.is_none() {
                continue;
            }
            let next_key = found.as_ref().or(below.as_ref());
            touched.push(Touched {
                key: *key,
                old: found.as_ref().map(|(id, entry)| (*id, entry.value)),
                next_key: next_key.map_or(Entry::END, |(_, entry)| entry.next_key),
                new,
            });
            if let Some((id, entry)) = below {
                neighbours.push(unchanged(id, &entry));
            }
        }
        if !neighbours.is_empty() {
            // Two runs in order: the sort is a merge, and of equal keys the written one comes first.
            neighbours.dedup_by_key(|known| known.key);
            touched.append(&mut neighbours);
            touched.sort_by_key(|known| known.key);
            touched.dedup_by_key(|known| known.key);
        }
        Ok(touched)
    }

    /// The [`neighbours`](Self::neighbours) of each key that is written.
    fn look_up(
        &self,
        writes: &[(B256, Option<Vec<u8>>)],
        at: Option<TxNum>,
        workers: &Workers,
    ) -> Result<Vec<(Live, Live)>, Error> {
        let all = |writes: &[(B256, Option<Vec<u8>>)]| {
            let found = writes
                .iter()
                .map(|(key, value)| self.neighbours(key, value.is_none(), at));
            found.collect::<Result<Vec<_>, Error>>()
        };
        let (there, here) = writes.split_at(writes.len() / 2);
        let is_worth_it = writes.len() >= PARALLEL_LOOKUPS;
        let (there, here) = workers.both(is_worth_it, || all(there), || all(here));
        let mut found = there?;
        found.extend(here?);
        Ok(found)
    }

    /// The live entry of `key`, if there is one, and the live one before it where the batch will
    /// change that.
    fn neighbours(
        &self,
        key: &B256,
        delete: bool,
        at: Option<TxNum>,
    ) -> Result<(Live, Live), Error> {
        let below = self.index.down_from(&self.entries, key)?;
        let mut live = below.filter_map(|item| self.version(item, at).transpose());
        let mut live = move || live.next().transpose();
        let found = live()?.map(|version| (version.id, version.entry));
        match found {
            Some((_, entry)) if entry.key == *key => {}
            other => return Ok((None, other)),
        }
        let before = if delete { live()? } else { None };
        Ok((found, before.map(|version| (version.id, version.entry))))
    }
}

type Live = Option<(EntryId, Entry)>;

/// A key whose next neighbour may change, its value does not.
fn unchanged(id: EntryId, entry: &Entry) -> Touched {
    Touched {
        key: entry.key,
        old: Some((id, entry.value)),
        next_key: entry.next_key,
        new: Some(entry.value),
    }
}
