//! How files are imported or verified.

use crate::options::Options;
use qmtree_proofs::Head;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How files are imported or verified; what comes out does not depend on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Threads that hash and write; at least 1. More than there are cores pay off, since one that
    /// waits for the disk hashes nothing. With 1 the steps come in one order.
    pub threads: usize,
    /// Further trusted heads, of earlier blocks, that the files must lead to. What leaves do not
    /// bind, where blocks end, is as good as these, or as whoever signed the manifest.
    pub known_heads: Vec<Head>,
    /// Counts the leaves that are done.
    pub progress: Option<Arc<AtomicU64>>,
    /// True to start from what is live of the state although the files have all entries. Without
    /// history before the head, and much faster.
    pub live_state: bool,
    /// Options that the database is opened with.
    pub open: Options,
}

impl Default for ImportOptions {
    /// Two threads more than there are cores, and no further heads.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores + 2,
            known_heads: Vec::new(),
            progress: None,
            live_state: false,
            open: Options::default(),
        }
    }
}

impl ImportOptions {
    /// Sets [`threads`](Self::threads); 0 counts as 1.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            ..self
        }
    }

    /// Sets [`known_heads`](Self::known_heads).
    #[must_use]
    pub fn with_known_heads(self, known_heads: Vec<Head>) -> Self {
        Self {
            known_heads,
            ..self
        }
    }

    /// Sets [`progress`](Self::progress).
    #[must_use]
    pub fn with_progress(self, progress: Arc<AtomicU64>) -> Self {
        Self {
            progress: Some(progress),
            ..self
        }
    }

    /// Sets [`live_state`](Self::live_state).
    #[must_use]
    pub fn with_live_state(self, live_state: bool) -> Self {
        Self { live_state, ..self }
    }

    /// Sets [`open`](Self::open).
    #[must_use]
    pub fn with_open(self, open: Options) -> Self {
        Self { open, ..self }
    }
}
