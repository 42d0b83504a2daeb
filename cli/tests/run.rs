//! `qm run`, on blocks made by hand, and on real ones where QMTREE_DATA has them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "../../execution-adapter/tests/common/mod.rs"]
mod handmade;

use alloy_primitives::{Address, hex};
use common::Workspace;
use handmade::{CANCUN, block, call, genesis_json, insert, seal};
use qmtree_execution_adapter::engine::ChainGenesis;
use qmtree_execution_adapter::{ChainSpec, EthBlock, MemoryState, StateScope, recover_senders};
use serde_json::{Value, json};
use std::io::Write as _;

const TO: Address = Address::repeat_byte(0xaa);

/// A block of mainnet that never was, with the state before it.
fn prestate(number: u64, transfers: u64) -> (EthBlock, Value) {
    let chain = ChainSpec::from_chain_id(1).unwrap();
    let mut parent = alloy_consensus::Header {
        gas_limit: 1_000_000,
        ..Default::default()
    };
    parent.number = number - 1;
    let txs = (1..=transfers)
        .map(|value| call(0, TO, value, 21_000))
        .collect();
    let mut block = block(&parent, txs);
    let mut state = MemoryState::new(StateScope::Transactions);
    let senders = recover_senders(&block).unwrap();
    let mut accounts = serde_json::Map::new();
    for sender in &senders {
        insert(&mut state, *sender, &[], &[]);
        accounts.insert(
            sender.to_string(),
            json!({ "balance": "0xde0b6b3a7640000" }),
        );
    }
    seal(&chain, &mut block, state);
    (block.clone(), file(&block, Value::Object(accounts)))
}

fn file(block: &EthBlock, accounts: Value) -> Value {
    json!({
        "format": "eth-block-prestate/1",
        "chainId": 1,
        "number": block.header.number,
        "hash": block.header.hash_slow(),
        "fork": "Frontier",
        "block": hex::encode_prefixed(alloy_rlp::encode(block)),
        "preState": accounts,
    })
}

