//! An index on disk that is not what was written, or not an index.

use crate::support::{Kind, Log, Rocks, SMALL};
use qmtree_storage::{Index, IndexError, RocksIndex, Tag};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An index with some thousand entries, closed, and their tags.
fn closed_index() -> (TempDir, PathBuf, Log, Vec<Tag>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("index");
    let mut log = Log::new();
    let index = Rocks::open(&path).unwrap();
    let batches: Vec<_> = (0..5).map(|_| log.block(400)).collect();
    batches.iter().for_each(|batch| index.apply(batch).unwrap());
    index.flush().unwrap();
    let inserts = batches.iter().flat_map(|batch| &batch.inserts);
    let tags = inserts.map(|(tag, _)| *tag).collect();
    (dir, path, log, tags)
}

fn files_of(path: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| is_wanted(path.file_name().unwrap().to_str().unwrap()))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "need not be durable")]
fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_empty_folder_becomes_an_index() {
    let dir = TempDir::new().unwrap();
    let index = RocksIndex::open(dir.path(), SMALL).unwrap();
    assert_eq!(index.reached(), None);
}

#[test]
fn a_folder_of_other_files_is_refused_and_not_touched() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("letter.txt");
    write(&file, b"dear");
    for path in [dir.path(), &file] {
        let error = RocksIndex::open(path, SMALL).unwrap_err();
        assert!(matches!(error, IndexError::Foreign { .. }), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"dear");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_index_is_open_once_at_a_time() {
    let (_dir, path, log, _) = closed_index();
    let index = RocksIndex::open(&path, SMALL).unwrap();
    let error = RocksIndex::open(&path, SMALL).unwrap_err();
    assert!(matches!(error, IndexError::Store { .. }), "{error}");
    assert_eq!(log.check(&index), log.reached());
}

#[test]
fn a_missing_file_is_refused_at_once() {
    for is_missing in [
        |name: &str| name.ends_with(".sst"),
        |name: &str| name.starts_with("MANIFEST"),
        |name: &str| name == "CURRENT",
    ] {
        let (_dir, path, ..) = closed_index();
        let files = files_of(&path, is_missing);
        fs::remove_file(&files[0]).unwrap();
        let error = RocksIndex::open(&path, SMALL).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("delete the folder; it is rebuilt"),
            "{error}"
        );
    }
}

#[test]
fn a_file_cut_short_is_damage() {
    let (_dir, path, ..) = closed_index();
    let file = &files_of(&path, |name| name.ends_with(".sst"))[0];
    let bytes = fs::read(file).unwrap();
    write(file, &bytes[..bytes.len() - 1]);
    let error = RocksIndex::open(&path, SMALL).unwrap_err();
    assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
}

/// No flipped byte makes it answer wrongly: it refuses, or the byte did not matter.
#[test]
fn a_flipped_byte_is_never_believed() {
    let (_dir, path, log, tags) = closed_index();
    let mut refused = 0;
    let files = files_of(&path, |name| {
        name.ends_with(".sst") || name.starts_with("MANIFEST")
    });
    let bytes: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for (file, bytes) in files.iter().zip(&bytes) {
        for part in 0..12 {
            let mut flipped = bytes.clone();
            flipped[bytes.len() * part / 12] ^= 0x10;
            let copy = TempDir::new().unwrap();
            for file in files_of(&path, |_| true) {
                fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
            }
            write(&copy.path().join(file.file_name().unwrap()), &flipped);
            let read = RocksIndex::open(copy.path(), SMALL).and_then(|index| {
                tags.iter()
                    .try_for_each(|tag| index.candidates(tag).map(drop))?;
                Ok(index)
            });
            match read {
                Ok(index) => assert_eq!(log.check(&index), log.reached()),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 10, "{refused} of {}", files.len() * 12);
}
