//! `qm replay`, `qm prove-range`, `qm verify-range`, `qm worker`, on three blocks of the
//! development chain.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_consensus::{Block, Signed, TxEnvelope, TxLegacy};
use alloy_primitives::{Bytes, Signature};
use alloy_rlp::Decodable as _;
use common::{Ran, Workspace};
use serde_json::Value;
use std::path::Path;

const FIRST: u64 = 207;
const LAST: u64 = 209;

fn file(number: u64) -> String {
    testdata(&format!("witness/devchain-{number}.json"))
}

fn testdata(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(name);
    path.into_os_string().into_string().unwrap()
}

fn genesis() -> &'static str {
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/devchain/genesis.json"
    )
}

/// A database with the whole development chain, leaves of scheme read-set/1.
fn devchain(space: &Workspace) {
    let chain = testdata("devchain/chain.rlp");
    let run = [
        "run",
        "--db",
        "db",
        "--scheme",
        "read-set",
        "--durability",
        "buffered",
    ];
    let args: Vec<&str> = run
        .into_iter()
        .chain(["--genesis", genesis(), &chain])
        .collect();
    space.ok(&args);
}

fn files() -> Vec<String> {
    (FIRST..=LAST).map(file).collect()
}

/// A command with files behind it.
fn with<'a>(args: &[&'a str], files: &'a [String]) -> Vec<&'a str> {
    let rules = ["--genesis", genesis()];
    args.iter()
        .copied()
        .chain(rules)
        .chain(files.iter().map(String::as_str))
        .collect()
}

fn replay(space: &Workspace, args: &[&str], files: &[String]) -> Value {
    let args: Vec<&str> = ["replay", "--json"].iter().chain(args).copied().collect();
    space.ok(&with(&args, files)).json()
}

fn prove(space: &Workspace, args: &[&str], files: &[String]) -> Value {
    let start = ["prove-range", "--json", "--backend"];
    let args: Vec<&str> = start.iter().chain(args).copied().collect();
    space.ok(&with(&args, files)).json()
}

