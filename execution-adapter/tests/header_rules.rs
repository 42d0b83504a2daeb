//! Headers against the headers before them: what holds in real chains, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

#[path = "common/inside.rs"]
mod inside;

use alloy_consensus::Header;
use inside::{Chain, devchain};
use qmtree_execution_adapter::engine::{
    BlockFile, PreparedBlock, RunError, open_block_file, read_witness_file, run_block,
};
use qmtree_execution_adapter::{Field, NoTracer, ReadSet, check_header};
use std::path::PathBuf;

/// Changes to a header, and the field that each must be refused for.
type Forgery = (Field, fn(&mut Header));

const FORGERIES: [Forgery; 4] = [
    (Field::Timestamp, |header| header.timestamp = 0),
    (Field::GasLimit, |header| {
        header.gas_limit += header.gas_limit / 128
    }),
    (Field::BaseFee, |header| {
        header.base_fee_per_gas = header.base_fee_per_gas.map_or(Some(7), |fee| Some(fee + 1));
    }),
    (Field::ExcessBlobGas, |header| {
        header.excess_blob_gas = header
            .excess_blob_gas
            .map_or(Some(0), |excess| Some(excess + 1));
    }),
];

fn field(error: &RunError, number: u64) -> Field {
    match error {
        RunError::Mismatch { block, mismatch } if *block == number => mismatch.field,
        other => panic!("block {number}: {other}"),
    }
}

#[test]
fn a_chain_refuses_headers_that_do_not_follow_and_goes_on_with_those_that_do() {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    for block in &blocks {
        let number = block.block.header.number;
        // One of each fork is enough.
        if number % 16 == 1 || number > 240 {
            for (expected, forge) in FORGERIES {
                let mut forged = block.clone();
                forge(&mut forged.block.header);
                let before = *chain.db.view().head();
                let error = chain.try_run(&forged).unwrap_err();
                assert_eq!(field(&error, number), expected, "block {number}");
                assert_eq!(*chain.db.view().head(), before);
                chain.reopen_log();
            }
        }
        chain.run(block);
    }
}

/// The sample blocks under QMTREE_DATA, if it is set.
fn samples(folder: &str) -> Vec<PathBuf> {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        eprintln!("skipped: QMTREE_DATA is not set");
        return Vec::new();
    };
    let files = std::fs::read_dir(PathBuf::from(data).join(folder)).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.to_string_lossy().contains(".json"))
        .collect();
    files.sort();
    files
}

#[test]
fn headers_of_public_chains_follow_those_in_their_witnesses() {
    let mut checked = 0;
    for path in samples("witnesses") {
        let witnessed = read_witness_file(&path, None).unwrap();
        let PreparedBlock { chain, block, .. } = &witnessed.prepared;
        let Some(parent) = witnessed.state().unwrap().parent().cloned() else {
            continue;
        };
        check_header(chain, &block.header, &parent)
            .unwrap_or_else(|mismatch| panic!("{}: {mismatch}", path.display()));
        checked += 1;

        let (_folder, mut db) = common_database(chain.chain_id());
        for (expected, forge) in FORGERIES {
            let mut forged = witnessed.prepared.clone();
            forge(&mut forged.block.header);
            let state = witnessed.state().unwrap();
            let error = run_block(&mut db, &forged, state, NoTracer, &mut ReadSet).unwrap_err();
            assert_eq!(field(&error, block.header.number), expected);
        }
    }
    eprintln!("{checked} headers with their parents");
}

#[test]
fn headers_of_neighbouring_sample_blocks_follow_each_other() {
    let mut checked = 0;
    let blocks =
        samples("blocks")
            .into_iter()
            .map(|path| match open_block_file(&path, None).unwrap() {
                BlockFile::WithState(block) => (block.chain, block.block.header),
                BlockFile::Chain(_) => panic!("{}: a chain", path.display()),
            });
    let blocks: Vec<_> = blocks.collect();
    for (chain, header) in &blocks {
        let parent = blocks
            .iter()
            .find(|(_, parent)| parent.hash_slow() == header.parent_hash);
        if let Some((_, parent)) = parent {
            check_header(chain, header, parent)
                .unwrap_or_else(|mismatch| panic!("block {}: {mismatch}", header.number));
            checked += 1;
        }
    }
    eprintln!("{checked} headers with their parents");
}

fn common_database(chain_id: u64) -> (tempfile::TempDir, qmtree::Db) {
    let folder = tempfile::tempdir().unwrap();
    let identity = qmtree::Identity {
        profile: qmtree::proofs::Profile::Keccak256,
        scheme: qmtree::proofs::Scheme::ReadSet1,
        chain_id,
    };
    let db = qmtree::Db::create(folder.path().join("db"), identity, inside::options()).unwrap();
    (folder, db)
}