fn write(space: &Workspace, name: &str, file: &Value) {
    space.write(name, file.to_string().as_bytes());
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn blocks_with_their_state_run_into_logs_of_their_own() {
    let space = Workspace::new();
    write(&space, "a.json", &prestate(7, 3).1);
    write(&space, "b.json", &prestate(100, 0).1);
    let ran = space.ok(&[
        "run",
        "--isolated",
        "--json",
        "--db",
        "logs",
        "a.json",
        "b.json",
    ]);
    let [a, b] = &lines(&ran.out)[..] else {
        panic!("{}", ran.out)
    };
    let keys = [
        "blockNumber",
        "txs",
        "gasUsed",
        "firstTxNum",
        "lastTxNum",
        "root",
        "ok",
    ];
    assert!(
        ran.out
            .starts_with(r#"{"blockNumber":7,"txs":3,"gasUsed":63000,"firstTxNum":1,"#)
    );
    for line in [a, b] {
        let found: Vec<_> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(found.len(), keys.len());
        assert!(keys.iter().all(|key| found.contains(key)), "{found:?}");
        assert_eq!(line["ok"], true);
    }
    assert_eq!((&a["lastTxNum"], &b["lastTxNum"]), (&json!(5), &json!(2)));

    let head = space.ok(&["head", "--db", "logs/mainnet-7", "--json"]).out;
    space.write("head.json", head.as_bytes());
    space.ok(&["prove", "--db", "logs/mainnet-7", "2", "-o", "tx.qmp"]);
    space.ok(&["verify", "--head", "head.json", "tx.qmp"]);

    let again = space.ok(&["run", "--isolated", "--db", "logs", "a.json"]);
    assert!(again.out.contains("in the log already"), "{}", again.out);
}

#[test]
fn a_block_that_does_not_hold_stops_the_run_and_the_ones_before_it_stay() {
    let space = Workspace::new();
    write(&space, "good.json", &prestate(7, 1).1);
    let (mut bad, good_file) = prestate(8, 1);
    bad.header.gas_used += 1;
    write(
        &space,
        "bad.json",
        &file(&bad, good_file["preState"].clone()),
    );
    let ran = space
        .run(&[
            "run",
            "--json",
            "--scheme",
            "read-set",
            "--db",
            "db",
            "good.json",
            "bad.json",
        ])
        .exits(1);
    // The second is not the child of the first, which is looked at first.
    assert!(ran.error.contains("its parent is"), "{}", ran.error);
    let ran = space
        .run(&["run", "--json", "--db", "db", "bad.json"])
        .exits(1);
    assert!(
        ran.error
            .contains("bad.json: block 8: gasUsed is 21000, expected 21001"),
        "{}",
        ran.error
    );
    let [line] = &lines(&ran.out)[..] else {
        panic!("{}", ran.out)
    };
    assert_eq!(
        (&line["ok"], &line["firstTxNum"]),
        (&json!(false), &Value::Null)
    );
    assert!(line["error"].as_str().unwrap().contains("gasUsed"));
    let head: Value =
        serde_json::from_str(&space.ok(&["head", "--db", "db", "--json"]).out).unwrap();
    assert_eq!(
        (&head["blockNumber"], &head["leafCount"]),
        (&json!(7), &json!(3))
    );
    assert_eq!(head["root"], line["root"]);
}

#[test]
fn what_cannot_be_used_is_named() {
    let space = Workspace::new();
    let (block, good) = prestate(7, 1);
    let with = |key: &str, value: Value| {
        let mut file = good.clone();
        file[key] = value;
        file
    };
    let rlp = hex::encode_prefixed(alloy_rlp::encode(&block));
    let cases = [
        (
            with("format", json!("eth-block/9")),
            "\"eth-block/9\" is not one",
        ),
        (with("format", Value::Null), "without a field \"format\""),
        (with("chainId", json!(5)), "block 7: chain id 5 is none of"),
        (
            with("number", json!(8)),
            "field number is 8, and the block says 7",
        ),
        (
            with("txs", json!(2)),
            "field txs is 2, and the block says 1",
        ),
        (
            with("fork", json!("Glamsterdam")),
            "field fork is Glamsterdam",
        ),
        (with("hash", json!("0x12")), "field hash"),
        (with("block", json!("0xc0")), "not the RLP of a block"),
        (
            with("block", json!(rlp.clone() + "00")),
            "1 bytes after the block",
        ),
        (
            with("block", json!(rlp[..rlp.len() - 2])),
            "not the RLP of a block",
        ),
        (with("preState", json!({ "0x11": {} })), "field preState"),
        (
            with("preState", json!({ TO.to_string(): { "balance": "x" } })),
            "balance",
        ),
    ];
    for (file, message) in cases {
        write(&space, "bad.json", &file);
        let ran = space.run(&["run", "--db", "db", "bad.json"]).exits(2);
        assert!(ran.error.contains("bad.json"), "{}", ran.error);
        assert!(ran.error.contains(message), "{message}: {}", ran.error);
    }
    assert!(!space.path("db").exists());

    // A sender without funds: the block is invalid.
    write(&space, "bad.json", &with("preState", json!({})));
    let ran = space.run(&["run", "--db", "db", "bad.json"]).exits(1);
    assert!(
        ran.error.contains("block 7: transaction 0 ("),
        "{}",
        ran.error
    );

    write(&space, "good.json", &good);
    space.ok(&["init", "--db", "other", "--scheme", "read-set"]);
    let ran = space
        .run(&[
            "run",
            "--scheme",
            "state-root",
            "--db",
            "other",
            "good.json",
        ])
        .exits(2);
    assert!(ran.error.contains("state-root/1"), "{}", ran.error);
    space.ok(&["run", "--db", "other", "good.json"]);
    write(&space, "far.json", &prestate(9, 0).1);
    let ran = space
        .run(&["run", "--db", "log", "good.json", "far.json"])
        .exits(2);
    assert!(ran.error.contains("--isolated"), "{}", ran.error);
    space
        .run(&["run", "--db", "log", "nowhere.json"])
        .exits(2)
        .says("nowhere.json");
    space.write("empty", b"");
    for (nothing, bytes) in [("empty", &b""[..]), ("list", b" [ ]\n")] {
        space.write(nothing, bytes);
        for more in [&[][..], &["--witness"]] {
            let run = ["run", "--db", "log", nothing];
            let said = format!("{nothing}: there are no blocks in it");
            space.run(&[&run[..], more].concat()).exits(2).says(&said);
        }
    }
    write(&space, "bad.json", &with("format", json!("eth-witness/1")));
    space
        .run(&["run", "--db", "log", "bad.json"])
        .exits(2)
        .says("runs with --witness");
    let mut short = good.clone();
    short.as_object_mut().unwrap().remove("preState");
    write(&space, "bad.json", &short);
    space
        .run(&["run", "--db", "log", "bad.json"])
        .exits(2)
        .says("bad.json: missing field `preState`");
}

#[test]
fn json_has_a_line_of_what_cannot_be_read_too() {
    let space = Workspace::new();
    let (block, good) = prestate(7, 1);
    write(&space, "good.json", &good);
    let with = |key: &str, value: Value| {
        let mut file = good.clone();
        file[key] = value;
        file.to_string()
    };
    let text = good.to_string();
    let rlp = hex::encode_prefixed(alloy_rlp::encode(&block));
    let cases = [
        ("cut JSON", text[..text.len() / 2].to_owned(), None),
        ("no JSON", "{".to_owned(), None),
        ("empty", String::new(), None),
        ("cut RLP", with("block", json!(rlp[..rlp.len() - 2])), None),
        ("fork", with("fork", json!("Cancun")), Some(7)),
        ("chain", with("chainId", json!(5)), Some(7)),
        ("number", with("number", json!(8)), Some(7)),
    ];
    for (name, file, number) in cases {
        space.write("bad.json", file.as_bytes());
        let db = format!("db of {name}");
        let run = ["run", "--json", "--db", &db, "good.json", "bad.json"];
        let ran = space.run(&run).exits(2);
        let [good, line] = &lines(&ran.out)[..] else {
            panic!("{name}: {}", ran.out)
        };
        assert_eq!(good["ok"], true, "{name}");
        assert_eq!(line["ok"], false, "{name}");
        assert_eq!(line["blockNumber"], json!(number), "{name}");
        assert_eq!(line["root"], good["root"], "{name}");
        for unknown in ["txs", "gasUsed", "firstTxNum", "lastTxNum"] {
            assert_eq!(line[unknown], Value::Null, "{name}: {unknown}");
        }
        let error = line["error"].as_str().unwrap();
        assert!(ran.error.contains(error), "{name}: {}", ran.error);
        assert!(error.contains("bad.json"), "{name}: {error}");
    }
    // A genesis stops the run before its first block.
    let run = ["run", "--json", "--db", "db", "--genesis", "bad.json"];
    let ran = space.run(&[&run[..], &["good.json"]].concat()).exits(2);
    let line = &lines(&ran.out)[0];
    assert_eq!((&line["ok"], &line["root"]), (&json!(false), &Value::Null));
}

#[test]
fn a_genesis_that_cannot_be_followed_is_refused_by_its_field() {
    let space = Workspace::new();
    let (genesis, blocks) = chain(1);
    let rlp: Vec<u8> = blocks.iter().flat_map(alloy_rlp::encode).collect();
    space.write("chain.rlp", &rlp);
    let good: Value = serde_json::from_str(&genesis).unwrap();
    let without = |path: &str, key: &str| {
        let mut genesis = good.clone();
        let object = genesis.pointer_mut(path).unwrap();
        object.as_object_mut().unwrap().remove(key).unwrap();
        genesis.to_string()
    };
    let config = |key: &str, value: Value| {
        let mut genesis = good.clone();
        genesis["config"][key] = value;
        genesis.to_string()
    };
    let cases = [
        (without("", "config"), "field config is missing"),
        (without("", "alloc"), "field alloc is missing"),
        (
            without("/config", "chainId"),
            "field config.chainId is missing",
        ),
        (
            config("fooTime", json!(1_600_003_900_u64)),
            "field config.fooTime: not a fork",
        ),
        (config("fooBlock", json!(0)), "field config.fooBlock: not a"),
        (
            config("homesteadBlock", json!(10)),
            "field config.eip150Block: 0, but homesteadBlock, the fork before it, is 10",
        ),
        (
            config("shanghaiTime", json!(9)),
            "field config.cancunTime: 0, but shanghaiTime",
        ),
        (config("homesteadBlock", json!(-5)), "field config"),
        (String::new(), "as JSON: EOF while parsing"),
    ];
    for (file, said) in cases {
        space.write("genesis.json", file.as_bytes());
        let run = ["run", "--db", "db", "--genesis", "genesis.json"];
        let ran = space.run(&[&run[..], &["chain.rlp"]].concat()).exits(2);
        let said = format!("genesis.json: not a usable genesis: {said}");
        assert!(ran.error.contains(&said), "{said}: {}", ran.error);
        // The cause once.
        if let Some((_, cause)) = ran.error.trim().rsplit_once(": ") {
            assert_eq!(ran.error.matches(cause).count(), 1, "{}", ran.error);
        }
    }
    assert!(!space.path("db").exists());
    space.write("genesis.json", genesis.as_bytes());
    let run = ["run", "--db", "db", "--genesis", "genesis.json"];
    space.ok(&[&run[..], &["chain.rlp"]].concat());
}

#[test]
fn a_chain_file_that_is_cut_says_in_which_block() {
    let space = Workspace::new();
    let (genesis, blocks) = chain(3);
    space.write("genesis.json", genesis.as_bytes());
    let encoded: Vec<Vec<u8>> = blocks.iter().map(alloy_rlp::encode).collect();
    let whole = encoded.concat();
    let third = encoded[0].len() + encoded[1].len();
    let cut = |end: usize| whole[..end].to_vec();
    let huge = [&cut(third)[..], &hex!("fbffffffff"), &[0; 50]].concat();
    let mut packed = zstd::Encoder::new(Vec::new(), 0).unwrap();
    for block in &encoded {
        packed.write_all(block).unwrap();
        packed.flush().unwrap();
    }
    let packed = packed.finish().unwrap();
    let place = format!("block 2 of the file, at byte {third}: ");
    let middle = "the file ends in the middle of it";
    for (name, bytes, place, problem) in [
        ("payload", cut(whole.len() - 1), &place[..], middle),
        ("length", cut(third + 2), &place, middle),
        ("nothing of the length", cut(third + 1), &place, middle),
        ("too large", huge, &place, "larger than 67108864 bytes"),
        (
            "packed",
            packed[..packed.len() - 20].to_vec(),
            &place,
            middle,
        ),
    ] {
        space.write("cut.rlp", &bytes);
        let run = ["run", "--db", name, "--genesis", "genesis.json", "--json"];
        let ran = space.run(&[&run[..], &["cut.rlp"]].concat()).exits(2);
        let lines = lines(&ran.out);
        let error = lines.last().unwrap()["error"].as_str().unwrap();
        for said in ["cut.rlp: block ", place, problem] {
            assert!(error.contains(said), "{name}: {error}");
        }
        assert_eq!(lines.len(), 3, "{name}: the blocks before it hold");
    }
}

#[test]
fn a_call_on_the_state_of_a_block_file_says_that_it_is_a_part() {
    let space = Workspace::new();
    write(&space, "good.json", &prestate(7, 1).1);
    space.ok(&["run", "--db", "db", "good.json"]);
    let unknown = "0x00000000000000000000000000000000000000ee";
    let call = ["call", "--db", "db", "--to", unknown];
    let told = space.ok(&[&call[..], &["--json", "-o", "call.qmc"]].concat());
    let told = told.says("has a part of the chain's state only");
    assert_eq!(told.json()["partialState"], true);
    space
        .ok(&call)
        .says("what is not in it reads as zero")
        .says("qm: note: ");
    // Its proof holds, and cannot tell.
    let head = space.ok(&["head", "--db", "db", "--json"]);
    space.write("head.json", head.out.as_bytes());
    let verify = ["verify-call", "--head", "head.json", "--json", "call.qmc"];
    let verified = space.ok(&verify).json();
    assert_eq!(verified["valid"], true);
    assert_eq!(verified.get("partialState"), None);
    for command in ["call", "verify-call"] {
        let help = space.ok(&[command, "--help"]).out;
        let words: Vec<_> = help.split_whitespace().collect();
        let help = words.join(" ");
        for said in [
            "has a part of the chain's state only",
            "what is not in it reads as zero",
            "whether the log has all of the chain's state is not in it",
        ] {
            assert!(help.contains(said), "{command}: {said}");
        }
    }
}

/// A chain of its own, and its genesis file.
fn chain(blocks: u64) -> (String, Vec<EthBlock>) {
    let empty = ChainGenesis::from_json(genesis_json(CANCUN, "").as_bytes()).unwrap();
    let txs = |number: u64| {
        let calls = (1..=number).map(|i| call(0, TO, 100 * number + i, 21_000));
        calls.collect::<Vec<_>>()
    };
    let mut alloc = Vec::new();
    for number in 1..=blocks {
        let block = block(&empty.header, txs(number));
        for sender in recover_senders(&block).unwrap() {
            alloc.push(format!(r#""{sender}":{{"balance":"0xde0b6b3a7640000"}}"#));
        }
    }
    let json = genesis_json(CANCUN, &alloc.join(","));
    let ChainGenesis {
        chain,
        mut state,
        header,
    } = ChainGenesis::from_json(json.as_bytes()).unwrap();
    let mut made = Vec::new();
    let mut parent = header;
    for number in 1..=blocks {
        let mut next = block(&parent, txs(number));
        state = seal(&chain, &mut next, state);
        parent = next.header.clone();
        made.push(next);
    }
    (json, made)
}

#[test]
fn a_chain_runs_from_its_genesis_and_resumes() {
    let space = Workspace::new();
    let (genesis, blocks) = chain(3);
    space.write("genesis.json", genesis.as_bytes());
    let rlp = |blocks: &[EthBlock]| {
        blocks
            .iter()
            .flat_map(alloy_rlp::encode)
            .collect::<Vec<_>>()
    };
    space.write("two.rlp", &rlp(&blocks[..2]));
    space.write("three.rlp", &rlp(&blocks));
    let run = |file: &str| {
        let args = [
            "run",
            "--json",
            "--scheme",
            "read-set",
            "--genesis",
            "genesis.json",
            "--db",
            "db",
            file,
        ];
        space.run(&args)
    };
    let two = run("two.rlp").exits(0);
    let three = run("three.rlp").exits(0);
    assert!(
        three.out.starts_with(&two.out),
        "the first two again, with the same roots"
    );
    let last = &lines(&three.out)[2];
    // 3 + 4 + 5 leaves.
    assert_eq!(
        (&last["firstTxNum"], &last["lastTxNum"]),
        (&json!(7), &json!(11))
    );

    // A state root that is wrong, and a file that ends early.
    let mut bad = blocks.clone();
    bad[2].header.state_root.0[0] ^= 1;
    space.write("bad.rlp", &rlp(&bad));
    let ran = run("bad.rlp").exits(1);
    assert!(
        ran.error.contains("block 3: stateRoot is 0x"),
        "{}",
        ran.error
    );
    let whole = rlp(&blocks);
    space.write("cut.rlp", &whole[..whole.len() - 1]);
    let ran = run("cut.rlp").exits(2);
    assert!(ran.error.contains("cut.rlp"), "{}", ran.error);
    space.write("other.rlp", &rlp(&blocks[1..]));
    let ran = run("other.rlp").exits(1);
    assert!(
        ran.error.contains("number is 2, expected 1"),
        "{}",
        ran.error
    );
    space
        .run(&["run", "--db", "db", "two.rlp"])
        .exits(2)
        .says("--genesis");
    let head: Value =
        serde_json::from_str(&space.ok(&["head", "--db", "db", "--json"]).out).unwrap();
    assert_eq!(head["root"], last["root"]);
}

#[test]
fn traces_change_roots_and_nothing_else() {
    let space = Workspace::new();
    write(&space, "a.json", &prestate(7, 3).1);
    let mut roots = Vec::new();
    for trace in ["outcome", "full", "flat"] {
        let ran = space.ok(&["run", "--json", "--trace", trace, "--db", trace, "a.json"]);
        roots.push(lines(&ran.out)[0]["root"].clone());
    }
    roots.sort_by_key(ToString::to_string);
    roots.dedup();
    assert_eq!(roots.len(), 3);
}

#[test]
fn sixty_real_files_run_in_one_command() {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        eprintln!("SKIPPED: set QMTREE_DATA to a folder with real blocks");
        return;
    };
    let folder = std::path::Path::new(&data).join("blocks");
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| {
        entry
            .unwrap()
            .path()
            .into_os_string()
            .into_string()
            .unwrap()
    });
    let paths: Vec<String> = paths.collect();
    let space = Workspace::new();
    let mut args = vec![
        "run",
        "--isolated",
        "--json",
        "--durability",
        "buffered",
        "--db",
        "logs",
    ];
    args.extend(paths.iter().map(String::as_str));
    let ran = space.ok(&args);
    let lines = lines(&ran.out);
    assert_eq!(lines.len(), paths.len());
    assert!(lines.iter().all(|line| line["ok"] == true));
}

#[test]
fn a_chain_in_its_own_state_log_goes_on_with_newer_blocks_alone() {
    let space = Workspace::new();
    let (genesis, blocks) = chain(4);
    space.write("genesis.json", genesis.as_bytes());
    let rlp = |blocks: &[EthBlock]| {
        let encoded = blocks.iter().flat_map(alloy_rlp::encode);
        encoded.collect::<Vec<_>>()
    };
    space.write("two.rlp", &rlp(&blocks[..2]));
    space.write("third.rlp", &rlp(&blocks[2..3]));
    space.write("all.rlp", &rlp(&blocks));
    let run = |db: &str, file: &str| {
        let args = ["run", "--json", "--genesis", "genesis.json", "--db", db];
        space.run(&[&args[..], &[file]].concat())
    };
    let two = run("db", "two.rlp").exits(0);
    assert_eq!(lines(&two.out)[0]["firstTxNum"], 1, "after the genesis");

    // A root of Ethereum's own trie that is wrong, found after the database was opened again.
    let mut bad = blocks.clone();
    bad[2].header.state_root.0[0] ^= 1;
    space.write("bad.rlp", &rlp(&bad[2..3]));
    let ran = run("db", "bad.rlp").exits(1);
    assert!(
        ran.error.contains("block 3: stateRoot is 0x"),
        "{}",
        ran.error
    );
    assert_eq!(lines(&ran.out)[0]["root"], lines(&two.out)[1]["root"]);

    run("db", "third.rlp").exits(0);
    let all = run("db", "all.rlp").exits(0);
    assert!(all.out.starts_with(&two.out), "the first two were there");
    let straight = run("straight", "all.rlp").exits(0);
    assert_eq!(straight.out, all.out);

    // Only that root is not checked where that is asked for.
    let args = ["run", "--genesis", "genesis.json", "--skip-state-root"];
    space.ok(&[&args[..], &["--db", "unchecked", "two.rlp", "bad.rlp"]].concat());
    // Another block three, once it is in.
    run("db", "bad.rlp").exits(2).says("is another block there");
    // Another trace is another leaf.
    space
        .run(&[
            "run",
            "--genesis",
            "genesis.json",
            "--trace",
            "full",
            "--db",
            "db",
            "two.rlp",
        ])
        .exits(2)
        .says("another --trace");
    let other = genesis.replace(r#""timestamp":"0x0""#, r#""timestamp":"0x1""#);
    space.write("other.json", other.as_bytes());
    space
        .run(&["run", "--genesis", "other.json", "--db", "db", "two.rlp"])
        .exits(2)
        .says("block 0 is in the log already");
    // No file says what the state is: the log does. But the rules are not in it.
    space
        .run(&["run", "--db", "db", "all.rlp"])
        .exits(2)
        .says("--genesis");
    space.ok(&["check", "--db", "db"]);
}

#[test]
fn values_of_a_block_can_be_proved_and_a_state_that_does_not_fit_is_refused() {
    let space = Workspace::new();
    write(&space, "a.json", &prestate(7, 2).1);
    space.ok(&["run", "--db", "db", "a.json"]);
    let head = space.ok(&["head", "--db", "db", "--json"]).out;
    space.write("head.json", head.as_bytes());
    // Leaf 0 is the state before, leaf 2 the first transfer, of 1 wei, leaf 3 the second, of 2.
    let key = format!("account:{TO}");
    let account = |balance: u8| {
        let code = hex::encode(alloy_primitives::KECCAK256_EMPTY);
        format!("0xe380{balance:02x}a0{code}")
    };
    for (at, value) in [("1", None), ("2", Some(1)), ("3", Some(3))] {
        space.ok(&["state", "prove", "--db", "db", "--at", at, "-o", "p", &key]);
        let verify = [
            "state",
            "verify",
            "--head",
            "head.json",
            "--at",
            at,
            "p",
            &key,
        ];
        match value {
            None => space.ok(&[&verify[..], &["--absent"]].concat()),
            Some(value) => space.ok(&[&verify[..], &["--value", &account(value)]].concat()),
        };
    }
    // The block after it brings a sender that the log knows nothing of.
    let (mut block, file_8) = prestate(8, 3);
    let (parent, _) = prestate(7, 2);
    block.header.parent_hash = parent.header.hash_slow();
    write(&space, "b.json", &file(&block, file_8["preState"].clone()));
    let ran = space.run(&["run", "--db", "db", "b.json"]).exits(2);
    for part in [
        "b.json: block 8",
        "account 0x",
        "nothing in the log",
        "--isolated",
    ] {
        assert!(ran.error.contains(part), "{part}: {}", ran.error);
    }
    assert_eq!(
        space.ok(&["head", "--db", "db", "--json"]).json()["blockNumber"],
        7
    );
    // Witnesses make leaves of the other scheme.
    space
        .run(&[
            "run",
            "--witness",
            "--scheme",
            "state-root",
            "--db",
            "x",
            "a",
        ])
        .exits(2);
}
