//! From snapshot files to a database (docs/FORMAT.md, section 10.7).
//!
//! ```text
//! 1  twig roots and tail lead to the trusted root     or nothing is written
//! 2  the folder is marked                             qmtree.import
//! 3  leaves of each twig hash to its root -> segment  eight chains side by side, on every core
//! 4  journal: the blocks that are not in segments
//! 5  database header                                  now it is a database
//! 6  the mark goes
//! ```
//!
//! Killed before 5 there is no database, and a second import keeps the segments that are whole;
//! after it there is one. Nothing that was not verified is ever in it.

use super::plan::{Plan, advance, has_any, inside};
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use super::state::{ImportedState, StateFiles};
use crate::db::Db;
use crate::error::Error;
use crate::open::{Opened, block_end};
use crate::options::Options;
use alloy_primitives::B256;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Digest, Head, PAYLOAD_LEN, TWIG_LEAVES};
use qmtree_storage::snapshot::{IMPORT_FILE, begin_import, end_import};
use qmtree_storage::{
    BlockEnd, DATABASE_FILE, Disk, EntryPart, JournalState, JournalWriter, NO_TAG, RealDisk,
    Segment, Tag, TwigLanes, create_folder, is_entry_file, lock_database, remove_temporary_files,
    write_database_header_with, write_segment,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How files are imported or verified; what comes out does not depend on it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Threads that hash and write; at least 1. More than there are cores pay off, since one that
    /// waits for the disk hashes nothing. With 1 the steps come in one order.
    pub threads: usize,
    /// Further trusted heads, of earlier blocks, that the files must lead to. What leaves do not
    /// bind, where blocks end, is as good as these, or as whoever signed the manifest.
    pub known_heads: Vec<Head>,
    /// Counts the leaves that are done.
    pub progress: Option<Arc<AtomicU64>>,
    /// True to start from what is live of the state although the files have all entries. Without
    /// history before the head, and much faster.
    pub live_state: bool,
    /// Options that the database is opened with.
    pub open: Options,
}

impl Default for ImportOptions {
    /// Two threads more than there are cores, and no further heads.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores + 2,
            known_heads: Vec::new(),
            progress: None,
            live_state: false,
            open: Options::default(),
        }
    }
}

impl ImportOptions {
    /// Sets [`threads`](Self::threads); 0 counts as 1.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            ..self
        }
    }

    /// Sets [`known_heads`](Self::known_heads).
    #[must_use]
    pub fn with_known_heads(self, known_heads: Vec<Head>) -> Self {
        Self {
            known_heads,
            ..self
        }
    }

    /// Sets [`progress`](Self::progress).
    #[must_use]
    pub fn with_progress(self, progress: Arc<AtomicU64>) -> Self {
        Self {
            progress: Some(progress),
            ..self
        }
    }

    /// Sets [`live_state`](Self::live_state).
    #[must_use]
    pub fn with_live_state(self, live_state: bool) -> Self {
        Self { live_state, ..self }
    }

    /// Sets [`open`](Self::open).
    #[must_use]
    pub fn with_open(self, open: Options) -> Self {
        Self { open, ..self }
    }
}

impl Db {
    /// Makes a database in `dir` from snapshot files, and opens it at the trusted head.
    ///
    /// `dir` must be empty, not there yet, or left by an import that was cut off, which then goes
    /// on. The files may be in any order and overlap; they must have every leaf up to the trusted
    /// head, whose last few are in a tail file; and, if the head has a state log, all of its entries
    /// or what is live of them. From what is live it starts without history: questions about the
    /// state before answer [`Error::StatePruned`]. The database goes on with the next block.
    ///
    /// Costs a leaf hash and a node hash for each leaf, all in lanes and on all threads, the same
    /// twice for each entry, and a look-up in the index. Holds about 8 MiB for each thread, and the
    /// index of the state.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file cannot be read; [`Error::Refused`] if the files do not lead
    /// to the trusted head; [`Error::NotEmpty`]; others as the disk says. There is no database
    /// then.
    pub fn import_snapshot(
        dir: impl AsRef<Path>,
        files: &[PathBuf],
        trusted: &Head,
        options: ImportOptions,
    ) -> Result<Self, Error> {
        let disk = Arc::new(RealDisk);
        Self::import_snapshot_on(disk, dir.as_ref(), files, trusted, options)
    }

