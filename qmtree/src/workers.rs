//! A second thread for work that can be cut in two. What is computed does not depend on it.

use rayon::ThreadPool;
use std::sync::Arc;

/// One thread of our own, or none: a pool that others use could wait for us while we wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers(Option<Arc<ThreadPool>>);

impl Workers {
    /// With a thread, if `parallel` and there is one to be had. Without it everything works, one
    /// after the other.
    pub(crate) fn new(parallel: bool) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
        let pool = parallel.then(|| pool.build().ok());
        Self(pool.flatten().map(Arc::new))
    }

    pub(crate) fn pool(&self) -> Option<&ThreadPool> {
        self.0.as_deref()
    }

    /// Runs both, side by side if `worth` waking the other thread, which takes tens of microseconds.
    pub(crate) fn both<A: Send, B>(
        &self,
        worth: bool,
        there: impl FnOnce() -> A + Send,
        here: impl FnOnce() -> B,
    ) -> (A, B) {
        let Some(pool) = self.pool().filter(|_| worth) else {
            return (there(), here());
        };
        let mut first = None;
        let second = pool.in_place_scope(|scope| {
            scope.spawn(|_| first = Some(there()));
            here()
        });
        let first = first.expect("the scope waits for what it spawned");
        (first, second)
    }
}
