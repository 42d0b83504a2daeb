//! From a database to snapshot files.

use super::plan::{Progress, advance, has_any};
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use crate::db::Db;
use crate::error::Error;
use crate::state::State;
use crate::view::View;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, Head, PAYLOAD_LEN, TWIG_LEAVES, TWIG_LEVEL, TwigId, TxNum};
use qmtree_storage::snapshot::{
    LeafSink, Manifest, ManifestEntry, NoteSigner, SnapshotBlock, SnapshotContent, SnapshotError,
    SnapshotFile, SnapshotHeader, SnapshotName, SnapshotParts, newest_manifest, read_manifest,
    write_manifest, write_snapshot,
};
use qmtree_storage::{
    Disk, Identity, NO_TAG, RealDisk, Tag, create_folder, remove_temporary_files,
};
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is exported, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The block whose head the snapshot is made at; the newest if not given. Take one that will
    /// not be unwound.
    pub to_block: Option<u64>,
    /// The first twig; those before are in other files, or pruned here.
    pub from_twig: u64,
    /// Twigs in the largest new file, rounded down to a power of two.
    pub file_twigs: u64,
    /// Files that are written at the same time.
    pub threads: usize,
    /// Signs the manifest.
    pub signer: Option<Arc<NoteSigner>>,
    /// Counts the leaves that are written.
    pub progress: Option<Arc<AtomicU64>>,
}

impl Default for ExportOptions {
    /// Everything up to the newest block, in files of 64 twigs (12.6 MB), unsigned.
    fn default() -> Self {
        Self {
            to_block: None,
            from_twig: 0,
            file_twigs: 64,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            signer: None,
            progress: None,
        }
    }
}

impl ExportOptions {
    /// Sets [`to_block`](Self::to_block).
    #[must_use]
    pub fn with_to_block(self, to_block: u64) -> Self {
        let to_block = Some(to_block);
        Self { to_block, ..self }
    }

    /// Sets [`from_twig`](Self::from_twig).
    #[must_use]
    pub fn with_from_twig(self, from_twig: u64) -> Self {
        Self { from_twig, ..self }
    }

    /// Sets [`file_twigs`](Self::file_twigs); 0 counts as 1.
    #[must_use]
    pub fn with_file_twigs(self, file_twigs: u64) -> Self {
        let file_twigs = file_twigs.max(1);
        Self { file_twigs, ..self }
    }

    /// Sets [`threads`](Self::threads); 0 counts as 1.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        let threads = threads.max(1);
        Self { threads, ..self }
    }

    /// Sets [`signer`](Self::signer).
    #[must_use]
    pub fn with_signer(self, signer: Arc<NoteSigner>) -> Self {
        let signer = Some(signer);
        Self { signer, ..self }
    }

    /// Sets [`progress`](Self::progress).
    #[must_use]
    pub fn with_progress(self, progress: Arc<AtomicU64>) -> Self {
        let progress = Some(progress);
        Self { progress, ..self }
    }
}

/// What an export left in its folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exported {
    /// The head that whoever imports the files must trust.
    pub head: Head,
    /// All files of the folder, as the manifest lists them.
    pub files: Vec<ManifestEntry>,
    /// How many of them are new.
    pub written: usize,
    /// The manifest.
    pub manifest: PathBuf,
}

impl Db {
    /// Writes snapshot files of the log into a folder, with a manifest.
    ///
    /// Twigs that files of the folder hold already are not written again, so exporting now and then
    /// appends. Cut off at any point, it goes on the next time. Views that are open, and a writer,
    /// go on meanwhile. Costs reading and writing 96 bytes a leaf and hashing them with BLAKE3; no
    /// leaf hash is derived, but every payload is compared with its checksum.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`]; [`Error::Segment`] if leaves are pruned or damaged;
    /// [`Error::Snapshot`] if a file cannot be written, or one that is there is of another log.
    pub fn export_snapshot(
        &self,
        folder: impl AsRef<Path>,
        options: &ExportOptions,
    ) -> Result<Exported, Error> {
        self.export_snapshot_on(&RealDisk, folder.as_ref(), options)
    }