    /// [`import_snapshot`](Self::import_snapshot) on a disk of the caller's.
    ///
    /// # Errors
    /// As [`import_snapshot`](Self::import_snapshot).
    pub fn import_snapshot_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        files: &[PathBuf],
        trusted: &Head,
        options: ImportOptions,
    ) -> Result<Self, Error> {
        let plan = Plan::new(SnapshotSet::open(&*disk, files)?, *trusted)?;
        let plan = plan.with_known(&options.known_heads)?;
        if let Some(run) = plan.set.without_leaves(plan.sealed) {
            let Range {
                start: from,
                end: to,
            } = run;
            return Err(SnapshotRefusal::LeavesMissing { from, to }.into());
        }
        plan.check_blocks()?;
        if disk.exists(&dir.join(DATABASE_FILE)) {
            return finish(disk, dir, trusted, options);
        }
        let files = verified_state(&plan, &options)?;
        let opened = prepare(disk, dir, &plan)?;
        let size = options.open.segment_twigs.max(1);
        {
            let _lock = lock_database(&*opened.disk, dir)?;
            let kept = keep_whole(&opened, &plan, size)?;
            let state = import_state(files, &opened, &plan, &options)?;
            write_segments(&opened, &plan, size, &kept, &options)?;
            write_journal(&opened, &plan, state.as_ref())?;
            write_header(&opened, state.as_ref())?;
        }
        finish(opened.disk, dir, trusted, options)
    }
}

/// Opens what was imported, if the folder is still marked, and takes the mark away.
pub(super) fn finish(
    disk: Arc<dyn Disk>,
    dir: &Path,
    trusted: &Head,
    options: ImportOptions,
) -> Result<Db, Error> {
    let not_empty = || Error::NotEmpty {
        path: dir.to_path_buf(),
    };
    if !disk.exists(&dir.join(IMPORT_FILE)) {
        return Err(not_empty());
    }
    let db = Db::open_on(Arc::clone(&disk), dir, options.open)?;
    // A database that went on since, or another one.
    if db.head() != *trusted {
        return Err(not_empty());
    }
    end_import(&*disk, dir)?;
    Ok(db)
}

/// The files of the state log, which lead to the trusted state root.
pub(super) fn verified_state<'p>(
    plan: &'p Plan,
    options: &ImportOptions,
) -> Result<Option<StateFiles<'p>>, Error> {
    let files = StateFiles::find(plan, options.live_state)?;
    if let Some(files) = &files {
        files.verify(&plan.hasher, &None)?;
    }
    Ok(files)
}

pub(super) fn import_state(
    files: Option<StateFiles<'_>>,
    opened: &Opened,
    plan: &Plan,
    options: &ImportOptions,
) -> Result<Option<ImportedState>, Error> {
    let size = options.open.segment_twigs.max(1);
    let import = |files: StateFiles<'_>| files.import(opened, plan, size, &options.progress);
    files.map(import).transpose()
}

pub(super) fn write_header(opened: &Opened, state: Option<&ImportedState>) -> Result<(), Error> {
    let compaction = state.map_or(Compaction::OFF, |state| state.compaction);
    let (disk, dir) = (&*opened.disk, &opened.dir);
    write_database_header_with(disk, dir, opened.identity, compaction)?;
    Ok(())
}

pub(super) fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io {
        path: path.to_path_buf(),
        action: "import",
        source,
    }
}

/// Makes and marks the folder. One that holds anything must be marked already.
pub(super) fn prepare(disk: Arc<dyn Disk>, dir: &Path, plan: &Plan) -> Result<Opened, Error> {
    let opened = Opened::new(disk, dir, plan.identity());
    let disk = &*opened.disk;
    if disk.exists(dir) && !disk.exists(&dir.join(IMPORT_FILE)) {
        let unfinished = format!("{IMPORT_FILE}.tmp");
        let foreign = |name: &PathBuf| name != Path::new(&unfinished);
        if disk.list(dir).map_err(failed(dir))?.iter().any(foreign) {
            return Err(Error::NotEmpty {
                path: dir.to_path_buf(),
            });
        }
    }
    create_folder(disk, dir).map_err(failed(dir))?;
    begin_import(disk, dir)?;
    for folder in [&opened.segments, &opened.journal] {
        create_folder(disk, folder).map_err(failed(folder))?;
        remove_temporary_files(disk, folder).map_err(failed(folder))?;
    }
    remove_temporary_files(disk, dir).map_err(failed(dir))?;
    for name in disk.list(&opened.journal).map_err(failed(dir))? {
        let path = opened.journal.join(name);
        disk.remove(&path).map_err(failed(&path))?;
    }
    Ok(opened)
}