/// Looks at standard output.
fn prints(ran: &Ran, text: &str) {
    assert!(ran.out.contains(text), "{} without {text:?}", ran.out);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn replay_shows_what_run_appends() {
    let (space, files) = (Workspace::new(), files());
    devchain(&space);
    let shown = replay(&space, &["--db", "db"], &files);
    let inputs = &shown["publicInputs"];
    let head = |block: &str| {
        space
            .ok(&["head", "--db", "db", "--block", block, "--json"])
            .json()
    };
    assert_eq!(inputs["headBefore"], head("206"));
    assert_eq!(inputs["headAfter"], head("209"));
    assert_eq!(shown["blocks"][1]["head"], head("208"));
    assert_eq!(inputs["firstBlock"], FIRST);
    assert_eq!(inputs["lastBlock"], LAST);
    assert_eq!(inputs["claims"], 0);
    assert_eq!(inputs["witness"], "execution");
    assert_eq!(shown["blocks"].as_array().unwrap().len(), 3);
    let plain = space.ok(&with(&["replay", "--db", "db"], &files));
    prints(&plain, "block 208: ");
    prints(&plain, text(&inputs["statement"]));
    // A full trace makes another log, and so does an empty one.
    let traced = replay(&space, &["--trace", "full", "--db", "db"], &files);
    assert_ne!(traced["publicInputs"]["headAfter"], inputs["headAfter"]);
    let empty = replay(&space, &[], &files);
    assert_eq!(empty["publicInputs"]["headBefore"]["leafCount"], 0);
    assert_eq!(
        empty["publicInputs"]["lastBlockHash"],
        inputs["lastBlockHash"]
    );
}

#[test]
fn replay_refuses_what_does_not_follow() {
    let (space, files) = (Workspace::new(), files());
    for list in [
        vec![files[0].clone(), files[2].clone()],
        vec![files[1].clone(), files[0].clone()],
        vec![files[0].clone(), files[0].clone()],
    ] {
        let ran = space.run(&with(&["replay"], &list)).exits(1);
        ran.says("the number of a block is");
    }
    space
        .run(&["replay", "no-such-file.json"])
        .exits(2)
        .says("no-such-file.json");
    space.write("other.json", b"{\"format\":\"something/1\"}");
    space
        .run(&["replay", "other.json"])
        .exits(2)
        .says("eth-witness/1");
    space
        .run(&with(&["replay", "--db", "nothing"], &files))
        .exits(2)
        .says("nothing");
}

/// A file whose block may take more gas than is executed from a witness.
#[test]
fn gas_that_nobody_has_is_refused_by_every_command() {
    let space = Workspace::new();
    let mut witness: Value =
        serde_json::from_str(&std::fs::read_to_string(file(FIRST)).unwrap()).unwrap();
    let bytes: Bytes = serde_json::from_value(witness["block"].take()).unwrap();
    let mut block = Block::<TxEnvelope>::decode(&mut bytes.as_ref()).unwrap();
    block.header.gas_limit = u64::MAX;
    let tx = TxLegacy {
        gas_limit: 1 << 32,
        ..TxLegacy::default()
    };
    let signed = Signed::new_unhashed(tx, Signature::test_signature());
    block.body.transactions.push(TxEnvelope::from(signed));
    witness["block"] = serde_json::to_value(Bytes::from(alloy_rlp::encode(&block))).unwrap();
    space.write("hostile.json", witness.to_string().as_bytes());
    let hostile = [String::from("hostile.json")];
    for args in [
        &["replay"][..],
        &["prove-range", "--backend", "exec", "-o", "p.seg"],
        &["run", "--witness", "--db", "db"],
        &["run", "--witness", "--isolated", "--db", "db"],
    ] {
        let ran = space.run(&with(args, &hostile)).exits(2);
        ran.says("the transactions of block 207 may take 429");
    }
}

#[test]
fn a_proof_by_re_execution_is_verified_for_what_is_expected() {
    let (space, files) = (Workspace::new(), files());
    let made = prove(&space, &["exec", "-o", "p.seg"], &files);
    assert_eq!(made["backend"], "exec");
    assert_eq!(made["trust"], "none");
    let inputs = &made["publicInputs"];
    let last = text(&inputs["lastBlockHash"]);
    let run = |more: &[&str]| {
        let last: Vec<&str> = ["--last-hash", last].iter().chain(more).copied().collect();
        space.run(&verify_empty(&last))
    };
    // Not by default.
    run(&[])
        .exits(1)
        .says("trust class none, which the policy does not accept");
    let valid = run(&["--accept", "none"]).exits(0);
    prints(&valid, "VALID exec proof, trust class none");
    prints(
        &valid,
        "compared:             chain, rules, head before, program, claims, last hash",
    );
    prints(
        &valid,
        "taken from the proof: hash profile and leaf scheme, blocks, trace mode, parent hash",
    );
    valid.says("nobody said how much the leaves commit to (--trace)");
    let told = run(&[
        "--accept", "none", "--blocks", "207..209", "--trace", "outcome",
    ])
    .exits(0);
    prints(&told, "blocks, trace mode, last hash");
    for trace in ["full", "flat"] {
        let ran = run(&["--accept", "none", "--trace", trace]).exits(1);
        ran.says(&format!("the trace mode is outcome, not {trace}"));
    }
    let verdict = run(&["--accept", "none", "--json"]).exits(0).json();
    assert_eq!(verdict["valid"], true);
    assert_eq!(verdict["publicInputs"], *inputs);
    // Off by one at either end, another parent, another program.
    for blocks in ["206..209", "208..209", "207..208", "207..210"] {
        let ran = run(&["--accept", "none", "--blocks", blocks]).exits(1);
        ran.says("INVALID");
    }
    let wrong = format!("0x{}", "11".repeat(32));
    for option in ["--parent-hash", "--program-id"] {
        let ran = run(&["--accept", "none", option, &wrong]).exits(1);
        ran.says("INVALID");
    }
    let other = verify_empty(&["--accept", "none", "--last-hash", &wrong]);
    space
        .run(&other)
        .exits(1)
        .says("the hash of the last block");
    // Another chain, and the right one under other rules.
    let other = ["verify-range", "--empty", "17000", "--json", "p.seg"];
    let verdict = space.run(&other).exits(1).json();
    assert_eq!(verdict["valid"], false);
    assert!(text(&verdict["error"]).contains("the chain id is 20260, not 17000"));
    let rules = std::fs::read_to_string(genesis()).unwrap();
    let rules = rules.replacen("\"bpo2Time\": ", "\"bpo2Time\": 1", 1);
    space.write("other.json", rules.as_bytes());
    let start = [
        "verify-range",
        "--accept",
        "none",
        "--empty",
        "20260",
        "p.seg",
    ];
    let other: Vec<&str> = start
        .into_iter()
        .chain(["--genesis", "other.json"])
        .collect();
    space.run(&other).exits(1).says("the digest of the rules");
    // Without a head there is nothing to start from, and without rules nothing to execute by.
    space.run(&["verify-range", "p.seg"]).exits(2);
    let without = ["verify-range", "--empty", "20260", "p.seg"];
    space.run(&without).exits(2).says("--genesis");
}

#[test]
fn a_proof_that_continues_a_log_needs_its_head() {
    let (space, files) = (Workspace::new(), files());
    devchain(&space);
    let head = |block: &str| {
        space
            .ok(&["head", "--db", "db", "--block", block, "--json"])
            .json()
    };
    space.write("206.json", head("206").to_string().as_bytes());
    space.write("207.json", head("207").to_string().as_bytes());
    prove(&space, &["exec", "--db", "db", "-o", "p.seg"], &files);
    let verify = |head: &str| {
        let start = [
            "verify-range",
            "--accept",
            "none",
            "--json",
            "--genesis",
            genesis(),
        ];
        let args: Vec<&str> = start.into_iter().chain(["--head", head, "p.seg"]).collect();
        space.run(&args)
    };
    let verdict = verify("206.json").exits(0).json();
    assert_eq!(verdict["publicInputs"]["headAfter"], head("209"));
    verify("207.json").exits(1).says("the head before");
    let empty = verify_empty(&["--accept", "none"]);
    space.run(&empty).exits(1).says("the head before");
    // The same from the same.
    prove(&space, &["exec", "--db", "db", "-o", "again.seg"], &files);
    assert_eq!(space.read("p.seg"), space.read("again.seg"));
}

/// `qm verify-range` of a proof that starts an empty log of the development chain.
fn verify_empty<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let start = ["verify-range", "--genesis", genesis(), "--empty", "20260"];
    start
        .into_iter()
        .chain(more.iter().copied())
        .chain(["p.seg"])
        .collect()
}

