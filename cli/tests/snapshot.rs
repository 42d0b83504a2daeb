//! `qm snapshot`, as a user runs it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::keccak256;
use common::{Workspace, block_line};
use qmtree::{Block, Db, Identity, Options, StateBatch};
use qmtree_proofs::{LeafPayload, Profile, Scheme, TxNum};

/// A database of three whole twigs and more, its files, and its head in `head.json`.
fn exported() -> Workspace {
    let space = Workspace::with_db();
    space.append_blocks(Profile::Keccak256, 10, &[1500; 5]);
    space.ok(&[
        "snapshot",
        "export",
        "--db",
        "db",
        "--out",
        "files",
        "--file-twigs",
        "1",
    ]);
    let head = space.ok(&["head", "--db", "db", "--json"]);
    space.write("head.json", head.out.as_bytes());
    space
}

#[test]
fn files_move_a_log_to_another_node() {
    let space = exported();
    let names: Vec<_> = space.files_in("files");
    assert_eq!(
        names,
        [
            "files/v1.0-qmtree-execution.0-1.seg",
            "files/v1.0-qmtree-execution.1-2.seg",
            "files/v1.0-qmtree-execution.2-3.seg",
            "files/v1.0-qmtree-manifest.1.note",
            "files/v1.0-qmtree-tail.6144-7500.seg",
        ]
    );
    let head = ["--head", "head.json", "files"];
    let verified = space.ok(&[&["snapshot", "verify"], &head[..]].concat());
    assert!(
        verified
            .out
            .starts_with("4 files lead to the head of block 14: 7500 leaves")
    );
    let import = ["snapshot", "import", "--db", "copy"];
    space.ok(&[&import, &head[..]].concat());
    let copy = space.ok(&["head", "--db", "copy", "--json"]);
    assert_eq!(copy.out.as_bytes(), space.read("head.json"));
    space.ok(&["check", "--db", "copy"]);
    // Both go on alike.
    let line = block_line(15, 7500, 9);
    for db in ["db", "copy"] {
        space
            .run_with_input(&["append", "--db", db, "-"], line.as_bytes())
            .exits(0);
    }
    let heads = ["db", "copy"].map(|db| space.ok(&["head", "--db", db]).out);
    assert_eq!(heads[0], heads[1]);
    // A second import does not write over the first.
    space
        .run(&[&import, &head[..]].concat())
        .exits(2)
        .says("not an empty folder");
    // Grown: the files that are there stay.
    let again = space.ok(&[
        "snapshot", "export", "--db", "db", "--out", "files", "--json",
    ]);
    assert_eq!(again.json()["blockNumber"], 15);
    space
        .run(&["snapshot", "merge", "--file-twigs", "3", "files"])
        .exits(2)
        .says("not a power of two");
    let merged = space.ok(&["snapshot", "merge", "files"]);
    assert_eq!(merged.out, "files: 1 larger files written\n");
}

#[test]
fn files_that_do_not_lead_to_the_head_are_refused() {
    let space = exported();
    let args = ["snapshot", "verify", "--head", "head.json", "files"];
    space.flip("files/v1.0-qmtree-execution.1-2.seg", 5000);
    space
        .run(&args)
        .exits(1)
        .says("the leaves of twig 1 do not hash to its root");
    let import = [
        "snapshot",
        "import",
        "--db",
        "copy",
        "--head",
        "head.json",
        "files",
    ];
    space.run(&import).exits(1).says("twig 1");
    assert!(!space.path("copy/qmtree.db").exists());
    space.flip("files/v1.0-qmtree-execution.1-2.seg", 5000);
    std::fs::remove_file(space.path("files/v1.0-qmtree-execution.1-2.seg")).unwrap();
    space
        .run(&args)
        .exits(2)
        .says("no snapshot file has the twigs 1..2");
    space
        .run(&["snapshot", "verify", "files"])
        .exits(2)
        .says("--head");
    let old = space.ok(&["head", "--db", "db", "--block", "10", "--json"]);
    space.write("old.json", old.out.as_bytes());
    let mut other: serde_json::Value = serde_json::from_str(&old.out).unwrap();
    other["leafCount"] = 1400.into();
    other.as_object_mut().unwrap().remove("headHash");
    space.write("other.json", other.to_string().as_bytes());
    space.ok(&["snapshot", "verify", "--head", "old.json", "files"]);
    let args = [
        "snapshot",
        "verify",
        "--head",
        "old.json",
        "--known-head",
        "other.json",
        "files",
    ];
    space.run(&args).exits(1);
}

