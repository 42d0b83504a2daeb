//! `qm fetch`, from a node of stored answers on this machine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/node.rs"]
mod node;

use alloy_consensus::{Block, Header, TxEnvelope};
use alloy_primitives::{B256, Bytes, hex, keccak256};
use alloy_rlp::Decodable as _;
use common::{Ran, Workspace};
use node::{Answers, Fault, Node};
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

type EthBlock = Block<TxEnvelope>;

fn key(method: &str, parameter: impl Into<String>) -> (String, String) {
    (method.into(), parameter.into())
}

fn rlp(item: &impl alloy_rlp::Encodable) -> Bytes {
    let mut bytes = Vec::new();
    item.encode(&mut bytes);
    bytes.into()
}

/// What a node of chain `chain_id` answers about a block.
fn tell(answers: &mut Answers, chain_id: u64, block: &EthBlock, witness: Value) {
    let number = format!("{:#x}", block.header.number);
    let hash = block.header.hash_slow();
    let stored = [
        (key("eth_chainId", ""), json!(format!("{chain_id:#x}"))),
        (
            key("eth_getBlockByNumber", &number),
            json!({ "number": number, "hash": hash, "transactions": [] }),
        ),
        (key("debug_getRawBlock", &number), json!(rlp(block))),
        (
            key("debug_getRawHeader", &number),
            json!(rlp(&block.header)),
        ),
        (key("debug_executionWitness", &number), witness),
    ];
    answers.extend(stored);
}

/// Blocks of the development chain, genesis not among them.
fn development_chain() -> Vec<EthBlock> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/devchain/chain.rlp");
    let bytes = std::fs::read(file).unwrap();
    let mut rest = bytes.as_slice();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let block = EthBlock::decode(&mut rest).unwrap();
        if block.header.number > 0 {
            blocks.push(block);
        }
    }
    blocks
}

/// A node with the first blocks of the development chain from the second on, whose parents'
/// headers are at hand; their witnesses have no nodes, as nothing is executed here.
fn development_node() -> (Node, Vec<EthBlock>) {
    let chain = development_chain();
    let mut answers = Answers::new();
    for pair in chain[..9].windows(2) {
        let headers = [rlp(&pair[0].header)];
        let witness = json!({ "state": [], "codes": [], "keys": [], "headers": headers });
        tell(&mut answers, 20260, &pair[1], witness);
    }
    (Node::start(answers), chain)
}

fn fetch(space: &Workspace, node: &Node, blocks: &str, options: &[&str]) -> Ran {
    let start = [
        "fetch",
        "--rpc",
        &node.url,
        "--out",
        "blocks",
        "--timeout",
        "1",
    ];
    space.run(&[&start[..], options, &[blocks]].concat())
}

fn stored(space: &Workspace, number: u64) -> Value {
    let file = std::fs::File::open(space.path(&format!("blocks/20260-{number}.json.zst")));
    serde_json::from_slice(&zstd::decode_all(file.unwrap()).unwrap()).unwrap()
}

#[test]
fn each_block_becomes_a_file_and_is_fetched_once() {
    let (node, chain) = development_node();
    let space = Workspace::new();
    let lines = fetch(&space, &node, "2..4", &["--json"])
        .exits(0)
        .lines_json();
    assert_eq!(lines.len(), 3);
    for (line, block) in lines.iter().zip(&chain[1..]) {
        let hash = json!(block.header.hash_slow());
        assert_eq!((&line["hash"], &line["fetched"]), (&hash, &json!(true)));
        let file = stored(&space, block.header.number);
        assert_eq!(file["format"], "eth-witness/1");
        assert_eq!(file["chainId"], 20260);
        assert_eq!(file["hash"], hash);
        assert_eq!(file["block"], json!(rlp(block)));
        assert_eq!(file["postStateRoot"], json!(block.header.state_root));
    }
    let again = fetch(&space, &node, "2..5", &["--json"])
        .exits(0)
        .lines_json();
    let fetched: Vec<_> = again.iter().map(|line| line["fetched"] == true).collect();
    assert_eq!(fetched, [false, false, false, true]);
    assert_eq!(node.asked("debug_executionWitness"), 4);

    // A file that is damaged, or of another block, is fetched anew.
    let (third, fourth) = ("blocks/20260-3.json.zst", "blocks/20260-4.json.zst");
    space.flip(third, 100);
    space.write(fourth, &space.read("blocks/20260-5.json.zst"));
    let again = fetch(&space, &node, "2..5", &["--json"])
        .exits(0)
        .lines_json();
    let fetched: Vec<_> = again.iter().map(|line| line["fetched"] == true).collect();
    assert_eq!(fetched, [false, true, true, false]);
    assert_eq!(stored(&space, 4)["number"], 4);
}

