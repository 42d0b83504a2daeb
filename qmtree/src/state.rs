//! The log at one head: immutable, shared by the writer and its readers.
//!
//! ```text
//! twig 0 ........ s | s+1 ...... a-1 | a
//! sealed segments   | complete twigs | active twig     leaves
//!                   |      tail, in memory
//! UpperTree: twig roots and all complete nodes above them, in memory
//! ```

use crate::error::Error;
use crate::sealed::Sealed;
use crate::shared_vec::SharedVec;
use crate::state_log::StateLog;
use crate::tail::{Leaves, Spare, TWIG_LEN, TailTwig};
use crate::tx_index::SharedIndex;
use crate::upper_tree::UpperTree;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::{
    Digest, Frontier, Head, Leaf, LeafPayload, TWIG_LEAVES, TWIG_LEVEL, TwigId, TxNum,
};
use qmtree_storage::snapshot::SnapshotBlock;
use qmtree_storage::{BlockEnd, Group, Segment, SegmentError, Tag};
use std::sync::Arc;

/// Everything a reader needs.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) head: Head,
    /// False until the first block.
    pub(crate) any_block: bool,
    pub(crate) last_leaf_hash: Digest,
    pub(crate) sealed: Arc<Sealed>,
    /// Complete twigs after the sealed ones.
    pub(crate) twigs: SharedVec<Arc<TailTwig>, 32>,
    pub(crate) active: TailTwig,
    /// Memory for more of them, shared by all states of the log.
    pub(crate) spare: Spare,
    pub(crate) upper: Arc<UpperTree>,
    /// Ends of the blocks that end after the sealed leaves, or that no segment lists.
    pub(crate) blocks: SharedVec<BlockEnd>,
    pub(crate) state_log: StateLog,
    /// Unwinds since the database was opened: tells an index which fork this is of.
    pub(crate) unwinds: u64,
    /// Finds leaves by their transaction, if there is one.
    pub(crate) tx_index: Option<Arc<SharedIndex>>,
}

impl State {
    pub(crate) fn empty(head: Head) -> Self {
        Self {
            head,
            any_block: false,
            last_leaf_hash: [0; 32],
            sealed: Arc::default(),
            twigs: SharedVec::default(),
            active: TailTwig::default(),
            spare: Spare::default(),
            upper: Arc::default(),
            blocks: SharedVec::default(),
            state_log: StateLog::default(),
            unwinds: 0,
            tx_index: None,
        }
    }

    /// The same with an empty state log, for who is not concerned with it: whoever keeps a state makes the
    /// writer copy what it changes of its log.
    pub(crate) fn without_state_log(&self) -> Self {
        Self {
            head: self.head,
            any_block: self.any_block,
            last_leaf_hash: self.last_leaf_hash,
            sealed: Arc::clone(&self.sealed),
            twigs: self.twigs.clone(),
            active: self.active.clone(),
            spare: self.spare.clone(),
            upper: Arc::clone(&self.upper),
            blocks: self.blocks.clone(),
            state_log: StateLog::new(self.state_log.compaction()),
            unwinds: self.unwinds,
            tx_index: self.tx_index.clone(),
        }
    }

    /// Twigs in segments.
    pub(crate) fn sealed_twigs(&self) -> u64 {
        self.sealed.twig_count()
    }

    /// Leaves in segments.
    pub(crate) fn sealed_leaves(&self) -> u64 {
        self.sealed_twigs() * TWIG_LEAVES
    }

    /// Appends leaves whose hashes are known. Head and blocks are left to the caller.
    pub(crate) fn append(&mut self, hasher: &Hasher, mut leaves: Leaves<'_>) {
        while !leaves.hashes.is_empty() {
            let now;
            (now, leaves) = leaves.split_at(TWIG_LEN - self.active.len());
            self.active.append(hasher, now, &self.spare);
            if let Some(root) = self.active.root().copied() {
                let twig = Arc::new(std::mem::take(&mut self.active));
                self.twigs.push(twig);
                Arc::make_mut(&mut self.upper).push(hasher, root);
            }
        }
        self.head.leaf_count = self.leaves();
    }

    /// Keeps the first `leaf_count` leaves, at least the sealed ones. Costs about what is dropped.
    /// Head and blocks are left to the caller.
    pub(crate) fn truncate(&mut self, leaf_count: u64) {
        let twig = TxNum(leaf_count).twig_id();
        let keep = twig.0.saturating_sub(self.sealed_twigs());
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        if keep < self.twigs.len() {
            let active = self.twigs.get(keep).map(|twig| (**twig).clone());
            self.active = active.unwrap_or_default();
            self.twigs.truncate(keep);
            Arc::make_mut(&mut self.upper).truncate(twig.0);
        }
        let len = TxNum(leaf_count).index_in_twig();
        self.active
            .truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.head.leaf_count = self.leaves();
    }