    /// [`export_snapshot`](Self::export_snapshot) to a disk of the caller's.
    ///
    /// # Errors
    /// As [`export_snapshot`](Self::export_snapshot).
    pub fn export_snapshot_on(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        options: &ExportOptions,
    ) -> Result<Exported, Error> {
        let state = self.reader().state();
        let view = View::new(Arc::clone(&state));
        let block = options.to_block.unwrap_or(state.head.block_number);
        let head = view.head_at(block)?;
        let Some(last) = head.leaf_count.checked_sub(1) else {
            return Err(SnapshotRefusal::Empty.into());
        };
        let export = Export {
            state,
            view,
            head,
            identity: self.identity(),
            whole: last / TWIG_LEAVES,
        };
        export.run(disk, folder, options)
    }
}

/// An export of the log up to one head.
struct Export {
    state: Arc<State>,
    view: View,
    head: Head,
    identity: Identity,
    /// Whole twigs that end before the head's last leaf.
    whole: u64,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io {
        path: path.to_path_buf(),
        action: "export",
        source,
    }
}

impl Export {
    fn run(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        options: &ExportOptions,
    ) -> Result<Exported, Error> {
        create_folder(disk, folder).map_err(failed(folder))?;
        remove_temporary_files(disk, folder).map_err(failed(folder))?;
        let there = SnapshotSet::open(disk, &SnapshotSet::paths(disk, folder)?)?;
        self.check_files(&there)?;
        let from = self.covered(&there, options.from_twig);
        let names = file_names(from..self.whole, options.file_twigs);
        let mut written = self.write_all(disk, folder, &names, options)?;
        let (kept, old_tails) = self.kept(&there);
        if !kept
            .iter()
            .any(|file| file.header().name == self.tail_name())
        {
            // A tail of this name may be of blocks that were unwound.
            for path in &old_tails {
                disk.remove(path).map_err(failed(path))?;
            }
            disk.sync_dir(folder).map_err(failed(folder))?;
            written.extend(self.write_file(disk, folder, self.tail_name(), &options.progress)?);
        }
        let count = written.len();
        let mut files = entries(disk, folder, &kept)?;
        files.extend(written);
        files.sort_by_key(|entry| entry.name);
        let manifest = Manifest {
            head: self.head,
            files,
        };
        let path = write_manifest(disk, folder, &manifest, options.signer.as_deref())?;
        Ok(Exported {
            head: self.head,
            files: manifest.files,
            written: count,
            manifest: path,
        })
    }

    /// The files in the folder are of this log, or the folder is another's.
    fn check_files(&self, there: &SnapshotSet) -> Result<(), Error> {
        for file in there.files() {
            let mut roots = file.header().twigs().zip(file.roots());
            let tail = file.header().name.content == SnapshotContent::Tail;
            let same = file.header().identity == self.identity
                && (tail
                    || roots.all(|(twig, root)| {
                        twig >= self.whole || self.state.upper.node(TWIG_LEVEL, twig) == Some(*root)
                    }));
            if !same {
                let path = file.path().to_path_buf();
                let what = "log";
                return Err(SnapshotError::Differs { path, what }.into());
            }
        }
        Ok(())
    }

    /// The first twig from `from` on that no file has the leaves of.
    fn covered(&self, there: &SnapshotSet, from: u64) -> u64 {
        let mut at = from;
        let leaves =
            |file: &&SnapshotFile| file.header().name.content == SnapshotContent::Execution;
        while let Some(file) = there
            .files()
            .iter()
            .filter(leaves)
            .find(|file| file.header().twigs().contains(&at))
        {
            at = file.header().twigs().end;
        }
        at
    }

