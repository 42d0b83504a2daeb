//! Power cuts and disk errors at every write, sync, rename and removal of a script that commits,
//! seals, unwinds and prunes. After each the database opens, is whole, and lost nothing that was
//! acknowledged as durable.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use qmtree::proofs::{Head, LeafPayload, Profile, Scheme, TxNum};
use qmtree::{At, Db, Durability, Error, Identity, Options};
use qmtree_storage::Disk;
use qmtree_storage::sim::{Fate, SimDisk};
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/db";

fn identity() -> Identity {
    Identity {
        profile: Profile::Blake3,
        scheme: Scheme::StateRoot1,
        chain_id: 7,
    }
}

fn options(durability: Durability) -> Options {
    Options::default()
        .with_durability(durability)
        .with_unwind_window_blocks(1)
        .with_segment_twigs(1)
        .with_journal_file_len_bytes(150_000)
        .with_parallel(false)
}

fn leaves(branch: u8, block: u64, count: usize) -> Vec<LeafPayload> {
    let mut bytes = [branch; 96];
    bytes[..8].copy_from_slice(&block.to_le_bytes());
    vec![LeafPayload::from_bytes(&bytes); count]
}

/// The heads that the script was promised before it was cut off, newest last.
#[derive(Debug, Default)]
struct Acknowledged {
    heads: Vec<Head>,
}

/// Runs the script until the end or the first error.
fn script(disk: &Arc<dyn Disk>, durability: Durability) -> (Acknowledged, Result<(), Error>) {
    let mut done = Acknowledged::default();
    let result = run(disk, durability, &mut done);
    (done, result)
}

fn run(disk: &Arc<dyn Disk>, durability: Durability, done: &mut Acknowledged) -> Result<(), Error> {
    let dir = Path::new(DIR);
    let mut db = Db::create_on(Arc::clone(disk), dir, identity(), options(durability))?;
    for block in 0..5 {
        done.heads
            .push(db.append_block(block, &leaves(0, block, 900))?);
    }
    done.heads.push(db.unwind_to(3)?);
    for (block, count) in [(4, 700), (5, 0), (6, 2500), (7, 10)] {
        done.heads
            .push(db.append_block(block, &leaves(1, block, count))?);
    }
    db.prune_to(4)?;
    done.heads.push(db.append_block(8, &leaves(1, 8, 2100))?);
    db.close()
}

/// Opens what the crash left and compares it with what was promised.
fn recover(disk: SimDisk, done: &Acknowledged, all: &[Head], durability: Durability, what: &str) {
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let dir = Path::new(DIR);
    let db = match Db::open_on(Arc::clone(&disk), dir, options(durability)) {
        Ok(db) => db,
        Err(error) => {
            assert!(done.heads.is_empty(), "{what}: {error}");
            // Nothing was promised yet: making it again must work.
            Db::create_on(Arc::clone(&disk), dir, identity(), options(durability))
                .unwrap_or_else(|error| panic!("{what}: create again: {error}"))
        }
    };
    let head = db.head();
    let known = |head: &Head| head.leaf_count == 0 || all.contains(head);
    assert!(known(&head), "{what}: unknown head {head:?}");
    if durability == Durability::Immediate
        && let Some(promised) = done.heads.last()
    {
        // The operation in flight may have been committed without an answer.
        let is_next = all.get(done.heads.len()) == Some(&head);
        assert!(
            head == *promised || is_next,
            "{what}: promised {promised:?}, found {head:?}"
        );
    }
    db.check()
        .unwrap_or_else(|error| panic!("{what}: check: {error}"));
    let view = db.view();
    for i in [head.leaf_count / 2, head.leaf_count.saturating_sub(1)].map(TxNum) {
        match view.witness(i, At::Head) {
            Ok(witness) => witness.verify(&head, i).unwrap(),
            Err(Error::Segment(_) | Error::Shape(_)) => {}
            Err(error) => panic!("{what}: leaf {i}: {error}"),
        }
    }
    drop(view);
    go_on(db, &disk, head, durability, what);
}

