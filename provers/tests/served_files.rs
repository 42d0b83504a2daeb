//! What a worker does with files that are not what they should be: the other side of the exchange,
//! beside `hostile_workers.rs`.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::keccak256;
use common::{id, sample};
use qmtree_provers::{ExecBackend, RangeProgram, serve};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const RANGE: [u64; 1] = [207];

/// One request, answered by the worker of this crate.
fn ask(request: &Value) -> Value {
    let backend = ExecBackend::new(RangeProgram, id("exec"));
    let line = format!("{request}\n");
    let mut answers = Vec::new();
    serve(&mut line.as_bytes(), &mut answers, &backend, Some(&backend)).unwrap();
    serde_json::from_slice(&answers).unwrap()
}

fn prove(folder: &Path) -> Value {
    let sample = sample("exec", &RANGE);
    ask(
        &json!({"v": 1, "id": "1", "op": "prove", "dir": folder, "program": {"vk": id("exec")},
        "input": {"stdin_path": "input.bin", "keccak256": keccak256(&sample.input)},
        "statement": sample.statement}),
    )
}

fn write(path: &Path, bytes: &[u8]) {
    let mut file = std::fs::File::create_new(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

fn input(folder: &Path) {
    write(&folder.join("input.bin"), &sample("exec", &RANGE).input);
}

/// Puts something that is no regular file at a path.
fn in_the_way(kind: &str, path: &Path, victim: &Path) {
    match kind {
        "link" => symlink(victim, path).unwrap(),
        "link to nowhere" => symlink(victim.with_extension("new"), path).unwrap(),
        "pipe" => {
            let made = Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        }
        "folder" => std::fs::create_dir(path).unwrap(),
        "device" => symlink("/dev/zero", path).unwrap(),
        other => panic!("{other}"),
    }
}

const KINDS: [&str; 5] = ["link", "link to nowhere", "pipe", "folder", "device"];

#[test]
fn a_proof_is_written_to_a_file_of_its_own_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    input(folder.path());
    let answer = prove(folder.path());
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(folder.path().join("proof.bin").is_file());
    // A file is not written twice either.
    assert_eq!(prove(folder.path())["ok"], false);
    for kind in KINDS {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = elsewhere.path().join("victim");
        write(&victim, b"of somebody else");
        input(folder.path());
        in_the_way(kind, &folder.path().join("proof.bin"), &victim);
        let answer = prove(folder.path());
        assert_eq!(answer["ok"], false, "{kind}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("proof.bin"), "{kind}: {message}");
        assert_eq!(
            std::fs::read(&victim).unwrap(),
            b"of somebody else",
            "{kind}"
        );
        let made = std::fs::read_dir(elsewhere.path()).unwrap().count();
        assert_eq!(made, 1, "{kind}");
    }
}

#[test]
fn an_input_or_a_proof_is_a_regular_file() {
    for kind in KINDS {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = elsewhere.path().join("input.bin");
        input(elsewhere.path());
        in_the_way(kind, &folder.path().join("input.bin"), &victim);
        // Even where the link leads to the very input.
        let answer = prove(folder.path());
        assert_eq!(answer["error"]["code"], "bad_input", "{kind}: {answer}");
        let sample = sample("exec", &RANGE);
        let answer = ask(
            &json!({"v": 1, "id": "2", "op": "verify", "dir": folder.path(),
            "program": {"vk": id("exec")}, "statement": sample.statement,
            "proof": {"proof_path": "input.bin", "backend_version": "1", "format": "input",
                "encoding": "raw", "public_values_b64": ""}}),
        );
        assert_eq!(answer["error"]["code"], "bad_input", "{kind}: {answer}");
    }
    let folder = tempfile::tempdir().unwrap();
    let answer = prove(folder.path());
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("a file that is not there"), "{message}");
}