    /// Files that stay, and tails that go: all but the one of this head.
    fn kept<'s>(&self, there: &'s SnapshotSet) -> (Vec<&'s SnapshotFile>, Vec<PathBuf>) {
        let (mut kept, mut old) = (Vec::new(), Vec::new());
        for file in there.files() {
            let header = file.header();
            if header.name.content != SnapshotContent::Tail || header.head == self.head {
                kept.push(file);
            } else {
                old.push(file.path().to_path_buf());
            }
        }
        (kept, old)
    }

    fn tail_name(&self) -> SnapshotName {
        SnapshotName {
            content: SnapshotContent::Tail,
            from: self.whole * TWIG_LEAVES,
            to: self.head.leaf_count,
        }
    }

    /// Writes files on several threads. Those that were written stay if one fails.
    fn write_all(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        names: &[SnapshotName],
        options: &ExportOptions,
    ) -> Result<Vec<ManifestEntry>, Error> {
        let next = AtomicU64::new(0);
        let results = Mutex::new(Vec::new());
        let run = || {
            loop {
                // Relaxed: the counter only hands out places.
                let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed));
                let Some(name) = place.ok().and_then(|place| names.get(place)) else {
                    return;
                };
                let entries = self.write_file(disk, folder, *name, &options.progress);
                let stop = entries.is_err();
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push(entries);
                if stop {
                    next.store(names.len() as u64, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            let threads = options.threads.min(names.len());
            (1..threads).for_each(|_| drop(scope.spawn(run)));
            run();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let results: Vec<_> = results.into_iter().collect::<Result<_, _>>()?;
        Ok(results.concat())
    }

    /// Writes a file, and before it the one of its tags, if there are any and it has a file of
    /// its own for them: where the leaves are the tags are too.
    fn write_file(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        name: SnapshotName,
        progress: &Progress,
    ) -> Result<Vec<ManifestEntry>, Error> {
        let tail = name.content == SnapshotContent::Tail;
        let twigs = match tail {
            true => self.whole..self.whole + 1,
            false => name.from..name.to,
        };
        let leaves = match tail {
            true => name.from..name.to,
            false => name.from * TWIG_LEAVES..name.to * TWIG_LEAVES,
        };
        let end_head = match tail {
            true => self.head,
            false => self.boundary(leaves.end)?,
        };
        let blocks = self.blocks(&leaves, end_head.block_number)?;
        let header = SnapshotHeader {
            identity: self.identity,
            name,
            first_block: blocks.first().map_or(0, |(number, _)| *number),
            block_count: blocks.len() as u64,
            anchor: self.anchor(twigs.start)?,
            end: self.view.leaf_hash(TxNum(leaves.end - 1))?.0,
            head: end_head,
            tables_crc: 0,
        };
        let blocks: Vec<_> = blocks.into_iter().map(|(_, block)| block).collect();
        let root = |twig| self.state.upper.node(TWIG_LEVEL, twig).unwrap_or_default();
        let roots: Vec<_> = match tail {
            true => Vec::new(),
            false => twigs.clone().map(root).collect(),
        };
        let tags = self.tags(&leaves)?;
        let parts = SnapshotParts {
            header,
            roots: &roots,
            blocks: &blocks,
            tags: &tags,
        };
        let mut entries = Vec::new();
        if !tail && !tags.is_empty() {
            entries.extend(write_tags(disk, folder, &parts)?);
        }
        let entry = write_snapshot(disk, folder, &parts, |sink| {
            for twig in twigs {
                let count = (leaves.end - twig * TWIG_LEAVES).min(TWIG_LEAVES);
                self.write_twig(sink, twig, count)?;
                advance(progress, count);
            }
            Ok::<_, Error>(())
        })?;
        entries.push(entry);
        Ok(entries)
    }

    /// The tags of a range that starts with a twig; none if no leaf has one.
    fn tags(&self, leaves: &Range<u64>) -> Result<Vec<Tag>, Error> {
        let mut tags: Vec<Tag> = Vec::new();
        for twig in leaves.start / TWIG_LEAVES..leaves.end.div_ceil(TWIG_LEAVES) {
            let place = usize::try_from(twig * TWIG_LEAVES - leaves.start).unwrap_or(usize::MAX);
            if let Some(of_twig) = self.tags_of(twig)?.filter(|tags| has_any(tags)) {
                tags.resize(place, NO_TAG);
                tags.extend_from_slice(&of_twig);
            }
        }
        let len = usize::try_from(leaves.end - leaves.start).unwrap_or(usize::MAX);
        if has_any(tags.get(..len).unwrap_or(&tags)) {
            tags.resize(len, NO_TAG);
            Ok(tags)
        } else {
            Ok(Vec::new())
        }
    }

    fn tags_of(&self, twig: u64) -> Result<Option<Cow<'_, [Tag]>>, Error> {
        if let Some(tail) = self.state.tail_twig(TwigId(twig)) {
            return Ok(tail.tags().map(Cow::Owned));
        }
        let sealed = &self.state.sealed;
        if let Some(files) = sealed.snapshot() {
            return Ok(files.plan().set.tags(twig).map(Cow::Borrowed));
        }
        match sealed.segment_of(TwigId(twig)) {
            Some(segment) => Ok(Some(Cow::Borrowed(segment.tags(TwigId(twig))?))),
            None => Err(self.no_leaf(twig)),
        }
    }

    /// The head of a log that ends with so many leaves, which may be inside a block.
    fn boundary(&self, leaf_count: u64) -> Result<Head, Error> {
        // The first block that ends behind; the one before it is the last that is whole.
        let behind = self.state.block_of(TxNum(leaf_count))?;
        let first = self.state.first_block().unwrap_or(behind);
        let before = behind.checked_sub(1).filter(|before| *before >= first);
        let before = before
            .map(|before| self.state.block_end(before))
            .transpose()?;
        let hasher = Hasher::new(self.head.profile);
        Ok(Head {
            block_number: if before.is_some() { behind - 1 } else { 0 },
            leaf_count,
            root: self.state.root_of(&hasher, leaf_count)?,
            entry_count: before.map_or(0, |end| end.entry_count),
            state_root: before.map_or_else(Default::default, |end| end.state_root),
            ..self.head
        })
    }

    /// The blocks that end in a range of leaves, up to block `last`.
    fn blocks(&self, leaves: &Range<u64>, last: u64) -> Result<Vec<(u64, SnapshotBlock)>, Error> {
        let first = match leaves.start {
            0 => self.state.first_block().unwrap_or_default(),
            start => self.state.block_of(TxNum(start))?,
        };
        let mut blocks = Vec::new();
        for number in first..=last {
            let end = self.state.block_end(number)?;
            // A range inside one block lists none.
            if end.leaf_count > leaves.end {
                break;
            }
            let block = SnapshotBlock {
                leaf_count: end.leaf_count,
                entry_count: end.entry_count,
                state_root: end.state_root,
            };
            blocks.push((number, block));
        }
        Ok(blocks)
    }

    /// The hash of the leaf before a twig.
    fn anchor(&self, twig: u64) -> Result<Digest, Error> {
        let sealed = &self.state.sealed;
        match twig.checked_sub(1) {
            None => Ok([0; 32]),
            _ if twig == self.state.sealed_twigs() => Ok(sealed.end()),
            Some(before) if twig > self.state.sealed_twigs() => {
                let last = TxNum(before * TWIG_LEAVES + TWIG_LEAVES - 1);
                Ok(self.view.leaf_hash(last)?.0)
            }
            _ => match (sealed.snapshot(), sealed.segment_of(TwigId(twig))) {
                (Some(files), _) => files.plan().anchor(twig),
                (None, Some(segment)) => Ok(segment.twig_anchor(TwigId(twig))?),
                (None, None) => Err(self.no_leaf(twig)),
            },
        }
    }

    /// Writes the first `count` leaves of a twig.
    fn write_twig(&self, sink: &mut LeafSink<'_>, twig: u64, count: u64) -> Result<(), Error> {
        let anchor = self.anchor(twig)?;
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        let mut cut = move |piece: &'_ [[u8; PAYLOAD_LEN]]| {
            let take = piece.len().min(left);
            left -= take;
            take
        };
        let sealed = &self.state.sealed;
        let written = if let Some(tail) = self.state.tail_twig(TwigId(twig)) {
            let pieces = tail
                .payload_pieces()
                .map(|piece| piece.get(..cut(piece)).unwrap_or_default());
            sink.twig(&anchor, pieces)
        } else if let Some(files) = sealed.snapshot() {
            let word = files.plan().set.twig(twig)?;
            let piece = word.payloads();
            sink.twig(&anchor, [piece.get(..cut(piece)).unwrap_or_default()])
        } else {
            let segment = sealed.segment_of(TwigId(twig));
            let piece = segment.ok_or_else(|| self.no_leaf(twig))?;
            let piece = piece.payloads(TwigId(twig))?;
            sink.twig(&anchor, [piece.get(..cut(piece)).unwrap_or_default()])
        };
        written.map_err(failed(Path::new("snapshot")))
    }

    fn no_leaf(&self, twig: u64) -> Error {
        Error::NoSuchLeaf {
            tx_num: TxNum(twig.saturating_mul(TWIG_LEAVES)),
            leaf_count: self.head.leaf_count,
        }
    }
}

