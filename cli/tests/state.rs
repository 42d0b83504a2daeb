//! The commands about the state, as a user runs them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use common::Workspace;
use serde_json::{Value, json};

fn hex(byte: &str, len: usize) -> String {
    format!("0x{}", byte.repeat(len))
}

/// Three leaves; the first writes two keys, the last deletes one of them.
fn filled() -> Workspace {
    let space = Workspace::new();
    space.ok(&["init", "--db", "db", "--chain-id", "7"]);
    let zero = hex("00", 32);
    let leaf = json!({"preStateHash": zero, "stateChangeHash": zero, "transitionHash": zero});
    let (a, b) = (hex("ab", 32), hex("cd", 32));
    let line = json!({
        "block": 0,
        "leaves": [leaf, leaf, leaf],
        "batches": [
            {"txNum": 0, "writes": [{"key": a, "value": "0x1234"}, {"key": b, "value": a}]},
            {"txNum": 2, "writes": [{"key": a, "value": Value::Null}]},
        ],
    });
    space.write("blocks.jsonl", line.to_string().as_bytes());
    space.ok(&["append", "--db", "db", "blocks.jsonl"]);
    let head = space.ok(&["head", "--db", "db", "--json"]);
    space.write("head.json", head.out.as_bytes());
    space
}

#[test]
fn values_are_read_now_and_in_the_past() {
    let space = filled();
    let (a, b) = (hex("ab", 32), hex("cd", 32));
    assert_eq!(space.ok(&["state", "get", "--db", "db", &a]).out, "");
    let past = space.ok(&["state", "get", "--db", "db", "--at", "1", &a]);
    assert_eq!(past.out, "0x1234\n");
    let now = space.ok(&["state", "iter", "--db", "db"]);
    assert_eq!(now.out, format!("{b} {a}\n"));
    let past = space.ok(&[
        "state", "iter", "--db", "db", "--at", "1", "--limit", "1", "--json",
    ]);
    assert_eq!(past.json(), json!({"key": a, "value": "0x1234"}));
    let stats = space.ok(&["state", "stats", "--db", "db", "--json"]).json();
    assert_eq!([&stats["liveKeys"], &stats["keysEver"]], [1, 2]);
    assert_eq!([&stats["entryCount"], &stats["sealedEntryCount"]], [5, 0]);
    assert_eq!(stats["compactionEntriesPerKey"], 0);
    assert_eq!(
        [&stats["prunedEntryCount"], &stats["earliestTxNum"]],
        [&json!(0), &Value::Null]
    );
}

/// The rule changes roots: the same writes, and an entry more for what moved.
#[test]
fn a_database_is_made_with_a_rule_of_compaction_and_keeps_it() {
    let space = Workspace::new();
    let zero = hex("00", 32);
    let leaf = json!({"preStateHash": zero, "stateChangeHash": zero, "transitionHash": zero});
    let line = |block: u64, byte: &str| {
        let writes = json!([{"key": hex("ab", 32), "value": hex(byte, 32)}]);
        let batches = json!([{"txNum": block, "writes": writes}]);
        json!({"block": block, "leaves": [leaf], "batches": batches}).to_string()
    };
    let lines: Vec<_> = ["01", "02", "03", "04"].into_iter().zip(0..).collect();
    let lines: Vec<_> = lines
        .iter()
        .map(|(byte, block)| line(*block, byte))
        .collect();
    space.write("blocks.jsonl", lines.join("\n").as_bytes());
    let mut counts = Vec::new();
    for (db, rule) in [("off", "0"), ("on", "1")] {
        space.ok(&["init", "--db", db, "--compaction", rule]);
        space.ok(&["append", "--db", db, "blocks.jsonl"]);
        let stats = space.ok(&["state", "stats", "--db", db, "--json"]).json();
        assert_eq!(stats["compactionEntriesPerKey"].to_string(), rule);
        assert_eq!(stats["liveKeys"], 1);
        counts.push(stats["entryCount"].as_u64().unwrap());
        let text = space.ok(&["state", "stats", "--db", db]).out;
        assert!(text.contains("pruned      nothing"), "{text}");
        space.ok(&["check", "--db", db]);
    }
    assert_eq!(counts[0], 5);
    assert!(counts[1] > 5, "{counts:?}");
}

