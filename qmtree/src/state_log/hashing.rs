//! The root: everything that changed since the last one, hashed level by level in lanes.

use super::log::StateLog;
use crate::error::Error;
use crate::shared_vec::SharedVec;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{ACTIVE_WORDS, ActiveBits, EntryId};
use qmtree_proofs::{Digest, PAIR_LEN, TWIG_LEVEL, TreeHasher, level_tag, null_hash, root_level};

/// The tag of a state twig's root.
const STATE_TWIG_TAG: u8 = 11;
/// The tags above the words of active bits.
const ACTIVE_TAGS: [u8; 3] = [0x80, 0x81, 0x82];

impl StateLog {
    /// The root of the log now; zero if it is empty. Costs the hashes of what changed since it was
    /// asked for last.
    pub(crate) fn root(&mut self, hasher: &Hasher) -> Result<B256, Error> {
        if self.dirty.is_empty() {
            return Ok(self.root);
        }
        self.hash_entries(hasher)?;
        let mut twigs = std::mem::take(&mut self.dirty);
        twigs.sort_unstable();
        twigs.dedup();
        self.hash_twigs(hasher, &twigs)?;
        self.hash_upper(hasher, twigs);
        let root = self.upper.last().and_then(|level| level.get(0));
        self.root = root.copied().map(B256::new).unwrap_or_default();
        Ok(self.root)
    }

    /// Hashes new entries and completes the nodes over them.
    fn hash_entries(&mut self, hasher: &Hasher) -> Result<(), Error> {
        let Some((leaves, levels)) = self.inside.split_first_mut() else {
            return Ok(());
        };
        let sealed = self.entries.sealed();
        let new = (sealed + leaves.len() as u64..self.entries.count()).map(EntryId);
        let new: Vec<_> = new
            .map(|id| self.entries.bytes(id))
            .collect::<Result<_, _>>()?;
        let mut hashes = vec![[0; 32]; new.len()];
        hasher.hash_leaves(&new, &mut hashes);
        hashes.iter().for_each(|hash| leaves.push(*hash));
        let mut below = leaves;
        for (nodes, level) in levels.iter_mut().zip(1u32..) {
            // Level 11 holds the sealed twigs too.
            let gone = if level == TWIG_LEVEL {
                sealed >> level
            } else {
                0
            };
            let done = nodes.len() - place(gone).unwrap_or(0);
            let pairs: Vec<_> = (done..below.len() / 2)
                .map(|index| pair(below.get(2 * index), below.get(2 * index + 1), &[0; 32]))
                .collect();
            if !pairs.is_empty() {
                hashes.resize(pairs.len(), [0; 32]);
                hasher.hash_nodes(level_tag(level), &pairs, &mut hashes);
                hashes.iter().for_each(|hash| nodes.push(*hash));
            }
            below = nodes;
        }
        Ok(())
    }

    /// Hashes the roots of twigs.
    fn hash_twigs(&mut self, hasher: &Hasher, twigs: &[u64]) -> Result<(), Error> {
        let bits = twigs.iter().map(|twig| self.active_bits(*twig));
        let mut nodes: Vec<Digest> = bits.flat_map(|bits| bits.0).collect();
        debug_assert_eq!(nodes.len(), twigs.len() * ACTIVE_WORDS);
        let mut parents = vec![[0; 32]; nodes.len() / 2];
        for tag in ACTIVE_TAGS {
            let (pairs, _) = nodes.as_flattened().as_chunks::<PAIR_LEN>();
            parents.resize(pairs.len(), [0; 32]);
            hasher.hash_nodes(tag, pairs, &mut parents);
            std::mem::swap(&mut nodes, &mut parents);
        }
        let edge = self.edge(hasher)?;
        let youngest = self.active.len() as u64 - 1;
        let entries_root = |twig: u64| {
            let complete = place(twig).and_then(|at| self.inside.last()?.get(at));
            complete
                .copied()
                .or((twig == youngest).then(|| edge.root()))
        };
        let pairs: Vec<_> = twigs
            .iter()
            .zip(&nodes)
            .map(|(twig, active_root)| {
                pair(entries_root(*twig).as_ref(), Some(active_root), &[0; 32])
            })
            .collect();
        parents.resize(pairs.len(), [0; 32]);
        hasher.hash_nodes(STATE_TWIG_TAG, &pairs, &mut parents);
        for (twig, root) in twigs.iter().zip(&parents) {
            put(&mut self.upper, 0, *twig, *root);
        }
        Ok(())
    }