/// Writes the tags of a file beside it, unless they are there already. They go into no hash that
/// could tell, so nobody else may have written them.
pub(super) fn write_tags(
    disk: &dyn Disk,
    folder: &Path,
    parts: &SnapshotParts<'_>,
) -> Result<Option<ManifestEntry>, Error> {
    let name = SnapshotName {
        content: SnapshotContent::Tags,
        ..parts.header.name
    };
    if disk.exists(&folder.join(name.to_string())) {
        return Ok(None);
    }
    let header = SnapshotHeader {
        name,
        ..parts.header
    };
    let parts = SnapshotParts { header, ..*parts };
    let written = write_snapshot(disk, folder, &parts, |_| Ok::<_, Error>(()))?;
    Ok(Some(written))
}

/// Names of files for a range of twigs: each starts at a multiple of its size, and is as large as that
/// and the range allow. So files of one history are the same wherever they were made, and two
/// neighbours of one size merge into one of twice that.
pub(super) fn file_names(twigs: Range<u64>, largest: u64) -> Vec<SnapshotName> {
    let largest = 1 << largest.max(1).ilog2();
    let (mut names, mut from) = (Vec::new(), twigs.start);
    while from < twigs.end {
        let aligned = 1 << from.trailing_zeros().min(63);
        let left: u64 = 1 << (twigs.end - from).ilog2();
        let to = from + left.min(aligned).min(largest);
        names.push(SnapshotName {
            content: SnapshotContent::Execution,
            from,
            to,
        });
        from = to;
    }
    names
}

