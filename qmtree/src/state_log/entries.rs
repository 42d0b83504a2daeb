//! The entries themselves, and the values that they commit to by a hash: sealed in segments, or in
//! memory and in the journal.

use super::index::Keys;
use crate::error::Error;
use crate::shared_vec::SharedVec;
use crate::snapshot::StateStore;
use alloy_primitives::B256;
use qmtree_proofs::state::{Entry, EntryId, StateWord};
use qmtree_proofs::{Digest, LEAF_LEN, TWIG_LEAVES, TwigId, TxNum};
use qmtree_storage::{EntrySegment, SealedValue, ValueAt};
use rayon::prelude::*;
use std::sync::Arc;

/// Entries by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    segments: Arc<Vec<Arc<EntrySegment>>>,
    /// In place of segments: the files of a snapshot that is read where it lies.
    snapshot: Option<Arc<StateStore>>,
    /// Entries in segments, or in such files.
    sealed: u64,
    /// Entries at the front that were dropped: whole segments.
    pruned: u64,
    /// Where those segments end that lack entries: pruned ones, and behind them those that hold what
    /// was live when the log started from a snapshot.
    partial: u64,
    tail: SharedVec<[u8; LEAF_LEN], 128>,
    /// The value of each entry of the tail whose word is a hash, by ascending id. The bytes are
    /// there unless their owner was sealed before the entry was written.
    values: SharedVec<SealedValue>,
}

/// A value whose word is a hash: whose it was first, and the bytes if they are in memory.
pub(super) type Held = (EntryId, Option<Arc<[u8]>>);

impl Entries {
    pub(super) fn new(segments: Vec<Arc<EntrySegment>>) -> Self {
        let sealed = segments.last().map_or(0, |last| last.entries().end.0);
        let pruned = segments.iter().take_while(|segment| segment.is_pruned());
        let partial = segments
            .iter()
            .rfind(|segment| segment.earliest().is_some());
        Self {
            partial: partial.map_or(0, |last| last.entries().end.0),
            pruned: pruned.last().map_or(0, |last| last.entries().end.0),
            segments: Arc::new(segments),
            sealed,
            ..Self::default()
        }
    }

    /// Entries of whole twigs that stay in the files of a snapshot.
    pub(crate) fn in_snapshot(store: Arc<StateStore>) -> Self {
        Self {
            sealed: store.count(),
            partial: store.earliest().map_or(0, |_| store.count()),
            snapshot: Some(store),
            ..Self::default()
        }
    }

    /// The sealed entries alone.
    pub(super) fn sealed_only(&self) -> Self {
        match &self.snapshot {
            Some(store) => Self::in_snapshot(Arc::clone(store)),
            None => Self::new(self.segments.to_vec()),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.sealed + self.tail.len() as u64
    }

    /// Entries in segments: whole twigs.
    pub(crate) fn sealed(&self) -> u64 {
        self.sealed
    }

    /// Entries at the front that were dropped.
    pub(crate) fn pruned(&self) -> u64 {
        self.pruned
    }

    /// Entries at the front of which some were dropped, or all.
    pub(super) fn partial(&self) -> u64 {
        self.partial
    }

    /// True if the entry was dropped.
    pub(super) fn is_pruned(&self, id: EntryId) -> bool {
        if id.0 >= self.partial {
            return false;
        }
        match &self.snapshot {
            Some(store) => !store.has(id),
            None => !self.segment_of(id.0).is_some_and(|segment| segment.has(id)),
        }
    }

    /// The first transaction after which the state is still known, if any of it was dropped.
    pub(crate) fn earliest(&self) -> Option<TxNum> {
        if let Some(store) = &self.snapshot {
            return store.earliest();
        }
        let pruned = self.segments.iter().map_while(|segment| segment.earliest());
        pruned.max()
    }

    pub(crate) fn segments(&self) -> &[Arc<EntrySegment>] {
        &self.segments
    }

    fn segment_of(&self, id: u64) -> Option<&EntrySegment> {
        let behind = |segment: &Arc<EntrySegment>| segment.entries().end.0 <= id;
        let place = self.segments.partition_point(behind);
        self.segments.get(place).map(|segment| &**segment)
    }

    pub(crate) fn bytes(&self, id: EntryId) -> Result<[u8; LEAF_LEN], Error> {
        let missing = || Error::NoSuchEntry {
            entry_id: id,
            entry_count: self.count(),
        };
        match id.0.checked_sub(self.sealed) {
            None if let Some(store) = &self.snapshot => store.entry(id),
            None => Ok(self.segment_of(id.0).ok_or_else(missing)?.entry(id)?),
            Some(at) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                self.tail.get(at).copied().ok_or_else(missing)
            }
        }
    }

    pub(crate) fn get(&self, id: EntryId) -> Result<Entry, Error> {
        Entry::from_bytes(&self.bytes(id)?).map_err(|source| Error::Entry {
            entry_id: id,
            source,
        })
    }

    /// The entries of a sealed twig that were not dropped.
    pub(super) fn sealed_twig(&self, twig: TwigId) -> Result<Vec<(EntryId, Entry)>, Error> {
        if let Some(store) = &self.snapshot {
            return store.twig_entries(twig.0);
        }
        let Some(segment) = self.segment_of(twig.0 * TWIG_LEAVES) else {
            return Ok(Vec::new());
        };
        let entry = |(entry_id, bytes)| match Entry::from_bytes(bytes) {
            Ok(entry) => Ok((entry_id, entry)),
            Err(source) => Err(Error::Entry { entry_id, source }),
        };
        segment.twig_entries(twig)?.into_iter().map(entry).collect()
    }

