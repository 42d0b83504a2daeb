//! Which nodes open a set of entries, and how they lead to the root.
//!
//! One rule serves the prover (read them), the decoder (count them) and the verifier (use them in
//! this order): siblings inside the twigs, then the active parts by twig, then siblings above.

use super::active::{bit_of, fold_opened, visit_opened, word_of};
use super::entry::EntryId;
use crate::hash::{Digest, TreeHasher};
use crate::level::{TWIG_LEVEL, TwigId, root_level};
use crate::multi::fold_levels;
use crate::siblings::visit_levels;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The tag of a state twig's root.
pub(crate) const STATE_TWIG_TAG: u8 = 11;

/// A node that a proof sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Inside the entries of a twig: level below 11, and index.
    Entries(u32, u64),
    /// The root over all active bits of a twig.
    ActiveRoot(TwigId),
    /// A node over active bits of a twig: level, 0 for words, and index.
    Active(TwigId, u32, usize),
    /// A twig root or a node above: level from 11, and index.
    Upper(u32, u64),
}

/// The entries to open: ascending ids, and beside each whether its active bit is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) ids: &'a [EntryId],
    pub(crate) shown: &'a [bool],
    pub(crate) entry_count: u64,
}

impl<'a> Opened<'a> {
    /// The twigs of the entries, ascending, each with the mask of the words to show.
    fn twigs(self) -> impl Iterator<Item = (TwigId, u8)> + 'a {
        let mut rest = self.ids.iter().zip(self.shown).peekable();
        core::iter::from_fn(move || {
            let twig = rest.peek()?.0.twig_id();
            let mut mask = 0;
            while let Some((id, shown)) = rest.next_if(|(id, _)| id.twig_id() == twig) {
                if *shown {
                    mask |= 1 << word_of(id.index_in_twig());
                }
            }
            Some((twig, mask))
        })
    }

    /// Visits the nodes that a proof sends, in their order.
    pub(crate) fn visit<E>(self, mut visit: impl FnMut(Node) -> Result<(), E>) -> Result<(), E> {
        let positions = self.ids.iter().map(|id| id.0);
        let inside = 0..TWIG_LEVEL;
        visit_levels(
            positions.clone(),
            inside,
            self.entry_count,
            |level, index| visit(Node::Entries(level, index)),
        )?;
        for (twig, mask) in self.twigs() {
            if mask == 0 {
                visit(Node::ActiveRoot(twig))?;
            } else {
                visit_opened(mask, |level, index| visit(Node::Active(twig, level, index)))?;
            }
        }
        let above = TWIG_LEVEL..root_level(self.entry_count);
        visit_levels(positions, above, self.entry_count, |level, index| {
            visit(Node::Upper(level, index))
        })
    }

    /// The root above the entries' hashes, from the digests of the nodes that [`visit`](Self::visit)
    /// names. Allocates 40 bytes per entry.
    pub(crate) fn fold(
        self,
        hasher: &impl TreeHasher,
        mut hashes: Vec<Digest>,
        digests: &mut impl Iterator<Item = Digest>,
    ) -> Digest {
        let mut indices: Vec<u64> = self.ids.iter().map(|id| id.0).collect();
        let known = (&mut indices, &mut hashes);
        fold_levels(hasher, 0..TWIG_LEVEL, self.entry_count, known, digests);
        for (node, (_, mask)) in hashes.iter_mut().zip(self.twigs()) {
            let active_root = match mask {
                0 => digests.next().unwrap_or_default(),
                _ => fold_opened(hasher, mask, digests),
            };
            *node = hasher.hash_node(STATE_TWIG_TAG, node, &active_root);
        }
        let above = TWIG_LEVEL..root_level(self.entry_count);
        let known = (&mut indices, &mut hashes);
        fold_levels(hasher, above, self.entry_count, known, digests);
        hashes.first().copied().unwrap_or_default()
    }

    /// The first entry whose bit is shown and clear, given the digests of all nodes sent.
    pub(crate) fn first_inactive(self, digests: &[B256]) -> Option<EntryId> {
        let shown = self.ids.iter().zip(self.shown).filter(|(_, shown)| **shown);
        let mut shown = shown.map(|(id, _)| *id).peekable();
        let mut digests = digests.iter();
        let found = self.visit(|node| {
            let digest = digests.next();
            let Node::Active(twig, 0, word) = node else {
                return Ok(());
            };
            let here = |id: &EntryId| {
                id.twig_id() == twig && usize::try_from(word_of(id.index_in_twig())) == Ok(word)
            };
            while let Some(id) = shown.next_if(here) {
                if !digest.is_some_and(|word| bit_of(word, id.index_in_twig())) {
                    return Err(id);
                }
            }
            Ok(())
        });
        found.err()
    }
}
