//! Starting from twig roots, and filling in the leaves later (docs/FORMAT.md, section 10.8).
//!
//! ```text
//! bootstrap         | roots 0..6                          | tail, journal ->
//! backfill 4..6     | roots 0..4          | segment 4..6  | tail, journal ->
//! backfill 0..4     | segment 0..4        | segment 4..6  | tail, journal ->
//! ```
//!
//! Backfilling goes from the newest twig back, since the hash before a run of leaves is known only
//! once the run is. Each step writes what is to be, which counts for nothing as long as the old
//! file of roots is there, and then unlinks that file.

use super::ImportOptions;
use super::import::{
    failed, finish, import_state, prepare, verified_state, write_header, write_run,
};
use super::journal::append_journal;
use super::plan::{Plan, advance};
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use super::state::Blocks;
use crate::db::Db;
use crate::error::Error;
use crate::open::Opened;
use crate::sealed::Sealed;
use crate::writer::Writer;
use alloy_primitives::B256;
use qmtree_proofs::{Head, TWIG_LEAVES, TWIG_LEVEL};
use qmtree_storage::{
    DATABASE_FILE, Disk, JournalState, NO_TAG, RealDisk, Segment, TwigLanes, lock_database,
    write_roots,
};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Db {
    /// Makes a database in `dir` from the roots of whole twigs and the few leaves behind them, and
    /// opens it at the trusted head: a few MB where the leaves are hundreds of GB.
    ///
    /// It appends, and proves everything from the trusted head's last twig on, and that older logs
    /// are prefixes of it where they end with a twig. Older leaves, and where older blocks end, come
    /// with [`backfill_snapshot`](Self::backfill_snapshot). `files` are roots files, or execution
    /// files of which only the roots are used, and the tail of the trusted head. The folder is as
    /// for [`import_snapshot`](Self::import_snapshot), and so is what a crash leaves.
    ///
    /// # Errors
    /// As [`import_snapshot`](Self::import_snapshot).
    pub fn bootstrap_snapshot(
        dir: impl AsRef<Path>,
        files: &[PathBuf],
        trusted: &Head,
        options: ImportOptions,
    ) -> Result<Self, Error> {
        Self::bootstrap_snapshot_on(Arc::new(RealDisk), dir.as_ref(), files, trusted, options)
    }

    /// [`bootstrap_snapshot`](Self::bootstrap_snapshot) on a disk of the caller's.
    ///
    /// # Errors
    /// As [`bootstrap_snapshot`](Self::bootstrap_snapshot).
    pub fn bootstrap_snapshot_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        files: &[PathBuf],
        trusted: &Head,
        options: ImportOptions,
    ) -> Result<Self, Error> {
        let plan = Plan::new(SnapshotSet::open(&*disk, files)?, *trusted)?;
        let plan = plan.with_known(&options.known_heads)?;
        if plan.sealed == 0 {
            // Everything is in the tail.
            return Self::import_snapshot_on(disk, dir, files, trusted, options);
        }
        if disk.exists(&dir.join(DATABASE_FILE)) {
            return finish(disk, dir, trusted, options);
        }
        plan.check_known()?;
        let base = base_of(&plan)?;
        let files = verified_state(&plan, &options)?;
        let opened = prepare(disk, dir, &plan)?;
        {
            let _lock = lock_database(&*opened.disk, dir)?;
            remove_segments(&opened)?;
            let state = import_state(files, &opened, &plan, &options, Blocks::OfTail)?;
            let roots: Vec<_> = (0..plan.sealed)
                .map(|twig| plan.upper.node(TWIG_LEVEL, twig).unwrap_or_default())
                .collect();
            let identity = plan.identity();
            write_roots(
                &*opened.disk,
                &opened.segments,
                identity,
                &roots,
                plan.tail_anchor,
            )?;
            let ends = plan.block_ends(&plan.tail_blocks, |_, _| None)?;
            let mut tags = plan.tail_tags.clone();
            tags.resize(plan.tail_payloads.len(), NO_TAG);
            let (state, leaves) = (state.as_ref(), (&plan.tail_payloads[..], &tags[..]));
            append_journal(&opened, &plan, base, leaves, &ends, state)?;
            write_header(&opened, state)?;
        }
        finish(opened.disk, dir, trusted, options)
    }

    /// Fills in leaves of a database that started from roots, as far back as the files go: from the
    /// newest that is missing. Returns the first twig whose leaves are there now.
    ///
    /// Costs as an import of as many leaves. Cut off, it has filled in all or some of the runs of
    /// [`segment_twigs`](crate::Options::segment_twigs) twigs, and can be called again.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file cannot be read; [`Error::Refused`] if a file is not of this
    /// log; [`Error::Segment`] if the disk fails, and [`Error::Poisoned`] from then on.
    pub fn backfill_snapshot(
        &mut self,
        files: &[PathBuf],
        options: &ImportOptions,
    ) -> Result<u64, Error> {
        let set = SnapshotSet::open(&*self.opened().disk, files)?;
        self.write_with(|writer| writer.backfill(set, options))
    }
}

