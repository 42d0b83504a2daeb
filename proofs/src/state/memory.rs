//! A state log kept whole in memory: for tests, small maps and replay without a database.

use super::active::ActiveBits;
use super::batch::{BatchError, Touched, check_keys, rewrite};
use super::compaction::Compaction;
use super::entry::{Entry, EntryId, StateWord};
use super::extract::{StateExtract, open_extract};
use super::opening::STATE_TWIG_TAG;
use super::proof::StateProof;
use super::prove::{Evidence, StateSource, open_entries};
use crate::error::{ProveError, ShapeError};
use crate::hash::{Digest, LEAF_LEN, Profile, TreeHasher, join, level_tag};
use crate::level::{TWIG_LEVEL, TwigId, TxNum, root_level};
use crate::memory_log::MissingNode;
use crate::null_hashes::null_hash;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// All entries, versions and nodes of a state log, in memory: about 450 bytes per entry.
///
/// ```
/// use qmtree_proofs::state::{MemoryStateLog, StateWord};
/// use qmtree_proofs::{Head, Keccak256, Profile, Scheme, TxNum};
/// use alloy_primitives::{B256, b256};
///
/// let mut log = MemoryStateLog::new(Keccak256);
/// let (key, value) = (B256::repeat_byte(7), B256::repeat_byte(1));
/// log.apply(TxNum(3), &[(key, Some(StateWord::Value(value)))])?;
///
/// let head = Head {
///     leaf_count: 4,
///     root: B256::repeat_byte(9), // of the execution log; not looked at here
///     entry_count: log.entry_count(),
///     state_root: log.root(),
///     ..Head::empty(1, Profile::Keccak256, Scheme::StateRoot1)
/// };
/// let proof = log.prove(&key, None)?;
/// proof.verify_value(&head, &key, None, Some(value.as_slice()))?;
/// let before = log.prove(&key, Some(TxNum(2)))?;
/// before.verify_value(&head, &key, Some(TxNum(2)), None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStateLog<H> {
    hasher: H,
    entries: Vec<Entry>,
    /// Nodes that cover an entry, by level: 0 to 11 over the entries of each twig.
    inside: Vec<Vec<Digest>>,
    active: Vec<ActiveBits>,
    /// The same from the twig roots, level 11, upwards.
    upper: Vec<Vec<Digest>>,
    /// The active entry of each live key, the sentinel included.
    live: BTreeMap<B256, EntryId>,
    /// All entries of each key, oldest first.
    versions: BTreeMap<B256, Vec<EntryId>>,
    compaction: Compaction,
}

impl<H: TreeHasher> MemoryStateLog<H> {
    /// An empty log.
    #[must_use]
    pub fn new(hasher: H) -> Self {
        Self {
            hasher,
            entries: Vec::new(),
            inside: vec![Vec::new(); TWIG_LEVEL as usize + 1],
            active: Vec::new(),
            upper: Vec::new(),
            live: BTreeMap::new(),
            versions: BTreeMap::new(),
            compaction: Compaction::OFF,
        }
    }

    /// The log of a database with this rule; to be said before anything is applied.
    #[must_use]
    pub fn with_compaction(self, compaction: Compaction) -> Self {
        Self { compaction, ..self }
    }

