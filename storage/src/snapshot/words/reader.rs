//! Reading word files of any writer, from bytes that nobody vouches for.

use super::bits::BitReader;
use super::code::PrefixCode;
use super::error::WordError;
use super::varint;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Patterns of a dictionary; Erigon's compressor makes up to 65,536.
const MAX_PATTERNS: usize = 1 << 20;
/// Positions of a dictionary: lengths of words, and distances between patterns.
const MAX_POSITIONS: usize = 1 << 22;

const PATTERNS: &str = "patterns";
const POSITIONS: &str = "positions";

/// A word file whose header and dictionaries were read. Holds the bytes, and up to eight times the
/// length of the dictionaries.
#[derive(Debug)]
pub struct WordFile<'a> {
    version: u8,
    values_per_page: u8,
    words: u64,
    empty_words: u64,
    codes: WordCodes,
    dictionary: &'a [u8],
    data: &'a [u8],
}

/// The dictionaries of a word file once they are read, apart from its bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WordCodes {
    codes: Arc<Codes>,
    /// Where the patterns lie in the file.
    dictionary: Range<usize>,
    /// Where the words begin in the file.
    data_at: usize,
}

#[derive(Debug)]
struct Codes {
    pattern_code: PrefixCode,
    /// Where each pattern lies in the dictionary.
    patterns: Vec<Range<u32>>,
    position_code: PrefixCode,
    positions: Vec<u64>,
}

/// The bytes of a file, read from the front.
struct Front<'a> {
    rest: &'a [u8],
    file_len: u64,
}

impl<'a> Front<'a> {
    fn number(&mut self, what: &'static str) -> Result<u64, WordError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(WordError::Truncated(what))?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*bytes))
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, WordError> {
        let (byte, rest) = self.rest.split_first().ok_or(WordError::Truncated(what))?;
        self.rest = rest;
        Ok(*byte)
    }

    /// A part that its length stands before.
    fn part(&mut self, what: &'static str) -> Result<&'a [u8], WordError> {
        let len = self.number(what)?;
        let split = usize::try_from(len).ok();
        let split = split.and_then(|len| self.rest.split_at_checked(len));
        let (part, rest) = split.ok_or(WordError::BeyondFile {
            what,
            len,
            file_len: self.file_len,
        })?;
        self.rest = rest;
        Ok(part)
    }
}

impl<'a> WordFile<'a> {
    /// Reads the header and the dictionaries of a file of version 0 or 1.
    ///
    /// Costs time and memory in proportion to the dictionaries, which lie in the file. The words
    /// are read by [`words`](Self::words).
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WordError> {
        let mut front = Front {
            rest: bytes,
            file_len: bytes.len() as u64,
        };
        let (version, values_per_page) = version(&mut front)?;
        let words = front.number("number of words")?;
        let empty_words = front.number("number of empty words")?;
        let dictionary = front.part(PATTERNS)?;
        let dictionary_end = bytes.len() - front.rest.len();
        let (pattern_code, patterns) = read_patterns(dictionary)?;
        let (position_code, positions) = read_positions(front.part(POSITIONS)?)?;
        let data = front.rest;
        let count = |what, count| Err(WordError::Count { what, count });
        // Every word has at least a bit of its own, and starts a byte.
        if words > data.len() as u64 {
            return count("words", words);
        }
        if empty_words > words {
            return count("empty words", empty_words);
        }
        if words == 0 && !data.is_empty() {
            return Err(WordError::Trailing(data.len() as u64));
        }
        Ok(Self {
            version,
            values_per_page,
            words,
            empty_words,
            codes: WordCodes {
                codes: Arc::new(Codes {
                    pattern_code,
                    patterns,
                    position_code,
                    positions,
                }),
                dictionary: dictionary_end - dictionary.len()..dictionary_end,
                data_at: bytes.len() - data.len(),
            },
            dictionary,
            data,
        })
    }

    /// The dictionaries, to read words later without reading these again.
    #[must_use]
    pub fn codes(&self) -> WordCodes {
        self.codes.clone()
    }

    /// Version of the file, 0 or 1.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Values in a page, if each word is a page of them; 0 if words are just words.
    #[must_use]
    pub fn values_per_page(&self) -> u8 {
        self.values_per_page
    }

    /// Number of words, by the header.
    #[must_use]
    pub fn word_count(&self) -> u64 {
        self.words
    }

    /// Number of words without bytes, by the header.
    #[must_use]
    pub fn empty_word_count(&self) -> u64 {
        self.empty_words
    }

    /// Number of patterns in the dictionary.
    #[must_use]
    pub fn pattern_count(&self) -> usize {
        self.codes.codes.patterns.len()
    }

    /// The words, from the first on.
    #[must_use]
    pub fn words(&self) -> Words<'_, 'a> {
        Words {
            file: self,
            at: 0,
            left: self.words,
            empty: 0,
        }
    }

    /// The word at an [`offset`](WordPlace::offset) that [`Words::skip_word`] returned; with any
    /// other offset some word or an error. See [`Words::next_word`] for limit and cost.
    ///
    /// # Errors
    /// As [`Words::next_word`].
    pub fn word_at(&self, offset: u64, limit: usize) -> Result<Cow<'a, [u8]>, WordError> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        // More than one left, so that nothing is compared with the end of the file.
        let mut words = Words {
            at,
            left: 2,
            ..self.words()
        };
        let word = words.next_word(limit)?;
        word.ok_or(WordError::Truncated("words"))
    }

    fn position(&self, bits: &mut BitReader<'_>) -> Option<u64> {
        let codes = &self.codes.codes;
        let entry = codes.position_code.read(bits)?;
        codes.positions.get(entry).copied()
    }

    fn pattern(&self, bits: &mut BitReader<'_>) -> Option<&'a [u8]> {
        let codes = &self.codes.codes;
        let place = codes.patterns.get(codes.pattern_code.read(bits)?)?;
        let (from, to) = (
            usize::try_from(place.start).ok()?,
            usize::try_from(place.end).ok()?,
        );
        self.dictionary.get(from..to)
    }
}

impl WordCodes {
    /// [`WordFile::word_at`] of the bytes that these dictionaries were read from.
    ///
    /// # Errors
    /// As [`Words::next_word`].
    pub fn word_at<'a>(
        &self,
        bytes: &'a [u8],
        offset: u64,
        limit: usize,
    ) -> Result<Cow<'a, [u8]>, WordError> {
        let (dictionary, data) = (
            bytes.get(self.dictionary.clone()),
            bytes.get(self.data_at..),
        );
        let file = WordFile {
            version: 0,
            values_per_page: 0,
            words: 0,
            empty_words: 0,
            codes: self.clone(),
            dictionary: dictionary.unwrap_or_default(),
            data: data.unwrap_or_default(),
        };
        file.word_at(offset, limit)
    }
}

