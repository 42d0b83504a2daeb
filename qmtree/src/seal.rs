//! Sealing: complete twigs that are older than the unwind window move into a segment.
//!
//! A segment is written from shared, immutable twigs, so this can happen on a thread of its own
//! while blocks are appended. The thread syncs the journal first: leaves in a segment are never newer
//! than the durable journal.

use crate::error::Error;
use crate::observe;
use crate::open::Opened;
use crate::state::State;
use crate::state_log::StateLog;
use crate::tail::{TWIG_LEN, TailTwig};
use crate::writer::Writer;
use qmtree_proofs::{Digest, PAYLOAD_LEN, TWIG_LEAVES, TwigId};
use qmtree_storage::{
    BlockEnd, EntrySegment, JournalSync, SealableTwig, Segment, SyncedRecords, Tag, write_segment,
};
use std::borrow::Cow;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A segment that is being written, or was, and is not part of the state yet.
///
/// It becomes part of it when the next one is due, or earlier on unwinding, pruning and closing:
/// at a point that the blocks decide, and not the speed of a thread. So one thread or two write
/// the same bytes.
#[derive(Debug)]
pub(crate) enum Sealing<T: Send + 'static> {
    /// On another thread; taken when it is waited for.
    Running(Option<JoinHandle<Result<T, Error>>>),
    /// Written by this one; taken likewise.
    Written(Option<T>),
}

impl<T: Send + 'static> Sealing<T> {
    fn start(
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
        parallel: bool,
    ) -> Result<Self, Error> {
        if parallel {
            let thread = std::thread::Builder::new().name("qmtree-seal".to_owned());
            let thread = thread.spawn(job).map_err(|source| Error::Thread {
                action: "seal a segment",
                source,
            })?;
            Ok(Self::Running(Some(thread)))
        } else {
            job().map(|segment| Self::Written(Some(segment)))
        }
    }

    /// True if waiting for it takes no time.
    fn is_done(&self) -> bool {
        match self {
            Self::Running(thread) => thread.as_ref().is_none_or(JoinHandle::is_finished),
            Self::Written(_) => true,
        }
    }

    /// What was written, kept until it is waited for again.
    fn ended(self) -> Result<Self, Error> {
        self.wait().map(|written| Self::Written(Some(written)))
    }

    fn wait(mut self) -> Result<T, Error> {
        match &mut self {
            Self::Running(thread) => {
                let joined = thread.take().map(JoinHandle::join);
                // A panic of the thread leaves the segment in doubt, like a failed write.
                joined.and_then(Result::ok).unwrap_or(Err(Error::Poisoned))
            }
            Self::Written(segment) => segment.take().ok_or(Error::Poisoned),
        }
    }
}

/// A database that is dropped without being closed still waits: the lock must outlive the thread,
/// or the next writer would meet it at work.
impl<T: Send + 'static> Drop for Sealing<T> {
    fn drop(&mut self) {
        if let Self::Running(thread) = self {
            // The segment is whole or absent, and the next opening finds out which.
            let _ = thread.take().map(JoinHandle::join);
        }
    }
}

/// What a thread made that sealed entries.
#[derive(Debug)]
pub(crate) struct SealedEntries {
    segment: EntrySegment,
    /// True if there is a file of keys up to the end of the segment.
    has_keys: bool,
}

/// Writes the next segment of the state log, and now and then its keys.
fn seal_entries(log: &StateLog, opened: &Opened, twigs: u64) -> Result<SealedEntries, Error> {
    let Opened {
        disk,
        segments,
        identity,
        ..
    } = opened;
    let segment = log.write_segment(&**disk, segments, *identity, twigs)?;
    let end = segment.entries().end.0;
    // Half as many entries as there are keys: an eighth of a byte more for each byte of entries.
    let has_keys = log.keys_are_due(end, 2);
    if has_keys {
        log.write_keys(&**disk, segments, *identity, end)?;
    }
    Ok(SealedEntries { segment, has_keys })
}

/// Everything that goes into a segment.
#[derive(Debug)]
struct Job {
    /// Comes first.
    sync: Option<JournalSync>,
    opened: Opened,
    twigs: Vec<SealedTwig>,
    first_block: u64,
    blocks: Vec<BlockEnd>,
}