    /// The hash rules of the log.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.hasher.profile()
    }

    /// Entries in the log.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// An entry, if the log has it.
    #[must_use]
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(usize::try_from(id.0).ok()?)
    }

    /// The root; zero for an empty log.
    #[must_use]
    pub fn root(&self) -> B256 {
        let root = self.upper.last().and_then(|level| level.first());
        B256::new(root.copied().unwrap_or_default())
    }

    /// The live keys and their entries, ascending, without the sentinel.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> + '_ {
        let keys = self.live.values().skip(1);
        keys.filter_map(|id| self.entry(*id))
    }

    /// The entry of `key` now, or after transaction `at`.
    #[must_use]
    pub fn get(&self, key: &B256, at: Option<TxNum>) -> Option<&Entry> {
        let (id, _) = self.version_at(key, at)?;
        self.entry(id).filter(|entry| entry.key != B256::ZERO)
    }

    /// Writes what transaction `tx_num` wrote, by ascending key; `None` deletes. Returns the root.
    ///
    /// A deletion of a key that is not live does nothing, and a batch that does nothing appends
    /// nothing. The first batch that writes also writes the sentinel.
    ///
    /// # Errors
    /// [`BatchError`]; nothing has changed then.
    pub fn apply(
        &mut self,
        tx_num: TxNum,
        writes: &[(B256, Option<StateWord>)],
    ) -> Result<B256, BatchError> {
        check_keys(writes.iter().map(|(key, _)| key))?;
        if let Some(last) = self.entries.last().filter(|last| last.tx_num >= tx_num) {
            return Err(BatchError::TxNum {
                found: tx_num,
                last: last.tx_num,
            });
        }
        let mut touched = self.touched(writes);
        self.touch_oldest(&mut touched);
        let touched: Vec<_> = touched.into_values().collect();
        let first = self.entry_count();
        let entries = rewrite(tx_num, &touched);
        let mut twigs: BTreeSet<u64> = BTreeSet::new();
        for (entry, id) in entries.iter().zip((first..).map(EntryId)) {
            if let Some(older) = entry.supersedes {
                self.set_active(older, false);
                twigs.insert(older.twig_id().0);
            }
            self.set_active(id, !entry.tombstone);
            twigs.insert(id.twig_id().0);
            if entry.tombstone {
                self.live.remove(&entry.key);
            } else {
                self.live.insert(entry.key, id);
            }
            self.versions.entry(entry.key).or_default().push(id);
        }
        self.entries.extend_from_slice(&entries);
        self.hash_entries(first);
        self.hash_twigs(twigs);
        Ok(self.root())
    }

    /// The keys that a batch touches, as [`rewrite`] wants them.
    fn touched(&self, writes: &[(B256, Option<StateWord>)]) -> BTreeMap<B256, Touched> {
        let mut touched = BTreeMap::new();
        if self.live.is_empty() && writes.iter().any(|(_, new)| new.is_some()) {
            let sentinel = Touched {
                key: B256::ZERO,
                old: None,
                next_key: Entry::END,
                new: Some(StateWord::Value(B256::ZERO)),
            };
            touched.insert(B256::ZERO, sentinel);
        }
        for (key, new) in writes {
            let (key, new) = (*key, *new);
            let old = self.live_entry(self.live.get(&key));
            if old.is_none() && new.is_none() {
                continue;
            }
            let below = self.live.range(..key).next_back().map(|(_, id)| id);
            let below = self.live_entry(below);
            let neighbour = old.or(below);
            let next_key = neighbour.map_or(Entry::END, |(_, entry)| entry.next_key);
            if let Some((id, entry)) = below.filter(|_| old.is_none() || new.is_none()) {
                touched.entry(entry.key).or_insert(Touched {
                    key: entry.key,
                    old: Some((id, entry.value)),
                    next_key: entry.next_key,
                    new: Some(entry.value),
                });
            }
            let written = Touched {
                key,
                old: old.map(|(id, entry)| (id, entry.value)),
                next_key,
                new,
            };
            touched.insert(key, written);
        }
        touched
    }

    /// Adds the oldest active entries that the rule of compaction moves.
    fn touch_oldest(&self, touched: &mut BTreeMap<B256, Touched>) {
        let mut active: Vec<EntryId> = self.live.values().copied().collect();
        active.sort_unstable();
        let (own, count) = (touched.len() as u64, self.entry_count());
        let oldest = active.first().map_or(count, |id| id.0);
        let moves = self
            .compaction
            .moves(own, count, oldest, active.len() as u64);
        let moves = usize::try_from(moves).unwrap_or(usize::MAX);
        for id in active.iter().take(moves) {
            if let Some(entry) = self.entry(*id) {
                touched.entry(entry.key).or_insert(Touched {
                    key: entry.key,
                    old: Some((*id, entry.value)),
                    next_key: entry.next_key,
                    new: Some(entry.value),
                });
            }
        }
    }

    fn live_entry(&self, id: Option<&EntryId>) -> Option<(EntryId, &Entry)> {
        let id = *id?;
        Some((id, self.entry(id)?))
    }

    fn set_active(&mut self, id: EntryId, active: bool) {
        let Ok(twig) = usize::try_from(id.twig_id().0) else {
            return;
        };
        if self.active.len() <= twig {
            self.active.resize(twig + 1, ActiveBits::NONE);
        }
        if let Some(bits) = self.active.get_mut(twig) {
            bits.set(id.index_in_twig(), active);
        }
    }

    /// Hashes the entries from `first` on and the nodes inside their twigs.
    fn hash_entries(&mut self, first: u64) {
        let new =
            usize::try_from(first).map_or(&[][..], |at| self.entries.get(at..).unwrap_or(&[]));
        let bytes: Vec<_> = new.iter().map(Entry::to_bytes).collect();
        let mut hashes = vec![[0; 32]; bytes.len()];
        self.hasher.hash_leaves(&bytes, &mut hashes);
        let count = self.entry_count();
        for (index, hash) in (first..count).zip(hashes) {
            put(&mut self.inside, 0, index, hash);
        }
        if first == count {
            return;
        }
        for level in 1..=TWIG_LEVEL {
            let (from, last) = (first >> level, (count - 1) >> level);
            hash_level(&self.hasher, &mut self.inside, 0, level, from..=last);
        }
    }

    /// Hashes the roots of twigs and all that is above them.
    fn hash_twigs(&mut self, twigs: BTreeSet<u64>) {
        if twigs.is_empty() {
            return;
        }
        for &twig in &twigs {
            let at = usize::try_from(twig).unwrap_or(usize::MAX);
            let bits = self.active.get(at).copied().unwrap_or(ActiveBits::NONE);
            let active_root = bits.root(&self.hasher);
            let entries_root = get(&self.inside, TWIG_LEVEL, twig).unwrap_or_default();
            let root = self
                .hasher
                .hash_node(STATE_TWIG_TAG, &entries_root, &active_root);
            put(&mut self.upper, 0, twig, root);
        }
        let mut dirty = twigs;
        for level in TWIG_LEVEL + 1..=root_level(self.entry_count()) {
            dirty = dirty.iter().map(|index| index >> 1).collect();
            hash_level(
                &self.hasher,
                &mut self.upper,
                TWIG_LEVEL,
                level,
                dirty.iter().copied(),
            );
        }
    }

    /// The entry of `key` that was valid at that time, and the one that superseded it, if any.
    fn version_at(&self, key: &B256, at: Option<TxNum>) -> Option<(EntryId, Option<EntryId>)> {
        let versions = self.versions.get(key)?;
        let by_then = |id: &EntryId| {
            let entry = self.entry(*id);
            entry.is_some_and(|entry| at.is_none_or(|at| entry.tx_num <= at))
        };
        let behind = versions.partition_point(by_then);
        let id = *versions.get(behind.checked_sub(1)?)?;
        if self.entry(id)?.tombstone {
            return None;
        }
        Some((id, versions.get(behind).copied()))
    }

    /// What shows the state of `key` at that time.
    fn evidence(&self, key: &B256, at: Option<TxNum>) -> Option<Evidence> {
        let first = self.entries.first()?;
        if at.is_some_and(|at| first.tx_num > at) {
            return Some(Evidence::Unwritten);
        }
        let mut below = self.versions.range(..=*key).rev();
        let (entry, by) = below.find_map(|(key, _)| self.version_at(key, at))?;
        Some(match by {
            Some(by) => Evidence::Superseded { entry, by },
            None => Evidence::Active(entry),
        })
    }

    /// An extract for reading `keys` and writing them, and for deleting those of them for which
    /// `deleted` says so; `value` has the value of a key, where the log has only its hash.
    ///
    /// # Errors
    /// [`ProveError::Shape`] if a value is not the key's.
    pub fn extract(
        &self,
        keys: &[B256],
        deleted: impl Fn(&B256) -> bool,
        value: impl Fn(&B256) -> Option<Vec<u8>>,
    ) -> Result<StateExtract, ProveError<MissingNode>> {
        let mut wanted = Vec::with_capacity(keys.len());
        for key in keys {
            let mut down = self.live.range(..=*key).rev();
            let Some((floor, id)) = down.next() else {
                continue;
            };
            let here = floor == key;
            let hashed = self
                .entry(*id)
                .is_some_and(|e| matches!(e.value, StateWord::Hash(_)));
            wanted.push((*id, if here && hashed { value(key) } else { None }));
            if let Some((_, id)) = down.next().filter(|_| here && deleted(key)) {
                wanted.push((*id, None));
            }
        }
        open_extract(self, &self.hasher, self.entry_count(), wanted)
    }

    /// Proves the value of `key`, or its absence: now, or after transaction `at`.
    ///
    /// # Errors
    /// [`ProveError::Shape`] if the log is empty: there is nothing to prove it with.
    pub fn prove(
        &self,
        key: &B256,
        at: Option<TxNum>,
    ) -> Result<StateProof, ProveError<MissingNode>> {
        self.prove_many(core::slice::from_ref(key), at)
    }

    /// Proves the values or absences of many keys in one proof.
    ///
    /// # Errors
    /// As [`prove`](Self::prove); also if there are no keys.
    pub fn prove_many(
        &self,
        keys: &[B256],
        at: Option<TxNum>,
    ) -> Result<StateProof, ProveError<MissingNode>> {
        let evidence: Option<Vec<_>> = keys.iter().map(|key| self.evidence(key, at)).collect();
        let evidence = evidence.ok_or(ShapeError::Empty)?;
        open_entries(self, &self.hasher, self.entry_count(), &evidence)
    }
}

