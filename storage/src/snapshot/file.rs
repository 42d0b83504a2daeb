//! A snapshot file, mapped.

use super::blocks::{BlockTable, SnapshotBlock};
use super::error::SnapshotError;
use super::header::{HEADER_LEN, SnapshotHeader};
use super::name::{SnapshotContent, SnapshotName};
use super::words::{WordFile, WordPlace, Words};
use crate::io::{Disk, Mapped};
use qmtree_proofs::{Digest, PAYLOAD_LEN, TWIG_LEAVES};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of a twig's word.
pub(super) const TWIG_WORD_LEN: u64 = 32 + PAYLOAD_LEN as u64 * TWIG_LEAVES;
/// How many times its length a file may unpack to. Ours do not unpack at all.
const MAX_RATIO: u64 = 16;

/// A snapshot file that has the shape that its header says.
///
/// Its leaves are what somebody wrote, nothing more: whoever uses them derives the root from them
/// and compares it with a head that is trusted.
pub struct SnapshotFile {
    path: PathBuf,
    map: Mapped,
    header: SnapshotHeader,
    /// Twigs, or the leaves of a tail.
    places: Vec<WordPlace>,
    roots: Vec<Digest>,
    blocks: BlockTable,
}

/// A twig as a snapshot holds it, or the front of one.
#[derive(Clone, Debug)]
pub struct SnapshotTwig<'a> {
    word: Cow<'a, [u8]>,
}

impl SnapshotTwig<'_> {
    /// The hash of the leaf before it.
    #[must_use]
    pub fn anchor(&self) -> Digest {
        self.word.first_chunk().copied().unwrap_or_default()
    }

    /// Words 0 to 2 of its leaves.
    #[must_use]
    pub fn payloads(&self) -> &[[u8; PAYLOAD_LEN]] {
        self.word.get(32..).unwrap_or_default().as_chunks().0
    }
}

impl SnapshotFile {
    /// Opens a file of any content.
    ///
    /// Reads its header, the codes of its words, twig roots and blocks; the leaves are left alone.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] if it cannot be mapped; otherwise what is wrong with the file.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Self, SnapshotError> {
        let map = disk.map(path).map_err(SnapshotError::io(path, "map"))?;
        Self::from_mapped(path.to_owned(), map)
    }

    /// [`open`](Self::open) of bytes that are there already; `path` gives the name.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_mapped(path: PathBuf, map: Mapped) -> Result<Self, SnapshotError> {
        if SnapshotName::of_path(&path).is_none() {
            let expected = None;
            return Err(SnapshotError::Name { path, expected });
        }
        let bytes = map.clone();
        let (header, parts) = read_frame(&path, &bytes)?;
        if SnapshotName::of_path(&path) != Some(header.name) {
            let expected = Some(header.name.to_string());
            return Err(SnapshotError::Name { path, expected });
        }
        let Parts {
            places,
            roots,
            blocks,
        } = parts;
        let file = Self {
            path,
            map,
            header,
            places,
            roots,
            blocks,
        };
        if let Some(first) = file.header.twigs().next()
            && file.header.name.content != SnapshotContent::Roots
            && file.twig(first)?.anchor() != file.header.anchor
        {
            return Err(file.content("first anchor"));
        }
        Ok(file)
    }

    /// Where the file is, or was.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// BLAKE3 of the file, as manifests list it. Reads all of it.
    #[must_use]
    pub fn blake3(&self) -> Digest {
        *blake3::hash(&self.map).as_bytes()
    }

    /// What the file says about itself.
    #[must_use]
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The roots of its twigs, of level 11, as the file says; none in a tail.
    #[must_use]
    pub fn roots(&self) -> &[Digest] {
        &self.roots
    }

    /// The leaves of a twig; of a tail those that it has.
    ///
    /// # Errors
    /// [`SnapshotError::Content`] if the file has no leaves of that twig.
    pub fn twig(&self, twig: u64) -> Result<SnapshotTwig<'_>, SnapshotError> {
        let place = twig.checked_sub(self.header.twigs().start);
        let place = place.and_then(|place| self.places.get(usize::try_from(place).ok()?));
        let place = place.ok_or_else(|| self.content("twig"))?;
        let word = match &place.bytes {
            Some(range) => Cow::Borrowed(self.map.get(range.clone()).unwrap_or_default()),
            None => {
                let failed = SnapshotError::words(&self.path);
                let limit = usize::try_from(place.len).unwrap_or(usize::MAX);
                let file = WordFile::parse(&self.map).map_err(&failed)?;
                file.word_at(place.offset, limit).map_err(&failed)?
            }
        };
        Ok(SnapshotTwig { word })
    }

    /// Numbers of the blocks that end in this file.
    #[must_use]
    pub fn blocks(&self) -> Range<u64> {
        let SnapshotHeader {
            first_block,
            block_count,
            ..
        } = self.header;
        first_block..first_block + block_count
    }

    /// Where a block ends, if it ends in this file.
    #[must_use]
    pub fn block(&self, block_number: u64) -> Option<SnapshotBlock> {
        let place = block_number.checked_sub(self.header.first_block)?;
        self.blocks.get(usize::try_from(place).ok()?)
    }

    /// The first block that ends in this file and behind so many leaves.
    #[must_use]
    pub fn first_block_behind(&self, leaf_count: u64) -> Option<u64> {
        let place = self.blocks.first_behind(leaf_count) as u64;
        (place < self.header.block_count).then_some(self.header.first_block + place)
    }

    pub(super) fn content(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Content {
            path: self.path.clone(),
            what,
        }
    }
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What is read when a file is opened.
struct Parts {
    places: Vec<WordPlace>,
    roots: Vec<Digest>,
    blocks: BlockTable,
}