/// A twig of the tail, with its place in the log.
#[derive(Debug)]
struct SealedTwig {
    twig_id: TwigId,
    previous_leaf_hash: Digest,
    twig: Arc<TailTwig>,
}

impl SealableTwig for SealedTwig {
    fn twig_id(&self) -> TwigId {
        self.twig_id
    }

    fn previous_leaf_hash(&self) -> Digest {
        self.previous_leaf_hash
    }

    fn payload_pieces(&self) -> impl Iterator<Item = &[[u8; PAYLOAD_LEN]]> {
        self.twig.payload_pieces()
    }

    fn tags(&self) -> Option<Cow<'_, [Tag]>> {
        self.twig.tags().map(Cow::Owned)
    }

    fn node(&self, level: u32, index: u64) -> Option<Digest> {
        self.twig.node(level, usize::try_from(index).ok()?).copied()
    }
}

/// A segment, and what of the journal was synced for it.
#[derive(Debug)]
pub(crate) struct Written {
    segment: Segment,
    synced: Option<SyncedRecords>,
}

impl Job {
    fn run(mut self) -> Result<Written, Error> {
        let sync = self.sync.take().map(|sync| observe::sync(|| sync.run()));
        let synced = sync.transpose()?;
        let first_twig = self.twigs.first().map_or(0, |twig| twig.twig_id.0);
        let segment = observe::seal(first_twig, self.twigs.len(), || self.write())?;
        Ok(Written { segment, synced })
    }

    fn write(&self) -> Result<Segment, Error> {
        let Opened {
            disk,
            identity,
            segments,
            ..
        } = &self.opened;
        let path = write_segment(
            &**disk,
            segments,
            *identity,
            &self.twigs,
            self.first_block,
            &self.blocks,
        )?;
        Ok(Segment::open(&**disk, &path, *identity)?)
    }
}

impl Writer {
    /// Starts whatever sealing is due; at most one segment is being written at a time.
    pub(crate) fn seal_if_due(&mut self) -> Result<(), Error> {
        let size = self.options.segment_twigs.max(1);
        loop {
            let in_flight = if self.sealing.is_some() { size } else { 0 };
            if self.sealable_twigs() < in_flight + size {
                return Ok(());
            }
            self.finish_sealing_leaves()?;
            self.touch();
            let job = self.next_job()?;
            if self.feeder.is_some() && job.sync.is_some() {
                self.being_synced = Some(self.state.without_state_log());
            }
            self.sealing = Some(Sealing::start(|| job.run(), self.options.parallel)?);
        }
    }

    /// Fails if a segment that was being written could not be. One that was written stays as it is:
    /// when it becomes part of the state is for the blocks to decide.
    pub(crate) fn check_sealing(&mut self) -> Result<(), Error> {
        if let Some(sealing) = self.sealing.take_if(|sealing| sealing.is_done()) {
            self.sealing = Some(sealing.ended()?);
        }
        if let Some(sealing) = self.entry_sealing.take_if(|sealing| sealing.is_done()) {
            self.entry_sealing = Some(sealing.ended()?);
        }
        Ok(())
    }

    /// The same for the entries of the state log.
    pub(crate) fn seal_entries_if_due(&mut self) -> Result<(), Error> {
        let size = self.options.segment_twigs.max(1);
        loop {
            let in_flight = if self.entry_sealing.is_some() {
                size
            } else {
                0
            };
            let sealed = self.state.state_log.sealed_entries();
            let cutoff = self.cutoff().map_or(0, |end| end.entry_count);
            if cutoff.saturating_sub(sealed) / TWIG_LEAVES < in_flight + size {
                return Ok(());
            }
            self.finish_sealing_entries()?;
            self.touch();
            self.sync()?;
            let (log, opened) = (self.state.state_log.clone(), self.opened.clone());
            let job = move || seal_entries(&log, &opened, size);
            self.entry_sealing = Some(Sealing::start(job, self.options.parallel)?);
        }
    }

