//! Feeding the index, on a thread of its own.
//!
//! The writer leaves the newest state whose blocks are synced, and goes on. The thread takes it when
//! enough leaves have come together, or after a while, and applies what is new in batches. On disk
//! an index names the last block that can no more be unwound; the thread itself knows how much
//! further it is. So opening begins with what could still have been unwound, and an index that was
//! lost, or is older than the log, is fed from where it says it is, from segments and tail.

use crate::error::Error;
use crate::state::State;
use crate::tx_index::{Content, Covered, SharedIndex, each_tag};
use qmtree_proofs::TxNum;
use qmtree_storage::{Index, IndexBatch, Reached};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Leaves of a batch, but for the last block's.
const BATCH_LEAVES: u64 = 1 << 16;
/// Leaves that are worth waking up for.
const WAKE_LEAVES: u64 = 1 << 15;
/// How long fewer leaves than that may wait. Searching them takes microseconds.
const DELAY: Duration = Duration::from_millis(100);
/// On closing, an index that lacks no more leaves than this is brought up to the end.
const CATCH_UP_LEAVES: u64 = 1 << 20;

/// The thread that feeds an index. Dropping it stops it after the batch it is at.
#[derive(Debug)]
pub(crate) struct Feeder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    index: Arc<SharedIndex>,
    slot: Mutex<Slot>,
    /// There is something to do, or to stop for.
    work: Condvar,
    /// What there was to do is done.
    done: Condvar,
}

/// What the writer leaves for the thread.
#[derive(Debug, Default)]
struct Slot {
    newest: Option<State>,
    /// The lowest block that was unwound to since the thread last looked.
    unwound_to: Option<u64>,
    /// Somebody waits.
    urgent: bool,
    stop: bool,
    busy: bool,
    ended: bool,
}

impl Slot {
    fn leave(&mut self, state: State, unwound_to: Option<u64>) -> Option<State> {
        self.unwound_to = lower(self.unwound_to, unwound_to);
        self.newest.replace(state)
    }
}

/// The lower of two block numbers that may not be there.
pub(crate) fn lower(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

impl Feeder {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn start(index: Arc<SharedIndex>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            index,
            slot: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let thread = Thread(Arc::clone(&shared));
        let builder = std::thread::Builder::new().name("qmtree-index".to_owned());
        let thread = Some(builder.spawn(move || thread.run())?);
        Ok(Self { shared, thread })
    }

    /// Leaves a state whose blocks are all synced, and says how far it was unwound since the last one.
    pub(crate) fn feed(&self, state: State, unwound_to: Option<u64>) {
        let (leaf_count, covered) = (state.head.leaf_count, self.shared.index.covered());
        let mut slot = self.shared.slot();
        if slot.ended {
            return;
        }
        let before = slot.leave(state, unwound_to);
        let is_enough = leaf_count.abs_diff(covered.leaf_count) >= WAKE_LEAVES;
        let wake = before.is_none() || (is_enough && !slot.busy);
        drop(slot);
        drop(before);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// Waits until all that was left is in the index, or the index failed.
    pub(crate) fn wait(&self) {
        let mut slot = self.shared.slot();
        slot.urgent = true;
        self.shared.work.notify_one();
        while (slot.newest.is_some() || slot.busy) && !slot.ended {
            let waited = self.shared.done.wait(slot);
            slot = waited.unwrap_or_else(PoisonError::into_inner);
        }
        slot.urgent = false;
    }

    /// Brings the index up to the end of the log, which has so many leaves, if it lacks few of them;
    /// makes it durable, and stops.
    pub(crate) fn finish(mut self, leaf_count: u64) {
        let covered = self.shared.index.covered().leaf_count;
        if leaf_count.saturating_sub(covered) <= CATCH_UP_LEAVES {
            self.wait();
        }
        self.stop();
        // What a failed flush loses is fed again after the next opening.
        let _ = self.flush();
    }

    /// Makes durable what is in the index.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        match &*self.shared.index.content() {
            Content::Open(index) => Ok(index.flush()?),
            Content::Failed(_) | Content::Closed => Ok(()),
        }
    }

    fn stop(&mut self) {
        self.shared.slot().stop = true;
        self.shared.work.notify_one();
        // That it panicked is known to the index already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for Feeder {
    /// Views may outlive the database, and with it its lock; the index must not.
    fn drop(&mut self) {
        self.stop();
        let index = &self.shared.index;
        if matches!(&*index.content(), Content::Open(_)) {
            index.replace(Content::Closed);
        }
    }
}

impl Shared {
    // Nothing panics while it holds the lock.
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next state to follow; none if it is time to stop.
    fn next(&self) -> Option<(State, Option<u64>)> {
        let mut slot = self.slot();
        slot.busy = false;
        self.done.notify_all();
        let mut waited = false;
        loop {
            if slot.stop {
                return None;
            }
            let covered = self.index.covered().leaf_count;
            let pending = slot.newest.as_ref().map(|state| state.head.leaf_count);
            let is_due = pending.is_some_and(|leaf_count| {
                waited || slot.urgent || leaf_count.abs_diff(covered) >= WAKE_LEAVES
            });
            if is_due {
                slot.busy = true;
                let unwound_to = slot.unwound_to.take();
                return slot.newest.take().map(|state| (state, unwound_to));
            }
            slot = if pending.is_some() {
                let timed = self.work.wait_timeout(slot, DELAY);
                let (slot, timeout) = timed.unwrap_or_else(PoisonError::into_inner);
                waited = timeout.timed_out();
                slot
            } else {
                let slot = self.work.wait(slot);
                slot.unwrap_or_else(PoisonError::into_inner)
            };
        }
    }
}

/// The thread, from inside.
struct Thread(Arc<Shared>);

impl Thread {
    fn run(self) {
        let shared = &*self.0;
        // How far the index is on the fork that it was fed last.
        let mut at = None;
        while let Some((state, unwound_to)) = shared.next() {
            if let Err(error) = follow(shared, &state, unwound_to, &mut at) {
                shared.index.replace(Content::Failed(Arc::new(error)));
                return;
            }
        }
    }
}

/// Nobody waits for a thread that is gone, however it went.
impl Drop for Thread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let failed = Content::Failed(Arc::new(Error::Poisoned));
            self.0.index.replace(failed);
        }
        self.0.slot().ended = true;
        self.0.done.notify_all();
    }
}