#[test]
fn a_key_stands_for_a_head() {
    let space = exported();
    let made = space.ok(&[
        "snapshot",
        "keygen",
        "--name",
        "node.example",
        "-o",
        "secret",
    ]);
    let key = made.out.trim();
    space
        .run(&["snapshot", "keygen", "--name", "x", "-o", "secret"])
        .exits(2);
    let verify = ["snapshot", "verify", "--key", key, "files"];
    space
        .run(&verify)
        .exits(2)
        .says("not signed by node.example");
    space.ok(&[
        "snapshot", "export", "--db", "db", "--out", "files", "--sign", "secret",
    ]);
    space.ok(&verify);
    let listed = space.ok(&["snapshot", "list", "files"]).out;
    assert!(
        listed.contains("signed by node.example (not verified)"),
        "{listed}"
    );
    space.flip("files/v1.0-qmtree-tail.6144-7500.seg", 900);
    space
        .run(&verify)
        .exits(2)
        .says("not the one in the manifest");
    space
        .run(&["snapshot", "verify", "--key", "nonsense+x+y", "files"])
        .exits(2)
        .says("key");
}

#[test]
fn a_key_covers_listed_files_alone() {
    let space = exported();
    let made = space.ok(&["snapshot", "keygen", "--name", "n", "-o", "secret"]);
    let key = made.out.trim();
    let export = ["snapshot", "export", "--db", "db", "--out", "files"];
    space.ok(&[&export[..], &["--sign", "secret"]].concat());
    // The same leaves, in other blocks: they lead to the same root.
    space.ok(&["init", "--db", "other"]);
    let mut lines = String::new();
    let ends = [0, 1000, 3000, 4500, 6000, 7500];
    for (range, block) in ends.windows(2).zip(10..) {
        lines.push_str(&block_line(block, range[0], range[1] - range[0]));
    }
    let append = ["append", "--db", "other", "-"];
    space.run_with_input(&append, lines.as_bytes()).exits(0);
    space.ok(&["snapshot", "export", "--db", "other", "--out", "forged"]);
    let larger = "v1.0-qmtree-execution.0-2.seg";
    space.write(
        &format!("files/{larger}"),
        &space.read(&format!("forged/{larger}")),
    );
    let says = space.ok(&["snapshot", "verify", "--key", key, "files"]).out;
    assert!(says.starts_with("4 files"), "{says}");
    space.ok(&["snapshot", "import", "--db", "copy", "--key", key, "files"]);
    let head = |source: &[&str]| {
        let args = [&["head", "--block", "10", "--json"], source].concat();
        space.ok(&args).json()["leafCount"].clone()
    };
    assert_eq!(head(&["--db", "copy"]), 1500);
    assert_eq!(head(&["--snapshot", "files", "--key", key]), 1500);
    // Nobody has signed what is given beside the folder.
    let beside = ["snapshot", "verify", "--key", key, "files", "forged"];
    space.run(&beside).exits(2).says("one manifest");
    let file = format!("files/{larger}");
    let alone = ["snapshot", "verify", "--key", key, &file];
    space.run(&alone).exits(2).says("name the folder");
}

#[test]
fn known_heads_bind_where_blocks_end() {
    let space = exported();
    let old = space
        .ok(&["head", "--db", "db", "--block", "11", "--json"])
        .out;
    space.write("old.json", old.as_bytes());
    let mut other: serde_json::Value = serde_json::from_str(&old).unwrap();
    other["leafCount"] = 2999.into();
    other.as_object_mut().unwrap().remove("headHash");
    space.write("other.json", other.to_string().as_bytes());
    let roots = |known: &str, db: &str| {
        let import = ["snapshot", "import", "--db", db, "--head", "head.json"];
        let rest = ["--roots-only", "--known-head", known, "files"];
        space.run(&[&import[..], &rest].concat())
    };
    roots("other.json", "no")
        .exits(1)
        .says("block 11 does not end");
    roots("old.json", "copy").exits(0);
    let fill = ["snapshot", "backfill", "--db", "copy", "--known-head"];
    space
        .run(&[&fill[..], &["other.json", "files"]].concat())
        .exits(1)
        .says("block 11 does not end");
    space.ok(&[&fill[..], &["old.json", "files"]].concat());
    // One of the tail, and one of another log.
    let last = space
        .ok(&["head", "--db", "db", "--block", "14", "--json"])
        .out;
    let mut last: serde_json::Value = serde_json::from_str(&last).unwrap();
    last["leafCount"] = 7499.into();
    last.as_object_mut().unwrap().remove("headHash");
    space.write("last.json", last.to_string().as_bytes());
    roots("last.json", "no")
        .exits(1)
        .says("block 14 does not end");
    assert!(!space.path("no").exists());
}

