//! Cut, flipped, swapped and missing bytes: a torn tail is dropped, all else is reported, and nothing
//! is ever read as something else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests, as clippy.toml has it for those beside the code"
)]

mod common;

use common::{IDENTITY, Op, Records, folder, read, written};
use qmtree_storage::sim::SimDisk;
use qmtree_storage::{
    Contradiction, Damage, Disk, Identity, JournalError, JournalRecord, Recovered, recover,
};
use std::path::PathBuf;

/// Two files: records 0 to 3 and 4 to 6. Of the latter, number 4 is known to be synced.
const SCRIPT: [Op; 10] = [
    Op::Block(2),
    Op::Sync,
    Op::Block(1),
    Op::Block(0),
    Op::Unwind(2, 3),
    Op::Rotate,
    Op::Block(1),
    Op::Sync,
    Op::Block(0),
    Op::Block(2),
];
/// What the last record says.
const DURABLE: u64 = 5;

fn file(first_seq: u64) -> PathBuf {
    folder().join(format!("{first_seq:016x}.qmj"))
}

struct Journal {
    disk: SimDisk,
    records: Records,
    recovered: Recovered,
}

fn journal() -> Journal {
    let (disk, _) = written(&SCRIPT);
    let (recovered, records) = read(&disk).unwrap();
    assert_eq!(disk.files(), [file(0), file(4)]);
    Journal {
        disk,
        records,
        recovered,
    }
}

fn damage(disk: &SimDisk) -> (u64, Damage) {
    match read(disk) {
        Err(JournalError::Damaged { offset, damage, .. }) => (offset, damage),
        other => panic!("{other:?}"),
    }
}

impl Journal {
    /// Checks that the records are the first ones of those that were written, and how many.
    fn check_prefix(&self, disk: &SimDisk) -> Result<u64, JournalError> {
        let (recovered, records) = read(disk)?;
        assert_eq!(records, self.records[..records.len()]);
        assert_eq!(recovered.next_seq, records.len() as u64);
        Ok(recovered.next_seq)
    }
}

#[test]
fn a_newest_file_cut_anywhere_ends_at_a_record() {
    let journal = journal();
    let bytes = journal.disk.content(&file(4)).unwrap();
    let mut found = Vec::new();
    for len in 0..bytes.len() {
        journal.disk.set_content(&file(4), bytes[..len].to_vec());
        match journal.check_prefix(&journal.disk) {
            Ok(next_seq) => {
                let (recovered, _) = read(&journal.disk).unwrap();
                let torn = len as u64 - recovered.valid_len;
                assert_eq!(recovered.torn_tail.map_or(0, |tail| tail.len), torn);
                found.push(next_seq);
            }
            // Files come into being whole, so a header is not a torn tail.
            Err(error) => assert!(
                len < 256 && matches!(error, JournalError::Header(_)),
                "{error}"
            ),
        }
    }
    assert!(found.is_sorted());
    found.dedup();
    assert_eq!(found, [4, 5, 6]);
}

#[test]
fn an_older_file_cut_anywhere_is_damage() {
    let journal = journal();
    let bytes = journal.disk.content(&file(0)).unwrap();
    for len in 0..bytes.len() {
        journal.disk.set_content(&file(0), bytes[..len].to_vec());
        let error = read(&journal.disk).unwrap_err();
        let expected = matches!(
            error,
            JournalError::Header(_)
                | JournalError::Damaged {
                    damage: Damage::OlderFile { .. } | Damage::Gap { .. },
                    ..
                }
        );
        assert!(expected, "{len}: {error}");
    }
}

#[test]
fn bytes_behind_the_last_record_of_an_older_file_are_damage() {
    let journal = journal();
    let mut bytes = journal.disk.content(&file(0)).unwrap();
    let end = bytes.len() as u64;
    bytes.push(0);
    journal.disk.set_content(&file(0), bytes);
    assert_eq!(damage(&journal.disk), (end, Damage::OlderFile { seq: 4 }));
}

#[test]
fn a_whole_record_with_another_number_is_not_the_next_one() {
    let (disk, _) = written(&[Op::Block(0), Op::Block(0), Op::Unwind(1, 0), Op::Block(0)]);
    let bytes = disk.content(&file(0)).unwrap();
    // Record 3 could follow record 0, if it were not for its number.
    let block = 48 + 178;
    let spliced = [&bytes[..256 + block], &bytes[bytes.len() - block..]].concat();
    disk.set_content(&file(0), spliced);
    let (recovered, records) = read(&disk).unwrap();
    assert_eq!((recovered.next_seq, records.len()), (1, 1));
    assert_eq!(recovered.torn_tail.unwrap().len, block as u64);
}

#[test]
fn a_flipped_bit_is_damage_or_a_dropped_tail_and_never_other_content() {
    let journal = journal();
    let mut dropped = 0;
    for first_seq in [0, 4] {
        let len = journal.disk.content(&file(first_seq)).unwrap().len();
        for (offset, bit) in (0..len).flat_map(|offset| (0..8).map(move |bit| (offset, bit))) {
            journal.disk.flip(&file(first_seq), offset, 1 << bit);
            if let Ok(next_seq) = journal.check_prefix(&journal.disk) {
                assert_eq!(first_seq, 4, "byte {offset} of an older file");
                assert!(
                    (DURABLE..journal.recovered.next_seq).contains(&next_seq),
                    "byte {offset}"
                );
                dropped += 1;
            }
            journal.disk.flip(&file(first_seq), offset, 1 << bit);
        }
    }
    assert!(dropped > 0);
    assert_eq!(journal.check_prefix(&journal.disk).unwrap(), 7);
}

