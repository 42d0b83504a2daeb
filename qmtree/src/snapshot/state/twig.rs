//! One twig of the state log as files have it.

use super::super::refusal::SnapshotRefusal;
use super::StateFiles;
use crate::error::Error;
use crate::state_log::MAX_VALUE_LEN;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{ActiveBits, Entry, EntryId, StateWord};
use qmtree_proofs::{Digest, LEAF_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, level_tag, null_hash};
use qmtree_storage::snapshot::SnapshotContent;
use qmtree_storage::{EntryPart, OpenedTwig, TwigOpening};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most bytes of the values of a twig, each with its place and length.
const MAX_VALUES: usize = (MAX_VALUE_LEN + 8) << TWIG_LEVEL;

/// A twig that was read, each entry by the rules of entries and each value what its entry says.
#[derive(Debug)]
pub(super) struct StateTwig {
    pub(super) entries: Vec<(EntryId, Entry)>,
    /// Values by their entry.
    pub(super) values: BTreeMap<EntryId, Arc<[u8]>>,
    /// What is active once the twig is full, as far as it says.
    pub(super) active: ActiveBits,
    pub(super) entries_root: Digest,
    /// The nodes over it, where only some entries are there.
    pub(super) opening: Option<(TwigOpening, OpenedTwig)>,
    /// The nodes over all entries, by level, where they are there.
    levels: Vec<Vec<Digest>>,
}

impl StateFiles<'_> {
    /// Reads a twig, hashes it, and compares it with the root that its file says.
    pub(super) fn twig(&self, hasher: &Hasher, twig: u64) -> Result<StateTwig, Error> {
        let file = self.file(twig)?;
        let bad = || Error::from(SnapshotRefusal::StateTwig { twig });
        let word = file.entries_word(twig)?;
        let values = file.values(twig, MAX_VALUES)?;
        let mut read = match file.header().name.content {
            SnapshotContent::Live => live_twig(hasher, twig, &word),
            _ => whole_twig(hasher, twig, word.as_chunks().0),
        }
        .ok_or_else(bad)?;
        let first = file.header().twigs().start;
        let place = usize::try_from(twig - first).ok();
        let root = place.and_then(|place| file.roots().get(place));
        if root.is_some_and(|root| *root != read.entries_root) {
            return Err(bad());
        }
        read.take_values(twig, &values)?;
        Ok(read)
    }
}

impl StateTwig {
    /// A node over the entries by its index inside the twig, if it follows from them.
    pub(super) fn node(&self, level: u32, index: u64) -> Option<Digest> {
        match &self.opening {
            Some((_, opened)) => opened.node(level, index),
            None => {
                let nodes = self.levels.get(usize::try_from(level).ok()?)?;
                nodes.get(usize::try_from(index).ok()?).copied()
            }
        }
    }

    /// The entries whose value is that of the entry that they supersede.
    pub(super) fn borrowers(&self) -> impl Iterator<Item = (EntryId, EntryId)> + '_ {
        let own = |id: &EntryId| self.values.contains_key(id);
        let without = self.entries.iter();
        let without = without.filter(move |(id, entry)| is_hash(entry) && !own(id));
        without.filter_map(|(id, entry)| Some((*id, entry.supersedes?)))
    }

    /// Every value belongs to an entry that is there. Entries without one say that they have the
    /// value of the one that they supersede, which is looked at when they are followed; there is
    /// none for what is live.
    fn take_values(&mut self, twig: u64, bytes: &[u8]) -> Result<(), Error> {
        let part = EntryPart {
            entries: &[],
            values: bytes,
        };
        let (mut read, mut refused) = (0, None);
        for (place, value) in part.values() {
            let entry_id = EntryId(twig * TWIG_LEAVES + u64::from(place));
            let at = self.entries.binary_search_by_key(&entry_id, |(id, _)| *id);
            let entry = at.ok().and_then(|at| self.entries.get(at));
            let last = self.values.last_key_value().map(|(last, _)| *last);
            let fits = entry.is_some_and(|(_, entry)| is_hash(entry) && entry.holds(value));
            if !fits || last >= Some(entry_id) {
                refused = Some(entry_id);
                break;
            }
            read += 8 + value.len();
            self.values.insert(entry_id, value.into());
        }
        let mut lacking = self.entries.iter().filter(|(id, entry)| {
            let may_lack = self.opening.is_none() && entry.supersedes.is_some();
            is_hash(entry) && !may_lack && !self.values.contains_key(id)
        });
        let lacking = lacking.next().map(|(entry_id, _)| *entry_id);
        let over = (read != bytes.len()).then_some(EntryId(twig * TWIG_LEAVES));
        match refused.or(lacking).or(over) {
            Some(entry_id) => Err(SnapshotRefusal::StateEntry { entry_id }.into()),
            None => Ok(()),
        }
    }
}

pub(super) fn is_hash(entry: &Entry) -> bool {
    matches!(entry.value, StateWord::Hash(_))
}

/// All entries of a twig, or the first ones.
fn whole_twig(hasher: &Hasher, twig: u64, bytes: &[[u8; LEAF_LEN]]) -> Option<StateTwig> {
    let mut active = ActiveBits::NONE;
    let mut entries = Vec::with_capacity(bytes.len());
    for (id, bytes) in (twig * TWIG_LEAVES..).map(EntryId).zip(bytes) {
        let entry = Entry::from_bytes(bytes).ok()?;
        active.set(id.index_in_twig(), !entry.tombstone);
        entries.push((id, entry));
    }
    let mut nodes = vec![[0; 32]; bytes.len()];
    hasher.hash_leaves(bytes, &mut nodes);
    let mut levels = Vec::with_capacity(TWIG_LEVEL as usize + 1);
    for level in 1..=TWIG_LEVEL {
        if nodes.len() % 2 == 1 {
            nodes.push(null_hash(hasher.profile(), level - 1));
        }
        let pairs = nodes.as_flattened().as_chunks().0;
        let mut parents = vec![[0; 32]; pairs.len()];
        hasher.hash_nodes(level_tag(level), pairs, &mut parents);
        levels.push(std::mem::replace(&mut nodes, parents));
    }
    let entries_root = nodes.first().copied()?;
    levels.push(nodes);
    Some(StateTwig {
        entries,
        values: BTreeMap::new(),
        active,
        entries_root,
        opening: None,
        levels,
    })
}

/// What is live of a twig.
fn live_twig(hasher: &Hasher, twig: u64, word: &[u8]) -> Option<StateTwig> {
    let opening = TwigOpening::read(word)?;
    let tree = opening.tree(hasher);
    let entry = |(index, bytes): (u64, &[u8; LEAF_LEN])| {
        let entry = Entry::from_bytes(bytes).ok()?;
        (!entry.tombstone).then_some((EntryId(twig * TWIG_LEAVES + index), entry))
    };
    Some(StateTwig {
        entries: opening.entries().map(entry).collect::<Option<_>>()?,
        values: BTreeMap::new(),
        active: *opening.live(),
        entries_root: tree.root(),
        opening: Some((opening, tree)),
        levels: Vec::new(),
    })
}