#[test]
fn list_and_inspect_say_what_files_hold() {
    let space = exported();
    let files = space
        .ok(&["snapshot", "list", "--json", "files"])
        .lines_json();
    assert_eq!(files.len(), 4);
    let file = "files/v1.0-qmtree-execution.1-2.seg";
    let shown = space.ok(&["snapshot", "inspect", "--json", file]).json();
    assert_eq!(shown, files[1]);
    assert_eq!([&shown["fromLeaf"], &shown["toLeaf"]], [2048, 4096]);
    assert_eq!([&shown["firstBlock"], &shown["blocks"]], [11, 1]);
    assert_eq!([&shown["fromTwig"], &shown["toTwig"]], [1, 2]);
    assert_eq!(shown["content"], "qmtree-execution");
    let text = space.ok(&["snapshot", "inspect", file]).out;
    assert!(text.contains("leaves   2048..4096"), "{text}");
    space.write("notes.txt", b"no snapshot");
    space
        .run(&["snapshot", "inspect", "notes.txt"])
        .exits(2)
        .says("not the name of a snapshot");
    let pipe = space.path("v1.0-qmtree-tail.0-2.seg");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        space
            .run(&["snapshot", "inspect", "v1.0-qmtree-tail.0-2.seg"])
            .exits(2)
            .says("not a regular file");
    }
    space.write("v1.0-qmtree-tail.0-1.seg", b"no snapshot either");
    space
        .run(&["snapshot", "inspect", "v1.0-qmtree-tail.0-1.seg"])
        .exits(2)
        .says("word file");
}

#[test]
fn a_node_starts_from_roots() {
    let space = exported();
    space.ok(&["snapshot", "export", "--db", "db", "--out", "roots"]);
    space.ok(&["snapshot", "retain", "--from-twig", "3", "roots"]);
    let import = ["snapshot", "import", "--db", "copy", "--head", "head.json"];
    space
        .run(&[&import[..], &["roots"]].concat())
        .exits(2)
        .says("only their roots are there");
    space.ok(&[&import[..], &["--roots-only", "roots"]].concat());
    assert_eq!(
        space.ok(&["head", "--db", "copy"]).out,
        space.ok(&["head", "--db", "db"]).out
    );
    space.run(&["leaf", "--db", "copy", "5"]).exits(2);
    let filled = space.ok(&["snapshot", "backfill", "--db", "copy", "files"]);
    assert_eq!(filled.out, "every leaf is there\n");
    space.ok(&["check", "--db", "copy"]);
    let leaf = |db| space.ok(&["leaf", "--db", db, "5"]).out;
    assert_eq!(leaf("copy"), leaf("db"));
}

#[test]
fn bench_snapshot_reports_ratios() {
    let space = Workspace::new();
    let args = [
        "bench",
        "snapshot",
        "--leaves",
        "9000",
        "--block-leaves",
        "500",
    ];
    let report = space.ok(&[&args[..], &["--json"]].concat()).json();
    for name in ["importToAppend", "verifyToLimit", "bytesPerLeaf"] {
        assert!(report[name].as_f64().unwrap() > 0.0, "{name}: {report}");
    }
    for name in [
        "append",
        "export",
        "verify",
        "verifyOneThread",
        "import",
        "copy",
    ] {
        let seconds = report[name]["seconds"].as_f64().unwrap();
        assert!(seconds > 0.0, "{name}: {report}");
    }
    let state = ["bench", "snapshot", "--state", "--keys", "3000", "--json"];
    let report = space.ok(&state).json();
    for way in ["full", "live"] {
        let seconds = report[way]["start"]["seconds"].as_f64().unwrap();
        assert!(seconds > 0.0, "{way}: {report}");
    }
    let table = space.ok(&args).out;
    assert!(table.contains("verify, one thread"), "{table}");
    assert_eq!(
        std::fs::read_dir(space.root()).unwrap().count(),
        0,
        "it cleans up"
    );
}