impl<H> StateSource for MemoryStateLog<H> {
    type Error = MissingNode;

    fn entry(&self, id: EntryId) -> Result<[u8; LEAF_LEN], MissingNode> {
        let at = usize::try_from(id.0).unwrap_or(usize::MAX);
        let entry = self.entries.get(at).map(Entry::to_bytes);
        entry.ok_or(MissingNode {
            level: 0,
            index: id.0,
        })
    }

    fn entries_node(&self, level: u32, index: u64) -> Result<Digest, MissingNode> {
        get(&self.inside, level, index).ok_or(MissingNode { level, index })
    }

    fn active_bits(&self, twig: TwigId) -> Result<ActiveBits, MissingNode> {
        let at = usize::try_from(twig.0).unwrap_or(usize::MAX);
        self.active.get(at).copied().ok_or(MissingNode {
            level: TWIG_LEVEL,
            index: twig.0,
        })
    }

    fn upper_node(&self, level: u32, index: u64) -> Result<Digest, MissingNode> {
        let from_twigs = level.checked_sub(TWIG_LEVEL);
        let node = from_twigs.and_then(|above| get(&self.upper, above, index));
        node.ok_or(MissingNode { level, index })
    }
}

fn get(levels: &[Vec<Digest>], level: u32, index: u64) -> Option<Digest> {
    let nodes = levels.get(level as usize)?;
    nodes.get(usize::try_from(index).ok()?).copied()
}

