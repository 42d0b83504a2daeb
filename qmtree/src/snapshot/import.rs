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

use super::ImportOptions;
use super::journal::write_journal;
use super::plan::{Plan, advance, inside};
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use super::state::{Blocks, ImportedState, StateFiles};
use crate::db::Db;
use crate::error::Error;
use crate::open::Opened;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Head, TWIG_LEAVES};
use qmtree_storage::snapshot::{IMPORT_FILE, begin_import};
use qmtree_storage::{
    DATABASE_FILE, Disk, RealDisk, Segment, TwigLanes, create_folder, is_entry_file, lock_database,
    remove_temporary_files, write_database_header_with, write_segment,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        plan.check_listed()?;
        if disk.exists(&dir.join(DATABASE_FILE)) {
            return finish(disk, dir, trusted, options);
        }
        let files = verified_state(&plan, &options)?;
        let opened = prepare(disk, dir, &plan)?;
        let size = options.open.segment_twigs.max(1);
        {
            let _lock = lock_database(&*opened.disk, dir)?;
            let kept = keep_whole(&opened, &plan, size)?;
            let state = import_state(files, &opened, &plan, &options, Blocks::All)?;
            write_segments(&opened, &plan, size, &kept, &options)?;
            write_journal(&opened, &plan, state.as_ref())?;
            write_header(&opened, state.as_ref())?;
        }
        finish(opened.disk, dir, trusted, options)
    }
}

/// Opens what was imported, if the folder is still marked; opening takes the mark away.
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
    let db = Db::open_on(disk, dir, options.open)?;
    // A database that went on since, or another one.
    if db.head() != *trusted {
        return Err(not_empty());
    }
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
    blocks: Blocks,
) -> Result<Option<ImportedState>, Error> {
    let size = options.open.segment_twigs.max(1);
    let import =
        |files: StateFiles<'_>| files.import(opened, plan, size, &options.progress, blocks);
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