/// The manifest's lines for files that were there: from the last manifest, or hashed now.
pub(super) fn entries(
    disk: &dyn Disk,
    folder: &Path,
    files: &[&SnapshotFile],
) -> Result<Vec<ManifestEntry>, Error> {
    let old = match newest_manifest(disk, folder)? {
        Some((_, path)) => read_manifest(disk, &path)?.unverified().files.clone(),
        None => Vec::new(),
    };
    let entry = |file: &&SnapshotFile| {
        let (name, len_bytes) = (file.header().name, file.len_bytes());
        let known = old
            .iter()
            .find(|entry| (entry.name, entry.len_bytes) == (name, len_bytes));
        known.copied().unwrap_or_else(|| ManifestEntry {
            name,
            len_bytes,
            blake3: file.blake3(),
        })
    };
    Ok(files.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_aligned_and_cover_the_range() {
        let sizes = |from, to, largest| {
            let names = file_names(from..to, largest);
            let ends: Vec<_> = names.iter().map(|name| name.to).collect();
            assert!(
                names
                    .iter()
                    .skip(1)
                    .zip(&ends)
                    .all(|(name, end)| name.from == *end)
            );
            names
                .iter()
                .map(|name| name.to - name.from)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(0, 100, 64), [64, 32, 4]);
        assert_eq!(sizes(100, 130, 64), [4, 8, 16, 2]);
        assert_eq!(sizes(0, 5, 2), [2, 2, 1]);
        assert_eq!(sizes(0, 5, 3), [2, 2, 1]);
        assert_eq!(sizes(7, 7, 64), []);
        assert_eq!(sizes(0, 3, 0), [1, 1, 1]);
    }
}
