//! A block that is being made: its writes are applied, its leaves are not known yet.

use crate::block::Block;
use crate::db::Db;
use crate::error::Error;
use crate::state_log::{StateBatch, StateLog, Step};
use crate::workers::Workers;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{BatchError, EntryId};
use qmtree_proofs::{Head, LEAF_LEN, TxNum};
use qmtree_storage::EntryPart;

/// A block between its first write and its commit.
///
/// Leaves commit to state roots, so the roots come first: apply the writes of each transaction,
/// take the root after it for the leaf of the next one, then commit the block with its leaves. What
/// is applied here is seen by this block alone until then; dropping it changes nothing. What it did is
/// undone by whatever comes next, at about the cost of doing it.
///
/// ```
/// use alloy_primitives::{B256, keccak256};
/// use qmtree::proofs::{LeafPayload, Profile, Scheme, TxNum};
/// use qmtree::{Block, Db, Identity, Options, StateBatch};
///
/// let folder = tempfile::tempdir()?;
/// let identity =
///     Identity { profile: Profile::Keccak256, scheme: Scheme::StateRoot1, chain_id: 1 };
/// let mut db = Db::create(folder.path().join("db"), identity, Options::default())?;
///
/// let key = keccak256(b"a key");
/// let mut block = db.begin_block(0)?;
/// let mut leaves = Vec::new();
/// for tx_num in 0..3 {
///     let pre_state_hash = block.state_root()?;
///     leaves.push(LeafPayload { pre_state_hash, ..LeafPayload::default() });
///     let value = B256::with_last_byte(tx_num).to_vec();
///     let writes = vec![(key, Some(value))];
///     block.apply(&StateBatch { tx_num: TxNum(tx_num.into()), writes })?;
/// }
/// let head = block.commit(&leaves, &[])?;
///
/// let view = db.view();
/// let proof = view.prove_state(&key, Some(TxNum(1)))?;
/// let then = B256::with_last_byte(1);
/// proof.verify_value(&head, &key, Some(TxNum(1)), Some(then.as_slice()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StagedBlock<'a> {
    db: &'a mut Db,
    number: u64,
    staged: Staged,
}

/// The writer's state log, to which a block that is staged appends its entries.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) log: &'a mut StateLog,
    pub(crate) hasher: &'a Hasher,
    pub(crate) workers: &'a Workers,
}

/// What is known of a block that is not committed, beside its entries in the [`Draft`].
#[derive(Debug)]
pub(crate) struct Staged {
    /// Entries before the block.
    first_entry: u64,
    /// First transaction of the block.
    first_tx_num: TxNum,
    last_tx_num: Option<TxNum>,
    values: Vec<u8>,
    /// False after an error that came in the middle of a batch.
    whole: bool,
}

impl Staged {
    /// A block after this head.
    pub(crate) fn new(head: &Head) -> Self {
        Self {
            first_entry: head.entry_count,
            first_tx_num: TxNum(head.leaf_count),
            last_tx_num: None,
            values: Vec::new(),
            whole: true,
        }
    }

    pub(crate) fn write(&mut self, draft: &mut Draft<'_>, batch: &StateBatch) -> Result<(), Error> {
        if !self.whole {
            return Err(Error::Poisoned);
        }
        if batch.tx_num < self.first_tx_num {
            return Err(Error::OutsideBlock {
                tx_num: batch.tx_num,
                from: self.first_tx_num,
                to: TxNum(u64::MAX),
            });
        }
        // The log compares with the last entry; a batch that changed nothing left none.
        if let Some(last) = self.last_tx_num.filter(|last| *last >= batch.tx_num) {
            let found = batch.tx_num;
            return Err(BatchError::TxNum { found, last }.into());
        }
        let (first, values) = (self.first_entry, &mut self.values);
        let applied = draft.log.apply(batch, first, values, draft.workers);
        self.whole = matches!(applied, Ok(()) | Err(Error::Batch(_)));
        applied?;
        self.last_tx_num = Some(batch.tx_num);
        Ok(())
    }

    /// The root now.
    fn root(&mut self, draft: &mut Draft<'_>) -> Result<B256, Error> {
        let root = draft.log.root_with(draft.hasher, draft.workers);
        // What it did not get to hash would be missing from the next one.
        self.whole &= root.is_ok();
        root
    }

    /// Applies batches, and returns the root after each.
    fn apply_all(
        &mut self,
        draft: &mut Draft<'_>,
        batches: &[StateBatch],
    ) -> Result<Vec<B256>, Error> {
        let mut steps: Vec<Step> = Vec::with_capacity(batches.len());
        for batch in batches {
            if let Err(error) = self.write(draft, batch) {
                self.whole = false;
                return Err(error);
            }
            steps.push(draft.log.take_step());
        }
        self.whole = false;
        let roots = draft.log.roots(draft.hasher, draft.workers, &steps)?;
        self.whole = true;
        Ok(roots)
    }