/// Segments that an import which was cut off has written, by their first twig. Others go.
fn keep_whole(opened: &Opened, plan: &Plan, size: u64) -> Result<BTreeMap<u64, u64>, Error> {
    let disk = &*opened.disk;
    let mut kept = BTreeMap::new();
    let mut names = disk
        .list(&opened.segments)
        .map_err(failed(&opened.segments))?;
    names.sort();
    for name in names.into_iter().filter(|name| !is_entry_file(name)) {
        let path = opened.segments.join(name);
        let segment = Segment::open(disk, &path, opened.identity).ok();
        match segment.filter(|segment| is_of(plan, segment, size)) {
            Some(segment) => {
                kept.insert(segment.first_twig().0, segment.twig_count());
            }
            None => disk.remove(&path).map_err(failed(&path))?,
        }
    }
    disk.sync_dir(&opened.segments)
        .map_err(failed(&opened.segments))?;
    Ok(kept)
}

/// True if a segment is one that this import would write.
fn is_of(plan: &Plan, segment: &Segment, size: u64) -> bool {
    let twigs = segment.twigs().start.0..segment.twigs().end.0;
    let chunk = twigs.start.is_multiple_of(size)
        && twigs.end == (twigs.start + size).min(plan.sealed)
        && !segment.is_pruned();
    let roots = (twigs.start..).zip(segment.twig_roots());
    let same_roots = || {
        roots
            .clone()
            .all(|(twig, root)| plan.upper.node(11, twig) == Some(*root))
    };
    let anchors = || {
        let is = |twig, found| plan.anchor(twig).is_ok_and(|anchor| anchor == found);
        is(twigs.start, segment.anchor()) && is(twigs.end, segment.end())
    };
    let blocks = || {
        let range = twigs.start * TWIG_LEAVES..twigs.end * TWIG_LEAVES;
        let Ok(blocks) = plan.set.blocks(range) else {
            return false;
        };
        segment.blocks().end - segment.blocks().start == blocks.len() as u64
            && blocks.iter().all(|(number, block)| {
                segment.block_end(*number).is_some_and(|end| {
                    (end.leaf_count, end.entry_count, end.state_root)
                        == (block.leaf_count, block.entry_count, block.state_root)
                })
            })
    };
    chunk && same_roots() && anchors() && blocks() && segment.verify_checksums().is_ok()
}

fn write_segments(
    opened: &Opened,
    plan: &Plan,
    size: u64,
    kept: &BTreeMap<u64, u64>,
    options: &ImportOptions,
) -> Result<(), Error> {
    plan.in_parallel(0, size, options.threads, |lanes, twigs| {
        if kept.get(&twigs.start) != Some(&(twigs.end - twigs.start)) {
            write_run(opened, plan, lanes, twigs.clone())?;
        }
        advance(&options.progress, (twigs.end - twigs.start) * TWIG_LEAVES);
        Ok(())
    })
}

/// Verifies a run of twigs and writes it as a segment; returns where.
pub(super) fn write_run(
    opened: &Opened,
    plan: &Plan,
    lanes: &mut TwigLanes,
    twigs: Range<u64>,
) -> Result<PathBuf, Error> {
    let blocks = plan
        .set
        .blocks(twigs.start * TWIG_LEAVES..twigs.end * TWIG_LEAVES)?;
    plan.derive(lanes, twigs, |derived| {
        let ends = plan.block_ends(&blocks, inside(derived))?;
        let first_block = blocks.first().map_or(0, |(number, _)| *number);
        let (disk, folder) = (&*opened.disk, &opened.segments);
        let path = write_segment(disk, folder, opened.identity, derived, first_block, &ends)?;
        Ok(path)
    })
}

