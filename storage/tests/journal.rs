//! Writing a journal, reading it back, going on with it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests, as clippy.toml has it for those beside the code"
)]

mod common;

use common::{
    IDENTITY, Op, OwnedRecord, append_block, apply, create, empty, folder, payloads, read, state,
    tags, written,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_storage::sim::{Fate, SimDisk};
use qmtree_storage::{
    Contradiction, Damage, Disk, Identity, JournalError, JournalRecord, JournalState,
    JournalWriter, RealDisk, recover,
};
use std::path::PathBuf;
use std::sync::Arc;

fn resume(disk: &SimDisk) -> JournalWriter {
    let (recovered, _) = read(disk).unwrap();
    JournalWriter::resume(Arc::new(disk.clone()), recovered).unwrap()
}

#[test]
fn what_was_written_is_read_back_in_order() {
    let script = [
        Op::Block(2),
        Op::Block(0),
        Op::Unwind(1, 2),
        Op::Rotate,
        Op::Block(3),
    ];
    let (disk, states) = written(&script);
    let (recovered, records) = read(&disk).unwrap();
    let block = |first_tx_num, to, after| OwnedRecord::Block {
        first_tx_num,
        payloads: payloads(first_tx_num, to),
        tags: Vec::new(),
        after,
    };
    let expected = [
        (0, block(0, 2, state(1, 2))),
        (1, block(2, 2, state(2, 2))),
        (2, OwnedRecord::Unwind { after: state(1, 2) }),
        (3, block(2, 5, state(2, 5))),
    ];
    assert_eq!(records, expected);
    assert_eq!(recovered.state, states[4]);
    assert_eq!((recovered.next_seq, recovered.files.len()), (4, 2));
    assert_eq!(recovered.torn_tail, None);
}

#[test]
fn a_database_can_unwind_to_nothing_and_start_at_another_block() {
    let (disk, _) = written(&[Op::Block(2)]);
    let mut writer = resume(&disk);
    writer.append_unwind(empty()).unwrap();
    let next = state(77, 1);
    writer.begin_block(&payloads(0, 1), &[]).unwrap();
    writer
        .finish_block(&next.head, next.last_leaf_hash)
        .unwrap();
    assert_eq!(read(&disk).unwrap().0.state, next);
}

#[test]
fn tags_come_back_with_their_block() {
    let disk = SimDisk::new();
    let mut writer = create(&disk).unwrap();
    let (next, after) = (state(1, 3), state(2, 5));
    writer.begin_block(&payloads(0, 3), &tags(0, 3)).unwrap();
    writer
        .finish_block(&next.head, next.last_leaf_hash)
        .unwrap();
    writer.begin_block(&payloads(3, 5), &[]).unwrap();
    writer
        .finish_block(&after.head, after.last_leaf_hash)
        .unwrap();
    let (_, records) = read(&disk).unwrap();
    let found = records.into_iter().map(|(_, record)| match record {
        OwnedRecord::Block { tags, .. } => tags,
        OwnedRecord::Unwind { .. } => panic!("no unwind was written"),
    });
    assert_eq!(found.collect::<Vec<_>>(), [tags(0, 3), Vec::new()]);
}

#[test]
#[should_panic = "one tag for each leaf"]
fn as_many_tags_as_leaves_or_none() {
    let mut writer = create(&SimDisk::new()).unwrap();
    let _ = writer.begin_block(&payloads(0, 3), &tags(0, 2));
}

#[test]
fn every_file_of_a_real_disk_has_another_salt() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer =
        JournalWriter::create(Arc::new(RealDisk), dir.path(), IDENTITY, 0, empty()).unwrap();
    append_block(&mut writer, 1).unwrap();
    writer.rotate().unwrap();
    append_block(&mut writer, 1).unwrap();
    let salts = writer.files().map(|file| {
        let bytes = std::fs::read(&file.path).unwrap();
        <[u8; 4]>::try_from(&bytes[164..168]).unwrap()
    });
    let salts: Vec<_> = salts.collect();
    assert_ne!(salts[0], salts[1]);
    // What is behind a torn tail of the newest file goes on with the salt of that file.
    let recovered = recover(&RealDisk, dir.path(), IDENTITY, |_, _| {
        Ok::<(), JournalError>(())
    });
    let mut writer = JournalWriter::resume(Arc::new(RealDisk), recovered.unwrap()).unwrap();
    append_block(&mut writer, 2).unwrap();
    let recovered = recover(&RealDisk, dir.path(), IDENTITY, |_, _| {
        Ok::<(), JournalError>(())
    });
    assert_eq!(recovered.unwrap().next_seq, 3);
}

