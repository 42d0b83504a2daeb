//! Snapshot files beside a trusted head: what follows from them, before any leaf is believed.
//!
//! The roots of all whole twigs and the leaves behind them lead to the root of the head. Once that
//! agrees the twig roots are as good as the head itself, and each twig can be verified alone.

use super::refusal::SnapshotRefusal;
use super::roots::roots_of;
use super::set::{SnapshotSet, append_blocks};
use crate::error::Error;
use crate::tail::{Leaves, Spare, TWIG_LEN, TailTwig};
use crate::upper_tree::UpperTree;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, Head, PAYLOAD_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, TwigId};
use qmtree_storage::snapshot::{SnapshotBlock, SnapshotTwig};
use qmtree_storage::{
    AnchoredTwig, BlockEnd, DerivedTwig, Identity, NO_TAG, SealableTwig, Segment, Tag, TwigLanes,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Files that agree with a trusted head, up to the leaves of their whole twigs.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) set: Arc<SnapshotSet>,
    pub(crate) hasher: Hasher,
    pub(crate) head: Head,
    /// Whole twigs that end before the head's last leaf.
    pub(crate) sealed: u64,
    /// The roots of those, and of one more if the tail completes it.
    pub(crate) upper: Arc<UpperTree>,
    /// The 1 to 2048 leaves behind the sealed twigs.
    pub(crate) tail_payloads: Vec<[u8; PAYLOAD_LEN]>,
    pub(crate) tail_hashes: Vec<Digest>,
    /// A tag for each of those leaves, or none.
    pub(crate) tail_tags: Vec<Tag>,
    /// Hash of the last sealed leaf.
    pub(crate) tail_anchor: Digest,
    tail: TailTwig,
    /// The blocks that end behind the sealed twigs, up to the head's.
    pub(crate) tail_blocks: Vec<(u64, SnapshotBlock)>,
    /// Further heads that the files must lead to.
    known: BTreeMap<u64, Head>,
}

/// Who wants to know how far a long operation is: leaves, counted up.
pub(crate) type Progress = Option<Arc<AtomicU64>>;

impl Plan {
    /// Compares files with a head, by the roots of their twigs.
    ///
    /// Costs 64 bytes and two hashes a twig, and the 2048 last leaves.
    pub(crate) fn new(set: SnapshotSet, head: Head) -> Result<Self, Error> {
        let hasher = Hasher::new(head.profile);
        let Some(last) = head.leaf_count.checked_sub(1) else {
            return Err(SnapshotRefusal::Empty.into());
        };
        let sealed = last / TWIG_LEAVES;
        let mut upper = UpperTree::default();
        for twig in 0..sealed {
            let root = set.root(twig).ok_or(SnapshotRefusal::Gap {
                from: twig,
                to: set.next_start(twig).unwrap_or(sealed).min(sealed),
            })?;
            upper.push(&hasher, root);
        }
        let from = sealed * TWIG_LEAVES;
        let leaf_count = head.leaf_count;
        let file = set.front_of(sealed, &head);
        let file = file.ok_or(SnapshotRefusal::TailMissing { from, leaf_count })?;
        let front = file.twig(sealed)?;
        let count = usize::try_from(leaf_count - from).unwrap_or(usize::MAX);
        let payloads = front.payloads().get(..count);
        let missing = SnapshotRefusal::TailMissing { from, leaf_count };
        let tail_payloads = payloads.ok_or(missing)?.to_vec();
        let tail_anchor = front.anchor();
        if sealed == 0 && tail_anchor != [0; 32] {
            return Err(SnapshotRefusal::Anchor { twig: 0 }.into());
        }
        let mut tail_blocks = Vec::new();
        append_blocks(&mut tail_blocks, file, from..leaf_count)?;
        let mut tail_hashes = vec![[0; 32]; tail_payloads.len()];
        hasher.chain_leaves(tail_anchor, &tail_payloads, &mut tail_hashes);
        let mut tail = TailTwig::default();
        let leaves = Leaves {
            payloads: &tail_payloads,
            tags: &[],
            hashes: &tail_hashes,
        };
        tail.append(&hasher, leaves, &Spare::default());
        let tags = file.tags(sealed).or_else(|| set.tags(sealed));
        let tail_tags = tags.and_then(|tags| tags.get(..count)).unwrap_or_default();
        let tail_tags = tail_tags.to_vec();
        if let Some(root) = tail.root() {
            upper.push(&hasher, *root);
        }
        let mut plan = Self {
            set: Arc::new(set),
            hasher,
            head,
            sealed,
            upper: Arc::new(upper),
            tail_payloads,
            tail_hashes,
            tail_tags,
            tail_anchor,
            tail,
            tail_blocks,
            known: BTreeMap::new(),
        };
        plan.check_identity()?;
        plan.check_head()?;
        Ok(plan)
    }

