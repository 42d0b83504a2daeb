//! The journal format, byte for byte (docs/FORMAT.md, section 6).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests, as clippy.toml has it for those beside the code"
)]

mod common;

use common::{IDENTITY, empty, folder, payloads, read, state, tags};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{JournalError, JournalWriter};
use std::path::PathBuf;
use std::sync::Arc;

/// Made by testdata/journal/make_journal.py, which was written from the page.
const GOLDEN: &[u8] = include_bytes!("../../testdata/journal/v1.qmj");

fn file() -> PathBuf {
    folder().join("0000000000000000.qmj")
}

fn write(disk: &SimDisk) -> Result<(), JournalError> {
    let mut writer = JournalWriter::create(Arc::new(disk.clone()), folder(), IDENTITY, 0, empty())?;
    let (seven, empty_eight, eight) = (state(7, 2), state(8, 2), state(8, 3));
    writer.begin_block(&payloads(0, 2), &[])?;
    writer.finish_block(&seven.head, seven.last_leaf_hash)?;
    writer.sync()?;
    writer.begin_block(&[], &[])?;
    writer.finish_block(&empty_eight.head, empty_eight.last_leaf_hash)?;
    writer.append_unwind(seven)?;
    writer.sync()?;
    writer.begin_block(&payloads(2, 3), &[])?;
    writer.finish_block(&eight.head, eight.last_leaf_hash)?;
    let nine = state(9, 5);
    writer.begin_block(&payloads(3, 5), &tags(3, 5))?;
    writer.finish_block(&nine.head, nine.last_leaf_hash)?;
    assert_eq!(writer.file_len(), GOLDEN.len() as u64);
    Ok(())
}

#[test]
fn the_writer_writes_version_1() {
    let disk = SimDisk::new();
    write(&disk).unwrap();
    assert_eq!(disk.files(), [file()]);
    assert_eq!(disk.content(&file()).unwrap(), GOLDEN);
}

#[test]
fn version_1_is_read() {
    let disk = SimDisk::new();
    disk.set_content(&file(), GOLDEN.to_vec());
    let (recovered, records) = read(&disk).unwrap();
    assert_eq!(recovered.state, state(9, 5));
    assert_eq!(recovered.base, empty());
    assert_eq!(recovered.next_seq, 5);
    assert_eq!(recovered.valid_len, GOLDEN.len() as u64);
    assert_eq!(recovered.torn_tail, None);
    assert_eq!(recovered.files.len(), 1);
    assert_eq!(records.len(), 5);
    let other = SimDisk::new();
    write(&other).unwrap();
    assert_eq!(read(&other).unwrap().1, records);
}

#[test]
fn another_version_is_refused_by_name() {
    let disk = SimDisk::new();
    disk.set_content(&file(), GOLDEN.to_vec());
    disk.flip(&file(), 8, 3);
    assert_eq!(
        read(&disk).unwrap_err().to_string(),
        "db/journal/0000000000000000.qmj: format version 2, this release reads 1; \
         open it with the release that wrote it or a newer one"
    );
}
