//! Writing words as they are, without patterns.

use super::bits::pack;
use super::error::WordError;
use super::huffman::{Code, codes};
use crate::snapshot::words::varint;
use std::collections::BTreeMap;

/// What stands before each word of a file of version 1, and before the first.
///
/// A file is [`head`](Self::head), and then for each word [`prefix`](Self::prefix) and the word.
/// The same lengths in any order give the same head, and the bytes are those of Erigon's own writer.
#[derive(Debug)]
pub struct WordLayout {
    head: Vec<u8>,
    prefixes: BTreeMap<u64, Vec<u8>>,
    len_bytes: u64,
}

impl WordLayout {
    /// The layout of words of these lengths. Costs about 100 bytes for each different length.
    ///
    /// # Errors
    /// [`WordError::Unwritable`] if the file would be too long, or the lengths so uneven that a
    /// code would have more than 50 bits, which takes thousands of millions of words.
    pub fn new(lengths: impl IntoIterator<Item = u64>) -> Result<Self, WordError> {
        let mut counts = BTreeMap::<u64, u64>::new();
        for len in lengths {
            *counts.entry(len).or_default() += 1;
        }
        Self::of(&counts).ok_or(WordError::Unwritable)
    }

    fn of(counts: &BTreeMap<u64, u64>) -> Option<Self> {
        let words: u64 = counts.values().sum();
        let empty = counts.get(&0).copied().unwrap_or(0);
        let mut uses = BTreeMap::new();
        if words > 0 {
            uses.insert(0, words);
        }
        for (len, count) in counts {
            uses.insert(len.checked_add(1)?, *count);
        }
        let codes = if words == 0 {
            Vec::new()
        } else {
            codes(&uses)?
        };
        let head = head(words, empty, &codes);
        let code_of = |symbol: u64| {
            let code = codes.iter().find(|code| code.symbol == symbol)?;
            Some((code.bits, code.len))
        };
        let (mut prefixes, mut len_bytes) = (BTreeMap::new(), head.len() as u64);
        for (len, count) in counts {
            let mut both = vec![code_of(len + 1)?];
            if *len > 0 {
                both.push(code_of(0)?);
            }
            let prefix = pack(&both);
            let each = len.checked_add(prefix.len() as u64)?;
            len_bytes = len_bytes.checked_add(each.checked_mul(*count)?)?;
            prefixes.insert(*len, prefix);
        }
        Some(Self {
            head,
            prefixes,
            len_bytes,
        })
    }

    /// What stands before the first word.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What stands before each word of this length: a byte or a few. `None` if the layout was made
    /// without such words.
    #[must_use]
    pub fn prefix(&self, len: u64) -> Option<&[u8]> {
        self.prefixes.get(&len).map(Vec::as_slice)
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }
}

fn head(words: u64, empty: u64, codes: &[Code]) -> Vec<u8> {
    let mut positions = Vec::new();
    for code in codes {
        varint::write(u64::from(code.len), &mut positions);
        varint::write(code.symbol, &mut positions);
    }
    let mut head = vec![1, 0];
    for number in [words, empty, 0, positions.len() as u64] {
        head.extend(number.to_be_bytes());
    }
    head.extend(positions);
    head
}