/// Where a word lies in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordPlace {
    /// Where it begins, in bytes from the first word: what indexes of such files hold.
    pub offset: u64,
    /// Bytes of the word.
    pub len: u64,
    /// Where those bytes lie in the file, if they lie there as they are.
    pub bytes: Option<Range<usize>>,
}

/// The words of a file, one after the other.
#[derive(Clone, Debug)]
pub struct Words<'f, 'a> {
    file: &'f WordFile<'a>,
    /// Where the next word begins.
    at: usize,
    left: u64,
    empty: u64,
}

/// A word whose codes were read.
#[derive(Debug)]
struct Shape<'a> {
    len: u64,
    /// Bytes that patterns do not cover.
    raw: Range<usize>,
    /// Stands behind the code of the length.
    codes: BitReader<'a>,
    has_patterns: bool,
}

/// Where patterns lie in a word, while its codes are read.
#[derive(Clone, Copy, Debug, Default)]
struct Cover {
    /// Where the last pattern starts.
    start: u64,
    /// Where it ends. What lies behind is raw, also where an earlier pattern reached further.
    end: u64,
    /// Raw bytes so far.
    raw: u64,
}

impl Cover {
    /// The next pattern. `None` if it ends behind the word.
    fn add(self, distance: u64, pattern_len: u64, word_len: u64) -> Option<Self> {
        let start = self.start.checked_add(distance)?;
        let end = start.checked_add(pattern_len)?;
        let raw = self.raw + start.saturating_sub(self.end);
        (end <= word_len).then_some(Self { start, end, raw })
    }
}

