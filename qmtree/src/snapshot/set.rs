//! A set of snapshot files: which file has which twig.

use super::refusal::SnapshotRefusal;
use crate::error::Error;
use qmtree_proofs::{Digest, Head, TWIG_LEAVES};
use qmtree_storage::snapshot::{
    SnapshotBlock, SnapshotContent, SnapshotFile, SnapshotHeader, SnapshotTwig,
};
use qmtree_storage::{Disk, Tag};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Opened files, and the runs of twigs that are read from each.
#[derive(Debug)]
pub(crate) struct SnapshotSet {
    files: Vec<SnapshotFile>,
    /// In order, and no twig in two of them.
    runs: Vec<Run>,
}

/// Twigs that are read from one file.
#[derive(Clone, Debug)]
struct Run {
    twigs: Range<u64>,
    file: usize,
}

impl SnapshotSet {
    /// Opens files, whatever of the log they hold. Where two hold the same twig, one is used.
    pub(crate) fn open(disk: &dyn Disk, paths: &[PathBuf]) -> Result<Self, Error> {
        let open = |path: &PathBuf| Ok(SnapshotFile::open(disk, path)?);
        let files: Vec<_> = paths.iter().map(open).collect::<Result<_, Error>>()?;
        let mut identities = files.iter().map(|file| file.header().identity);
        let first = identities.next();
        if identities.any(|identity| Some(identity) != first) {
            return Err(SnapshotRefusal::OtherLog.into());
        }
        let runs = runs(&files);
        Ok(Self { files, runs })
    }

    /// The snapshot files of a folder.
    pub(crate) fn paths(disk: &dyn Disk, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let listed = disk.list(folder).map_err(|source| Error::Io {
            path: folder.to_path_buf(),
            action: "list",
            source,
        })?;
        let is_snapshot =
            |name: &PathBuf| qmtree_storage::snapshot::SnapshotName::of_path(name).is_some();
        let mut names: Vec<_> = listed.into_iter().filter(is_snapshot).collect();
        names.sort();
        Ok(names.iter().map(|name| folder.join(name)).collect())
    }

    pub(crate) fn files(&self) -> &[SnapshotFile] {
        &self.files
    }

    /// Where the next twigs are, behind one that no file has.
    pub(crate) fn next_start(&self, twig: u64) -> Option<u64> {
        let mut starts = self.runs.iter().map(|run| run.twigs.start);
        starts.find(|start| *start > twig)
    }

    /// Where the leaves of a log with this head are read from, of which so many twigs are whole.
    pub(crate) fn used_files(&self, sealed: u64, head: &Head) -> impl Iterator<Item = &Path> {
        let runs = self.runs.iter();
        let whole = runs.filter(move |run| run.twigs.start < sealed);
        let whole = whole.filter_map(|run| self.files.get(run.file));
        let files = whole.chain(self.front_of(sealed, head));
        files.map(SnapshotFile::path)
    }

    fn file_of(&self, twig: u64) -> Option<&SnapshotFile> {
        let place = self.runs.partition_point(|run| run.twigs.end <= twig);
        let run = self.runs.get(place)?;
        let file = self.files.get(run.file);
        file.filter(|_| run.twigs.contains(&twig))
    }

    /// The root of a whole twig, as its file says.
    pub(crate) fn root(&self, twig: u64) -> Option<Digest> {
        let file = self.file_of(twig)?;
        let place = twig.checked_sub(file.header().twigs().start)?;
        file.roots().get(usize::try_from(place).ok()?).copied()
    }

