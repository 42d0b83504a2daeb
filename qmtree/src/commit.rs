//! Appending a block. The order of a commit (docs/FORMAT.md, section 6):
//!
//! ```text
//! this thread     chain of leaf hashes ----------+
//! second thread   journal: payloads, nodes ------+-> root -> journal: head (commit) -> sync
//! ```
//!
//! The chain is serial, and all else hides behind it. Small blocks do everything in turn.
//!
//! Each thread has its own copy of the payloads, and the chain puts its hashes into a buffer of its
//! own first: to write to memory that the other thread has just read takes longer than to copy it.

use crate::block::Block;
use crate::error::Error;
use crate::observe;
use crate::open::block_end;
use crate::staged::{Finished, Staged};
use crate::state::{Source, State};
use crate::tail::{CHUNK_LEAVES, Leaves};
use crate::writer::Writer;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, Head, LeafPayload, PAYLOAD_LEN, TreeHasher, TxNum};
use qmtree_storage::{NO_TAG, Tag, tag_of};
use std::ops::Range;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Leaves that the second thread gets at a time. Fewer would not fill its lanes, more would leave it
/// more to do when the chain ends.
const STEP: usize = CHUNK_LEAVES;
/// The fewest that it gets at the end of a block.
const MIN_STEP: usize = 16;

/// Smallest block that is worth a second thread: about 90 us of chain.
const PARALLEL_LEAVES: usize = 512;

impl Writer {
    /// Appends a block, with the writes that were staged for it or else its own.
    pub(crate) fn append(
        &mut self,
        block: &Block<'_>,
        staged: Option<Staged>,
    ) -> Result<Head, Error> {
        block.check()?;
        let block_number = block.number;
        self.scratch.fill(block);
        if let Some(head) = self.check_place(block)? {
            return Ok(head);
        }
        let finished = self.finish_state(block, staged)?;
        self.touch();
        let last = self.append_leaves(block.leaves, finished.as_ref())?;
        let leaf_count = self.state.head.leaf_count;
        let root = self.state.root(&self.hasher)?;
        let mut head = Head {
            block_number,
            leaf_count,
            root,
            ..self.state.head
        };
        if let Some(Finished { root, .. }) = &finished {
            (head.entry_count, head.state_root) = (self.state.state_log.entry_count(), *root);
        }
        self.journal.finish_block(&head, B256::new(last))?;
        // From here on the entries are those of a committed block.
        self.state.head = head;
        self.state.last_leaf_hash = last;
        self.state.any_block = true;
        self.state.blocks.push(block_end(&head));
        observe::appended(block.leaves.len());
        self.sync_if_due()?;
        self.rotate_if_due()?;
        self.seal_if_due()?;
        self.seal_entries_if_due()?;
        Ok(head)
    }

    /// Completes what the block does to the state log; `None` if it writes nothing.
    fn finish_state(
        &mut self,
        block: &Block<'_>,
        staged: Option<Staged>,
    ) -> Result<Option<Finished>, Error> {
        let staged = match staged {
            None if block.batches.is_empty() => return Ok(None),
            None => {
                let mut staged = Staged::new(&self.state.head);
                let (mut draft, mut batches) = (self.draft(), block.batches.iter());
                batches.try_for_each(|batch| staged.write(&mut draft, batch))?;
                staged
            }
            Some(staged) => staged,
        };
        let leaves = block.leaves.len();
        staged.finish(&mut self.draft(), leaves).map(Some)
    }