    /// Leaves held, from what holds them.
    fn leaves(&self) -> u64 {
        let complete = self.sealed_twigs() + self.twigs.len() as u64;
        complete * TWIG_LEAVES + self.active.len() as u64
    }

    /// The root of the leaves held; zero if there are none.
    pub(crate) fn root(&self, hasher: &Hasher) -> Result<B256, Error> {
        self.root_of(hasher, self.leaves())
    }

    /// The root of the first `leaf_count` leaves; zero if that is none.
    pub(crate) fn root_of(&self, hasher: &Hasher, leaf_count: u64) -> Result<B256, Error> {
        let source = Source::new(self);
        Ok(Frontier::from_peaks(hasher, leaf_count, |l, i| source.read(l, i))?.root())
    }

    /// Number of the first block of the log.
    pub(crate) fn first_block(&self) -> Option<u64> {
        self.sealed
            .first_block()
            .or_else(|| self.first_tail_block())
    }

    /// Number of the first block that no segment lists.
    pub(crate) fn first_tail_block(&self) -> Option<u64> {
        if !self.any_block || self.blocks.len() == 0 {
            return None;
        }
        Some(self.head.block_number + 1 - self.blocks.len() as u64)
    }

    /// Where a block ends.
    pub(crate) fn block_end(&self, block_number: u64) -> Result<BlockEnd, Error> {
        let found = match self.first_tail_block() {
            Some(first) if block_number >= first => usize::try_from(block_number - first)
                .ok()
                .and_then(|i| self.blocks.get(i).copied()),
            _ => match self
                .sealed
                .snapshot()
                .map(|files| files.block(block_number))
            {
                None => self.sealed.block_end(block_number),
                Some(block) => block.map(|block| self.with_root(block)).transpose()?,
            },
        };
        found.ok_or_else(|| self.no_block(block_number))
    }

    /// Snapshots leave out the roots of blocks: they follow.
    fn with_root(&self, block: SnapshotBlock) -> Result<BlockEnd, Error> {
        let hasher = Hasher::new(self.head.profile);
        Ok(BlockEnd {
            leaf_count: block.leaf_count,
            root: self.root_of(&hasher, block.leaf_count)?,
            entry_count: block.entry_count,
            state_root: block.state_root,
        })
    }

    /// Leaves after a block, without its root.
    fn block_leaf_count(&self, block_number: u64) -> Result<u64, Error> {
        let in_tail = self
            .first_tail_block()
            .is_some_and(|first| block_number >= first);
        match self.sealed.snapshot() {
            Some(files) if !in_tail => {
                let block = files.block(block_number);
                let block = block.ok_or_else(|| self.no_block(block_number))?;
                Ok(block.leaf_count)
            }
            _ => Ok(self.block_end(block_number)?.leaf_count),
        }
    }

    fn no_block(&self, block_number: u64) -> Error {
        Error::NoSuchBlock {
            block_number,
            first: self.first_block(),
            last: self.any_block.then_some(self.head.block_number),
        }
    }

    /// First leaf of a block: where the one before it ends.
    pub(crate) fn block_start(&self, block_number: u64) -> Result<u64, Error> {
        self.block_leaf_count(block_number)?;
        match block_number.checked_sub(1) {
            Some(parent) if self.first_block().is_some_and(|first| first <= parent) => {
                self.block_leaf_count(parent)
            }
            // Of a log that started from roots, the first block that is known began before.
            Some(parent) if self.sealed.blocks_from() > 0 => Err(self.no_block(parent)),
            _ => Ok(0),
        }
    }

