//! A vector that readers share with its one writer: a clone is cheap and never changes.
//!
//! Items lie in pieces, and full pieces in groups; both are immutable then, and shared. What is not
//! full is copied when the writer pushes while a reader still holds it: a piece at most, and the
//! pointers of a group. Only the pointers to groups grow with the vector.

use std::sync::Arc;

/// Pieces of a group.
const GROUP: usize = 256;

type Piece<T> = Arc<Vec<T>>;

/// A vector in pieces of `PIECE` items. Smaller ones make replacing cheaper and cloning dearer.
#[derive(Clone, Debug)]
pub(crate) struct SharedVec<T, const PIECE: usize = 256> {
    groups: Arc<Vec<Arc<Vec<Piece<T>>>>>,
    /// Full pieces behind the groups, less than a group of them.
    pieces: Arc<Vec<Piece<T>>>,
    /// Items behind the pieces, less than a piece of them.
    rest: Piece<T>,
}

impl<T: Clone, const PIECE: usize> SharedVec<T, PIECE> {
    pub(crate) fn len(&self) -> usize {
        self.full() * PIECE + self.rest.len()
    }

    /// Full pieces.
    fn full(&self) -> usize {
        self.groups.len() * GROUP + self.pieces.len()
    }

    fn full_pieces(&self) -> impl Iterator<Item = &Piece<T>> {
        let grouped = self.groups.iter().flat_map(|group| group.iter());
        grouped.chain(self.pieces.iter())
    }

    /// A full piece.
    fn piece(&self, at: usize) -> Option<&Piece<T>> {
        match self.groups.get(at / GROUP) {
            Some(group) => group.get(at % GROUP),
            None => self.pieces.get(at - self.groups.len() * GROUP),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        match self.piece(index / PIECE) {
            Some(piece) => piece.get(index % PIECE),
            None => self.rest.get(index - self.full() * PIECE),
        }
    }

    pub(crate) fn push(&mut self, item: T) {
        let rest = Arc::make_mut(&mut self.rest);
        rest.push(item);
        if rest.len() == PIECE {
            let piece = std::mem::take(&mut self.rest);
            self.push_piece(piece);
        }
    }

    fn push_piece(&mut self, piece: Piece<T>) {
        let pieces = Arc::make_mut(&mut self.pieces);
        pieces.push(piece);
        if pieces.len() == GROUP {
            let group = std::mem::take(&mut self.pieces);
            Arc::make_mut(&mut self.groups).push(group);
        }
    }

    /// Replaces an item that is there. Costs a copy of its piece if a clone shares it.
    pub(crate) fn set(&mut self, index: usize, item: T) {
        if let Some(slot) = self.get_mut(index) {
            *slot = item;
        }
    }

    /// An item to change in place, at the cost of [`set`](Self::set).
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let (at, grouped) = (index / PIECE, self.groups.len() * GROUP);
        let pieces = if at < grouped {
            Arc::make_mut(&mut self.groups).get_mut(at / GROUP)?
        } else if at < self.full() {
            &mut self.pieces
        } else {
            let index = index - self.full() * PIECE;
            return Arc::make_mut(&mut self.rest).get_mut(index);
        };
        let piece = Arc::make_mut(pieces).get_mut(at % GROUP)?;
        Arc::make_mut(piece).get_mut(index % PIECE)
    }

    /// How many items at the front `is_before` says yes to; they must not follow another.
    pub(crate) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle).is_some_and(&is_before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Drops the first `count` items. Cheap if they are whole pieces.
    pub(crate) fn skip_front(&mut self, count: usize) {
        if count.is_multiple_of(PIECE) && count / PIECE <= self.full() {
            let mut kept = Self {
                rest: Arc::clone(&self.rest),
                ..Self::default()
            };
            let pieces = self.full_pieces().skip(count / PIECE);
            pieces.for_each(|piece| kept.push_piece(Arc::clone(piece)));
            *self = kept;
        } else {
            *self = self.iter().skip(count).cloned().collect();
        }
    }

    /// Keeps the first `len` items.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        let keep = len / PIECE;
        if let Some(piece) = self.piece(keep) {
            self.rest = Arc::clone(piece);
            self.keep_pieces(keep);
        }
        Arc::make_mut(&mut self.rest).truncate(len % PIECE);
    }

    /// Keeps the first `keep` full pieces, which are not all.
    fn keep_pieces(&mut self, keep: usize) {
        if let Some(group) = self.groups.get(keep / GROUP) {
            self.pieces = Arc::clone(group);
            Arc::make_mut(&mut self.groups).truncate(keep / GROUP);
        }
        Arc::make_mut(&mut self.pieces).truncate(keep % GROUP);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let pieces = self.full_pieces().flat_map(|piece| piece.iter());
        pieces.chain(self.rest.iter())
    }
}

impl<T, const PIECE: usize> Default for SharedVec<T, PIECE> {
    fn default() -> Self {
        Self {
            groups: Arc::default(),
            pieces: Arc::default(),
            rest: Arc::default(),
        }
    }
}

impl<T: Clone, const PIECE: usize> FromIterator<T> for SharedVec<T, PIECE> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut vec = Self::default();
        items.into_iter().for_each(|item| vec.push(item));
        vec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256,
            rng_seed: RngSeed::Fixed(2026),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn behaves_like_a_vec_and_clones_never_change(
            steps in proptest::collection::vec((0..5u8, 0..1500usize), 1..20)
        ) {
            check::<256>(&steps)?;
            // Several groups.
            check::<4>(&steps)?;
        }
    }

    fn check<const PIECE: usize>(steps: &[(u8, usize)]) -> Result<(), TestCaseError> {
        let (mut model, mut vec) = (Vec::new(), SharedVec::<usize, PIECE>::default());
        let mut clones = Vec::new();
        for (kind, amount) in steps.iter().copied() {
            match kind {
                0 => (0..amount).for_each(|i| {
                    model.push(i);
                    vec.push(i);
                }),
                1 => {
                    model.truncate(amount);
                    vec.truncate(amount);
                }
                2 => {
                    if let Some(slot) = model.get_mut(amount) {
                        *slot = amount + 7;
                    }
                    vec.set(amount, amount + 7);
                }
                3 => {
                    let whole = amount % 2 == 0;
                    let count = if whole { amount / 256 * 256 } else { amount };
                    model.drain(..count.min(model.len()));
                    vec.skip_front(count);
                }
                _ => clones.push((model.clone(), vec.clone())),
            }
            prop_assert_eq!(vec.len(), model.len());
        }
        clones.push((model, vec));
        for (model, vec) in clones {
            prop_assert_eq!(
                vec.iter().collect::<Vec<_>>(),
                model.iter().collect::<Vec<_>>()
            );
            for i in 0..model.len() + 2 * 256 {
                prop_assert_eq!(vec.get(i), model.get(i));
            }
        }
        Ok(())
    }
}
