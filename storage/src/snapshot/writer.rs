//! Making snapshot files.

use super::blocks::{BlockTable, SnapshotBlock};
use super::error::SnapshotError;
use super::file::Shape;
use super::header::{HEADER_LEN, SnapshotHeader};
use super::manifest::ManifestEntry;
use super::name::{SnapshotContent, SnapshotName};
use super::words::WordLayout;
use crate::durable;
use crate::identity::Identity;
use crate::io::{Disk, DiskFile};
use crate::tag::Tag;
use crc32c::crc32c_append;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Digest, PAYLOAD_LEN};
use std::io;
use std::path::Path;

/// Takes the leaves or entries of a snapshot file, twig by twig, while it is written.
pub struct LeafSink<'a> {
    file: &'a mut dyn DiskFile,
    digest: &'a mut blake3::Hasher,
    layout: &'a WordLayout,
}

impl LeafSink<'_> {
    /// Appends a twig: the hash of the leaf before it, and words 0 to 2 of its leaves in as many
    /// pieces as they lie in.
    ///
    /// # Errors
    /// The disk's; [`io::ErrorKind::InvalidInput`] if it is not as long as it should be.
    pub fn twig<'p>(
        &mut self,
        anchor: &'p Digest,
        pieces: impl IntoIterator<Item = &'p [[u8; PAYLOAD_LEN]]>,
    ) -> io::Result<()> {
        let pieces = pieces.into_iter().map(<[_]>::as_flattened);
        let parts: Vec<&[u8]> = std::iter::once(anchor.as_slice()).chain(pieces).collect();
        self.word(&parts)
    }

    /// Appends a word of one of the lengths that were announced.
    ///
    /// # Errors
    /// The disk's; [`io::ErrorKind::InvalidInput`] if it has another length.
    pub fn word(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let prefix = self.layout.prefix(len);
        let prefix = prefix.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let all: Vec<&[u8]> = std::iter::once(prefix)
            .chain(parts.iter().copied())
            .collect();
        self.append(&all)
    }

    fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts {
            self.digest.update(part);
        }
        self.file.append_parts(parts)
    }
}

impl std::fmt::Debug for LeafSink<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeafSink").finish_non_exhaustive()
    }
}

/// What a file is made of, beside its leaves.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotParts<'a> {
    /// Word 0. The numbers of blocks are set from `blocks`, the checksum from all tables.
    pub header: SnapshotHeader,
    /// The roots of its twigs; not written into a tail or beside tags.
    pub roots: &'a [Digest],
    /// The blocks that end in it, in order; not written beside roots or tags alone.
    pub blocks: &'a [SnapshotBlock],
    /// A tag for each leaf; of a tail none at all if no leaf has one. Written into tails and files
    /// of tags.
    pub tags: &'a [Tag],
}