/// What the journal starts from, and the leaves between there and the tail.
struct Base {
    state: JournalState,
    /// Leaves of the first block of the journal that lie in segments, and their tags.
    sealed_leaves: Vec<[u8; PAYLOAD_LEN]>,
    sealed_tags: Vec<Tag>,
}

/// The blocks that end behind the sealed twigs, as the journal has them.
fn write_journal(opened: &Opened, plan: &Plan, state: Option<&ImportedState>) -> Result<(), Error> {
    let base = base_of(plan)?;
    let blocks = &plan.tail_blocks;
    let ends = plan.block_ends(blocks, |_, _| None)?;
    let payloads = [&base.sealed_leaves[..], &plan.tail_payloads].concat();
    let mut tags = base.sealed_tags;
    tags.extend_from_slice(&plan.tail_tags);
    tags.resize(payloads.len(), NO_TAG);
    append_journal(opened, plan, base.state, (&payloads, &tags), &ends, state)
}

/// Writes a journal of these blocks behind `base`; `leaves` are those behind it, with a tag each.
pub(super) fn append_journal(
    opened: &Opened,
    plan: &Plan,
    base: JournalState,
    leaves: (&[[u8; PAYLOAD_LEN]], &[Tag]),
    ends: &[BlockEnd],
    state: Option<&ImportedState>,
) -> Result<(), Error> {
    let disk = Arc::clone(&opened.disk);
    let base = match state {
        Some(state) => behind_sealed(base, state),
        None => base,
    };
    let mut entries_done = base.head.entry_count;
    let mut journal = JournalWriter::create(disk, &opened.journal, opened.identity, 0, base)?;
    let ((mut rest, mut tags), mut done) = (leaves, base.head.leaf_count);
    let mut last = base.last_leaf_hash.0;
    let sealed = plan.sealed * TWIG_LEAVES;
    for ((block_number, _), end) in plan.tail_blocks.iter().zip(ends) {
        let count = usize::try_from(end.leaf_count - done).unwrap_or(usize::MAX);
        let split = rest
            .split_at_checked(count)
            .zip(tags.split_at_checked(count));
        let Some(((block, behind), (block_tags, tags_behind))) = split else {
            let block_number = *block_number;
            return Err(SnapshotRefusal::Blocks { block_number }.into());
        };
        let block_tags = if has_any(block_tags) { block_tags } else { &[] };
        let part = state.map(|state| state.tail.part(entries_done, end.entry_count));
        let (entries, values) = part.unwrap_or_default();
        let part = EntryPart {
            entries: &entries,
            values: &values,
        };
        journal.begin_block_with(block, block_tags, part)?;
        entries_done = end.entry_count;
        if count > 0 {
            let place = usize::try_from(end.leaf_count - 1 - sealed).ok();
            let hash = place.and_then(|place| plan.tail_hashes.get(place));
            last = hash.copied().unwrap_or(last);
        }
        let head = Head {
            block_number: *block_number,
            leaf_count: end.leaf_count,
            root: end.root,
            entry_count: end.entry_count,
            state_root: end.state_root,
            ..plan.head
        };
        journal.finish_block(&head, B256::new(last))?;
        (rest, tags, done) = (behind, tags_behind, end.leaf_count);
    }
    journal.attest()?;
    Ok(())
}

/// The same, with the entries that are in segments: those of the first block of the journal, and of
/// the ones before it, may begin earlier.
fn behind_sealed(base: JournalState, state: &ImportedState) -> JournalState {
    let head = Head {
        entry_count: state.sealed,
        state_root: state.sealed_root,
        ..base.head
    };
    JournalState { head, ..base }
}

