//! Files of the state log, beside a trusted head (docs/FORMAT.md, section 10.9).
//!
//! ```text
//! verify   entries, or openings of what is live -> roots over them and active bits -> state root
//! open     the same, then index and active bits; entries and values are read where they lie
//! import   whole twigs -> segments of entries; what is live -> segments of live entries
//!          the entries behind them -> the blocks of the journal, whose state roots must come out
//! ```

mod ends;
mod import;
mod store;
mod tail;
mod twig;
mod verify;

pub(super) use import::{Blocks, ImportedState};
pub(crate) use store::StateStore;
pub(super) use tail::StateTail;

use super::plan::Plan;
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use crate::error::Error;
use qmtree_proofs::{Head, TWIG_LEAVES};
use qmtree_storage::snapshot::{SnapshotContent, SnapshotFile, SnapshotName};
use std::ops::Range;
use std::path::Path;

/// The files of the state log that lead to a head, if what they say is true.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateFiles<'s> {
    set: &'s SnapshotSet,
    head: Head,
    /// Whole twigs before the tail.
    twigs: u64,
    /// What is live of these, if not all of them is taken.
    live: Option<&'s SnapshotFile>,
    tail: &'s SnapshotFile,
}

impl<'s> StateFiles<'s> {
    /// Finds them: all entries, or what is live where that is asked for or some entries are
    /// missing. `None` if the log has no state log.
    pub(super) fn find(plan: &'s Plan, live: bool) -> Result<Option<Self>, SnapshotRefusal> {
        let (set, head) = (&plan.set, plan.head);
        let entry_count = head.entry_count;
        if entry_count == 0 {
            return Ok(None);
        }
        let mut missing = SnapshotRefusal::StateMissing { entry_count };
        for file in files_of(set, SnapshotContent::StateTail) {
            let SnapshotName { from, to, .. } = file.header().name;
            if to != entry_count {
                continue;
            }
            let twigs = from / TWIG_LEAVES;
            let gap = gap(set, twigs);
            let mut alive = files_of(set, SnapshotContent::Live);
            let alive = alive.find(|file| file.header().name.to == twigs);
            let found = Self {
                set,
                head,
                twigs,
                live: alive.filter(|_| live || gap.is_some()),
                tail: file,
            };
            match gap {
                Some(Range { start, end }) if found.live.is_none() => {
                    let (from, to) = (start, end);
                    missing = SnapshotRefusal::StateGap { from, to };
                }
                _ => return Ok(Some(found)),
            }
        }
        Err(missing)
    }

    /// True if there is any file of the state log. Files of the execution log can be verified
    /// without them.
    pub(super) fn any(plan: &Plan) -> bool {
        let mut files = plan.set.files().iter();
        files.any(|file| file.header().name.content.is_state())
    }

    /// The file that has a twig, whole or what is live of it or its front.
    fn file(&self, twig: u64) -> Result<&'s SnapshotFile, SnapshotRefusal> {
        if twig >= self.twigs {
            return Ok(self.tail);
        }
        let whole = |file: &&SnapshotFile| file.header().twigs().contains(&twig);
        let mut files = files_of(self.set, SnapshotContent::State);
        let found = self.live.or_else(|| files.find(whole));
        let (from, to) = (twig, self.twigs);
        found.ok_or(SnapshotRefusal::StateGap { from, to })
    }

    /// True if what is live is taken instead of all entries.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Where these files are.
    pub(super) fn used_files(&self) -> Result<Vec<&'s Path>, SnapshotRefusal> {
        let (mut paths, mut twig) = (vec![self.tail.path()], 0);
        while twig < self.twigs {
            let file = self.file(twig)?;
            paths.push(file.path());
            twig = file.header().twigs().end;
        }
        Ok(paths)
    }

    /// Twigs with any entry.
    fn all_twigs(&self) -> u64 {
        self.head.entry_count.div_ceil(TWIG_LEAVES)
    }

    /// What the files tell in the header.
    fn compaction(&self) -> qmtree_proofs::state::Compaction {
        self.tail.header().compaction
    }

    fn refuse<T>(&self, refusal: SnapshotRefusal) -> Result<T, Error> {
        Err(refusal.into())
    }
}

fn files_of(
    set: &SnapshotSet,
    content: SnapshotContent,
) -> impl Iterator<Item = &SnapshotFile> + Clone {
    let files = set.files().iter();
    files.filter(move |file| file.header().name.content == content)
}

/// The first twigs below `end` that no file has whole.
fn gap(set: &SnapshotSet, end: u64) -> Option<Range<u64>> {
    let names = files_of(set, SnapshotContent::State).map(|file| file.header().name);
    let mut names: Vec<_> = names.collect();
    names.sort();
    let mut at = 0;
    for name in names {
        if name.from > at {
            return (at < end).then(|| at..name.from.min(end));
        }
        at = at.max(name.to);
    }
    (at < end).then_some(at..end)
}