    fn check_identity(&self) -> Result<(), SnapshotRefusal> {
        let mut identities = self.set.files().iter().map(|file| file.header().identity);
        if identities.all(|identity| identity == self.identity()) {
            Ok(())
        } else {
            Err(SnapshotRefusal::OtherLog)
        }
    }

    /// A plan for the twigs of which a database has only the roots.
    pub(crate) fn behind(set: SnapshotSet, roots: &Segment, head: Head) -> Result<Self, Error> {
        let hasher = Hasher::new(head.profile);
        let mut upper = UpperTree::default();
        roots
            .twig_roots()
            .iter()
            .for_each(|root| upper.push(&hasher, *root));
        let plan = Self {
            set: Arc::new(set),
            hasher,
            head,
            sealed: roots.twig_count(),
            upper: Arc::new(upper),
            tail_payloads: Vec::new(),
            tail_hashes: Vec::new(),
            tail_tags: Vec::new(),
            tail_anchor: roots.end(),
            tail: TailTwig::default(),
            tail_blocks: Vec::new(),
            known: BTreeMap::new(),
        };
        plan.check_identity()?;
        Ok(plan)
    }

    /// Adds heads that the files must lead to as well.
    pub(crate) fn with_known(self, heads: &[Head]) -> Result<Self, Error> {
        let known: BTreeMap<_, _> = heads
            .iter()
            .map(|head| (head.block_number, *head))
            .collect();
        for (block_number, head) in &known {
            if !head.same_log(&self.head) || *block_number > self.head.block_number {
                let block_number = *block_number;
                return Err(SnapshotRefusal::Head { block_number }.into());
            }
        }
        Ok(Self { known, ..self })
    }

    /// Each known head is of a block that the files list, so that it will be compared.
    pub(crate) fn check_listed(&self) -> Result<(), SnapshotRefusal> {
        let lists = |number: &u64| {
            let mut files = self.set.files().iter();
            files.any(|file| file.block(*number).is_some())
        };
        match self.known.keys().find(|number| !lists(number)) {
            Some(number) => Err(SnapshotRefusal::Head {
                block_number: *number,
            }),
            None => Ok(()),
        }
    }