#[test]
fn proofs_are_verified_without_the_database() {
    let space = filled();
    let (a, b, account) = (
        hex("ab", 32),
        hex("cd", 32),
        format!("account:{}", hex("11", 20)),
    );
    space.ok(&["state", "prove", "--db", "db", &a, "-o", "now.qmp"]);
    space.ok(&[
        "state", "prove", "--db", "db", "--at", "1", &a, "-o", "past.qmp",
    ]);
    space.ok(&[
        "state", "prove", "--db", "db", &a, &b, &account, "--json", "-o", "all.json",
    ]);
    let verify = ["state", "verify", "--head", "head.json"];
    let cases: [(i32, &[&str]); 9] = [
        (0, &["now.qmp", &a]),
        (0, &["--absent", "now.qmp", &a]),
        (1, &["--value", "0x1234", "now.qmp", &a]),
        (1, &["now.qmp", &b]),
        (0, &["--at", "1", "--value", "0x1234", "past.qmp", &a]),
        (1, &["--at", "1", "--value", "0x1235", "past.qmp", &a]),
        (1, &["--at", "1", "--absent", "past.qmp", &a]),
        (1, &["past.qmp", &a]),
        (0, &["all.json", &a, &b, &account]),
    ];
    for (code, arguments) in cases {
        let ran = space.run(&[&verify[..], arguments].concat());
        assert_eq!(
            ran.code,
            Some(code),
            "{arguments:?}: {}{}",
            ran.out,
            ran.error
        );
    }
    let verdict = space.ok(&[&verify[..], &["--json", "--at", "1", "past.qmp", &a]].concat());
    let verdict = verdict.json();
    assert_eq!([&verdict["valid"], &verdict["absent"]], [true, false]);
    assert_eq!(verdict["writtenBy"], 0);
    let bad = space.run(&["state", "get", "--db", "db", "0x12"]);
    assert_eq!(bad.code, Some(2), "{}", bad.error);
}

#[test]
fn snapshot_files_answer_and_prove_in_place() {
    let space = filled();
    let (a, b) = (hex("ab", 32), hex("cd", 32));
    space.ok(&["snapshot", "export", "--db", "db", "--out", "files"]);
    let source = ["--snapshot", "files", "--head", "head.json"];
    let read = |command: &[&str], rest: &[&str]| space.run(&[command, &source, rest].concat());
    let past = read(&["state", "get"], &["--at", "1", &a]).exits(0);
    assert_eq!(past.out, "0x1234\n");
    assert_eq!(
        read(&["state", "iter"], &[]).exits(0).out,
        format!("{b} {a}\n")
    );
    for (name, keys) in [("now", &[&a, &b][..]), ("absent", &[&a])] {
        let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let output = ["-o", name];
        read(&["state", "prove"], &[&output[..], &keys].concat()).exits(0);
        let verify = ["state", "verify", "--head", "head.json", name];
        space.ok(&[&verify[..], &keys].concat());
    }
    read(&["prove"], &["1", "-o", "leaf"]).exits(0);
    space.ok(&["verify", "--head", "head.json", "leaf"]);
    for command in ["head", "check"] {
        read(&[command], &[]).exits(0);
    }
    read(&["block"], &["0"]).exits(0);
    read(&["leaf"], &["2"]).exits(0);
    // Nothing is believed without a head, and not beside another log's.
    space
        .run(&["head", "--snapshot", "files"])
        .exits(2)
        .says("nothing is trusted");
    for options in [
        &["head", "--db", "db", "--head", "head.json"][..],
        &["head", "--db", "db", "--snapshot", "files"],
        &["head"],
    ] {
        space.run(options).exits(2);
    }
    let mut other: Value = serde_json::from_slice(&space.read("head.json")).unwrap();
    other["root"] = json!(hex("11", 32));
    other.as_object_mut().unwrap().remove("headHash");
    space.write("other.json", other.to_string().as_bytes());
    space
        .run(&["head", "--snapshot", "files", "--head", "other.json"])
        .exits(1)
        .says("the trusted head has");
}
