//! Which nodes a proof must send: those beside the known ones that are neither known nor null.
//!
//! One rule serves the prover (read them), the decoder (count them) and the verifier (use them in
//! this order): level by level from the leaves, in each level by ascending index.

use crate::level::{TxNum, ancestor, is_null, root_level};
use core::convert::Infallible;
use core::ops::Range;

/// Visits the siblings of the leaves `from..to`, which must be in the tree.
pub(crate) fn visit_range<E>(
    from: u64,
    to: u64,
    leaf_count: u64,
    mut visit: impl FnMut(u32, u64) -> Result<(), E>,
) -> Result<(), E> {
    for level in 0..root_level(leaf_count) {
        let (first, last) = (ancestor(from, level), ancestor(to - 1, level));
        if first & 1 == 1 {
            visit(level, first - 1)?;
        }
        if last & 1 == 0 && !is_null(level, last + 1, leaf_count) {
            visit(level, last + 1)?;
        }
    }
    Ok(())
}

/// Visits the siblings of the leaves at `tx_nums`, which must ascend and be in the tree.
pub(crate) fn visit_multi<E>(
    tx_nums: &[TxNum],
    leaf_count: u64,
    visit: impl FnMut(u32, u64) -> Result<(), E>,
) -> Result<(), E> {
    let positions = tx_nums.iter().map(|tx_num| tx_num.0);
    visit_levels(positions, 0..root_level(leaf_count), leaf_count, visit)
}

/// Visits the siblings at `levels` of the leaves at `positions`, which must ascend and be in the
/// tree.
pub(crate) fn visit_levels<E>(
    positions: impl Iterator<Item = u64> + Clone,
    levels: Range<u32>,
    leaf_count: u64,
    mut visit: impl FnMut(u32, u64) -> Result<(), E>,
) -> Result<(), E> {
    for level in levels {
        let mut known = positions
            .clone()
            .map(|position| ancestor(position, level))
            .peekable();
        while let Some(index) = known.next() {
            while known.next_if_eq(&index).is_some() {}
            if index & 1 == 1 {
                visit(level, index - 1)?;
            } else if known.next_if_eq(&(index + 1)).is_some() {
                while known.next_if_eq(&(index + 1)).is_some() {}
            } else if !is_null(level, index + 1, leaf_count) {
                visit(level, index + 1)?;
            }
        }
    }
    Ok(())
}

/// Visits the nodes of a consistency proof, `0 < old < leaf_count`.
pub(crate) fn visit_consistency<E>(
    old: u64,
    leaf_count: u64,
    mut visit: impl FnMut(u32, u64) -> Result<(), E>,
) -> Result<(), E> {
    let start = old.trailing_zeros();
    visit(start, ancestor(old, start))?;
    for level in start..root_level(leaf_count) {
        let index = ancestor(old, level);
        if index & 1 == 1 {
            visit(level, index - 1)?;
        } else if !is_null(level, index + 1, leaf_count) {
            visit(level, index + 1)?;
        }
    }
    Ok(())
}

/// How many nodes a walk visits.
pub(crate) fn count(
    walk: impl FnOnce(&mut dyn FnMut(u32, u64) -> Result<(), Infallible>) -> Result<(), Infallible>,
) -> u64 {
    let mut count = 0;
    let Ok(()) = walk(&mut |_, _| {
        count += 1;
        Ok(())
    });
    count
}
