//! The commands that work on a database, as a user runs them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod common;

use common::{Ran, Workspace, block_line, leaf, words};
use qmtree_proofs::Profile;
use serde_json::{Value, json};

const PROFILES: [(&str, Profile); 2] =
    [("keccak", Profile::Keccak256), ("blake3", Profile::Blake3)];

/// The names of a JSON object's members, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[test]
fn every_profile_from_init_to_verify() {
    for (name, profile) in PROFILES {
        let space = Workspace::new();
        let init = space.ok(&["init", "--db", "db", "--profile", name, "--chain-id", "7"]);
        assert!(
            init.out.starts_with("db: an empty database: "),
            "{}",
            init.out
        );
        let log = space.append_blocks(profile, 10, &[3, 0, 40, 1]);

        let head = space.ok(&["head", "--db", "db", "--json"]).json();
        assert_eq!(
            keys(&head),
            [
                "blockNumber",
                "chainId",
                "entryCount",
                "headHash",
                "leafCount",
                "profile",
                "root",
                "scheme",
                "stateRoot"
            ]
        );
        let expected = log.head(7, qmtree_proofs::Scheme::StateRoot1, 13);
        assert_eq!(head, serde_json::to_value(expected).unwrap());
        assert_eq!([&head["blockNumber"], &head["leafCount"]], [13, 44]);
        let old = space
            .ok(&["head", "--db", "db", "--block", "12", "--json"])
            .json();
        assert_eq!([&old["blockNumber"], &old["leafCount"]], [12, 43]);
        space.write("head.json", head.to_string().as_bytes());
        space.write("old.json", old.to_string().as_bytes());

        space.ok(&["prove", "--db", "db", "5", "-o", "tx.qmp"]);
        space.ok(&[
            "prove",
            "--db",
            "db",
            "5",
            "--at-block",
            "12",
            "-o",
            "tx-old.qmp",
        ]);
        space.ok(&["prove", "--db", "db", "3", "--to", "43", "-o", "range.qmp"]);
        space.ok(&["prove", "--db", "db", "5", "--json", "-o", "tx.json"]);
        space.ok(&["consistency", "--db", "db", "12", "-o", "grown.qmp"]);
        for (code, args) in [
            (0, &["--head", "head.json", "tx.qmp", "--tx-num", "5"][..]),
            (0, &["--head", "head.json", "tx.json", "--tx-num", "5"]),
            (0, &["--head", "old.json", "tx-old.qmp"]),
            (
                0,
                &[
                    "--head",
                    "head.json",
                    "range.qmp",
                    "--tx-num",
                    "3",
                    "--to",
                    "43",
                ],
            ),
            (
                0,
                &["--head", "head.json", "--old-head", "old.json", "grown.qmp"],
            ),
            (1, &["--head", "old.json", "tx.qmp"]),
            (1, &["--head", "head.json", "tx-old.qmp"]),
            (1, &["--head", "head.json", "tx.qmp", "--tx-num", "6"]),
            (
                1,
                &["--head", "old.json", "--old-head", "head.json", "grown.qmp"],
            ),
            (2, &["--head", "tx.json", "tx.qmp"]),
            (2, &["--head", "head.json", "head.json"]),
            (2, &["--head", "head.json", "grown.qmp"]),
        ] {
            space.run(&[&["verify"], args].concat()).exits(code);
        }
        let checked = space.ok(&["check", "--db", "db", "--json"]).json();
        assert_eq!(checked, head);
    }
}

