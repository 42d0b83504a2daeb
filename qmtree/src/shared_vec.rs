//! A vector that readers share with its one writer: a clone is cheap and never changes.
//!
//! Full pieces are immutable and shared; the last one is copied when the writer pushes while a
//! reader still holds it. So a push costs at most one copy of a piece, however long the vector is.

use std::sync::Arc;

/// A vector in pieces of `PIECE` items. Smaller ones make replacing cheaper and cloning dearer.
#[derive(Clone, Debug)]
pub(crate) struct SharedVec<T, const PIECE: usize = 256> {
    full: Arc<Vec<Arc<Vec<T>>>>,
    rest: Arc<Vec<T>>,
}

impl<T: Clone, const PIECE: usize> SharedVec<T, PIECE> {
    pub(crate) fn len(&self) -> usize {
        self.full.len() * PIECE + self.rest.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let piece = self.full.get(index / PIECE).unwrap_or(&self.rest);
        // Past the full pieces, `rest` answers for its own indices only.
        let index = index.checked_sub((index / PIECE).min(self.full.len()) * PIECE)?;
        piece.get(index)
    }

    pub(crate) fn push(&mut self, item: T) {
        let rest = Arc::make_mut(&mut self.rest);
        rest.push(item);
        if rest.len() == PIECE {
            let piece = std::mem::take(&mut self.rest);
            Arc::make_mut(&mut self.full).push(piece);
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
        let piece = index / PIECE;
        if piece < self.full.len() {
            let piece = Arc::make_mut(&mut self.full).get_mut(piece)?;
            return Arc::make_mut(piece).get_mut(index % PIECE);
        }
        let index = index.checked_sub(self.full.len() * PIECE)?;
        Arc::make_mut(&mut self.rest).get_mut(index)
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
        if count.is_multiple_of(PIECE) && count / PIECE <= self.full.len() {
            let kept = self.full.get(count / PIECE..).unwrap_or_default();
            self.full = Arc::new(kept.to_vec());
        } else {
            *self = self.iter().skip(count).cloned().collect();
        }
    }

    /// Keeps the first `len` items.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        let pieces = len / PIECE;
        if pieces < self.full.len() {
            let full = Arc::make_mut(&mut self.full);
            self.rest = full.get(pieces).map(Arc::clone).unwrap_or_default();
            full.truncate(pieces);
        }
        Arc::make_mut(&mut self.rest).truncate(len % PIECE);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.full
            .iter()
            .flat_map(|piece| piece.iter())
            .chain(self.rest.iter())
    }
}

impl<T, const PIECE: usize> Default for SharedVec<T, PIECE> {
    fn default() -> Self {
        Self {
            full: Arc::default(),
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
            let (mut model, mut vec) = (Vec::new(), SharedVec::<usize>::default());
            let mut clones = Vec::new();
            for (kind, amount) in steps {
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
                        let count = if amount % 2 == 0 { amount / 256 * 256 } else { amount };
                        model.drain(..count.min(model.len()));
                        vec.skip_front(count);
                    }
                    _ => clones.push((model.clone(), vec.clone())),
                }
                prop_assert_eq!(vec.len(), model.len());
            }
            clones.push((model, vec));
            for (model, vec) in clones {
                prop_assert_eq!(vec.iter().collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
                for i in 0..model.len() + 2 * 256 {
                    prop_assert_eq!(vec.get(i), model.get(i));
                }
            }
        }
    }
}