#[test]
fn a_lost_record_is_damage_if_a_later_one_says_that_it_was_synced() {
    let journal = journal();
    // Record 4 lies right behind the header. Record 5, next to it, knows of its sync.
    journal.disk.flip(&file(4), 256 + 100, 1);
    let second = 256 + 48 + 178 + 96;
    let expected = Damage::Synced {
        seq: 4,
        witness_seq: 5,
        witness_offset: second,
    };
    assert_eq!(damage(&journal.disk), (256, expected));
    // Record 5 was never synced, whatever record 6 is.
    journal.disk.flip(&file(4), 256 + 100, 1);
    journal
        .disk
        .flip(&file(4), usize::try_from(second).unwrap() + 60, 1);
    assert_eq!(journal.check_prefix(&journal.disk).unwrap(), 5);
}

#[test]
fn a_missing_file_is_damage() {
    let journal = journal();
    let (disk, _) = written(&[
        Op::Block(1),
        Op::Rotate,
        Op::Block(1),
        Op::Rotate,
        Op::Block(1),
    ]);
    let bytes = disk.content(&file(1)).unwrap();
    disk.remove(&file(1)).unwrap();
    assert_eq!(
        damage(&disk),
        (
            0,
            Damage::Gap {
                found: 2,
                expected: 1
            }
        )
    );
    // The same records with another history before them.
    disk.set_content(&file(1), bytes);
    let (other, _) = written(&[Op::Block(2), Op::Rotate]);
    disk.set_content(&file(0), other.content(&file(0)).unwrap());
    assert_eq!(damage(&disk), (0, Damage::Base { seq: 1 }));
    // No file at all.
    for path in journal.disk.files() {
        journal.disk.remove(&path).unwrap();
    }
    let error = read(&journal.disk).unwrap_err();
    assert_eq!(
        error.to_string(),
        "db/journal: no journal file; restore the folder from a backup"
    );
}

#[test]
fn names_that_do_not_fit_are_refused_and_other_files_passed_over() {
    let journal = journal();
    let bytes = journal.disk.content(&file(4)).unwrap();
    journal
        .disk
        .set_content(&folder().join("0000000000000007.qmj.tmp"), bytes.clone());
    journal
        .disk
        .set_content(&folder().join("README"), Vec::new());
    assert_eq!(journal.check_prefix(&journal.disk).unwrap(), 7);
    for name in [
        "x.qmj",
        "7.qmj",
        "000000000000000A.qmj",
        "+000000000000007.qmj",
    ] {
        let path = folder().join(name);
        journal.disk.set_content(&path, bytes.clone());
        assert!(
            matches!(read(&journal.disk), Err(JournalError::Name { .. })),
            "{name}"
        );
        journal.disk.remove(&path).unwrap();
    }
    journal.disk.set_content(&file(7), bytes);
    let Err(error) = read(&journal.disk) else {
        panic!("a file under another name was read")
    };
    assert!(
        matches!(&error, JournalError::Renamed { path, .. } if *path == file(7)),
        "{error}"
    );
    let text = error.to_string();
    let first = text.rsplit_once("its name, ").unwrap().1;
    let is_there = journal.disk.content(&folder().join(first)).is_some();
    assert!(is_there && !file(7).ends_with(first), "{text}");
}

#[test]
fn a_journal_of_another_database_is_refused() {
    let journal = journal();
    let other = Identity {
        chain_id: 10,
        ..IDENTITY
    };
    let visit = |_, _: JournalRecord<'_>| Ok::<(), JournalError>(());
    let error = recover(&journal.disk, folder(), other, visit).unwrap_err();
    assert_eq!(
        error.to_string(),
        "db/journal/0000000000000000.qmj: belongs to chain 1, profile keccak, scheme state-root/1, \
         this database is chain 10, profile keccak, scheme state-root/1; \
         move it to its own folder"
    );
}

#[test]
fn a_whole_record_that_contradicts_is_damage_even_at_the_end() {
    let (disk, _) = written(&[Op::Block(2), Op::Block(1)]);
    let (other, _) = written(&[Op::Block(3), Op::Block(1)]);
    // The first block of one journal, and the second of the other.
    let record_len = |leaves: usize| 48 + 178 + 96 * leaves;
    let (first, second) = (
        disk.content(&file(0)).unwrap(),
        other.content(&file(0)).unwrap(),
    );
    let spliced = [
        &first[..256 + record_len(2)],
        &second[256 + record_len(3)..],
    ]
    .concat();
    disk.set_content(&file(0), spliced);
    let contradiction = Contradiction::FirstTxNum {
        found: 3,
        expected: 2,
    };
    let (offset, found) = damage(&disk);
    assert_eq!(offset, 256 + record_len(2) as u64);
    assert_eq!(
        found,
        Damage::Contradiction {
            seq: 1,
            contradiction
        }
    );
    assert_eq!(
        read(&disk).unwrap_err().to_string(),
        "db/journal/0000000000000000.qmj: damaged at byte 674: record 1: its first leaf is 3, \
         the log has 2 leaves; restore the file from a backup, \
         or make the database anew from a snapshot or its source"
    );
}
