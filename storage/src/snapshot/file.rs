//! A snapshot file, mapped.

use super::blocks::{BlockTable, SnapshotBlock};
use super::error::SnapshotError;
use super::header::{HEADER_LEN, SnapshotHeader};
use super::name::{SnapshotContent, SnapshotName};
use super::packed::unpack_word;
use super::words::{WordCodes, WordError, WordFile, WordPlace, Words};
use crate::entries::TwigOpening;
use crate::io::{Disk, Mapped};
use crate::tag::Tag;
use qmtree_proofs::{Digest, LEAF_LEN, PAYLOAD_LEN, TWIG_LEAVES};
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
    /// Twigs, or the leaves or entries of a tail.
    places: Vec<WordPlace>,
    /// Values of each of these, in files of the state log.
    values: Vec<WordPlace>,
    roots: Vec<Digest>,
    blocks: BlockTable,
    tags: Vec<Tag>,
    /// For words with patterns, if there are any.
    codes: Option<WordCodes>,
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
            values,
            roots,
            blocks,
            tags,
            codes,
        } = parts;
        let file = Self {
            path,
            map,
            header,
            places,
            values,
            roots,
            blocks,
            tags,
            codes,
        };
        if let Some(first) = file.header.twigs().next()
            && !file.places.is_empty()
            && !file.header.name.content.is_state()
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
        if self.header.name.content.is_state() {
            return Err(self.content("twig"));
        }
        let word = self.word(&self.places, twig)?;
        Ok(SnapshotTwig { word })
    }

    /// What a file of the state log has of a twig: its entries, of a tail those that it has, or what
    /// [`TwigOpening`](crate::TwigOpening) reads.
    ///
    /// # Errors
    /// [`SnapshotError::Content`] if the file has nothing of that twig.
    pub fn entries_word(&self, twig: u64) -> Result<Cow<'_, [u8]>, SnapshotError> {
        if !self.header.name.content.is_state() {
            return Err(self.content("twig"));
        }
        self.word(&self.places, twig)
    }

    /// The values of a twig of the state log, as [`put_value`](crate::put_value) writes them, each
    /// with the place of its entry in the twig.
    ///
    /// Takes at most `limit` bytes of memory, and 8 MiB beside it.
    ///
    /// # Errors
    /// [`SnapshotError::Content`] if the file has no values of that twig, or has more of them.
    pub fn values(&self, twig: u64, limit: usize) -> Result<Vec<u8>, SnapshotError> {
        let packed = self.packed_values(twig)?;
        if packed.is_empty() {
            return Ok(Vec::new());
        }
        unpack_word(&packed, limit).map_err(|source| SnapshotError::Packed {
            path: self.path.clone(),
            twig,
            source,
        })
    }

    /// The same, packed as they are in the file.
    ///
    /// # Errors
    /// [`SnapshotError::Content`] if the file has no values of that twig.
    pub fn packed_values(&self, twig: u64) -> Result<Cow<'_, [u8]>, SnapshotError> {
        self.word(&self.values, twig)
    }

    fn word(&self, places: &[WordPlace], twig: u64) -> Result<Cow<'_, [u8]>, SnapshotError> {
        let place = twig.checked_sub(self.header.twigs().start);
        let place = place.and_then(|place| places.get(usize::try_from(place).ok()?));
        let place = place.ok_or_else(|| self.content("twig"))?;
        match (&place.bytes, &self.codes) {
            (Some(range), _) => Ok(Cow::Borrowed(
                self.map.get(range.clone()).unwrap_or_default(),
            )),
            (None, Some(codes)) => {
                let limit = usize::try_from(place.len).unwrap_or(usize::MAX);
                let word = codes.word_at(&self.map, place.offset, limit);
                word.map_err(SnapshotError::words(&self.path))
            }
            (None, None) => Err(self.content("twig")),
        }
    }

    /// The tags of a twig's leaves, of a tail those of its leaves; `None` if it has none of them.
    #[must_use]
    pub fn tags(&self, twig: u64) -> Option<&[Tag]> {
        let leaves = self.header.leaves();
        let first = (twig.checked_mul(TWIG_LEAVES)?).checked_sub(leaves.start)?;
        let count = (leaves.end - leaves.start)
            .checked_sub(first)?
            .min(TWIG_LEAVES);
        let first = usize::try_from(first).ok()?;
        let tags = self
            .tags
            .get(first..)?
            .get(..usize::try_from(count).ok()?)?;
        (!tags.is_empty()).then_some(tags)
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
#[derive(Default)]
struct Parts {
    places: Vec<WordPlace>,
    values: Vec<WordPlace>,
    roots: Vec<Digest>,
    blocks: BlockTable,
    tags: Vec<Tag>,
    codes: Option<WordCodes>,
}

/// The words behind word 0 that files of a content have.
pub(super) struct Shape {
    content: SnapshotContent,
    /// Words of leaves or entries.
    pub(super) leaf_words: u64,
    /// Bytes of all of them; of live entries the most.
    pub(super) leaf_bytes: u64,
    pub(super) has_roots: bool,
    pub(super) has_blocks: bool,
    pub(super) has_tags: bool,
    /// Words of values.
    pub(super) value_words: u64,
}

impl Shape {
    /// `None` if there is no such file.
    pub(super) fn of(header: &SnapshotHeader) -> Option<Self> {
        let SnapshotName { content, from, to } = header.name;
        let range = to.checked_sub(from)?;
        let entry_len = LEAF_LEN as u64;
        let (leaf_words, leaf_bytes) = match content {
            SnapshotContent::Execution => (range, range.checked_mul(TWIG_WORD_LEN)?),
            SnapshotContent::Tail => (1, range.checked_mul(PAYLOAD_LEN as u64)?.checked_add(32)?),
            SnapshotContent::Roots | SnapshotContent::Tags => (0, 0),
            SnapshotContent::State => (range, range.checked_mul(entry_len * TWIG_LEAVES)?),
            SnapshotContent::StateTail => {
                (range.div_ceil(TWIG_LEAVES), range.checked_mul(entry_len)?)
            }
            SnapshotContent::Live => (range, range.checked_mul(TwigOpening::MAX_LEN)?),
        };
        Some(Self {
            content,
            leaf_words,
            leaf_bytes,
            has_roots: matches!(
                content,
                SnapshotContent::Execution | SnapshotContent::Roots | SnapshotContent::State
            ),
            has_blocks: matches!(content, SnapshotContent::Execution | SnapshotContent::Tail),
            has_tags: matches!(content, SnapshotContent::Tail | SnapshotContent::Tags),
            value_words: if content.is_state() { leaf_words } else { 0 },
        })
    }

    /// True if the word of leaves at a place may have so many bytes.
    pub(super) fn fits(&self, place: u64, len: u64) -> bool {
        let whole = match self.content {
            SnapshotContent::Live => return len <= TwigOpening::MAX_LEN,
            SnapshotContent::StateTail => LEAF_LEN as u64 * TWIG_LEAVES,
            _ => return self.leaf_bytes == len * self.leaf_words,
        };
        let rest = self.leaf_bytes.saturating_sub(place.saturating_mul(whole));
        len == rest.min(whole)
    }

    fn tables(&self) -> u64 {
        u64::from(self.has_roots) + u64::from(self.has_blocks) + u64::from(self.has_tags)
    }

    fn words(&self) -> Option<u64> {
        let words = self.leaf_words.checked_add(self.value_words)?;
        words.checked_add(1 + self.tables())
    }
}

/// The words behind the leaves, one by one.
struct Tables<'r, 'f, 'a> {
    path: &'r Path,
    reader: Words<'f, 'a>,
    /// Bytes that all of them may still unpack to. What is made of them takes several times as
    /// much, and ours do not unpack.
    left: usize,
    crc: u32,
}