    /// The head of the block if it is in the log already; an error if it does not belong here.
    fn check_place(&self, block: &Block<'_>) -> Result<Option<Head>, Error> {
        let block_number = block.number;
        // Every block must leave room for the next one's number.
        let after = block_number.checked_add(1).ok_or(Error::LastBlockNumber)?;
        let expected = match self.state.any_block {
            true => self.state.head.block_number.saturating_add(1),
            false => block_number,
        };
        if block_number > expected {
            return Err(Error::Gap {
                expected,
                found: block_number,
            });
        }
        if after > expected {
            return Ok(None);
        }
        let view = self.view();
        let range = view.block_range(block_number)?;
        let mut same = range.end.0 - range.start.0 == block.leaves.len() as u64;
        for (stored, leaf) in view.leaves(range.clone()).zip(block.leaves) {
            same = same && stored?.1.payload() == *leaf;
        }
        let head = view.head_at(block_number)?;
        let first = view
            .blocks()
            .is_some_and(|(first, _)| first == block_number);
        let entries_before = match first {
            true => 0,
            false => view.head_at(block_number.saturating_sub(1))?.entry_count,
        };
        let log = &self.state.state_log;
        let has_writes = || log.has_written(block.batches, entries_before, head.entry_count);
        if same && self.has_tags_of_scratch(range)? && has_writes()? {
            Ok(Some(head))
        } else {
            Err(Error::Conflict { block_number })
        }
    }

