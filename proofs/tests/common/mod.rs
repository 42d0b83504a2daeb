//! A naive model of the log, from the definitions and from reference hash crates alone.
#![allow(dead_code, reason = "each test binary uses a part of this")]

pub(crate) mod state;

use alloy_primitives::{B256, hex};
use qmtree_proofs::{Digest, Head, LeafPayload, MemoryLog, Profile, Scheme, TxNum};
use std::collections::HashMap;

pub(crate) const CHAIN_ID: u64 = 1;
pub(crate) const SCHEME: Scheme = Scheme::StateRoot1;

pub(crate) fn keccak(parts: &[&[u8]]) -> Digest {
    use tiny_keccak::Hasher;
    let mut hasher = tiny_keccak::Keccak::v256();
    parts.iter().for_each(|part| hasher.update(part));
    let mut out = [0; 32];
    hasher.finalize(&mut out);
    out
}

pub(crate) fn hash_node(profile: Profile, tag: u8, left: &Digest, right: &Digest) -> Digest {
    match profile {
        Profile::Keccak256 => keccak(&[&[tag], left, right]),
        Profile::Blake3 => {
            let mut key = [0; 32];
            key[0] = tag;
            *blake3::keyed_hash(&key, &[*left, *right].concat()).as_bytes()
        }
        _ => unreachable!("there are two profiles"),
    }
}

pub(crate) fn hash_leaf(profile: Profile, leaf: &[u8]) -> Digest {
    match profile {
        Profile::Keccak256 => keccak(&[leaf]),
        Profile::Blake3 => *blake3::hash(leaf).as_bytes(),
        _ => unreachable!("there are two profiles"),
    }
}

/// The test leaves of the published vectors: keccak of "pre", "chg", "trn" with the number.
pub(crate) fn payload(tx_num: u64) -> LeafPayload {
    let word = |name: &str| B256::new(keccak(&[name.as_bytes(), &tx_num.to_be_bytes()]));
    LeafPayload {
        pre_state_hash: word("pre"),
        state_change_hash: word("chg"),
        transition_hash: word("trn"),
    }
}

pub(crate) fn payloads(count: u64) -> Vec<LeafPayload> {
    (0..count).map(payload).collect()
}

/// All leaf hashes, and any node by its definition.
pub(crate) struct Naive {
    pub(crate) profile: Profile,
    pub(crate) leaf_hashes: Vec<Digest>,
    complete: HashMap<(u32, u64), Digest>,
    null: Vec<Digest>,
}

impl Naive {
    pub(crate) fn new(profile: Profile, leaf_count: u64) -> Self {
        let mut previous = [0; 32];
        let leaf_hashes = payloads(leaf_count)
            .iter()
            .map(|payload| {
                previous = hash_leaf(profile, &[&payload.to_bytes()[..], &previous].concat());
                previous
            })
            .collect();
        let mut null = vec![hex!(
            "ca2337691033ab0a24c10fbc70b49bea8c5978db1a0ec6510e7e97f528301c39"
        )];
        for level in 1..64 {
            let below = null[level as usize - 1];
            null.push(hash_node(profile, Self::tag(level), &below, &below));
        }
        Self {
            profile,
            leaf_hashes,
            complete: HashMap::new(),
            null,
        }
    }

    fn tag(level: u32) -> u8 {
        if level < 12 {
            level as u8 - 1
        } else {
            level as u8
        }
    }

    pub(crate) fn root_level(leaf_count: u64) -> u32 {
        let mut level = 12;
        while level < 64 && leaf_count >> level != 0 && leaf_count >= 4096 {
            level += 1;
        }
        level
    }

    /// The node at (level, index) of the tree of the first `leaf_count` leaves.
    pub(crate) fn node(&mut self, level: u32, index: u64, leaf_count: u64) -> Digest {
        if index << level >= leaf_count {
            return self.null[level as usize];
        }
        if level == 0 {
            return self.leaf_hashes[index as usize];
        }
        let complete = (index + 1) << level <= leaf_count;
        if let Some(known) = self.complete.get(&(level, index)).filter(|_| complete) {
            return *known;
        }
        let left = self.node(level - 1, 2 * index, leaf_count);
        let right = self.node(level - 1, 2 * index + 1, leaf_count);
        let node = hash_node(self.profile, Self::tag(level), &left, &right);
        if complete {
            self.complete.insert((level, index), node);
        }
        node
    }

    pub(crate) fn root(&mut self, leaf_count: u64) -> Digest {
        match leaf_count {
            0 => [0; 32],
            _ => self.node(Self::root_level(leaf_count), 0, leaf_count),
        }
    }

    pub(crate) fn head(&mut self, leaf_count: u64) -> Head {
        Head {
            leaf_count,
            root: B256::new(self.root(leaf_count)),
            ..Head::empty(CHAIN_ID, self.profile, SCHEME)
        }
    }

    pub(crate) fn leaf_hash(&self, tx_num: u64) -> B256 {
        B256::new(self.leaf_hashes[tx_num as usize])
    }

    pub(crate) fn hashes(&self, range: std::ops::Range<u64>) -> Vec<B256> {
        range.map(|tx_num| self.leaf_hash(tx_num)).collect()
    }

    pub(crate) fn pairs(&self, tx_nums: &[TxNum]) -> Vec<(TxNum, B256)> {
        tx_nums
            .iter()
            .map(|tx_num| (*tx_num, self.leaf_hash(tx_num.0)))
            .collect()
    }
}

pub(crate) fn log(profile: Profile, leaf_count: u64) -> MemoryLog<Profile> {
    let mut log = MemoryLog::new(profile);
    log.append(&payloads(leaf_count));
    log
}

/// Leaf counts on either side of every boundary that the rules know.
pub(crate) const EDGES: [u64; 18] = [
    1, 2, 3, 2046, 2047, 2048, 2049, 2050, 4094, 4095, 4096, 4097, 4098, 6144, 8191, 8192, 8193,
    8200,
];
