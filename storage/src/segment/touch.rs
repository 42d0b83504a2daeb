//! Which twigs were verified since the segment was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// What of a twig is verified, and used, separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Header, anchors and nodes: 12 KB, all that a proof needs beside its group.
    Tree,
    /// Payload: 196 KB.
    Payload,
    /// Tags: 16 KB.
    Tags,
}

/// Four bits a twig, one for each [`Share`] and one to spare.
///
/// Relaxed ordering is enough: a bit publishes no other memory. What it vouches for, the mapped
/// file, does not change; and threads that both find a bit unset both do the work.
#[derive(Debug)]
pub(super) struct Touched(Box<[AtomicU64]>);

const TWIGS_PER_WORD: usize = 16;

impl Touched {
    pub(super) fn new(twig_count: usize) -> Self {
        let words = twig_count.div_ceil(TWIGS_PER_WORD);
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn has(&self, place: usize, share: Share) -> bool {
        let word = self.0.get(place / TWIGS_PER_WORD);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & bit(place, share) != 0)
    }

    pub(super) fn set(&self, place: usize, share: Share) {
        if let Some(word) = self.0.get(place / TWIGS_PER_WORD) {
            word.fetch_or(bit(place, share), Ordering::Relaxed);
        }
    }
}

fn bit(place: usize, share: Share) -> u64 {
    1 << (4 * (place % TWIGS_PER_WORD) + share as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_do_not_touch_each_other() {
        let touched = Touched::new(65);
        for place in [0, 15, 16, 64] {
            for share in [Share::Payload, Share::Tree, Share::Tags] {
                assert!(!touched.has(place, share));
                touched.set(place, share);
                assert!(touched.has(place, share));
            }
        }
        assert!(!touched.has(1, Share::Tree) && !touched.has(63, Share::Payload));
        touched.set(80, Share::Tree);
        assert!(
            !touched.has(80, Share::Tree),
            "behind the end nothing is kept"
        );
    }
}
