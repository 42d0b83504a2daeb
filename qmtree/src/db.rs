//! Creating, opening and closing a database.

use crate::block::Block;
use crate::checkpoint::checkpoint_of_files;
use crate::error::Error;
use crate::observe;
use crate::open::{Opened, create_files, identity_of, recover_state};
use crate::options::Options;
use crate::published::{Published, Reader};
use crate::staged::{Staged, StagedBlock};
use crate::state::State;
use crate::tx_index::SharedIndex;
use crate::view::View;
use crate::writer::{Writer, start_feeder};
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Head, LeafPayload, TxNum};
use qmtree_storage::{CheckpointError, Disk, Identity, JournalWriter, RealDisk, lock_database};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// An open database: the one writer, or a reader of what is on disk.
///
/// The folder is docs/FORMAT.md, section 5. Dropping a database closes it without a last sync;
/// [`close`](Self::close) says whether everything is durable.
#[derive(Debug)]
pub struct Db {
    published: Published,
    writer: Option<Writer>,
    opened: Opened,
}

/// How far an index of transactions is. The log has the answers that it lacks, only slower.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TxIndexStatus {
    /// Leaves of the log that are in the index.
    pub leaf_count: u64,
    /// Why it is not used any more, if it failed. [`Db::reindex`] makes another.
    pub error: Option<Arc<Error>>,
}

impl Db {
    /// Makes a database in `dir`, which must be empty or not there yet, and opens it.
    ///
    /// # Errors
    /// [`Error::NotEmpty`]; [`Error::Io`] and others as the disk says.
    pub fn create(
        dir: impl AsRef<Path>,
        identity: Identity,
        options: Options,
    ) -> Result<Self, Error> {
        Self::create_on(Arc::new(RealDisk), dir.as_ref(), identity, options)
    }