#[test]
fn a_mock_is_accepted_by_nobody() {
    let (space, files) = (Workspace::new(), files());
    prove(&space, &["mock", "-o", "p.seg"], &files[..1]);
    for accept in ["none", "external", "hardware"] {
        let ran = space.run(&verify_empty(&["--accept", accept])).exits(1);
        ran.says("backend \"mock\" is of trust class none");
    }
}

#[test]
fn a_worker_proves_and_its_word_is_external() {
    let (space, files) = (Workspace::new(), files());
    let qm = env!("CARGO_BIN_EXE_qm");
    let worker = ["--worker", qm, "--worker-arg", "worker"];
    let start = ["process", "-o", "p.seg"];
    let args: Vec<&str> = start.iter().chain(&worker).copied().collect();
    let made = prove(&space, &args, &files[..1]);
    assert_eq!(made["backend"], "exec-worker");
    assert_eq!(made["trust"], "external");
    let id = text(&made["publicInputs"]["programId"]);
    let verify = |more: &[&str]| {
        let program: Vec<&str> = ["--program-id", id].iter().chain(more).copied().collect();
        space.run(&verify_empty(&program))
    };
    verify(&[]).exits(2).says("no verifier for backend");
    verify(&worker).exits(1).says("trust class external");
    let accepted: Vec<&str> = worker.into_iter().chain(["--accept", "external"]).collect();
    let valid = verify(&accepted).exits(0);
    prints(&valid, "VALID exec-worker proof, trust class external");
    let ran = space.run(&verify_empty(&[])).exits(2);
    ran.says("--program-id");
}

