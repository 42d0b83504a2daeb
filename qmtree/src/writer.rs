//! The one writer: its state, its journal, and the rule that a failure stops it.

use crate::commit::Scratch;
use crate::error::Error;
use crate::feeder::{Feeder, lower};
use crate::observe;
use crate::open::Opened;
use crate::options::{Durability, Options, TxIndex};
use crate::seal::{SealedEntries, Sealing, Written};
use crate::staged::{Draft, Staged};
use crate::state::State;
use crate::state_log::StateLog;
use crate::tx_index::{Content, SharedIndex};
use crate::view::View;
use crate::workers::Workers;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Head, TxNum};
use qmtree_storage::{DatabaseLock, JournalError, JournalState, JournalWriter, prune_segment};
use std::sync::Arc;

/// What changes a database. Everything it does goes through [`run`](Self::run).
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) opened: Opened,
    pub(crate) options: Options,
    pub(crate) hasher: Hasher,
    pub(crate) journal: JournalWriter,
    /// Its log of entries goes beyond the head while a block is staged, and until the next operation
    /// if that block came to nothing.
    pub(crate) state: State,
    pub(crate) sealing: Option<Sealing<Written>>,
    /// The state that is being synced with the segment, but for its state log, for the index.
    pub(crate) being_synced: Option<State>,
    pub(crate) entry_sealing: Option<Sealing<SealedEntries>>,
    /// None if there is no index, or it could not be opened.
    pub(crate) feeder: Option<Feeder>,
    /// The lowest block that was unwound to since the index was last fed.
    unwound_to: Option<u64>,
    pub(crate) scratch: Scratch,
    pub(crate) workers: Workers,
    /// Blocks since the last sync, for grouped commits.
    unsynced_blocks: u32,
    condition: Condition,
    pub(crate) touched: bool,
    _lock: DatabaseLock,
}

/// Whether a writer may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// The state is that of the last commit, but for entries beyond its head.
    Sound,
    /// An operation is at work; or one panicked, if this is seen from outside.
    Working,
    /// One failed after it began to write.
    Poisoned,
}

impl Writer {
    pub(crate) fn new(
        opened: Opened,
        options: Options,
        lock: DatabaseLock,
        journal: JournalWriter,
        state: State,
        feeder: Option<Feeder>,
    ) -> Self {
        let hasher = Hasher::new(state.head.profile);
        Self {
            workers: Workers::new(options.parallel),
            opened,
            options,
            hasher,
            journal,
            state,
            sealing: None,
            being_synced: None,
            feeder,
            unwound_to: None,
            entry_sealing: None,
            scratch: Scratch::default(),
            unsynced_blocks: 0,
            condition: Condition::Sound,
            touched: false,
            _lock: lock,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Begins the next block: from now on its writes go to the state log.
    pub(crate) fn stage(&mut self, block_number: u64) -> Result<Staged, Error> {
        self.check_sound()?;
        let expected = self.state.head.block_number.saturating_add(1);
        if self.state.any_block && block_number != expected {
            let found = block_number;
            return Err(Error::Gap { expected, found });
        }
        self.drop_staged()?;
        Ok(Staged::new(&self.state.head))
    }

    /// Does something to the block that is staged. Failing, it may leave entries behind that lack others
    /// of their batch; they go with the block.
    pub(crate) fn on_draft<T>(
        &mut self,
        operation: impl FnOnce(&mut Draft<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.check_sound()?;
        // If it panics, nobody comes back here to say that all is well.
        self.condition = Condition::Working;
        let result = operation(&mut self.draft());
        self.condition = Condition::Sound;
        result
    }

    pub(crate) fn draft(&mut self) -> Draft<'_> {
        Draft {
            log: &mut self.state.state_log,
            hasher: &self.hasher,
            workers: &self.workers,
        }
    }

    /// The state log with what the staged block wrote.
    pub(crate) fn staged_log(&self) -> Result<&StateLog, Error> {
        self.check_sound()?;
        Ok(&self.state.state_log)
    }

    /// Drops the entries of a block that came to nothing.
    fn drop_staged(&mut self) -> Result<(), Error> {
        let entry_count = self.state.head.entry_count;
        let dropped = self.state.state_log.truncate(&self.hasher, entry_count);
        if dropped.is_err() {
            // It reads nothing but memory, so this is a mistake of ours. Nothing may build on it.
            self.condition = Condition::Working;
        }
        dropped
    }

    /// True if [`log_at`](Self::log_at) can make the state log as it is now again, whatever becomes of a
    /// block that is appended meanwhile. Without a window that block's own entries may have been
    /// sealed when a sync fails, and what is sealed is not dropped.
    pub(crate) fn can_give_back(&self) -> bool {
        self.condition == Condition::Sound && self.options.unwind_window_blocks > 0
    }

    /// The state log as it was at an earlier head, from which it was only appended to.
    ///
    /// # Panics
    /// If an operation panicked, so that what it was changing may be in pieces.
    pub(crate) fn log_at(&self, head: &Head) -> StateLog {
        assert!(
            self.condition != Condition::Working,
            "a write to the database panicked: open it again"
        );
        let mut log = self.state.state_log.clone();
        let dropped = log.truncate(&self.hasher, head.entry_count);
        dropped.expect("what is dropped is in memory");
        let root = log.root(&self.hasher).expect("so is what is hashed");
        assert_eq!(
            (log.entry_count(), root),
            (head.entry_count, head.state_root),
            "the state log is not what it was"
        );
        log
    }

    /// Fails if nothing is written any more.
    pub(crate) fn check_sound(&self) -> Result<(), Error> {
        match self.condition {
            Condition::Sound => Ok(()),
            Condition::Working | Condition::Poisoned => Err(Error::Poisoned),
        }
    }

    /// Runs an operation. If it fails after it began to write, the disk may hold more or less than
    /// the state says, and nothing is written any more.
    pub(crate) fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.check_sound()?;
        self.drop_staged()?;
        self.run_on_staged(operation)
    }

    /// The same, with what the staged block wrote.
    pub(crate) fn run_on_staged<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.check_sound()?;
        // If it panics, nobody comes back here to say that all is well.
        self.condition = Condition::Working;
        // That fails only if a file could not be written.
        self.touched = true;
        let result = self.check_sealing().and_then(|()| {
            self.touched = false;
            operation(self)
        });
        self.condition = Condition::Sound;
        if result.is_err() && self.touched {
            observe::poisoned();
            self.condition = Condition::Poisoned;
        } else if result.is_err() {
            self.drop_staged()?;
        }
        result
    }