impl<'a> Words<'_, 'a> {
    /// Where the next word begins, in bytes from the first: what indexes of such files hold.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at as u64
    }

    /// The next word, `None` behind the last. Words without patterns are not copied.
    ///
    /// Takes at most `limit` bytes of memory, and time in proportion to the bytes of the word in
    /// the file and to its length.
    ///
    /// # Errors
    /// [`WordError::TooLong`] if it has more than `limit` bytes; or what is wrong with it. The
    /// words after it cannot be read then.
    pub fn next_word(&mut self, limit: usize) -> Result<Option<Cow<'a, [u8]>>, WordError> {
        let Some(shape) = self.shape(limit as u64)? else {
            return Ok(None);
        };
        let raw = self.file.data.get(shape.raw.clone()).unwrap_or_default();
        let word = if shape.has_patterns {
            let offset = self.offset();
            let composed = self.compose(&shape, raw);
            Cow::Owned(composed.ok_or(WordError::PatternOutside { offset })?)
        } else {
            Cow::Borrowed(raw)
        };
        self.advance(&shape)?;
        Ok(Some(word))
    }

    /// Goes over the next word and says where it lies, `None` behind the last. Takes no memory.
    ///
    /// # Errors
    /// What is wrong with its codes.
    pub fn skip_word(&mut self) -> Result<Option<WordPlace>, WordError> {
        let Some(shape) = self.shape(u64::MAX)? else {
            return Ok(None);
        };
        let (offset, before) = (self.offset(), self.file.codes.data_at);
        self.advance(&shape)?;
        let Shape { len, raw, .. } = shape;
        let bytes = (!shape.has_patterns).then_some(before + raw.start..before + raw.end);
        Ok(Some(WordPlace { offset, len, bytes }))
    }

    fn advance(&mut self, shape: &Shape<'_>) -> Result<(), WordError> {
        self.at = shape.raw.end;
        self.left -= 1;
        self.empty += u64::from(shape.len == 0);
        if self.left > 0 {
            return Ok(());
        }
        let behind = self.file.data.len() - self.at;
        if behind > 0 {
            return Err(WordError::Trailing(behind as u64));
        }
        if self.empty != self.file.empty_words {
            return Err(WordError::Count {
                what: "empty words",
                count: self.file.empty_words,
            });
        }
        Ok(())
    }

    /// Reads the codes of the next word, and checks that all of it is there.
    fn shape(&self, limit: u64) -> Result<Option<Shape<'a>>, WordError> {
        if self.left == 0 {
            return Ok(None);
        }
        let (file, offset) = (self.file, self.offset());
        let truncated = WordError::Truncated("words");
        if file.codes.codes.position_code.is_empty() {
            let dictionary = POSITIONS;
            return Err(WordError::NoCode { offset, dictionary });
        }
        let mut bits = BitReader::new(file.data, self.at);
        let first = file.position(&mut bits).ok_or(truncated)?;
        let len = first.checked_sub(1).ok_or(WordError::NoLength { offset })?;
        if len > limit {
            return Err(WordError::TooLong { offset, len, limit });
        }
        let codes = bits;
        let (cover, has_patterns) = match len {
            0 => (Cover::default(), false),
            _ => self.cover(&mut bits, len)?,
        };
        let from = bits.align().ok_or(WordError::Padding { offset })?;
        let raw = cover.raw + (len - cover.end);
        let to = usize::try_from(raw)
            .ok()
            .and_then(|raw| from.checked_add(raw));
        let to = to
            .filter(|to| *to <= file.data.len())
            .ok_or(WordError::BeyondFile {
                what: "a word",
                len,
                file_len: file.data.len() as u64,
            })?;
        // Without a byte of its own a word could be there for ever as well.
        if to == self.at {
            return Err(truncated);
        }
        Ok(Some(Shape {
            len,
            raw: from..to,
            codes,
            has_patterns,
        }))
    }

    /// Reads the codes of patterns up to the terminator; also whether there are any.
    fn cover(&self, bits: &mut BitReader<'a>, len: u64) -> Result<(Cover, bool), WordError> {
        let (file, offset) = (self.file, self.offset());
        let truncated = WordError::Truncated("words");
        let (mut cover, mut has_patterns) = (Cover::default(), false);
        // Ends: a code without bits has one distance, which then is not 0.
        loop {
            let step = file.position(bits).ok_or(truncated)?;
            let Some(distance) = step.checked_sub(1) else {
                return Ok((cover, has_patterns));
            };
            if file.codes.codes.pattern_code.is_empty() {
                let dictionary = PATTERNS;
                return Err(WordError::NoCode { offset, dictionary });
            }
            let pattern = file.pattern(bits).ok_or(truncated)?;
            let next = cover.add(distance, pattern.len() as u64, len);
            cover = next.ok_or(WordError::PatternOutside { offset })?;
            has_patterns = true;
        }
    }

    /// Puts a word together: each pattern up to where the next one starts, and raw bytes between.
    fn compose(&self, shape: &Shape<'a>, mut raw: &[u8]) -> Option<Vec<u8>> {
        let len = usize::try_from(shape.len).ok()?;
        let mut word = Vec::with_capacity(len);
        let mut bits = shape.codes;
        let (mut start, mut pattern) = (0_usize, &[][..]);
        loop {
            let step = self.file.position(&mut bits)?;
            let next = match step.checked_sub(1) {
                Some(distance) => start.checked_add(usize::try_from(distance).ok()?)?,
                None => len,
            };
            let shown = pattern.len().min(next - start);
            word.extend_from_slice(pattern.get(..shown)?);
            let (gap, rest) = raw.split_at_checked(next.checked_sub(word.len())?)?;
            word.extend_from_slice(gap);
            raw = rest;
            if step == 0 {
                return (word.len() == len && raw.is_empty()).then_some(word);
            }
            pattern = self.file.pattern(&mut bits)?;
            start = next;
        }
    }
}