#[test]
fn a_journal_can_start_in_the_middle_of_a_log() {
    let disk = SimDisk::new();
    let base = state(9, 5);
    let mut writer =
        JournalWriter::create(Arc::new(disk.clone()), folder(), IDENTITY, 30, base).unwrap();
    append_block(&mut writer, 2).unwrap();
    let (recovered, _) = read(&disk).unwrap();
    assert_eq!((recovered.base, recovered.state), (base, state(10, 7)));
    assert_eq!(recovered.next_seq, 31);
}

#[test]
fn sync_moves_the_watermark_and_costs_nothing_where_nothing_is_new() {
    let disk = SimDisk::new();
    let mut writer = create(&disk).unwrap();
    append_block(&mut writer, 1).unwrap();
    append_block(&mut writer, 1).unwrap();
    assert_eq!(
        (writer.next_seq(), writer.durable_seq(), writer.is_durable()),
        (2, 0, false)
    );
    assert_eq!(read(&disk.power_loss(Fate::Lost)).unwrap().0.next_seq, 0);
    writer.sync().unwrap();
    let steps = disk.steps();
    writer.sync().unwrap();
    assert_eq!(
        (writer.durable_seq(), writer.is_durable(), disk.steps()),
        (2, true, steps)
    );
    assert_eq!(read(&disk.power_loss(Fate::Lost)).unwrap().0.next_seq, 2);
}

#[test]
fn reopening_makes_durable_what_a_killed_process_left_to_the_system() {
    let (disk, states) = written(&[Op::Block(1), Op::Block(1)]);
    assert_eq!(read(&disk.power_loss(Fate::Lost)).unwrap().0.next_seq, 0);
    let writer = resume(&disk);
    assert!(writer.is_durable());
    assert_eq!(
        read(&disk.power_loss(Fate::Lost)).unwrap().0.state,
        states[2]
    );
    // So may be a file that was renamed, but whose folder was not synced.
    let disk = SimDisk::new();
    create(&disk).unwrap();
    let path = disk.files().remove(0);
    let header = disk.content(&path).unwrap();
    disk.remove(&path).unwrap();
    disk.sync_dir(folder()).unwrap();
    disk.create_new(&path).unwrap().append(&header).unwrap();
    resume(&disk);
    assert_eq!(read(&disk.power_loss(Fate::Lost)).unwrap().0.state, empty());
}

#[test]
fn a_block_takes_two_appends_and_a_file_knows_its_length() {
    let disk = SimDisk::new();
    let mut writer = create(&disk).unwrap();
    let steps = disk.steps();
    append_block(&mut writer, 3).unwrap();
    assert_eq!(disk.steps(), steps + 2);
    writer.append_unwind(empty()).unwrap();
    assert_eq!(disk.steps(), steps + 3);
    let path = writer.files().next().unwrap().path.clone();
    assert_eq!(writer.file_len(), disk.content(&path).unwrap().len() as u64);
    assert_eq!(writer.file_len(), 256 + (226 + 3 * 96) + (48 + 131));
    assert_eq!(resume(&disk).file_len(), writer.file_len());
}

#[test]
fn a_block_that_was_not_finished_never_was() {
    let disk = SimDisk::new();
    let mut writer = create(&disk).unwrap();
    append_block(&mut writer, 1).unwrap();
    writer.begin_block(&payloads(1, 3), &[]).unwrap();
    for result in [
        writer.begin_block(&[], &[]),
        writer.sync(),
        writer.rotate(),
        writer.append_unwind(empty()),
        writer.remove_until(9, 0).map(drop),
    ] {
        assert!(
            matches!(result, Err(JournalError::Poisoned { .. })),
            "{result:?}"
        );
    }
    let (recovered, records) = read(&disk).unwrap();
    assert_eq!((recovered.state, records.len()), (state(1, 1), 1));
    assert_eq!(recovered.torn_tail.unwrap().len, 88 + 2 * 96);
}

#[test]
fn zeros_are_room_for_more_behind_the_newest_file_and_damage_behind_an_older() {
    let (disk, states) = written(&[Op::Block(2), Op::Rotate, Op::Block(3)]);
    let (recovered, _) = read(&disk).unwrap();
    let [older, newest] = [0, 1].map(|place: usize| recovered.files[place].path.clone());
    let bytes = disk.content(&newest).unwrap();
    disk.set_content(&newest, [&bytes[..], &[0; 9000]].concat());
    let (recovered, records) = read(&disk).unwrap();
    assert_eq!((recovered.state, records.len()), (states[2], 2));
    assert_eq!(recovered.torn_tail, None);
    drop(resume(&disk));
    assert_eq!(disk.content(&newest).unwrap(), bytes);
    disk.set_content(&newest, [&bytes[..], &[0; 9000], &[1]].concat());
    let (recovered, _) = read(&disk).unwrap();
    assert_eq!(recovered.torn_tail.unwrap().len, 9001);
    let bytes = disk.content(&older).unwrap();
    disk.set_content(&older, [&bytes[..], &[0]].concat());
    let damage = match read(&disk).unwrap_err() {
        JournalError::Damaged { path, damage, .. } if path == older => damage,
        other => panic!("{other}"),
    };
    assert_eq!(damage, Damage::OlderFile { seq: 1 });
}

