//! The twigs that were read last, by number.

use std::sync::{Arc, Mutex, PoisonError};

/// The last few twigs that were derived, shared by all readers.
#[derive(Debug)]
pub(super) struct Kept<T> {
    room: usize,
    /// The one that was asked for last at the end.
    twigs: Mutex<Vec<(u64, Arc<T>)>>,
}

impl<T> Kept<T> {
    /// Room for so many.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            twigs: Mutex::default(),
        }
    }

    /// A twig, derived if it was not read lately. Others read meanwhile; two that want the same one
    /// may both derive it.
    pub(super) fn get_or<E>(
        &self,
        twig: u64,
        derive: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(found) = self.find(twig) {
            return Ok(found);
        }
        let derived = Arc::new(derive()?);
        let mut twigs = self.twigs.lock().unwrap_or_else(PoisonError::into_inner);
        if twigs.len() >= self.room {
            twigs.remove(0);
        }
        twigs.push((twig, Arc::clone(&derived)));
        Ok(derived)
    }

    fn find(&self, twig: u64) -> Option<Arc<T>> {
        let mut twigs = self.twigs.lock().unwrap_or_else(PoisonError::into_inner);
        let place = twigs.iter().position(|(number, _)| *number == twig)?;
        let (_, found) = twigs.remove(place);
        twigs.push((twig, Arc::clone(&found)));
        Some(found)
    }
}