/// Brings the index to the end of a state.
fn follow(
    shared: &Shared,
    state: &State,
    unwound_to: Option<u64>,
    at: &mut Option<Reached>,
) -> Result<(), Error> {
    let mut place = at.take().map(|at| match unwound_to {
        Some(block) if block < at.block_number => block,
        _ => at.block_number,
    });
    loop {
        // Views may want to replace an index that does not answer, so it is let go between batches.
        let content = shared.index.content();
        let Content::Open(index) = &*content else {
            return Ok(());
        };
        let start = match place {
            Some(block) => Some(position(state, block)?),
            None => settled_position(&**index, state),
        };
        let leaf_count = start.map_or(0, |start| start.leaf_count);
        *at = start;
        shared.index.cover(Covered {
            unwinds: state.unwinds,
            leaf_count,
            settled: leaf_count.min(state.sealed_leaves()),
        });
        let next = start.map_or(state.first_block(), |start| Some(start.block_number + 1));
        let Some(next) = next.filter(|next| state.any_block && *next <= state.head.block_number)
        else {
            return Ok(());
        };
        if shared.slot().stop {
            return Ok(());
        }
        place = Some(apply_batch(&**index, state, leaf_count, next)?);
    }
}

/// Feeds the leaves from `from` on, up to the end of a block; returns the block.
fn apply_batch(index: &dyn Index, state: &State, from: u64, next: u64) -> Result<u64, Error> {
    let (mut last, mut end) = (next, state.block_end(next)?.leaf_count);
    // Blocks without leaves count too, so that a batch takes no longer than others.
    while last < state.head.block_number && end - from + (last - next) < BATCH_LEAVES {
        last += 1;
        end = state.block_end(last)?.leaf_count;
    }
    let mut inserts = Vec::new();
    each_tag(state, TxNum(from)..TxNum(end), |tag, tx_num| {
        inserts.push((tag, tx_num));
    })?;
    // The last block that can no more be unwound: what is in the index beyond is fed again after a
    // crash, which costs no more than to read those blocks from the journal.
    let settled = state.sealed.blocks_end().checked_sub(1);
    let settled = match settled.filter(|settled| Some(*settled) >= state.first_block()) {
        Some(settled) => Some(position(state, settled.min(last))?),
        None => None,
    };
    let known = settled_position(index, state).into_iter();
    let after = known.chain(settled).max_by_key(|at| at.block_number);
    index.apply(&IndexBatch {
        before: index.reached(),
        after,
        inserts,
    })?;
    Ok(last)
}

/// Where the index says it is, if that is a block of this log.
fn settled_position(index: &dyn Index, state: &State) -> Option<Reached> {
    let reached = index.reached()?;
    let found = position(state, reached.block_number).ok()?;
    (found == reached).then_some(reached)
}

fn position(state: &State, block_number: u64) -> Result<Reached, Error> {
    let end = state.block_end(block_number)?;
    Ok(Reached {
        block_number,
        leaf_count: end.leaf_count,
        root: end.root,
    })
}