    /// Compares the tags of leaves in the log with those of the block that was given.
    fn has_tags_of_scratch(&self, range: Range<TxNum>) -> Result<bool, Error> {
        let source = Source::new(&self.state);
        let none = std::iter::repeat(&NO_TAG);
        let given = self.scratch.tags.iter().chain(none);
        for (tx_num, tag) in (range.start.0..range.end.0).map(TxNum).zip(given) {
            if source.tag(tx_num)? != *tag {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Chains, hashes and journals the leaves in the scratch; returns the last leaf hash.
    fn append_leaves(
        &mut self,
        given: &[LeafPayload],
        finished: Option<&Finished>,
    ) -> Result<Digest, Error> {
        let entries = finished.map(Finished::part).unwrap_or_default();
        let Self {
            journal,
            state,
            scratch,
            ..
        } = self;
        let hasher = &self.hasher;
        let Scratch {
            payloads,
            tags,
            hashes,
            piece,
        } = scratch;
        let tags = &**tags;
        let previous = state.last_leaf_hash;
        let second = self.workers.second();
        let Some(second) = second.filter(|_| payloads.len() >= PARALLEL_LEAVES) else {
            put_bytes(given, payloads);
            journal.begin_block_with(payloads, tags, entries)?;
            let last = hasher.chain_leaves(previous, payloads, hashes);
            let leaves = Leaves {
                payloads,
                tags,
                hashes,
            };
            state.append(hasher, leaves);
            return Ok(last);
        };
        let (sender, chained) = mpsc::channel();
        let (done, finished) = mpsc::sync_channel(1);
        let behind = move || {
            put_bytes(given, payloads);
            let begun = journal.begin_block_with(payloads, tags, entries);
            let behind = begun
                .map_err(Error::from)
                .map(|()| behind_the_chain(state, hasher, (payloads, tags), &chained));
            // The channel has room for the one answer, and its other end is still there.
            let _ = done.send(behind);
        };
        let mut last = previous;
        second.run(behind, || {
            let (mut given, mut hashes) = (given, &mut hashes[..]);
            while !given.is_empty() {
                let (now, later) = given.split_at(step(given.len()));
                let (chained, room) = std::mem::take(&mut hashes).split_at_mut(now.len());
                (given, hashes) = (later, room);
                last = piece.chain(hasher, last, now, chained);
                // The other side is gone only if the journal failed, and then says so.
                if sender.send(&*chained).is_err() {
                    break;
                }
            }
            drop(sender);
            receive(&finished, SPIN).unwrap_or(Err(Error::Poisoned))
        })?;
        Ok(last)
    }
}

/// Leaves that the second thread gets next, of so many that are left: ever fewer towards the end,
/// since this thread waits for what is done with the last ones.
fn step(left: usize) -> usize {
    (left / 2).clamp(MIN_STEP, STEP).min(left)
}

/// How long a thread looks for its next piece of work before it sleeps.
///
/// Waking a sleeping thread takes tens of microseconds, longer than the piece itself.
const SPIN: Duration = Duration::from_micros(100);
/// The same for the thread behind the chain, which has less to do. A CPU that it leaves idle is one
/// on which sealing goes on; else that would take the chain's.
const SPIN_BEHIND: Duration = Duration::from_micros(10);

/// The next message, or `None` when there is no sender left. Spins for so long before it sleeps.
fn receive<T>(receiver: &mpsc::Receiver<T>, spin: Duration) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < spin {
        for _ in 0..16 {
            match receiver.try_recv() {
                Ok(message) => return Some(message),
                Err(mpsc::TryRecvError::Disconnected) => return None,
                Err(mpsc::TryRecvError::Empty) => (0..4).for_each(|_| std::hint::spin_loop()),
            }
        }
    }
    receiver.recv().ok()
}

/// Buffers that are filled anew for every block. Fresh memory would cost more than what it holds.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    payloads: Vec<[u8; PAYLOAD_LEN]>,
    /// Empty if no leaf has one.
    tags: Vec<Tag>,
    hashes: Vec<Digest>,
    piece: Piece,
}

/// Leaves that are being chained, and their hashes.
#[derive(Debug)]
struct Piece {
    payloads: Box<[[u8; PAYLOAD_LEN]; STEP]>,
    hashes: Box<[Digest; STEP]>,
}

impl Default for Piece {
    fn default() -> Self {
        Self {
            payloads: Box::new([[0; PAYLOAD_LEN]; STEP]),
            hashes: Box::new([[0; 32]; STEP]),
        }
    }
}

impl Piece {
    /// Chains at most [`STEP`] leaves; returns the hash of the last one.
    fn chain(
        &mut self,
        hasher: &Hasher,
        previous: Digest,
        given: &[LeafPayload],
        hashes: &mut [Digest],
    ) -> Digest {
        let (payloads, _) = self.payloads.split_at_mut(given.len());
        let (chained, _) = self.hashes.split_at_mut(given.len());
        put_bytes(given, payloads);
        let last = hasher.chain_leaves(previous, payloads, chained);
        hashes.copy_from_slice(chained);
        last
    }
}

impl Scratch {
    /// Makes room for the leaves of a block, and takes in the tags of their transactions.
    fn fill(&mut self, block: &Block<'_>) {
        self.payloads.resize(block.leaves.len(), [0; PAYLOAD_LEN]);
        self.tags.clear();
        if block.tx_hashes.iter().any(|tx_hash| !tx_hash.is_zero()) {
            self.tags.extend(block.tx_hashes.iter().map(tag_of_leaf));
        }
        self.hashes.resize(block.leaves.len(), [0; 32]);
    }
}

fn put_bytes(leaves: &[LeafPayload], bytes: &mut [[u8; PAYLOAD_LEN]]) {
    for (to, leaf) in bytes.iter_mut().zip(leaves) {
        *to = leaf.to_bytes();
    }
}

fn tag_of_leaf(tx_hash: &B256) -> Tag {
    if tx_hash.is_zero() {
        NO_TAG
    } else {
        tag_of(tx_hash)
    }
}

/// Hashes nodes as the chain provides the hashes of these leaves, which have a tag each or none.
fn behind_the_chain(
    state: &mut State,
    hasher: &Hasher,
    (mut payloads, mut tags): (&[[u8; PAYLOAD_LEN]], &[Tag]),
    chained: &mpsc::Receiver<&[Digest]>,
) {
    while let Some(hashes) = receive(chained, SPIN_BEHIND) {
        let all = Leaves {
            payloads,
            tags,
            hashes,
        };
        let (leaves, later) = all.split_at(hashes.len());
        (payloads, tags) = (later.payloads, later.tags);
        state.append(hasher, leaves);
    }
}
