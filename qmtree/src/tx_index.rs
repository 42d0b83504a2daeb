//! Finding leaves by the hash of their transaction.
//!
//! ```text
//! leaf       0 ............................... covered ............... leaf count of the view
//!            candidates of the index,          | tags of the log,
//!            compared with tags of the log     | one after the other
//! ```
//!
//! The log holds a tag of each transaction, so it has every answer, and the index only makes it
//! fast: what the index does not cover yet, or not any more since it failed, is searched. So it may
//! be fed late, on a thread of its own, and no error of it hurts anything else.

use crate::error::Error;
use crate::open::Opened;
use crate::options::TxIndex;
use crate::state::{Source, State};
use crate::tail::TailTwig;
use qmtree_proofs::{TWIG_LEAVES, TwigId, TxNum};
use qmtree_storage::{Index, MemoryIndex, NO_TAG, Segment, Tag};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// An index, and how much of the log is in it. Shared by whoever feeds it and all views.
#[derive(Debug)]
pub(crate) struct SharedIndex {
    content: RwLock<Content>,
    covered: Mutex<Covered>,
}

/// What there is to ask.
#[derive(Debug)]
pub(crate) enum Content {
    Open(Box<dyn Index>),
    Failed(Arc<Error>),
    /// Off, or the database is closed, whatever view may be left.
    Closed,
}

impl Content {
    fn open(opened: &Opened, kind: TxIndex) -> Self {
        match kind {
            TxIndex::Off => Self::Closed,
            TxIndex::Memory => Self::Open(Box::new(MemoryIndex::new())),
            TxIndex::Disk => match open_on_disk(opened) {
                Ok(index) => Self::Open(index),
                Err(error) => Self::Failed(Arc::new(error)),
            },
        }
    }
}

/// The leaves that are in an index, for those who look at the log after so many unwinds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Covered {
    /// Unwinds before the state that was fed last.
    pub(crate) unwinds: u64,
    /// Leaves of that state.
    pub(crate) leaf_count: u64,
    /// Those among them that cannot be unwound, and so are leaves of every state that has them.
    pub(crate) settled: u64,
}

impl Covered {
    /// How many of the first leaves of a state are in the index.
    fn of(&self, state: &State) -> u64 {
        if self.unwinds == state.unwinds {
            self.leaf_count.min(state.head.leaf_count)
        } else {
            self.settled.min(state.sealed_leaves())
        }
    }
}

impl SharedIndex {
    /// Opens the index of a database. That it cannot be opened is remembered, and hurts nothing.
    pub(crate) fn open(opened: &Opened, kind: TxIndex) -> Self {
        Self {
            content: RwLock::new(Content::open(opened, kind)),
            covered: Mutex::default(),
        }
    }

    /// Removes what there is, and begins anew. The index must be closed.
    ///
    /// # Errors
    /// The store's; [`Error::Index`] also if the folder holds something else.
    pub(crate) fn renew(&self, opened: &Opened, kind: TxIndex) -> Result<(), Error> {
        if kind == TxIndex::Disk {
            remove_from_disk(opened)?;
        }
        self.replace(Content::open(opened, kind));
        Ok(())
    }

    /// Why it failed, if it did.
    pub(crate) fn error(&self) -> Option<Arc<Error>> {
        match &*self.content() {
            Content::Failed(error) => Some(Arc::clone(error)),
            Content::Open(_) | Content::Closed => None,
        }
    }