    /// [`create`](Self::create) on a disk of the caller's.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        identity: Identity,
        options: Options,
    ) -> Result<Self, Error> {
        Self::create_compacting(disk, dir, identity, Compaction::OFF, options)
    }

    /// [`create`](Self::create) with a rule of compaction for the state log.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_with(
        dir: impl AsRef<Path>,
        identity: Identity,
        compaction: Compaction,
        options: Options,
    ) -> Result<Self, Error> {
        let disk = Arc::new(RealDisk);
        Self::create_compacting(disk, dir.as_ref(), identity, compaction, options)
    }

    /// [`create_on`](Self::create_on) with a rule of compaction for the state log, which cannot be
    /// changed later: every node that wants the same roots needs the same rule. Without one,
    /// history of the state cannot be pruned.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_compacting(
        disk: Arc<dyn Disk>,
        dir: &Path,
        identity: Identity,
        compaction: Compaction,
        options: Options,
    ) -> Result<Self, Error> {
        create_files(&disk, dir, identity, compaction)?;
        Self::open_on(disk, dir, options)
    }

    /// Opens a database for writing, and repairs what a crash left behind: records and files that
    /// never were committed are dropped.
    ///
    /// # Errors
    /// [`Error::Unimported`] if an import into the folder has to be finished first;
    /// [`Error::Lock`] if another process writes to it; [`Error::Header`], [`Error::Journal`],
    /// [`Error::Segment`] or [`Error::MissingLeaves`] if a file is foreign, damaged or missing, in
    /// which case nothing is modified.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        Self::open_on(Arc::new(RealDisk), dir.as_ref(), options)
    }

    /// [`open`](Self::open) on a disk of the caller's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<Self, Error> {
        let identity = identity_of(&*disk, dir)?;
        let lock = lock_database(&*disk, dir)?;
        let opened = Opened::new(disk, dir, identity);
        let recovered = observe::recover(dir, || recover_state(&opened))?;
        opened.remove_orphans(&recovered.orphans)?;
        let mut journal = JournalWriter::resume(Arc::clone(&opened.disk), recovered.journal)?;
        // A segment may have been written, and the process ended before its files went.
        let sealed = recovered.state.state_log.sealed_entries();
        journal.remove_until(recovered.state.sealed_leaves(), sealed)?;
        let index = Arc::new(SharedIndex::open(&opened, options.tx_index));
        let state = State {
            tx_index: Some(Arc::clone(&index)),
            ..recovered.state
        };
        let feeder = start_feeder(&index)?;
        if let Some(feeder) = &feeder {
            feeder.feed(state.without_state_log(), None);
        }
        let published = Published::new(state.clone());
        observe::published(&state, Some(journal.file_len()));
        let writer = Writer::new(opened.clone(), options, lock, journal, state, feeder);
        Ok(Self {
            published,
            writer: Some(writer),
            opened,
        })
    }

    /// Opens a database as it is on disk, for reading only, beside a writer or without one.
    ///
    /// It does not follow the writer: open it again to see newer blocks.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for the lock, which it does not need.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let (disk, dir) = (Arc::new(RealDisk), dir.as_ref());
        let identity = identity_of(&*disk, dir)?;
        let opened = Opened::new(disk, dir, identity);
        let state = observe::recover(dir, || retry(|| recover_state(&opened)))?.state;
        observe::published(&state, None);
        Ok(Self {
            published: Published::new(state),
            writer: None,
            opened,
        })
    }

    /// A reader of a state that was made elsewhere.
    pub(crate) fn reading(opened: Opened, state: State) -> Self {
        Self {
            published: Published::new(state),
            writer: None,
            opened,
        }
    }

    pub(crate) fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Runs a writing operation and publishes the state after it; for the modules beside this one.
    pub(crate) fn write_with<T>(
        &mut self,
        operation: impl FnOnce(&mut Writer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.write(operation)
    }

    /// Whose database this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.opened.identity
    }

    /// The log as it is now.
    ///
    /// After a block that was staged and not committed, the first view costs about what that block
    /// did.
    ///
    /// # Panics
    /// If a block's writes to the state panicked before, and that panic was caught: as a lock does
    /// that is poisoned.
    #[must_use]
    pub fn view(&self) -> View {
        self.whole().view()
    }

    /// A handle that gives views to other threads. It has a price: see [`Reader`].
    ///
    /// # Panics
    /// As [`view`](Self::view).
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.whole().clone()
    }

    /// The head of the log.
    #[must_use]
    pub fn head(&self) -> Head {
        self.published.head()
    }

    /// How the index of transactions is doing.
    #[must_use]
    pub fn tx_index(&self) -> TxIndexStatus {
        let state = self.whole().state();
        let index = state.tx_index.as_ref();
        TxIndexStatus {
            leaf_count: index.map_or(0, |index| index.covered().leaf_count),
            error: index.and_then(|index| index.error()),
        }
    }

    /// Builds the index of transactions and that of the state's keys anew from the logs, and waits
    /// until they hold all of them.
    ///
    /// Costs about a microsecond for each transaction and for each entry of the state log. The logs
    /// are not changed; lookups go on, and search the log of transactions meanwhile.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::Reindex`] or [`Error::CheckState`] if one cannot be built,
    /// [`Error::Journal`] if the disk fails, and [`Error::Poisoned`] from then on.
    pub fn reindex(&mut self) -> Result<(), Error> {
        self.write(Writer::reindex)
    }

    /// Leaves that are in sealed segments; the others are in the journal.
    #[must_use]
    pub fn sealed_leaf_count(&self) -> u64 {
        self.whole().state().sealed_leaves()
    }

    /// Entries of the state log that are in sealed segments; the others are in the journal.
    #[must_use]
    pub fn sealed_entry_count(&self) -> u64 {
        self.whole().state().state_log.sealed_entries()
    }

    /// Entries of the state log that were pruned: the first ones.
    #[must_use]
    pub fn pruned_entry_count(&self) -> u64 {
        self.whole().state().state_log.pruned_entries()
    }

    /// The first transaction after which the state is known; `None` if nothing of it was pruned.
    #[must_use]
    pub fn earliest_state(&self) -> Option<TxNum> {
        self.whole().state().state_log.earliest()
    }

    /// The rule by which old entries of the state log move.
    #[must_use]
    pub fn compaction(&self) -> Compaction {
        self.whole().state().state_log.compaction()
    }

    /// Bytes of the segments of the state log.
    #[must_use]
    pub fn sealed_entry_bytes(&self) -> u64 {
        self.whole().state().state_log.sealed_bytes()
    }

    /// Appends a block, all or nothing, and returns the head after it.
    ///
    /// The first block may have any number; each further one has the next. A block that is in the
    /// log already is not appended again: with the same leaves and transaction hashes its head is
    /// returned. When the block survives a power loss is said by
    /// [`Durability`](crate::Durability).
    ///
    /// # Errors
    /// [`Error::Gap`] or [`Error::Conflict`] if the block does not belong here;
    /// [`Error::TxHashes`] if it does not have one transaction hash for each leaf, or none at all;
    /// [`Error::Batch`] or [`Error::OutsideBlock`] if a batch breaks a rule, after which nothing
    /// has changed;
    /// [`Error::Journal`] if the disk fails, and [`Error::Poisoned`] from then on.
    pub fn append(&mut self, block: &Block<'_>) -> Result<Head, Error> {
        observe::append(block.number, block.leaves.len(), || {
            if block.batches.is_empty() {
                return self.write(|writer| writer.append(block, None));
            }
            let head = self.lend()?.run(|writer| writer.append(block, None))?;
            self.publish();
            Ok(head)
        })
    }

    /// Begins the next block with its writes to the state, whose roots its leaves commit to.
    ///
    /// # Errors
    /// [`Error::ReadOnly`]; [`Error::Poisoned`]; [`Error::Gap`] if the block is not the next one.
    pub fn begin_block(&mut self, block_number: u64) -> Result<StagedBlock<'_>, Error> {
        let staged = self.lend()?.stage(block_number)?;
        Ok(StagedBlock::new(self, block_number, staged))
    }

    pub(crate) fn writer(&self) -> Result<&Writer, Error> {
        self.writer.as_ref().ok_or(Error::ReadOnly)
    }

    pub(crate) fn writer_mut(&mut self) -> Result<&mut Writer, Error> {
        self.writer.as_mut().ok_or(Error::ReadOnly)
    }

    pub(crate) fn append_staged(
        &mut self,
        block: &Block<'_>,
        staged: Staged,
    ) -> Result<Head, Error> {
        observe::append(block.number, block.leaves.len(), || {
            let writer = self.writer_mut()?;
            let head = writer.run_on_staged(|writer| writer.append(block, Some(staged)))?;
            self.publish();
            Ok(head)
        })
    }

    /// Appends a block of leaves without transaction hashes; the same as [`append`](Self::append)
    /// of a [`Block::new`].
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_block(
        &mut self,
        block_number: u64,
        leaves: &[LeafPayload],
    ) -> Result<Head, Error> {
        self.append(&Block::new(block_number, leaves))
    }

    /// Drops all blocks after `block_number`. Costs about as much as is dropped.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::UnwindTooDeep`] if later leaves are sealed;
    /// [`Error::Journal`] if the disk fails, and [`Error::Poisoned`] from then on.
    pub fn unwind_to(&mut self, block_number: u64) -> Result<Head, Error> {
        observe::unwind(block_number, || {
            self.write(|writer| writer.unwind_to(block_number))
        })
    }

    /// Drops the leaves of sealed segments that lie wholly before `block_number`. Old roots,
    /// heads and consistency stay provable. Returns the number of segments pruned.
    ///
    /// Of the state log, segments at the front go that are needed by no state from the one before
    /// `block_number` on, nor by one that can still be unwound to. Where the database has a rule
    /// of [compaction](Self::compaction), that is a matter of time.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::Segment`] if the disk fails, and [`Error::Poisoned`] from
    /// then on.
    pub fn prune_to(&mut self, block_number: u64) -> Result<usize, Error> {
        observe::prune(block_number, || {
            self.write(|writer| writer.prune_to(block_number))
        })
    }

    /// Makes every block durable.
    ///
    /// # Errors
    /// [`Error::Journal`] if the disk fails, and [`Error::Poisoned`] from then on.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.write(Writer::attest)
    }

    /// Makes a backup in the folder `target`, which must not exist: a database of its own, with
    /// every block that there is now. Returns its head.
    ///
    /// Segments and all journal files but the newest are linked where the disk can, so that it
    /// costs little time and room; the newest is copied, and all of it opened once before the
    /// folder gets its name. The two databases then go their own ways. After a crash the target is
    /// there whole or not at all.
    ///
    /// A database that is open for reading only may make one too, also beside a writer in another
    /// process: of the newest blocks on disk then, which may be more than this view of it has.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the target cannot be had or the disk fails there, which leaves this
    /// database as it was; [`Error::Journal`] if the blocks cannot be synced first, and
    /// [`Error::Poisoned`] from then on.
    pub fn checkpoint(&mut self, target: impl AsRef<Path>) -> Result<Head, Error> {
        let target = target.as_ref();
        observe::checkpoint(target, || match &self.writer {
            Some(_) => self.write(|writer| writer.checkpoint(target)),
            None => retry(|| checkpoint_of_files(&self.opened, target, None)),
        })
    }

    /// Derives every hash from the raw leaves and compares it with what is stored; changes nothing.
    ///
    /// Costs all hashes of the log, in lanes.
    ///
    /// # Errors
    /// [`Error::Segment`] or [`Error::Check`] at the first difference.
    pub fn check(&self) -> Result<(), Error> {
        self.check_with(&AtomicU64::new(0))
    }

    /// [`check`](Self::check), adding to `done` the leaves that are checked as it goes on. What is
    /// checked after the leaves, the state log above all, is not counted.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_with(&self, done: &AtomicU64) -> Result<(), Error> {
        let state = self.whole().state();
        observe::check(state.head.leaf_count, || state.check(done))
    }

    /// Makes every block durable and closes the database.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn close(mut self) -> Result<(), Error> {
        match self.writer.take() {
            Some(writer) => writer.close(),
            None => Ok(()),
        }
    }

    /// The writer, for an operation that does nothing to the state log but append to it. Unless others
    /// could see that, it has the log to itself until the next state is published.
    fn lend(&mut self) -> Result<&mut Writer, Error> {
        let writer = self.writer.as_mut().ok_or(Error::ReadOnly)?;
        if writer.can_give_back() {
            self.published.lend();
        }
        Ok(writer)
    }

    /// The published state, with the state log as it was lent.
    fn whole(&self) -> &Reader {
        self.published.reader(|head| {
            let writer = self.writer.as_ref();
            writer.expect("it was lent to a writer").log_at(head)
        })
    }

    /// Runs a writing operation and publishes the state after it. Not of those that
    /// [`lend`](Self::lend) is for: views have the state before it whole, if it fails.
    fn write<T>(
        &mut self,
        operation: impl FnOnce(&mut Writer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.writer()?.check_sound()?;
        self.whole();
        let result = self.writer_mut()?.run(operation)?;
        self.publish();
        Ok(result)
    }

    fn publish(&mut self) {
        if let Some(writer) = &self.writer {
            observe::published(writer.state(), Some(writer.journal.file_len()));
            self.published.publish(writer.state().clone());
        }
    }
}