#[test]
fn leaf_block_and_stats_say_what_is_there() {
    let space = Workspace::with_db();
    let log = space.append_blocks(Profile::Keccak256, 0, &[3, 0, 40]);
    let leaf = space.ok(&["leaf", "--db", "db", "3", "--json"]).json();
    let [pre, change, transition] = words(3).map(|word| word.to_string());
    assert_eq!(
        leaf,
        json!({
            "txNum": 3,
            "blockNumber": 2,
            "preStateHash": pre,
            "stateChangeHash": change,
            "transitionHash": transition,
            "previousLeafHash": log.leaf_hash(qmtree_proofs::TxNum(2)).unwrap(),
            "leafHash": log.leaf_hash(qmtree_proofs::TxNum(3)).unwrap(),
        })
    );
    assert!(space.ok(&["leaf", "--db", "db", "3"]).out.contains(&change));

    let block = space.ok(&["block", "--db", "db", "2", "--json"]).json();
    let head = space.ok(&["head", "--db", "db", "--json"]).json();
    assert_eq!(
        block,
        json!({
            "blockNumber": 2, "from": 3, "to": 43, "leaves": 40,
            "root": head["root"], "headHash": head["headHash"],
        })
    );
    let empty = space.ok(&["block", "--db", "db", "1", "--json"]).json();
    assert_eq!([&empty["from"], &empty["to"], &empty["leaves"]], [3, 3, 0]);

    let stats = space.ok(&["stats", "--db", "db", "--json"]).json();
    assert_eq!(
        [
            &stats["leafCount"],
            &stats["sealedLeafCount"],
            &stats["firstBlock"]
        ],
        [43, 0, 0]
    );
    assert_eq!(stats["lastBlock"], 2);
    assert_eq!(stats["segmentBytes"], 0);
    assert!(stats["journalBytes"].as_u64().unwrap() > 43 * 96);

    for (args, reason) in [
        (
            &["leaf", "--db", "db", "43"][..],
            "no leaf 43: the log has 43 leaves",
        ),
        (
            &["block", "--db", "db", "3"],
            "no block 3: the log has blocks 0 to 2",
        ),
        (&["head", "--db", "db", "--block", "9"], "no block 9"),
        (&["prove", "--db", "db", "43", "-o", "p"], "43"),
        (
            &["prove", "--db", "db", "1", "--to", "1", "-o", "p"],
            "a proof must cover at least one leaf",
        ),
        (
            &["prove", "--db", "db", "1", "--at-block", "9", "-o", "p"],
            "no block 9",
        ),
        (&["consistency", "--db", "db", "2", "-o", "p"], "db: "),
    ] {
        space.run(args).exits(2).says(reason);
    }
    assert!(!space.path("p").exists(), "a failed proof writes no file");
}

