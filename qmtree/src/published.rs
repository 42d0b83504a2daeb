//! What views are made of, and how the writer gets the state log to itself.
//!
//! What views share is copied where it changes. While nobody could take a view, because no [`Reader`]
//! was given out and the database itself is borrowed by its writer, copies would be for nobody: the
//! state log is lent to the writer then, which changes it in place. It comes back with the next state
//! that is published; or, if the block came to nothing, when somebody asks, without what that block
//! appended.

use crate::state::State;
use crate::state_log::StateLog;
use crate::view::View;
use qmtree_proofs::Head;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// A handle that gives views of the newest state, from any thread.
///
/// While there is one, a view may be taken at any moment, so each block copies what it changes of the
/// state: a quarter to a third of the processor time that it takes. Without one that is copied which a [`View`] holds.
/// Drop handles that are not needed any more.
#[derive(Clone, Debug)]
pub struct Reader {
    state: Arc<RwLock<Arc<State>>>,
}

impl Reader {
    fn new(state: State) -> Self {
        Self {
            state: Arc::new(RwLock::new(Arc::new(state))),
        }
    }

    /// The log as it is now. The lock is held for the copy of one pointer, by either side.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(self.state())
    }

    pub(crate) fn state(&self) -> Arc<State> {
        // A pointer is copied or replaced as a whole, so a panic elsewhere cannot have torn it.
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, state: State) {
        let mut newest = Arc::new(state);
        {
            let mut shared = self.state.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *shared, &mut newest);
        }
        // The older state goes, and with it maybe megabytes, after the lock is given back.
        drop(newest);
    }

    /// The state but for its state log, if this is the only handle.
    fn rest_if_alone(&mut self) -> Option<State> {
        let lock = Arc::get_mut(&mut self.state)?;
        let state = lock.get_mut().unwrap_or_else(PoisonError::into_inner);
        Some(state.without_state_log())
    }
}

/// The newest state that views may have.
#[expect(clippy::large_enum_variant, reason = "a database has one of it")]
#[derive(Debug)]
pub(crate) enum Published {
    /// Whole, for whoever asks.
    Whole(Reader),
    /// The writer has the state log.
    Lent {
        /// The state without it.
        rest: State,
        /// With it, once somebody asked after all.
        whole: OnceLock<Reader>,
    },
}

impl Published {
    pub(crate) fn new(state: State) -> Self {
        Self::Whole(Reader::new(state))
    }

    pub(crate) fn head(&self) -> Head {
        match self {
            Self::Whole(reader) => reader.state().head,
            Self::Lent { rest, .. } => rest.head,
        }
    }

    /// The one handle, with the state whole. `log_at` gives back the state log as of a head.
    pub(crate) fn reader(&self, log_at: impl FnOnce(&Head) -> StateLog) -> &Reader {
        match self {
            Self::Whole(reader) => reader,
            Self::Lent { rest, whole } => whole.get_or_init(|| {
                Reader::new(State {
                    state_log: log_at(&rest.head),
                    ..rest.clone()
                })
            }),
        }
    }

    /// Leaves the state log to the writer alone, if nobody else has a handle. It must be one from which
    /// the writer can give back the log as it is now.
    pub(crate) fn lend(&mut self) {
        let reader = match self {
            Self::Whole(reader) => Some(reader),
            Self::Lent { whole, .. } => whole.get_mut(),
        };
        if let Some(rest) = reader.and_then(Reader::rest_if_alone) {
            let whole = OnceLock::new();
            *self = Self::Lent { rest, whole };
        }
    }

    /// Puts a newer state in the place of this one.
    pub(crate) fn publish(&mut self, state: State) {
        match self {
            Self::Whole(reader) => reader.publish(state),
            Self::Lent { whole, .. } => match whole.take() {
                Some(reader) => {
                    reader.publish(state);
                    *self = Self::Whole(reader);
                }
                None => *self = Self::new(state),
            },
        }
    }
}
