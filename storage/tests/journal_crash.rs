//! The power is cut at every step of a script, with every fate, and once more while it is mended.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests, as clippy.toml has it for those beside the code"
)]

mod common;

use common::{Op, append_block, apply, create, folder, read, written};
use qmtree_storage::sim::{Fate, SimDisk};
use qmtree_storage::{JournalError, JournalState, JournalWriter, remove_temporary_files};
use std::sync::Arc;

const SCRIPT: [Op; 14] = [
    Op::Block(2),
    Op::Sync,
    Op::Block(12),
    Op::Sync,
    Op::Block(0),
    Op::Unwind(2, 14),
    Op::Block(1),
    Op::Sync,
    Op::Unwind(1, 2),
    Op::Rotate,
    Op::Block(3),
    Op::Block(7),
    Op::Sync,
    Op::Block(1),
];

/// What the script was told is safe.
#[derive(Debug, Default)]
struct Promised {
    created: bool,
    durable_seq: u64,
}

fn run(disk: &SimDisk) -> Promised {
    let mut promised = Promised::default();
    let Ok(mut writer) = create(disk) else {
        return promised;
    };
    promised.created = true;
    for op in SCRIPT {
        let done = apply(&mut writer, op);
        promised.durable_seq = writer.durable_seq();
        if done.is_err() {
            let again = writer.sync().unwrap_err();
            assert!(matches!(again, JournalError::Poisoned { .. }), "{again}");
            break;
        }
    }
    promised
}

/// Checks what is found, against every state that the script reaches.
fn check(disk: &SimDisk, promised: &Promised, states: &[JournalState], case: &str) -> Option<u64> {
    let recovered = match read(disk) {
        Ok((recovered, _)) => recovered,
        Err(error) if promised.created => panic!("{case}: {error}"),
        Err(JournalError::Missing { .. } | JournalError::Io { .. }) => return None,
        Err(error) => panic!("{case}: {error}"),
    };
    let seq = recovered.next_seq;
    assert_eq!(
        recovered.state,
        states[usize::try_from(seq).unwrap()],
        "{case}"
    );
    assert!(
        seq >= promised.durable_seq,
        "{case}: {seq}, promised {promised:?}"
    );
    Some(seq)
}

/// What the next start does: mend, and go on.
fn resume(disk: &SimDisk) -> Result<u64, JournalError> {
    let (recovered, _) = read(disk)?;
    let found = recovered.next_seq;
    remove_temporary_files(disk, folder()).map_err(|source| JournalError::Io {
        path: folder().into(),
        action: "remove temporary files",
        source,
    })?;
    let mut writer = JournalWriter::resume(Arc::new(disk.clone()), recovered)?;
    append_block(&mut writer, 3)?;
    writer.sync()?;
    Ok(found)
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_promised() {
    let (whole, states) = written(&SCRIPT);
    let mut tails = 0;
    for step in 0..whole.steps() {
        for (fate, seed) in Fate::ALL
            .into_iter()
            .flat_map(|fate| (0..8).map(move |s| (fate, s)))
        {
            let case = format!("step {step}, {fate:?}, seed {seed}");
            let disk = SimDisk::with_seed(seed * 1000 + step);
            disk.crash_at(step, fate);
            let promised = run(&disk);
            assert!(disk.has_crashed(), "{case}");
            let found = disk.after_crash();
            if check(&found, &promised, &states, &case).is_none() {
                continue;
            }
            tails += u32::from(read(&found).unwrap().0.torn_tail.is_some());
            crash_while_mending(&found, &promised, &states, &case);
            let before = resume(&found).unwrap();
            let (after, _) = read(&found.power_loss(Fate::Lost)).unwrap();
            assert_eq!(after.next_seq, before + 1, "{case}");
            assert_eq!(after.torn_tail, None, "{case}");
        }
    }
    assert!(
        tails > 20,
        "{tails} torn tails are too few to prove anything"
    );
}

fn crash_while_mending(found: &SimDisk, promised: &Promised, states: &[JournalState], case: &str) {
    let seq = read(found).unwrap().0.next_seq;
    let rehearsal = found.power_loss(Fate::Kept);
    resume(&rehearsal).unwrap();
    for step in 0..rehearsal.steps() {
        for fate in Fate::ALL {
            let disk = found.power_loss(Fate::Kept);
            disk.crash_at(step, fate);
            resume(&disk).unwrap_err();
            let found = disk.after_crash();
            let (again, _) =
                read(&found).unwrap_or_else(|error| panic!("{case}, mending {step}: {error}"));
            if again.next_seq <= seq {
                check(&found, promised, states, case);
            } else {
                assert_eq!(
                    again.next_seq,
                    seq + 1,
                    "{case}: only the new block may be there"
                );
            }
        }
    }
}

#[test]
fn a_failure_at_any_step_poisons_the_writer_and_reopening_recovers() {
    let (whole, states) = written(&SCRIPT);
    for step in 0..whole.steps() {
        let case = format!("failure at step {step}");
        let disk = SimDisk::with_seed(step);
        disk.fail_at(step);
        let promised = run(&disk);
        if check(&disk, &promised, &states, &case).is_some() {
            resume(&disk).unwrap();
        }
    }
}
