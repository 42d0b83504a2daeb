//! Snapshot files from strangers: word files, our files in them, manifests, packed words.

use qmtree_storage::snapshot::words::{WordFile, WordLayout};
use qmtree_storage::snapshot::{Manifest, SnapshotFile, SnapshotName, unpack_word};
use qmtree_storage::{Mapped, TwigOpening};
use std::path::{Path, PathBuf};

/// Longest word that is read.
const LIMIT: usize = 1 << 16;

/// Words: what is read stays within the limit, and is what random access reads.
pub(crate) fn words(data: &[u8]) {
    let Ok(file) = WordFile::parse(data) else {
        return;
    };
    let (mut words, mut places) = (file.words(), file.words());
    let (mut read, mut plain) = (Vec::new(), true);
    while let Ok(Some(word)) = words.next_word(LIMIT) {
        assert!(word.len() <= LIMIT, "a word beyond the limit");
        let place = places
            .skip_word()
            .expect("it was read")
            .expect("it is there");
        assert_eq!(place.len, word.len() as u64);
        let again = file.word_at(place.offset, LIMIT).expect("it was read");
        assert_eq!(again, word, "two readings of one word");
        plain &= place.bytes.is_some();
        if read.len() < 1000 {
            read.push(word.into_owned());
        }
    }
    // What was read can be written, and is read back.
    if plain && read.len() as u64 == file.word_count() {
        let layout = WordLayout::new(read.iter().map(|word| word.len() as u64));
        let layout = layout.expect("a few short words");
        let mut bytes = layout.head().to_vec();
        for word in &read {
            bytes.extend_from_slice(layout.prefix(word.len() as u64).expect("it was counted"));
            bytes.extend_from_slice(word);
        }
        let file = WordFile::parse(&bytes).expect("our own file");
        let mut words = file.words();
        for word in &read {
            let found = words.next_word(LIMIT).expect("our own word");
            assert_eq!(found.as_deref(), Some(&**word));
        }
    }
}

/// Our files, whatever they are called; manifests; packed words.
pub(crate) fn snapshot(data: &[u8]) {
    for name in [
        "v1.0-qmtree-tail.2048-2100.seg",
        "v1.0-qmtree-execution.0-1.seg",
    ] {
        let map = Mapped::from(data.to_vec());
        if let Ok(file) = SnapshotFile::from_mapped(PathBuf::from(name), map) {
            assert_eq!(SnapshotName::parse(name), Some(file.header().name));
            for twig in file.header().twigs() {
                let twig = file.twig(twig).expect("a file that opens has its twigs");
                assert!(!twig.payloads().is_empty());
            }
            for block in file.blocks() {
                assert!(file.block(block).is_some(), "a block of the table");
            }
        }
    }
    for name in [
        "v1.0-qmtree-state.0-1.seg",
        "v1.0-qmtree-live.0-1.seg",
        "v1.0-qmtree-statetail.2048-2122.seg",
    ] {
        let map = Mapped::from(data.to_vec());
        if let Ok(file) = SnapshotFile::from_mapped(PathBuf::from(name), map) {
            for twig in file.header().twigs() {
                let word = file.entries_word(twig);
                let word = word.expect("a file that opens has its twigs");
                if let Some(opening) = TwigOpening::read(&word) {
                    let nodes = TwigOpening::node_places(opening.live()).len();
                    let entries = opening.entries().count();
                    assert_eq!(word.len(), 256 + 128 * entries + 32 * nodes);
                }
                if let Ok(values) = file.values(twig, LIMIT) {
                    assert!(values.len() <= LIMIT, "values beyond the limit");
                }
            }
        }
    }
    if let Ok(signed) = Manifest::parse(Path::new("note"), data) {
        let text = signed.unverified().to_note(None);
        assert!(
            data.starts_with(text.as_bytes()),
            "two spellings of one manifest"
        );
        for entry in &signed.unverified().files {
            let name = entry.name.to_string();
            assert!(!name.contains(['/', '\\', '\0']) && !name.contains(".."));
        }
    }
    if let Ok(word) = unpack_word(data, LIMIT) {
        assert!(word.len() <= LIMIT);
    }
}

/// Seeds of both targets.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let golden = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/snapshot");
        std::fs::read(folder.join(name)).expect("a golden file")
    };
    for profile in ["keccak", "blake3"] {
        for name in [
            "v1.0-qmtree-tail.2048-2100.seg",
            "v1.0-qmtree-roots.0-1.seg",
        ] {
            let bytes = golden(&format!("{profile}/{name}"));
            for target in ["decode_words", "decode_snapshot"] {
                seeds.push((target, format!("{profile}-{name}"), bytes.clone()));
            }
        }
    }
    for profile in ["keccak", "blake3"] {
        for name in [
            "v1.0-qmtree-live.0-1.seg",
            "v1.0-qmtree-statetail.2048-2122.seg",
        ] {
            let bytes = golden(&format!("state/{profile}/{name}"));
            seeds.push(("decode_snapshot", format!("{profile}-{name}"), bytes));
        }
    }
    // Patterns, of which ours have none: "ab" three times, and "<" before ">".
    let mut patterns = [1_u64, 0, 4].map(u64::to_be_bytes).concat();
    patterns.extend([0, 2, b'a', b'b']);
    patterns.extend(8_u64.to_be_bytes());
    patterns.extend([1, 3, 2, 0, 3, 9, 3, 2]);
    patterns.extend([0b0011_1011, 0b0000_0001, b'<', b'>']);
    seeds.push(("decode_words", "patterns".to_owned(), patterns));
    let packed = qmtree_storage::snapshot::pack_word(b"some words, some words");
    let packed = packed.expect("a few bytes");
    seeds.push(("decode_snapshot", "packed".to_owned(), packed));
    let note = "qmtree/execution/7/blake3/state-root/1\n0\n\
                AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nhead 000000000000000702010000000000000000";
    let note = format!("{note}{}\n\n", "00".repeat(80));
    seeds.push(("decode_snapshot", "manifest".to_owned(), note.into_bytes()));
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_what_they_should_be() {
        for (target, name, bytes) in seeds() {
            let read = match &*name {
                "packed" => unpack_word(&bytes, LIMIT).is_ok(),
                "manifest" => Manifest::parse(Path::new("note"), &bytes).is_ok(),
                _ => WordFile::parse(&bytes).is_ok_and(|file| file.words().skip_word().is_ok()),
            };
            assert!(read, "{target} {name}");
        }
    }
}
