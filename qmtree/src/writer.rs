//! The one writer: its state, its journal, and the rule that a failure stops it.

use crate::commit::Scratch;
use crate::error::Error;
use crate::feeder::{Feeder, lower};
use crate::observe;
use crate::open::Opened;
use crate::options::{Durability, Options, TxIndex};
use crate::seal::{SealedEntries, Sealing, Written};
use crate::staged::Staged;
use crate::state::State;
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
    pub(crate) state: State,
    pub(crate) sealing: Option<Sealing<Written>>,
    /// The state that is being synced with the segment, for the index.
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
    poisoned: bool,
    pub(crate) touched: bool,
    _lock: DatabaseLock,
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
            poisoned: false,
            touched: false,
            _lock: lock,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The state log for the next block to write to.
    pub(crate) fn stage(&self, block_number: u64) -> Result<Staged, Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let State {
            head, any_block, ..
        } = &self.state;
        let expected = head.block_number.saturating_add(1);
        if *any_block && block_number != expected {
            let found = block_number;
            return Err(Error::Gap { expected, found });
        }
        let log = self.state.state_log.clone();
        Ok(Staged::new(log, head, self.workers.clone()))
    }

    /// Runs an operation. If it fails after it began to write, the disk may hold more or less than
    /// the state says, and nothing is written any more.
    pub(crate) fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        self.touched = false;
        // If it panics, nobody comes back here to say that all is well.
        self.poisoned = true;
        self.check_sealing()?;
        let result = operation(self);
        self.poisoned = self.touched && result.is_err();
        if self.poisoned {
            observe::poisoned();
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
            self.feed(self.state.clone());
        }
    }

    /// Leaves a state, whose blocks are durable, to the index.
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
