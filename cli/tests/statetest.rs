//! `qm statetest`, as a user runs it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::Workspace;
use serde_json::{Value, json};

fn own() -> String {
    let manifest = env!("CARGO_MANIFEST_DIR");
    format!("{manifest}/../testdata/statetests/own.json")
}

fn tests() -> Value {
    serde_json::from_slice(&std::fs::read(own()).unwrap()).unwrap()
}

#[test]
fn all_cases_pass_and_the_last_line_says_so() {
    let place = Workspace::new();
    let ran = place.ok(&["statetest", &own()]);
    assert_eq!(ran.out, "320 passed, 0 failed\n");
}

#[test]
fn a_tampered_root_fails_with_both_roots() {
    let place = Workspace::new();
    let mut tests = tests();
    let root = format!("0x{}", "11".repeat(32));
    let case = &mut tests["delegation"]["post"]["Prague"][0];
    let right = std::mem::replace(&mut case["hash"], json!(root));
    let right = right.as_str().unwrap();
    place.write("bad.json", tests.to_string().as_bytes());
    let ran = place.run(&["statetest", "bad.json"]).exits(1);
    assert_eq!(
        ran.out,
        format!(
            "FAILED bad.json: delegation [Prague, data 0, gas 0, value 0]: \
             post-state root: expected {root}, found {right}\n319 passed, 1 failed\n"
        )
    );
    let ran = place.run(&["statetest", "--json", "bad.json"]).exits(1);
    let lines = ran.lines_json();
    assert_eq!(lines.len(), 321);
    assert_eq!(lines[320], json!({ "passed": 319, "failed": 1 }));
    let failed: Vec<_> = lines[..320]
        .iter()
        .filter(|line| line["ok"] == false)
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["expectedRoot"], root);
    assert_eq!(failed[0]["foundRoot"], right);
    assert_eq!(failed[0]["fork"], "Prague");
}

#[test]
fn output_does_not_depend_on_the_number_of_threads() {
    let place = Workspace::new();
    let output = |threads: &str| {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_qm"))
            .args(["statetest", "--json", &own()])
            .env("RAYON_NUM_THREADS", threads)
            .current_dir(place.root())
            .output();
        ran.unwrap().stdout
    };
    let one = output("1");
    assert_eq!(one, output("7"));
    assert!(one.ends_with(b"{\"passed\":320,\"failed\":0}\n"));
}

#[test]
fn options_select_cases() {
    let place = Workspace::new();
    let select = |options: &[&str]| {
        let path = own();
        let args = [&["statetest", "--json", &path], options].concat();
        let mut lines = place.ok(&args).lines_json();
        lines.pop();
        lines
    };
    let osaka = select(&["--fork", "Osaka"]);
    assert!(!osaka.is_empty() && osaka.iter().all(|line| line["fork"] == "Osaka"));
    let blobs = select(&["--filter", "blobs", "--fork", "Cancun", "--no-trace"]);
    assert!(!blobs.is_empty() && blobs.len() < osaka.len());
    assert!(blobs.iter().all(|line| line["steps"].is_null()));
}

#[test]
fn the_tracer_has_a_limit_of_steps() {
    let place = Workspace::new();
    let path = own();
    let args = [
        "statetest",
        "--max-steps",
        "3",
        "--filter",
        "delegation",
        &path,
    ];
    let ran = place.run(&args).exits(1);
    let failed =
        "delegation [Prague, data 0, gas 0, value 0]: no trace: the trace has more than 3 steps";
    assert!(ran.out.contains(failed), "{}", ran.out);
    assert!(ran.out.ends_with("\n0 passed, 2 failed\n"), "{}", ran.out);
}

#[test]
fn what_is_in_a_folder_and_no_state_test_is_named_and_passed_over() {
    let place = Workspace::new();
    std::fs::create_dir(place.path("tests")).unwrap();
    place.write("tests/a.json", &std::fs::read(own()).unwrap());
    let blockchain = json!({ "chain": { "blocks": [], "pre": {}, "env": {} } });
    place.write("tests/b.json", blockchain.to_string().as_bytes());
    let ran = place.run(&["statetest", "tests"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), "320 passed, 0 failed\n"));
    let says =
        "qm: tests/b.json: no state tests in it: \"chain\" has blocks: it is a blockchain test";
    assert!(ran.error.contains(says), "{}", ran.error);
    // Asked for by name it is refused, and all else still runs.
    let ran = place
        .run(&["statetest", "tests/b.json", "tests/a.json"])
        .exits(2);
    assert_eq!(ran.out, "320 passed, 0 failed\n");
    ran.says(says);
}

#[test]
fn unusable_input_is_exit_code_2() {
    let place = Workspace::new();
    place
        .run(&["statetest", "absent.json"])
        .exits(2)
        .says("absent.json: cannot open");
    place.run(&["statetest"]).exits(2);
    std::fs::create_dir(place.path("empty")).unwrap();
    place
        .run(&["statetest", "empty"])
        .exits(2)
        .says("empty: no files of state tests in it");
    place.write("cut.json", b"{\"a\": {");
    let ran = place.run(&["statetest", "cut.json"]).exits(2);
    ran.says("cut.json: not a JSON object of named tests: EOF");
    // In a folder too: what cannot be read may have been a state test.
    std::fs::create_dir(place.path("some")).unwrap();
    place.write("some/cut.json", b"{\"a\": {");
    place
        .run(&["statetest", "some"])
        .exits(2)
        .says("some/cut.json");
}