#[test]
fn faults_that_pass_are_waited_for() {
    let (node, _) = development_node();
    node.fail("eth_chainId", &[Fault::Drop])
        .fail("eth_getBlockByNumber", &[Fault::Page(503), Fault::Late])
        .fail(
            "debug_getRawBlock",
            &[Fault::Half, Fault::OtherId, Fault::Page(429)],
        )
        .fail(
            "debug_executionWitness",
            &[Fault::Half, Fault::Refused(-32005, "too many requests")],
        );
    let space = Workspace::new();
    fetch(&space, &node, "2", &[]).exits(0);
    node.assert_no_fault_left();
    assert_eq!(stored(&space, 2)["number"], 2);
}

#[test]
fn a_block_other_than_the_announced_is_asked_for_anew() {
    let (node, chain) = development_node();
    let other = Fault::Result(json!(rlp(&chain[5])));
    node.fail("debug_getRawBlock", &[other.clone(), other.clone()]);
    let space = Workspace::new();
    fetch(&space, &node, "2", &[]).exits(0);
    assert_eq!(stored(&space, 2)["number"], 2);

    node.fail("debug_getRawBlock", &vec![other; 2]);
    let ran = fetch(&space, &node, "3", &["--retries", "1"]).exits(2);
    ran.says("block 3: the node's answers are about different blocks")
        .says(&chain[5].header.hash_slow().to_string());
    assert!(!space.path("blocks/20260-3.json.zst").exists());
}

#[test]
fn what_does_not_pass_is_said_and_leaves_no_file() {
    let (node, chain) = development_node();
    let space = Workspace::new();
    let halves = vec![Fault::Half; 2];
    let unknown_method = Fault::Refused(-32601, "the method debug_executionWitness does not exist");
    let mut forged = chain[1].clone();
    forged.body.transactions = chain[8].body.transactions.clone();
    let cases = [
        (
            "eth_chainId",
            vec![Fault::Late; 2],
            "no good answer after 2 tries",
        ),
        ("eth_chainId", vec![Fault::Page(401)], "HTTP status 401"),
        ("debug_getRawBlock", halves, "no good answer after 2 tries"),
        (
            "debug_executionWitness",
            vec![unknown_method],
            "must serve the namespaces eth and debug",
        ),
        (
            "debug_executionWitness",
            vec![Fault::Result(json!({ "state": [] })); 2],
            "missing field `codes`",
        ),
        (
            "debug_executionWitness",
            vec![Fault::Result(
                json!({ "state": [], "codes": [], "headers": [rlp(&chain[4].header)] }),
            )],
            "block 2: its witness cannot be used",
        ),
        (
            "debug_getRawBlock",
            vec![Fault::Result(json!("0xc0"))],
            "block 2: debug_getRawBlock gives no block",
        ),
        (
            "debug_getRawBlock",
            vec![Fault::Result(json!(rlp(&forged)))],
            "transactions",
        ),
        (
            "eth_getBlockByNumber",
            vec![Fault::Result(Value::Null)],
            "block 2: the node does not know it",
        ),
    ];
    for (method, faults, says) in cases {
        node.fail(method, &faults);
        fetch(&space, &node, "2", &["--retries", "1"])
            .exits(2)
            .says(says);
        node.assert_no_fault_left();
        assert_eq!(space.files_in("blocks"), [""; 0], "{says}");
    }
    fetch(&space, &node, "2", &[]).exits(0);
}

#[test]
fn a_chain_that_changes_meanwhile_is_noticed() {
    let chain = development_chain();
    let mut answers = Answers::new();
    let witness = |parent: &Header| json!({ "state": [], "codes": [], "headers": [rlp(parent)] });
    tell(&mut answers, 20260, &chain[1], witness(&chain[0].header));
    // Another block 3, whose parent is another block 2.
    let mut parent = chain[1].header.clone();
    parent.extra_data = b"other".into();
    let mut other = chain[2].clone();
    other.header.parent_hash = parent.hash_slow();
    tell(&mut answers, 20260, &other, witness(&parent));
    let space = Workspace::new();
    let ran = fetch(&space, &Node::start(answers), "2..3", &[]).exits(2);
    ran.says("block 3: its parent is").says("reorganised");
    assert_eq!(space.files_in("blocks"), ["blocks/20260-2.json.zst"]);
}

