//! The entries themselves, and the values that they commit to by a hash.

use super::index::Keys;
use crate::error::Error;
use crate::shared_vec::SharedVec;
use alloy_primitives::B256;
use qmtree_proofs::LEAF_LEN;
use qmtree_proofs::state::{Entry, EntryId, StateWord};
use std::sync::Arc;

/// Entries by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    tail: SharedVec<[u8; LEAF_LEN], 128>,
    /// The value of each entry whose word is a hash, by ascending id.
    values: SharedVec<(EntryId, Arc<[u8]>)>,
}

impl Entries {
    pub(crate) fn count(&self) -> u64 {
        self.tail.len() as u64
    }

    pub(crate) fn bytes(&self, id: EntryId) -> Result<[u8; LEAF_LEN], Error> {
        let at = usize::try_from(id.0).unwrap_or(usize::MAX);
        self.tail.get(at).copied().ok_or(Error::NoSuchEntry {
            entry_id: id,
            entry_count: self.count(),
        })
    }

    pub(crate) fn get(&self, id: EntryId) -> Result<Entry, Error> {
        Entry::from_bytes(&self.bytes(id)?).map_err(|source| Error::Entry {
            entry_id: id,
            source,
        })
    }

    /// The value that a live entry commits to.
    pub(crate) fn value(&self, id: EntryId, entry: &Entry) -> Result<Vec<u8>, Error> {
        match entry.value {
            StateWord::Value(word) => Ok(word.to_vec()),
            StateWord::Hash(_) => Ok(self.stored(id)?.to_vec()),
        }
    }

    /// The value of an entry whose word is a hash.
    pub(crate) fn stored(&self, id: EntryId) -> Result<Arc<[u8]>, Error> {
        let place = self.values.partition_point(|(known, _)| *known < id);
        match self.values.get(place) {
            Some((known, value)) if *known == id => Ok(Arc::clone(value)),
            _ => Err(Error::MissingValue { entry_id: id }),
        }
    }

    pub(crate) fn push(&mut self, entry: &Entry, value: Option<Arc<[u8]>>) {
        let id = EntryId(self.count());
        self.tail.push(entry.to_bytes());
        if let Some(value) = value {
            self.values.push((id, value));
        }
    }

    /// Keeps the first `count` entries.
    pub(crate) fn truncate(&mut self, count: u64) {
        self.tail
            .truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let kept = self.values.partition_point(|(id, _)| id.0 < count);
        self.values.truncate(kept);
    }
}

impl Keys for Entries {
    fn key_of(&self, id: EntryId) -> Result<B256, Error> {
        let bytes = self.bytes(id)?;
        Ok(bytes
            .first_chunk()
            .map_or(B256::ZERO, |key| B256::new(*key)))
    }
}
