//! Which nodes an extract sends: one rule for the prover, the decoder and the verifier.

use crate::level::{TWIG_LEAVES, TWIG_LEVEL, TwigId, root_level};
use crate::siblings::visit_levels;
use crate::state::active::{visit_opened, word_of};
use crate::state::opening::Node;
use core::iter::once;

/// A twig of which something is opened: its words of active bits that are known, and which of them
/// are known without being sent, since they lie behind the last entry and so are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenTwig {
    pub(super) twig: TwigId,
    pub(super) known: u8,
    pub(super) zero: u8,
}

impl OpenTwig {
    /// Visits the nodes over active bits that are sent: words first, then siblings upwards.
    pub(super) fn visit<E>(
        self,
        mut visit: impl FnMut(u32, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        visit_opened(self.known, |level, index| {
            if level == 0 && self.zero >> index & 1 == 1 {
                return Ok(());
            }
            visit(level, index)
        })
    }
}

/// The twigs of the entries at `ids`, which must ascend, and of the place behind the last entry,
/// unless that begins a twig.
pub(super) fn open_twigs(
    ids: impl Iterator<Item = u64> + Clone,
    entry_count: u64,
) -> impl Iterator<Item = OpenTwig> {
    let at_edge = entry_count % TWIG_LEAVES;
    let edge = (at_edge != 0).then_some(entry_count);
    let mut rest = ids.chain(edge).peekable();
    core::iter::from_fn(move || {
        let twig = TwigId(rest.peek()? / TWIG_LEAVES);
        let (mut known, mut zero) = (0u8, 0u8);
        while let Some(id) = rest.next_if(|id| id / TWIG_LEAVES == twig.0) {
            let word = word_of(id % TWIG_LEAVES);
            if id == entry_count {
                known |= from_word(word);
                zero = from_word(at_edge.div_ceil(256));
            } else {
                known |= 1 << word;
            }
        }
        Some(OpenTwig { twig, known, zero })
    })
}

/// The mask of the words from `word` on; none if that is 8.
fn from_word(word: u64) -> u8 {
    u32::try_from(word)
        .ok()
        .and_then(|word| u8::MAX.checked_shl(word))
        .unwrap_or_default()
}

/// Visits the nodes that an extract sends, in their order. `ids` must ascend and be in the log.
pub(super) fn visit<E>(
    ids: impl Iterator<Item = u64> + Clone,
    entry_count: u64,
    mut visit: impl FnMut(Node) -> Result<(), E>,
) -> Result<(), E> {
    if entry_count == 0 {
        return Ok(());
    }
    let places = ids.clone().chain(once(entry_count));
    visit_levels(
        places.clone(),
        0..TWIG_LEVEL,
        entry_count,
        |level, index| visit(Node::Entries(level, index)),
    )?;
    for open in open_twigs(ids, entry_count) {
        open.visit(|level, index| visit(Node::Active(open.twig, level, index)))?;
    }
    let above = TWIG_LEVEL..root_level(entry_count);
    visit_levels(places, above, entry_count, |level, index| {
        visit(Node::Upper(level, index))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn twigs(ids: &[u64], entry_count: u64) -> Vec<(u64, u8, u8)> {
        let open = open_twigs(ids.iter().copied(), entry_count);
        open.map(|open| (open.twig.0, open.known, open.zero))
            .collect()
    }

    #[test]
    fn the_edge_opens_the_word_that_comes_next_and_all_behind_it() {
        assert_eq!(twigs(&[], 2048), []);
        assert_eq!(twigs(&[3, 300], 2048), [(0, 0b11, 0)]);
        assert_eq!(twigs(&[], 1), [(0, 0xff, 0xfe)]);
        assert_eq!(twigs(&[], 256), [(0, 0xfe, 0xfe)]);
        assert_eq!(twigs(&[0], 257), [(0, 0xff, 0xfc)]);
        assert_eq!(twigs(&[], 2047), [(0, 0x80, 0)]);
        assert_eq!(
            twigs(&[5, 2048 + 700], 3 * 2048 + 10),
            [(0, 1, 0), (1, 4, 0), (3, 0xff, 0xfe)]
        );
    }
}
