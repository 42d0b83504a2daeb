//! `qm demo` and `qm verify` as a user runs them: what they print and how they exit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use alloy_primitives::keccak256;
use qmtree_proofs::{LeafPayload, MemoryLog, Profile, Proof, RangeWitness, Scheme, TxNum, Witness};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn qm(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qm"))
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder with the demonstration's heads and proofs.
fn demo(profile: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = qm(folder.path(), &["demo", "--profile", profile, "--out", "."]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("one bit of the leaf changed: refused"));
    folder
}

fn write(path: &Path, bytes: &[u8]) {
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

/// The leaf of the demonstration.
fn made_up_leaf(tx_num: u64) -> LeafPayload {
    let word = |name: &str| keccak256([name.as_bytes(), &tx_num.to_be_bytes()].concat());
    LeafPayload {
        pre_state_hash: word("pre"),
        state_change_hash: word("chg"),
        transition_hash: word("trn"),
    }
}

/// Proofs of the kinds that the demonstration does not write, of a log of 1000 of its leaves.
fn write_more_proofs(folder: &Path) -> MemoryLog<Profile> {
    let mut log = MemoryLog::new(Profile::Keccak256);
    let leaves: Vec<_> = (0..1000).map(made_up_leaf).collect();
    log.append(&leaves);
    let prover = log.prover(1000).unwrap();
    let range = prover.range(TxNum(5), TxNum(7)).unwrap();
    let payloads = log.payloads(TxNum(5), TxNum(7)).unwrap().to_vec();
    let witness = RangeWitness::new(log.leaf_hash(TxNum(4)).unwrap(), payloads, range.clone());
    let pair = prover.multi(&[TxNum(7), TxNum(20)]).unwrap();
    write(
        &folder.join("one.qmp"),
        &prover.inclusion(TxNum(5)).unwrap().to_bytes(),
    );
    write(&folder.join("range.qmp"), &range.to_bytes());
    write(
        &folder.join("range-witness.qmp"),
        &witness.unwrap().to_bytes(),
    );
    write(&folder.join("pair.qmp"), &pair.to_bytes());
    let head = log.head(1337, Scheme::StateRoot1, 4);
    write(
        &folder.join("small.json"),
        &serde_json::to_vec(&head).unwrap(),
    );
    log
}

#[test]
fn every_option_that_a_kind_uses_is_compared_and_every_other_refused() {
    let folder = demo("keccak");
    let log = write_more_proofs(folder.path());
    let hash = |i: u64| log.leaf_hash(TxNum(i)).unwrap().to_string();
    let [h5, h6, h7, h20] = [5, 6, 7, 20].map(hash);
    let run = |args: &[&str]| {
        let output = qm(
            folder.path(),
            &[&["verify", "--head", "small.json"], args].concat(),
        );
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let cases: [(i32, &[&str]); 27] = [
        (0, &["one.qmp", "--leaf-hash", &h5]),
        (0, &["one.qmp", "--leaf-hash", &h5, "--tx-num", "5"]),
        (1, &["one.qmp", "--leaf-hash", &h6, "--tx-num", "5"]),
        (1, &["one.qmp", "--leaf-hash", &h5, "--tx-num", "6"]),
        (2, &["one.qmp", "--leaf-hash", &h5, "--leaf-hash", &h5]),
        (
            2,
            &[
                "one.qmp",
                "--leaf-hash",
                &h5,
                "--tx-num",
                "5",
                "--tx-num",
                "5",
            ],
        ),
        (2, &["one.qmp", "--leaf-hash", &h5, "--to", "6"]),
        (
            2,
            &["one.qmp", "--leaf-hash", &h5, "--old-head", "small.json"],
        ),
        (2, &["one.qmp"]),
        (
            0,
            &[
                "range.qmp",
                "--leaf-hash",
                &h5,
                "--leaf-hash",
                &h6,
                "--tx-num",
                "5",
                "--to",
                "7",
            ],
        ),
        (
            1,
            &[
                "range.qmp",
                "--leaf-hash",
                &h5,
                "--leaf-hash",
                &h6,
                "--to",
                "8",
            ],
        ),
        (1, &["range.qmp", "--leaf-hash", &h6, "--leaf-hash", &h5]),
        (
            2,
            &[
                "range.qmp",
                "--leaf-hash",
                &h5,
                "--leaf-hash",
                &h6,
                "--tx-num",
                "5",
                "--tx-num",
                "6",
            ],
        ),
        (2, &["range.qmp", "--tx-num", "5"]),
        (0, &["range-witness.qmp"]),
        (
            0,
            &[
                "range-witness.qmp",
                "--tx-num",
                "5",
                "--to",
                "7",
                "--leaf-hash",
                &h5,
                "--leaf-hash",
                &h6,
            ],
        ),
        (
            1,
            &["range-witness.qmp", "--leaf-hash", &h5, "--leaf-hash", &h7],
        ),
        (1, &["range-witness.qmp", "--leaf-hash", &h5]),
        (1, &["range-witness.qmp", "--to", "6"]),
        (2, &["range-witness.qmp", "--old-head", "small.json"]),
        (2, &["range-witness.qmp", "--tx-num", "5", "--tx-num", "6"]),
        (0, &["pair.qmp", "--leaf-hash", &h7, "--leaf-hash", &h20]),
        (
            0,
            &[
                "pair.qmp",
                "--leaf-hash",
                &h7,
                "--leaf-hash",
                &h20,
                "--tx-num",
                "7",
                "--tx-num",
                "20",
            ],
        ),
        (
            1,
            &[
                "pair.qmp",
                "--leaf-hash",
                &h7,
                "--leaf-hash",
                &h20,
                "--tx-num",
                "7",
            ],
        ),
        (
            1,
            &[
                "pair.qmp",
                "--leaf-hash",
                &h7,
                "--leaf-hash",
                &h20,
                "--tx-num",
                "7",
                "--tx-num",
                "21",
            ],
        ),
        (
            2,
            &[
                "pair.qmp",
                "--leaf-hash",
                &h7,
                "--leaf-hash",
                &h20,
                "--to",
                "21",
            ],
        ),
        (
            2,
            &[
                "pair.qmp",
                "--leaf-hash",
                &h7,
                "--leaf-hash",
                &h20,
                "--old-head",
                "small.json",
            ],
        ),
    ];
    for (code, args) in cases {
        let (found, error) = run(args);
        assert_eq!(found, code, "{args:?}: {error}");
    }
    let (_, error) = run(&["one.qmp", "--leaf-hash", &h5, "--to", "6"]);
    assert!(
        error.contains("one.qmp: --to is not for proofs of kind inclusion"),
        "{error}"
    );
    let (_, error) = run(&["range-witness.qmp", "--tx-num", "5", "--tx-num", "6"]);
    assert!(
        error.contains("proofs of kind rangeWitness take --tx-num only once"),
        "{error}"
    );

    let consistency = [
        "verify",
        "--head",
        "head.json",
        "--old-head",
        "old-head.json",
    ];
    for option in [["--tx-num", "5"], ["--to", "6"], ["--leaf-hash", &h5]] {
        let args = [&consistency[..], &option, &["consistency.qmp"]].concat();
        assert_eq!(
            qm(folder.path(), &args).status.code(),
            Some(2),
            "{option:?}"
        );
    }
    let witness = ["verify", "--head", "head.json", "tx.qmp"];
    for option in [["--to", "6"], ["--old-head", "old-head.json"]] {
        let args = [&witness[..], &option].concat();
        assert_eq!(
            qm(folder.path(), &args).status.code(),
            Some(2),
            "{option:?}"
        );
    }
    let proof = fs::read(folder.path().join("tx.qmp")).unwrap();
    let leaf_hash = Witness::from_bytes(&proof)
        .unwrap()
        .leaf()
        .hash(&Profile::Keccak256);
    let leaf_hash = leaf_hash.to_string();
    let all = [
        &witness[..],
        &["--tx-num", "33333", "--leaf-hash", &leaf_hash],
    ]
    .concat();
    assert_eq!(qm(folder.path(), &all).status.code(), Some(0));
    let twice = [&all[..], &["--leaf-hash", &leaf_hash]].concat();
    assert_eq!(qm(folder.path(), &twice).status.code(), Some(2));
}

#[test]
fn files_beyond_the_limits_are_refused_and_not_cut() {
    let folder = demo("keccak");
    let sparse = |name: &str, start: &[u8], len: u64| {
        let mut file = fs::File::create(folder.path().join(name)).unwrap();
        file.write_all(start).unwrap();
        file.set_len(len).unwrap();
    };
    sparse("large.json", b"{", (16 << 20) + 1);
    sparse("large.qmp", b"QMPF", (1 << 30) + 1);
    let proof = fs::read(folder.path().join("tx.qmp")).unwrap();
    let proof = serde_json::to_vec(&Proof::from_bytes(&proof).unwrap()).unwrap();
    write(&folder.path().join("tx.json"), &proof);
    // Just as long as allowed, with blanks behind it.
    let mut padded = proof.clone();
    padded.resize(16 << 20, b' ');
    write(&folder.path().join("padded.json"), &padded);
    padded.push(b' ');
    write(&folder.path().join("over.json"), &padded);
    let binary = "larger than 1 GiB, the limit for binary proofs";
    let json = "larger than 16 MiB, the limit for JSON";
    for (head, proof, code, reason) in [
        ("head.json", "tx.json", 0, ""),
        ("head.json", "padded.json", 0, ""),
        ("head.json", "over.json", 2, json),
        ("head.json", "large.json", 2, json),
        ("head.json", "large.qmp", 2, binary),
        ("large.qmp", "tx.json", 2, json),
    ] {
        let output = qm(folder.path(), &["verify", "--head", head, proof]);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{head} {proof}: {error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_held_to_the_same_limit() {
    let folder = demo("keccak");
    let mut child = Command::new(env!("CARGO_BIN_EXE_qm"))
        .current_dir(folder.path())
        .args(["verify", "--head", "head.json", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut long = vec![b' '; (16 << 20) + 1];
    long[0] = b'{';
    // The other side may stop reading as soon as it has seen enough.
    let _ = child.stdin.take().unwrap().write_all(&long);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("larger than 16 MiB"));
}

#[test]
fn a_reader_that_goes_away_changes_no_exit_code() {
    let folder = demo("keccak");
    for (code, args) in [
        (0, &["demo", "--out", "again"][..]),
        (0, &["verify", "--head", "head.json", "tx.qmp"]),
        (0, &["verify", "--json", "--head", "head.json", "tx.qmp"]),
        (
            1,
            &["verify", "--json", "--head", "head.json", "forged.qmp"],
        ),
        (
            2,
            &["verify", "--json", "--head", "head.json", "no-such.qmp"],
        ),
        (0, &["--help"]),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_qm"))
            .current_dir(folder.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(!error.contains("panicked"), "{args:?}: {error}");
    }
}

#[test]
fn each_demonstration_has_a_new_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_qm"))
            .env("TMPDIR", temporary.path())
            .arg("demo")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let stdout = text(&output.stdout);
        let last = stdout.lines().last().unwrap();
        last.strip_prefix("The files stay in ").unwrap().to_owned()
    };
    let (one, other) = (run(), run());
    assert_ne!(one, other);
    for folder in [one, other] {
        assert!(Path::new(&folder).join("tx.qmp").exists());
    }
}

#[test]
fn valid_proofs_exit_with_0() {
    for profile in ["keccak", "blake3"] {
        let folder = demo(profile);
        for proof in ["tx.qmp", "block.qmp"] {
            let output = qm(folder.path(), &["verify", "--head", "head.json", proof]);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{proof}: {}",
                text(&output.stderr)
            );
            assert!(text(&output.stdout).starts_with("VALID"), "{proof}");
        }
        let at_old_head = ["verify", "--head", "old-head.json", "tx-old.qmp"];
        assert_eq!(qm(folder.path(), &at_old_head).status.code(), Some(0));
        let consistency = [
            "verify",
            "--head",
            "head.json",
            "--old-head",
            "old-head.json",
            "consistency.qmp",
        ];
        assert_eq!(qm(folder.path(), &consistency).status.code(), Some(0));
    }
}

#[test]
fn invalid_proofs_exit_with_1_and_say_why() {
    let folder = demo("keccak");
    write_more_proofs(folder.path());
    let other = format!("0x{}", "11".repeat(32));
    let cases: [(&[&str], &str); 12] = [
        (
            &["--head", "head.json", "--leaf-hash", &other, "tx.qmp"],
            "leaf 33333 has hash 0x",
        ),
        (
            &["--head", "head.json", "--leaf-hash", &other, "block.qmp"],
            "the proof covers 200 leaves, not 1",
        ),
        (
            &["--head", "head.json", "--to", "50199", "block.qmp"],
            "the proof ends before leaf 50200, not before leaf 50199",
        ),
        (
            &["--head", "head.json", "--tx-num", "50001", "block.qmp"],
            "about leaf 50000, not 50001",
        ),
        (
            &["--head", "head.json", "--leaf-hash", &other, "set.qmp"],
            "the proof covers 100 leaves, not 1",
        ),
        (
            &[
                "--head",
                "head.json",
                "--leaf-hash",
                &other,
                "--tx-num",
                "0",
                "pair.qmp",
            ],
            "the proof covers 2 leaves, not 1",
        ),
        (
            &[
                "--head",
                "head.json",
                "--leaf-hash",
                &other,
                "--leaf-hash",
                &other,
                "--tx-num",
                "0",
                "pair.qmp",
            ],
            "the proof covers 2 leaves, not 1",
        ),
        (
            &[
                "--head",
                "head.json",
                "--leaf-hash",
                &other,
                "--leaf-hash",
                &other,
                "--tx-num",
                "0",
                "--tx-num",
                "8",
                "pair.qmp",
            ],
            "about leaf 7, not 0",
        ),
        (
            &["--head", "head.json", "forged.qmp"],
            "the proof leads to root 0x",
        ),
        (
            &["--head", "old-head.json", "tx.qmp"],
            "the proof is for a tree of 100000 leaves",
        ),
        (
            &["--head", "head.json", "--tx-num", "5", "tx.qmp"],
            "about leaf 33333, not 5",
        ),
        (
            &[
                "--head",
                "old-head.json",
                "--old-head",
                "head.json",
                "consistency.qmp",
            ],
            "the proof is for a tree of",
        ),
    ];
    for (args, reason) in cases {
        let output = qm(folder.path(), &[&["verify"], args].concat());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(
            error.contains("INVALID") && error.contains(reason),
            "{args:?}: {error}"
        );
    }
}

#[test]
fn what_cannot_be_checked_exits_with_2_and_names_the_file() {
    let folder = demo("keccak");
    let write = |name: &str, bytes: &[u8]| write(&folder.path().join(name), bytes);
    let proof = fs::read(folder.path().join("tx.qmp")).unwrap();
    write("short.qmp", &proof[..100]);
    write("long.qmp", &[&proof[..], &[0]].concat());
    write("empty.qmp", b"");
    write("text.qmp", b"{\"kind\": \"inclusion\"}");
    write("head-of-nothing.json", b"{}");
    let cases: [(&[&str], &str); 8] = [
        (
            &["--head", "head.json", "short.qmp"],
            "short.qmp: not a proof: cut short at byte",
        ),
        (
            &["--head", "head.json", "long.qmp"],
            "1 bytes too many, from byte 695",
        ),
        (&["--head", "head.json", "empty.qmp"], "cut short at byte 0"),
        (
            &["--head", "head.json", "text.qmp"],
            "text.qmp: not a proof: missing field",
        ),
        (
            &["--head", "head-of-nothing.json", "tx.qmp"],
            "head-of-nothing.json: not a head (JSON as in docs/FORMAT.md, section 2): missing field",
        ),
        (
            &["--head", "no-such.json", "tx.qmp"],
            "no-such.json: cannot read",
        ),
        (
            &["--head", "head.json", "set.qmp"],
            "give their hashes with --leaf-hash",
        ),
        (
            &["--head", "head.json", "consistency.qmp"],
            "needs the older head: --old-head",
        ),
    ];
    for (args, reason) in cases {
        let output = qm(folder.path(), &[&["verify"], args].concat());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(reason), "{args:?}: {error}");
    }
    assert_eq!(qm(folder.path(), &["verify"]).status.code(), Some(2));
    assert_eq!(
        qm(folder.path(), &["no-such-command"]).status.code(),
        Some(2)
    );
}

#[test]
fn json_verdicts_are_one_object_with_what_was_proved() {
    let folder = demo("keccak");
    write_more_proofs(folder.path());
    let verdict = |code: i32, args: &[&str]| -> Value {
        let output = qm(folder.path(), &[&["verify", "--json"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let head: Value =
        serde_json::from_slice(&fs::read(folder.path().join("head.json")).unwrap()).unwrap();
    for (proof, valid) in [("tx.qmp", true), ("forged.qmp", false)] {
        let found = verdict(i32::from(!valid), &["--head", "head.json", proof]);
        assert_eq!(found["valid"], valid);
        assert_eq!(found["kind"], "witness");
        assert_eq!(found["headHash"], head["headHash"]);
        assert_eq!(found["txNum"], 33333);
        assert_eq!(found["leafCount"], 100_000);
        assert_eq!(found.get("error").is_some(), !valid);
        assert_eq!(found.get("statement").is_some(), valid);
    }
    let found = verdict(0, &["--head", "small.json", "range-witness.qmp"]);
    assert_eq!([&found["from"], &found["to"]], [5, 7]);
    let other = format!("0x{}", "11".repeat(32));
    let pair = ["--leaf-hash", &other, "--leaf-hash", &other, "pair.qmp"];
    let found = verdict(1, &[&["--head", "small.json"], &pair[..]].concat());
    assert_eq!(found["txNums"], serde_json::json!([7, 20]));
    assert_eq!(found["leafCount"], 1000);
    let old = ["--old-head", "old-head.json", "consistency.qmp"];
    let found = verdict(0, &[&["--head", "head.json"], &old[..]].concat());
    assert_eq!(
        [&found["oldLeafCount"], &found["leafCount"]],
        [50_200, 100_000]
    );

    for args in [
        &["--head", "head.json", "no-such.qmp"][..],
        &["--head", "no-such.json", "tx.qmp"],
        &["--head", "head.json", "head.json"],
        &["--head", "head.json", "consistency.qmp"],
        &["--head", "head.json", "--to", "5", "tx.qmp"],
        &["--head", "head.json", "--to", "five", "tx.qmp"],
        &["--head", "head.json"],
    ] {
        let found = verdict(2, args);
        assert_eq!(found["valid"], false);
        assert!(!found["error"].as_str().unwrap().is_empty());
        assert_eq!(found.as_object().unwrap().len(), 2, "{found}");
    }
}