    fn finish_sealing_entries(&mut self) -> Result<(), Error> {
        let Some(sealing) = self.entry_sealing.take() else {
            return Ok(());
        };
        let touched = self.touched;
        self.touch();
        let SealedEntries { segment, has_keys } = sealing.wait()?;
        let end = segment.entries().end.0;
        let state_log = &mut self.state.state_log;
        state_log.install(segment);
        if has_keys {
            state_log.set_keys_covered(end);
        }
        self.remove_journal_files()?;
        self.touched = touched;
        Ok(())
    }

    /// Unlinks journal files of which everything is sealed.
    pub(crate) fn remove_journal_files(&mut self) -> Result<(), Error> {
        let State { state_log, .. } = &self.state;
        let (leaves, entries) = (self.state.sealed_leaves(), state_log.sealed_entries());
        self.journal.remove_until(leaves, entries)?;
        Ok(())
    }

    /// Waits for the segments that are being written, and makes them part of the state.
    pub(crate) fn finish_sealing(&mut self) -> Result<(), Error> {
        self.finish_sealing_entries()?;
        self.finish_sealing_leaves()
    }

    fn finish_sealing_leaves(&mut self) -> Result<(), Error> {
        match self.sealing.take() {
            Some(sealing) => {
                let touched = self.touched;
                self.touch();
                let Written { segment, synced } = sealing.wait()?;
                if let Some(synced) = synced {
                    self.journal.note_synced(synced);
                }
                if let Some(state) = self.being_synced.take() {
                    self.feed(state);
                }
                self.install(segment)?;
                self.touched = touched;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Complete twigs that end before the youngest block that cannot be unwound any more ends.
    ///
    /// The strict bound makes sure that blocks without leaves right behind a sealed twig are known
    /// when it is sealed, and so are listed in its segment.
    fn sealable_twigs(&self) -> u64 {
        let cutoff = self.cutoff().map_or(0, |end| end.leaf_count);
        debug_assert!(cutoff <= self.state.head.leaf_count);
        (cutoff.saturating_sub(1) / TWIG_LEAVES).saturating_sub(self.state.sealed_twigs())
    }

    /// Where the youngest block ends that cannot be unwound any more.
    fn cutoff(&self) -> Option<BlockEnd> {
        let blocks = &self.state.blocks;
        let back = usize::try_from(self.options.unwind_window_blocks).unwrap_or(usize::MAX);
        let place = blocks.len().checked_sub(1)?.checked_sub(back)?;
        blocks.get(place).copied()
    }

    fn next_job(&mut self) -> Result<Job, Error> {
        let sync = self.journal.sync_later()?;
        let state = &self.state;
        let first_twig = state.sealed_twigs();
        let count = self.options.segment_twigs.max(1);
        let end = (first_twig + count) * TWIG_LEAVES;
        let mut previous_leaf_hash = state.sealed.end();
        let twigs = state
            .twigs
            .iter()
            .zip((first_twig..first_twig + count).map(TwigId));
        let twigs = twigs.map(|(twig, twig_id)| {
            let last = twig.node(0, TWIG_LEN - 1).copied().unwrap_or_default();
            let previous_leaf_hash = std::mem::replace(&mut previous_leaf_hash, last);
            SealedTwig {
                twig_id,
                previous_leaf_hash,
                twig: Arc::clone(twig),
            }
        });
        let listed = state
            .blocks
            .iter()
            .take_while(|block| block.leaf_count <= end);
        Ok(Job {
            sync,
            opened: self.opened.clone(),
            twigs: twigs.collect(),
            first_block: state.first_tail_block().unwrap_or_default(),
            blocks: listed.copied().collect(),
        })
    }

    /// Puts a written segment in the place of the twigs it was made from.
    fn install(&mut self, segment: Segment) -> Result<(), Error> {
        let state = &mut self.state;
        let listed = segment.blocks();
        let blocks = usize::try_from(listed.end - listed.start).unwrap_or(usize::MAX);
        state.blocks = state.blocks.iter().skip(blocks).copied().collect();
        observe::sealed(segment.twig_count() * TWIG_LEAVES);
        let twigs = usize::try_from(segment.twig_count()).unwrap_or(usize::MAX);
        let sealed = state.twigs.iter().take(twigs).cloned().collect();
        state.twigs.skip_front(twigs);
        state.spare.retire(sealed);
        Arc::make_mut(&mut state.sealed).push(Arc::new(segment));
        self.remove_journal_files()
    }
}
