//! A state log of which only some entries are known.

use super::form::{MAX_EXTRACT_VALUE_LEN, OpenEntry};
use super::known::Known;
use crate::error::VerifyError;
use crate::hash::TreeHasher;
use crate::head::Head;
use crate::level::TxNum;
use crate::state::batch::{BatchError, Touched, check_keys, rewrite};
use crate::state::entry::{Entry, EntryId, StateWord};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::fmt;

/// Why a partly known state does not answer, or does not take a batch.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialError {
    /// The extract says nothing about the key: neither its entry nor the one before it is there.
    Unknown {
        /// The key.
        key: B256,
    },
    /// A key is deleted, and the live one before it, which must name another neighbour then, is not
    /// in the extract.
    UnknownBefore {
        /// The key that is deleted.
        key: B256,
    },
    /// The key's entry is there, and its value, of which the entry has the hash, is not.
    NoValue {
        /// The key.
        key: B256,
    },
    /// The batch breaks a rule.
    Batch(BatchError),
    /// A log has less than 2^64 entries.
    Full,
}

#[derive(Clone, Debug)]
struct Live {
    id: EntryId,
    entry: Entry,
    value: Option<Vec<u8>>,
}

/// A state log of which some entries and the right edge are known: reads them, takes batches, and
/// has the root after each, the same as the whole log.
///
/// Made of a [`StateExtract`](super::StateExtract) by [`open`](super::StateExtract::open). A key
/// that it does not know is an error that names it, never an absence.
#[derive(Clone, Debug)]
pub struct PartialState<H> {
    hasher: H,
    known: Known,
    /// Entries that are active and known, by key, the sentinel's among them.
    live: BTreeMap<B256, Live>,
    /// The lowest transaction that may write.
    next_tx_num: TxNum,
}

impl<H: TreeHasher> PartialState<H> {
    /// The state that these entries, all active, stand for.
    pub(super) fn new(
        hasher: H,
        known: Known,
        entries: Vec<OpenEntry>,
        head: &Head,
    ) -> Result<Self, VerifyError> {
        let mut live = BTreeMap::new();
        for OpenEntry { id, entry, value } in entries {
            let key = entry.key;
            if live.insert(key, Live { id, entry, value }).is_some() {
                // No log has two active entries of a key, so no honest head leads here.
                return Err(VerifyError::Inactive { entry_id: id });
            }
        }
        Ok(Self {
            hasher,
            known,
            live,
            next_tx_num: TxNum(head.leaf_count),
        })
    }

