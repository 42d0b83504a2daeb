//! `qm snapshot import`, killed at random moments. There is no database until all of it is there, and
//! the next import goes on where the killed one was.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::keccak256;
use common::{Workspace, leaf};
use qmtree::{Block, Db, Identity, Options, StateBatch};
use qmtree_proofs::{Profile, Scheme, TxNum};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Imports that are killed; some are done before, and do not count.
const KILLS: u32 = 25;
/// Enough for an import that is killed at once each time to fail the test instead of going on for ever.
const MAX_IMPORTS: u32 = 400;

const BLOCKS: u64 = 30;
const BLOCK_LEAVES: u64 = 2100;

const IMPORT: [&str; 7] = [
    "snapshot",
    "import",
    "--db",
    "copy",
    "--head",
    "head.json",
    "files",
];

/// Files of a log with a state, and the head to which they lead.
fn exported() -> Workspace {
    let space = Workspace::new();
    let identity = Identity {
        profile: Profile::Blake3,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    };
    let options = Options::bulk_load().with_segment_twigs(4);
    let mut db = Db::create(space.path("db"), identity, options).unwrap();
    for number in 0..BLOCKS {
        let first = number * BLOCK_LEAVES;
        let leaves: Vec<_> = (first..first + BLOCK_LEAVES).map(leaf).collect();
        let mut batch = StateBatch::new(TxNum(first));
        for key in 0..400 {
            let key = keccak256([number.to_be_bytes(), u64::to_be_bytes(key)].concat());
            batch.writes.push((key, Some(key.to_vec())));
        }
        batch.sort();
        let batches = [batch];
        let block = Block::new(number, &leaves).with_batches(&batches);
        db.append(&block).unwrap();
    }
    db.close().unwrap();
    let export = ["snapshot", "export", "--db", "db", "--out", "files"];
    space.ok(&[&export[..], &["--file-twigs", "4"]].concat());
    let head = space.ok(&["head", "--db", "db", "--json"]);
    space.write("head.json", head.out.as_bytes());
    space
}

/// Starts an import, and kills it after a while; true if it was still at it.
fn is_killed(space: &Workspace, after: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_qm"))
        .current_dir(space.root())
        .args(IMPORT)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(matches!(status.code(), None | Some(0)), "{status}");
    status.code().is_none()
}

/// Checks that the copy is the whole log.
fn assert_whole(space: &Workspace) {
    let head = space.ok(&["head", "--db", "copy", "--json"]);
    assert_eq!(head.out.as_bytes(), space.read("head.json"));
    space.ok(&["check", "--db", "copy"]);
    // Whoever opens it for writing takes away what a killed import left.
    space.ok(&["repair", "--db", "copy"]);
    let left = space.files_in("copy");
    let known = |name: &String| name.ends_with("/qmtree.db") || name.ends_with("/qmtree.lock");
    assert!(left.iter().all(known), "{left:?}");
}

#[test]
fn a_killed_import_is_no_database_and_the_next_one_goes_on() {
    let space = exported();
    let start = Instant::now();
    space.ok(&IMPORT);
    let whole = start.elapsed();
    assert_whole(&space);
    std::fs::remove_dir_all(space.path("copy")).unwrap();

    let (mut kills, mut done, mut in_part, mut seed) = (0, 0, 0, 2026_u64);
    for _ in 0..MAX_IMPORTS {
        if kills == KILLS {
            break;
        }
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        kills += u32::from(is_killed(&space, whole.mul_f64((seed >> 40) as f64 / 2e7)));
        if space.path("copy/qmtree.db").exists() {
            assert_whole(&space);
            std::fs::remove_dir_all(space.path("copy")).unwrap();
            done += 1;
        } else if space.path("copy/segments").exists() {
            in_part += 1;
            space.run(&["head", "--db", "copy"]).exits(2).says("import");
        }
    }
    assert!(kills == KILLS && in_part > 0, "{kills} {in_part} {done}");
    if !space.path("copy/qmtree.db").exists() {
        space.ok(&IMPORT);
    }
    assert_whole(&space);
    println!("{kills} imports killed, {in_part} of them in the middle; {done} done before");
}
