//! `qm call` and `qm verify-call` on the development chain.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::Workspace;

const TOKEN: &str = "0xa91cd341075bed3ffe16770d790a1350910575e4";
const OWNER: &str = "0xe01a125efbd1919db579fe47e8353ca7ccd74a90";

fn file(name: &str) -> String {
    let manifest = env!("CARGO_MANIFEST_DIR");
    format!("{manifest}/../testdata/devchain/{name}")
}

fn balance_of(owner: &str) -> String {
    format!("0x70a08231{:0>64}", &owner[2..])
}

/// With the development chain in `db`, its head in `head.json`, and that of block 200 in `old.json`.
fn space() -> Workspace {
    let space = Workspace::new();
    let (genesis, chain) = (file("genesis.json"), file("chain.rlp"));
    let run = ["run", "--durability", "buffered", "--db", "db"];
    space.ok(&[&run[..], &["--genesis", &genesis, &chain]].concat());
    for (name, options) in [("head.json", &[][..]), ("old.json", &["--block", "200"])] {
        let head = space.ok(&[&["head", "--db", "db", "--json"], options].concat());
        space.write(name, head.out.as_bytes());
    }
    space
}

#[test]
fn a_call_is_executed_proved_and_verified_offline() {
    let space = space();
    let (genesis, data) = (file("genesis.json"), balance_of(OWNER));
    let call = |more: &[&str]| {
        let start = ["call", "--db", "db", "--genesis", &genesis, "--to", TOKEN];
        let end = ["--data", &data, "--json", "-o", "call.qmc"];
        space.run(&[&start[..], &end, more].concat())
    };
    let verify = |more: &[&str]| {
        let start = ["verify-call", "--genesis", &genesis, "call.qmc"];
        space.run(&[&start[..], more].concat())
    };
    let head = ["--head", "head.json"];
    let mut outputs = Vec::new();
    for at in ["400", "777", "1566"] {
        for trace in ["outcome", "full"] {
            let called = call(&["--at", at, "--trace", trace]).exits(0).json();
            let found = verify(&[&head[..], &["--json"]].concat()).exits(0).json();
            assert_eq!(found["valid"], true);
            for field in [
                "output",
                "transitionHash",
                "blockNumber",
                "gasUsed",
                "status",
            ] {
                assert_eq!(called[field], found[field]);
            }
            assert_eq!(called["txNum"].to_string(), at);
            // The log of a genesis has all of the state.
            assert_eq!(called["partialState"], false);
            outputs.push(called["output"].clone());
        }
    }
    assert_eq!(outputs[0], outputs[1]);
    assert_ne!(outputs[0], outputs[4]);
    // The newest is the default.
    let newest = call(&[]).exits(0).json();
    assert_eq!(
        (&newest["txNum"], &newest["output"]),
        (&1566.into(), &outputs[4])
    );

    // Another head, another question.
    verify(&["--head", "old.json"]).exits(1).says("INVALID");
    for other in [
        ["--at", "777"],
        ["--to", OWNER],
        ["--from", OWNER],
        ["--data", "0x"],
        ["--value", "1"],
    ] {
        let refused = verify(&[&head[..], &other].concat()).exits(1);
        assert!(refused.error.contains("INVALID"), "{}", refused.error);
    }
    let asked = [
        "--at", "1566", "--to", TOKEN, "--data", &data, "--value", "0",
    ];
    verify(&[&head[..], &asked].concat()).exits(0);
    // Rules that are not built in, and rules of another chain.
    space
        .run(&["verify-call", "--head", "head.json", "call.qmc"])
        .exits(2)
        .says("genesis");
    // A byte changed, a byte less, another file.
    let bytes = std::fs::read(space.path("call.qmc")).unwrap();
    let mut changed = bytes.clone();
    changed[bytes.len() - 1] ^= 1;
    space.write("call.qmc", &changed);
    verify(&head).exits(1).says("INVALID");
    space.write("call.qmc", &bytes[..bytes.len() - 1]);
    verify(&head).exits(2).says("not the proof of a call");
    space.write("call.qmc", b"{}");
    verify(&head).exits(2).says("not the proof of a call");
}