#[test]
fn a_sync_that_is_done_later_counts_once_it_is_noted() {
    let (disk, _) = written(&[Op::Block(2)]);
    let mut writer = resume(&disk);
    assert!(writer.sync_later().unwrap().is_none());
    append_block(&mut writer, 1).unwrap();
    let sync = writer.sync_later().unwrap().unwrap();
    append_block(&mut writer, 1).unwrap();
    assert_eq!((writer.durable_seq(), writer.next_seq()), (1, 3));
    let synced = std::thread::spawn(move || sync.run())
        .join()
        .unwrap()
        .unwrap();
    let found = disk.power_loss(Fate::Lost);
    assert!(read(&found).unwrap().0.next_seq >= 2);
    assert_eq!(writer.durable_seq(), 1);
    writer.note_synced(synced);
    assert_eq!((writer.durable_seq(), writer.is_durable()), (2, false));
    let sync = writer.sync_later().unwrap().unwrap();
    let steps = disk.steps();
    disk.fail_at(steps);
    assert!(matches!(sync.run(), Err(JournalError::Io { .. })));
}

#[test]
fn what_cannot_follow_is_refused() {
    let (disk, _) = written(&[Op::Block(2)]);
    let mut writer = resume(&disk);
    let forward = Contradiction::Forward {
        block_number: 2,
        leaf_count: 2,
    };
    assert_refused(writer.append_unwind(state(2, 2)), forward);
    // A refused unwind left no bytes behind.
    append_block(&mut writer, 1).unwrap();
    writer.begin_block(&payloads(3, 4), &[]).unwrap();
    let (four, found) = (state(3, 5), 5);
    let result = writer.finish_block(&four.head, four.last_leaf_hash);
    assert_refused(result, Contradiction::LeafCount { found, expected: 4 });
    // A refused block did.
    assert!(matches!(writer.sync(), Err(JournalError::Poisoned { .. })));
    assert_eq!(
        writer.sync().unwrap_err().to_string(),
        "db/journal/0000000000000000.qmj: an earlier write failed or was left unfinished; \
         close the database, and open it again to recover"
    );
    append_block(&mut resume(&disk), 1).unwrap();
    assert_eq!(read(&disk).unwrap().0.state, state(3, 4));
}

