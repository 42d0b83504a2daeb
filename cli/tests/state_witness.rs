//! `qm witness` on the development chain.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::Bytes;
use common::Workspace;
use qmtree_execution_adapter::StateWitness;
use serde_json::Value;

fn file(name: &str) -> String {
    let manifest = env!("CARGO_MANIFEST_DIR");
    format!("{manifest}/../testdata/devchain/{name}")
}

#[test]
fn a_range_is_exported_inspected_and_verified() {
    let space = Workspace::new();
    let (genesis, chain) = (file("genesis.json"), file("chain.rlp"));
    let genesis = ["--genesis", &genesis];
    let run = ["run", "--durability", "buffered", "--db", "db", &chain];
    space.ok(&[&run[..], &genesis].concat());
    for (name, block) in [("before.json", "99"), ("after.json", "119")] {
        let head = space.ok(&["head", "--db", "db", "--block", block, "--json"]);
        space.write(name, head.out.as_bytes());
    }
    let export = |block: &str, to: &str, more: &[&str]| {
        let export = [
            "witness", "export", "--db", "db", "--block", block, "-o", to, &chain,
        ];
        space.ok(&[&export[..], &genesis, more].concat())
    };
    let said = export("100..119", "range.qmw", &[]).out;
    assert!(said.starts_with("20 blocks, "), "{said}");
    export("100..119", "range.json", &["--json"]);
    // The same by the leaves: the first of block 100, and one in block 119.
    let first = |block: &str| {
        let shown = space.ok(&["block", "--db", "db", block, "--json"]).json();
        shown["from"].as_u64().unwrap()
    };
    let leaves = format!("{}..{}", first("100"), first("119") + 1);
    let by_leaves = [
        "witness",
        "export",
        "--db",
        "db",
        "--tx-num",
        &leaves,
        "-o",
        "leaves.qmw",
        &chain,
    ];
    space.ok(&[&by_leaves[..], &genesis].concat());
    assert_eq!(space.read("leaves.qmw"), space.read("range.qmw"));
    let given = [
        "witness", "export", "--db", "db", "--tx-num", "0", "-o", "x", &chain,
    ];
    let nothing = "block 0 has no witness: its state was given, by a genesis or a block file, and nothing \
                   was executed; witnesses begin with block 1, transaction number 1";
    let refused = space.run(&[&given[..], &genesis].concat());
    refused.exits(2).says(nothing);
    // Of leaves around it those that were executed are taken.
    let around = [
        "witness", "export", "--db", "db", "--tx-num", "0..1", "-o", "1.qmw", &chain,
    ];
    let said = space.ok(&[&around[..], &genesis].concat()).out;
    assert!(said.starts_with("1 blocks, "), "{said}");

    let said = space.ok(&["witness", "inspect", "range.qmw"]).out;
    assert!(
        said.contains("blocks 100 to 119, behind block 99"),
        "{said}"
    );
    let shown = space.ok(&["witness", "inspect", "--json", "range.qmw"]).out;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let written: Value = serde_json::from_slice(&space.read("range.json")).unwrap();
    assert_eq!(shown, written);
    assert_eq!(shown["blocks"].as_array().unwrap().len(), 20);

    let verify = ["witness", "verify", "range.qmw", "--head", "before.json"];
    let verify = [&verify[..], &genesis].concat();
    let said = space
        .ok(&[&verify[..], &["--after", "after.json"]].concat())
        .out;
    assert!(said.starts_with("VALID blocks 100 to 119: "), "{said}");
    assert!(said.contains(" leaves of mode outcome, "), "{said}");
    let noted = space.ok(&verify).error;
    assert!(noted.contains("commit to mode outcome"), "{noted}");
    let quiet = space.ok(&[&verify[..], &["--trace", "outcome"]].concat());
    assert_eq!(quiet.error, "");
    space
        .run(&[&verify[..], &["--trace", "full"]].concat())
        .exits(1)
        .says("another trace mode");
    let said = space.ok(&[&verify[..], &["--json"]].concat()).out;
    let line: Value = serde_json::from_str(&said).unwrap();
    let after: Value = serde_json::from_slice(&space.read("after.json")).unwrap();
    assert_eq!(line["headAfter"], after);

    // Ommers that are not there would be taken on trust.
    let bytes = Bytes::from(space.read("range.qmw"));
    let mut witness = StateWitness::from_bytes(&bytes).unwrap();
    witness.blocks[3].ommers_known = false;
    space.write("claims.qmw", &witness.to_bytes());
    let claims = ["witness", "verify", "claims.qmw", "--head", "before.json"];
    let claims = [&claims[..], &genesis].concat();
    space.run(&claims).exits(1).says("--claims");
    let accepted = space.ok(&[&claims[..], &["--claims", "1"]].concat());
    assert!(accepted.error.contains("1 claims are accepted"));

    // The program of a prover takes the same file.
    let replayed = space.ok(&["replay", "--json", "range.qmw"]).json();
    let before: Value = serde_json::from_slice(&space.read("before.json")).unwrap();
    assert_eq!(replayed["publicInputs"]["headBefore"], before);
    assert_eq!(replayed["publicInputs"]["headAfter"], after);
    assert_eq!(replayed["publicInputs"]["witness"], "state");
    assert_eq!(replayed["blocks"].as_array().unwrap().len(), 20);
    let prove = [
        "prove-range",
        "--backend",
        "exec",
        "-o",
        "p.seg",
        "range.qmw",
    ];
    space.ok(&prove);
    let accept = [
        "verify-range",
        "--accept",
        "none",
        "--blocks",
        "100..119",
        "p.seg",
    ];
    let accept = [&accept[..], &genesis].concat();
    space.ok(&[&accept[..], &["--head", "before.json"]].concat());
    let refused = space.run(&[&accept[..], &["--head", "after.json"]].concat());
    refused.exits(1).says("the head before");
    let twice = space.run(&["replay", "range.qmw", "range.qmw"]).exits(2);
    twice.says("comes alone");
    let told = space
        .run(&["replay", "--trace", "full", "range.qmw"])
        .exits(2);
    told.says("brings all that with it");

    // Another head before or after, and bytes that were changed.
    let wrong = ["witness", "verify", "range.qmw", "--head", "after.json"];
    let refused = space.run(&[&wrong[..], &genesis].concat());
    refused.exits(1).says("another head");
    let refused = space.run(&[&verify[..], &["--after", "before.json"]].concat());
    refused.exits(1).says("another head");
    let mut bytes = space.read("range.qmw");
    let middle = bytes.len() / 4;
    bytes[middle] ^= 1;
    space.write("range.qmw", &bytes);
    assert_ne!(space.run(&verify).code, Some(0));
    space.write("range.qmw", b"QMRI");
    space.run(&verify).exits(2);

    // Blocks that the files do not have.
    let export = [
        "witness", "export", "--db", "db", "--block", "250..260", "-o", "x", &chain,
    ];
    let refused = space.run(&[&export[..], &genesis].concat());
    refused.exits(2).says("250 to 260");
}