    /// The sealed entries that brought a key back, each with the tombstone before it.
    pub(super) fn sealed_revived(&self) -> Vec<(EntryId, EntryId)> {
        match &self.snapshot {
            Some(store) => store.revived().to_vec(),
            None => self.segments.iter().flat_map(|s| s.revived()).collect(),
        }
    }

    /// Compares what is sealed with its checksums, or its root.
    pub(super) fn check_sealed(&self) -> Result<(), Error> {
        match &self.snapshot {
            Some(store) => store.check(),
            None => Ok(self
                .segments
                .par_iter()
                .try_for_each(|segment| segment.check())?),
        }
    }

    /// A node of a sealed twig.
    pub(super) fn sealed_node(&self, level: u32, index: u64) -> Result<Option<Digest>, Error> {
        if let Some(store) = &self.snapshot {
            return store.node(level, index);
        }
        let segment = self.segment_of(index << level);
        Ok(segment
            .map(|segment| segment.node(level, index))
            .transpose()?)
    }

    /// The tombstone before a sealed entry that brought a key back.
    pub(super) fn sealed_tombstone_before(&self, id: EntryId) -> Option<EntryId> {
        if let Some(store) = &self.snapshot {
            return store.tombstone_before(id);
        }
        self.segment_of(id.0)?.tombstone_before(id)
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
        let (owner, bytes) = self.held(id)?;
        if let Some(bytes) = bytes {
            return Ok(bytes);
        }
        if let Some(store) = &self.snapshot {
            let missing = Error::MissingValue { entry_id: id };
            return store.value(owner)?.ok_or(missing);
        }
        let segment = self.segment_of(owner.0);
        match segment.map(|segment| segment.value(owner)).transpose()? {
            Some(ValueAt::Here(bytes)) => Ok(Arc::from(bytes)),
            _ => Err(Error::MissingValue { entry_id: id }),
        }
    }

    /// The same, without reading what is sealed.
    pub(super) fn held(&self, id: EntryId) -> Result<Held, Error> {
        let missing = || Error::MissingValue { entry_id: id };
        if id.0 < self.sealed {
            if let Some(store) = &self.snapshot {
                return Ok((store.owner(id), None));
            }
            let segment = self.segment_of(id.0).ok_or_else(missing)?;
            return Ok(match segment.value(id)? {
                ValueAt::Here(_) => (id, None),
                ValueAt::With(owner) => (owner, None),
            });
        }
        let place = self.values.partition_point(|known| known.entry < id);
        let known = self.values.get(place).filter(|known| known.entry == id);
        let known = known.ok_or_else(missing)?;
        Ok((known.owner, known.bytes.clone()))
    }

    pub(super) fn push(&mut self, entry: &Entry, value: Option<Held>) {
        let id = EntryId(self.count());
        self.tail.push(entry.to_bytes());
        if let Some((owner, bytes)) = value {
            self.values.push(SealedValue {
                entry: id,
                owner,
                bytes,
            });
        }
    }

    /// Keeps the first `count` entries, at least the sealed ones.
    pub(crate) fn truncate(&mut self, count: u64) {
        let keep = count.saturating_sub(self.sealed);
        self.tail
            .truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        let kept = self.values.partition_point(|known| known.entry.0 < count);
        self.values.truncate(kept);
    }

    /// The values of the entries from the first that is not sealed up to `end`. If they must be
    /// `complete`, no value is left with an entry of another segment.
    pub(super) fn values_to_seal(
        &self,
        end: u64,
        complete: bool,
    ) -> Result<Vec<SealedValue>, Error> {
        let values = self.values.iter();
        let values = values.take_while(|known| known.entry.0 < end);
        let sealed = |known: &SealedValue| {
            if !complete || known.owner.0 >= self.sealed {
                return Ok(known.clone());
            }
            Ok(SealedValue {
                owner: known.entry,
                bytes: Some(self.stored(known.entry)?),
                ..*known
            })
        };
        values.map(sealed).collect()
    }

    /// The earliest entry that holds the value of one that is not sealed.
    pub(super) fn first_owner(&self) -> Option<EntryId> {
        self.values.iter().map(|known| known.owner).min()
    }

    /// Puts pruned segments in the place of the first ones that are not.
    pub(super) fn prune(&mut self, pruned: Vec<EntrySegment>) {
        let segments = Arc::make_mut(&mut self.segments);
        let from = segments.partition_point(|segment| segment.is_pruned());
        for (slot, pruned) in segments.iter_mut().skip(from).zip(pruned) {
            self.pruned = pruned.entries().end.0;
            self.partial = self.partial.max(self.pruned);
            *slot = Arc::new(pruned);
        }
    }

    /// Puts a segment in the place of the twigs that it was made from.
    pub(super) fn install(&mut self, segment: Arc<EntrySegment>) {
        let end = segment.entries().end.0;
        let gone = usize::try_from(end - self.sealed).unwrap_or(usize::MAX);
        self.tail.skip_front(gone);
        let gone = self.values.partition_point(|known| known.entry.0 < end);
        self.values.skip_front(gone);
        self.sealed = end;
        Arc::make_mut(&mut self.segments).push(segment);
        debug_assert!(end.is_multiple_of(TWIG_LEAVES));
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
