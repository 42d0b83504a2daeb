//! What an index on disk costs. Prints figures for docs/decisions/0005-rocksdb-index.md:
//! `cargo test --release -p qmtree-storage --test index measure -- --ignored --nocapture`

use alloy_primitives::keccak256;
use qmtree_proofs::TxNum;
use qmtree_storage::{Index, IndexBatch, Reached, RocksIndex, RocksOptions, Tag, tag_of};
use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

/// Transactions of a batch: the engine gathers blocks.
const BLOCK_LEN: u64 = 50_000;
const LOOKUPS: u64 = 200_000;

fn block(number: u64) -> IndexBatch {
    let reached = |number: u64| Reached {
        block_number: number,
        leaf_count: number * BLOCK_LEN,
        root: keccak256(number.to_be_bytes()),
    };
    let tx_nums = number * BLOCK_LEN..(number + 1) * BLOCK_LEN;
    IndexBatch {
        before: (number > 0).then(|| reached(number)),
        after: Some(reached(number + 1)),
        inserts: tx_nums.map(|number| (tag(number), TxNum(number))).collect(),
    }
}

fn tag(tx_num: u64) -> Tag {
    tag_of(&keccak256(tx_num.to_le_bytes()))
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.metadata().unwrap().len()).sum()
}

fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.unwrap_or("VmRSS: unknown").replace('\t', " ")
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let entries: u64 = env::var("QMTREE_ENTRIES").map_or(1_000_000, |n| n.parse().unwrap());
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("index");
    let index = RocksIndex::open(&path, RocksOptions::default()).unwrap();
    println!("entries={entries} batch={BLOCK_LEN} before: {}", memory());

    let (mut apply, begin) = (0.0, Instant::now());
    for number in 0..entries / BLOCK_LEN {
        let batch = block(number);
        let begin = Instant::now();
        index.apply(&batch).unwrap();
        apply += begin.elapsed().as_secs_f64();
    }
    let flush = Instant::now();
    index.flush().unwrap();
    println!("apply: {:.0} entries/s", entries as f64 / apply);
    println!(
        "flush at the end: {:.1} ms",
        flush.elapsed().as_secs_f64() * 1e3
    );
    println!("all, with hashing: {:.2} s", begin.elapsed().as_secs_f64());
    println!("after it: {}", memory());
    drop(index);
    println!(
        "bytes per entry: {:.1}",
        bytes_of(&path) as f64 / entries as f64
    );

    let begin = Instant::now();
    let index = RocksIndex::open(&path, RocksOptions::default()).unwrap();
    println!("open: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    let some = |salt: u64| (0..LOOKUPS).map(move |n| (n * 7919 + salt) % entries);
    let lookups = |name: &str, keys: Vec<Tag>| {
        for run in ["first", "again"] {
            let begin = Instant::now();
            for key in &keys {
                black_box(index.candidates(key).unwrap());
            }
            let us = begin.elapsed().as_secs_f64() * 1e6 / keys.len() as f64;
            println!("candidates {name} {run}: {us:.2} us");
        }
    };
    lookups("known", some(0).map(tag).collect());
    lookups("unknown", some(1).map(|n| tag(entries + n)).collect());
    println!("after it: {}", memory());
    let begin = Instant::now();
    index.clear().unwrap();
    println!(
        "clear: {:.0} ms, {} bytes left",
        begin.elapsed().as_secs_f64() * 1e3,
        bytes_of(&path)
    );
}
