//! The active bits of a twig and the tree over their eight words.

use crate::hash::{Digest, TreeHasher};
use alloy_primitives::B256;

/// Words of active bits in a twig: 2048 bits, 256 in a word.
pub const ACTIVE_WORDS: usize = 8;
/// Levels of the tree over the words.
const LEVELS: u32 = 3;

/// The tag of the node at `level`, 1 to 3, above the words.
pub(super) fn tag(level: u32) -> u8 {
    match level {
        1 => 0x80,
        2 => 0x81,
        _ => 0x82,
    }
}

/// Which entries of a twig are the current version of their key.
///
/// Entry i of the twig is bit `i & 7`, from the least significant, of byte `i >> 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActiveBits(pub [Digest; ACTIVE_WORDS]);

impl ActiveBits {
    /// No entry is active.
    pub const NONE: Self = Self([[0; 32]; ACTIVE_WORDS]);

    /// True if the entry at `index` of the twig, below 2048, is active.
    #[must_use]
    pub fn get(&self, index: u64) -> bool {
        let byte = self.0.as_flattened().get(byte_of(index));
        byte.is_some_and(|byte| byte & mask_of(index) != 0)
    }

    /// Sets or clears the bit of the entry at `index` of the twig, below 2048.
    pub fn set(&mut self, index: u64, active: bool) {
        if let Some(byte) = self.0.as_flattened_mut().get_mut(byte_of(index)) {
            if active {
                *byte |= mask_of(index);
            } else {
                *byte &= !mask_of(index);
            }
        }
    }

    /// How many entries are active.
    #[must_use]
    pub fn count(&self) -> u32 {
        let bytes = self.0.as_flattened().iter();
        bytes.map(|byte| byte.count_ones()).sum()
    }

    /// The places of the active entries in their twig, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let bytes = self.0.as_flattened().iter().zip((0u64..).step_by(8));
        bytes.flat_map(|(byte, first)| {
            let set = move |bit: &u64| byte >> bit & 1 == 1;
            (0..8u64).filter(set).map(move |bit| first + bit)
        })
    }

    /// The root of the tree over the words. Seven hashes.
    #[must_use]
    pub fn root(&self, hasher: &impl TreeHasher) -> Digest {
        let (mut nodes, mut count) = (self.0, ACTIVE_WORDS);
        for level in 1..=LEVELS {
            let bodies = nodes;
            count /= 2;
            let bodies = bodies.as_flattened().as_chunks().0.get(..count);
            let out = nodes.get_mut(..count);
            if let (Some(bodies), Some(out)) = (bodies, out) {
                hasher.hash_nodes(tag(level), bodies, out);
            }
        }
        let [root, ..] = nodes;
        root
    }
}

fn byte_of(index: u64) -> usize {
    usize::try_from(index >> 3).unwrap_or(usize::MAX)
}

fn mask_of(index: u64) -> u8 {
    1 << (index & 7)
}

/// The word that holds the bit of the entry at `index` of a twig.
pub(super) fn word_of(index: u64) -> u64 {
    index >> 8
}

/// True if `word` has the bit of the entry at `index` of a twig.
pub(super) fn bit_of(word: &B256, index: u64) -> bool {
    let byte = word.0.get(byte_of(index & 0xff));
    byte.is_some_and(|byte| byte & mask_of(index) != 0)
}

/// Visits the nodes that open the words of `mask` (bit w for word w), level 0 being the words:
/// the words themselves, then the siblings of what is known, level by level, by ascending index.
pub(super) fn visit_opened<E>(
    mask: u8,
    mut visit: impl FnMut(u32, usize) -> Result<(), E>,
) -> Result<(), E> {
    let known = |mask: u8, index: usize| mask >> index & 1 == 1;
    for word in (0..ACTIVE_WORDS).filter(|word| known(mask, *word)) {
        visit(0, word)?;
    }
    let mut mask = mask;
    for level in 0..LEVELS {
        let mut above = 0;
        for index in (0..ACTIVE_WORDS >> level).filter(|index| known(mask, *index)) {
            if !known(mask, index ^ 1) {
                visit(level, index ^ 1)?;
            }
            above |= 1 << (index / 2);
        }
        mask = above;
    }
    Ok(())
}

