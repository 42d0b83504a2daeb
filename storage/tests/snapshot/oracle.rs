//! Word files beside those of `erigon-seg`, another implementation.

use crate::support::{Rng, file, read};
use erigon_seg::{Seg, SegWriter};
use std::path::Path;

/// Words of a file by the other reader.
fn theirs(path: &Path) -> Vec<Vec<u8>> {
    let seg = Seg::open(path).unwrap();
    let mut getter = seg.getter();
    let mut words = Vec::new();
    while getter.has_next() {
        words.push(getter.next());
    }
    assert_eq!(words.len() as u64, seg.words_count());
    words
}

fn sets() -> Vec<Vec<Vec<u8>>> {
    let mut rng = Rng(7);
    let texts = |rng: &mut Rng, count: usize| -> Vec<Vec<u8>> {
        let parts = [
            "0x0000000000000000",
            "balance",
            "nonce",
            "storage/slot/",
            "ff",
        ];
        let word = |rng: &mut Rng| {
            let pieces = rng.below(9);
            let piece = |rng: &mut Rng| match rng.below(6) {
                5 => rng.bytes(7),
                part => parts[part as usize].as_bytes().to_vec(),
            };
            (0..pieces).flat_map(|_| piece(rng)).collect()
        };
        (0..count).map(|_| word(rng)).collect()
    };
    vec![
        vec![vec![], vec![], vec![]],
        vec![b"one".to_vec()],
        (0..40).map(|len| rng.bytes(len * len * 50)).collect(),
        (0..1000).map(|len| rng.bytes(len % 600)).collect(),
        texts(&mut rng, 3),
        texts(&mut rng, 1200),
        (0..900_u32)
            .map(|i| [&[0; 120][..], &(i % 13).to_be_bytes()].concat())
            .collect(),
    ]
}

#[test]
fn the_other_reader_reads_our_files_word_for_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.seg");
    for words in sets() {
        std::fs::File::create(&path)
            .and_then(|mut out| std::io::Write::write_all(&mut out, &file(&words)))
            .unwrap();
        assert_eq!(theirs(&path), words);
    }
}

#[test]
fn we_read_the_other_writers_files_word_for_word() {
    let folder = tempfile::tempdir().unwrap();
    let mut patterns = 0;
    for (set, words) in sets().into_iter().enumerate() {
        for compress in [false, true] {
            let path = folder.path().join(format!("{set}-{compress}.seg"));
            let mut writer = SegWriter::create_with(&path, compress).unwrap();
            words.iter().for_each(|word| writer.add_word(word).unwrap());
            writer.finish().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let longest = words.iter().map(Vec::len).max().unwrap();
            assert_eq!(read(&bytes, longest).unwrap(), words, "set {set}");
            // Theirs are of version 0; of version 1 is the same behind two bytes.
            let version_1 = [&[1, 0], &bytes[..]].concat();
            assert_eq!(read(&version_1, longest).unwrap(), words);
            if compress {
                let parsed = qmtree_storage::snapshot::words::WordFile::parse(&bytes).unwrap();
                patterns += parsed.pattern_count();
            } else {
                assert_eq!(file(&words), version_1, "the same bytes without patterns");
            }
        }
    }
    assert!(patterns > 100, "only {patterns} patterns were tested");
}
