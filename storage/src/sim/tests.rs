//! What the simulation promises.

use super::*;
use crate::io::{Disk, DiskFile};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

const SECTOR_LEN: usize = 512;

fn path(name: &str) -> &Path {
    Path::new(name)
}

/// A disk with the durable file `a`, and that file open.
fn disk_with_file(seed: u64, bytes: &[u8]) -> (SimDisk, Box<dyn DiskFile>) {
    let disk = SimDisk::with_seed(seed);
    disk.set_content(path("a"), bytes.to_vec());
    let file = disk.open_append(path("a")).unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_survives_each_fate() {
    for (seed, fate) in (0..20).flat_map(|seed| Fate::ALL.map(|fate| (seed, fate))) {
        let disk = SimDisk::with_seed(seed);
        disk.create_dir_all(path("db/log")).unwrap();
        let mut file = disk.create_new(path("/db/log/x")).unwrap();
        file.append(b"synced").unwrap();
        file.sync().unwrap();
        disk.rename(path("db/log/x"), path("./db/log/y")).unwrap();
        for folder in ["", "db", "db/log"] {
            disk.sync_dir(path(folder)).unwrap();
        }
        file.append(b" and not synced").unwrap();
        let found = disk.power_loss(fate);
        assert_eq!(found.files(), [path("db/log/y")], "{seed} {fate:?}");
        let bytes = found.content(path("db/log/y")).unwrap();
        assert!(bytes.starts_with(b"synced"), "{seed} {fate:?}");
        match fate {
            Fate::Lost => assert_eq!(bytes, b"synced"),
            Fate::Kept => assert_eq!(bytes, b"synced and not synced"),
            Fate::Torn => {}
        }
    }
}

#[test]
fn names_that_were_not_synced_may_vanish() {
    let disk = SimDisk::new();
    disk.set_content(path("old"), b"1".to_vec());
    disk.set_content(path("gone"), b"2".to_vec());
    disk.rename(path("old"), path("new")).unwrap();
    disk.remove(path("gone")).unwrap();
    let mut file = disk.create_new(path("made")).unwrap();
    file.append(b"3").unwrap();
    // The bytes are durable then, the name is not.
    file.sync().unwrap();
    assert_eq!(
        disk.power_loss(Fate::Lost).files(),
        [path("gone"), path("old")]
    );
    assert_eq!(
        disk.power_loss(Fate::Kept).files(),
        [path("made"), path("new")]
    );
    disk.sync_dir(path("")).unwrap();
    assert_eq!(
        disk.power_loss(Fate::Lost).files(),
        [path("made"), path("new")]
    );
    assert_eq!(
        disk.power_loss(Fate::Lost).content(path("made")).unwrap(),
        b"3"
    );
}

#[test]
fn a_folder_that_vanishes_takes_its_files_along() {
    let disk = SimDisk::new();
    disk.create_dir_all(path("db")).unwrap();
    disk.create_new(path("db/x")).unwrap();
    disk.sync_dir(path("db")).unwrap();
    assert!(disk.power_loss(Fate::Lost).files().is_empty());
    disk.sync_dir(path("/")).unwrap();
    assert_eq!(disk.power_loss(Fate::Lost).files(), [path("db/x")]);
}

#[test]
fn a_torn_tail_shows_new_old_and_zero_sectors_and_any_length() {
    let old = vec![b'o'; 3 * SECTOR_LEN + 100];
    let (mut lengths, mut bytes_seen) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..200 {
        let (disk, mut file) = disk_with_file(seed, &old);
        file.truncate(700).unwrap();
        file.append(&[b'n'; 5 * SECTOR_LEN]).unwrap();
        let found = disk.power_loss(Fate::Torn).content(path("a")).unwrap();
        assert_eq!(found[..700], old[..700]);
        for (at, byte) in found.iter().enumerate().skip(700) {
            let first_of_sector = (at / SECTOR_LEN * SECTOR_LEN).max(700);
            bytes_seen.insert(*byte);
            assert!(
                *byte == found[first_of_sector] || *byte == 0,
                "sectors are torn as a whole"
            );
        }
        lengths.insert(found.len());
    }
    assert!(lengths.len() > 50);
    assert_eq!(bytes_seen, BTreeSet::from([0, b'n', b'o']));
}

#[test]
fn the_same_seed_tears_the_same_way() {
    let torn = |seed| {
        let (disk, mut file) = disk_with_file(seed, b"");
        file.append(&[1; 5000]).unwrap();
        disk.power_loss(Fate::Torn).content(path("a")).unwrap()
    };
    assert_eq!(torn(3), torn(3));
    assert!((4..20).any(|seed| torn(seed) != torn(3)));
}

#[test]
fn a_failing_step_fails_once() {
    for step in 0..3 {
        let (disk, mut file) = disk_with_file(9, b"");
        disk.fail_at(step);
        let results = [
            file.append(b"one").is_ok(),
            file.sync().is_ok(),
            disk.remove(path("a")).is_ok(),
        ];
        let failed = usize::try_from(step).unwrap();
        assert_eq!(results, [0, 1, 2].map(|i| i != failed));
        assert_eq!(disk.steps(), 3);
        assert_eq!(disk.exists(path("a")), failed == 2);
        assert!(!disk.has_crashed());
    }
}

#[test]
fn after_a_crash_nothing_works_until_the_power_is_back() {
    let (disk, mut file) = disk_with_file(0, b"one");
    disk.crash_at(1, Fate::Kept);
    file.append(b"two").unwrap();
    assert!(file.append(b"three").is_err() && disk.has_crashed());
    assert!(file.sync().is_err() && disk.read(path("a")).is_err());
    assert!(disk.list(path("")).is_err() && disk.create_new(path("b")).is_err());
    let found = disk.after_crash();
    assert_eq!(found.read(path("a")).unwrap(), b"onetwothree");
    assert_eq!(found.steps(), 0);
    found.open_append(path("a")).unwrap().append(b"!").unwrap();
}

#[test]
fn mistakes_are_errors_and_no_steps() {
    let (disk, _) = disk_with_file(0, b"");
    disk.create_dir_all(path("db")).unwrap();
    let steps = disk.steps();
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    let create = |name| disk.create_new(path(name)).map(drop);
    assert_eq!(kind(create("a")), io::ErrorKind::AlreadyExists);
    assert_eq!(kind(create("db")), io::ErrorKind::AlreadyExists);
    assert_eq!(kind(create("nowhere/b")), io::ErrorKind::NotFound);
    assert_eq!(
        kind(disk.rename(path("b"), path("c"))),
        io::ErrorKind::NotFound
    );
    assert_eq!(kind(disk.remove(path("b"))), io::ErrorKind::NotFound);
    assert_eq!(
        kind(disk.sync_dir(path("nowhere"))),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        kind(disk.list(path("nowhere")).map(drop)),
        io::ErrorKind::NotFound
    );
    assert_eq!(disk.steps(), steps);
    let mut names = disk.list(path("/")).unwrap();
    names.sort();
    assert_eq!(names, [path("a"), path("db")]);
}

#[test]
fn maps_and_open_files_outlive_names_and_locks_are_exclusive() {
    let (disk, mut file) = disk_with_file(0, b"one");
    let map = disk.map(path("a")).unwrap();
    disk.remove(path("a")).unwrap();
    file.append(b"two").unwrap();
    assert_eq!(&map[..], b"one");
    let lock = disk.lock(path("lock")).unwrap();
    assert_eq!(
        disk.lock(path("lock")).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    drop(lock);
    disk.lock(path("lock")).unwrap();
}

#[test]
fn links_are_names_of_one_file_and_durable_like_other_names() {
    for seed in 0..20 {
        let (disk, mut file) = disk_with_file(seed, b"one");
        disk.create_dir_all(path("copy")).unwrap();
        disk.sync_dir(path("")).unwrap();
        disk.hard_link(path("a"), path("copy/b")).unwrap();
        file.append(&[7; 3000]).unwrap();
        let content = |disk: &SimDisk, name| disk.content(path(name));
        assert_eq!(content(&disk, "copy/b"), content(&disk, "a"));
        assert_eq!(disk.power_loss(Fate::Lost).files(), [path("a")]);
        disk.sync_dir(path("copy")).unwrap();
        let torn = disk.power_loss(Fate::Torn);
        assert!(content(&torn, "a").is_some());
        assert_eq!(content(&torn, "copy/b"), content(&torn, "a"));
        disk.remove(path("a")).unwrap();
        assert_eq!(content(&disk, "copy/b").unwrap().len(), 3003);
        let taken = disk.hard_link(path("copy/b"), path("copy")).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    }
}

#[test]
fn a_folder_is_renamed_with_all_that_is_in_it() {
    let disk = SimDisk::new();
    disk.create_dir_all(path("new/x")).unwrap();
    disk.create_new(path("new/x/y")).unwrap();
    for folder in ["", "new", "new/x"] {
        disk.sync_dir(path(folder)).unwrap();
    }
    disk.rename(path("new"), path("whole")).unwrap();
    let whole = [path("whole/x/y")];
    assert_eq!(disk.files(), whole);
    assert_eq!(disk.power_loss(Fate::Lost).files(), [path("new/x/y")]);
    assert_eq!(disk.power_loss(Fate::Kept).files(), whole);
    disk.sync_dir(path("")).unwrap();
    assert_eq!(disk.power_loss(Fate::Lost).files(), whole);
    let full = disk.remove_dir(path("whole/x")).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::DirectoryNotEmpty);
    disk.remove(path("whole/x/y")).unwrap();
    disk.remove_dir(path("whole/x")).unwrap();
    assert!(!disk.exists(path("whole/x")) && disk.exists(path("whole")));
}

#[test]
fn bytes_can_be_changed_from_outside() {
    let (disk, _) = disk_with_file(0, b"abc");
    disk.flip(path("a"), 1, 0x20);
    assert_eq!(
        disk.power_loss(Fate::Lost).content(path("a")).unwrap(),
        b"aBc"
    );
    disk.set_content(path("x/y/z"), b"1".to_vec());
    assert_eq!(
        disk.power_loss(Fate::Lost).content(path("x/y/z")).unwrap(),
        b"1"
    );
}

#[test]
fn zeros_may_follow_a_file_that_is_synced_often() {
    let found = |seed, cut: bool| {
        let (disk, mut file) = disk_with_file(seed, b"");
        for _ in 0..3 {
            file.append(b"some").unwrap();
            file.sync().unwrap();
        }
        if cut {
            file.truncate(12).unwrap();
            file.sync().unwrap();
        }
        disk.power_loss(Fate::Torn).content(path("a")).unwrap()
    };
    let (content, mut lengths) = (b"somesomesome", BTreeSet::new());
    for seed in 0..100 {
        let bytes = found(seed, false);
        assert!(bytes.starts_with(content) && bytes[12..].iter().all(|byte| *byte == 0));
        lengths.insert(bytes.len());
        assert_eq!(found(seed, true), content);
    }
    assert!(lengths.len() > 10 && lengths.contains(&12));
}
