//! Merging small snapshot files into larger ones.

use super::export::{file_names, write_tags};
use super::folder::{SnapshotFolder, check_listed};
use super::output::Output;
use super::set::SnapshotSet;
use crate::error::Error;
use qmtree_proofs::{LEAF_LEN, TWIG_LEAVES};
use qmtree_storage::snapshot::{
    LeafSink, Manifest, ManifestEntry, NoteSigner, SnapshotContent, SnapshotError, SnapshotFile,
    SnapshotHeader, SnapshotName, SnapshotParts, write_snapshot, write_state_snapshot,
};
use qmtree_storage::{NO_TAG, Tag};

impl SnapshotFolder {
    /// Merges neighbours into files of up to `largest` twigs, each aligned to its size, and writes a
    /// new manifest. The merged files go once the larger one is durable. Returns how many files
    /// were written.
    ///
    /// Only files that the manifest lists take part, once they were compared with their hashes there.
    /// The bytes are those that an export would have written; nothing is hashed but by BLAKE3. A
    /// larger file that is there and not listed must be the same, or is written over.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if a file cannot be read or written, is not as listed, or two do not
    /// belong together; [`Error::Refused`] if there is no manifest. Nothing is lost then.
    pub fn merge(&self, largest: u64, signer: Option<&NoteSigner>) -> Result<usize, Error> {
        let (manifest, set) = self.listed_files()?;
        let output = Output::new(&*self.disk, &self.folder);
        let (mut written, mut merged) = (Vec::new(), 0);
        let mut gone: Vec<SnapshotName> = Vec::new();
        for content in [SnapshotContent::Execution, SnapshotContent::State] {
            for (name, inside) in mergeable(&set, content, largest) {
                for file in &inside {
                    check_listed(&manifest, file)?;
                }
                if content == SnapshotContent::State {
                    written.push(write_merged_state(&output, name, &inside)?);
                } else {
                    let tags = tags_inside(&set, name);
                    for file in &tags {
                        check_listed(&manifest, file)?;
                    }
                    written.extend(write_merged(&output, &set, name, &inside)?);
                    gone.extend(tags.iter().map(|file| file.header().name));
                }
                gone.extend(inside.iter().map(|file| file.header().name));
                merged += 1;
            }
        }
        gone.extend(self.left_behind(&manifest, &set, &written)?);
        gone.retain(|name| written.iter().all(|entry| entry.name != *name));
        gone.sort();
        gone.dedup();
        self.finish(&output, manifest, &gone, written, signer)?;
        Ok(merged)
    }

    /// What an earlier merge, cut off, has left: files inside of others, which are as listed.
    fn left_behind(
        &self,
        manifest: &Manifest,
        set: &SnapshotSet,
        written: &[ManifestEntry],
    ) -> Result<Vec<SnapshotName>, Error> {
        let paths = self.paths()?;
        let new = |name: &SnapshotName| written.iter().any(|entry| entry.name == *name);
        let mut left = Vec::new();
        for name in paths.iter().filter_map(|path| SnapshotName::of_path(path)) {
            if written.iter().any(|entry| lies_in(name, entry.name)) {
                left.push(name);
                continue;
            }
            let mut files = set.files().iter();
            if let Some(file) = files.find(|file| lies_in(name, file.header().name))
                && !new(&name)
            {
                check_listed(manifest, file)?;
                left.push(name);
            }
        }
        Ok(left)
    }
}

/// Writes the file of a range in which these lie, and of their tags.
fn write_merged(
    output: &Output<'_>,
    set: &SnapshotSet,
    name: SnapshotName,
    files: &[&SnapshotFile],
) -> Result<Vec<ManifestEntry>, Error> {
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
        return Err(unwritable(output, name).into());
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
    let mut entries = Vec::from_iter(write_tags(output, &parts)?);
    let entry = output.put(name, |disk| {
        write_snapshot(disk, output.folder, &parts, |sink| {
            for file in files {
                for twig in file.header().twigs() {
                    let word = file.twig(twig)?;
                    let written = sink.twig(&word.anchor(), [word.payloads()]);
                    written.map_err(failed(output))?;
                }
            }
            Ok::<_, Error>(())
        })
    })?;
    entries.push(entry);
    Ok(entries)
}

/// Smaller files of tags that lie in a range.
fn tags_inside(set: &SnapshotSet, name: SnapshotName) -> Vec<&SnapshotFile> {
    let inside = |file: &&SnapshotFile| {
        let other = file.header().name;
        let smaller = (other.from, other.to) != (name.from, name.to);
        other.content == SnapshotContent::Tags && smaller && is_inside(other, name)
    };
    set.files().iter().filter(inside).collect()
}

/// Writes the file of a range of the state log in which these lie.
fn write_merged_state(
    output: &Output<'_>,
    name: SnapshotName,
    files: &[&SnapshotFile],
) -> Result<ManifestEntry, Error> {
    let (mut roots, mut lengths) = (Vec::new(), Vec::new());
    let first = files.first().map(|file| *file.header());
    let first = first.ok_or_else(|| unwritable(output, name))?;
    let rule = first.compaction;
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
    let log = (first.identity, rule);
    let twigs = || {
        let files = files.iter();
        files.flat_map(|file| file.header().twigs().map(move |twig| (file, twig)))
    };
    let put = |sink: &mut LeafSink<'_>, word: &[u8]| sink.word(&[word]).map_err(failed(output));
    output.put(name, |disk| {
        write_state_snapshot(disk, output.folder, log, name, &roots, &lengths, |sink| {
            for (file, twig) in twigs() {
                put(sink, &file.entries_word(twig)?)?;
            }
            put(sink, roots.as_flattened())?;
            for (file, twig) in twigs() {
                put(sink, &file.packed_values(twig)?)?;
            }
            Ok(())
        })
    })
}

fn unwritable(output: &Output<'_>, name: SnapshotName) -> SnapshotError {
    SnapshotError::Unwritable {
        path: output.folder.join(name.to_string()),
    }
}

fn failed(output: &Output<'_>) -> impl Fn(std::io::Error) -> Error {
    let path = output.folder.to_path_buf();
    move |source| Error::Io {
        path: path.clone(),
        action: "merge",
        source,
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
fn lies_in(name: SnapshotName, other: SnapshotName) -> bool {
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
