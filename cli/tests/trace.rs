//! `qm trace` over a real block.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn qm(arguments: &[&str]) -> Output {
    let qm = Command::new(env!("CARGO_BIN_EXE_qm"))
        .args(arguments)
        .output();
    qm.unwrap()
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let output = qm(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn block() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        eprintln!("SKIPPED: set QMTREE_DATA to a folder with blocks");
        return None;
    };
    Some(Path::new(&data).join("blocks/mainnet-12047794.json.zst"))
}

#[test]
fn a_step_is_opened_and_verified_alone() {
    let Some(block) = block() else { return };
    let block = block.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let opening = folder.path().join("step");
    let opening = opening.to_str().unwrap();
    let commitment = json(&["trace", "commit", block, "--tx", "3", "--json"]);
    let (root, steps) = (
        commitment["stepsRoot"].as_str().unwrap(),
        &commitment["steps"],
    );
    assert_eq!(steps.as_u64(), Some(2252));
    let step = json(&[
        "trace", "step", block, "--tx", "3", "--step", "100", "-o", opening, "--json",
    ]);
    assert_eq!(step["stepsRoot"].as_str(), Some(root));

    let steps = steps.to_string();
    let verify = [
        "trace", "verify", opening, "--root", root, "--steps", &steps,
    ];
    let verified = json(&[&verify[..], &["--step", "100", "--json"]].concat());
    assert_eq!(verified, step);
    // The opening is of all steps of the group, and of no other.
    let group = &step["group"];
    let count = group["steps"].as_u64().unwrap();
    let first = group["firstStep"].as_u64().unwrap();
    for other in first - 1..=first + count {
        let inside = (first..first + count).contains(&other);
        let verified = qm(&[&verify[..], &["--step", &other.to_string()]].concat());
        let code = if inside { 0 } else { 1 };
        assert_eq!(verified.status.code(), Some(code), "step {other}");
    }
    std::fs::File::create(opening).unwrap();
    let empty = qm(&[&verify[..], &["--step", "100"]].concat());
    assert_eq!(empty.status.code(), Some(2));
}

#[test]
fn steps_are_lines_of_json() {
    let Some(block) = block() else { return };
    let output = qm(&["trace", "steps", block.to_str().unwrap(), "--tx", "3"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), 2252 + 1);
    assert_eq!(lines[0]["pc"], 0);
    assert_eq!(lines[2252]["pass"], true);
}

#[test]
fn what_a_block_does_not_have_is_an_error() {
    let Some(block) = block() else { return };
    let block = block.to_str().unwrap();
    let no_tx = qm(&["trace", "commit", block, "--tx", "232"]);
    assert_eq!(no_tx.status.code(), Some(2));
    let error = String::from_utf8(no_tx.stderr).unwrap();
    assert!(
        error.contains("no transaction 232: the block has 232"),
        "{error}"
    );
    let no_step = qm(&["trace", "step", block, "--tx", "3", "--step", "2252"]);
    assert_eq!(no_step.status.code(), Some(2));
    let error = String::from_utf8(no_step.stderr).unwrap();
    assert!(
        error.contains("no step 2252: the trace has 2252 steps"),
        "{error}"
    );
}