    /// The block that a leaf belongs to: the first that ends after it.
    pub(crate) fn block_of(&self, tx_num: TxNum) -> Result<u64, Error> {
        self.check_leaf(tx_num)?;
        let earliest = TxNum(self.sealed.blocks_from());
        if tx_num < earliest {
            return Err(Error::NoBlockOf { tx_num, earliest });
        }
        let (mut low, mut high) = (
            self.first_block().unwrap_or_default(),
            self.head.block_number,
        );
        while low < high {
            let middle = low + (high - low) / 2;
            if self.block_leaf_count(middle)? > tx_num.0 {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// True if the leaf is sealed and was dropped.
    pub(crate) fn is_pruned(&self, tx_num: TxNum) -> bool {
        let segment = self.sealed.segment_of(tx_num.twig_id());
        segment.is_some_and(|segment| segment.is_pruned())
    }

    pub(crate) fn check_leaf(&self, tx_num: TxNum) -> Result<(), Error> {
        let leaf_count = self.head.leaf_count;
        if tx_num.0 < leaf_count {
            Ok(())
        } else {
            Err(Error::NoSuchLeaf { tx_num, leaf_count })
        }
    }

    /// Refuses a leaf that is pruned. Some nodes over it are left, but no proof of it is made from
    /// these: which ones work would depend on the sizes of blocks.
    pub(crate) fn check_unpruned(&self, tx_num: TxNum) -> Result<(), Error> {
        let twig = tx_num.twig_id();
        let segment = self.sealed.segment_of(twig);
        match segment.filter(|segment| segment.twigs().contains(&twig) && segment.is_pruned()) {
            // The segment itself does not know how many behind it are pruned too.
            Some(segment) => Err(Error::Segment(SegmentError::Pruned {
                path: segment.path().to_path_buf(),
                tx_num,
                earliest: self.sealed.earliest(),
            })),
            None => Ok(()),
        }
    }

    /// A twig of the tail.
    pub(crate) fn tail_twig(&self, twig: TwigId) -> Option<&TailTwig> {
        let index = usize::try_from(twig.0.checked_sub(self.sealed_twigs())?).ok()?;
        match self.twigs.get(index) {
            Some(twig) => Some(twig),
            None => (index == self.twigs.len()).then_some(&self.active),
        }
    }
}

/// Reads nodes and leaves of a state; remembers the group it read last.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    state: &'a State,
    group: std::cell::RefCell<Option<Group>>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        Self {
            state,
            group: std::cell::RefCell::default(),
        }
    }

    /// A complete node.
    pub(crate) fn read(&self, level: u32, index: u64) -> Result<Digest, Error> {
        let missing = || Error::NoSuchLeaf {
            tx_num: TxNum(index.checked_shl(level).unwrap_or(u64::MAX)),
            leaf_count: self.state.head.leaf_count,
        };
        let Some(depth) = TWIG_LEVEL.checked_sub(level).filter(|depth| *depth > 0) else {
            return self.state.upper.node(level, index).ok_or_else(missing);
        };
        let twig = TwigId(index >> depth);
        if let Some(tail) = self.state.tail_twig(twig) {
            let index = usize::try_from(index & ((1 << depth) - 1)).map_err(|_| missing())?;
            return tail.node(level, index).copied().ok_or_else(missing);
        }
        if let Some(files) = self.state.sealed.snapshot() {
            return files.node(level, index);
        }
        let segment = self.state.sealed.segment_of(twig).ok_or_else(missing)?;
        self.read_sealed(segment, level, index)
    }

    fn read_sealed(&self, segment: &Segment, level: u32, index: u64) -> Result<Digest, Error> {
        if level >= qmtree_storage::GROUP_SHIFT || segment.is_pruned() {
            return Ok(segment.node(level, index)?);
        }
        let mut cached = self.group.borrow_mut();
        if let Some(node) = cached.as_ref().and_then(|group| group.node(level, index)) {
            return Ok(node);
        }
        let group = segment.group(TxNum(index << level))?;
        let node = group.node(level, index);
        *cached = Some(group);
        node.ok_or(Error::NoSuchLeaf {
            tx_num: TxNum(index << level),
            leaf_count: self.state.head.leaf_count,
        })
    }

    /// The tag of a leaf's transaction.
    pub(crate) fn tag(&self, tx_num: TxNum) -> Result<Tag, Error> {
        self.state.check_leaf(tx_num)?;
        let leaf_count = self.state.head.leaf_count;
        let missing = || Error::NoSuchLeaf { tx_num, leaf_count };
        let twig = tx_num.twig_id();
        if let Some(tail) = self.state.tail_twig(twig) {
            let index = usize::try_from(tx_num.index_in_twig()).map_err(|_| missing())?;
            return Ok(tail.tag(index));
        }
        if let Some(files) = self.state.sealed.snapshot() {
            return Ok(files.tag(tx_num));
        }
        let segment = self.state.sealed.segment_of(twig).ok_or_else(missing)?;
        Ok(segment.tag(tx_num)?)
    }

    /// A leaf with its link.
    pub(crate) fn leaf(&self, tx_num: TxNum) -> Result<Leaf, Error> {
        self.state.check_leaf(tx_num)?;
        let leaf_count = self.state.head.leaf_count;
        let missing = || Error::NoSuchLeaf { tx_num, leaf_count };
        let twig = tx_num.twig_id();
        let Some(tail) = self.state.tail_twig(twig) else {
            if let Some(files) = self.state.sealed.snapshot() {
                return files.leaf(tx_num);
            }
            self.state.check_unpruned(tx_num)?;
            let segment = self.state.sealed.segment_of(twig).ok_or_else(missing)?;
            return Ok(segment.leaf(tx_num)?);
        };
        let index = usize::try_from(tx_num.index_in_twig()).map_err(|_| missing())?;
        let payload = LeafPayload::from_bytes(tail.payload(index).ok_or_else(missing)?);
        let previous = match tx_num.0.checked_sub(1) {
            // The leaf before may be pruned, but every segment names its last one.
            _ if tx_num.0 == self.state.sealed_leaves() => self.state.sealed.end(),
            Some(previous) => self.read(0, previous)?,
            None => [0; 32],
        };
        Ok(payload.after(B256::new(previous)))
    }
}

impl qmtree_proofs::NodeSource for Source<'_> {
    type Error = Error;

    fn node(&self, level: u32, index: u64) -> Result<Digest, Error> {
        self.read(level, index)
    }
}
