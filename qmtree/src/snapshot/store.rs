//! Reading leaves and nodes straight from snapshot files, without an import.
//!
//! The roots of all twigs agree with a trusted head when the files are opened. A twig is derived
//! when it is first read, and compared with its root; the last few are kept.

use super::kept::Kept;
use super::plan::Plan;
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use super::state::StateFiles;
use crate::db::Db;
use crate::error::Error;
use crate::open::Opened;
use crate::sealed::Sealed;
use crate::state::State;
use crate::tail::Leaves;
use alloy_primitives::B256;
use qmtree_proofs::{Digest, Head, Leaf, LeafPayload, TWIG_LEAVES, TWIG_LEVEL, TwigId, TxNum};
use qmtree_storage::snapshot::{SnapshotBlock, SnapshotContent, SnapshotFile};
use qmtree_storage::{Disk, NO_TAG, RealDisk, Tag, Twig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Twigs that are kept once derived: 320 KiB each.
const KEPT: usize = 8;

/// The whole twigs of a snapshot, read in place.
#[derive(Debug)]
pub(crate) struct SnapshotStore {
    plan: Plan,
    kept: Kept<Twig>,
}

impl SnapshotStore {
    fn new(plan: Plan) -> Self {
        Self {
            plan,
            kept: Kept::new(KEPT),
        }
    }

    /// Whole twigs behind which the tail lies.
    pub(crate) fn twig_count(&self) -> u64 {
        self.plan.sealed
    }

    /// Hash of the last leaf of the last whole twig.
    pub(crate) fn end(&self) -> Digest {
        self.plan.tail_anchor
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A twig, derived from its leaves and compared with its root.
    pub(crate) fn twig(&self, twig: u64) -> Result<Arc<Twig>, Error> {
        self.kept.get_or(twig, || {
            let word = self.plan.set.twig(twig)?;
            let (anchor, payloads) = (word.anchor(), word.payloads().to_vec());
            let derived = Twig::rebuild(&self.plan.hasher, TwigId(twig), anchor, payloads);
            match self.plan.upper.node(TWIG_LEVEL, twig) == Some(derived.root()) {
                true => Ok(derived),
                false => Err(SnapshotRefusal::Twig { twig }.into()),
            }
        })
    }

    /// A node of levels 0 to 10 of a whole twig.
    pub(crate) fn node(&self, level: u32, index: u64) -> Result<Digest, Error> {
        let depth = TWIG_LEVEL.saturating_sub(level);
        let (twig, inside) = (index >> depth, index & ((1 << depth) - 1));
        let node = self.twig(twig)?.node(level, inside);
        node.ok_or(SnapshotRefusal::Twig { twig }.into())
    }

    /// A leaf of a whole twig.
    pub(crate) fn leaf(&self, tx_num: TxNum) -> Result<Leaf, Error> {
        let number = tx_num.twig_id().0;
        let twig = self.twig(number)?;
        let index = tx_num.index_in_twig();
        let previous = match index.checked_sub(1) {
            Some(before) => twig.leaf_hash(before),
            None => Some(twig.previous_leaf_hash()),
        };
        let leaf = twig.payload(index).zip(previous);
        let (payload, previous) = leaf.ok_or(SnapshotRefusal::Twig { twig: number })?;
        Ok(LeafPayload::from_bytes(payload).after(B256::new(previous)))
    }

    /// The tag of a leaf of a whole twig.
    pub(crate) fn tag(&self, tx_num: TxNum) -> Tag {
        let tags = self.plan.set.tags(tx_num.twig_id().0);
        let index = usize::try_from(tx_num.index_in_twig()).unwrap_or(usize::MAX);
        let tag = tags.and_then(|tags| tags.get(index));
        tag.copied().unwrap_or(NO_TAG)
    }

    /// Files that list blocks of whole twigs.
    fn block_files(&self) -> impl Iterator<Item = &SnapshotFile> {
        let leaves = |file: &&SnapshotFile| {
            let header = file.header();
            header.name.content == SnapshotContent::Execution && header.block_count > 0
        };
        self.plan.set.files().iter().filter(leaves)
    }

    /// Where a block ends, if it ends in a whole twig.
    pub(crate) fn block(&self, block_number: u64) -> Option<SnapshotBlock> {
        let sealed = self.plan.sealed * TWIG_LEAVES;
        let block = self
            .block_files()
            .find_map(|file| file.block(block_number))?;
        (block.leaf_count <= sealed).then_some(block)
    }

    /// Number of the first block, if it ends in a whole twig.
    pub(crate) fn first_block(&self) -> Option<u64> {
        let firsts = self.block_files().map(|file| file.blocks().start);
        firsts.min().filter(|first| self.block(*first).is_some())
    }

    /// Derives every leaf and node, and compares.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        self.plan.verify(threads, &None)
    }

    /// First leaf whose block is known.
    pub(crate) fn blocks_from(&self) -> u64 {
        let twigs = self.plan.set.without_leaves(self.plan.sealed);
        twigs.map_or(0, |run| run.end * TWIG_LEAVES)
    }
}

impl Db {
    /// Opens the snapshot files of a folder as a database at a trusted head, for reading only and
    /// without importing them.
    ///
    /// Opening compares twig roots and tail with the head. If there are files of the state log up to
    /// that head, it verifies every entry and value of it, and builds the index of keys in memory;
    /// if not, questions about the state fail with [`SnapshotRefusal::StateMissing`]. A leaf, or a proof of one, costs the
    /// derivation of its twig, about 0.4 ms with Keccak, unless the twig was read lately. Twigs of
    /// which only the roots are there answer with [`SnapshotRefusal::LeavesMissing`].
    ///
    /// # Errors
    /// As [`import_snapshot`](Self::import_snapshot).
    pub fn open_snapshot(folder: impl AsRef<Path>, trusted: &Head) -> Result<Self, Error> {
        let (disk, folder) = (Arc::new(RealDisk), folder.as_ref());
        let paths = SnapshotSet::paths(&*disk, folder)?;
        Self::open_snapshot_on(disk, folder, &paths, trusted)
    }

    /// [`open_snapshot`](Self::open_snapshot) of these files, on a disk of the caller's.
    ///
    /// # Errors
    /// As [`import_snapshot`](Self::import_snapshot).
    pub fn open_snapshot_on(
        disk: Arc<dyn Disk>,
        folder: &Path,
        files: &[PathBuf],
        trusted: &Head,
    ) -> Result<Self, Error> {
        let plan = Plan::new(SnapshotSet::open(&*disk, files)?, *trusted)?;
        plan.check_blocks()?;
        let opened = Opened::new(disk, folder, plan.identity());
        let files = match StateFiles::find(&plan, false) {
            // Of the leaves alone: whoever asks for the state is told.
            Err(SnapshotRefusal::StateMissing { .. }) => None,
            found => found?,
        };
        let state_log = files.map(|files| files.open(&plan)).transpose()?;
        let state = State {
            state_log: state_log.unwrap_or_default(),
            ..state_of(plan)?
        };
        Ok(Self::reading(opened, state))
    }
}

/// The state of a log whose whole twigs stay in their files.
fn state_of(plan: Plan) -> Result<State, Error> {
    let (head, hasher) = (plan.head, plan.hasher);
    let ends = plan.block_ends(&plan.tail_blocks, |_, _| None)?;
    let mut upper = (*plan.upper).clone();
    upper.truncate(plan.sealed);
    let (payloads, hashes) = (plan.tail_payloads.clone(), plan.tail_hashes.clone());
    let tags = plan.tail_tags.clone();
    let store = Arc::new(SnapshotStore::new(plan));
    let mut state = State {
        any_block: true,
        last_leaf_hash: hashes.last().copied().unwrap_or_default(),
        sealed: Arc::new(Sealed::in_snapshot(store)),
        upper: Arc::new(upper),
        blocks: ends.into_iter().collect(),
        ..State::empty(head)
    };
    let leaves = Leaves {
        payloads: &payloads,
        tags: &tags,
        hashes: &hashes,
    };
    state.append(&hasher, leaves);
    state.head = head;
    Ok(state)
}
