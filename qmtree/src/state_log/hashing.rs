//! The root: everything that changed since the last one, hashed level by level in lanes.

use super::log::StateLog;
use crate::error::Error;
use crate::shared_vec::SharedVec;
use crate::workers::Workers;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{ACTIVE_WORDS, ActiveBits, EntryId};
use qmtree_proofs::{
    Digest, LEAF_LEN, PAIR_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, level_tag, null_hash,
    root_level,
};

/// The tag of a state twig's root.
const STATE_TWIG_TAG: u8 = 11;
/// The tags above the words of active bits.
const ACTIVE_TAGS: [u8; 3] = [0x80, 0x81, 0x82];

/// Nodes that are worth hashing on two threads.
const PARALLEL_NODES: usize = 4096;

/// What a batch left to hash.
#[derive(Debug)]
pub(crate) struct Step {
    /// Entries of the log after it.
    entry_count: u64,
    /// Twigs in which something changed, ascending, with their active bits after it.
    twigs: Vec<(u64, ActiveBits)>,
}

/// Hashes on two threads where that is worth it.
struct Lanes<'a> {
    hasher: &'a Hasher,
    workers: &'a Workers,
}

impl Lanes<'_> {
    fn nodes(&self, tag: u8, pairs: &[[u8; PAIR_LEN]]) -> Vec<Digest> {
        let mut out = vec![[0; 32]; pairs.len()];
        let (there, here) = pairs.split_at(pairs.len() / 2);
        let (there_out, here_out) = out.split_at_mut(there.len());
        self.workers.both(
            pairs.len() >= PARALLEL_NODES,
            || self.hasher.hash_nodes(tag, there, there_out),
            || self.hasher.hash_nodes(tag, here, here_out),
        );
        out
    }

    fn leaves(&self, entries: &[[u8; LEAF_LEN]]) -> Vec<Digest> {
        let mut out = vec![[0; 32]; entries.len()];
        let (there, here) = entries.split_at(entries.len() / 2);
        let (there_out, here_out) = out.split_at_mut(there.len());
        self.workers.both(
            entries.len() >= PARALLEL_NODES,
            || self.hasher.hash_leaves(there, there_out),
            || self.hasher.hash_leaves(here, here_out),
        );
        out
    }
}

impl StateLog {
    /// The root of the log now; zero if it is empty. Costs the hashes of what changed since it was
    /// asked for last.
    pub(crate) fn root(&mut self, hasher: &Hasher) -> Result<B256, Error> {
        self.root_with(hasher, &Workers::default())
    }

    pub(crate) fn root_with(&mut self, hasher: &Hasher, workers: &Workers) -> Result<B256, Error> {
        if !self.dirty.is_empty() {
            let step = self.take_step();
            self.roots(hasher, workers, &[step])?;
        }
        Ok(self.root)
    }

    /// Takes down what changed since this or a root was asked for last, so that its root can be
    /// computed together with others.
    pub(crate) fn take_step(&mut self) -> Step {
        let mut twigs = std::mem::take(&mut self.dirty);
        twigs.sort_unstable();
        twigs.dedup();
        let twigs = twigs.into_iter().map(|twig| (twig, self.active_bits(twig)));
        Step {
            entry_count: self.entry_count(),
            twigs: twigs.collect(),
        }
    }

    /// The roots after each of these steps, which lead to the log as it is now. Each level of all
    /// of them is hashed at once, so that small steps fill lanes too.
    pub(crate) fn roots(
        &mut self,
        hasher: &Hasher,
        workers: &Workers,
        steps: &[Step],
    ) -> Result<Vec<B256>, Error> {
        let lanes = Lanes { hasher, workers };
        self.hash_entries(&lanes)?;
        let active = hash_active(&lanes, steps);
        let edges = self.hash_edges(&lanes, steps)?;
        let mut pairs = Vec::with_capacity(active.len());
        let mut active = active.iter();
        for (step, edge) in steps.iter().zip(&edges) {
            for (twig, _) in &step.twigs {
                let is_complete = *twig < step.entry_count >> TWIG_LEVEL;
                let complete = place(*twig).and_then(|at| self.inside.last()?.get(at));
                let entries_root = complete.filter(|_| is_complete).or(Some(edge));
                pairs.push(pair(entries_root, active.next(), &[0; 32]));
            }
        }
        let twigs = lanes.nodes(STATE_TWIG_TAG, &pairs);
        let roots = self.hash_upper(&lanes, steps, twigs);
        self.root = roots.last().copied().unwrap_or(self.root);
        Ok(roots)
    }

