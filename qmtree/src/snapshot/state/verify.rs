//! From files to the state root, before anything is written.

use super::super::plan::{Progress, advance};
use super::super::refusal::SnapshotRefusal;
use super::StateFiles;
use crate::error::Error;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{ActiveBits, EntryId};
use qmtree_proofs::{
    Digest, PAIR_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, level_tag, null_hash, root_level,
};
use rayon::prelude::*;

/// Twigs that are read at a time.
const BATCH: u64 = 64;
/// The tag of a state twig's root.
const STATE_TWIG_TAG: u8 = 11;

impl StateFiles<'_> {
    /// Hashes every entry, follows what each supersedes, and compares the state root that comes out
    /// with the head's. Checks that each value is what its entry commits to.
    ///
    /// Holds 320 bytes for each twig. Costs the hashes of entries and nodes, on all cores.
    pub(in crate::snapshot) fn verify(
        &self,
        hasher: &Hasher,
        progress: &Progress,
    ) -> Result<(), Error> {
        self.verify_each(hasher, progress, |_| {})
    }

    /// The same, and shows the facts of each twig, in order.
    pub(super) fn verify_each(
        &self,
        hasher: &Hasher,
        progress: &Progress,
        mut each: impl FnMut(&Facts),
    ) -> Result<(), Error> {
        let mut active: Vec<ActiveBits> = Vec::new();
        let mut roots: Vec<Digest> = Vec::new();
        let all = self.all_twigs();
        for from in (0..all).step_by(usize::try_from(BATCH).unwrap_or(1)) {
            let twigs = from..all.min(from + BATCH);
            let read = twigs.into_par_iter().map(|twig| self.facts(hasher, twig));
            for facts in read.collect::<Result<Vec<_>, _>>()? {
                each(&facts);
                active.push(facts.active);
                roots.push(facts.entries_root);
                for older in facts.superseded {
                    let twig = usize::try_from(older.twig_id().0).unwrap_or(usize::MAX);
                    if let Some(active) = active.get_mut(twig) {
                        active.set(older.index_in_twig(), false);
                    }
                }
                advance(progress, TWIG_LEAVES);
            }
        }
        let pairs = roots.iter().zip(&active);
        let pairs = pairs.map(|(root, active)| pair(root, &active.root(hasher)));
        let mut nodes = hash(hasher, STATE_TWIG_TAG, &pairs.collect::<Vec<_>>());
        for level in TWIG_LEVEL..root_level(self.head.entry_count) {
            if nodes.len() % 2 == 1 {
                nodes.push(null_hash(hasher.profile(), level));
            }
            let pairs = nodes.as_flattened().as_chunks().0;
            nodes = hash(hasher, level_tag(level + 1), pairs);
        }
        let derived = nodes.first().copied().map_or(B256::ZERO, B256::new);
        let trusted = self.head.state_root;
        match derived == trusted {
            true => Ok(()),
            false => self.refuse(SnapshotRefusal::StateRoot { derived, trusted }),
        }
    }

    fn facts(&self, hasher: &Hasher, twig: u64) -> Result<Facts, Error> {
        let read = self.twig(hasher, twig)?;
        let is_live = read.opening.is_some();
        let mut superseded = Vec::new();
        for (entry_id, entry) in &read.entries {
            if entry.supersedes.is_some_and(|older| older >= *entry_id) {
                let entry_id = *entry_id;
                return self.refuse(SnapshotRefusal::StateEntry { entry_id });
            }
            // What is live superseded entries that are not live.
            superseded.extend(entry.supersedes.filter(|_| !is_live));
        }
        let dead = read.entries.iter().filter(|(_, entry)| entry.tombstone);
        Ok(Facts {
            twig,
            borrowed: read.borrowers().collect(),
            tombstones: dead.map(|(id, entry)| (entry.key, *id)).collect(),
            active: read.active,
            entries_root: read.entries_root,
            superseded,
        })
    }
}

/// What a twig says.
pub(super) struct Facts {
    pub(super) twig: u64,
    active: ActiveBits,
    pub(super) entries_root: Digest,
    superseded: Vec<EntryId>,
    /// Entries with the value of the one that they supersede, and that one.
    pub(super) borrowed: Vec<(EntryId, EntryId)>,
    /// Deletions: the key, and its tombstone.
    pub(super) tombstones: Vec<(B256, EntryId)>,
}

fn hash(hasher: &Hasher, tag: u8, pairs: &[[u8; PAIR_LEN]]) -> Vec<Digest> {
    let mut parents = vec![[0; 32]; pairs.len()];
    hasher.hash_nodes(tag, pairs, &mut parents);
    parents
}

fn pair(left: &Digest, right: &Digest) -> [u8; PAIR_LEN] {
    let mut pair = [0; PAIR_LEN];
    let (l, r) = pair.split_at_mut(32);
    l.copy_from_slice(left);
    r.copy_from_slice(right);
    pair
}
