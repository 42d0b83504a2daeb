//! Real blocks, where QMTREE_DATA names a folder that has them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test that fails may panic"
)]

use alloy_primitives::B256;
use qmtree::proofs::{Profile, Scheme, TxNum};
use qmtree::{At, Db, Durability, Identity, Options};
use qmtree_execution_adapter::engine::{
    BlockFile, PreparedBlock, RunError, execute_to_leaves, open_block_file, run_block,
};
use qmtree_execution_adapter::{
    BlockInput, Field, NoTracer, ReadSet, TraceMode, TraceOptions, Tracer,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Leaf hashes of the golden blocks: number -> hashes.
const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../testdata/leaves/mainnet.json"
);

fn blocks() -> Option<PathBuf> {
    let data = std::env::var_os("QMTREE_DATA");
    if data.is_none() {
        eprintln!("SKIPPED: set QMTREE_DATA to a folder with real blocks");
    }
    Some(PathBuf::from(data?).join("blocks"))
}

fn read(path: &std::path::Path) -> PreparedBlock {
    match open_block_file(path, None).unwrap() {
        BlockFile::WithState(block) => *block,
        BlockFile::Chain(_) => panic!("{}: not a block with its state", path.display()),
    }
}

fn database(chain_id: u64) -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::ReadSet1,
        chain_id,
    };
    let options = Options::default().with_durability(Durability::Buffered);
    let db = Db::create(folder.path().join("db"), identity, options).unwrap();
    (folder, db)
}

#[test]
fn every_block_holds_and_its_leaves_are_provable() {
    let Some(blocks) = blocks() else { return };
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    let golden: BTreeMap<u64, Vec<B256>> = serde_json::from_str(&golden).unwrap();
    let mut seen = 0;
    let mut files: Vec<_> = std::fs::read_dir(blocks)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for path in &files {
        let mut block = read(path);
        let state = block.state.take().unwrap();
        let (_folder, mut db) = database(block.chain.chain_id());
        let ran = run_block(&mut db, &block, state, NoTracer, &mut ReadSet);
        let (report, ..) = ran.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(report.leaves(), report.transactions as u64 + 2);
        assert!(report.appended);

        let view = db.view();
        let witness = view.witness(report.last_tx_num, At::Head).unwrap();
        witness.verify(&report.head, report.last_tx_num).unwrap();
        if let Some(expected) = golden.get(&report.block_number) {
            seen += 1;
            let leaves = (0..report.leaves()).map(|tx_num| view.leaf_hash(TxNum(tx_num)).unwrap());
            let found: Vec<B256> = leaves.collect();
            let text = || serde_json::to_string(&found).unwrap();
            assert_eq!(found, *expected, "{}: {}", report.block_number, text());
        }
    }
    assert!(files.len() > 50, "{} files", files.len());
    assert_eq!(seen, golden.len(), "golden blocks");
    assert!(seen >= 5);
}

/// Approves new leaves; docs/FORMAT.md and the changelog say why.
#[test]
#[ignore = "writes testdata/leaves/mainnet.json anew"]
fn write_the_leaves_of_real_blocks() {
    let folder = blocks().unwrap();
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    let golden: BTreeMap<u64, Vec<B256>> = serde_json::from_str(&golden).unwrap();
    let mut made = BTreeMap::new();
    for number in golden.keys() {
        let block = read(&folder.join(format!("mainnet-{number}.json.zst")));
        let (_folder, mut db) = database(block.chain.chain_id());
        let state = block.state.clone().unwrap();
        let (report, ..) = run_block(&mut db, &block, state, NoTracer, &mut ReadSet).unwrap();
        let tx_nums = report.first_tx_num.0..=report.last_tx_num.0;
        let view = db.view();
        let hashes = tx_nums.map(|tx_num| view.leaf_hash(TxNum(tx_num)).unwrap());
        made.insert(*number, hashes.collect::<Vec<_>>());
    }
    let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
    std::fs::write(GOLDEN, text).unwrap();
}

#[test]
fn leaves_do_not_depend_on_threads_and_a_trace_changes_only_transitions() {
    let Some(blocks) = blocks() else { return };
    let block = read(&blocks.join("mainnet-12243999.json.zst"));
    let input = BlockInput {
        chain: &block.chain,
        block: &block.block,
        senders: &block.senders,
        keep_changes: false,
    };
    let state = || block.state.clone().unwrap();
    let run = || execute_to_leaves(input, state(), NoTracer, &mut ReadSet).unwrap();
    let plain = run();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(pool.install(run).payloads, plain.payloads);

    let options = TraceOptions::new(TraceMode::Full, Profile::Keccak256);
    let traced = |threads| {
        let tracer = Tracer::threaded(options, threads).unwrap();
        execute_to_leaves(input, state(), tracer, &mut ReadSet).unwrap()
    };
    let (one, two) = (traced(0), traced(2));
    assert_eq!(one.payloads, two.payloads);
    assert_eq!(one.parts.len(), plain.parts.len());
    for (traced, plain) in one.payloads.iter().zip(&plain.payloads) {
        assert_eq!(traced.pre_state_hash, plain.pre_state_hash);
        assert_eq!(traced.state_change_hash, plain.state_change_hash);
        assert_ne!(traced.transition_hash, plain.transition_hash);
    }
}

#[test]
fn a_tampered_block_is_refused_and_names_the_field() {
    let Some(blocks) = blocks() else { return };
    let good = read(&blocks.join("mainnet-4864590.json.zst"));
    let tamper = |change: &dyn Fn(&mut PreparedBlock)| {
        let mut block = good.clone();
        change(&mut block);
        let state = block.state.take().unwrap();
        let (_folder, mut db) = database(1);
        let error = run_block(&mut db, &block, state, NoTracer, &mut ReadSet).unwrap_err();
        assert_eq!(db.head().leaf_count, 0);
        assert!(error.is_invalid_block(), "{error}");
        error
    };
    let field = |change: &dyn Fn(&mut PreparedBlock)| match tamper(change) {
        RunError::Mismatch {
            block: 4_864_590,
            mismatch,
        } => mismatch.field,
        other => panic!("{other}"),
    };
    assert_eq!(
        field(&|block| block.block.header.gas_used += 1),
        Field::GasUsed
    );
    assert_eq!(
        field(&|block| block.block.header.receipts_root.0[0] ^= 1),
        Field::ReceiptsRoot
    );
    assert_eq!(
        field(&|block| block.block.header.logs_bloom.0[9] ^= 1),
        Field::LogsBloom
    );
    assert_eq!(
        field(&|block| block.block.header.state_root.0[0] ^= 1),
        Field::Hash
    );
    assert_eq!(
        field(&|block| block.block.header.ommers_hash.0[0] ^= 1),
        Field::OmmersHash
    );
    let drop_one = |block: &mut PreparedBlock| {
        block.block.body.transactions.pop();
        block.senders.pop();
    };
    assert_eq!(field(&drop_one), Field::TransactionsRoot);
    let error = tamper(&|block| block.senders[3] = alloy_primitives::Address::repeat_byte(3));
    assert!(
        error.to_string().contains("block 4864590: transaction 3 ("),
        "{error}"
    );
}