/// A recovered database takes more blocks, and opens again with them.
fn go_on(mut db: Db, disk: &Arc<dyn Disk>, head: Head, durability: Durability, what: &str) {
    let next = if db.view().blocks().is_some() {
        head.block_number + 1
    } else {
        0
    };
    let grown = db.append_block(next, &leaves(9, next, 3000)).unwrap();
    db.close()
        .unwrap_or_else(|error| panic!("{what}: close: {error}"));
    let again = Db::open_on(Arc::clone(disk), Path::new(DIR), options(durability)).unwrap();
    assert_eq!(again.head(), grown, "{what}: after another block");
    again.check().unwrap();
}

/// The script's heads and steps, undisturbed.
fn undisturbed(durability: Durability) -> (Vec<Head>, u64) {
    let disk = SimDisk::new();
    let (done, result) = script(&(Arc::new(disk.clone()) as Arc<dyn Disk>), durability);
    result.unwrap();
    (done.heads, disk.steps())
}

#[test]
fn a_power_cut_at_any_step_loses_nothing_acknowledged() {
    for durability in [Durability::Immediate, Durability::Grouped { blocks: 3 }] {
        let (all, steps) = undisturbed(durability);
        assert!(steps > 60, "{steps} steps");
        for step in 0..steps {
            for fate in Fate::ALL {
                let disk = SimDisk::with_seed(step);
                disk.crash_at(step, fate);
                let (done, result) = script(&(Arc::new(disk.clone()) as Arc<dyn Disk>), durability);
                let what = format!("{durability:?} step {step} {fate:?}");
                assert!(
                    result.is_err() || !disk.has_crashed(),
                    "{what}: nobody noticed"
                );
                recover(disk.after_crash(), &done, &all, durability, &what);
            }
        }
    }
}

#[test]
fn a_disk_error_at_any_step_poisons_or_leaves_all_as_it_was() {
    let durability = Durability::Immediate;
    let (all, steps) = undisturbed(durability);
    for step in 0..steps {
        let disk = SimDisk::with_seed(step);
        disk.fail_at(step);
        let (done, result) = script(&(Arc::new(disk.clone()) as Arc<dyn Disk>), durability);
        let what = format!("error at step {step}");
        assert!(result.is_err(), "{what}: nobody noticed");
        // The process ends and opens again; the disk itself is fine. Then the power goes too.
        for fate in Fate::ALL {
            recover(disk.power_loss(fate), &done, &all, durability, &what);
        }
    }
}

#[test]
fn a_poisoned_writer_refuses_until_it_is_opened_again() {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = options(Durability::Immediate);
    let dir = Path::new(DIR);
    let mut db = Db::create_on(Arc::clone(&shared), dir, identity(), options.clone()).unwrap();
    let head = db.append_block(0, &leaves(0, 0, 5)).unwrap();
    disk.fail_at(disk.steps());
    assert!(matches!(
        db.append_block(1, &leaves(0, 1, 5)),
        Err(Error::Journal(_))
    ));
    assert!(matches!(
        db.append_block(1, &leaves(0, 1, 5)),
        Err(Error::Poisoned)
    ));
    assert!(matches!(db.unwind_to(0), Err(Error::Poisoned)));
    assert!(matches!(db.sync(), Err(Error::Poisoned)));
    // Readers go on.
    assert_eq!(db.head(), head);
    db.view()
        .witness(TxNum(3), At::Head)
        .unwrap()
        .verify(&head, TxNum(3))
        .unwrap();
    assert!(matches!(db.close(), Err(Error::Poisoned)));
    let mut db = Db::open_on(shared, dir, options).unwrap();
    assert_eq!(db.head(), head);
    db.append_block(1, &leaves(0, 1, 5)).unwrap();
}
