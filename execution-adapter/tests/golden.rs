//! Leaves that must never change: of the development chain under both schemes, and of real blocks
//! under `state-root/1` where QMTREE_DATA has them (those under `read-set/1` are in real_blocks.rs).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test that fails may panic"
)]

#[path = "common/inside.rs"]
mod inside;

use alloy_primitives::B256;
use inside::{Chain, database, devchain};
use qmtree::proofs::{Profile, Scheme, TxNum};
use qmtree::{Db, Identity};
use qmtree_execution_adapter::engine::{
    BlockFile, BlockReport, LogChain, PreparedBlock, open_block_file, run_block,
};
use qmtree_execution_adapter::{NoTracer, ReadSet};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Of each block the hash of its last leaf, which binds all leaves before it.
type DevChain = BTreeMap<String, Vec<B256>>;
/// Of each block the hash of its last leaf, and the state root after it.
type Mainnet = BTreeMap<u64, [B256; 2]>;

fn file(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("../testdata/leaves").join(name)
}

fn golden<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap()
}

fn last_leaf(db: &Db, report: &BlockReport) -> B256 {
    db.view().leaf_hash(report.last_tx_num).unwrap()
}

fn made() -> DevChain {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    let mut inside = vec![chain.db.view().leaf_hash(TxNum(0)).unwrap()];
    for block in &blocks {
        let report = chain.run(block);
        inside.push(last_leaf(&chain.db, &report));
    }
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::ReadSet1,
        chain_id: genesis.chain.chain_id(),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut db = Db::create(folder.path().join("db"), identity, inside::options()).unwrap();
    let (mut beside, mut state) = (Vec::new(), genesis.state);
    for block in &blocks {
        let ran = run_block(&mut db, block, state, NoTracer, &mut ReadSet);
        let (report, after, _) = ran.unwrap();
        beside.push(last_leaf(&db, &report));
        state = after;
    }
    let schemes = [Scheme::StateRoot1, Scheme::ReadSet1].map(|scheme| scheme.to_string());
    schemes.into_iter().zip([inside, beside]).collect()
}

#[test]
fn the_leaves_of_the_development_chain_are_the_ones_on_file() {
    let (expected, found): (DevChain, _) = (golden("devchain.json"), made());
    for (scheme, expected) in expected {
        for (place, expected) in expected.iter().enumerate() {
            assert_eq!(found[&scheme][place], *expected, "{scheme}: line {place}");
        }
        assert_eq!(found[&scheme].len(), expected.len());
    }
}

/// Approves new leaves; docs/FORMAT.md and the changelog say why.
#[test]
#[ignore = "writes testdata/leaves/devchain.json anew"]
fn write_the_leaves_of_the_development_chain() {
    let text = serde_json::to_string_pretty(&made()).unwrap() + "\n";
    std::fs::write(file("devchain.json"), text).unwrap();
}

fn real_blocks() -> Option<PathBuf> {
    let data = std::env::var_os("QMTREE_DATA");
    if data.is_none() {
        eprintln!("SKIPPED: set QMTREE_DATA to a folder with real blocks");
    }
    Some(PathBuf::from(data?).join("blocks"))
}

fn read(path: &Path) -> PreparedBlock {
    match open_block_file(path, None).unwrap() {
        BlockFile::WithState(block) => *block,
        BlockFile::Chain(_) => panic!("{}: not a block with its state", path.display()),
    }
}

/// Runs a block on the state it brings, in a log of its own.
fn run_alone(block: &PreparedBlock) -> (tempfile::TempDir, Db, BlockReport) {
    let (folder, mut db) = database(block.chain.chain_id());
    let log = LogChain::begin_before(&mut db, block).unwrap();
    let number = block.block.header.number;
    let ran = log.run_block(&mut db, block, NoTracer);
    let (report, ..) = ran.unwrap_or_else(|error| panic!("block {number}: {error}"));
    (folder, db, report)
}

#[test]
fn every_real_block_holds_on_its_state_log() {
    let Some(folder) = real_blocks() else { return };
    let golden: Mainnet = golden("mainnet-state-root.json");
    let (mut seen, mut count) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let block = read(&entry.unwrap().path());
        let (_folder, db, report) = run_alone(&block);
        assert_eq!(report.first_tx_num, TxNum(1));
        count += 1;
        if block.chain.chain_id() != 1 {
            continue;
        }
        if let Some(expected) = golden.get(&report.block_number) {
            let found = [last_leaf(&db, &report), report.head.state_root];
            assert_eq!(found, *expected, "{}", report.block_number);
            db.check().unwrap();
            seen += 1;
        }
    }
    assert!(count > 50, "{count} files");
    assert_eq!(seen, golden.len());
    assert!(seen >= 5);
}

/// As above.
#[test]
#[ignore = "writes testdata/leaves/mainnet-state-root.json anew"]
fn write_the_leaves_of_real_blocks() {
    let folder = real_blocks().unwrap();
    let blocks: BTreeMap<u64, serde_json::Value> = golden("mainnet.json");
    let mut made = Mainnet::new();
    for number in blocks.keys() {
        let block = read(&folder.join(format!("mainnet-{number}.json.zst")));
        let (_folder, db, report) = run_alone(&block);
        made.insert(*number, [last_leaf(&db, &report), report.head.state_root]);
    }
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    std::fs::write(file("mainnet-state-root.json"), text).unwrap();
}

#[test]
fn leaves_of_a_real_block_do_not_depend_on_threads() {
    let Some(folder) = real_blocks() else { return };
    let block = read(&folder.join("mainnet-12243999.json.zst"));
    let head = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| run_alone(&block).2.head)
    };
    assert_eq!(head(1), head(4));
}
