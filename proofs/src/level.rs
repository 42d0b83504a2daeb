//! Index arithmetic: transaction numbers, twigs, levels and path lengths.
//!
//! ```text
//! level 12+   upper tree      one node per 2^level leaves, up to the root level
//! level 11    twig roots      one per 2048 leaves
//! level 0..11 inside a twig
//! level 0     leaf hashes     index = tx_num
//! ```
//!
//! A node is named by its level and its index in that level; it covers the leaves
//! `index << level .. (index + 1) << level`. Nodes that cover no leaf are *null* and have a hash
//! that depends on their level alone.

use core::fmt;

/// log2 of the leaves in a twig.
pub const TWIG_SHIFT: u32 = 11;
/// Leaves in a twig.
pub const TWIG_LEAVES: u64 = 1 << TWIG_SHIFT;
/// Level of a twig's root.
pub const TWIG_LEVEL: u32 = TWIG_SHIFT;
/// Highest level a root can have, reached at 2^63 leaves.
pub const MAX_ROOT_LEVEL: u32 = 64;

/// Position of a transaction in the chain's history, counted from 0; also the leaf's index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct TxNum(pub u64);

/// Number of a twig: the twig of a leaf is `tx_num >> 11`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct TwigId(pub u64);

impl TxNum {
    /// The twig that holds this leaf.
    #[must_use]
    pub const fn twig_id(self) -> TwigId {
        TwigId(self.0 >> TWIG_SHIFT)
    }

    /// The leaf's index inside its twig, `0..2048`.
    #[must_use]
    pub const fn index_in_twig(self) -> u64 {
        self.0 & (TWIG_LEAVES - 1)
    }
}

impl TwigId {
    /// The first transaction number of this twig, if the twig exists in the number space.
    #[must_use]
    pub const fn first_tx_num(self) -> Option<TxNum> {
        match self.0.checked_mul(TWIG_LEAVES) {
            Some(first) => Some(TxNum(first)),
            None => None,
        }
    }
}

impl fmt::Display for TxNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TwigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for TxNum {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// Level of the root of a tree of `leaf_count` leaves, and so the length of every leaf's path.
///
/// With y = `leaf_count >> 11` it is 12 if y = 0, else 12 + floor(log2 y): there is always one
/// level above the twig roots, and the tree grows as soon as its youngest twig is complete
/// (DESIGN section 3 counts one more, because it leaves a gap above the twig root for tag 11).
#[must_use]
pub const fn root_level(leaf_count: u64) -> u32 {
    match (leaf_count >> TWIG_SHIFT).checked_ilog2() {
        None => TWIG_LEVEL + 1,
        Some(log) => TWIG_LEVEL + 1 + log,
    }
}

/// Index of the node at `level` above leaf `index`; 0 from level 64 on.
#[must_use]
pub(crate) const fn ancestor(index: u64, level: u32) -> u64 {
    match index.checked_shr(level) {
        Some(ancestor) => ancestor,
        None => 0,
    }
}

/// True if the node covers no leaf of a tree of `leaf_count` leaves.
#[must_use]
pub(crate) const fn is_null(level: u32, index: u64, leaf_count: u64) -> bool {
    leaf_count == 0 || index > ancestor(leaf_count - 1, level)
}

/// True if the node covers only leaves below `leaf_count`.
#[must_use]
pub(crate) const fn is_complete(level: u32, index: u64, leaf_count: u64) -> bool {
    index < ancestor(leaf_count, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_level_grows_with_the_youngest_twig() {
        let cases = [
            (0, 12),
            (1, 12),
            (2047, 12),
            (2048, 12),
            (4095, 12),
            (4096, 13),
            (8191, 13),
            (8192, 14),
            (1 << 32, 33),
            (u64::MAX, 64),
        ];
        for (leaf_count, level) in cases {
            assert_eq!(root_level(leaf_count), level, "{leaf_count} leaves");
        }
    }

    #[test]
    fn every_node_is_complete_partial_or_null() {
        for leaf_count in 0..70u64 {
            for level in 0..8 {
                for index in 0..(80 >> level) {
                    let (from, to) = (index << level, (index + 1) << level);
                    assert_eq!(is_null(level, index, leaf_count), from >= leaf_count);
                    assert_eq!(is_complete(level, index, leaf_count), to <= leaf_count);
                }
            }
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert!(!is_null(63, 1, u64::MAX));
        assert!(is_null(64, 1, u64::MAX));
        assert!(!is_complete(0, u64::MAX, u64::MAX));
        assert!(is_complete(0, u64::MAX - 1, u64::MAX));
        assert_eq!(TwigId(u64::MAX).first_tx_num(), None);
        assert_eq!(TxNum(4097).twig_id(), TwigId(2));
        assert_eq!(TxNum(4097).index_in_twig(), 1);
    }
}
