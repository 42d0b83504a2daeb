//! Making state proofs: one prover for every store that can look up entries and nodes.

use super::active::{self, ActiveBits};
use super::entry::EntryId;
use super::opening::{Node, Opened};
use super::proof::StateProof;
use crate::error::{ProveError, ShapeError};
use crate::hash::{Digest, LEAF_LEN, TreeHasher};
use crate::level::TwigId;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// Where a prover finds the entries and nodes of a state log at one head.
///
/// Only nodes that cover an entry of the log are asked for.
pub trait StateSource {
    /// Why something could not be read.
    type Error;

    /// The bytes of an entry.
    ///
    /// # Errors
    /// Whatever keeps the source from reading it.
    fn entry(&self, id: EntryId) -> Result<[u8; LEAF_LEN], Self::Error>;

    /// A node inside the entries of a twig: `level` below 11, and index; missing entries count as
    /// null.
    ///
    /// # Errors
    /// Whatever keeps the source from reading it.
    fn entries_node(&self, level: u32, index: u64) -> Result<Digest, Self::Error>;

    /// The active bits of a twig.
    ///
    /// # Errors
    /// Whatever keeps the source from reading them.
    fn active_bits(&self, twig: TwigId) -> Result<ActiveBits, Self::Error>;

    /// The root of a twig, which is level 11, or a node above, and index.
    ///
    /// # Errors
    /// Whatever keeps the source from reading it.
    fn upper_node(&self, level: u32, index: u64) -> Result<Digest, Self::Error>;
}

/// What a proof must open to show the state of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An entry that is active.
    Active(EntryId),
    /// An entry, and the one that superseded it.
    Superseded {
        /// The entry that was valid.
        entry: EntryId,
        /// The entry of the same key that names it.
        by: EntryId,
    },
    /// The first entry, which came later than the time in question.
    Unwritten,
}

/// The proof that opens what `evidence` names, in any order, each entry once.
///
/// # Errors
/// [`ProveError::Shape`] if there is no evidence or an entry is not in the log,
/// [`ProveError::Source`] if something cannot be read.
pub fn open_entries<S: StateSource>(
    source: &S,
    hasher: &impl TreeHasher,
    entry_count: u64,
    evidence: &[Evidence],
) -> Result<StateProof, ProveError<S::Error>> {
    let mut asked: Vec<(EntryId, bool)> = Vec::with_capacity(evidence.len() + 1);
    for evidence in evidence {
        match *evidence {
            Evidence::Active(id) => asked.push((id, true)),
            Evidence::Superseded { entry, by } => asked.extend([(entry, false), (by, false)]),
            Evidence::Unwritten => asked.push((EntryId(0), false)),
        }
    }
    // Of equal ids the one that shows the bit comes first and stays.
    asked.sort_unstable_by_key(|(id, shown)| (*id, !shown));
    asked.dedup_by_key(|(id, _)| *id);
    let (ids, shown): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    if let Some(&entry_id) = ids.last().filter(|id| id.0 >= entry_count) {
        let outside = ShapeError::OutsideLog {
            entry_id,
            entry_count,
        };
        return Err(outside.into());
    }
    let opened = Opened {
        ids: &ids,
        shown: &shown,
        entry_count,
    };
    let mut nodes = Vec::new();
    opened
        .visit(|node| {
            nodes.push(B256::new(read(source, hasher, node)?));
            Ok(())
        })
        .map_err(ProveError::Source)?;
    let entries: Result<Vec<_>, _> = ids.iter().map(|id| source.entry(*id)).collect();
    let entries = entries.map_err(ProveError::Source)?;
    let profile = hasher.profile();
    Ok(StateProof::new(
        profile,
        entry_count,
        ids,
        shown,
        entries,
        nodes,
    )?)
}

fn read<S: StateSource>(
    source: &S,
    hasher: &impl TreeHasher,
    node: Node,
) -> Result<Digest, S::Error> {
    match node {
        Node::Entries(level, index) => source.entries_node(level, index),
        Node::ActiveRoot(twig) => Ok(source.active_bits(twig)?.root(hasher)),
        Node::Active(twig, level, index) => {
            let bits = source.active_bits(twig)?;
            Ok(active::node(hasher, &bits, level, index))
        }
        Node::Upper(level, index) => source.upper_node(level, index),
    }
}
