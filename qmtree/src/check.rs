//! The audit: every hash derived again from the raw leaves.

use crate::error::Error;
use crate::state::State;
use crate::tail::Leaves;
use crate::upper_tree::UpperTree;
use qmtree_kernels::Hasher;
use qmtree_proofs::{TWIG_LEAVES, TreeHasher, TxNum};
use qmtree_storage::{BlockEnd, Segment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

impl State {
    /// Compares every stored hash with what the leaves hash to, and adds the leaves to `done`.
    /// Changes nothing.
    pub(crate) fn check(&self, done: &AtomicU64) -> Result<(), Error> {
        let hasher = Hasher::new(self.head.profile);
        check_segments(self.sealed.segments(), done)?;
        let mut upper = UpperTree::default();
        if let Some(files) = self.sealed.snapshot() {
            files.check()?;
            done.fetch_add(files.twig_count() * TWIG_LEAVES, Ordering::Relaxed);
            upper = (*files.plan().upper).clone();
            upper.truncate(files.twig_count());
        }
        for segment in self.sealed.segments() {
            segment
                .twig_roots()
                .iter()
                .for_each(|root| upper.push(&hasher, *root));
        }
        self.check_tail(&hasher, upper, done)?;
        self.state_log.check(&hasher)?;
        self.check_blocks(&hasher)
    }

    /// Chains the unsealed leaves again, and compares hashes, root and head.
    fn check_tail(&self, hasher: &Hasher, upper: UpperTree, done: &AtomicU64) -> Result<(), Error> {
        let mut again = Self {
            upper: Arc::new(upper),
            ..Self::empty(self.head)
        };
        again.sealed = Arc::clone(&self.sealed);
        again.last_leaf_hash = self.sealed.end();
        let twigs = self.twigs.iter().map(|twig| &**twig).chain([&self.active]);
        for (twig, number) in twigs.zip(self.sealed_twigs()..) {
            let (payloads, hashes) = twig.leaves();
            let mut derived = vec![[0; 32]; hashes.len()];
            let last = again.last_leaf_hash;
            again.last_leaf_hash = hasher.chain_leaves(last, &payloads, &mut derived);
            if let Some(at) = (0..)
                .zip(hashes.iter().zip(&derived))
                .find(|(_, (a, b))| a != b)
            {
                let tx_num = TxNum(number * TWIG_LEAVES + at.0);
                return Err(Error::Check {
                    what: "a leaf hash",
                    tx_num,
                });
            }
            let leaves = Leaves {
                payloads: &payloads,
                tags: &[],
                hashes: &derived,
            };
            again.append(hasher, leaves);
            done.fetch_add(derived.len() as u64, Ordering::Relaxed);
        }
        let last = TxNum(self.head.leaf_count.saturating_sub(1));
        if again.head.leaf_count != self.head.leaf_count {
            return Err(Error::Check {
                what: "the number of leaves",
                tx_num: last,
            });
        }
        let root = again.root(hasher)?;
        if root != self.head.root || again.last_leaf_hash != self.last_leaf_hash {
            return Err(Error::Check {
                what: "the root",
                tx_num: last,
            });
        }
        Ok(())
    }

    /// Blocks must end in order, the last one at the head, each with the root that its leaves give.
    fn check_blocks(&self, hasher: &Hasher) -> Result<(), Error> {
        let Some(first) = self.first_block() else {
            return Ok(());
        };
        let differs = |what, leaf_count: u64| {
            let tx_num = TxNum(leaf_count.saturating_sub(1));
            Err(Error::Check { what, tx_num })
        };
        let mut before = 0;
        for number in first..=self.head.block_number {
            let BlockEnd {
                leaf_count, root, ..
            } = self.block_end(number)?;
            if leaf_count < before || leaf_count > self.head.leaf_count {
                return differs("the end of a block", leaf_count);
            }
            before = leaf_count;
            if self.root_of(hasher, leaf_count)? != root {
                return differs("the root of a block", leaf_count);
            }
        }
        if before != self.head.leaf_count {
            return differs("the end of the last block", before);
        }
        Ok(())
    }
}

/// Checks segments on as many threads as there are cores. The first error by position counts.
fn check_segments(segments: &[Arc<Segment>], done: &AtomicU64) -> Result<(), Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut errors = Vec::new();
        // Relaxed: the counter only hands out places, it orders nothing else.
        while let Some(segment) = segments.get(next.fetch_add(1, Ordering::Relaxed)) {
            let each_twig = || {
                done.fetch_add(TWIG_LEAVES, Ordering::Relaxed);
            };
            if let Err(error) = segment.check_with(each_twig) {
                errors.push((segment.first_twig(), error));
            }
        }
        errors
    };
    let mut errors = std::thread::scope(|scope| {
        // A thread that is not to be had leaves more work to the others.
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
        let handles: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mut errors = work();
        for handle in handles {
            errors.extend(handle.join().expect("checking a segment does not panic"));
        }
        errors
    });
    errors.sort_by_key(|(twig, _)| *twig);
    match errors.into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(()),
    }
}