/// How often a reader looks again before it believes an error.
const READ_ONLY_TRIES: u32 = 5;

/// Reads what a writer in another process may be changing: a file may go between its listing and
/// its reading.
fn retry<T>(read: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let mut tries = 1..READ_ONLY_TRIES;
    let mut first = None;
    loop {
        let error = match read() {
            Err(error) => error,
            read => return read,
        };
        // Other errors of a checkpoint are about its target, not about what is read.
        let may_go = match &error {
            Error::Checkpoint(error) => error.is_missing_file(),
            error => error.may_be_of_a_writer(),
        };
        if may_go && tries.next().is_some() {
            first.get_or_insert(error);
            std::thread::yield_now();
            continue;
        }
        // What an earlier try left behind says less than why it failed.
        let is_left_behind = matches!(error, Error::Checkpoint(CheckpointError::InTheWay { .. }));
        return Err(first.filter(|_| is_left_behind).unwrap_or(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io;

    type Make = fn() -> Error;

    fn missing() -> Error {
        Error::Checkpoint(CheckpointError::Io {
            path: "a".into(),
            action: "link or copy",
            source: io::ErrorKind::NotFound.into(),
        })
    }

    #[test]
    fn what_went_is_looked_for_again_and_what_failed_first_is_told() {
        let run = |errors: &[Make]| {
            let tries = Cell::new(0);
            let read = || {
                let tried = tries.replace(tries.get() + 1);
                errors.get(tried).map_or(Ok(()), |error| Err(error()))
            };
            let result = retry(read).map_err(|error| error.to_string());
            (tries.get(), result)
        };
        let missing: Make = missing;
        let in_the_way: Make = || Error::Checkpoint(CheckpointError::InTheWay { path: "b".into() });
        let refused: Make = || Error::ReadOnly;
        let missing_text = Err(missing().to_string());
        assert_eq!(run(&[]), (1, Ok(())));
        assert_eq!(run(&[missing, missing]), (3, Ok(())));
        assert_eq!(run(&[missing; 9]), (5, missing_text.clone()));
        assert_eq!(run(&[missing, in_the_way]), (2, missing_text));
        assert_eq!(run(&[in_the_way]), (1, Err(in_the_way().to_string())));
        assert_eq!(run(&[missing, refused]), (2, Err(refused().to_string())));
    }
}