impl<'a> Tables<'_, '_, 'a> {
    fn next(&mut self) -> Result<Cow<'a, [u8]>, SnapshotError> {
        let word = self.reader.next_word(self.left);
        let word = word.and_then(|word| word.ok_or(WordError::Truncated("words")));
        let word = word.map_err(SnapshotError::words(self.path))?;
        self.left -= word.len();
        self.crc = crc32c::crc32c_append(self.crc, &word);
        Ok(word)
    }
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
    let shape = Shape::of(&header).ok_or_else(|| bad("range"))?;
    if shape.words() != Some(file.word_count()) {
        return Err(bad("number of words"));
    }
    let limit = MAX_RATIO.saturating_mul(bytes.len() as u64);
    let too_long = || SnapshotError::Ratio {
        path: path.to_owned(),
        limit: MAX_RATIO,
    };
    if shape.content != SnapshotContent::Live && shape.leaf_bytes > limit {
        return Err(too_long());
    }
    let (mut parts, mut sum) = (Parts::default(), 0_u64);
    parts.codes = (file.pattern_count() > 0).then(|| file.codes());
    for at in 0..shape.leaf_words {
        let place = reader.skip_word().map_err(&words)?;
        let place = place.filter(|place| shape.fits(at, place.len));
        let place = place.ok_or_else(|| bad("twig"))?;
        sum = sum.saturating_add(place.len);
        parts.places.push(place);
    }
    if sum > limit {
        return Err(too_long());
    }
    let mut tables = Tables {
        path,
        reader,
        left: bytes.len(),
        crc: 0,
    };
    let (range, leaves) = (header.name.to - header.name.from, header.leaves());
    if shape.has_roots {
        parts.roots = list(&tables.next()?, range).ok_or_else(|| bad("list of twig roots"))?;
    }
    if shape.has_blocks {
        let word = tables.next()?;
        let table = BlockTable::read(&word, header.block_count, leaves.start, leaves.end);
        parts.blocks = table.ok_or_else(|| bad("block table"))?;
    }
    if shape.has_tags {
        let (word, count) = (tables.next()?, leaves.end - leaves.start);
        // A tail whose leaves have none leaves them out.
        let none = word.is_empty() && header.name.content == SnapshotContent::Tail;
        let count = if none { 0 } else { count };
        parts.tags = list(&word, count).ok_or_else(|| bad("list of tags"))?;
    }
    if tables.crc != header.tables_crc {
        return Err(bad("checksum of roots, blocks and tags"));
    }
    for _ in 0..shape.value_words {
        let place = tables.reader.skip_word().map_err(&words)?;
        // Packed already: patterns over that are not ours.
        let place = place.filter(|place| place.len <= bytes.len() as u64);
        parts.values.push(place.ok_or_else(|| bad("values"))?);
    }
    Ok((header, parts))
}

/// A word of `count` items of `N` bytes.
fn list<const N: usize>(word: &[u8], count: u64) -> Option<Vec<[u8; N]>> {
    let (items, rest) = word.as_chunks();
    (items.len() as u64 == count && rest.is_empty()).then(|| items.to_vec())
}
