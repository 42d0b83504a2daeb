//! The same for a database with a state log: power cuts and disk errors at every step of a script
//! that writes keys, moves them, seals entries, unwinds and prunes them. After each the state is that of a block that
//! was committed, and every key that is asked for has a proof.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::{B256, keccak256};
use qmtree::proofs::state::Compaction;
use qmtree::proofs::{Head, LeafPayload, Profile, Scheme, TxNum};
use qmtree::{Block, Db, Durability, Error, Identity, Options, StateBatch};
use qmtree_storage::Disk;
use qmtree_storage::sim::{Fate, SimDisk};
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/db";
/// Keys that there are.
const KEYS: u64 = 250;

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
        .with_journal_file_len_bytes(400_000)
        .with_parallel(false)
}

fn create(disk: &Arc<dyn Disk>, dir: &Path, durability: Durability) -> Result<Db, Error> {
    let compaction = Compaction::new(1);
    Db::create_compacting(
        Arc::clone(disk),
        dir,
        identity(),
        compaction,
        options(durability),
    )
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

/// What a block writes: some of the keys, in four transactions, some of the values long.
fn batches(branch: u8, block: u64, first: u64, keys: u64) -> Vec<StateBatch> {
    let mut batches = Vec::new();
    for tx_num in first..first + 4 {
        let mut batch = StateBatch::new(TxNum(tx_num));
        for i in 0..keys {
            let number = (i * 9 + block * 13 + tx_num * 3 + u64::from(branch)) % KEYS;
            let value = match number % 5 {
                0 => None,
                1 => Some(vec![branch; 40 + i as usize % 90]),
                _ => Some(B256::with_last_byte(branch ^ block.to_le_bytes()[0]).to_vec()),
            };
            batch.writes.push((keccak256(number.to_be_bytes()), value));
        }
        batch.sort();
        batches.push(batch);
    }
    batches
}

fn append(db: &mut Db, branch: u8, block: u64, keys: u64) -> Result<Head, Error> {
    let leaves = leaves(branch, block, 450);
    let batches = batches(branch, block, db.head().leaf_count, keys);
    db.append(&Block::new(block, &leaves).with_batches(&batches))
}

fn run(disk: &Arc<dyn Disk>, durability: Durability, done: &mut Acknowledged) -> Result<(), Error> {
    let dir = Path::new(DIR);
    let mut db = create(disk, dir, durability)?;
    for block in 0..5 {
        done.heads.push(append(&mut db, 0, block, 500)?);
    }
    done.heads.push(db.unwind_to(3)?);
    for (block, keys) in [(4, 400), (5, 1), (6, 600), (7, 200)] {
        done.heads.push(append(&mut db, 1, block, keys)?);
    }
    db.prune_to(7)?;
    assert!(db.pruned_entry_count() >= 2048, "{db:?}");
    done.heads.push(append(&mut db, 1, 8, 300)?);
    assert!(db.sealed_entry_count() > db.pruned_entry_count());
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
            create(&disk, dir, durability)
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
    for number in (0..KEYS + 100).step_by(37).filter(|_| head.entry_count > 0) {
        let key = keccak256(number.to_be_bytes());
        let earliest = db.earliest_state().unwrap_or_default();
        let middle = TxNum(earliest.0.midpoint(head.leaf_count));
        for at in [None, Some(earliest), Some(middle)] {
            let value = match at {
                None => view.get(&key),
                Some(at) => view.get_at(&key, at),
            };
            let proof = view.prove_state(&key, at).unwrap();
            let verified = proof.verify_value(&head, &key, at, value.unwrap().as_deref());
            verified.unwrap_or_else(|error| panic!("{what}: key {number}: {error}"));
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
    let grown = append(&mut db, 9, next, 700).unwrap();
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

/// One fate for each step, in turn.
fn fates(step: u64) -> impl Iterator<Item = Fate> {
    let turn = step as usize % Fate::ALL.len();
    Fate::ALL.into_iter().skip(turn).take(1)
}

#[test]
fn a_power_cut_at_any_step_loses_nothing_acknowledged() {
    // Every step, each with another fate: all of both would take minutes.
    let durability = Durability::Immediate;
    let (all, steps) = undisturbed(durability);
    assert!(steps > 60, "{steps} steps");
    for step in 0..steps {
        for fate in fates(step) {
            let disk = SimDisk::with_seed(step);
            disk.crash_at(step, fate);
            let (done, result) = script(&(Arc::new(disk.clone()) as Arc<dyn Disk>), durability);
            let what = format!("step {step} {fate:?}");
            assert!(
                result.is_err() || !disk.has_crashed(),
                "{what}: nobody noticed"
            );
            recover(disk.after_crash(), &done, &all, durability, &what);
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
        for fate in fates(step) {
            recover(disk.power_loss(fate), &done, &all, durability, &what);
        }
    }
}