#[test]
fn secrets_go_to_the_node_and_not_into_messages() {
    let (node, _) = development_node();
    let space = Workspace::new();
    fetch(
        &space,
        &node,
        "2",
        &["--header", "Authorization: Bearer secret"],
    )
    .exits(0);
    let headers = node.headers();
    assert!(
        headers.contains(&"authorization: bearer secret".into()),
        "{headers:?}"
    );

    let url = "http://127.0.0.1:1/v3/secret";
    let ran = space
        .run(&["fetch", "--rpc", url, "--retries", "0", "2"])
        .exits(2);
    assert!(!ran.error.contains("secret"), "{}", ran.error);
    ran.says("http://127.0.0.1:1");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let space = Workspace::new();
    for (url, blocks, says) in [
        ("http://localhost", "5..4", "ends before it begins"),
        ("http://localhost", "0..4", "genesis"),
        ("http://localhost", "x", "not the number of a block"),
        ("localhost:8545", "5", "no http or https URL"),
        ("file:///etc/passwd", "5", "no http or https URL"),
    ] {
        space
            .run(&["fetch", "--rpc", url, blocks])
            .exits(2)
            .says(says);
    }
}

/// A real block, and the witness that a client gave.
struct Sample {
    chain_id: u64,
    block: EthBlock,
    witness: Value,
}

/// Real blocks in a row; nothing, said aloud, if there are none.
fn samples(chain: &str, numbers: RangeInclusive<u64>) -> Option<Vec<Sample>> {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        println!("skipped: QMTREE_DATA is not set, so no real block can be fetched");
        return None;
    };
    let folder = PathBuf::from(data).join("witnesses");
    let read = |number: u64| {
        let file = folder.join(format!("{chain}-{number}.json.zst"));
        let text = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
        let mut stored: Value = serde_json::from_slice(&text).unwrap();
        let raw: Bytes = serde_json::from_value(stored["block"].take()).unwrap();
        Sample {
            chain_id: stored["chainId"].as_u64().unwrap(),
            block: EthBlock::decode(&mut &raw[..]).unwrap(),
            witness: stored["witness"].take(),
        }
    };
    Some(numbers.map(read).collect())
}

fn headers(witness: &Value) -> Vec<Header> {
    let list: Vec<Bytes> = serde_json::from_value(witness["headers"].clone()).unwrap();
    list.iter()
        .map(|header| Header::decode(&mut &header[..]).unwrap())
        .collect()
}

/// geth: headers are objects, and there are no keys.
fn as_geth(witness: &Value) -> Value {
    json!({ "headers": headers(witness), "codes": witness["codes"], "state": witness["state"], "keys": null })
}

/// reth before spring 2025: maps from hash to bytes, no headers.
fn as_old_reth(witness: &Value) -> Value {
    let map = |name: &str| {
        let list: Vec<Bytes> = serde_json::from_value(witness[name].clone()).unwrap();
        let items = list.iter().map(|item| {
            let hash: B256 = keccak256(item);
            (hash.to_string(), json!(hex::encode_prefixed(item)))
        });
        Value::Object(items.collect())
    };
    json!({ "state": map("state"), "codes": map("codes"), "keys": {} })
}

/// What is fetched runs: the witness of each client's shape, stored in one shape.
#[test]
fn fetched_blocks_run() {
    for (chain, numbers, ancestors) in [
        ("mainnet", 1_149_999..=1_150_001, "1"),
        ("mainnet", 24_628_607..=24_628_608, "1"),
        ("sepolia", 10_100_112..=10_100_112, "7"),
    ] {
        let Some(samples) = samples(chain, numbers) else {
            return;
        };
        let roots =
            [Value::clone, as_geth, as_old_reth].map(|shape| run(&samples, shape, ancestors));
        assert_eq!(roots[0], roots[1], "{chain}");
        assert_eq!(roots[0], roots[2], "{chain}");
    }
}

/// Fetches the blocks from a node that has witnesses of this shape, runs them, and returns the last
/// root.
fn run(samples: &[Sample], shape: fn(&Value) -> Value, ancestors: &str) -> Value {
    let mut answers = Answers::new();
    for sample in samples {
        for header in headers(&sample.witness) {
            let number = format!("{:#x}", header.number);
            answers.insert(key("debug_getRawHeader", number), json!(rlp(&header)));
        }
        let witness = shape(&sample.witness);
        tell(&mut answers, sample.chain_id, &sample.block, witness);
    }
    let (space, node) = (Workspace::new(), Node::start(answers));
    let number = |sample: Option<&Sample>| sample.unwrap().block.header.number;
    let range = format!("{}..{}", number(samples.first()), number(samples.last()));
    let start = [
        "fetch",
        "--rpc",
        &node.url,
        "--out",
        "blocks",
        "--ancestors",
        ancestors,
    ];
    space.ok(&[&start[..], &[range.as_str()]].concat());
    let files = space.files_in("blocks");
    let run = ["run", "--witness", "--db", "db", "--json"].into_iter();
    let run: Vec<_> = run.chain(files.iter().map(String::as_str)).collect();
    let lines = space.ok(&run).lines_json();
    assert_eq!(lines.len(), samples.len());
    assert!(lines.iter().all(|line| line["ok"] == true), "{lines:?}");
    lines.last().unwrap()["root"].clone()
}