    // What the locks guard is replaced as a whole, so a panic elsewhere cannot have torn it.
    pub(crate) fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn covered(&self) -> Covered {
        *self.covered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cover(&self, covered: Covered) {
        *self.covered.lock().unwrap_or_else(PoisonError::into_inner) = covered;
    }

    /// Waits for those who are reading it. From then on the log alone has the answers.
    pub(crate) fn replace(&self, content: Content) {
        let mut guard = self.content.write().unwrap_or_else(PoisonError::into_inner);
        self.cover(Covered::default());
        let before = std::mem::replace(&mut *guard, content);
        drop(guard);
        drop(before);
    }

    /// Numbers of leaves with this tag among those that the index covers, and how many these are.
    fn find(
        &self,
        source: &Source<'_>,
        state: &State,
        tag: Tag,
    ) -> Result<(Vec<TxNum>, u64), Error> {
        let content = self.content();
        // First how far it is known to be, then what it says: it only grows.
        let covered = self.covered().of(state);
        let candidates = match &*content {
            Content::Open(index) => index.candidates(&tag),
            Content::Failed(_) | Content::Closed => return Ok((Vec::new(), 0)),
        };
        drop(content);
        let candidates = match candidates {
            Ok(candidates) => candidates,
            Err(error) => {
                self.replace(Content::Failed(Arc::new(error.into())));
                return Ok((Vec::new(), 0));
            }
        };
        let mut found = Vec::new();
        for tx_num in candidates.into_iter().filter(|tx_num| tx_num.0 < covered) {
            if !state.is_pruned(tx_num) && source.tag(tx_num)? == tag {
                found.push(tx_num);
            }
        }
        Ok((found, covered))
    }
}

#[cfg(feature = "rocksdb")]
fn open_on_disk(opened: &Opened) -> Result<Box<dyn Index>, Error> {
    let path = opened.dir.join(qmtree_storage::INDEX_FOLDER);
    match opened.disk.native_path(&path) {
        Some(path) => {
            let options = qmtree_storage::RocksOptions::default();
            Ok(Box::new(qmtree_storage::RocksIndex::open(&path, options)?))
        }
        None => Ok(Box::new(MemoryIndex::new())),
    }
}

#[cfg(feature = "rocksdb")]
fn remove_from_disk(opened: &Opened) -> Result<(), Error> {
    let path = opened.dir.join(qmtree_storage::INDEX_FOLDER);
    match opened.disk.native_path(&path) {
        Some(path) => Ok(qmtree_storage::RocksIndex::remove(&path)?),
        None => Ok(()),
    }
}

#[cfg(not(feature = "rocksdb"))]
#[expect(clippy::unnecessary_wraps, reason = "with RocksDB it can fail")]
fn remove_from_disk(_opened: &Opened) -> Result<(), Error> {
    Ok(())
}

#[cfg(not(feature = "rocksdb"))]
#[expect(clippy::unnecessary_wraps, reason = "with RocksDB it can fail")]
fn open_on_disk(_opened: &Opened) -> Result<Box<dyn Index>, Error> {
    Ok(Box::new(MemoryIndex::new()))
}

/// The numbers of all leaves of a state that have this tag, ascending; none of pruned leaves.
pub(crate) fn tx_nums(state: &State, tag: Tag) -> Result<Vec<TxNum>, Error> {
    let source = Source::new(state);
    let (mut found, covered) = match &state.tx_index {
        Some(index) => index.find(&source, state, tag)?,
        None => (Vec::new(), 0),
    };
    found.extend(search(
        state,
        TxNum(covered)..TxNum(state.head.leaf_count),
        tag,
    )?);
    Ok(found)
}

/// Searches leaf by leaf: 8 bytes each, sealed ones on all threads of rayon's pool.
fn search(state: &State, range: Range<TxNum>, tag: Tag) -> Result<Vec<TxNum>, Error> {
    let sealed = state.sealed.segments().par_iter();
    let sealed = sealed.filter(|segment| segment.has_tags() && segment.leaves().end > range.start);
    let sealed = sealed.map(|segment| {
        let mut found = Vec::new();
        each_sealed_tag(segment, range.clone(), |found_tag, tx_num| {
            if found_tag == tag {
                found.push(tx_num);
            }
        })?;
        Ok(found)
    });
    let mut found = sealed.collect::<Result<Vec<_>, Error>>()?.concat();
    each_tail_tag(state, range, |found_tag, tx_num| {
        if found_tag == tag {
            found.push(tx_num);
        }
    });
    Ok(found)
}

/// Calls `each` for the tags of a range of leaves, in order; pruned leaves have none.
pub(crate) fn each_tag(
    state: &State,
    range: Range<TxNum>,
    mut each: impl FnMut(Tag, TxNum),
) -> Result<(), Error> {
    let first = range.start.twig_id();
    let segments = state.sealed.segments();
    let skip = segments.partition_point(|segment| segment.twigs().end <= first);
    for segment in segments.iter().skip(skip) {
        if segment.leaves().start >= range.end {
            return Ok(());
        }
        if segment.has_tags() {
            each_sealed_tag(segment, range.clone(), &mut each)?;
        }
    }
    each_tail_tag(state, range, each);
    Ok(())
}

/// The tags of those leaves of a segment with tags that are in the range.
fn each_sealed_tag(
    segment: &Segment,
    range: Range<TxNum>,
    mut each: impl FnMut(Tag, TxNum),
) -> Result<(), Error> {
    let twigs = segment.twigs();
    for twig in twigs.start.0.max(range.start.twig_id().0)..twigs.end.0 {
        let first = twig * TWIG_LEAVES;
        if first >= range.end.0 {
            return Ok(());
        }
        let tags = segment.tags(TwigId(twig))?;
        each_of(tags, first, &range, &mut each);
    }
    Ok(())
}

fn each_tail_tag(state: &State, range: Range<TxNum>, mut each: impl FnMut(Tag, TxNum)) {
    let twigs = state
        .twigs
        .iter()
        .map(|twig| &**twig)
        .chain([&state.active]);
    let numbered = (state.sealed_twigs()..).zip(twigs);
    let wanted = numbered.skip_while(|(number, _)| *number < range.start.twig_id().0);
    for (number, twig) in wanted {
        let first = number * TWIG_LEAVES;
        if first >= range.end.0 {
            return;
        }
        for (place, tags) in TailTwig::tag_pieces(twig) {
            each_of(tags, first + place as u64, &range, &mut each);
        }
    }
}

/// Tags of leaves from `first` on.
fn each_of(tags: &[Tag], first: u64, range: &Range<TxNum>, each: &mut impl FnMut(Tag, TxNum)) {
    for (tag, tx_num) in tags.iter().zip((first..).map(TxNum)) {
        if *tag != NO_TAG && range.contains(&tx_num) {
            each(*tag, tx_num);
        }
    }
}