/// The log at the end of the sealed twigs, inside a block perhaps: what the journal goes on from.
fn base_of(plan: &Plan) -> Result<JournalState, Error> {
    let first = plan.tail_blocks.first().map(|(number, _)| *number);
    let before = first.and_then(|first| first.checked_sub(1));
    let block_number = before.ok_or(SnapshotRefusal::FirstBlock)?;
    let leaf_count = plan.sealed * TWIG_LEAVES;
    let root = plan.roots(&[leaf_count], |_, _| None)?;
    let head = Head {
        block_number,
        leaf_count,
        root: root.first().copied().map_or(B256::ZERO, B256::new),
        // Of a log that ends inside a block; what is sealed of a state log is put in later.
        entry_count: 0,
        state_root: B256::ZERO,
        ..plan.head
    };
    Ok(JournalState {
        head,
        last_leaf_hash: B256::new(plan.tail_anchor),
        any_block: true,
    })
}

/// Segments of an import that was cut off and that this is not.
fn remove_segments(opened: &Opened) -> Result<(), Error> {
    let (disk, folder) = (&*opened.disk, &opened.segments);
    for name in disk.list(folder).map_err(failed(folder))? {
        let path = folder.join(name);
        disk.remove(&path).map_err(failed(&path))?;
    }
    disk.sync_dir(folder).map_err(failed(folder))
}

impl Writer {
    /// Runs of leaves before those that are there, newest first.
    fn backfill(&mut self, set: SnapshotSet, options: &ImportOptions) -> Result<u64, Error> {
        self.finish_sealing()?;
        let Some(roots) = self.state.sealed.roots().map(Arc::clone) else {
            return Ok(0);
        };
        let plan = Plan::behind(set, &roots, self.state.head)?.with_known(&options.known_heads)?;
        let mut lanes = TwigLanes::new(plan.hasher);
        let (size, mut roots, mut end) = (self.options.segment_twigs.max(1), roots, plan.sealed);
        while end > 0 && plan.set.has_leaves(end - 1) {
            let mut start = (end - 1) / size * size;
            // As far as the files go.
            while !(start..end).all(|twig| plan.set.has_leaves(twig)) {
                start += 1;
            }
            self.check_next_blocks(&plan, start..end)?;
            self.touch();
            let path = write_run(&self.opened, &plan, &mut lanes, start..end)?;
            let rest = self.write_rest(&plan, start)?;
            self.replace_roots(&roots, rest.clone(), &path)?;
            advance(&options.progress, (end - start) * TWIG_LEAVES);
            end = start;
            match rest {
                Some(rest) => roots = rest,
                None => break,
            }
        }
        Ok(end)
    }

    /// The blocks of a run are numbered up to the first that is known.
    fn check_next_blocks(&self, plan: &Plan, twigs: Range<u64>) -> Result<(), Error> {
        let leaves = twigs.start * TWIG_LEAVES..twigs.end * TWIG_LEAVES;
        let last = plan.set.blocks(leaves)?.last().map(|(number, _)| *number);
        let next = last.and_then(|last| last.checked_add(1));
        match (next, self.state.first_block()) {
            (Some(next), Some(block_number)) if next != block_number => {
                Err(SnapshotRefusal::Blocks { block_number }.into())
            }
            _ => Ok(()),
        }
    }

    /// Writes the roots of the twigs before `start`, if there are any.
    fn write_rest(&self, plan: &Plan, start: u64) -> Result<Option<Arc<Segment>>, Error> {
        if start == 0 {
            return Ok(None);
        }
        let Opened {
            disk,
            segments,
            identity,
            ..
        } = &self.opened;
        let roots: Vec<_> = (0..start)
            .map(|twig| plan.upper.node(TWIG_LEVEL, twig).unwrap_or_default())
            .collect();
        let path = write_roots(&**disk, segments, *identity, &roots, plan.anchor(start)?)?;
        Ok(Some(Arc::new(Segment::open(&**disk, &path, *identity)?)))
    }

    /// Unlinks the old file of roots, from which on the new ones count.
    fn replace_roots(
        &mut self,
        old: &Segment,
        rest: Option<Arc<Segment>>,
        run: &Path,
    ) -> Result<(), Error> {
        let Opened {
            disk,
            segments,
            identity,
            ..
        } = &self.opened;
        let run = Arc::new(Segment::open(&**disk, run, *identity)?);
        disk.remove(old.path()).map_err(failed(old.path()))?;
        disk.sync_dir(segments).map_err(failed(segments))?;
        let later = self.state.sealed.segments().iter().skip(1).map(Arc::clone);
        let mut sealed = Sealed::default();
        rest.into_iter()
            .chain([run])
            .chain(later)
            .for_each(|segment| sealed.push(segment));
        self.state.sealed = Arc::new(sealed);
        Ok(())
    }
}
