//! Word files that are damaged, or made to do harm.

use crate::support::{Rng, file, raw, read};
use qmtree_storage::snapshot::words::{WordError, WordFile};

fn refused(bytes: &[u8]) -> WordError {
    read(bytes, 1 << 20).unwrap_err()
}

/// A file with patterns, by the other implementation's writer.
fn with_patterns() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.seg");
    let mut writer = erigon_seg::SegWriter::create_with(&path, true).unwrap();
    for i in 0..150_u32 {
        let word = [&b"account/0x000000000000"[..], &(i % 29).to_be_bytes()].concat();
        writer.add_word(&word[..8 + i as usize % 18]).unwrap();
    }
    writer.finish().unwrap();
    let bytes = [&[1, 0], &std::fs::read(&path).unwrap()[..]].concat();
    assert!(WordFile::parse(&bytes).unwrap().pattern_count() > 0);
    bytes
}

#[test]
fn every_truncation_and_every_longer_file_is_refused() {
    let words: Vec<Vec<u8>> = (0..40).map(|len| vec![len as u8; len]).collect();
    for bytes in [file(&words), with_patterns()] {
        for len in 0..bytes.len() {
            refused(&bytes[..len]);
        }
        assert_eq!(
            refused(&[&bytes[..], &[0]].concat()),
            WordError::Trailing(1)
        );
    }
}

