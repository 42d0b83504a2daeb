//! Extracts: what somebody without the log needs to read keys and to write them, at the head of the
//! log or at an older one.
//!
//! An older head has other active bits: those that later entries cleared are set. So its nodes
//! above changed twigs are hashed again, and all others are those of now. Nothing of the log is
//! copied or changed, and the writer does not notice.

use super::hashing::place;
use super::log::StateLog;
use crate::error::Error;
use alloy_primitives::{B256, U256};
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{
    ActiveBits, Entry, EntryId, StateExtract, StateSource, StateWord, open_extract,
};
use qmtree_proofs::{
    Digest, LEAF_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, TwigId, TxNum, level_tag,
};
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// The tag of a state twig's root.
const STATE_TWIG_TAG: u8 = 11;

/// A key that an extract is to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyUse {
    /// The key.
    pub key: B256,
    /// True if it may be deleted, which takes the entry before it too.
    pub deleted: bool,
}

/// A head of the log: how many entries it has, and the last transaction of it unless it is the newest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) entry_count: u64,
    pub(crate) last: Option<TxNum>,
}

type Wanted = Vec<(EntryId, Option<Vec<u8>>)>;

impl StateLog {
    /// The extract that serves these keys at that moment.
    pub(crate) fn extract(
        &self,
        hasher: &Hasher,
        keys: &[KeyUse],
        moment: Moment,
    ) -> Result<StateExtract, Error> {
        let source = Past::new(self, hasher, moment.entry_count)?;
        let wanted = if moment.entry_count == 0 {
            Vec::new()
        } else {
            let each = keys.par_iter().map(|key| self.wanted(*key, moment.last));
            each.collect::<Result<Vec<_>, _>>()?.concat()
        };
        Ok(open_extract(&source, hasher, moment.entry_count, wanted)?)
    }

    /// The entries that a key takes: its own or the one before it, and where it is deleted both.
    fn wanted(&self, used: KeyUse, at: Option<TxNum>) -> Result<Wanted, Error> {
        let KeyUse { key, deleted } = used;
        let mut wanted = Wanted::with_capacity(1);
        if Entry::is_reserved(&key) {
            return Ok(wanted);
        }
        let Some(floor) = self.floor(&key, at)? else {
            return Ok(wanted);
        };
        let here = floor.entry.key == key;
        let value = match floor.entry.value {
            StateWord::Hash(_) if here => Some(self.entries.value(floor.id, &floor.entry)?),
            _ => None,
        };
        wanted.push((floor.id, value));
        if here && deleted {
            let below = B256::from(U256::from_be_bytes(key.0) - U256::from(1));
            wanted.extend(self.floor(&below, at)?.map(|before| (before.id, None)));
        }
        Ok(wanted)
    }
}

/// The nodes of the log when it had fewer entries.
struct Past<'a> {
    log: &'a StateLog,
    hasher: &'a Hasher,
    /// Active bits of the twigs where they were others.
    bits: BTreeMap<u64, ActiveBits>,
    /// Nodes above these, as far as somebody asked for them.
    hashed: RefCell<HashMap<(u32, u64), Digest>>,
}

impl<'a> Past<'a> {
    /// Costs a look at each entry since then.
    fn new(log: &'a StateLog, hasher: &'a Hasher, entry_count: u64) -> Result<Self, Error> {
        let mut bits = BTreeMap::new();
        let mut set = |id: EntryId, active: bool| {
            let twig = id.twig_id().0;
            let bits = bits.entry(twig).or_insert_with(|| log.active_bits(twig));
            bits.set(id.index_in_twig(), active);
        };
        for id in (entry_count..log.entry_count()).map(EntryId) {
            if id.twig_id().0 == entry_count / TWIG_LEAVES {
                set(id, false);
            }
            let older = log.entry(id)?.supersedes;
            if let Some(older) = older.filter(|older| older.0 < entry_count) {
                set(older, true);
            }
        }
        Ok(Self {
            log,
            hasher,
            bits,
            hashed: RefCell::default(),
        })
    }

    fn missing(&self, level: u32, index: u64) -> Error {
        Error::NoSuchEntry {
            entry_id: EntryId(index.checked_shl(level).unwrap_or(u64::MAX)),
            entry_count: self.log.entry_count(),
        }
    }

    /// True if active bits under this node, at level 11 or above, were others.
    fn differs(&self, level: u32, index: u64) -> bool {
        let above = level - TWIG_LEVEL;
        let first = index.checked_shl(above).unwrap_or(u64::MAX);
        let behind = (index + 1).checked_shl(above).unwrap_or(u64::MAX);
        self.bits.range(first..behind).next().is_some()
    }

    fn hash(&self, level: u32, index: u64) -> Result<Digest, Error> {
        if level > TWIG_LEVEL {
            let left = self.upper_node(level - 1, 2 * index)?;
            let right = self.upper_node(level - 1, 2 * index + 1)?;
            return Ok(self.hasher.hash_node(level_tag(level), &left, &right));
        }
        let entries_root = self.entries_node(level, index)?;
        let active_root = self.active_bits(TwigId(index))?.root(self.hasher);
        Ok(self
            .hasher
            .hash_node(STATE_TWIG_TAG, &entries_root, &active_root))
    }
}

/// An extract asks for no node that covers the place behind the last entry: only complete ones.
impl StateSource for Past<'_> {
    type Error = Error;

    fn entry(&self, id: EntryId) -> Result<[u8; LEAF_LEN], Error> {
        self.log.entries.bytes(id)
    }

    fn entries_node(&self, level: u32, index: u64) -> Result<Digest, Error> {
        let node = self.log.inside_node(level, index)?;
        node.ok_or_else(|| self.missing(level, index))
    }

    fn active_bits(&self, twig: TwigId) -> Result<ActiveBits, Error> {
        let past = self.bits.get(&twig.0).copied();
        Ok(past.unwrap_or_else(|| self.log.active_bits(twig.0)))
    }

    fn upper_node(&self, level: u32, index: u64) -> Result<Digest, Error> {
        if self.differs(level, index) {
            if let Some(known) = self.hashed.borrow().get(&(level, index)) {
                return Ok(*known);
            }
            let node = self.hash(level, index)?;
            self.hashed.borrow_mut().insert((level, index), node);
            return Ok(node);
        }
        let above = level.checked_sub(TWIG_LEVEL);
        let nodes = above.and_then(|above| self.log.upper.get(above as usize));
        let node = nodes.and_then(|nodes| nodes.get(place(index)?));
        node.copied().ok_or_else(|| self.missing(level, index))
    }
}