    /// Compares the known heads of blocks that end in whole twigs with the leaves of these twigs,
    /// and with the tail: for where only roots are taken from the files.
    pub(crate) fn check_known(&self) -> Result<(), Error> {
        self.block_ends(&self.tail_blocks, |_, _| None)?;
        let sealed = self.sealed * TWIG_LEAVES;
        let mut lanes = TwigLanes::new(self.hasher);
        for (number, head) in &self.known {
            let block_number = *number;
            if self.tail_blocks.iter().any(|(tail, _)| tail == number) {
                continue;
            }
            let differs = SnapshotRefusal::Head { block_number };
            let last = head.leaf_count.checked_sub(1).filter(|last| *last < sealed);
            let twig = last.ok_or(differs)? / TWIG_LEAVES;
            let leaves = twig * TWIG_LEAVES..(twig + 1) * TWIG_LEAVES;
            if !self.set.has_leaves(twig) {
                return Err(SnapshotRefusal::KnownUnseen { block_number, twig }.into());
            }
            let blocks = self.set.blocks(leaves)?;
            let block = blocks.iter().find(|(found, _)| found == number);
            let block = *block.ok_or(differs)?;
            self.derive(&mut lanes, twig..twig + 1, |derived| {
                self.block_ends(&[block], inside(derived))?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Compares root and last block with the trusted head.
    fn check_head(&mut self) -> Result<(), Error> {
        let Head {
            leaf_count,
            block_number,
            root: trusted,
            ..
        } = self.head;
        let roots = self.roots(&[leaf_count], |_, _| None)?;
        let derived = roots.first().copied().map_or(B256::ZERO, B256::new);
        if derived != trusted {
            return Err(SnapshotRefusal::Root { derived, trusted }.into());
        }
        self.tail_blocks
            .retain(|(number, _)| *number <= block_number);
        let last = self.tail_blocks.last().copied();
        let expected = SnapshotBlock {
            leaf_count,
            entry_count: self.head.entry_count,
            state_root: self.head.state_root,
        };
        if last != Some((block_number, expected)) {
            return Err(SnapshotRefusal::Head { block_number }.into());
        }
        Ok(())
    }

    /// The identity of the log.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            profile: self.head.profile,
            scheme: self.head.scheme,
            chain_id: self.head.chain_id,
        }
    }

    /// A complete node of the upper tree or the tail; of sealed twigs only what `inside` knows.
    fn node(
        &self,
        level: u32,
        index: u64,
        inside: impl Fn(u32, u64) -> Option<Digest>,
    ) -> Option<Digest> {
        let Some(depth) = TWIG_LEVEL.checked_sub(level).filter(|depth| *depth > 0) else {
            return self.upper.node(level, index);
        };
        if index >> depth == self.sealed {
            let index = usize::try_from(index & ((1 << depth) - 1)).ok()?;
            return self.tail.node(level, index).copied();
        }
        inside(level, index)
    }

    /// The roots of logs of so many leaves.
    pub(crate) fn roots(
        &self,
        leaf_counts: &[u64],
        inside: impl Fn(u32, u64) -> Option<Digest>,
    ) -> Result<Vec<Digest>, SnapshotRefusal> {
        roots_of(&self.hasher, leaf_counts, |level, index| {
            let missing = SnapshotRefusal::LeavesMissing {
                from: index.checked_shl(level).unwrap_or(u64::MAX) / TWIG_LEAVES,
                to: self.sealed,
            };
            self.node(level, index, &inside).ok_or(missing)
        })
    }

    /// The ends of blocks, with the roots that follow; compared with the heads that are known.
    pub(crate) fn block_ends(
        &self,
        blocks: &[(u64, SnapshotBlock)],
        inside: impl Fn(u32, u64) -> Option<Digest>,
    ) -> Result<Vec<BlockEnd>, SnapshotRefusal> {
        let counts: Vec<_> = blocks.iter().map(|(_, block)| block.leaf_count).collect();
        let roots = self.roots(&counts, inside)?;
        let mut ends = Vec::with_capacity(blocks.len());
        for ((block_number, block), root) in blocks.iter().zip(roots) {
            let end = BlockEnd {
                leaf_count: block.leaf_count,
                root: B256::new(root),
                entry_count: block.entry_count,
                state_root: block.state_root,
            };
            if let Some(known) = self.known.get(block_number)
                && crate::open::block_end(known) != end
            {
                let block_number = *block_number;
                return Err(SnapshotRefusal::Head { block_number });
            }
            ends.push(end);
        }
        Ok(ends)
    }

    /// The hash of the leaf before a twig, as the leaves of the twig say.
    pub(crate) fn anchor(&self, twig: u64) -> Result<Digest, Error> {
        if twig == self.sealed {
            return Ok(self.tail_anchor);
        }
        Ok(self.set.twig(twig)?.anchor())
    }

    /// Derives the twigs of a range, below the sealed ones, and verifies them: each hashes to its
    /// root, and follows the one before it.
    pub(crate) fn derive<T>(
        &self,
        lanes: &mut TwigLanes,
        twigs: Range<u64>,
        then: impl FnOnce(&[DerivedTwig<'_>]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let words: Vec<SnapshotTwig<'_>> = twigs
            .clone()
            .map(|twig| self.set.twig(twig))
            .collect::<Result<_, _>>()?;
        let sources: Vec<_> = words
            .iter()
            .zip(twigs.clone())
            .map(|(word, twig)| AnchoredTwig {
                anchor: word.anchor(),
                payloads: word.payloads(),
                tags: self.set.tags(twig).filter(|tags| has_any(tags)),
            })
            .collect();
        if twigs.start == 0 && sources.first().is_some_and(|twig| twig.anchor != [0; 32]) {
            return Err(SnapshotRefusal::Anchor { twig: 0 }.into());
        }
        let derived = lanes.derive(TwigId(twigs.start), &sources);
        let after = sources.iter().skip(1).map(|twig| Ok(twig.anchor));
        let after = after.chain(std::iter::once_with(|| self.anchor(twigs.end)));
        for ((derived, after), twig) in derived.iter().zip(after).zip(twigs.clone()) {
            if self.upper.node(TWIG_LEVEL, twig) != Some(derived.root()) {
                return Err(SnapshotRefusal::Twig { twig }.into());
            }
            if after? != derived.last_leaf_hash() {
                return Err(SnapshotRefusal::Anchor { twig: twig + 1 }.into());
            }
        }
        then(&derived)
    }

    /// Runs `work` for each run of `size` twigs below the sealed ones from `first` on, on several
    /// threads. Stops at an error, and returns the one that comes first in the log.
    pub(crate) fn in_parallel(
        &self,
        first: u64,
        size: u64,
        threads: usize,
        work: impl Fn(&mut TwigLanes, Range<u64>) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let size = size.max(1);
        let chunks = (self.sealed - first).div_ceil(size);
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let failed: Mutex<Option<(u64, Error)>> = Mutex::new(None);
        let run = || {
            let mut lanes = TwigLanes::new(self.hasher);
            // Relaxed: the counter only hands out places, and the flag only saves work.
            while !stop.load(Ordering::Relaxed) {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    return;
                }
                let from = first + chunk * size;
                let twigs = from..(from + size).min(self.sealed);
                if let Err(error) = work(&mut lanes, twigs) {
                    stop.store(true, Ordering::Relaxed);
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    if failed.as_ref().is_none_or(|(place, _)| *place > chunk) {
                        *failed = Some((chunk, error));
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| drop(scope.spawn(run)));
            run();
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Derives every leaf and node and compares them with the head, and where blocks end.
    pub(crate) fn verify(&self, threads: usize, progress: &Progress) -> Result<(), Error> {
        let first = self
            .set
            .without_leaves(self.sealed)
            .map_or(0, |run| run.end);
        self.in_parallel(first, VERIFY_TWIGS, threads, |lanes, twigs| {
            let leaves = twigs.start * TWIG_LEAVES..twigs.end * TWIG_LEAVES;
            let blocks = self.set.blocks(leaves.clone())?;
            self.derive(lanes, twigs, |derived| {
                // Roots of blocks are not stored, so only known heads can differ.
                if blocks
                    .iter()
                    .any(|(number, _)| self.known.contains_key(number))
                {
                    self.block_ends(&blocks, inside(derived))?;
                }
                Ok(())
            })?;
            advance(progress, leaves.end - leaves.start);
            Ok(())
        })?;
        self.check_blocks()?;
        self.block_ends(&self.tail_blocks, |_, _| None)?;
        Ok(())
    }

    /// Blocks are numbered one by one, up to the head's.
    pub(crate) fn check_blocks(&self) -> Result<(), SnapshotRefusal> {
        let last = self.set.check_blocks(self.sealed * TWIG_LEAVES)?;
        let Some((last, (first, _))) = last.zip(self.tail_blocks.first()) else {
            return Ok(());
        };
        if last.checked_add(1) == Some(*first) {
            Ok(())
        } else {
            Err(SnapshotRefusal::Blocks {
                block_number: *first,
            })
        }
    }
}

/// Twigs that a thread verifies at a time: as many as advance together.
const VERIFY_TWIGS: u64 = 16;

/// Reads nodes of derived twigs.
pub(crate) fn inside(derived: &[DerivedTwig<'_>]) -> impl Fn(u32, u64) -> Option<Digest> {
    move |level, index| {
        let depth = TWIG_LEVEL.checked_sub(level)?;
        let first = derived.first()?.twig_id().0;
        let place = usize::try_from((index >> depth).checked_sub(first)?).ok()?;
        let index = index & ((1 << depth) - 1);
        derived.get(place)?.node(level, index)
    }
}

/// True if a transaction made any of these leaves.
pub(crate) fn has_any(tags: &[Tag]) -> bool {
    tags.iter().any(|tag| *tag != NO_TAG)
}

/// More leaves are done.
pub(crate) fn advance(progress: &Progress, leaves: u64) {
    if let Some(progress) = progress {
        // Relaxed: whoever looks at it only draws.
        progress.fetch_add(leaves, Ordering::Relaxed);
    }
}

const _: () = assert!(TWIG_LEN as u64 == TWIG_LEAVES);