fn assert_refused(result: Result<(), JournalError>, expected: Contradiction) {
    match result {
        Err(JournalError::Refused { contradiction, .. }) => assert_eq!(contradiction, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_journal_is_not_made_over_another_nor_for_another_identity() {
    let (disk, states) = written(&[Op::Block(1)]);
    let error = create(&disk).unwrap_err();
    assert_eq!(
        error.to_string(),
        "db/journal/0000000000000000.qmj: cannot make the journal file"
    );
    assert_eq!(read(&disk).unwrap().0.state, states[1]);
    let other = JournalState::empty(Identity {
        chain_id: 10,
        ..IDENTITY
    });
    let disk = Arc::new(SimDisk::new());
    let result = JournalWriter::create(disk, folder(), IDENTITY, 0, other).map(drop);
    assert_refused(result, Contradiction::Identity);
}

#[test]
fn rotating_an_empty_file_does_nothing() {
    let disk = SimDisk::new();
    let mut writer = create(&disk).unwrap();
    let steps = disk.steps();
    writer.rotate().unwrap();
    assert_eq!((disk.steps(), writer.files().count()), (steps, 1));
    append_block(&mut writer, 1).unwrap();
    writer.rotate().unwrap();
    assert_eq!(
        (
            writer.first_seq(),
            writer.files().count(),
            writer.file_len()
        ),
        (1, 2, 256)
    );
    assert!(writer.is_durable());
}

#[test]
fn old_files_go_once_all_their_leaves_are_sealed_and_the_newest_stays() {
    let script = [
        Op::Block(2),
        Op::Rotate,
        Op::Block(3),
        Op::Unwind(1, 2),
        Op::Rotate,
        Op::Block(1),
        Op::Rotate,
        Op::Block(1),
    ];
    let (disk, states) = written(&script);
    let mut writer = resume(&disk);
    let counts: Vec<u64> = writer.files().map(|file| file.max_leaf_count).collect();
    // The second file had five leaves before its unwind.
    assert_eq!(counts, [2, 5, 3, 4]);
    assert_eq!(writer.remove_until(1, 0).unwrap(), 0);
    assert_eq!(writer.remove_until(4, 0).unwrap(), 1);
    assert_eq!(writer.remove_until(99, 0).unwrap(), 2);
    assert_eq!(writer.remove_until(99, 0).unwrap(), 0);
    let (recovered, records) = read(&disk.power_loss(Fate::Lost)).unwrap();
    assert_eq!((recovered.base, recovered.state), (states[4], states[5]));
    assert_eq!((records.len(), recovered.next_seq), (1, 5));
}

#[test]
fn a_crash_while_old_files_are_removed_leaves_no_gap() {
    let script = [
        Op::Block(1),
        Op::Rotate,
        Op::Block(1),
        Op::Rotate,
        Op::Block(1),
        Op::Rotate,
    ];
    let (whole, states) = written(&script);
    for (step, fate) in (0..8).flat_map(|step| Fate::ALL.map(|fate| (step, fate))) {
        let disk = whole.power_loss(Fate::Kept);
        let mut writer = resume(&disk);
        disk.crash_at(disk.steps() + step, fate);
        let removed = writer.remove_until(99, 0);
        assert_eq!(removed.is_ok(), step >= 6);
        if step < 6 {
            let (recovered, _) = read(&disk.after_crash()).unwrap();
            assert_eq!(recovered.state, states[3], "step {step} {fate:?}");
        }
    }
}

#[test]
fn a_removal_that_fails_poisons_the_writer() {
    let (disk, _) = written(&[Op::Block(1), Op::Rotate, Op::Block(1), Op::Rotate]);
    for step in 0..4 {
        let disk = disk.power_loss(Fate::Kept);
        let mut writer = resume(&disk);
        disk.fail_at(disk.steps() + step);
        let error = writer.remove_until(9, 0).unwrap_err();
        assert!(matches!(error, JournalError::Io { .. }), "{error}");
        assert!(matches!(writer.sync(), Err(JournalError::Poisoned { .. })));
        assert_eq!(read(&disk).unwrap().0.next_seq, 2);
    }
}

#[test]
fn a_real_disk_does_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("db/journal");
    let disk = Arc::new(RealDisk);
    let mut writer = JournalWriter::create(disk.clone(), &folder, IDENTITY, 0, empty()).unwrap();
    for op in [
        Op::Block(2),
        Op::Sync,
        Op::Block(900),
        Op::Rotate,
        Op::Block(1),
    ] {
        apply(&mut writer, op).unwrap();
    }
    writer.begin_block(&payloads(903, 910), &[]).unwrap();
    drop(writer);
    let none = |_, _: JournalRecord<'_>| Ok::<(), JournalError>(());
    let recovered = recover(&*disk, &folder, IDENTITY, none).unwrap();
    assert_eq!(recovered.state, state(3, 903));
    assert!(recovered.torn_tail.is_some());
    let mut writer = JournalWriter::resume(disk.clone(), recovered).unwrap();
    append_block(&mut writer, 1).unwrap();
    writer.sync().unwrap();
    assert_eq!(writer.remove_until(902, 0).unwrap(), 1);
    let recovered = recover(&*disk, &folder, IDENTITY, none).unwrap();
    assert_eq!(
        (recovered.state, recovered.torn_tail),
        (state(4, 904), None)
    );
    let names: Vec<PathBuf> = recovered.files.into_iter().map(|file| file.path).collect();
    assert_eq!(names, [folder.join("0000000000000002.qmj")]);
}

/// An operation by number, so that any sequence of numbers is a script that can be carried out.
fn op(writer: &JournalWriter, states: &[JournalState], choice: u8) -> Op {
    let earlier = states.iter().rev().find(|state| {
        state.any_block && state.head.block_number < writer.state().head.block_number
    });
    match (choice % 8, earlier) {
        (0..4, _) => Op::Block(u64::from(choice / 8)),
        (4, Some(state)) => Op::Unwind(state.head.block_number, state.head.leaf_count),
        (5, _) => Op::Rotate,
        _ => Op::Sync,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_script_survives_being_reopened_at_any_place(choices in proptest::collection::vec(any::<u8>(), 0..24)) {
        let disk = SimDisk::new();
        let mut writer = create(&disk).unwrap();
        let mut states = vec![*writer.state()];
        for choice in choices {
            let next = op(&writer, &states, choice);
            let before = writer.next_seq();
            apply(&mut writer, next).unwrap();
            if writer.next_seq() > before {
                states.push(*writer.state());
            }
            if choice % 3 == 0 {
                writer = resume(&disk);
            }
            let (recovered, records) = read(&disk).unwrap();
            prop_assert_eq!(recovered.state, *states.last().unwrap());
            prop_assert_eq!(records.len() + 1, states.len());
            prop_assert_eq!(recovered.files, writer.files().cloned().collect::<Vec<_>>());
        }
    }
}