fn version(front: &mut Front<'_>) -> Result<(u8, u8), WordError> {
    // Version 0 has no header: its first byte is the highest of the number of words.
    match front.rest.first() {
        Some(0) => Ok((0, 0)),
        Some(1) => {
            front.byte("version")?;
            match front.byte("flags")? {
                0 => Ok((1, 0)),
                1 => Ok((1, front.byte("values per page")?)),
                flags => Err(WordError::Flags(flags)),
            }
        }
        Some(version) => Err(WordError::Version(*version)),
        None => Err(WordError::Truncated("header")),
    }
}

fn read_patterns(dictionary: &[u8]) -> Result<(PrefixCode, Vec<Range<u32>>), WordError> {
    let malformed = || WordError::Number(PATTERNS);
    let place = |rest: &[u8]| u32::try_from(dictionary.len() - rest.len());
    let (mut depths, mut patterns, mut rest) = (Vec::new(), Vec::new(), dictionary);
    while !rest.is_empty() {
        check_entries(PATTERNS, depths.len(), MAX_PATTERNS)?;
        let (depth, behind) = varint::read(rest).ok_or_else(malformed)?;
        let (len, behind) = varint::read(behind).ok_or_else(malformed)?;
        let split = usize::try_from(len).ok();
        let split = split.and_then(|len| behind.split_at_checked(len));
        let (_, after) = split.ok_or(WordError::BeyondFile {
            what: "a pattern",
            len,
            file_len: dictionary.len() as u64,
        })?;
        // It would cover nothing, however often.
        if len == 0 {
            return Err(WordError::EmptyPattern);
        }
        let range = place(behind).ok().zip(place(after).ok());
        let (from, to) = range.ok_or(WordError::Entries {
            dictionary: PATTERNS,
            limit: MAX_PATTERNS,
        })?;
        depths.push(depth);
        patterns.push(from..to);
        rest = after;
    }
    Ok((PrefixCode::new(&depths, PATTERNS)?, patterns))
}

fn read_positions(dictionary: &[u8]) -> Result<(PrefixCode, Vec<u64>), WordError> {
    let malformed = || WordError::Number(POSITIONS);
    let (mut depths, mut positions, mut rest) = (Vec::new(), Vec::new(), dictionary);
    while !rest.is_empty() {
        check_entries(POSITIONS, depths.len(), MAX_POSITIONS)?;
        let (depth, behind) = varint::read(rest).ok_or_else(malformed)?;
        let (position, behind) = varint::read(behind).ok_or_else(malformed)?;
        depths.push(depth);
        positions.push(position);
        rest = behind;
    }
    Ok((PrefixCode::new(&depths, POSITIONS)?, positions))
}

fn check_entries(dictionary: &'static str, entries: usize, limit: usize) -> Result<(), WordError> {
    if entries < limit {
        Ok(())
    } else {
        Err(WordError::Entries { dictionary, limit })
    }
}
