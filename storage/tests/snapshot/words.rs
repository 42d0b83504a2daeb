//! Our writer and reader by themselves.

use crate::support::{Rng, file, raw, read};
use qmtree_storage::snapshot::words::{WordError, WordFile, WordLayout};
use std::borrow::Cow;

#[test]
fn words_of_many_lengths_round_trip() {
    let mut rng = Rng(2026);
    let mut sets = vec![
        vec![],
        vec![vec![]],
        vec![vec![], vec![]],
        vec![vec![7]],
        vec![vec![1; 70_000], vec![], vec![2]],
    ];
    sets.push((0..17).map(|bit| rng.bytes(1 << bit)).collect());
    // More than 512 lengths: codes of more than nine bits.
    sets.push((0..1500).map(|len| rng.bytes(len % 700)).collect());
    sets.push((0..3000).map(|_| Vec::from([9_u8; 5])).collect());
    for words in sets {
        let bytes = file(&words);
        assert_eq!(read(&bytes, 1 << 20).unwrap(), words);
        let parsed = WordFile::parse(&bytes).unwrap();
        assert_eq!(parsed.word_count(), words.len() as u64);
        let empty = words.iter().filter(|word| word.is_empty()).count();
        assert_eq!(parsed.empty_word_count(), empty as u64);
        assert_eq!((parsed.version(), parsed.values_per_page()), (1, 0));
        // Version 0 is the same without the first two bytes.
        assert_eq!(read(&bytes[2..], 1 << 20).unwrap(), words);
    }
}

#[test]
fn bytes_are_those_of_the_published_example() {
    // Words "a", "", "bcd" with balanced codes of two bits, as the format page has them.
    let positions = [2, 0, 2, 1, 2, 2, 2, 4];
    let data = [1, b'a', 2, 3, b'b', b'c', b'd'];
    let bytes = raw(3, 1, &[], &positions, &data);
    let words = [b"a".to_vec(), vec![], b"bcd".to_vec()];
    assert_eq!(read(&bytes, 10).unwrap(), words);
    assert_eq!(read(&[&[1, 0][..], &bytes].concat(), 10).unwrap(), words);
    assert_eq!(
        read(&[&[1, 1, 64][..], &bytes].concat(), 10).unwrap(),
        words
    );
    assert_eq!(file(&[]), [&[1, 0][..], &[0; 32]].concat());
    let two_empty = raw(2, 2, &[], &[1, 0, 1, 1], &[1, 1]);
    assert_eq!(file(&[vec![], vec![]])[2..], two_empty);
}

#[test]
fn words_without_patterns_are_not_copied() {
    let bytes = file(&[vec![1, 2, 3], vec![4]]);
    let parsed = WordFile::parse(&bytes).unwrap();
    let mut words = parsed.words();
    assert!(matches!(
        words.next_word(3),
        Ok(Some(Cow::Borrowed([1, 2, 3])))
    ));
    let refused = WordError::TooLong {
        offset: 4,
        len: 1,
        limit: 0,
    };
    assert_eq!(words.next_word(0), Err(refused));
    assert_eq!(words.next_word(1).unwrap().unwrap(), &[4][..]);
    assert_eq!(words.next_word(1), Ok(None));
    assert_eq!(words.skip_word(), Ok(None));
}

/// One-symbol-at-a-time writer of words with patterns: (start, pattern) in order.
fn with_patterns(len: u64, at: &[(u64, usize)], patterns: &[&[u8]], literal: &[u8]) -> Vec<u8> {
    // Codes of the same width, in order, as many as a power of two.
    let width = |count: usize| count.next_power_of_two().trailing_zeros();
    let mut symbols: Vec<u64> = (0..=len + 1).collect();
    symbols.resize(symbols.len().next_power_of_two(), 1 << 40);
    let (mut dictionary, mut positions) = (Vec::new(), Vec::new());
    for pattern in patterns {
        dictionary.extend([width(patterns.len()) as u8, pattern.len() as u8]);
        dictionary.extend(*pattern);
    }
    for symbol in &symbols {
        positions.push(width(symbols.len()) as u8);
        let mut rest = *symbol;
        while rest >= 128 {
            positions.push(rest as u8 | 128);
            rest >>= 7;
        }
        positions.push(rest as u8);
    }
    let (mut bits, mut before) = (Vec::new(), 0);
    // The first bit of a code is the highest of the place in a full tree.
    let mut push = |place: u64, width: u32| {
        (0..width).for_each(|bit| bits.push(place >> (width - 1 - bit) & 1));
    };
    push(len + 1, width(symbols.len()));
    for (start, pattern) in at {
        push(start - before + 1, width(symbols.len()));
        push(*pattern as u64, width(patterns.len()));
        before = *start;
    }
    push(0, width(symbols.len()));
    let mut data = vec![0_u8; bits.len().div_ceil(8)];
    for (place, bit) in bits.iter().enumerate() {
        data[place / 8] |= (*bit as u8) << (place % 8);
    }
    data.extend(literal);
    raw(1, 0, &dictionary, &positions, &data)
}

#[test]
fn patterns_are_put_where_they_belong() {
    let patterns: [&[u8]; 2] = [b"hello", b"WORLD"];
    let one = with_patterns(13, &[(1, 0), (7, 1)], &patterns, b"<-!");
    // 1 raw, 5 of a pattern, 1 raw, 5 of a pattern, 1 raw.
    assert_eq!(read(&one, 13).unwrap(), [b"<hello-WORLD!".to_vec()]);
    let single: [&[u8]; 1] = [b"ab"];
    let repeated = with_patterns(6, &[(0, 0), (2, 0), (4, 0)], &single, b"");
    assert_eq!(read(&repeated, 6).unwrap(), [b"ababab".to_vec()]);
}

#[test]
fn a_later_pattern_covers_an_earlier_one_and_what_lies_behind_it_is_raw() {
    let patterns: [&[u8]; 2] = [b"aaaaaa", b"bb"];
    let cut = with_patterns(6, &[(0, 0), (4, 1)], &patterns, b"");
    assert_eq!(read(&cut, 6).unwrap(), [b"aaaabb".to_vec()]);
    let inside = with_patterns(8, &[(0, 0), (2, 1)], &patterns, b"wxyz");
    assert_eq!(read(&inside, 8).unwrap(), [b"aabbwxyz".to_vec()]);
    let same_start = with_patterns(6, &[(0, 0), (0, 1)], &patterns, b"wxyz");
    assert_eq!(read(&same_start, 6).unwrap(), [b"bbwxyz".to_vec()]);
}

#[test]
fn patterns_outside_their_word_are_refused() {
    let patterns: [&[u8]; 2] = [b"aaaaaa", b"bb"];
    for (len, at) in [(5, (0, 0)), (6, (1, 0)), (6, (5, 1))] {
        let bytes = with_patterns(len, &[at], &patterns, b"......");
        let refused = WordError::PatternOutside { offset: 0 };
        assert_eq!(read(&bytes, 100).unwrap_err(), refused);
    }
}

#[test]
fn lengths_that_fit_no_file_are_refused() {
    assert_eq!(
        WordLayout::new([u64::MAX]).unwrap_err(),
        WordError::Unwritable
    );
    assert_eq!(
        WordLayout::new([1 << 63, 1 << 63]).unwrap_err(),
        WordError::Unwritable
    );
    assert!(WordLayout::new([u64::MAX - 1000]).is_ok());
    let layout = WordLayout::new([3]).unwrap();
    assert_eq!((layout.prefix(3), layout.prefix(2)), (Some(&[1][..]), None));
}
