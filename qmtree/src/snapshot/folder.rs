//! Keeping a folder of snapshot files: listing, merging, dropping old leaves, comparing hashes.

use super::export::{entries, file_names, write_tags};
use super::plan::{Progress, advance};
use super::set::SnapshotSet;
use crate::error::Error;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Head, LEAF_LEN, TWIG_LEAVES};
use qmtree_storage::snapshot::{
    LeafSink, Manifest, ManifestEntry, NoteSigner, NoteVerifier, SignedManifest, SnapshotContent,
    SnapshotError, SnapshotFile, SnapshotHeader, SnapshotName, SnapshotParts, has_file,
    newest_manifest, read_manifest, receive_file, write_manifest, write_note, write_snapshot,
    write_state_snapshot,
};
use qmtree_storage::{Disk, NO_TAG, RealDisk, Tag, create_folder};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of snapshot files with a manifest.
#[derive(Debug)]
pub struct SnapshotFolder {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

/// What a snapshot file says about itself, unverified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, of which range.
    pub name: SnapshotName,
    /// Its leaves, or those that its roots stand for; in files of the state log, its entries.
    pub leaves: Range<u64>,
    /// Blocks that end in it.
    pub blocks: Range<u64>,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// The head of the log that ends with it.
    pub head: Head,
}

impl SnapshotInfo {
    fn of(file: &SnapshotFile) -> Self {
        let header = file.header();
        Self {
            path: file.path().to_path_buf(),
            name: header.name,
            leaves: header.leaves(),
            blocks: file.blocks(),
            len_bytes: file.len_bytes(),
            head: header.head,
        }
    }

    /// Opens one file, and reads what it says about itself.
    ///
    /// # Errors
    /// [`Error::Snapshot`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self::of(&SnapshotFile::open(&RealDisk, path)?))
    }
}

