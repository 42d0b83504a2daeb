//! `qm bench snapshot --state`: snapshots of a state log, all of it and what is live.

use super::leaves::Random;
use super::machine::Machine;
use super::place::Place;
use super::snapshot::{Cost, beside, timed};
use crate::database::folder_len;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use alloy_primitives::{B256, keccak256};
use qmtree::snapshot::{
    ExportOptions, Exported, ImportOptions, SnapshotFolder, StateExport, verify_snapshot,
};
use qmtree::{Block, Db, Options, StateBatch};
use qmtree_proofs::{LeafPayload, Profile, TxNum};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Blocks of updates after the load, their writes and their leaves.
const BLOCKS: u64 = 300;
const BLOCK_WRITES: u64 = 1000;
const BLOCK_LEAVES: u64 = 20;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    profile: Profile,
    keys: u64,
    entries: u64,
    append: Cost,
    full: Way,
    live: Way,
    #[serde(flatten)]
    machine: Machine,
}

/// One way to carry the state.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Way {
    bytes: u64,
    export: Cost,
    verify: Cost,
    /// From files to a database that is open at the head.
    start: Cost,
    database_bytes: u64,
}

/// Loads keys, half with values of 32 bytes and half with accounts' of about 80, rewrites some, then
/// exports, verifies and starts in both ways.
pub(super) fn run(
    place: &Place,
    profile: Profile,
    keys: u64,
    as_json: bool,
    keep: bool,
) -> Result<(), CliError> {
    let machine = Machine::now();
    let failed = place.failed();
    let mut db = place.create(profile, Options::bulk_load())?;
    let append = append(&mut db, keys, place)?;
    let ways = [StateExport::Full, StateExport::Live];
    let mut costs = Vec::new();
    for (state, name) in ways.into_iter().zip(["full", "live"]) {
        costs.push(way(&db, place, state, name)?);
        if !keep {
            // Temporary folders that stay behind do no harm.
            let _ = std::fs::remove_dir_all(beside(place, name));
            let _ = std::fs::remove_dir_all(beside(place, &format!("{name}-copy")));
        }
    }
    let entries = db.head().entry_count;
    db.close().map_err(&failed)?;
    let [full, live] = costs[..] else {
        return Ok(());
    };
    print(
        &Report {
            profile,
            keys,
            entries,
            append,
            full,
            live,
            machine,
        },
        as_json,
    )
}

fn append(db: &mut Db, keys: u64, place: &Place) -> Result<Cost, CliError> {
    let progress = Progress::start(Task {
        name: "bench snapshot, append",
        unit: Unit::Blocks,
        total: Some(BLOCKS + 1),
    });
    let mut random = Random::new();
    let mut total = Cost::NONE;
    for number in 0..=BLOCKS {
        let first = db.head().leaf_count;
        let mut batch = StateBatch::new(TxNum(first));
        batch.writes = match number {
            0 => (0..keys).map(|i| (key(i), Some(value(i, 0)))).collect(),
            _ => {
                let writes = (0..BLOCK_WRITES).map(|_| random.below(keys));
                writes.map(|i| (key(i), Some(value(i, number)))).collect()
            }
        };
        batch.sort();
        let leaves = vec![LeafPayload::default(); usize::try_from(BLOCK_LEAVES).unwrap_or(1)];
        let batches = [batch];
        let block = Block::new(number, &leaves).with_batches(&batches);
        let (cost, appended) = timed(|| db.append(&block));
        appended.map_err(place.failed())?;
        total = total.plus(cost);
        progress.set(number);
    }
    let (sync, synced) = timed(|| db.sync());
    synced.map_err(place.failed())?;
    Ok(total.plus(sync))
}

fn way(db: &Db, place: &Place, state: StateExport, name: &str) -> Result<Way, CliError> {
    let failed = place.failed();
    let (out, copy) = (beside(place, name), beside(place, &format!("{name}-copy")));
    let options = ExportOptions::default().with_state(state);
    let (export, exported) = timed(|| db.export_snapshot(&out, &options));
    let Exported { head, .. } = exported.map_err(&failed)?;
    let files: Vec<PathBuf> = SnapshotFolder::new(&out).paths().map_err(&failed)?;
    let options = ImportOptions::default().with_open(Options::bulk_load());
    let (verify, verified) = timed(|| verify_snapshot(&files, &head, &options));
    verified.map_err(&failed)?;
    let (start, started) = timed(|| Db::import_snapshot(&copy, &files, &head, options));
    started.and_then(Db::close).map_err(&failed)?;
    Ok(Way {
        bytes: folder_len(&out)?,
        export,
        verify,
        start,
        database_bytes: database_len(&copy)?,
    })
}

fn database_len(db: &Path) -> Result<u64, CliError> {
    Ok(folder_len(&db.join("segments"))? + folder_len(&db.join("journal"))?)
}

fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// A word of storage, or what an account's RLP is like: a few bytes and two hashes.
fn value(number: u64, version: u64) -> Vec<u8> {
    let hash = keccak256([number, version].map(u64::to_be_bytes).concat());
    match number % 2 {
        0 => hash.to_vec(),
        _ => [
            &[0xf8, 0x4c, 0x80, 0x88][..],
            &number.to_be_bytes(),
            &hash[..],
            &key(7)[..],
        ]
        .concat(),
    }
}

fn print(report: &Report, as_json: bool) -> Result<(), CliError> {
    if as_json {
        return json(report);
    }
    let Report {
        profile,
        keys,
        entries,
        append,
        ..
    } = report;
    say(format_args!(
        "snapshots of a state of {keys} keys in {entries} entries, profile {profile}"
    ))?;
    say(report.machine.text())?;
    say(format_args!("{:<20}{append}", "append"))?;
    for (name, way) in [("full", &report.full), ("live", &report.live)] {
        say(format_args!("{name}: {} bytes of files", way.bytes))?;
        say(format_args!("{:<20}{}", "  export", way.export))?;
        say(format_args!("{:<20}{}", "  verify", way.verify))?;
        say(format_args!(
            "{:<20}{}  to a database of {} bytes",
            "  start", way.start, way.database_bytes
        ))?;
    }
    Ok(())
}
