//! A vector that readers share with its one writer: a clone is cheap and never changes.
//!
//! Full pieces are immutable and shared; the last one is copied when the writer pushes while a
//! reader still holds it. So a push costs at most one copy of a piece, however long the vector is.

use std::sync::Arc;

/// Items in a full piece.
const PIECE: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct SharedVec<T> {
    full: Arc<Vec<Arc<Vec<T>>>>,
    rest: Arc<Vec<T>>,
}

impl<T: Clone> SharedVec<T> {
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

impl<T> Default for SharedVec<T> {
    fn default() -> Self {
        Self {
            full: Arc::default(),
            rest: Arc::default(),
        }
    }
}

impl<T: Clone> FromIterator<T> for SharedVec<T> {
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
            steps in proptest::collection::vec((0..3u8, 0..1500usize), 1..20)
        ) {
            let (mut model, mut vec) = (Vec::new(), SharedVec::default());
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
                    _ => clones.push((model.clone(), vec.clone())),
                }
                prop_assert_eq!(vec.len(), model.len());
            }
            clones.push((model, vec));
            for (model, vec) in clones {
                prop_assert_eq!(vec.iter().collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
                for i in 0..model.len() + 2 * PIECE {
                    prop_assert_eq!(vec.get(i), model.get(i));
                }
            }
        }
    }
}