impl SnapshotFolder {
    /// A folder on the operating system's disk.
    #[must_use]
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self::on(Arc::new(RealDisk), folder.as_ref())
    }

    /// A folder on a disk of the caller's.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        let folder = folder.to_path_buf();
        Self { disk, folder }
    }

    /// Where the snapshot files are, whatever is in them.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed.
    pub fn paths(&self) -> Result<Vec<PathBuf>, Error> {
        SnapshotSet::paths(&*self.disk, &self.folder)
    }

    /// The snapshot files, by content and range. Other files are left out.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if one cannot be read.
    pub fn files(&self) -> Result<Vec<SnapshotInfo>, Error> {
        let set = self.set()?;
        let mut files: Vec<_> = set.files().iter().map(SnapshotInfo::of).collect();
        files.sort_by_key(|file| file.name);
        Ok(files)
    }

    /// The newest manifest, if there is one.
    ///
    /// # Errors
    /// [`Error::Snapshot`].
    pub fn manifest(&self) -> Result<Option<SignedManifest>, Error> {
        let newest = newest_manifest(&*self.disk, &self.folder)?;
        let read = newest.map(|(_, path)| read_manifest(&*self.disk, &path));
        Ok(read.transpose()?)
    }

    /// Takes a manifest from elsewhere, as it is and with its signatures.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it is none, or as the disk says.
    pub fn receive_manifest(&self, note: &str) -> Result<PathBuf, Error> {
        Manifest::parse(&self.folder, note.as_bytes())?;
        Ok(write_note(&*self.disk, &self.folder, note)?)
    }

    /// True if the folder has a file as the manifest lists it. Hashes it.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if another file has its name.
    pub fn has(&self, entry: &ManifestEntry) -> Result<bool, Error> {
        Ok(has_file(&*self.disk, &self.folder, entry)?)
    }

    /// Takes a file from elsewhere: it gets its name once it is durable and is what the manifest
    /// lists. The folder is made if need be.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it is another, or as the disk or the reader says.
    pub fn receive(
        &self,
        entry: &ManifestEntry,
        from: &mut dyn std::io::Read,
    ) -> Result<(), Error> {
        create_folder(&*self.disk, &self.folder).map_err(|source| Error::Io {
            path: self.folder.clone(),
            action: "create",
            source,
        })?;
        Ok(receive_file(&*self.disk, &self.folder, entry, from)?)
    }

    /// Compares each file that the manifest lists with its length and hash, and the manifest with
    /// its signature if a key is given. Returns the manifest.
    ///
    /// # Errors
    /// [`Error::Snapshot`] at the first difference, or if there is no manifest.
    pub fn check_manifest(
        &self,
        verifier: Option<&NoteVerifier>,
        progress: &Progress,
    ) -> Result<Manifest, Error> {
        let Some(signed) = self.manifest()? else {
            return Err(SnapshotError::Io {
                path: self.folder.join("v1.0-qmtree-manifest.*.note"),
                action: "find the manifest",
                source: std::io::ErrorKind::NotFound.into(),
            }
            .into());
        };
        let manifest = match verifier {
            Some(verifier) => signed.verify(verifier)?.clone(),
            None => signed.unverified().clone(),
        };
        for entry in &manifest.files {
            let path = self.folder.join(entry.name.to_string());
            let file = SnapshotFile::open(&*self.disk, &path)?;
            let differs = |what| Err(Error::from(SnapshotError::Differs { path, what }));
            if file.len_bytes() != entry.len_bytes {
                return differs("length");
            }
            if file.blake3() != entry.blake3 {
                return differs("content");
            }
            let leaves = file.header().leaves();
            advance(progress, leaves.end - leaves.start);
        }
        Ok(manifest)
    }

    /// Merges neighbours into files of up to `largest` twigs, each aligned to its size, and writes a
    /// new manifest. The merged files go once the larger one is durable. Returns how many files
    /// were written.
    ///
    /// The bytes are those that an export would have written; nothing is hashed but by BLAKE3.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file cannot be read or written, or two do not belong together.
    pub fn merge(&self, largest: u64, signer: Option<&NoteSigner>) -> Result<usize, Error> {
        let set = self.set()?;
        let (mut written, mut merged) = (Vec::new(), 0);
        let mut gone: Vec<&SnapshotFile> = Vec::new();
        for content in [SnapshotContent::Execution, SnapshotContent::State] {
            for (name, inside) in mergeable(&set, content, largest) {
                if content == SnapshotContent::State {
                    written.push(self.write_merged_state(name, &inside)?);
                } else {
                    let (entries, tags) = self.write_merged(&set, name, &inside)?;
                    written.extend(entries);
                    gone.extend(tags);
                }
                gone.extend(inside);
                merged += 1;
            }
        }
        // What an earlier merge, cut off, has left.
        let files = set.files().iter();
        let left = files.filter(|file| set.files().iter().any(|other| lies_in(file, other)));
        gone.extend(left);
        gone.sort_by_key(|file| file.header().name);
        gone.dedup_by_key(|file| file.header().name);
        self.finish(&set, &gone, written, signer)?;
        Ok(merged)
    }

    /// Drops the leaves of files that lie wholly before `twig`, and keeps the roots of their twigs.
    /// What is left can still be imported from roots. Returns how many files went.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file cannot be read or written.
    pub fn retain_from(&self, twig: u64, signer: Option<&NoteSigner>) -> Result<usize, Error> {
        let set = self.set()?;
        let (mut written, mut gone, mut count) = (Vec::new(), Vec::new(), 0);
        for file in set.files() {
            let header = *file.header();
            let content = header.name.content;
            if content == SnapshotContent::Tags && header.name.to <= twig {
                gone.push(file);
            }
            if content != SnapshotContent::Execution || header.name.to > twig {
                continue;
            }
            let name = SnapshotName {
                content: SnapshotContent::Roots,
                ..header.name
            };
            let parts = SnapshotParts {
                header: SnapshotHeader { name, ..header },
                roots: file.roots(),
                blocks: &[],
                tags: &[],
            };
            if !self.disk.exists(&self.folder.join(name.to_string())) {
                let entry: Result<_, Error> =
                    write_snapshot(&*self.disk, &self.folder, &parts, |_| Ok(()));
                written.push(entry?);
            }
            gone.push(file);
            count += 1;
        }
        self.finish(&set, &gone, written, signer)?;
        Ok(count)
    }

    fn set(&self) -> Result<SnapshotSet, Error> {
        let paths = SnapshotSet::paths(&*self.disk, &self.folder)?;
        SnapshotSet::open(&*self.disk, &paths)
    }

    /// Writes the file of a range in which these lie, and of their tags; also returns the files of
    /// tags that go.
    fn write_merged<'s>(
        &self,
        set: &'s SnapshotSet,
        name: SnapshotName,
        files: &[&SnapshotFile],
    ) -> Result<(Vec<ManifestEntry>, Vec<&'s SnapshotFile>), Error> {
        let differs = |file: &SnapshotFile| {
            let path = file.path().to_path_buf();
            Error::from(SnapshotError::Differs {
                path,
                what: "log of its neighbour",
            })
        };
        let (mut roots, mut blocks) = (Vec::new(), Vec::new());
        let mut first_block = None;
        let mut before: Option<&SnapshotFile> = None;
        for file in files {
            let header = file.header();
            if before.is_some_and(|before| before.header().end != header.anchor) {
                return Err(differs(file));
            }
            roots.extend_from_slice(file.roots());
            let numbers = file.blocks();
            if !numbers.is_empty() {
                let expected = first_block.map(|first: u64| first + blocks.len() as u64);
                if expected.is_some_and(|expected| expected != numbers.start) {
                    return Err(differs(file));
                }
                first_block = first_block.or(Some(numbers.start));
                blocks.extend(numbers.filter_map(|number| file.block(number)));
            }
            before = Some(file);
        }
        let (Some(first), Some(last)) = (files.first(), files.last()) else {
            return Err(SnapshotError::Unwritable {
                path: self.folder.join(name.to_string()),
            }
            .into());
        };
        let header = SnapshotHeader {
            name,
            first_block: first_block.unwrap_or(0),
            block_count: blocks.len() as u64,
            anchor: first.header().anchor,
            ..*last.header()
        };
        let tags = merged_tags(set, name);
        let parts = SnapshotParts {
            header,
            roots: &roots,
            blocks: &blocks,
            tags: &tags,
        };
        let mut entries = Vec::new();
        if !tags.is_empty() {
            entries.extend(write_tags(&*self.disk, &self.folder, &parts)?);
        }
        let entry = write_snapshot(&*self.disk, &self.folder, &parts, |sink| {
            for file in files {
                for twig in file.header().twigs() {
                    let word = file.twig(twig)?;
                    sink.twig(&word.anchor(), [word.payloads()])
                        .map_err(|source| Error::Io {
                            path: self.folder.clone(),
                            action: "merge",
                            source,
                        })?;
                }
            }
            Ok::<_, Error>(())
        })?;
        entries.push(entry);
        let old = set.files().iter().filter(|file| {
            let other = file.header().name;
            let smaller = (other.from, other.to) != (name.from, name.to);
            other.content == SnapshotContent::Tags && smaller && is_inside(other, name)
        });
        Ok((entries, old.collect()))
    }

    /// Writes the file of a range of the state log in which these lie.
    fn write_merged_state(
        &self,
        name: SnapshotName,
        files: &[&SnapshotFile],
    ) -> Result<ManifestEntry, Error> {
        let (mut roots, mut lengths) = (Vec::new(), Vec::new());
        let first = files.first().map(|file| *file.header());
        let rule = first.map_or(Compaction::OFF, |first| first.compaction);
        for file in files {
            if file.header().compaction != rule {
                let path = file.path().to_path_buf();
                let what = "log of its neighbour";
                return Err(SnapshotError::Differs { path, what }.into());
            }
            roots.extend_from_slice(file.roots());
            for twig in file.header().twigs() {
                lengths.push(file.packed_values(twig)?.len() as u64);
            }
        }
        let entries = vec![LEAF_LEN as u64 * TWIG_LEAVES; roots.len()];
        let lengths = [&entries[..], &[32 * roots.len() as u64], &lengths[..]].concat();
        let identity = first.ok_or_else(|| SnapshotError::Unwritable {
            path: self.folder.join(name.to_string()),
        })?;
        let log = (identity.identity, rule);
        let twigs = || {
            let files = files.iter();
            files.flat_map(|file| file.header().twigs().map(move |twig| (file, twig)))
        };
        let put = |sink: &mut LeafSink<'_>, word: &[u8]| {
            sink.word(&[word]).map_err(|source| Error::Io {
                path: self.folder.clone(),
                action: "merge",
                source,
            })
        };
        let (disk, folder) = (&*self.disk, &self.folder);
        write_state_snapshot(disk, folder, log, name, &roots, &lengths, |sink| {
            for (file, twig) in twigs() {
                put(sink, &file.entries_word(twig)?)?;
            }
            put(sink, roots.as_flattened())?;
            for (file, twig) in twigs() {
                put(sink, &file.packed_values(twig)?)?;
            }
            Ok(())
        })
    }

    /// Writes the manifest of what stays and what is new, and removes what goes.
    fn finish(
        &self,
        set: &SnapshotSet,
        gone: &[&SnapshotFile],
        written: Vec<ManifestEntry>,
        signer: Option<&NoteSigner>,
    ) -> Result<(), Error> {
        if written.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let is_gone = |file: &&SnapshotFile| gone.iter().any(|gone| gone.path() == file.path());
        let kept: Vec<_> = set.files().iter().filter(|file| !is_gone(file)).collect();
        let mut files = entries(&*self.disk, &self.folder, &kept)?;
        files.extend(written);
        files.sort_by_key(|entry| entry.name);
        let head = match self.manifest()? {
            Some(old) => old.unverified().head,
            // Without a manifest: the head of the file that reaches furthest.
            None => {
                let heads = set.files().iter().map(|file| file.header().head);
                let furthest = heads.max_by_key(|head| head.leaf_count);
                furthest.ok_or(super::SnapshotRefusal::Empty)?
            }
        };
        let manifest = Manifest { head, files };
        write_manifest(&*self.disk, &self.folder, &manifest, signer)?;
        for file in gone {
            let failed = |source| Error::Io {
                path: file.path().to_path_buf(),
                action: "remove",
                source,
            };
            self.disk.remove(file.path()).map_err(failed)?;
        }
        let failed = |source| Error::Io {
            path: self.folder.clone(),
            action: "sync",
            source,
        };
        self.disk.sync_dir(&self.folder).map_err(failed)
    }
}

