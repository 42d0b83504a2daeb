//! Records on their way from the thread that executes to those that hash.
//!
//! Waking a thread costs the one that executes as much as hashing a record would. So a helper is
//! asked for only when enough records wait to fill the lanes of its hashes, stays while that is so,
//! and at the end of the block the executing thread hashes with it what is left.

use crate::leaf::{LeafParts, LeafRecord};
use qmtree_proofs::Scheme;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Records that are hashed together, with some ten hashes each. Few, since those of the last batch
/// are what a block waits for.
const BATCH: usize = 8;

/// The records of a block, and what became of them.
#[derive(Debug)]
pub(super) struct RecordQueue {
    scheme: Scheme,
    /// Helpers at a time, so that one core is left to the thread that executes.
    most_helpers: usize,
    waiting: Mutex<Waiting>,
    /// With the place of their first in the block.
    made: Mutex<Vec<(usize, Vec<LeafParts>)>>,
}

#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a record stays where it was made")]
struct Waiting {
    /// Boxed, so that only an address wanders between the caches of two cores. Those that hash read
    /// a record and leave its bytes where they are.
    records: VecDeque<Box<LeafRecord>>,
    /// Records that were taken out before these.
    taken: usize,
    helpers: usize,
    /// Records that were hashed.
    spent: Vec<Box<LeafRecord>>,
}

/// What the executing thread hears when it adds a record.
#[derive(Debug)]
pub(super) struct Pushed {
    /// One more thread should [`work`](RecordQueue::work).
    pub(super) wants_help: bool,
    /// A record that is done with.
    pub(super) spent: Option<LeafRecord>,
}

impl RecordQueue {
    pub(super) fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            most_helpers: rayon::current_num_threads().saturating_sub(1).max(1),
            waiting: Mutex::default(),
            made: Mutex::default(),
        }
    }

    /// Adds the next record.
    pub(super) fn push(&self, record: LeafRecord) -> Pushed {
        let mut waiting = lock(&self.waiting);
        let (record, spent) = match waiting.spent.pop() {
            Some(mut room) => {
                let spent = core::mem::replace(&mut *room, record);
                (room, Some(spent))
            }
            None => (Box::new(record), None),
        };
        waiting.records.push_back(record);
        // A helper more for each time that those at work have fallen behind.
        let enough = BATCH.saturating_mul(1 + 3 * waiting.helpers);
        let wants_help = waiting.records.len() >= enough && waiting.helpers < self.most_helpers;
        waiting.helpers += usize::from(wants_help);
        Pushed { wants_help, spent }
    }

    /// Hashes while whole batches wait. No more than the helpers that [`push`](Self::push) has asked
    /// for may be in here.
    pub(super) fn work(&self) {
        self.hash_batches(BATCH);
        let mut waiting = lock(&self.waiting);
        waiting.helpers = waiting.helpers.saturating_sub(1);
    }

    /// Hashes until nothing waits: there are no more records to come.
    pub(super) fn finish(&self) {
        self.hash_batches(1);
    }

    /// All parts, in order, once no thread is at work.
    pub(super) fn into_parts(self) -> Vec<LeafParts> {
        let made = self.made.into_inner();
        let mut made = made.unwrap_or_else(PoisonError::into_inner);
        made.sort_unstable_by_key(|(first, _)| *first);
        let mut parts = Vec::with_capacity(made.iter().map(|(_, parts)| parts.len()).sum());
        parts.extend(made.into_iter().flat_map(|(_, parts)| parts));
        parts
    }

    /// Hashes batches while at least `fewest` records wait.
    fn hash_batches(&self, fewest: usize) {
        let mut records = Vec::with_capacity(BATCH);
        while let Some(first) = self.take(fewest, &mut records) {
            let parts =
                LeafRecord::all_to_parts(records.iter().map(|record| &**record), self.scheme);
            lock(&self.made).push((first, parts));
        }
    }

    /// Gives back the records of the last batch, and takes the next one, if at least `fewest` wait.
    /// Returns the place of its first record.
    #[expect(clippy::vec_box, reason = "a record stays where it was made")]
    fn take(&self, fewest: usize, records: &mut Vec<Box<LeafRecord>>) -> Option<usize> {
        let mut waiting = lock(&self.waiting);
        waiting.spent.append(records);
        let count = waiting.records.len().min(BATCH);
        if count < fewest {
            return None;
        }
        let first = waiting.taken;
        waiting.taken += count;
        records.extend(waiting.records.drain(..count));
        Some(first)
    }
}

/// Nothing between two changes of what is locked can panic halfway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