/// Writes a snapshot file into `folder` under the name that its header gives it, durably, and
/// returns its line for the manifest. `leaves` gives it its twigs, in order.
///
/// The bytes follow from the content alone. Streams: holds roots and blocks, and a twig at a time if
/// `leaves` does. After a crash the file is there whole or not at all.
///
/// # Errors
/// [`SnapshotError::Exists`] if it is there already; [`SnapshotError::Unwritable`] if the parts do
/// not fit together; [`SnapshotError::Io`] as the disk says; whatever `leaves` returns.
pub fn write_snapshot<E: From<SnapshotError>>(
    disk: &dyn Disk,
    folder: &Path,
    parts: &SnapshotParts<'_>,
    leaves: impl FnOnce(&mut LeafSink<'_>) -> Result<(), E>,
) -> Result<ManifestEntry, E> {
    let path = folder.join(parts.header.name.to_string());
    let unwritable = || SnapshotError::Unwritable { path: path.clone() };
    let (header, words) = words(parts).ok_or_else(unwritable)?;
    let lengths = leaf_lengths(&header).chain(words.iter().map(|word| word.len() as u64));
    write_words(disk, folder, &header, lengths, |sink| {
        leaves(sink)?;
        let tables = words.iter().try_for_each(|word| sink.word(&[word]));
        tables.map_err(|source| SnapshotError::io(&path, "write")(source).into())
    })
}

/// Writes a file of the state log likewise. `lengths` are those of all words behind word 0, which
/// `words` gives it in this order: those of entries, the roots if it has any, those of values.
///
/// # Errors
/// As [`write_snapshot`].
pub fn write_state_snapshot<E: From<SnapshotError>>(
    disk: &dyn Disk,
    folder: &Path,
    (identity, compaction): (Identity, Compaction),
    name: SnapshotName,
    roots: &[Digest],
    lengths: &[u64],
    words: impl FnOnce(&mut LeafSink<'_>) -> Result<(), E>,
) -> Result<ManifestEntry, E> {
    let header = SnapshotHeader {
        tables_crc: crc32c_append(0, roots.as_flattened()),
        ..SnapshotHeader::of_state(identity, compaction, name)
    };
    let path = folder.join(name.to_string());
    let same = SnapshotHeader::read(Path::new(""), &header.to_bytes());
    if !same.is_ok_and(|same| same == header) {
        return Err(SnapshotError::Unwritable { path }.into());
    }
    write_words(disk, folder, &header, lengths.iter().copied(), words)
}

/// Writes a file of word 0 and words of these lengths.
fn write_words<E: From<SnapshotError>>(
    disk: &dyn Disk,
    folder: &Path,
    header: &SnapshotHeader,
    lengths: impl Iterator<Item = u64>,
    words: impl FnOnce(&mut LeafSink<'_>) -> Result<(), E>,
) -> Result<ManifestEntry, E> {
    let name = header.name;
    let path = folder.join(name.to_string());
    if disk.exists(&path) {
        return Err(SnapshotError::Exists { path }.into());
    }
    let lengths = std::iter::once(HEADER_LEN as u64).chain(lengths);
    let layout = WordLayout::new(lengths);
    let layout = layout.map_err(|_| SnapshotError::Unwritable { path: path.clone() })?;
    let mut digest = blake3::Hasher::new();
    let mut failed = None;
    let written = durable::create_sealed(disk, &path, |file| {
        let (digest, layout) = (&mut digest, &layout);
        let mut sink = LeafSink {
            file,
            digest,
            layout,
        };
        sink.append(&[layout.head()])?;
        sink.word(&[&header.to_bytes()])?;
        if let Err(error) = words(&mut sink) {
            failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    written.map_err(SnapshotError::io(&path, "write"))?;
    Ok(ManifestEntry {
        name,
        len_bytes: layout.len_bytes(),
        blake3: *digest.finalize().as_bytes(),
    })
}

/// The header with its blocks and checksum, and the words behind the leaves. `None` if they do not
/// fit.
fn words(parts: &SnapshotParts<'_>) -> Option<(SnapshotHeader, Vec<Vec<u8>>)> {
    let shape = Shape::of(&parts.header)?;
    let blocks = if shape.has_blocks { parts.blocks } else { &[] };
    let first_block = parts.header.first_block;
    let mut header = SnapshotHeader {
        first_block: if blocks.is_empty() { 0 } else { first_block },
        block_count: blocks.len() as u64,
        ..parts.header
    };
    let leaves = header.leaves();
    let mut words = Vec::new();
    if shape.has_roots {
        let twigs = header.name.to - header.name.from;
        if parts.roots.len() as u64 != twigs {
            return None;
        }
        words.push(parts.roots.as_flattened().to_vec());
    }
    if shape.has_blocks {
        let word = BlockTable::write(leaves.start, blocks)?;
        BlockTable::read(&word, header.block_count, leaves.start, leaves.end)?;
        words.push(word);
    }
    if shape.has_tags {
        let none = parts.tags.is_empty() && header.name.content == SnapshotContent::Tail;
        if !none && parts.tags.len() as u64 != leaves.end - leaves.start {
            return None;
        }
        words.push(parts.tags.as_flattened().to_vec());
    }
    header.tables_crc = words.iter().fold(0, |crc, word| crc32c_append(crc, word));
    // What could not be read back is not written.
    let same = SnapshotHeader::read(Path::new(""), &header.to_bytes()).ok()? == header;
    same.then_some((header, words))
}

/// Lengths of the words of leaves.
fn leaf_lengths(header: &SnapshotHeader) -> impl Iterator<Item = u64> {
    let shape = Shape::of(header).map(|shape| (shape.leaf_words, shape.leaf_bytes));
    let (count, bytes) = shape.unwrap_or_default();
    // They are of one length.
    (0..count).map(move |_| bytes / count.max(1))
}
