//! The second thread: what runs behind the chain of leaf hashes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the thread stays awake after a block. To wake a thread that sleeps takes about as long,
/// and several times that on a busy machine.
const AWAKE: Duration = Duration::from_micros(50);

/// A pool of one thread: one that others use could wait for us while we wait for it.
#[derive(Debug)]
pub(crate) struct Second {
    pool: rayon::ThreadPool,
    /// Blocks that were begun.
    turn: Arc<AtomicU64>,
}

impl Second {
    /// `None` if the system gives us no thread.
    pub(crate) fn start() -> Option<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
        Some(Self {
            pool: pool.build().ok()?,
            turn: Arc::default(),
        })
    }

    /// Runs `behind` on the thread, and `ahead` on this one meanwhile. Then keeps the thread awake
    /// for a while, for the next block.
    pub(crate) fn run<'scope, T>(
        &self,
        behind: impl FnOnce() + Send + 'scope,
        ahead: impl FnOnce() -> T,
    ) -> T {
        self.pool.in_place_scope(|scope| {
            scope.spawn(move |_| behind());
            // Whatever keeps the thread awake ends now, and it finds its work.
            let current = self.turn.fetch_add(1, Ordering::Relaxed) + 1;
            // There before the work is done: a thread of the pool that finds nothing gives its
            // turn on the CPU away, and gets it back some milliseconds later.
            let turn = Arc::clone(&self.turn);
            self.pool.spawn(move || wait_for_turn(&turn, current));
            ahead()
        })
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }
}

fn wait_for_turn(turn: &AtomicU64, current: u64) {
    let start = Instant::now();
    while turn.load(Ordering::Relaxed) == current && start.elapsed() < AWAKE {
        (0..32).for_each(|_| std::hint::spin_loop());
    }
}
