//! A naive model of the state log: the rules from their definitions, the root from scratch.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use super::{CHAIN_ID, SCHEME, hash_leaf, hash_node, keccak};
use alloy_primitives::{B256, hex};
use qmtree_proofs::state::StateWord;
use qmtree_proofs::{Digest, Head, Profile, TxNum};
use std::collections::BTreeMap;

/// Test key i: keccak of "key" with the number.
pub(crate) fn key(i: u64) -> B256 {
    B256::new(keccak(&[b"key", &i.to_be_bytes()]))
}

/// Test value i: a word, or for every third one the hash of a text.
pub(crate) fn value(i: u64) -> StateWord {
    if i.is_multiple_of(3) {
        StateWord::of(format!("value {i}").as_bytes())
    } else {
        StateWord::Value(B256::new(keccak(&[b"value", &i.to_be_bytes()])))
    }
}

pub(crate) fn plus_one(key: B256) -> B256 {
    let mut bytes = key.0;
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    B256::new(bytes)
}

pub(crate) fn minus_one(key: B256) -> B256 {
    let mut bytes = key.0;
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_sub(1);
        if *byte != 0xff {
            break;
        }
    }
    B256::new(bytes)
}

pub(crate) type Writes = Vec<(B256, Option<StateWord>)>;

/// The map after each transaction that wrote, all entries as bytes, and which are active.
#[derive(Clone)]
pub(crate) struct NaiveState {
    profile: Profile,
    map: BTreeMap<B256, (StateWord, u64)>,
    pub(crate) history: BTreeMap<u64, BTreeMap<B256, StateWord>>,
    entries: Vec<Vec<u8>>,
    active: Vec<bool>,
}

impl NaiveState {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            map: BTreeMap::new(),
            history: BTreeMap::new(),
            entries: Vec::new(),
            active: Vec::new(),
        }
    }

    fn successor(map: &BTreeMap<B256, (StateWord, u64)>, key: B256) -> B256 {
        let next = map.keys().find(|other| **other > key);
        next.copied().unwrap_or(B256::repeat_byte(0xff))
    }

    pub(crate) fn apply(&mut self, tx_num: u64, writes: &Writes) {
        let old = self.map.clone();
        let mut new = old.clone();
        if old.is_empty() && writes.iter().any(|(_, value)| value.is_some()) {
            new.insert(B256::ZERO, (StateWord::Value(B256::ZERO), u64::MAX));
        }
        for (key, value) in writes {
            match value {
                Some(value) => drop(new.insert(*key, (*value, u64::MAX))),
                None => drop(new.remove(key)),
            }
        }
        let mut keys: Vec<B256> = old.keys().chain(new.keys()).copied().collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let written = writes.iter().any(|(written, _)| *written == key);
            let next = Self::successor(&new, key);
            let moved = Self::successor(&old, key) != next;
            let was = old.get(&key).map(|(_, id)| *id);
            let Some((value, _)) = new.get(&key).copied() else {
                self.push(
                    key,
                    B256::ZERO,
                    StateWord::Value(B256::ZERO),
                    tx_num,
                    was,
                    true,
                );
                continue;
            };
            if written || moved || was.is_none() {
                let id = self.push(key, next, value, tx_num, was, false);
                new.insert(key, (value, id));
            }
        }
        self.map = new;
        let values = self.map.iter().filter(|(key, _)| **key != B256::ZERO);
        let values = values.map(|(key, (value, _))| (*key, *value)).collect();
        self.history.insert(tx_num, values);
    }

    fn push(
        &mut self,
        key: B256,
        next: B256,
        value: StateWord,
        tx_num: u64,
        was: Option<u64>,
        tombstone: bool,
    ) -> u64 {
        let hashed = matches!(value, StateWord::Hash(_));
        let flags = u64::from(tombstone) + 2 * u64::from(was.is_some()) + 4 * u64::from(hashed);
        let mut bytes = [key.0, next.0, value.word().0].concat();
        for number in [tx_num, was.unwrap_or(0), flags, 0] {
            bytes.extend(number.to_be_bytes());
        }
        if let Some(was) = was {
            self.active[was as usize] = false;
        }
        self.entries.push(bytes);
        self.active.push(!tombstone);
        self.entries.len() as u64 - 1
    }

    pub(crate) fn entry_count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The value of a key after a transaction.
    pub(crate) fn at(&self, tx_num: u64, key: &B256) -> Option<StateWord> {
        let (_, map) = self.history.range(..=tx_num).next_back()?;
        map.get(key).copied()
    }

    /// The root, from nothing but the entries and their active bits.
    pub(crate) fn root(&self) -> B256 {
        if self.entries.is_empty() {
            return B256::ZERO;
        }
        let null_leaf = hex!("ca2337691033ab0a24c10fbc70b49bea8c5978db1a0ec6510e7e97f528301c39");
        let node = |tag, pair: &[Digest]| hash_node(self.profile, tag, &pair[0], &pair[1]);
        let mut null = null_leaf;
        for tag in 0..11 {
            null = node(tag, &[null, null]);
        }
        let mut level: Vec<Digest> = Vec::new();
        for (entries, active) in self.entries.chunks(2048).zip(self.active.chunks(2048)) {
            let mut leaves: Vec<_> = entries.iter().map(|e| hash_leaf(self.profile, e)).collect();
            leaves.resize(2048, null_leaf);
            for tag in 0..11 {
                leaves = leaves.chunks(2).map(|pair| node(tag, pair)).collect();
            }
            let mut words = vec![[0u8; 32]; 8];
            for (i, _) in active.iter().enumerate().filter(|(_, active)| **active) {
                words[i / 256][i % 256 / 8] |= 1 << (i % 8);
            }
            for tag in 0x80..0x83 {
                words = words.chunks(2).map(|pair| node(tag, pair)).collect();
            }
            level.push(node(11, &[leaves[0], words[0]]));
        }
        for tag in 12..=super::Naive::root_level(self.entry_count()) {
            if level.len() % 2 == 1 {
                level.push(null);
            }
            level = level.chunks(2).map(|pair| node(tag as u8, pair)).collect();
            null = node(tag as u8, &[null, null]);
        }
        assert_eq!(level.len(), 1);
        B256::new(level[0])
    }

    /// A head under which everything up to `last` is known.
    pub(crate) fn head(&self, last: u64) -> Head {
        Head {
            leaf_count: last + 1,
            root: B256::repeat_byte(9),
            entry_count: self.entry_count(),
            state_root: self.root(),
            ..Head::empty(CHAIN_ID, self.profile, SCHEME)
        }
    }
}

/// A log of `batches` batches of writes to the first `keys` test keys, at every second
/// transaction, and its naive model.
pub(crate) fn state_log(
    profile: Profile,
    batches: u64,
    keys: u64,
) -> (qmtree_proofs::state::MemoryStateLog<Profile>, NaiveState) {
    let mut log = qmtree_proofs::state::MemoryStateLog::new(profile);
    let mut naive = NaiveState::new(profile);
    for batch in 0..batches {
        let mut writes: Writes = (0..keys)
            .filter(|i| (i * 7 + batch * 5) % 11 < 4)
            .map(|i| (key(i), ((i + batch) % 5 != 0).then(|| value(i + batch))))
            .collect();
        writes.sort_by_key(|(key, _)| *key);
        naive.apply(2 * batch + 1, &writes);
        log.apply(TxNum(2 * batch + 1), &writes).unwrap();
    }
    (log, naive)
}
