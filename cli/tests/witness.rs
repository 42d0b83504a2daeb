//! `qm run --witness`: real blocks, executed from their witnesses.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, Bytes, keccak256};
use common::Workspace;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A file of real data; nothing, said aloud, if there is none.
fn data(name: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        println!("skipped: QMTREE_DATA is not set, so {name} cannot be executed");
        return None;
    };
    let path = Path::new(&data).join(name);
    assert!(path.exists(), "{} is not there", path.display());
    Some(path)
}

fn witnesses(names: &[&str]) -> Option<Vec<String>> {
    let path = |name: &&str| {
        let path = data(&format!("witnesses/{name}.json.zst"))?;
        Some(path.into_os_string().into_string().unwrap())
    };
    names.iter().map(path).collect()
}

fn run<'a>(options: &[&'a str], files: &'a [String]) -> Vec<&'a str> {
    let start = ["run", "--witness", "--db", "db"].iter().chain(options);
    start
        .copied()
        .chain(files.iter().map(String::as_str))
        .collect()
}

fn read(file: &str) -> Value {
    let text = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn every_witness_executes_into_a_log_of_its_own() {
    let Some(folder) = data("witnesses") else {
        return;
    };
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut files: Vec<String> = files
        .map(|file| file.to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let space = Workspace::new();
    let ran = space.ok(&run(
        &["--isolated", "--json", "--durability", "buffered"],
        &files,
    ));
    let lines = ran.lines_json();
    assert_eq!(lines.len(), files.len());
    for line in &lines {
        assert_eq!(line["ok"], true, "{line}");
        assert_eq!(line["firstTxNum"], 0);
        assert_eq!(line["lastTxNum"], line["txs"].as_u64().unwrap() + 1);
    }
    let notes = |what: &str| ran.error.lines().filter(|line| line.contains(what)).count();
    assert_eq!(notes("the state root before it"), 3);
    assert_eq!(notes("hashes of earlier blocks"), 3);
}

#[test]
fn consecutive_blocks_go_into_one_log_and_a_run_can_be_repeated() {
    let names = [
        "holesky-2971844",
        "holesky-2971845",
        "holesky-2971846",
        "holesky-2971847",
    ];
    let Some(files) = witnesses(&names) else {
        return;
    };
    let space = Workspace::new();
    let first = space.ok(&run(&["--json"], &files[..2])).lines_json();
    assert_eq!(first[1]["firstTxNum"], 44);
    let all = space.ok(&run(&["--json"], &files)).lines_json();
    assert_eq!(all[..2], first);
    assert_eq!(all[3]["lastTxNum"], 44 + 26 + 11 + 24 - 1);
    let head = space.ok(&["head", "--db", "db", "--json"]).json();
    assert_eq!(head["root"], all[3]["root"]);
    assert_eq!(head["scheme"], "read-set/1");
    let text = space.ok(&run(&[], &files)).out;
    assert!(
        text.contains("(in the log already)") && text.contains("4 blocks hold"),
        "{text}"
    );
}

#[test]
fn a_block_has_the_same_leaves_from_its_witness_and_from_its_pre_state() {
    let Some(witness) = witnesses(&["mainnet-1150000"]) else {
        return;
    };
    let block = data("blocks/mainnet-1150000.json.zst").unwrap();
    let space = Workspace::new();
    let from_witness = space.ok(&run(&["--json"], &witness)).json();
    let block = block.to_str().unwrap();
    let read_set = ["run", "--scheme", "read-set", "--db", "other"];
    let from_state = space
        .ok(&[&read_set[..], &["--json", block]].concat())
        .json();
    assert_eq!(from_witness["root"], from_state["root"]);
}

#[test]
fn what_a_witness_lacks_is_named_and_the_log_stays_where_it_was() {
    let Some(files) = witnesses(&["mainnet-1149999", "mainnet-1150000"]) else {
        return;
    };
    let space = Workspace::new();
    let whole = read(&files[1]);
    let before = space.ok(&run(&["--json"], &files[..1])).json();
    for index in [0, 5, 80, 161] {
        let mut fewer = whole.clone();
        let node = fewer["witness"]["state"]
            .as_array_mut()
            .unwrap()
            .remove(index);
        let node: Bytes = node.as_str().unwrap().parse().unwrap();
        space.write("fewer.json", fewer.to_string().as_bytes());
        let ran = space.run(&run(&["--json"], &["fewer.json".to_owned()]));
        let ran = ran
            .exits(2)
            .says(&format!("node {} is not in the witness", keccak256(node)));
        let line = ran.json();
        assert_eq!(line["ok"], false);
        assert_eq!(line["blockNumber"], 1_150_000);
        assert_eq!(line["root"], before["root"]);
    }
    let without = |change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        space.write("changed.json", changed.to_string().as_bytes());
        space.run(&run(&[], &["changed.json".to_owned()]))
    };
    without(&|file| {
        file["witness"]["headers"] = Value::Array(Vec::new());
        file["preStateRoot"] = Value::Null;
    })
    .exits(2)
    .says("the parent's header, 0x")
    .says("is not in the witness");
    without(&|file| file["preStateRoot"] = B256::ZERO.to_string().into())
        .exits(2)
        .says("the state root before the block is claimed to be 0x0000");
    without(&|file| file["format"] = "eth-block-prestate/1".into())
        .exits(2)
        .says("files of other formats run without --witness");
    without(&|file| file["gasUsed"] = 5.into())
        .exits(2)
        .says("field gasUsed is 5");
    space.ok(&run(&[], &files[1..]));
}

/// An account that only the withdrawals of a block need: alloy's executor blames the block for it.
#[test]
fn a_missing_account_of_a_withdrawal_is_no_flaw_of_the_block() {
    let Some(files) = witnesses(&["holesky-2971844"]) else {
        return;
    };
    let space = Workspace::new();
    let whole = read(&files[0]);
    let count = whole["witness"]["state"].as_array().unwrap().len();
    let mut refused = 0;
    for index in 0..count {
        let mut fewer = whole.clone();
        let node = fewer["witness"]["state"]
            .as_array_mut()
            .unwrap()
            .remove(index);
        let node: Bytes = node.as_str().unwrap().parse().unwrap();
        space.write("fewer.json", fewer.to_string().as_bytes());
        let ran = space.run(&run(&["--isolated"], &["fewer.json".to_owned()]));
        if !ran.error.contains("not in the witness") {
            ran.exits(0);
            continue;
        }
        refused += 1;
        ran.exits(2).says(&keccak256(node).to_string());
    }
    assert!(refused > count / 2, "{refused} of {count}");
}

#[test]
fn a_block_with_another_state_root_is_refused_as_a_block() {
    let Some(files) = witnesses(&["mainnet-1150001"]) else {
        return;
    };
    let space = Workspace::new();
    let mut file = read(&files[0]);
    let root = file["postStateRoot"]
        .as_str()
        .unwrap()
        .trim_start_matches("0x")
        .to_owned();
    let block = file["block"].as_str().unwrap();
    assert!(block.contains(&root));
    let wrong = format!("{:0>64}", "1");
    file["block"] = block.replace(&root, &wrong).into();
    file["postStateRoot"] = format!("0x{wrong}").into();
    space.write("wrong.json", file.to_string().as_bytes());
    let ran = space.run(&run(&[], &["wrong.json".to_owned()]));
    ran.exits(1).says("stateRoot").says(&root);
}

#[test]
fn a_chain_of_ones_own_runs_from_witnesses_and_its_rules() {
    let testdata = |name: &str| format!("{}/../testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    let genesis = testdata("devchain/genesis.json");
    let files = [207, 208, 209].map(|number| testdata(&format!("witness/devchain-{number}.json")));
    let space = Workspace::new();
    let lines = space
        .ok(&run(&["--json", "--genesis", &genesis], &files))
        .lines_json();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["ok"] == true), "{lines:?}");
    // Without the rules nothing is executed, and no database is made.
    let alone = Workspace::new();
    alone.run(&run(&[], &files)).exits(2).says("20260");
    assert!(!alone.path("db").exists());
    // Files that bring their state go into databases of their own, without a genesis.
    let again = [
        "run",
        "--db",
        "db",
        "--isolated",
        "--genesis",
        &genesis,
        &files[0],
    ];
    space.run(&again).exits(2).says("--isolated");
}