/// Replaces a node, or adds it: nodes of a level come in order.
fn put(levels: &mut Vec<Vec<Digest>>, level: u32, index: u64, digest: Digest) {
    if levels.len() <= level as usize {
        levels.resize(level as usize + 1, Vec::new());
    }
    if let Some(nodes) = levels.get_mut(level as usize) {
        match usize::try_from(index).ok().and_then(|at| nodes.get_mut(at)) {
            Some(node) => *node = digest,
            None => nodes.push(digest),
        }
    }
}

/// Hashes nodes at `level` from those below; `levels` starts at the level `lowest`.
fn hash_level(
    hasher: &impl TreeHasher,
    levels: &mut Vec<Vec<Digest>>,
    lowest: u32,
    level: u32,
    indices: impl Iterator<Item = u64> + Clone,
) {
    let null = null_hash(hasher.profile(), level - 1);
    let child = |index| get(levels, level - 1 - lowest, index).unwrap_or(null);
    let bodies: Vec<_> = indices
        .clone()
        .map(|index| join(&child(2 * index), &child(2 * index + 1)))
        .collect();
    let mut hashes = vec![[0; 32]; bodies.len()];
    hasher.hash_nodes(level_tag(level), &bodies, &mut hashes);
    for (index, hash) in indices.zip(hashes) {
        put(levels, level - lowest, index, hash);
    }
}
