//! Work on the state that is cut in two. What is computed does not depend on it.

use crate::second::Second;
use std::sync::Arc;

/// The second thread, shared by the writer and the block that it makes; or none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers(Option<Arc<Second>>);

impl Workers {
    /// With a thread, if `parallel` and there is one to be had. Without it everything works, one
    /// after the other.
    pub(crate) fn new(parallel: bool) -> Self {
        Self(parallel.then(Second::start).flatten().map(Arc::new))
    }

    pub(crate) fn second(&self) -> Option<&Second> {
        self.0.as_deref()
    }

    /// Runs both, side by side if `worth` waking the other thread, which takes tens of microseconds.
    pub(crate) fn both<A: Send, B>(
        &self,
        worth: bool,
        there: impl FnOnce() -> A + Send,
        here: impl FnOnce() -> B,
    ) -> (A, B) {
        let Some(second) = self.second().filter(|_| worth) else {
            return (there(), here());
        };
        let mut first = None;
        let behind = || first = Some(there());
        let ahead = second.run(behind, here);
        let first = first.expect("the second thread is waited for");
        (first, ahead)
    }
}