    /// Says that the operation begins to write: before this, its failure changes nothing.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// A view of the state that the writer works on.
    pub(crate) fn view(&self) -> View {
        View::new(Arc::new(self.state.clone()))
    }

    /// Syncs as often as the durability wants, after a block was committed.
    pub(crate) fn sync_if_due(&mut self) -> Result<(), Error> {
        self.unsynced_blocks = self.unsynced_blocks.saturating_add(1);
        match self.options.durability {
            Durability::Immediate => self.sync(),
            Durability::Grouped { blocks } if self.unsynced_blocks >= blocks => self.sync(),
            Durability::Grouped { .. } | Durability::Buffered => Ok(()),
        }
    }

    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.touch();
        self.sync_journal()?;
        self.synced();
        Ok(())
    }

    pub(crate) fn sync_journal(&mut self) -> Result<(), JournalError> {
        match self.journal.is_durable() {
            true => self.journal.sync(),
            false => observe::sync(|| self.journal.sync()),
        }
    }

    /// Starts another journal file if the newest is long enough. Makes every block durable then.
    pub(crate) fn rotate_if_due(&mut self) -> Result<(), Error> {
        if self.journal.file_len() >= self.options.journal_file_len_bytes {
            self.touch();
            observe::sync(|| self.journal.rotate())?;
            // The file that ends here may hold nothing but what is sealed.
            self.remove_journal_files()?;
            self.synced();
        }
        Ok(())
    }

    /// Everything is durable: the index may know it.
    fn synced(&mut self) {
        self.unsynced_blocks = 0;
        if self.feeder.is_some() {
            // Newer than the one that is being synced.
            self.being_synced = None;
            self.feed(self.state.without_state_log());
        }
    }

    /// Leaves a state, whose blocks are durable, to the index, which keeps it for a while.
    pub(crate) fn feed(&mut self, state: State) {
        if let Some(feeder) = &self.feeder {
            feeder.feed(state, self.unwound_to.take());
        }
    }

    /// Builds the indexes anew, and waits until they hold the whole log.
    pub(crate) fn reindex(&mut self) -> Result<(), Error> {
        self.finish_sealing()?;
        self.attest()?;
        // The log is written; what becomes of an index leaves it as it is.
        self.touched = false;
        let mut state_log = self.state.state_log.reindexed(&self.hasher)?;
        let Opened {
            disk,
            segments,
            identity,
            ..
        } = &self.opened;
        state_log.cover_sealed(&**disk, segments, *identity)?;
        self.state.state_log = state_log;
        let (kind, index) = (self.options.tx_index, self.state.tx_index.clone());
        let Some(index) = index.filter(|_| kind != TxIndex::Off) else {
            return Ok(());
        };
        self.feeder = None;
        index.renew(&self.opened, kind)?;
        self.feeder = start_feeder(&index)?;
        self.synced();
        if let Some(feeder) = &self.feeder {
            feeder.wait();
            feeder.flush()?;
        }
        match index.error() {
            Some(error) => Err(Error::Reindex(error)),
            None => Ok(()),
        }
    }

    /// Syncs, and leaves a record that says so.
    pub(crate) fn attest(&mut self) -> Result<(), Error> {
        self.touch();
        observe::sync(|| self.journal.attest())?;
        self.synced();
        Ok(())
    }

    pub(crate) fn unwind_to(&mut self, block_number: u64) -> Result<Head, Error> {
        // A segment that is being written right now holds leaves older than the window.
        self.finish_sealing()?;
        let end = self.state.block_end(block_number)?;
        if block_number == self.state.head.block_number {
            return Ok(self.state.head);
        }
        let earliest = self.unwind_floor()?;
        if block_number < earliest {
            return Err(Error::UnwindTooDeep {
                block_number,
                earliest,
            });
        }
        let view = self.view();
        let head = view.head_at(block_number)?;
        let last_leaf_hash = match end.leaf_count.checked_sub(1) {
            Some(last) => view.leaf_hash(TxNum(last))?,
            None => B256::ZERO,
        };
        let mut state_log = self.state.state_log.clone();
        state_log.truncate(&self.hasher, end.entry_count)?;
        if state_log.root(&self.hasher)? != end.state_root {
            return Err(Error::CheckState {
                what: "the root of an earlier block",
            });
        }
        self.touch();
        self.journal.append_unwind(JournalState {
            head,
            last_leaf_hash,
            any_block: true,
        })?;
        let dropped = self.state.head.block_number - block_number;
        let blocks = self
            .state
            .blocks
            .len()
            .saturating_sub(usize::try_from(dropped).unwrap_or(usize::MAX));
        self.state.blocks.truncate(blocks);
        self.state.truncate(end.leaf_count);
        self.state.state_log = state_log;
        self.state.head = head;
        self.state.last_leaf_hash = last_leaf_hash.0;
        self.state.unwinds += 1;
        self.unwound_to = lower(self.unwound_to, Some(block_number));
        self.sync_if_due()?;
        observe::unwound(dropped);
        self.rotate_if_due()?;
        Ok(head)
    }

    /// The first block that can be unwound to.
    fn unwind_floor(&self) -> Result<u64, Error> {
        // A segment never forgets a block that it lists, so that block must stay. The blocks after it
        // end behind the sealed leaves.
        let sealed = self.state.state_log.sealed_entries();
        let listed = self.state.sealed.blocks_end();
        let first = self.state.first_block().unwrap_or_default();
        let mut floor = listed.max(first).min(self.state.head.block_number);
        while self.state.block_end(floor)?.entry_count < sealed {
            floor += 1;
        }
        Ok(floor)
    }

    pub(crate) fn prune_to(&mut self, block_number: u64) -> Result<usize, Error> {
        self.finish_sealing()?;
        let first_kept = self.state.block_start(block_number)?;
        let mut pruned = 0;
        for place in 0..self.state.sealed.segments().len() {
            let Some(segment) = self.state.sealed.segments().get(place).map(Arc::clone) else {
                break;
            };
            if segment.leaves().end.0 > first_kept {
                break;
            }
            if !segment.is_pruned() {
                self.touch();
                let segment = prune_segment(&*self.opened.disk, &segment)?;
                Arc::make_mut(&mut self.state.sealed).replace(place, Arc::new(segment));
                pruned += 1;
                observe::pruned_segment();
            }
        }
        Ok(pruned + self.prune_state(first_kept)?)
    }

    /// Drops entries that no state from the one before leaf `first_kept` on needs, or from the
    /// deepest one that the log can still be unwound to, if that is earlier: it may be the head again.
    fn prune_state(&mut self, first_kept: u64) -> Result<usize, Error> {
        let floor = self.state.block_end(self.unwind_floor()?)?.leaf_count;
        let Some(earliest) = first_kept.min(floor).checked_sub(1).map(TxNum) else {
            return Ok(0);
        };
        let segments = self.state.state_log.prunable(earliest)?;
        if segments.is_empty() {
            return Ok(0);
        }
        self.touch();
        let Opened {
            disk,
            segments: folder,
            identity,
            ..
        } = &self.opened;
        let mut log = self.state.state_log.clone();
        // With these the segments need not be read any more when the database is opened.
        log.cover_sealed(&**disk, folder, *identity)?;
        log.prune(&**disk, &segments, earliest)?;
        self.state.state_log = log;
        segments.iter().for_each(|_| observe::pruned_segment());
        Ok(segments.len())
    }

    /// So that the next opening has little to read.
    fn write_keys_if_due(&mut self) -> Result<(), Error> {
        let log = &mut self.state.state_log;
        if log.keys_are_due(log.sealed_entries(), 8) {
            let Opened {
                disk,
                segments,
                identity,
                ..
            } = &self.opened;
            log.cover_sealed(&**disk, segments, *identity)?;
        }
        Ok(())
    }

    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.run(|writer| {
            writer.finish_sealing()?;
            writer.attest()?;
            writer.write_keys_if_due()
        })?;
        if let Some(feeder) = self.feeder.take() {
            feeder.finish(self.state.head.leaf_count);
        }
        Ok(())
    }
}

/// Starts to feed an index, if it is open.
pub(crate) fn start_feeder(index: &Arc<SharedIndex>) -> Result<Option<Feeder>, Error> {
    if !matches!(&*index.content(), Content::Open(_)) {
        return Ok(None);
    }
    let feeder = Feeder::start(Arc::clone(index)).map_err(|source| Error::Thread {
        action: "feed the index",
        source,
    })?;
    Ok(Some(feeder))
}