#[test]
fn a_hundred_thousand_flipped_bits_are_refused_or_harmless() {
    let words: Vec<Vec<u8>> = (0..40).map(|len| vec![len as u8; len]).collect();
    let mut rng = Rng(4);
    let (mut harmless, mut refused) = (0, 0);
    for bytes in [file(&words), with_patterns()] {
        let mut bytes = bytes;
        for _ in 0..50_000 {
            let (at, bit) = (rng.below(bytes.len() as u64) as usize, rng.below(8));
            bytes[at] ^= 1 << bit;
            // Whatever is read stays within the limit.
            match read(&bytes, 4096) {
                Ok(words) => {
                    assert!(words.iter().all(|word| word.len() <= 4096));
                    harmless += 1;
                }
                Err(_) => refused += 1,
            }
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(harmless > 1000 && refused > 1000, "{harmless} {refused}");
}

#[test]
fn sizes_beyond_the_file_are_refused_before_memory_is_taken() {
    for size in [41, 1 << 40, u64::MAX] {
        let mut patterns = raw(1, 0, &[], &[1, 0, 1, 2], &[1, b'a']);
        patterns[16..24].copy_from_slice(&size.to_be_bytes());
        assert!(matches!(
            refused(&patterns),
            WordError::BeyondFile {
                what: "patterns",
                ..
            }
        ));
        let mut positions = raw(1, 0, &[], &[1, 0, 1, 2], &[1, b'a']);
        positions[24..32].copy_from_slice(&size.to_be_bytes());
        assert!(matches!(
            refused(&positions),
            WordError::BeyondFile {
                what: "positions",
                ..
            }
        ));
        let size = size >> 8;
        let count = raw(size.max(3), 0, &[], &[1, 0, 1, 2], &[1, b'a']);
        assert_eq!(
            refused(&count),
            WordError::Count {
                what: "words",
                count: size.max(3)
            }
        );
    }
    // A word of 2^62 bytes, in a file of 50.
    let position = [
        1, 0, 1, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40,
    ];
    let word = raw(1, 0, &[], &position, &[1, 0]);
    assert!(matches!(refused(&word), WordError::TooLong { .. }));
    let file = WordFile::parse(&word).unwrap();
    assert!(matches!(
        file.words().skip_word(),
        Err(WordError::BeyondFile { .. })
    ));
    let pattern = raw(1, 0, &[0, 100, b'a'], &[1, 0, 1, 2], &[1]);
    assert!(matches!(
        refused(&pattern),
        WordError::BeyondFile {
            what: "a pattern",
            ..
        }
    ));
    assert_eq!(
        refused(&raw(1, 2, &[], &[1, 0, 1, 1], &[1])),
        WordError::Count {
            what: "empty words",
            count: 2
        }
    );
    assert_eq!(
        refused(&raw(1, 0, &[], &[1, 0, 1, 1], &[1])),
        WordError::Count {
            what: "empty words",
            count: 0
        }
    );
}

#[test]
fn deep_uneven_and_unfinished_dictionaries_are_refused() {
    let chain = |depth: u8| -> Vec<u8> {
        let mut entries: Vec<u8> = (1..=depth).flat_map(|at| [at, at]).collect();
        entries.extend([depth, 0]);
        entries
    };
    assert!(matches!(
        refused(&raw(1, 0, &[], &chain(51), &[0])),
        WordError::Depth { depth: 51, .. }
    ));
    // 50 bits are read, and end in the middle of the word's codes.
    assert_eq!(
        refused(&raw(1, 0, &[], &chain(50), &[0xff; 7])),
        WordError::NoLength { offset: 0 }
    );
    // The depth that a real file was found with: a dictionary of garbage.
    let garbage = [0xc2, 0xf4, 0x0a, 0];
    assert!(matches!(
        refused(&raw(1, 0, &[], &garbage, &[0])),
        WordError::Depth { depth: 178_754, .. }
    ));
    for entries in [
        &[1, 0][..],
        &[0, 0, 0, 1],
        &[1, 0, 1, 1, 1, 2],
        &[2, 0, 1, 1],
    ] {
        assert_eq!(
            refused(&raw(1, 0, &[], entries, &[0])),
            WordError::NotFull("positions")
        );
    }
    assert_eq!(
        refused(&raw(1, 0, &[], &[1], &[0])),
        WordError::Number("positions")
    );
    assert_eq!(
        refused(&raw(1, 0, &[0x80], &[1, 0, 1, 1], &[0])),
        WordError::Number("patterns")
    );
    assert_eq!(
        refused(&raw(1, 0, &[], &[], &[0])),
        WordError::NoCode {
            offset: 0,
            dictionary: "positions"
        }
    );
    // Length 1, then a distance although there are no patterns.
    assert_eq!(
        refused(&raw(1, 0, &[], &[1, 2, 1, 0], &[0])),
        WordError::NoCode {
            offset: 0,
            dictionary: "patterns"
        }
    );
    assert_eq!(
        refused(&raw(1, 0, &[], &[1, 0, 1, 1], &[0])),
        WordError::NoLength { offset: 0 }
    );
}

#[test]
fn codes_without_bits_end_all_the_same() {
    // One position and one empty pattern, neither of which takes a bit.
    for position in 0..4 {
        let bytes = raw(1, 0, &[0, 0], &[0, position], &[0; 9]);
        refused(&bytes);
    }
    refused(&raw(9, 9, &[], &[0, 1], &[0; 9]));
}

#[test]
fn many_long_patterns_at_one_place_cost_no_more_than_their_codes() {
    // 800,000 times a pattern of 100,000 bytes, all at the start of the word: 80 GB if all were copied.
    let mut patterns = vec![0, 0xa0, 0x8d, 0x06];
    patterns.extend(vec![b'x'; 100_000]);
    // Three positions: 1 (same place) in one bit, 0 and 100,001 in two.
    let positions = [1, 1, 2, 0, 2, 0xa1, 0x8d, 0x06];
    // 11: the length. Then 0 for each pattern, and 01 for the end.
    let mut data = vec![0; 100_001];
    data[0] = 0b11;
    *data.last_mut().unwrap() = 0b01;
    let words = read(&raw(1, 0, &patterns, &positions, &data), 100_000).unwrap();
    assert_eq!(words, [vec![b'x'; 100_000]]);
}

#[test]
fn other_versions_and_flags_are_refused() {
    let bytes = file(&[vec![1]]);
    for version in [2, 3, 0xff] {
        let mut other = bytes.clone();
        other[0] = version;
        assert_eq!(refused(&other), WordError::Version(version));
    }
    for flags in [2, 3, 0x80] {
        let mut other = bytes.clone();
        other[1] = flags;
        assert_eq!(refused(&other), WordError::Flags(flags));
    }
    assert_eq!(refused(&[]), WordError::Truncated("header"));
    let mut padded = file(&[vec![1]]);
    let codes = padded.len() - 2;
    padded[codes] |= 0x80;
    assert_eq!(refused(&padded), WordError::Padding { offset: 0 });
}