#[test]
fn workers_that_are_none_are_named() {
    let (space, files) = (Workspace::new(), files());
    let run = |args: &[&str]| {
        let start = ["prove-range", "-o", "p.seg"];
        let args: Vec<&str> = start.iter().chain(args).copied().collect();
        space.run(&with(&args, &files[..1]))
    };
    run(&["--backend", "process"])
        .exits(2)
        .says("--backend process needs --worker");
    run(&["--backend", "exec", "--worker", "/bin/true"]).exits(2);
    run(&["--backend", "process", "--worker", "true"])
        .exits(2)
        .says("not the absolute path of a program");
    run(&["--backend", "process", "--worker", "/bin/true"])
        .exits(2)
        .says("ended without an answer");
    // It says what it is told.
    run(&["--backend", "process", "--worker", "/bin/cat"])
        .exits(2)
        .says("the worker's answer is none");
    // One that says nothing has as long as the proof has.
    let mute = ["--worker", "/bin/sleep", "--worker-arg", "600"];
    let limits: [(&[&str], &str); 5] = [
        (&["--timeout", "1"], "not done after 1000 ms"),
        (&["--timeout", "0"], "nothing is done in no time"),
        (&["--timeout", "soon"], "expected a number of seconds"),
        (
            &["--worker-memory", "0"],
            "a worker without memory cannot start",
        ),
        (&["--worker-memory", "much"], "expected a number of MiB"),
    ];
    for (limit, text) in limits {
        let args = [&["--backend", "process"], &mute[..], limit].concat();
        run(&args).exits(2).says(text);
    }
    run(&["--backend", "exec", "--format", "groth16"])
        .exits(2)
        .says("does not support");
    assert!(
        space
            .files_in("")
            .iter()
            .all(|file| !file.contains("p.seg"))
    );
}

#[test]
fn damaged_proofs_are_refused() {
    let (space, files) = (Workspace::new(), files());
    prove(&space, &["exec", "-o", "good.seg"], &files[..1]);
    let good = space.read("good.seg");
    let verify = verify_empty(&["--accept", "none"]);
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        space.write("p.seg", &bytes);
        let code = space.run(&verify).code.unwrap();
        assert!([1, 2].contains(&code), "byte {at}: {code}");
    }
    for len in [0, 1, 33, good.len() / 2, good.len() - 1] {
        space.write("p.seg", &good[..len]);
        let ran = space.run(&verify).exits(2);
        ran.says("p.seg: not a proof about blocks");
    }
}

#[test]
fn the_input_of_a_program_can_be_written() {
    let (space, files) = (Workspace::new(), files());
    let id = format!("0x{}", "22".repeat(32));
    let args = [
        "--name",
        "sp1",
        "--program-id",
        &id,
        "--write-input",
        "input.bin",
    ];
    let shown = replay(&space, &args, &files);
    assert_eq!(shown["publicInputs"]["programId"], id);
    let input = space.read("input.bin");
    assert_eq!(input[..5], *b"QMRI\x02");
    let small = replay(&space, &[], &files);
    assert_ne!(
        small["publicInputs"]["statement"],
        shown["publicInputs"]["statement"]
    );
    assert_eq!(
        small["publicInputs"]["headAfter"],
        shown["publicInputs"]["headAfter"]
    );
}