/// The root above the opened words of `mask`, from the digests that [`visit_opened`] names.
/// Missing ones count as zero: their number was checked before.
pub(super) fn fold_opened(
    hasher: &impl TreeHasher,
    mask: u8,
    digests: &mut impl Iterator<Item = Digest>,
) -> Digest {
    let known = |mask: u8, index: usize| mask >> index & 1 == 1;
    let mut nodes = [[0; 32]; ACTIVE_WORDS];
    for (node, _) in nodes.iter_mut().zip(0..).filter(|(_, w)| known(mask, *w)) {
        *node = digests.next().unwrap_or_default();
    }
    let mut mask = mask;
    for level in 0..LEVELS {
        let mut above = 0;
        let mut parents = [[0; 32]; ACTIVE_WORDS];
        let pairs = nodes.as_chunks::<2>().0.iter().zip(parents.iter_mut());
        for (([left, right], parent), index) in pairs.zip((0..).step_by(2)) {
            let mut side = |known: bool, node: &Digest| {
                if known {
                    *node
                } else {
                    digests.next().unwrap_or_default()
                }
            };
            let (has_left, has_right) = (known(mask, index), known(mask, index + 1));
            if has_left || has_right {
                let (left, right) = (side(has_left, left), side(has_right, right));
                *parent = hasher.hash_node(tag(level + 1), &left, &right);
                above |= 1 << (index / 2);
            }
        }
        (nodes, mask) = (parents, above);
    }
    let [root, ..] = nodes;
    root
}

/// A node of the tree over the words; level 0 are the words.
pub(super) fn node(
    hasher: &impl TreeHasher,
    bits: &ActiveBits,
    level: u32,
    index: usize,
) -> Digest {
    let mut nodes = bits.0;
    for level in 1..=level {
        for at in 0..ACTIVE_WORDS >> level {
            let pair = (nodes.get(2 * at).copied(), nodes.get(2 * at + 1).copied());
            if let ((Some(left), Some(right)), Some(slot)) = (pair, nodes.get_mut(at)) {
                *slot = hasher.hash_node(tag(level), &left, &right);
            }
        }
    }
    nodes.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Profile;
    use alloc::vec::Vec;
    use core::convert::Infallible;

    #[test]
    fn opened_words_lead_to_the_root() {
        let bits = ActiveBits([1u8, 2, 3, 4, 5, 6, 7, 8].map(|byte| [byte; 32]));
        for profile in Profile::ALL {
            let root = bits.root(&profile);
            for mask in 1..=u8::MAX {
                let mut digests = Vec::new();
                let Ok(()) = visit_opened(mask, |level, index| {
                    digests.push(node(&profile, &bits, level, index));
                    Ok::<_, Infallible>(())
                });
                let mut sent = digests.iter().copied();
                assert_eq!(
                    fold_opened(&profile, mask, &mut sent),
                    root,
                    "mask {mask:08b}"
                );
                assert_eq!(sent.next(), None, "mask {mask:08b}");
            }
        }
    }

    #[test]
    fn bits_are_where_the_format_says() {
        let mut bits = ActiveBits::NONE;
        bits.set(0, true);
        bits.set(9, true);
        bits.set(2047, true);
        assert_eq!((bits.0[0][0], bits.0[0][1], bits.0[7][31]), (1, 2, 0x80));
        assert!(bits.get(9) && !bits.get(8) && bits.count() == 3);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 9, 2047]);
        assert!(bit_of(&B256::new(bits.0[7]), 2047) && word_of(2047) == 7);
        bits.set(9, false);
        assert!(!bits.get(9) && bits.count() == 2);
    }
}
