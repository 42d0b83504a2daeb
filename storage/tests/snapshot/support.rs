//! What the tests share: words, files of them by hand, and numbers without pattern.

use qmtree_storage::snapshot::words::{WordError, WordFile, WordLayout};

/// A file of version 1 by our writer.
pub(crate) fn file(words: &[Vec<u8>]) -> Vec<u8> {
    let layout = WordLayout::new(words.iter().map(|word| word.len() as u64)).unwrap();
    let mut bytes = layout.head().to_vec();
    for word in words {
        bytes.extend(layout.prefix(word.len() as u64).unwrap());
        bytes.extend(word);
    }
    assert_eq!(bytes.len() as u64, layout.len_bytes());
    bytes
}

/// All words of a file, up to `limit` bytes each.
pub(crate) fn read(bytes: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, WordError> {
    let file = WordFile::parse(bytes)?;
    let (mut words, mut skipped) = (file.words(), file.words());
    let mut read = Vec::new();
    while let Some(word) = words.next_word(limit)? {
        let place = skipped.skip_word()?.unwrap();
        assert_eq!(place.len, word.len() as u64);
        assert_eq!(file.word_at(place.offset, limit)?, word);
        if let Some(range) = place.bytes {
            assert_eq!(bytes[range], *word);
        }
        assert_eq!(skipped.offset(), words.offset());
        read.push(word.into_owned());
    }
    Ok(read)
}

/// A file with these dictionaries and words region, of version 0.
pub(crate) fn raw(
    words: u64,
    empty: u64,
    patterns: &[u8],
    positions: &[u8],
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = [words, empty, patterns.len() as u64]
        .map(u64::to_be_bytes)
        .concat();
    bytes.extend(patterns);
    bytes.extend((positions.len() as u64).to_be_bytes());
    bytes.extend(positions);
    bytes.extend(data);
    bytes
}

/// Numbers that a seed determines (SplitMix64).
#[derive(Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