#[test]
fn leaves_are_found_by_the_hash_of_their_transaction() {
    let space = Workspace::with_db();
    let hex = |byte: u8| format!("0x{}", format!("{byte:02x}").repeat(32));
    let leaf = |words: u8, tx: Option<u8>| {
        let tx = tx.map_or(String::new(), |tx| format!(r#","txHash":"{}""#, hex(tx)));
        let word = hex(words);
        format!(
            r#"{{"preStateHash":"{word}","stateChangeHash":"{word}","transitionHash":"{word}"{tx}}}"#
        )
    };
    let line = |block: u64, leaves: &[String]| {
        format!("{{\"block\":{block},\"leaves\":[{}]}}\n", leaves.join(","))
    };
    let lines = [
        line(0, &[leaf(1, None), leaf(2, Some(0xaa)), leaf(3, None)]),
        line(1, &[leaf(4, Some(0xbb)), leaf(5, Some(0xaa))]),
    ];
    space
        .run_with_input(&["append", "--db", "db", "-"], lines.concat().as_bytes())
        .exits(0);
    let find = |tx: u8| space.run(&["leaf", "--db", "db", "--json", "--tx-hash", &hex(tx)]);
    let found = find(0xaa).exits(0).lines_json();
    let places: Vec<_> = found
        .iter()
        .map(|leaf| (&leaf["txNum"], &leaf["blockNumber"]))
        .collect();
    assert_eq!(places, [(&json!(1), &json!(0)), (&json!(4), &json!(1))]);
    assert_eq!(find(0xbb).exits(0).json()["transitionHash"], hex(4));
    let text = space.ok(&["leaf", "--db", "db", "--tx-hash", &hex(0xbb)]);
    assert!(
        text.out
            .starts_with("leaf                3\nblock               1\n")
    );
    find(0xcc)
        .exits(2)
        .says("db: no leaf of transaction 0xcccccccc");
    space.run(&["leaf", "--db", "db"]).exits(2);
    space
        .run(&["leaf", "--db", "db", "1", "--tx-hash", &hex(1)])
        .exits(2);

    let reindexed = space.ok(&["db", "reindex", "--db", "db", "--json"]).json();
    let stats = space.ok(&["stats", "--db", "db", "--json"]).json();
    let on_disk = reindexed["onDisk"].as_bool().unwrap();
    assert_eq!(reindexed["indexedLeaves"], if on_disk { 5 } else { 0 });
    assert_eq!(stats["indexBytes"].as_u64().unwrap() > 0, on_disk);
    assert_eq!(find(0xbb).exits(0).json()["txNum"], 3);

    // The same leaves without the hash are another block.
    let other = line(1, &[leaf(4, Some(0xbb)), leaf(5, None)]);
    let refused = space.run_with_input(&["append", "--db", "db", "-"], other.as_bytes());
    refused
        .exits(2)
        .says("other leaves, writes or transaction hashes");
}

#[test]
fn append_reads_files_and_standard_input_and_repeats_without_harm() {
    let space = Workspace::with_db();
    let lines: String = (0..3)
        .map(|block| block_line(block, block * 5, 5))
        .collect();
    space.write("blocks.jsonl", lines.as_bytes());
    let first = space.ok(&["append", "--db", "db", "blocks.jsonl"]);
    assert!(
        first
            .out
            .starts_with("3 blocks read; the log has 15 leaves up to block 2")
    );
    let head = space.ok(&["head", "--db", "db", "--json"]).out;

    let again = space.ok(&["append", "--db", "db", "--json", "blocks.jsonl"]);
    let answers: Vec<Value> = again.lines_json();
    assert_eq!(answers.len(), 3);
    for (answer, block) in answers.iter().zip(0..) {
        assert_eq!(answer["appended"], false);
        assert_eq!(answer["blockNumber"], block);
        assert_eq!(answer["leafCount"], 5 * (block + 1));
    }
    assert_eq!(space.ok(&["head", "--db", "db", "--json"]).out, head);

    let more = format!(
        "\n{}\n  \n{{\"block\":4,\"leaves\":[]}}",
        block_line(3, 15, 2)
    );
    let args = [
        "append",
        "--db",
        "db",
        "--json",
        "--durability",
        "grouped:2",
        "-",
    ];
    let piped = space
        .run_with_input(&args, more.as_bytes())
        .exits(0)
        .lines_json();
    assert_eq!([&piped[0]["appended"], &piped[1]["appended"]], [true, true]);
    assert_eq!([&piped[1]["leaves"], &piped[1]["leafCount"]], [0, 17]);
    let repeated = space
        .run_with_input(&args, more.as_bytes())
        .exits(0)
        .lines_json();
    assert_eq!(
        [&repeated[0]["appended"], &repeated[1]["appended"]],
        [false, false]
    );

    let nothing = space
        .run_with_input(&["append", "--db", "db", "-"], b"")
        .exits(0);
    assert!(
        nothing
            .out
            .starts_with("0 blocks read; the log has 17 leaves")
    );
}

#[test]
fn a_line_that_cannot_be_appended_is_named_and_the_blocks_before_it_stay() {
    let good = block_line(0, 0, 2);
    let hex = format!("0x{}", "11".repeat(32));
    let leaf =
        format!(r#"{{"preStateHash":"{hex}","stateChangeHash":"{hex}","transitionHash":"{hex}"}}"#);
    let cases = [
        (
            block_line(0, 7, 2),
            "block 0 is in the log with other leaves, writes or transaction hashes",
        ),
        (
            block_line(2, 2, 2),
            "block 2 does not follow: the next block is 1",
        ),
        ("{\"block\":1,".to_owned(), "EOF while parsing"),
        ("block 1".to_owned(), "expected value"),
        ("{\"leaves\":[]}".to_owned(), "missing field `block`"),
        ("{\"block\":1}".to_owned(), "missing field `leaves`"),
        ("{\"block\":-1,\"leaves\":[]}".to_owned(), "invalid value"),
        (
            "{\"block\":1,\"leaves\":[],\"root\":1}".to_owned(),
            "unknown field `root`",
        ),
        (
            format!(
                "{{\"block\":1,\"leaves\":[{}]}}",
                leaf.replace("{\"pre", "{\"x\":1,\"pre")
            ),
            "unknown field `x`",
        ),
        (
            format!(
                "{{\"block\":1,\"leaves\":[{}]}}",
                leaf.replacen("0x11", "0x1g", 1)
            ),
            "invalid",
        ),
        (
            format!(
                "{{\"block\":1,\"leaves\":[{}]}}",
                leaf.replacen("0x11", "0x", 1)
            ),
            "invalid",
        ),
        (
            format!("{{\"block\":1,\"leaves\":[{leaf}]}} {{}}"),
            "trailing characters",
        ),
        // Arrays are no objects.
        (
            "[1,[]]".to_owned(),
            "invalid type: sequence, expected an object (column ",
        ),
        (
            format!("{{\"block\":1,\"leaves\":[[\"{hex}\",\"{hex}\",\"{hex}\",null]]}}"),
            "expected an object (column ",
        ),
        (
            "{\"block\":1,\"leaves\":[],\"batches\":[[2,[]]]}".to_owned(),
            "expected an object (column 34)",
        ),
        (
            format!(
                "{{\"block\":1,\"leaves\":[],\"batches\":[{{\"txNum\":2,\"writes\":[{{\"key\":\"{hex}\",\"value\":[1]}}]}}]}}"
            ),
            "invalid type: sequence, expected",
        ),
        (
            format!(
                "{{\"block\":1,\"leaves\":[],\"batches\":[{{\"txNum\":2,\"writes\":[{{\"key\":\"{hex}\",\"value\":\"0x1\"}}]}}]}}"
            ),
            "invalid value: expected a string of 0x and two hex digits a byte",
        ),
    ];
    for (bad, reason) in cases {
        let space = Workspace::with_db();
        let lines = format!("{good}\n{bad}\n{}", block_line(1, 2, 2));
        space.write("blocks.jsonl", lines.as_bytes());
        let args = ["append", "--db", "db", "--durability", "buffered"];
        let refused = space.run(&[&args[..], &["blocks.jsonl"]].concat());
        refused.exits(2).says("blocks.jsonl: line 3: ").says(reason);
        let refused = space.run_with_input(&[&args[..], &["-"]].concat(), lines.as_bytes());
        refused
            .exits(2)
            .says("standard input: line 3: ")
            .says(reason);
        let head = space.ok(&["head", "--db", "db", "--json"]).json();
        assert_eq!([&head["blockNumber"], &head["leafCount"]], [0, 2], "{bad}");
    }
    let space = Workspace::with_db();
    let missing = space.run(&["append", "--db", "db", "no-such.jsonl"]);
    missing.exits(2).says("no-such.jsonl: cannot read");
}

/// The bytes of leaves `first..first + count`.
fn raw(first: u64, count: u64) -> Vec<u8> {
    let words = (first..first + count).flat_map(words);
    words.flat_map(|word| word.0).collect()
}

#[test]
fn raw_leaves_are_the_same_blocks_as_their_json_lines() {
    let space = Workspace::with_db();
    let lines: String = [(7, 0, 5), (8, 5, 5), (9, 10, 3), (10, 13, 4)]
        .map(|(block, first, count)| block_line(block, first, count))
        .concat();
    space
        .run_with_input(&["append", "--db", "db", "-"], lines.as_bytes())
        .exits(0);
    let head = |db: &str| space.ok(&["head", "--db", db, "--json"]).json();
    space.write("first.raw", &raw(0, 13));
    for db in ["file", "pipe"] {
        space.ok(&["init", "--db", db]);
        let cut = ["append", "--db", db, "--raw", "--json", "--block", "7"];
        let cut = [&cut[..], &["--block-leaves", "5"]].concat();
        let run = || match db {
            "file" => space.ok(&[&cut[..], &["first.raw"]].concat()),
            _ => space.run_with_input(&[&cut[..], &["-"]].concat(), &raw(0, 13)),
        };
        for appended in [true, false] {
            let answers = run().exits(0).lines_json();
            let found: Vec<_> = answers
                .iter()
                .map(|a| (&a["blockNumber"], &a["leaves"], &a["appended"]))
                .collect();
            let expected = [7, 8, 9].map(|block| (json!(block), json!(appended)));
            assert_eq!(found.len(), 3);
            for ((number, leaves, again), (block, appended)) in found.into_iter().zip(&expected) {
                assert_eq!((number, again), (block, appended));
                assert_eq!(*leaves, if *number == 9 { 3 } else { 5 });
            }
        }
        // Without a number the next one; without a size one block.
        let args = ["append", "--db", db, "--raw", "-"];
        let more = space.run_with_input(&args, &raw(13, 4)).exits(0);
        assert!(
            more.out
                .starts_with("1 blocks read; the log has 17 leaves up to block 10")
        );
        assert_eq!(head(db), head("db"));
        let nothing = space.run_with_input(&args, b"").exits(0);
        assert!(nothing.out.starts_with("0 blocks read"));
    }
    // The first block of an empty log is 0.
    space.ok(&["init", "--db", "empty"]);
    space.ok(&["append", "--db", "empty", "--raw", "first.raw"]);
    let first = head("empty");
    assert_eq!([&first["blockNumber"], &first["leafCount"]], [0, 13]);
}

#[test]
fn raw_leaves_that_are_not_whole_are_named_and_the_blocks_before_them_stay() {
    for (args, len, block, leaves) in [
        (&["--block", "3"][..], 96 * 4 + 1, 3, 0),
        (&["--block", "3", "--block-leaves", "2"], 96 * 5 + 95, 5, 4),
        (&["--block-leaves", "1"], 96 * 2 + 50, 2, 2),
        (&[], 95, 0, 0),
    ] {
        let space = Workspace::with_db();
        space.write("leaves", &raw(0, 8)[..len]);
        let args = [&["append", "--db", "db", "--raw"], args].concat();
        let message = format!("{len} bytes, no multiple of 96: a raw leaf is ");
        let rest = format!("; nothing of block {block} was appended");
        let file = space.run(&[&args[..], &["leaves"]].concat()).exits(2);
        file.says(&format!("leaves: {message}")).says(&rest);
        let head = space.ok(&["head", "--db", "db", "--json"]).json();
        assert_eq!(head["leafCount"], leaves, "{args:?}");
    }
    let space = Workspace::with_db();
    space.append_blocks(Profile::Keccak256, 0, &[2, 2]);
    let args = ["append", "--db", "db", "--raw", "--block-leaves", "2"];
    let other = [&args[..], &["--block", "1", "-"]].concat();
    let refused = space.run_with_input(&other, &raw(0, 4));
    refused
        .exits(2)
        .says("standard input: leaf 0: block 1 is in the log with other leaves");
    let later = [&args[..], &["--block", "0", "-"]].concat();
    let refused = space.run_with_input(&later, &[raw(0, 2), raw(9, 2)].concat());
    refused.exits(2).says("standard input: leaf 2: block 1 is");
    for args in [
        &["append", "--db", "db", "--block", "1", "-"][..],
        &["append", "--db", "db", "--block-leaves", "1", "-"],
        &["append", "--db", "db", "--raw", "--block-leaves", "0", "-"],
    ] {
        space.run(args).exits(2);
    }
}

#[test]
fn a_repeated_run_says_where_to_start_once_blocks_are_pruned() {
    let space = Workspace::sealed();
    let lines = |blocks: std::ops::Range<u64>| {
        let lines = blocks.map(|block| block_line(block, 2048 * block, 2048));
        lines.collect::<String>()
    };
    let append = ["append", "--db", "db", "-"];
    let again = |blocks| space.run_with_input(&append, lines(blocks).as_bytes());
    again(0..3).exits(0);
    space.ok(&["prune", "--db", "db", "1"]);
    again(0..3).exits(2).says(
        "qm: standard input: line 1: block 0 is in the log already and its leaves are pruned, so it \
         cannot be compared; start at block 1\n",
    );
    again(1..4).exits(0);
    space.ok(&["prune", "--db", "db", "3"]);
    again(1..4).exits(2).says("start at block 2\n");
    again(2..4).exits(0);
}

#[test]
fn proofs_that_verify_would_not_read_are_not_written() {
    let space = Workspace::with_db();
    space.write("leaves", &vec![7; 96 * 70_000]);
    space.ok(&["append", "--db", "db", "--raw", "leaves"]);
    let args = ["prove", "--db", "db", "0", "--to", "70000", "-o", "p"];
    let refused = space.run(&[&args[..], &["--json"]].concat()).exits(2);
    refused.says("p: this proof has ").says(
        " bytes, more than 16 MiB, the limit for JSON; leave out --json, or prove fewer leaves",
    );
    assert!(!space.path("p").exists());
    space.ok(&args);
    let head = space.ok(&["head", "--db", "db", "--json"]).out;
    space.write("head.json", head.as_bytes());
    space.ok(&["verify", "--head", "head.json", "p"]);
    // What is no file is refused, and not made one.
    let no_file = "qm: - stands for no file here: name one";
    let proof = ["prove", "--db", "db", "0", "-o", "-"];
    space.run(&proof).exits(2).says(no_file);
    let verify = ["verify", "--head", "head.json", "-"];
    space.run(&verify).exits(2).says(no_file);
    assert!(!space.path("-").exists());
}

#[test]
fn unwind_and_append_another_branch() {
    let space = Workspace::with_db();
    space.append_blocks(Profile::Keccak256, 0, &[5, 5, 5]);
    let at = |block: &str| {
        space
            .ok(&["head", "--db", "db", "--block", block, "--json"])
            .json()
    };
    let (old, gone) = (at("0"), at("2"));
    let unwound = space.ok(&["unwind", "--db", "db", "--json", "0"]).json();
    assert_eq!(unwound, old);
    assert_eq!(space.ok(&["head", "--db", "db", "--json"]).json(), old);
    let repeated = space.ok(&["unwind", "--db", "db", "0"]);
    assert!(
        repeated
            .out
            .starts_with("the log has 5 leaves up to block 0, root 0x")
    );

    let branch = block_line(1, 100, 5) + &block_line(2, 105, 5);
    space
        .run_with_input(&["append", "--db", "db", "-"], branch.as_bytes())
        .exits(0);
    let new = space.ok(&["head", "--db", "db", "--json"]).json();
    assert_eq!(new["leafCount"], gone["leafCount"]);
    assert_ne!(new["root"], gone["root"]);
    space.ok(&["check", "--db", "db"]);
    space.write("new.json", new.to_string().as_bytes());
    space.write("gone.json", gone.to_string().as_bytes());
    space.ok(&["prove", "--db", "db", "12", "-o", "tx.qmp"]);
    space.ok(&["verify", "--head", "new.json", "tx.qmp"]);
    space
        .run(&["verify", "--head", "gone.json", "tx.qmp"])
        .exits(1);
    let later = space.run(&["unwind", "--db", "db", "3"]);
    later
        .exits(2)
        .says("db: no block 3: the log has blocks 0 to 2");
}

#[test]
fn a_pruned_range_proves_no_leaf_but_every_root() {
    let space = Workspace::sealed();
    let before = space
        .ok(&["head", "--db", "db", "--block", "0", "--json"])
        .json();
    space.ok(&["prove", "--db", "db", "0", "-o", "first.qmp"]);
    assert_eq!(
        space.ok(&["prune", "--db", "db", "--json", "2"]).json(),
        json!({ "prunedSegments": 2 })
    );
    assert_eq!(
        space.ok(&["prune", "--db", "db", "2"]).out,
        "0 segments pruned\n"
    );
    for args in [
        &["prove", "--db", "db", "0", "-o", "p"][..],
        &["prove", "--db", "db", "1000", "--to", "4000", "-o", "p"],
        &["leaf", "--db", "db", "2047"],
    ] {
        let refused = space.run(args).exits(2);
        refused
            .says("db/segments/")
            .says("is pruned, as are all before ");
    }
    let after = space
        .ok(&["head", "--db", "db", "--block", "0", "--json"])
        .json();
    assert_eq!(before, after);
    space.ok(&["check", "--db", "db"]);
    // What was proved before still holds, and what is left can still be proved.
    space.ok(&["prove", "--db", "db", "4096", "-o", "kept.qmp"]);
    space.ok(&["consistency", "--db", "db", "0", "-o", "grown.qmp"]);
    space.write("old.json", before.to_string().as_bytes());
    let head = space.ok(&["head", "--db", "db", "--json"]).out;
    space.write("head.json", head.as_bytes());
    for proof in ["first.qmp", "kept.qmp"] {
        space.ok(&["verify", "--head", "head.json", proof]);
    }
    space.ok(&[
        "verify",
        "--head",
        "head.json",
        "--old-head",
        "old.json",
        "grown.qmp",
    ]);
    let refused = space.run(&["prune", "--db", "db", "99"]);
    refused.exits(2).says("no block 99");
}

#[test]
fn sealed_blocks_cannot_be_unwound() {
    let space = Workspace::sealed();
    let refused = space.run(&["unwind", "--db", "db", "0"]).exits(2);
    refused.says("cannot unwind to block 0: 2 is the earliest still possible");
    let stats = space.ok(&["stats", "--db", "db", "--json"]).json();
    assert_eq!(stats["sealedLeafCount"], 4096);
    let bytes = stats["segmentBytes"].as_u64().unwrap();
    assert!(bytes < 4096 * 112, "{bytes}");
}

#[test]
fn a_database_is_made_in_an_empty_folder_only() {
    let space = Workspace::with_db();
    let again = space.run(&["init", "--db", "db"]);
    again
        .exits(2)
        .says("db: not an empty folder; create a database in a new one");
    std::fs::create_dir(space.path("full")).unwrap();
    space.write("full/letter.txt", b"mine");
    let refused = space.run(&["init", "--db", "full"]);
    refused.exits(2).says("full: not an empty folder");
    assert_eq!(space.read("full/letter.txt"), b"mine");
    assert_eq!(std::fs::read_dir(space.path("full")).unwrap().count(), 1);
    std::fs::create_dir(space.path("empty")).unwrap();
    let head = space
        .ok(&["init", "--db", "empty", "--scheme", "read-set", "--json"])
        .json();
    assert_eq!([&head["leafCount"], &head["chainId"]], [0, 1]);
    assert_eq!(head, space.ok(&["head", "--db", "empty", "--json"]).json());
}

#[test]
fn a_missing_database_is_named_by_every_command() {
    let space = Workspace::new();
    space.write("blocks.jsonl", block_line(0, 0, 1).as_bytes());
    for args in [
        &["append", "blocks.jsonl"][..],
        &["head"],
        &["block", "0"],
        &["leaf", "0"],
        &["prove", "0", "-o", "p"],
        &["consistency", "0", "-o", "p"],
        &["unwind", "0"],
        &["prune", "0"],
        &["check"],
        &["repair"],
        &["stats"],
        &["checkpoint", "copy"],
    ] {
        let (command, rest) = args.split_first().unwrap();
        let missing = space.run(&[&[*command, "--db", "nowhere"], rest].concat());
        let missing = missing.exits(2).says("qm: nowhere: no database here: ");
        missing.says("make a database with `qm init`");
        assert!(!space.path("nowhere").exists(), "{command}");
    }
}

#[test]
fn damage_is_found_and_named_and_never_mended() {
    let found = |space: &Workspace, command: &str, path: &str| -> Ran {
        let files = space.database_files();
        let ran = space.run(&[command, "--db", "db"]).exits(2).says(path);
        assert_eq!(space.database_files(), files, "{command} changed something");
        ran
    };
    // A leaf in a segment: opening does not read it, the check does.
    let space = Workspace::sealed();
    let segment = space.files_in("db/segments").remove(0);
    space.flip(&segment, 5000);
    found(&space, "check", &segment).says("restore the segment from a copy");
    space.ok(&["head", "--db", "db"]);

    // A synced journal record, with others behind it: every opening.
    let space = Workspace::with_db();
    space.append_blocks(Profile::Keccak256, 0, &[5, 5, 5]);
    let journal = space.files_in("db/journal").remove(0);
    space.flip(&journal, 700);
    for command in ["check", "head", "repair"] {
        found(&space, command, &journal).says("damaged at byte");
    }

    // The header of the database.
    let space = Workspace::with_db();
    space.flip("db/qmtree.db", 20);
    for command in ["check", "repair", "stats"] {
        found(&space, command, "db/qmtree.db").says("header checksum");
    }

    // A file that is gone.
    let space = Workspace::sealed();
    let segment = space.files_in("db/segments").remove(0);
    std::fs::remove_file(space.path(&segment)).unwrap();
    for command in ["check", "repair"] {
        found(&space, command, "db/segments").says("are missing");
    }
}

#[test]
fn repair_says_what_it_drops_and_check_changes_nothing() {
    let space = Workspace::with_db();
    space.append_blocks(Profile::Keccak256, 0, &[5, 5]);
    let clean = space.ok(&["repair", "--db", "db"]);
    assert!(
        clean
            .out
            .starts_with("nothing to drop\nthe log has 10 leaves"),
        "{}",
        clean.out
    );
    let head = space.ok(&["head", "--db", "db", "--json"]).out;
    let whole = space.database_files();

    let journal = space.files_in("db/journal").remove(0);
    let tail = &whole[&journal][600..700];
    space.write(&journal, &[&whole[&journal][..], tail].concat());
    space.write(
        "db/segments/0000000000000000-0000000000000001.qms.tmp",
        b"half",
    );
    let torn = space.database_files();
    assert_eq!(space.ok(&["head", "--db", "db", "--json"]).out, head);
    space.ok(&["check", "--db", "db"]);
    assert_eq!(space.database_files(), torn, "reading changes nothing");

    let repaired = space.ok(&["repair", "--db", "db", "--json"]).json();
    assert_eq!(
        repaired["dropped"],
        json!([
            { "path": journal, "bytes": 100, "removed": false },
            {
                "path": "db/segments/0000000000000000-0000000000000001.qms.tmp",
                "bytes": 4,
                "removed": true
            },
        ])
    );
    assert_eq!([&repaired["leafCount"], &repaired["blockNumber"]], [10, 1]);
    assert_eq!(space.database_files(), whole);
    assert_eq!(space.ok(&["head", "--db", "db", "--json"]).out, head);

    space.write(&journal, &[&whole[&journal][..], tail].concat());
    let repaired = space.ok(&["repair", "--db", "db"]).out;
    assert!(
        repaired.starts_with(&format!("{journal}: 100 bytes cut off")),
        "{repaired}"
    );
}

#[test]
fn a_checkpoint_is_made_beside_a_writer_and_is_a_database() {
    let space = Workspace::sealed();
    let options = qmtree::Options::default();
    let mut writer = qmtree::Db::open(space.path("db"), options).unwrap();
    let head = space.ok(&["head", "--db", "db", "--json"]).out;
    let made = space.ok(&["checkpoint", "--db", "db", "backup", "--json"]);
    assert_eq!(made.out, head);
    let again = space.run(&["checkpoint", "--db", "db", "backup"]).exits(2);
    again.says("backup: not a place for a checkpoint; name a folder that is not there yet");
    for inside in [
        "db/copy",
        "./db/copy",
        "db/../db/journal/copy",
        "none/../db/copy",
    ] {
        let refused = space.run(&["checkpoint", "--db", "db", inside]).exits(2);
        refused.says("not a place for a checkpoint; ").says(inside);
    }
    assert!(!space.path("none").exists() && !space.path("db/copy").exists());
    writer.append_block(3, &[leaf(1)]).unwrap();
    writer.close().unwrap();
    assert_eq!(space.ok(&["head", "--db", "backup", "--json"]).out, head);
    space.ok(&["check", "--db", "backup"]);
    // Each goes its own way.
    let line = block_line(3, 7, 5);
    let ran = space.run_with_input(&["append", "--db", "backup", "-"], line.as_bytes());
    ran.exits(0);
    for (db, leaves) in [("db", 6145), ("backup", 6149)] {
        space.ok(&["check", "--db", db]);
        let head = space.ok(&["head", "--db", db, "--json"]).json();
        assert_eq!(head["leafCount"], leaves);
    }
    let text = space.ok(&["checkpoint", "--db", "backup", "more"]).out;
    assert!(
        text.starts_with("more: 6149 leaves up to block 3, root 0x"),
        "{text}"
    );
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let space = Workspace::with_db();
    space.append_blocks(Profile::Keccak256, 0, &[5]);
    let options = qmtree::Options::default();
    let writer = qmtree::Db::open(space.path("db"), options).unwrap();
    let refused = space.run(&["unwind", "--db", "db", "0"]).exits(2);
    // The folder is named once.
    refused.says("qm: db/qmtree.lock: another writer has this database open; close it, or");
    space
        .run(&["repair", "--db", "db"])
        .exits(2)
        .says("another writer");
    space.ok(&["head", "--db", "db"]);
    space.ok(&["check", "--db", "db"]);
    writer.close().unwrap();
    space.ok(&["unwind", "--db", "db", "0"]);
}

#[test]
fn the_log_says_what_the_engine_does_and_changes_no_output() {
    let space = Workspace::sealed();
    let head = space.ok(&["head", "--db", "db", "--json"]);
    assert!(head.error.is_empty());
    let logged = space.run(&["--log", "info", "head", "--db", "db", "--json"]);
    assert_eq!(logged.out, head.out);
    let logged = logged.says("recover{dir=db}: qmtree: close");
    assert_eq!(logged.error.lines().count(), 1);
    let prove = ["prove", "--db", "db", "7", "-o", "p", "--log"];
    let said = |level| space.run(&[&prove[..], &[level]].concat());
    said("trace").says("prove{kind=\"inclusion\" proofs=1}: qmtree: close");
    assert!(!said("debug").error.contains("prove{"));
    assert!(said("off").error.is_empty());
    space.run(&["head", "--db", "db", "--log", "loud"]).exits(2);
    let missing = space
        .run(&["--log", "warn", "block", "--db", "db", "9"])
        .exits(2);
    assert!(!missing.error.contains("failed"), "no operation failed");
    let refused = space
        .run(&["--log", "warn", "unwind", "--db", "db", "0"])
        .exits(2);
    refused.says("WARN qmtree: failed operation=\"unwind\" error=cannot unwind to block 0");
    let with_environment = |level: &str| {
        let mut qm = std::process::Command::new(env!("CARGO_BIN_EXE_qm"));
        let qm = qm.current_dir(space.root()).env("QM_LOG", level);
        qm.args(["head", "--db", "db"]).output().unwrap()
    };
    let output = with_environment("INFO");
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("recover{")
    );
    let output = with_environment("loud");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.starts_with("qm: QM_LOG=\"loud\": expected off, "),
        "{error}"
    );
}

#[test]
fn arguments_that_make_no_sense_exit_with_2() {
    let space = Workspace::with_db();
    for args in [
        &["init"][..],
        &["init", "--db", "x", "--profile", "sha256"],
        &["append", "--db", "db", "--durability", "grouped:0", "-"],
        &["head", "--db", "db", "--block", "minus one"],
        &["prove", "--db", "db", "0"],
        &["bench", "append", "--leaves", "0"],
        &["bench", "prove", "--leaves", "1"],
        &["bench"],
    ] {
        let refused = space.run(args).exits(2);
        assert!(refused.out.is_empty(), "{}", refused.out);
    }
    // The verdict's shape belongs to `qm verify` alone.
    let refused = space
        .run(&["head", "--db", "db", "--json", "--bogus"])
        .exits(2);
    assert!(refused.out.is_empty(), "{}", refused.out);
}