#[test]
fn what_cannot_be_called_is_named() {
    let space = space();
    let genesis = file("genesis.json");
    let call = |more: &[&str]| {
        let start = ["call", "--db", "db", "--genesis", &genesis, "--to", TOKEN];
        space.run(&[&start[..], more].concat()).exits(2)
    };
    call(&["--at", "1567"]).says("1567");
    call(&["--gas", "1000"]).says("the call is not valid");
    call(&["--from", TOKEN]).says("the call is not valid");
    let poor = "0x7777777777777777777777777777777777777777";
    call(&["--from", poor, "--value", "1"]).says("funds");
    space
        .run(&["call", "--db", "db", "--to", TOKEN])
        .exits(2)
        .says("chain id 20260");
    space.ok(&[
        "init",
        "--db",
        "other",
        "--scheme",
        "read-set",
        "--chain-id",
        "20260",
    ]);
    space
        .run(&[
            "call",
            "--db",
            "other",
            "--genesis",
            &genesis,
            "--to",
            TOKEN,
        ])
        .exits(2)
        .says("read-set/1");
    // A call that reverts is a result.
    let data = format!("0xa9059cbb{:0>64}{}", &OWNER[2..], "f".repeat(64));
    let args = [
        "call",
        "--db",
        "db",
        "--genesis",
        &genesis,
        "--to",
        TOKEN,
        "--data",
        &data,
    ];
    assert!(space.ok(&args).out.contains("reverted"));
}

/// The bytes of the first `count` blocks of a file of RLP lists, one after the other.
fn first_blocks(bytes: &[u8], count: usize) -> &[u8] {
    let mut end = 0;
    for _ in 0..count {
        let width = usize::from(bytes[end].checked_sub(0xf7).unwrap());
        let len = bytes[end + 1..=end + width].iter();
        end += 1 + width + len.fold(0, |len, byte| len << 8 | usize::from(*byte));
    }
    &bytes[..end]
}

/// A rule of compaction changes roots and entries, and nothing that is executed.
#[test]
fn a_chain_in_a_compacted_log_is_resumed_and_called() {
    let space = space();
    let (genesis, chain) = (file("genesis.json"), file("chain.rlp"));
    let init = ["init", "--db", "dense", "--chain-id", "20260"];
    space.ok(&[&init[..], &["--compaction", "1"]].concat());
    let bytes = std::fs::read(&chain).unwrap();
    space.write("half.rlp", first_blocks(&bytes, 120));
    let run = |blocks: &str| {
        let run = ["run", "--durability", "buffered", "--db", "dense"];
        space.ok(&[&run[..], &["--genesis", &genesis, blocks]].concat());
        let stats = space.ok(&["state", "stats", "--db", "dense", "--json"]);
        let count = |name: &str| stats.json()[name].as_u64().unwrap();
        (count("entryCount"), count("liveKeys"))
    };
    let (half, _) = run("half.rlp");
    let (entries, live) = run(&chain);
    assert!(half < entries);
    let plain = space.ok(&["state", "stats", "--db", "db", "--json"]).json();
    assert_eq!(plain["liveKeys"], live);
    assert!(plain["entryCount"].as_u64().unwrap() < entries);
    space.ok(&["check", "--db", "dense"]);

    let head = space.ok(&["head", "--db", "dense", "--json"]);
    space.write("dense.json", head.out.as_bytes());
    let data = balance_of(OWNER);
    for at in ["400", "1566"] {
        let call = |db: &str| {
            let start = ["call", "--db", db, "--genesis", &genesis, "--to", TOKEN];
            let end = ["--data", &data, "--at", at, "--json", "-o", "call.qmc"];
            space.ok(&[&start[..], &end].concat()).json()
        };
        assert_eq!(call("db")["output"], call("dense")["output"]);
        let verify = ["verify-call", "--genesis", &genesis, "call.qmc"];
        space.ok(&[&verify[..], &["--head", "dense.json"]].concat());
    }
    // Witnesses of the state are the one thing that it takes away.
    let export = ["witness", "export", "--db", "dense", "--genesis", &genesis];
    space
        .run(&[&export[..], &["--block", "130..140", "-o", "w.qmw", &chain]].concat())
        .exits(2)
        .says("without compaction");
}
