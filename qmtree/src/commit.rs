//! Appending a block. The order of a commit (docs/FORMAT.md, section 6):
//!
//! ```text
//! this thread     chain of leaf hashes ----------+
//! second thread   journal: payloads, nodes ------+-> root -> journal: head (commit) -> sync
//! ```
//!
//! The chain is serial, and all else hides behind it. Small blocks do everything in turn.

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
        if let Some(Finished { log, root, .. }) = &finished {
            (head.entry_count, head.state_root) = (log.entry_count(), *root);
        }
        self.journal.finish_block(&head, B256::new(last))?;
        if let Some(finished) = finished {
            self.state.state_log = finished.log;
        }
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

    /// The state log after the block; `None` if the block writes nothing.
    fn finish_state(
        &self,
        block: &Block<'_>,
        staged: Option<Staged>,
    ) -> Result<Option<Finished>, Error> {
        let staged = match staged {
            None if block.batches.is_empty() => return Ok(None),
            None => {
                let log = self.state.state_log.clone();
                let mut staged = Staged::new(log, &self.state.head, self.workers.clone());
                let mut batches = block.batches.iter();
                batches.try_for_each(|batch| staged.write(batch))?;
                staged
            }
            Some(staged) => staged,
        };
        staged.finish(block.leaves.len()).map(Some)
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
            journaled,
            tags,
            hashes,
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
        let mut last = previous;
        let behind = move || {
            journaled.clear();
            journaled.extend(given.iter().map(LeafPayload::to_bytes));
            let begun = journal.begin_block_with(journaled, tags, entries);
            let behind = begun
                .map_err(Error::from)
                .map(|()| behind_the_chain(state, hasher, &chained));
            // The channel has room for the one answer, and its other end is still there.
            let _ = done.send(behind);
        };
        second.run(behind, || {
            let mut tags = tags.chunks(STEP);
            let payloads = payloads.chunks_mut(STEP).zip(hashes.chunks_mut(STEP));
            for (given, (payloads, hashes)) in given.chunks(STEP).zip(payloads) {
                put_bytes(given, payloads);
                last = hasher.chain_leaves(last, payloads, hashes);
                let leaves = Leaves {
                    payloads,
                    tags: tags.next().unwrap_or_default(),
                    hashes,
                };
                // The other side is gone only if the journal failed, and then says so.
                if sender.send(leaves).is_err() {
                    break;
                }
            }
            drop(sender);
            receive(&finished).unwrap_or(Err(Error::Poisoned))
        })?;
        Ok(last)
    }
}

/// How long a thread looks for its next piece of work before it sleeps.
///
/// Waking a sleeping thread takes tens of microseconds, longer than the piece itself.
const SPIN: Duration = Duration::from_micros(100);

/// The next message, or `None` when there is no sender left. Spins before it sleeps.
fn receive<T>(receiver: &mpsc::Receiver<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < SPIN {
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
    /// The same again, for the thread that journals them all at once.
    journaled: Vec<[u8; PAYLOAD_LEN]>,
    /// Empty if no leaf has one.
    tags: Vec<Tag>,
    hashes: Vec<Digest>,
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

/// Hashes nodes as the chain provides leaves.
fn behind_the_chain<'a>(state: &mut State, hasher: &Hasher, chained: &mpsc::Receiver<Leaves<'a>>) {
    while let Some(leaves) = receive(chained) {
        state.append(hasher, leaves);
    }
}
