//! From files to segments of entries.

use super::super::import::failed;
use super::super::plan::{Plan, Progress, advance};
use super::super::refusal::SnapshotRefusal;
use super::ends::BlockEnds;
use super::tail::{push, root};
use super::{StateFiles, StateTail};
use crate::error::Error;
use crate::open::Opened;
use crate::state_log::StateLog;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{TWIG_LEAVES, TwigId};
use qmtree_storage::{
    EntrySegment, SealedValue, is_entry_file, list_entry_segments, write_live_segment,
};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The blocks whose state roots are compared.
#[derive(Clone, Copy, Debug)]
pub(in crate::snapshot) enum Blocks {
    /// All that the files list, where all entries are taken.
    All,
    /// Those behind the whole twigs of the execution log, where no others are taken.
    OfTail,
}

/// What was made of the whole twigs, and the entries for the journal.
#[derive(Debug)]
pub(in crate::snapshot) struct ImportedState {
    /// Entries in segments.
    pub(in crate::snapshot) sealed: u64,
    /// The root of so many.
    pub(in crate::snapshot) sealed_root: B256,
    pub(in crate::snapshot) tail: StateTail,
    pub(in crate::snapshot) compaction: Compaction,
}

impl StateFiles<'_> {
    /// Writes the segments, which were verified. Those of whole twigs that are there already are
    /// taken over, if they have the same entries.
    pub(in crate::snapshot) fn import(
        &self,
        opened: &Opened,
        plan: &Plan,
        size: u64,
        progress: &Progress,
        blocks: Blocks,
    ) -> Result<ImportedState, Error> {
        let hasher = &plan.hasher;
        let tail = self.tail(hasher)?;
        let mut ends = match (self.live, blocks) {
            (None, Blocks::All) => BlockEnds::all(plan)?,
            _ => BlockEnds::of_tail(plan)?,
        };
        let mut log = match self.live {
            Some(_) => self.write_live(opened, hasher, size, &tail, progress)?,
            None => self.write_whole(opened, hasher, size, progress, &mut ends)?,
        };
        let sealed = log.entry_count();
        let sealed_root = root(&mut log, hasher)?;
        tail.follow(&mut log, hasher, &mut ends)?;
        let (derived, trusted) = (log.root(hasher)?, self.head.state_root);
        if derived != trusted || log.entry_count() != self.head.entry_count {
            return self.refuse(SnapshotRefusal::StateRoot { derived, trusted });
        }
        Ok(ImportedState {
            sealed,
            sealed_root,
            tail,
            compaction: self.compaction(),
        })
    }

    /// Follows all entries, and seals them as a database does that appends them. After each block
    /// that its file lists, entry count and state root must be those of the file.
    ///
    /// Of segments that are there already the entries are followed as well, for the sake of the blocks.
    fn write_whole(
        &self,
        opened: &Opened,
        hasher: &Hasher,
        size: u64,
        progress: &Progress,
        ends: &mut BlockEnds<'_>,
    ) -> Result<StateLog, Error> {
        let mut kept = self.keep_same(opened, size)?.into_iter();
        let mut log = StateLog::from_segments(Vec::new(), None, self.compaction())?;
        for twigs in chunks(0..self.twigs, size) {
            for twig in twigs.clone() {
                let read = self.twig(hasher, twig)?;
                let mut values = read.values;
                for (entry_id, entry) in &read.entries {
                    ends.check(&mut log, hasher, Some(entry))?;
                    push(&mut log, *entry_id, entry, values.remove(entry_id))?;
                }
                advance(progress, TWIG_LEAVES);
            }
            log.root(hasher)?;
            let count = twigs.end - twigs.start;
            let (disk, folder) = (&*opened.disk, &opened.segments);
            let segment = match kept.next() {
                Some(segment) => segment,
                None => log.write_segment(disk, folder, opened.identity, count)?,
            };
            log.install(segment);
        }
        Ok(log)
    }

    /// Writes what is live.
    fn write_live(
        &self,
        opened: &Opened,
        hasher: &Hasher,
        size: u64,
        tail: &StateTail,
        progress: &Progress,
    ) -> Result<StateLog, Error> {
        remove_entry_files(opened)?;
        let (disk, folder) = (&*opened.disk, &opened.segments);
        let mut segments = Vec::new();
        for twigs in chunks(0..self.twigs, size) {
            let first = twigs.start;
            let read = twigs.into_par_iter().map(|twig| self.twig(hasher, twig));
            let (mut values, mut openings) = (Vec::new(), Vec::new());
            for read in read.collect::<Result<Vec<_>, _>>()? {
                values.extend(read.values.into_iter().map(|(entry, bytes)| SealedValue {
                    entry,
                    owner: entry,
                    bytes: Some(bytes),
                }));
                openings.extend(read.opening);
                advance(progress, TWIG_LEAVES);
            }
            let earliest = tail.first_tx_num();
            let identity = opened.identity;
            let path =
                write_live_segment(disk, folder, identity, first, &openings, &values, earliest)?;
            segments.push(Arc::new(EntrySegment::open(disk, &path, identity)?));
        }
        StateLog::from_segments(segments, None, self.compaction())
    }

    /// Segments that an import which was cut off has written, if they have the entries of these
    /// files; else none are left.
    fn keep_same(&self, opened: &Opened, size: u64) -> Result<Vec<EntrySegment>, Error> {
        let listed = list_entry_segments(&*opened.disk, &opened.segments, opened.identity);
        let segments: Vec<_> = match listed {
            Ok(listed) => listed.segments,
            Err(_) => Vec::new(),
        };
        let is_same = |segment: &EntrySegment| {
            let Range { start, end } = segment.twigs();
            let mut twigs = start.0..end.0;
            segment.earliest().is_none()
                && start.0.is_multiple_of(size)
                && end.0 == (start.0 + size).min(self.twigs)
                && segment.check().is_ok()
                && twigs.all(|twig| self.has_same(segment, twig))
        };
        if !segments.is_empty() && segments.par_iter().all(is_same) {
            return Ok(segments);
        }
        remove_entry_files(opened)?;
        Ok(Vec::new())
    }

    fn has_same(&self, segment: &EntrySegment, twig: u64) -> bool {
        let word = self.file(twig).map(|file| file.entries_word(twig).ok());
        let (Ok(Some(word)), Ok(entries)) = (word, segment.twig_entries(TwigId(twig))) else {
            return false;
        };
        entries
            .iter()
            .map(|(_, entry)| *entry)
            .eq(word.as_chunks().0)
    }
}

fn remove_entry_files(opened: &Opened) -> Result<(), Error> {
    let (disk, folder) = (&*opened.disk, &opened.segments);
    for name in disk.list(folder).map_err(failed(folder))? {
        if is_entry_file(&name) {
            let path = folder.join(name);
            disk.remove(&path).map_err(failed(&path))?;
        }
    }
    disk.sync_dir(folder).map_err(failed(folder))
}

/// Runs of `size` twigs, each from a multiple of it.
fn chunks(twigs: Range<u64>, size: u64) -> impl Iterator<Item = Range<u64>> {
    let size = size.max(1);
    let starts = (twigs.start / size * size..twigs.end).step_by(usize::try_from(size).unwrap_or(1));
    let runs = starts.map(move |start| start.max(twigs.start)..(start + size).min(twigs.end));
    // All of the first run may be there.
    runs.filter(|run| !run.is_empty())
}