    /// Hashes everything above these twigs.
    fn hash_upper(&mut self, hasher: &Hasher, mut dirty: Vec<u64>) {
        let mut hashes = Vec::new();
        for (below, level) in (TWIG_LEVEL..root_level(self.entry_count())).enumerate() {
            dirty.iter_mut().for_each(|index| *index >>= 1);
            dirty.dedup();
            let null = null_hash(hasher.profile(), level);
            let child = |index| self.upper.get(below)?.get(place(index)?);
            let pairs: Vec<_> = dirty
                .iter()
                .map(|index| pair(child(2 * index), child(2 * index + 1), &null))
                .collect();
            hashes.resize(pairs.len(), [0; 32]);
            hasher.hash_nodes(level_tag(level + 1), &pairs, &mut hashes);
            for (index, hash) in dirty.iter().zip(&hashes) {
                put(&mut self.upper, below + 1, *index, *hash);
            }
        }
    }

    /// The active bits of a twig.
    pub(super) fn active_bits(&self, twig: u64) -> ActiveBits {
        let bits = place(twig).and_then(|at| self.active.get(at));
        bits.copied().unwrap_or(ActiveBits::NONE)
    }

    /// A complete node over the entries of a twig, `level` up to 11.
    pub(super) fn inside_node(&self, level: u32, index: u64) -> Result<Option<Digest>, Error> {
        let gone = match level {
            TWIG_LEVEL => 0,
            _ => self.entries.sealed() >> level,
        };
        let Some(index_here) = index.checked_sub(gone) else {
            return self.entries.sealed_node(level, index);
        };
        let nodes = self.inside.get(level as usize);
        let node = nodes.and_then(|nodes| nodes.get(place(index_here)?));
        Ok(node.copied())
    }

    /// The nodes at the end of the log, inside the youngest twig.
    pub(super) fn edge(&self, hasher: &Hasher) -> Result<Edge, Error> {
        let hashed = self.inside.first().map_or(0, |leaves| leaves.len() as u64);
        let last = (self.entries.sealed() + hashed).saturating_sub(1);
        let mut nodes = [[0; 32]; TWIG_LEVEL as usize + 1];
        let mut node = [0; 32];
        for (level, slot) in (0u32..).zip(nodes.iter_mut()) {
            let index = last >> level;
            node = match (self.inside_node(level, index)?, level.checked_sub(1)) {
                (Some(complete), _) => complete,
                (None, Some(below)) => {
                    let null = null_hash(hasher.profile(), below);
                    if last >> below & 1 == 0 {
                        hasher.hash_node(level_tag(level), &node, &null)
                    } else {
                        let left = self.inside_node(below, 2 * index)?.unwrap_or(null);
                        hasher.hash_node(level_tag(level), &left, &node)
                    }
                }
                (None, None) => node,
            };
            *slot = node;
        }
        Ok(Edge { last, nodes })
    }
}

/// The nodes above the last entry, inside its twig; what is behind it counts as null.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    last: u64,
    nodes: [Digest; TWIG_LEVEL as usize + 1],
}

impl Edge {
    fn root(&self) -> Digest {
        let [.., root] = self.nodes;
        root
    }

    /// The node at `level`, up to 11, if it is one of these.
    pub(super) fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let here = self.last.checked_shr(level) == Some(index);
        self.nodes.get(level as usize).filter(|_| here).copied()
    }
}

fn pair(left: Option<&Digest>, right: Option<&Digest>, missing: &Digest) -> [u8; PAIR_LEN] {
    let mut pair = [0; PAIR_LEN];
    let (l, r) = pair.split_at_mut(32);
    l.copy_from_slice(left.unwrap_or(missing));
    r.copy_from_slice(right.unwrap_or(missing));
    pair
}

/// Replaces a node, or adds it: nodes of a level come in order.
fn put(levels: &mut Vec<SharedVec<Digest, 64>>, level: usize, index: u64, digest: Digest) {
    if levels.len() <= level {
        levels.resize(level + 1, SharedVec::default());
    }
    let Some((nodes, at)) = levels.get_mut(level).zip(place(index)) else {
        return;
    };
    if at == nodes.len() {
        nodes.push(digest);
    } else {
        nodes.set(at, digest);
    }
}

pub(super) fn place(index: u64) -> Option<usize> {
    usize::try_from(index).ok()
}
