//! `qm bench` as a user runs it: what it prints. Nothing here says how fast it must be.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use common::Workspace;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};

fn assert_positive(report: &Value, names: &[&str]) {
    for name in names {
        let figure = report[name].as_f64();
        assert!(
            figure.is_some_and(|figure| figure > 0.0),
            "{name}: {report}"
        );
    }
}

#[test]
fn append_reports_its_ratio_to_the_chain() {
    for (profile, durability) in [("keccak", "buffered"), ("blake3", "grouped:4")] {
        let space = Workspace::new();
        let args = [
            "bench",
            "append",
            "--leaves",
            "5555",
            "--block-leaves",
            "100",
        ];
        let options = ["--profile", profile, "--durability", durability];
        let args = [&args[..], &options].concat();
        let report = space.ok(&[&args[..], &["--json"]].concat()).json();
        assert_positive(
            &report,
            &[
                "leavesPerSecond",
                "chainLimitLeavesPerSecond",
                "ratioToLimit",
                "medianRoundRatio",
                "journalBytes",
                "seconds",
            ],
        );
        assert_eq!([&report["leaves"], &report["blockLeaves"]], [5555, 100]);
        assert_eq!(report["durability"], durability);
        // Inside the unwind window nothing is sealed.
        assert_eq!(report["bytesPerLeaf"], Value::Null);
        let table = space.ok(&args).out;
        assert!(table.contains("ratio to limit"), "{table}");
        assert_eq!(space.files_in(".").len(), 0);
        assert_eq!(
            std::fs::read_dir(space.root()).unwrap().count(),
            0,
            "it cleans up"
        );
    }
}

#[cfg(feature = "rocksdb")]
#[test]
fn append_reports_its_ratio_to_rocksdb() {
    let space = Workspace::new();
    let args = [
        "bench",
        "append",
        "--leaves",
        "3000",
        "--block-leaves",
        "100",
    ];
    let without = space.ok(&[&args[..], &["--json"]].concat()).json();
    assert!(without.get("ratioToRocksdbSynced").is_none());
    let args = [&args[..], &["--rocksdb"]].concat();
    let report = space.ok(&[&args[..], &["--json"]].concat()).json();
    let names = [
        "rocksdbSyncedLeavesPerSecond",
        "rocksdbUnsyncedLeavesPerSecond",
        "ratioToRocksdbSynced",
        "ratioToRocksdbUnsynced",
    ];
    assert_positive(&report, &names);
    let table = space.ok(&args).out;
    assert!(table.contains("rocksdb synced"), "{table}");
    assert_eq!(
        std::fs::read_dir(space.root()).unwrap().count(),
        0,
        "it cleans up"
    );
}

#[cfg(not(feature = "rocksdb"))]
#[test]
fn a_build_without_rocksdb_says_so() {
    let refused = Workspace::new().run(&["bench", "append", "--rocksdb"]);
    refused.exits(2).says("--rocksdb");
}

#[test]
fn append_counts_the_bytes_of_sealed_leaves_in_a_folder_that_stays() {
    let space = Workspace::new();
    let args = [
        "bench",
        "append",
        "--leaves",
        "160000",
        "--block-leaves",
        "20",
    ];
    let report = space
        .ok(&[&args[..], &["--db", "kept", "--json"]].concat())
        .json();
    assert_eq!(report["sealedLeafCount"], 131_072);
    let bytes = report["bytesPerLeaf"].as_f64().unwrap();
    assert!((96.0..112.0).contains(&bytes), "{bytes}");
    let stats = space.ok(&["stats", "--db", "kept", "--json"]).json();
    assert_eq!(stats["leafCount"], 160_000);
    assert_eq!(stats["segmentBytes"], report["segmentBytes"]);
    assert_eq!(stats["journalBytes"], report["journalBytes"]);
    let again = space.run(&["bench", "append", "--db", "kept"]).exits(2);
    again.says("kept: not an empty folder");
}

#[test]
fn prove_reports_times_of_sealed_leaves() {
    for profile in ["keccak", "blake3"] {
        let space = Workspace::new();
        let args = ["bench", "prove", "--leaves", "9000", "--proofs", "50"];
        let args = [&args[..], &["--profile", profile]].concat();
        let report = space.ok(&[&args[..], &["--json"]].concat()).json();
        assert_positive(
            &report,
            &[
                "p50Micros",
                "p99Micros",
                "verifyP50Micros",
                "verifyP99Micros",
                "checkLeavesPerSecond",
                "openMillis",
                "unwindMillis",
            ],
        );
        assert_eq!(report["sealedLeafCount"], 8192);
        assert!(space.ok(&args).out.contains("prove    p50"));
        assert_eq!(
            std::fs::read_dir(space.root()).unwrap().count(),
            0,
            "it cleans up"
        );
    }
}

/// It waits until the first line is there, when a terminal would see a bar.
#[test]
fn long_runs_print_no_escape_codes_where_there_is_no_terminal() {
    let space = Workspace::new();
    space.ok(&["init", "--db", "db"]);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_qm"))
        .current_dir(space.root())
        .args(["append", "--db", "db", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut error = String::new();
    errors.read_line(&mut error).unwrap();
    drop(input);
    errors.read_to_string(&mut error).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{error}");
    assert!(error.starts_with("append: 0.0 MiB, "), "{error:?}");
    assert!(!error.contains(['\x1b', '\r']), "{error:?}");
    assert!(!output.stdout.contains(&0x1b));
}
