//! The chain in testdata/ is what this crate makes, and it has what it should.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Block, Transaction, TxEnvelope, Typed2718};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::Genesis;
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use std::collections::BTreeMap;
use std::path::Path;

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/devchain");
    std::fs::read(folder.join(name)).unwrap()
}

fn blocks() -> Vec<Block<TxEnvelope>> {
    let bytes = read("chain.rlp");
    let mut rest = &bytes[..];
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        blocks.push(Block::decode(&mut rest).unwrap());
    }
    blocks
}

/// If this fails after a change of this crate, write the files again and look at what else they
/// move; if it fails after an upgrade of the EVM, that is a finding.
#[test]
fn the_files_are_what_this_crate_makes() {
    let made = qmtree_devchain::generate().unwrap();
    assert!(
        made.genesis.as_bytes() == read("genesis.json"),
        "genesis.json"
    );
    assert!(made.chain == read("chain.rlp"), "chain.rlp");
    assert!(made.chain.len() < 500_000, "{} bytes", made.chain.len());
}

#[test]
fn every_block_names_its_parent() {
    let blocks = blocks();
    assert_eq!(blocks.len(), 255);
    for (number, pair) in (2..).zip(blocks.windows(2)) {
        let (parent, child) = (&pair[0].header, &pair[1].header);
        assert_eq!(child.parent_hash, parent.hash_slow(), "block {number}");
        assert_eq!(
            (child.number, child.timestamp),
            (number, parent.timestamp + 20)
        );
        assert!(child.gas_used <= child.gas_limit, "block {number}");
        assert_ne!(child.state_root, B256::ZERO);
    }
}

#[test]
fn every_sender_is_an_actor_of_the_genesis() {
    let genesis: Genesis = serde_json::from_slice(&read("genesis.json")).unwrap();
    let mut count = 0;
    for tx in blocks().iter().flat_map(|block| &block.body.transactions) {
        let sender = tx.recover_signer().unwrap();
        assert!(genesis.alloc.contains_key(&sender), "{sender}");
        // Replay protection came with Spurious Dragon.
        assert!(tx.chain_id().is_none_or(|id| id == genesis.config.chain_id));
        count += 1;
    }
    assert!(count > 1_000, "{count}");
}

#[test]
fn every_fork_brings_what_it_is_known_for() {
    let blocks = blocks();
    let mut types: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for block in &blocks {
        let types = types.entry(block.header.number / 16).or_default();
        types.extend(block.body.transactions.iter().map(|tx| tx.ty()));
    }
    let most = |fork: u64| types[&fork].iter().max().copied();
    let (berlin, london, cancun, prague) = (7, 8, 11, 12);
    assert_eq!(most(berlin - 1), Some(0));
    assert_eq!(most(berlin), Some(1));
    assert_eq!(most(london), Some(2));
    assert_eq!(most(cancun), Some(3));
    assert_eq!(most(prague), Some(4));

    let count =
        |has: &dyn Fn(&Block<TxEnvelope>) -> bool| blocks.iter().filter(|block| has(block)).count();
    // Nine forks before Paris have an ommer each.
    assert_eq!(count(&|block| !block.body.ommers.is_empty()), 9);
    assert_eq!(
        count(&|block| block.header.difficulty == U256::ZERO),
        7 * 16
    );
    assert_eq!(count(&|block| block.body.transactions.is_empty()), 16);
    assert_eq!(
        count(&|block| block
            .body
            .withdrawals
            .as_ref()
            .is_some_and(|list| !list.is_empty())),
        6 * 4
    );
    assert_eq!(count(&|block| block.header.blob_gas_used > Some(0)), 15);
    assert!(count(&|block| block.header.excess_blob_gas > Some(0)) > 5);
    let asks = |block: &Block<TxEnvelope>| block.header.requests_hash != Some(EMPTY_REQUESTS_HASH);
    assert!(count(&|block| block.header.requests_hash.is_some() && asks(block)) >= 4);
    assert_eq!(
        count(&|block| block.header.base_fee_per_gas.is_some()),
        8 * 16
    );
}