    /// Hashes new entries and completes the nodes over them.
    fn hash_entries(&mut self, lanes: &Lanes<'_>) -> Result<(), Error> {
        let Some((leaves, levels)) = self.inside.split_first_mut() else {
            return Ok(());
        };
        let sealed = self.entries.sealed();
        let new = (sealed + leaves.len() as u64..self.entries.count()).map(EntryId);
        let new: Vec<_> = new
            .map(|id| self.entries.bytes(id))
            .collect::<Result<_, _>>()?;
        let hashes = lanes.leaves(&new);
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
            let hashes = lanes.nodes(level_tag(level), &pairs);
            hashes.iter().for_each(|hash| nodes.push(*hash));
            below = nodes;
        }
        Ok(())
    }

    /// The root over the entries of the youngest twig after each step, what is behind them null. Of
    /// no meaning where that twig is complete: it has its own, and may be sealed.
    fn hash_edges(&self, lanes: &Lanes<'_>, steps: &[Step]) -> Result<Vec<Digest>, Error> {
        let mut edges = Vec::with_capacity(steps.len());
        let is_complete = |step: &Step| step.entry_count.is_multiple_of(TWIG_LEAVES);
        for step in steps {
            let last = step.entry_count.saturating_sub(1);
            edges.push(match is_complete(step) {
                true => [0; 32],
                false => self.inside_node(0, last)?.unwrap_or_default(),
            });
        }
        for level in 1..=TWIG_LEVEL {
            let null = null_hash(lanes.hasher.profile(), level - 1);
            let (mut pairs, mut places) = (Vec::new(), Vec::new());
            let edges = steps.iter().zip(edges.iter_mut());
            for (step, edge) in edges.filter(|(step, _)| !is_complete(step)) {
                let last = step.entry_count.saturating_sub(1);
                let index = last >> level;
                if (index + 1) << level <= step.entry_count {
                    *edge = self.inside_node(level, index)?.unwrap_or_default();
                    continue;
                }
                pairs.push(if last >> (level - 1) & 1 == 0 {
                    pair(Some(edge), None, &null)
                } else {
                    let left = self.inside_node(level - 1, 2 * index)?;
                    pair(left.as_ref(), Some(edge), &null)
                });
                places.push(edge);
            }
            let hashes = lanes.nodes(level_tag(level), &pairs);
            for (edge, hash) in places.into_iter().zip(hashes) {
                *edge = hash;
            }
        }
        Ok(edges)
    }

    /// Hashes everything above the twigs, whose roots come in the order of the steps. Returns the
    /// root after each step.
    fn hash_upper(
        &mut self,
        lanes: &Lanes<'_>,
        steps: &[Step],
        mut hashes: Vec<Digest>,
    ) -> Vec<B256> {
        let mut roots = vec![B256::ZERO; steps.len()];
        // Of each step that is not at its root yet: its place, and the nodes that changed.
        let changed = |step: &Step| step.twigs.iter().map(|(twig, _)| *twig).collect();
        let mut changed: Vec<(usize, Vec<u64>)> = steps.iter().map(changed).enumerate().collect();
        for (below, level) in (TWIG_LEVEL..).enumerate() {
            let null = null_hash(lanes.hasher.profile(), level);
            let (mut pairs, mut done) = (Vec::new(), hashes.iter());
            // Step by step, so that each sees the nodes that were there after it.
            changed.retain_mut(|(at, indices)| {
                for (index, hash) in indices.iter().zip(done.by_ref()) {
                    put(&mut self.upper, below, *index, *hash);
                }
                let child = |index| self.upper.get(below)?.get(place(index)?);
                let count = steps.get(*at).map_or(0, |step| step.entry_count);
                if level >= root_level(count) {
                    if let Some(root) = roots.get_mut(*at) {
                        *root = child(0).copied().map(B256::new).unwrap_or_default();
                    }
                    return false;
                }
                indices.iter_mut().for_each(|index| *index >>= 1);
                indices.dedup();
                let nodes = indices.iter();
                pairs
                    .extend(nodes.map(|index| pair(child(2 * index), child(2 * index + 1), &null)));
                true
            });
            if changed.is_empty() {
                break;
            }
            hashes = lanes.nodes(level_tag(level + 1), &pairs);
        }
        roots
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
    /// The node at `level`, up to 11, if it is one of these.
    pub(super) fn node(&self, level: u32, index: u64) -> Option<Digest> {
        let here = self.last.checked_shr(level) == Some(index);
        self.nodes.get(level as usize).filter(|_| here).copied()
    }
}

/// The roots over the active bits of all twigs of all steps.
fn hash_active(lanes: &Lanes<'_>, steps: &[Step]) -> Vec<Digest> {
    let bits = steps.iter().flat_map(|step| &step.twigs);
    let mut nodes: Vec<Digest> = bits.flat_map(|(_, bits)| bits.0).collect();
    debug_assert!(nodes.len().is_multiple_of(ACTIVE_WORDS));
    for tag in ACTIVE_TAGS {
        let (pairs, _) = nodes.as_flattened().as_chunks();
        nodes = lanes.nodes(tag, pairs);
    }
    nodes
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
