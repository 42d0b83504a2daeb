//! What snapshots take of the log: entries as they are, values by whose they are, and what was live
//! at some time (docs/FORMAT.md, section 10.9).

use super::log::StateLog;
use crate::error::Error;
use qmtree_proofs::state::{ActiveBits, EntryId, StateWord};
use qmtree_proofs::{Digest, TWIG_LEAVES, TWIG_LEVEL};
use qmtree_storage::{TwigOpening, put_value};
use std::ops::Range;

impl StateLog {
    /// The entries of a range, one after the other.
    pub(crate) fn raw_entries(&self, ids: Range<u64>) -> Result<Vec<u8>, Error> {
        let entries = ids.map(|id| self.entries.bytes(EntryId(id)));
        Ok(entries.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// The values of the entries of a range inside one twig, each with the place of its entry in
    /// the twig. Left out is that of an entry which supersedes one with the same word.
    pub(crate) fn own_values(&self, ids: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut values = Vec::new();
        for id in ids.map(EntryId) {
            let entry = self.entry(id)?;
            let older = entry.supersedes.filter(|_| is_hash(&entry.value));
            let older = older.map(|older| self.entry(older)).transpose()?;
            if is_hash(&entry.value) && older.is_none_or(|older| older.value != entry.value) {
                put_value(&mut values, place(id), &self.entries.stored(id)?);
            }
        }
        Ok(values)
    }

    /// The root over the entries of a complete twig.
    pub(crate) fn entries_root(&self, twig: u64) -> Result<Digest, Error> {
        Ok(self.inside_node(TWIG_LEVEL, twig)?.unwrap_or_default())
    }

    /// The opening of the entries of a complete twig that are live, as [`TwigOpening`] reads it.
    pub(crate) fn opening(&self, twig: u64, live: &ActiveBits) -> Result<Vec<u8>, Error> {
        let mut word = live.0.as_flattened().to_vec();
        for id in live_ids(twig, live) {
            word.extend(self.entries.bytes(id)?);
        }
        for (level, index) in TwigOpening::node_places(live) {
            let node = self.inside_node(level, (twig << (TWIG_LEVEL - level)) + index)?;
            word.extend(node.unwrap_or_default());
        }
        Ok(word)
    }

    /// The values of the entries of a twig that are live, each with its place in the twig.
    pub(crate) fn live_values(&self, twig: u64, live: &ActiveBits) -> Result<Vec<u8>, Error> {
        let mut values = Vec::new();
        for id in live_ids(twig, live) {
            if is_hash(&self.entry(id)?.value) {
                put_value(&mut values, place(id), &self.entries.stored(id)?);
            }
        }
        Ok(values)
    }
}

fn is_hash(word: &StateWord) -> bool {
    matches!(word, StateWord::Hash(_))
}

fn place(id: EntryId) -> u32 {
    u32::try_from(id.index_in_twig()).unwrap_or(u32::MAX)
}

fn live_ids(twig: u64, live: &ActiveBits) -> impl Iterator<Item = EntryId> {
    let indices = (0..TWIG_LEAVES).filter(|index| live.get(*index));
    indices.map(move |index| EntryId(twig * TWIG_LEAVES + index))
}