fn read_frame(path: &Path, bytes: &[u8]) -> Result<(SnapshotHeader, Parts), SnapshotError> {
    let words = SnapshotError::words(path);
    let bad = |what| SnapshotError::Content {
        path: path.to_owned(),
        what,
    };
    let file = WordFile::parse(bytes).map_err(&words)?;
    let mut reader = file.words();
    let first = reader.next_word(HEADER_LEN).map_err(&words)?;
    let header = SnapshotHeader::read(path, &first.ok_or_else(|| bad("header"))?)?;
    let twigs = header.name.to - header.name.from;
    let (leaf_words, leaf_len, has_roots, has_blocks) = match header.name.content {
        SnapshotContent::Execution => (twigs, TWIG_WORD_LEN, true, true),
        SnapshotContent::Roots => (0, 0, true, false),
        SnapshotContent::Tail => (1, 32 + PAYLOAD_LEN as u64 * twigs, false, true),
    };
    let expected = 1 + leaf_words + u64::from(has_roots) + u64::from(has_blocks);
    if file.word_count() != expected {
        return Err(bad("number of words"));
    }
    let limit = MAX_RATIO * bytes.len() as u64;
    let ratio = || SnapshotError::Ratio {
        path: path.to_owned(),
        limit: MAX_RATIO,
    };
    if leaf_words
        .checked_mul(leaf_len)
        .is_none_or(|all| all > limit)
    {
        return Err(ratio());
    }
    let mut places = Vec::new();
    for _ in 0..leaf_words {
        let place = reader.skip_word().map_err(&words)?;
        let place = place.filter(|place| place.len == leaf_len);
        places.push(place.ok_or_else(|| bad("twig"))?);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut roots = Vec::new();
    if has_roots {
        let word = next(&mut reader, limit).map_err(&words)?;
        let (chunks, rest) = word.as_chunks::<32>();
        if chunks.len() as u64 != twigs || !rest.is_empty() {
            return Err(bad("list of twig roots"));
        }
        roots.extend_from_slice(chunks);
    }
    let mut blocks = BlockTable::default();
    if has_blocks {
        let word = next(&mut reader, limit).map_err(&words)?;
        let leaves = header.leaves();
        let table = BlockTable::read(&word, header.block_count, leaves.start, leaves.end);
        blocks = table.ok_or_else(|| bad("block table"))?;
    }
    Ok((
        header,
        Parts {
            places,
            roots,
            blocks,
        },
    ))
}

fn next<'a>(
    reader: &mut Words<'_, 'a>,
    limit: usize,
) -> Result<Cow<'a, [u8]>, super::words::WordError> {
    let word = reader.next_word(limit)?;
    word.ok_or(super::words::WordError::Truncated("words"))
}
