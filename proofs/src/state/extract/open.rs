//! Making an extract, and opening one under a trusted head.

use super::form::{OpenEntry, StateExtract};
use super::known::{ActiveNodes, Known, KnownTwig, TwigEdge, fold_level};
use super::nodes::{self, open_twigs};
use super::partial::PartialState;
use crate::error::{ProveError, ShapeError, VerifyError};
use crate::hash::{Digest, TreeHasher};
use crate::head::Head;
use crate::level::{TWIG_LEAVES, TWIG_LEVEL, ancestor, root_level};
use crate::null_hashes::null_hash;
use crate::siblings::visit_levels;
use crate::state::active::{self, ActiveBits};
use crate::state::entry::{Entry, EntryId};
use crate::state::opening::Node;
use crate::state::prove::StateSource;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::convert::Infallible;
use core::iter::once;

/// The extract that opens these entries, in any order: of one that comes twice, the one with a
/// value stays. Each must be active; of the nodes, only those are read that it sends.
///
/// # Errors
/// [`ProveError::Shape`] if an entry is not in the log, or a value is not its entry's;
/// [`ProveError::Source`] if something cannot be read.
pub fn open_extract<S: StateSource>(
    source: &S,
    hasher: &impl TreeHasher,
    entry_count: u64,
    mut wanted: Vec<(EntryId, Option<Vec<u8>>)>,
) -> Result<StateExtract, ProveError<S::Error>> {
    wanted.sort_unstable_by(|(a, one), (b, other)| (a, one.is_none()).cmp(&(b, other.is_none())));
    wanted.dedup_by_key(|(id, _)| *id);
    if let Some(&(entry_id, _)) = wanted.last().filter(|(id, _)| id.0 >= entry_count) {
        return Err(ShapeError::OutsideLog {
            entry_id,
            entry_count,
        }
        .into());
    }
    let mut entries = Vec::with_capacity(wanted.len());
    for (id, value) in wanted {
        let bytes = source.entry(id).map_err(ProveError::Source)?;
        let entry = Entry::from_bytes(&bytes).map_err(ShapeError::Entry)?;
        entries.push(OpenEntry { id, entry, value });
    }
    let ids = entries.iter().map(|open| open.id.0);
    let (mut sent, mut bits) = (Vec::new(), None);
    nodes::visit(ids, entry_count, |node| {
        let digest = match node {
            Node::Entries(level, index) => source.entries_node(level, index)?,
            Node::Upper(level, index) => source.upper_node(level, index)?,
            Node::Active(twig, level, index) => {
                let known: Option<ActiveBits> = bits.filter(|(of, _)| *of == twig).map(|(_, b)| b);
                let bits_of_twig = match known {
                    Some(known) => known,
                    None => source.active_bits(twig)?,
                };
                bits = Some((twig, bits_of_twig));
                active::node(hasher, &bits_of_twig, level, index)
            }
            Node::ActiveRoot(twig) => source.active_bits(twig)?.root(hasher),
        };
        sent.push(B256::new(digest));
        Ok(())
    })
    .map_err(ProveError::Source)?;
    Ok(StateExtract::new(
        hasher.profile(),
        entry_count,
        entries,
        sent,
    )?)
}

impl StateExtract {
    /// Verifies the extract against a trusted head, and makes of it a state that can be read and
    /// written.
    ///
    /// Every entry must be active under the head. Costs at most one hash per entry and level; safe
    /// on untrusted input.
    ///
    /// # Errors
    /// [`VerifyError::Profile`] or [`VerifyError::EntryCount`] if it was made for another log,
    /// [`VerifyError::RootMismatch`] if it leads to another root, [`VerifyError::Inactive`] if an
    /// entry is not the current version of its key.
    pub fn open<H: TreeHasher>(
        self,
        hasher: H,
        head: &Head,
    ) -> Result<PartialState<H>, VerifyError> {
        for found in [self.profile(), hasher.profile()] {
            if found != head.profile {
                return Err(VerifyError::Profile {
                    found,
                    trusted: head.profile,
                });
            }
        }
        if self.entry_count() != head.entry_count {
            return Err(VerifyError::EntryCount {
                found: self.entry_count(),
                trusted: head.entry_count,
            });
        }
        let mut known = self.fold(&hasher);
        let computed = known.root(&hasher);
        if computed != head.state_root {
            return Err(VerifyError::RootMismatch {
                computed,
                trusted: head.state_root,
            });
        }
        for open in self.entries() {
            let twig = known.twigs.get(&open.id.twig_id().0);
            let index = open.id.index_in_twig();
            if !twig.is_some_and(|twig| twig.active.get(index)) {
                return Err(VerifyError::Inactive { entry_id: open.id });
            }
        }
        PartialState::new(hasher, known, self.into_entries(), head)
    }

    /// All nodes that follow, up to the twigs; those above them are left dirty.
    fn fold(&self, hasher: &impl TreeHasher) -> Known {
        let entry_count = self.entry_count();
        let mut known = Known {
            entry_count,
            ..Known::default()
        };
        if entry_count == 0 {
            return known;
        }
        let mut sent = self.nodes().iter().map(|node| node.0);
        let entries_roots = self.fold_entries(hasher, &mut sent, &mut known.edge);
        let ids = self.entries().iter().map(|open| open.id.0);
        for open in open_twigs(ids.clone(), entry_count) {
            let found = entries_roots
                .binary_search_by_key(&open.twig.0, |(twig, _)| *twig)
                .ok();
            let root = found.and_then(|at| entries_roots.get(at));
            let twig = KnownTwig {
                entries_root: root.map(|(_, root)| *root).unwrap_or_default(),
                active: ActiveNodes::read(open, &mut sent),
            };
            known.twigs.insert(open.twig.0, twig);
            known.dirty.push(open.twig.0);
        }
        let places = ids.chain(once(entry_count));
        let above = TWIG_LEVEL..root_level(entry_count);
        let Ok(()) = visit_levels(places, above, entry_count, |level, index| {
            let node = sent.next().unwrap_or_default();
            known.upper.insert((level, index), node);
            Ok::<_, Infallible>(())
        });
        // The way up from the place behind the last entry counts too, where that begins a twig.
        known.dirty.push(entry_count / TWIG_LEAVES);
        known
    }

    /// The roots over the entries of the twigs, and the peaks of the youngest one.
    fn fold_entries(
        &self,
        hasher: &impl TreeHasher,
        sent: &mut impl Iterator<Item = Digest>,
        edge: &mut TwigEdge,
    ) -> Vec<(u64, Digest)> {
        let entry_count = self.entry_count();
        let bytes: Vec<_> = self.entries().iter().map(|o| o.entry.to_bytes()).collect();
        let mut hashes = vec![[0; 32]; bytes.len()];
        hasher.hash_leaves(&bytes, &mut hashes);
        let ids = self.entries().iter().map(|open| open.id.0);
        let mut known: Vec<(u64, Digest)> = ids.zip(hashes).collect();
        // The place behind the last entry, where there is nothing.
        known.push((entry_count, null_hash(hasher.profile(), 0)));
        edge.len = entry_count % TWIG_LEAVES;
        for (peak, level) in edge.peaks.iter_mut().zip(0..) {
            let behind = ancestor(entry_count, level);
            fold_level(
                hasher,
                level,
                entry_count,
                &mut known,
                sent,
                |index, left| {
                    if behind & 1 == 1 && index == behind - 1 {
                        *peak = *left;
                    }
                },
            );
        }
        known
    }
}