    /// Entries in the log now.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.known.entry_count
    }

    /// The entry of `key` now, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`PartialError::Unknown`] if the extract does not show which;
    /// [`BatchError::ReservedKey`] for a key that no map can hold.
    pub fn entry(&self, key: &B256) -> Result<Option<&Entry>, PartialError> {
        Ok(self.find(key)?.map(|live| &live.entry))
    }

    /// The value of `key` now, or `None` if the key is absent.
    ///
    /// # Errors
    /// As [`entry`](Self::entry), and [`PartialError::NoValue`].
    pub fn get(&self, key: &B256) -> Result<Option<&[u8]>, PartialError> {
        let Some(live) = self.find(key)? else {
            return Ok(None);
        };
        match &live.entry.value {
            StateWord::Value(word) => Ok(Some(word.as_slice())),
            StateWord::Hash(_) => {
                let value = live.value.as_deref();
                value.map(Some).ok_or(PartialError::NoValue { key: *key })
            }
        }
    }

    fn find(&self, key: &B256) -> Result<Option<&Live>, PartialError> {
        if Entry::is_reserved(key) {
            return Err(BatchError::ReservedKey { key: *key }.into());
        }
        let floor = self.floor(key)?;
        Ok(floor.filter(|live| live.entry.key == *key))
    }

    /// The live entry at the largest key up to `key`; none in an empty log.
    fn floor(&self, key: &B256) -> Result<Option<&Live>, PartialError> {
        if self.known.entry_count == 0 {
            return Ok(None);
        }
        let floor = self.live.range(..=*key).next_back().map(|(_, live)| live);
        let shows = |live: &&Live| live.entry.key == *key || live.entry.excludes(key);
        let floor = floor.filter(shows);
        floor.map(Some).ok_or(PartialError::Unknown { key: *key })
    }

    /// The live entry at the largest key below `key`, which is live.
    fn before(&self, key: &B256) -> Result<&Live, PartialError> {
        let below = self.live.range(..*key).next_back().map(|(_, live)| live);
        let below = below.filter(|live| live.entry.next_key == *key);
        below.ok_or(PartialError::UnknownBefore { key: *key })
    }

    /// Writes what transaction `tx_num` wrote, by ascending key; `None` deletes. Returns the root.
    ///
    /// The rules are those of the whole log ([`rewrite`]); the cost is the hashes of what changes.
    ///
    /// # Errors
    /// [`PartialError`]; nothing has changed then.
    pub fn apply(
        &mut self,
        tx_num: TxNum,
        writes: &[(B256, Option<Vec<u8>>)],
    ) -> Result<B256, PartialError> {
        check_keys(writes.iter().map(|(key, _)| key))?;
        check_values(writes)?;
        if tx_num < self.next_tx_num {
            let last = TxNum(self.next_tx_num.0 - 1);
            let found = tx_num;
            return Err(BatchError::TxNum { found, last }.into());
        }
        let touched: Vec<_> = self.touched(writes)?.into_values().collect();
        let added = touched.len() as u64;
        if self.known.entry_count.checked_add(added).is_none() {
            return Err(PartialError::Full);
        }
        self.next_tx_num = TxNum(tx_num.0.saturating_add(1));
        self.write(&rewrite(tx_num, &touched), writes);
        Ok(self.root())
    }

    /// The root now. Costs nothing unless something was written since.
    pub fn root(&mut self) -> B256 {
        self.known.root(&self.hasher)
    }

    fn write(&mut self, entries: &[Entry], writes: &[(B256, Option<Vec<u8>>)]) {
        let bytes: Vec<_> = entries.iter().map(Entry::to_bytes).collect();
        let mut hashes = vec![[0; 32]; bytes.len()];
        self.hasher.hash_leaves(&bytes, &mut hashes);
        let first = self.known.entry_count;
        let active = entries.iter().map(|entry| !entry.tombstone);
        let new: Vec<_> = hashes.into_iter().zip(active).collect();
        self.known.append(&self.hasher, &new);
        for (entry, id) in entries.iter().zip((first..).map(EntryId)) {
            if let Some(older) = entry.supersedes {
                self.known.clear(older);
            }
            let old = self.live.remove(&entry.key);
            if entry.tombstone {
                continue;
            }
            let written = writes.binary_search_by_key(&entry.key, |(key, _)| *key);
            let written = written.ok().and_then(|at| writes.get(at));
            let value = match (entry.value, written) {
                (StateWord::Value(_), _) => None,
                (StateWord::Hash(_), Some((_, value))) => value.clone(),
                (StateWord::Hash(_), None) => old.and_then(|old| old.value),
            };
            let entry = *entry;
            self.live.insert(entry.key, Live { id, entry, value });
        }
    }

    /// The keys that a batch touches, as [`rewrite`] wants them.
    fn touched(
        &self,
        writes: &[(B256, Option<Vec<u8>>)],
    ) -> Result<BTreeMap<B256, Touched>, PartialError> {
        let mut touched = BTreeMap::new();
        let writes_any = writes.iter().any(|(_, new)| new.is_some());
        if self.known.entry_count == 0 && writes_any {
            let sentinel = Touched {
                key: B256::ZERO,
                old: None,
                next_key: Entry::END,
                new: Some(StateWord::Value(B256::ZERO)),
            };
            touched.insert(B256::ZERO, sentinel);
        }
        for (key, new) in writes {
            let new = new.as_deref().map(StateWord::of);
            let floor = self.floor(key)?;
            let old = floor.filter(|live| live.entry.key == *key);
            let neighbour = match (old, new) {
                (None, None) => continue,
                (None, Some(_)) => floor,
                (Some(_), None) => Some(self.before(key)?),
                (Some(_), Some(_)) => None,
            };
            if let Some(Live { id, entry, .. }) = neighbour {
                touched.entry(entry.key).or_insert(Touched {
                    key: entry.key,
                    old: Some((*id, entry.value)),
                    next_key: entry.next_key,
                    new: Some(entry.value),
                });
            }
            let written = Touched {
                key: *key,
                old: old.map(|live| (live.id, live.entry.value)),
                next_key: floor.map_or(Entry::END, |live| live.entry.next_key),
                new,
            };
            touched.insert(*key, written);
        }
        Ok(touched)
    }
}

impl From<BatchError> for PartialError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

impl fmt::Display for PartialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { key } => {
                write!(f, "the witness does not show whether key {key} is there")
            }
            Self::UnknownBefore { key } => write!(
                f,
                "key {key} is deleted, and the entry before it is not in the witness"
            ),
            Self::NoValue { key } => write!(
                f,
                "the value of key {key} is not in the witness, only its hash"
            ),
            Self::Batch(error) => error.fmt(f),
            Self::Full => f.write_str("a state log has less than 2^64 entries"),
        }
    }
}

impl core::error::Error for PartialError {}

/// Values that the whole log would refuse are refused here too.
fn check_values(writes: &[(B256, Option<Vec<u8>>)]) -> Result<(), BatchError> {
    let max = MAX_EXTRACT_VALUE_LEN;
    let len = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
    match writes.iter().find(|(_, value)| len(value) > max) {
        Some((key, value)) => Err(BatchError::ValueLength {
            key: *key,
            found: len(value),
            max,
        }),
        None => Ok(()),
    }
}