    /// The root after the block and the entries that it appends, once it is known to have so many
    /// leaves.
    pub(crate) fn finish(self, draft: &mut Draft<'_>, leaves: usize) -> Result<Finished, Error> {
        if !self.whole {
            return Err(Error::Poisoned);
        }
        let from = self.first_tx_num;
        let to = TxNum(from.0.saturating_add(leaves as u64));
        if let Some(tx_num) = self.last_tx_num.filter(|last| *last >= to) {
            return Err(Error::OutsideBlock { tx_num, from, to });
        }
        let root = draft.log.root_with(draft.hasher, draft.workers)?;
        let log = &*draft.log;
        let new = (self.first_entry..log.entry_count()).map(EntryId);
        let entries = new.map(|id| log.entry_bytes(id));
        Ok(Finished {
            entries: entries.collect::<Result<_, _>>()?,
            values: self.values,
            root,
        })
    }
}

/// What a block did to the state log, as the journal says it.
#[derive(Debug)]
pub(crate) struct Finished {
    /// After it.
    pub(crate) root: B256,
    entries: Vec<[u8; LEAF_LEN]>,
    values: Vec<u8>,
}

impl Finished {
    pub(crate) fn part(&self) -> EntryPart<'_> {
        EntryPart {
            entries: &self.entries,
            values: &self.values,
        }
    }
}

impl<'a> StagedBlock<'a> {
    pub(crate) fn new(db: &'a mut Db, number: u64, staged: Staged) -> Self {
        Self { db, number, staged }
    }

    /// First transaction number of the block.
    #[must_use]
    pub fn first_tx_num(&self) -> TxNum {
        self.staged.first_tx_num
    }

    /// The state root now: before the first write that is still to come.
    ///
    /// # Errors
    /// [`Error::Segment`] if an entry cannot be read.
    pub fn state_root(&mut self) -> Result<B256, Error> {
        let staged = &mut self.staged;
        self.db.writer_mut()?.on_draft(|draft| staged.root(draft))
    }

    /// Applies what a transaction writes, without asking for the root after it. Many of these and
    /// one root cost less than a root for each.
    ///
    /// # Errors
    /// [`Error::Batch`] if the batch breaks a rule, [`Error::OutsideBlock`] if its transaction is
    /// in an earlier block: then nothing of it was applied. Others if an entry cannot be read, and
    /// [`Error::Poisoned`] from this block from then on; drop it and begin again.
    pub fn write(&mut self, batch: &StateBatch) -> Result<(), Error> {
        let staged = &mut self.staged;
        let writer = self.db.writer_mut()?;
        writer.on_draft(|draft| staged.write(draft, batch))
    }

    /// Applies what a transaction writes, and returns the state root after it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn apply(&mut self, batch: &StateBatch) -> Result<B256, Error> {
        self.write(batch)?;
        self.state_root()
    }

    /// Applies what many transactions write, and returns the state root after each of them.
    ///
    /// The same as [`apply`](Self::apply) one after the other, for less: what the roots do not share
    /// is hashed side by side. Fit for blocks that are executed first and get their leaves then.
    ///
    /// # Errors
    /// As [`write`](Self::write), for the first batch that fails; those before it may have been
    /// applied, and this block answers [`Error::Poisoned`] from then on.
    pub fn apply_all(&mut self, batches: &[StateBatch]) -> Result<Vec<B256>, Error> {
        let staged = &mut self.staged;
        let writer = self.db.writer_mut()?;
        writer.on_draft(|draft| staged.apply_all(draft, batches))
    }

    /// The value of a key after what was applied so far.
    ///
    /// # Errors
    /// [`Error::Segment`] if an entry cannot be read.
    pub fn get(&self, key: &B256) -> Result<Option<Vec<u8>>, Error> {
        self.db.writer()?.staged_log()?.get(key, None)
    }

    /// Commits the block: its leaves and its writes together, all or nothing. `tx_hashes` has one
    /// hash for each leaf, or none at all.
    ///
    /// # Errors
    /// [`Error::OutsideBlock`] if there is no leaf for a transaction that wrote; others as
    /// [`Db::append`].
    pub fn commit(
        self,
        leaves: &[qmtree_proofs::LeafPayload],
        tx_hashes: &[B256],
    ) -> Result<Head, Error> {
        let Self { db, number, staged } = self;
        let block = Block::new(number, leaves).with_tx_hashes(tx_hashes);
        db.append_staged(&block, staged)
    }
}