/// The state after the last block that ends in a segment, if there is one.
fn base_of(plan: &Plan) -> Result<Base, Error> {
    let first = plan.tail_blocks.first().map(|(number, _)| *number);
    let before = match first.and_then(|first| first.checked_sub(1)) {
        Some(before) => find_block(plan, before)?,
        None => None,
    };
    let from = before.map_or(0, |(_, block)| block.leaf_count);
    let (mut sealed_leaves, mut sealed_tags) = (Vec::new(), Vec::new());
    for twig in from / TWIG_LEAVES..plan.sealed {
        let word = plan.set.twig(twig)?;
        let skip = from.saturating_sub(twig * TWIG_LEAVES);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        sealed_leaves.extend_from_slice(word.payloads().get(skip..).unwrap_or_default());
        let tags = plan.set.tags(twig).and_then(|tags| tags.get(skip..));
        sealed_tags.extend_from_slice(tags.unwrap_or_default());
        sealed_tags.resize(sealed_leaves.len(), NO_TAG);
    }
    let Some((block_number, block)) = before else {
        let state = JournalState::empty(plan.identity());
        return Ok(Base {
            state,
            sealed_leaves,
            sealed_tags,
        });
    };
    let (end, last_leaf_hash) = end_of(plan, block_number, block)?;
    let head = Head {
        block_number,
        leaf_count: end.leaf_count,
        root: end.root,
        entry_count: end.entry_count,
        state_root: end.state_root,
        ..plan.head
    };
    debug_assert_eq!(block_end(&head), end);
    let state = JournalState {
        head,
        last_leaf_hash: B256::new(last_leaf_hash),
        any_block: true,
    };
    Ok(Base {
        state,
        sealed_leaves,
        sealed_tags,
    })
}

type Found = (u64, qmtree_storage::snapshot::SnapshotBlock);

/// A block that ends in a sealed twig.
fn find_block(plan: &Plan, number: u64) -> Result<Option<Found>, Error> {
    // The last one listed: from the newest twigs back, as few as it takes.
    let mut end = plan.sealed;
    while end > 0 {
        let start = end.saturating_sub(64);
        let blocks = plan.set.blocks(start * TWIG_LEAVES..end * TWIG_LEAVES)?;
        if let Some(last) = blocks.last() {
            let found = (last.0 == number).then_some(*last);
            return found.map(Some).ok_or(
                SnapshotRefusal::Blocks {
                    block_number: number,
                }
                .into(),
            );
        }
        end = start;
    }
    Ok(None)
}

/// Where a block ends that ends in a sealed twig, and the hash of its last leaf.
fn end_of(
    plan: &Plan,
    number: u64,
    block: qmtree_storage::snapshot::SnapshotBlock,
) -> Result<(BlockEnd, Digest), Error> {
    let lone = |inside: &dyn Fn(u32, u64) -> Option<Digest>| {
        let ends = plan.block_ends(&[(number, block)], inside)?;
        let missing = SnapshotRefusal::Blocks {
            block_number: number,
        };
        ends.first().copied().ok_or(Error::from(missing))
    };
    let Some(last) = block.leaf_count.checked_sub(1) else {
        return Ok((lone(&|_, _| None)?, [0; 32]));
    };
    let twig = last / TWIG_LEAVES;
    let mut lanes = TwigLanes::new(plan.hasher);
    plan.derive(&mut lanes, twig..twig + 1, |derived| {
        let inside = inside(derived);
        let hash = inside(0, last).unwrap_or_default();
        Ok((lone(&inside)?, hash))
    })
}

/// Verifies snapshot files against a trusted head: every leaf and every node, as an import does,
/// without writing anything; and what there is of the state log, if there is any file of it.
///
/// # Errors
/// As [`Db::import_snapshot`].
pub fn verify_snapshot(
    files: &[PathBuf],
    trusted: &Head,
    options: &ImportOptions,
) -> Result<(), Error> {
    verify_snapshot_on(&RealDisk, files, trusted, options)
}

/// [`verify_snapshot`] of files on a disk of the caller's.
///
/// # Errors
/// As [`verify_snapshot`].
pub fn verify_snapshot_on(
    disk: &dyn Disk,
    files: &[PathBuf],
    trusted: &Head,
    options: &ImportOptions,
) -> Result<(), Error> {
    let plan = Plan::new(SnapshotSet::open(disk, files)?, *trusted)?;
    let plan = plan.with_known(&options.known_heads)?;
    if let Some(run) = plan.set.without_leaves(plan.sealed) {
        let Range {
            start: from,
            end: to,
        } = run;
        return Err(SnapshotRefusal::LeavesMissing { from, to }.into());
    }
    if StateFiles::any(&plan) {
        verified_state(&plan, options)?;
    }
    plan.verify(options.threads, &options.progress)
}
