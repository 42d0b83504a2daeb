//! The development chain through `qm run`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::Workspace;

fn file(name: &str) -> String {
    let manifest = env!("CARGO_MANIFEST_DIR");
    format!("{manifest}/../testdata/devchain/{name}")
}

/// Gas, receipts, logs and the root of the whole state of each block are those of its header.
#[test]
fn every_block_of_the_development_chain_holds() {
    let place = Workspace::new();
    let (genesis, chain) = (file("genesis.json"), file("chain.rlp"));
    let run = |db: &str, trace: &str| {
        let from = ["run", "--json", "--db", db, "--genesis", &genesis, &chain];
        place
            .ok(&[&from[..], &["--trace", trace]].concat())
            .lines_json()
    };
    let outcome = run("outcome", "outcome");
    assert_eq!(outcome.len(), 255);
    let mut next = outcome[0]["firstTxNum"].as_u64().unwrap();
    for (number, line) in (1..).zip(&outcome) {
        assert_eq!(
            (&line["blockNumber"], &line["ok"]),
            (&number.into(), &true.into())
        );
        assert_eq!(line["firstTxNum"], next);
        // One leaf for each transaction, one before and one after them.
        next += line["txs"].as_u64().unwrap() + 2;
    }
    let full = run("full", "full");
    let gas = |lines: &[serde_json::Value]| -> Vec<u64> {
        lines
            .iter()
            .map(|line| line["gasUsed"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(gas(&full), gas(&outcome));
    assert_ne!(
        full[254]["root"], outcome[254]["root"],
        "the steps are part of the leaves"
    );
}