    /// The leaves of a whole twig.
    pub(crate) fn twig(&self, twig: u64) -> Result<SnapshotTwig<'_>, Error> {
        let missing = |from, to| Error::from(SnapshotRefusal::LeavesMissing { from, to });
        let file = self
            .file_of(twig)
            .ok_or_else(|| missing(twig, twig.saturating_add(1)))?;
        if file.header().name.content == SnapshotContent::Roots {
            let around = self.without_leaves(u64::MAX);
            let around = around.filter(|twigs| twigs.contains(&twig));
            let around = around.unwrap_or(twig..twig.saturating_add(1));
            return Err(missing(around.start, around.end));
        }
        Ok(file.twig(twig)?)
    }

    /// The first run of twigs below `end` of which only the roots are there.
    pub(crate) fn without_leaves(&self, end: u64) -> Option<Range<u64>> {
        let rootless = |run: &&Run| {
            let file = self.files.get(run.file);
            file.is_some_and(|file| file.header().name.content == SnapshotContent::Roots)
        };
        let place = self.runs.iter().position(|run| rootless(&run))?;
        let runs = self.runs.get(place..)?;
        let (start, last) = (
            runs.first()?.twigs.start,
            runs.iter().take_while(rootless).last()?,
        );
        (start < end).then(|| start..last.twigs.end.min(end))
    }

    /// True if a file has the leaves of a whole twig.
    pub(crate) fn has_leaves(&self, twig: u64) -> bool {
        let file = self.file_of(twig);
        file.is_some_and(|file| file.header().name.content == SnapshotContent::Execution)
    }

    /// The tags of a whole twig's leaves, if a file has them.
    pub(crate) fn tags(&self, twig: u64) -> Option<&[Tag]> {
        let tags = |file: &&SnapshotFile| file.header().name.content == SnapshotContent::Tags;
        self.files
            .iter()
            .filter(tags)
            .find_map(|file| file.tags(twig))
    }

    /// The file that has the leaves of twig `twig` up to the end of a log with this head: its tail, or
    /// else one with the whole twig, or the tail of a later head.
    pub(crate) fn front_of(&self, twig: u64, head: &Head) -> Option<&SnapshotFile> {
        let has = |file: &&SnapshotFile| {
            let header = file.header();
            let content = header.name.content;
            matches!(content, SnapshotContent::Execution | SnapshotContent::Tail)
                && header.twigs().contains(&twig)
                && header.leaves().end >= head.leaf_count
        };
        // Others may be of a fork; the one of this head is not.
        let rank = |file: &&SnapshotFile| match file.header().name.content {
            SnapshotContent::Tail if file.header().head == *head => 0,
            SnapshotContent::Execution => 1,
            _ => 2,
        };
        self.files.iter().filter(has).min_by_key(rank)
    }

    /// The blocks that end behind `range.start` leaves and at `range.end` at the latest, by the
    /// files of whole twigs; from the first of all if the range starts at 0.
    ///
    /// # Errors
    /// [`SnapshotRefusal::Blocks`] if they are not numbered one by one.
    pub(crate) fn blocks(
        &self,
        range: Range<u64>,
    ) -> Result<Vec<(u64, SnapshotBlock)>, SnapshotRefusal> {
        let mut blocks = Vec::new();
        for run in &self.runs {
            self.append_run(&mut blocks, run, &range)?;
        }
        Ok(blocks)
    }

    /// Checks that the blocks that end within the first `leaf_count` leaves are numbered one by
    /// one, and returns the number of the last. Holds those of one file at a time.
    pub(crate) fn check_blocks(&self, leaf_count: u64) -> Result<Option<u64>, SnapshotRefusal> {
        let mut blocks = Vec::new();
        for run in &self.runs {
            self.append_run(&mut blocks, run, &(0..leaf_count))?;
            let last = blocks.pop();
            blocks.clear();
            blocks.extend(last);
        }
        Ok(blocks.pop().map(|(last, _)| last))
    }

    fn append_run(
        &self,
        blocks: &mut Vec<(u64, SnapshotBlock)>,
        run: &Run,
        range: &Range<u64>,
    ) -> Result<(), SnapshotRefusal> {
        let from = (run.twigs.start * TWIG_LEAVES).max(range.start);
        let to = (run.twigs.end * TWIG_LEAVES).min(range.end);
        match self.files.get(run.file) {
            Some(file) if from < to => append_blocks(blocks, file, from..to),
            _ => Ok(()),
        }
    }
}

/// Adds the blocks of a file that end in a range to those before it.
pub(crate) fn append_blocks(
    blocks: &mut Vec<(u64, SnapshotBlock)>,
    file: &SnapshotFile,
    range: Range<u64>,
) -> Result<(), SnapshotRefusal> {
    let numbers = file.blocks();
    let first = if range.start == 0 {
        numbers.start
    } else {
        file.first_block_behind(range.start).unwrap_or(numbers.end)
    };
    let end = file.first_block_behind(range.end).unwrap_or(numbers.end);
    for block_number in first..end {
        let follows = blocks.last().is_none_or(|(last, block)| {
            let next = file.block(block_number);
            Some(block_number) == last.checked_add(1)
                && next.is_some_and(|next| next.entry_count >= block.entry_count)
        });
        let block = file.block(block_number).filter(|_| follows);
        let block = block.ok_or(SnapshotRefusal::Blocks { block_number })?;
        blocks.push((block_number, block));
    }
    Ok(())
}

fn whole_files(files: &[SnapshotFile]) -> impl Iterator<Item = (usize, &SnapshotHeader)> {
    let headers = files.iter().map(SnapshotFile::header).enumerate();
    headers.filter(|(_, header)| {
        let content = header.name.content;
        matches!(content, SnapshotContent::Execution | SnapshotContent::Roots)
    })
}

/// Covers the twigs that there are: leaves where there are any, and the longest file of each.
fn runs(files: &[SnapshotFile]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let starts = |after: u64| {
        let starts = whole_files(files).map(|(_, header)| header.twigs().start);
        starts.filter(move |start| *start > after).min()
    };
    let mut at = 0;
    loop {
        let covers = |content| {
            let files = whole_files(files).filter(move |(_, header)| {
                header.name.content == content && header.twigs().contains(&at)
            });
            files.max_by_key(|(_, header)| header.twigs().end)
        };
        let leaves = covers(SnapshotContent::Execution);
        let Some((file, header)) = leaves.or_else(|| covers(SnapshotContent::Roots)) else {
            match starts(at) {
                Some(start) => at = start,
                None => return runs,
            }
            continue;
        };
        let mut end = header.twigs().end;
        if header.name.content == SnapshotContent::Roots {
            // Up to where leaves begin again.
            let starts = whole_files(files).filter(|(_, header)| {
                header.name.content == SnapshotContent::Execution && header.twigs().start > at
            });
            end = starts.fold(end, |end, (_, header)| end.min(header.twigs().start));
        }
        runs.push(Run {
            twigs: at..end,
            file,
        });
        at = end;
    }
}
