//! State proof: entries of the state log, opened under one head.

use super::entry::{Entry, EntryId};
use super::opening::Opened;
use crate::codec::{Kind, Reader, Wire, put_digests, wire_methods};
use crate::error::{DecodeError, ShapeError};
use crate::hash::{LEAF_LEN, Profile};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// Entries of the state log with all that leads from them to the root, shared nodes sent once.
///
/// Proves values and absences, now and at past transactions, of one key or of many:
/// [`verify`](Self::verify) and [`verify_all`](Self::verify_all) say what the entries mean. The
/// proof of one current value has 1,148 bytes at 2^26 entries; one of a past value needs two
/// entries and so at most twice that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateProof {
    profile: Profile,
    entry_count: u64,
    ids: Vec<EntryId>,
    shown: Vec<bool>,
    entries: Vec<[u8; LEAF_LEN]>,
    nodes: Vec<B256>,
}

impl StateProof {
    /// A proof from its parts: the ids of the entries, ascending; for each whether its active bit
    /// is shown; their bytes; and the nodes in the order of docs/FORMAT.md, section 3.
    ///
    /// # Errors
    /// [`ShapeError::Empty`], [`ShapeError::TooMany`], [`ShapeError::LeafCount`],
    /// [`ShapeError::EntriesUnsorted`] or [`ShapeError::OutsideLog`] for the ids,
    /// [`ShapeError::Entry`] for bytes that are no entry, [`ShapeError::DigestCount`] if the
    /// number of nodes is not the dictated one.
    pub fn new(
        profile: Profile,
        entry_count: u64,
        ids: Vec<EntryId>,
        shown: Vec<bool>,
        entries: Vec<[u8; LEAF_LEN]>,
        nodes: Vec<B256>,
    ) -> Result<Self, ShapeError> {
        for found in [shown.len(), entries.len()] {
            if found != ids.len() {
                return Err(ShapeError::LeafCount {
                    expected: ids.len() as u64,
                    found: found as u64,
                });
            }
        }
        check_ids(&ids, entry_count)?;
        let expected = node_count(&ids, &shown, entry_count);
        let found = nodes.len() as u64;
        if found != expected {
            return Err(ShapeError::DigestCount { expected, found });
        }
        for (id, bytes) in ids.iter().zip(&entries) {
            check_entry(*id, bytes)?;
        }
        Ok(Self {
            profile,
            entry_count,
            ids,
            shown,
            entries,
            nodes,
        })
    }

    /// The hash rules of the log.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Entries in the log under whose head the proof verifies.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.entry_count
    }

    /// The ids of the entries, ascending; never empty.
    #[must_use]
    pub fn ids(&self) -> &[EntryId] {
        &self.ids
    }

    /// For each entry whether the proof shows its active bit.
    #[must_use]
    pub fn shown(&self) -> &[bool] {
        &self.shown
    }

    /// The entries, in the order of their ids. What they claim is not verified by this.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry> + '_ {
        let entry = |bytes| Entry::from_bytes(bytes).expect("checked by `new`");
        self.entries.iter().map(entry)
    }

    pub(super) fn entry_bytes(&self) -> &[[u8; LEAF_LEN]] {
        &self.entries
    }

    /// The nodes, in the order of docs/FORMAT.md, section 3.
    #[must_use]
    pub fn nodes(&self) -> &[B256] {
        &self.nodes
    }

    pub(super) fn opened(&self) -> Opened<'_> {
        Opened {
            ids: &self.ids,
            shown: &self.shown,
            entry_count: self.entry_count,
        }
    }
}

/// Refuses ids that no proof can have.
fn check_ids(ids: &[EntryId], entry_count: u64) -> Result<(), ShapeError> {
    let last = *ids.last().ok_or(ShapeError::Empty)?;
    let count = ids.len() as u64;
    if u32::try_from(count).is_err() {
        return Err(ShapeError::TooMany { count });
    }
    for (&previous, &next) in ids.iter().zip(ids.iter().skip(1)) {
        if previous >= next {
            return Err(ShapeError::EntriesUnsorted { previous, next });
        }
    }
    if last.0 >= entry_count {
        return Err(ShapeError::OutsideLog {
            entry_id: last,
            entry_count,
        });
    }
    Ok(())
}

/// Refuses bytes that are no entry, or none that can have this id.
fn check_entry(id: EntryId, bytes: &[u8; LEAF_LEN]) -> Result<(), ShapeError> {
    check_position(id, &Entry::from_bytes(bytes).map_err(ShapeError::Entry)?)
}

/// Refuses an entry that cannot have this id.
pub(super) fn check_position(id: EntryId, entry: &Entry) -> Result<(), ShapeError> {
    let first = entry.key == B256::ZERO && entry.supersedes.is_none();
    let backwards = entry.supersedes.is_none_or(|older| older < id);
    if first == (id == EntryId(0)) && backwards {
        Ok(())
    } else {
        Err(ShapeError::EntryPosition { entry_id: id })
    }
}

fn node_count(ids: &[EntryId], shown: &[bool], entry_count: u64) -> u64 {
    let opened = Opened {
        ids,
        shown,
        entry_count,
    };
    let mut count = 0;
    let Ok(()) = opened.visit(|_| {
        count += 1;
        Ok::<_, core::convert::Infallible>(())
    });
    count
}

impl Wire for StateProof {
    const KIND: Kind = Kind::State;

    fn profile(&self) -> Profile {
        self.profile
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.entry_count.to_be_bytes());
        let count = u32::try_from(self.ids.len()).expect("checked by `new`");
        out.extend_from_slice(&count.to_be_bytes());
        for id in &self.ids {
            out.extend_from_slice(&id.0.to_be_bytes());
        }
        out.extend(self.shown.iter().map(|shown| u8::from(*shown)));
        out.extend_from_slice(self.entries.as_flattened());
        put_digests(out, &self.nodes);
    }

    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let entry_count = reader.u64()?;
        let count = u64::from(reader.u32()?);
        let ids = reader.arrays::<8>(count)?;
        let shown = reader.arrays::<1>(count)?;
        let entries = reader.arrays::<LEAF_LEN>(count)?;
        if let Some(found) = shown.as_flattened().iter().find(|shown| **shown > 1) {
            return Err(DecodeError::Flag { found: *found });
        }
        let ids: Vec<_> = ids
            .iter()
            .map(|id| EntryId(u64::from_be_bytes(*id)))
            .collect();
        let shown: Vec<_> = shown.iter().map(|shown| *shown == [1]).collect();
        check_ids(&ids, entry_count)?;
        let nodes = reader.digests(node_count(&ids, &shown, entry_count))?;
        let proof = Self::new(profile, entry_count, ids, shown, entries.to_vec(), nodes);
        Ok(proof?)
    }
}

wire_methods!(StateProof);