#[test]
fn a_state_log_travels_with_its_past_or_without() {
    let space = Workspace::new();
    let db = space.root().join("db");
    let batch = |tx_num: u64, value: &[u8]| {
        let mut batch = StateBatch::new(TxNum(tx_num));
        for name in ["a", "b", "c"] {
            batch.writes.push((keccak256(name), Some(value.to_vec())));
        }
        batch.sort();
        batch
    };
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::StateRoot1,
        chain_id: 1,
    };
    let mut made = Db::create(&db, identity, Options::default()).unwrap();
    for number in 0..1200 {
        let first = made.head().leaf_count;
        let batches = [batch(first, &number.to_string().into_bytes())];
        let leaves = [LeafPayload::default(); 4];
        let block = Block::new(number, &leaves).with_batches(&batches);
        made.append(&block).unwrap();
    }
    made.close().unwrap();
    let head = space.ok(&["head", "--db", "db", "--json"]).out;
    space.write("head.json", head.as_bytes());
    let key = keccak256("b").to_string();
    let state =
        |db: &str, at: &[&str]| space.run(&[&["state", "get", "--db", db, &key], at].concat());
    for (kind, folder) in [("full", "all"), ("live", "now")] {
        space.ok(&[
            "snapshot", "export", "--db", "db", "--out", folder, "--state", kind,
        ]);
        space.ok(&["snapshot", "verify", "--head", "head.json", folder]);
        let copy = format!("{folder}-copy");
        space.ok(&[
            "snapshot",
            "import",
            "--db",
            &copy,
            "--head",
            "head.json",
            folder,
        ]);
        space.ok(&["check", "--db", &copy]);
        assert_eq!(space.ok(&["head", "--db", &copy, "--json"]).out, head);
        assert_eq!(state(&copy, &[]).out, state("db", &[]).out);
        let listed = space.ok(&["snapshot", "list", folder]).out;
        assert!(
            listed.contains("qmtree-statetail") && listed.contains("entries"),
            "{listed}"
        );
    }
    // What was verified, and what not.
    let verify = |files: &[&str], json: bool| {
        let args = ["snapshot", "verify", "--head", "head.json"];
        let json: &[&str] = if json { &["--json"] } else { &[] };
        space.ok(&[&args, json, files].concat())
    };
    let says = verify(&["all", "now"], false).out;
    assert!(
        says.contains("every entry and value of 3601 entries"),
        "{says}"
    );
    assert!(says.contains("4 other files were not looked at"), "{says}");
    let told = verify(&["now"], true).json();
    assert_eq!([&told["files"], &told["otherFiles"]], [4, 0]);
    assert_eq!(told["state"], "live");
    space.ok(&[
        "snapshot", "export", "--db", "db", "--out", "none", "--state", "none",
    ]);
    let says = verify(&["none"], false).out;
    assert!(says.contains("its state was not verified"), "{says}");
    assert_eq!(verify(&["none"], true).json()["state"], "missing");
    // Asked for without its file.
    let import = ["snapshot", "import", "--db", "more", "--head", "head.json"];
    let says = space.ok(&[&import[..], &["--live", "all"]].concat()).out;
    assert!(says.contains("all 3601 entries are there"), "{says}");
    let inspected = space.ok(&["snapshot", "inspect", "now/v1.0-qmtree-live.0-1.seg"]);
    for line in ["content  qmtree-live", "twigs    0..1", "compacts never"] {
        assert!(inspected.out.contains(line), "{}", inspected.out);
    }
    // A state that is not the trusted one is invalid, not missing.
    let live = "now/v1.0-qmtree-live.0-1.seg";
    let len = space.read(live).len();
    let args = ["snapshot", "verify", "--head", "head.json", "now"];
    space.flip(live, len / 2);
    space.run(&args).exits(1);
    space.flip(live, len / 2);
    let past = ["--at", "500"];
    assert_eq!(state("all-copy", &past).out, state("db", &past).out);
    state("now-copy", &past)
        .exits(2)
        .says("was pruned; the earliest one that is known");
    space.ok(&[
        "snapshot",
        "export",
        "--db",
        "db",
        "--out",
        "few",
        "--file-twigs",
        "1",
    ]);
    space.ok(&["snapshot", "merge", "few"]);
    let listed = |folder: &str| space.ok(&["snapshot", "list", folder]).out;
    assert_eq!(listed("few").lines().next(), listed("all").lines().next());
    space.ok(&["snapshot", "verify", "--head", "head.json", "few"]);
    // Refused before there is a folder.
    let wrong = head.replace("\"entryCount\":", "\"entryCount\":1");
    let no_hash = wrong.rsplit_once(",\"headHash\"").unwrap().0.to_owned() + "}";
    space.write("wrong.json", no_hash.as_bytes());
    let import = [
        "snapshot",
        "import",
        "--db",
        "no",
        "--head",
        "wrong.json",
        "all",
    ];
    space.run(&import).exits(1);
    assert!(!space.root().join("no").exists());
}