/// Larger files that files of a content make, each with those.
fn mergeable(
    set: &SnapshotSet,
    content: SnapshotContent,
    largest: u64,
) -> Vec<(SnapshotName, Vec<&SnapshotFile>)> {
    let of_content = |file: &&SnapshotFile| file.header().name.content == content;
    let mut files: Vec<_> = set.files().iter().filter(of_content).collect();
    files.sort_by_key(|file| (file.header().name.from, u64::MAX - file.header().name.to));
    let mut found = Vec::new();
    for run in contiguous(&files) {
        let (first, last) = (run.first(), run.last());
        let twigs = first.map_or(0, |file| file.header().name.from)
            ..last.map_or(0, |file| file.header().name.to);
        for name in file_names(twigs, largest) {
            let name = SnapshotName { content, ..name };
            let inside: Vec<_> = run
                .iter()
                .copied()
                .filter(|file| is_inside(file.header().name, name))
                .collect();
            let lengths = inside.iter().map(|file| file.header().name);
            let covered: u64 = lengths.map(|name| name.to - name.from).sum();
            // Not one file already, or a part of a larger one.
            if inside.len() >= 2 && covered == name.to - name.from {
                found.push((name, inside));
            }
        }
    }
    found
}

/// Runs of files that follow each other without a gap or an overlap.
fn contiguous<'s>(files: &[&'s SnapshotFile]) -> Vec<Vec<&'s SnapshotFile>> {
    let mut runs: Vec<Vec<&SnapshotFile>> = Vec::new();
    let mut end = None;
    for file in files {
        let name = file.header().name;
        match runs.last_mut() {
            Some(run) if end == Some(name.from) => run.push(file),
            // A file inside a larger one, left by a merge that was cut off.
            Some(_) if end.is_some_and(|end| name.to <= end) => continue,
            _ => runs.push(vec![file]),
        }
        end = Some(name.to);
    }
    runs
}

/// True if a file holds a part of what another one holds.
fn lies_in(file: &SnapshotFile, other: &SnapshotFile) -> bool {
    let (name, other) = (file.header().name, other.header().name);
    let merges = matches!(
        name.content,
        SnapshotContent::Execution | SnapshotContent::Tags | SnapshotContent::State
    );
    merges && name != other && name.content == other.content && is_inside(name, other)
}

/// The tags of a range; none if no file has any of them.
fn merged_tags(set: &SnapshotSet, name: SnapshotName) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for twig in name.from..name.to {
        let end = usize::try_from((twig - name.from + 1) * TWIG_LEAVES).unwrap_or(usize::MAX);
        if let Some(of_twig) = set.tags(twig) {
            tags.resize(end.saturating_sub(of_twig.len()), NO_TAG);
            tags.extend_from_slice(of_twig);
        } else if !tags.is_empty() {
            tags.resize(end, NO_TAG);
        }
    }
    tags
}

fn is_inside(name: SnapshotName, other: SnapshotName) -> bool {
    name.from >= other.from && name.to <= other.to
}
