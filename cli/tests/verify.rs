//! `qm demo` and `qm verify` as a user runs them: what they print and how they exit.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
    let cases: [(&[&str], &str); 4] = [
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
    let write = |name: &str, bytes: &[u8]| {
        std::io::Write::write_all(
            &mut fs::File::create(folder.path().join(name)).unwrap(),
            bytes,
        )
        .unwrap();
    };
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
            "head-of-nothing.json: not a head",
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
fn json_verdicts_are_one_object() {
    let folder = demo("keccak");
    for (proof, valid) in [("tx.qmp", true), ("forged.qmp", false)] {
        let output = qm(
            folder.path(),
            &["verify", "--json", "--head", "head.json", proof],
        );
        let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdict["valid"], valid);
        assert_eq!(verdict["kind"], "witness");
        let head = fs::read(folder.path().join("head.json")).unwrap();
        let head: serde_json::Value = serde_json::from_slice(&head).unwrap();
        assert_eq!(verdict["headHash"], head["headHash"]);
    }
}
