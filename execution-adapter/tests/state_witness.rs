//! Blocks executed from witnesses of the state log, against the database that executed them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/inside.rs"]
mod inside;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use common::*;
use inside::{Chain, database, devchain};
use qmtree::proofs::state::{Entry, PartialError, StateExtract};
use qmtree::proofs::{ShapeError, TxNum, VerifyError};
use qmtree::{At, Db, KeyUse, View};
use qmtree_execution_adapter::engine::{
    BlockFile, ChainGenesis, LogChain, PreparedBlock, RecordError, open_block_file,
    record_state_witness,
};
use qmtree_execution_adapter::state_log::{StateLogDb, StateLogError};
use qmtree_execution_adapter::{
    ChainSpec, EthBlock, Field, NoTracer, StateBlock, StateBlockError, StateName, StateWitness,
    StateWitnessError, StateWitnessOutput, TraceMode, execute_program, execute_state_witness_bytes,
    recover_senders,
};
use std::sync::Arc;

fn state_block(prepared: &PreparedBlock) -> StateBlock {
    StateBlock {
        block: prepared.block.clone(),
        ommers_known: prepared.ommers_known,
    }
}

fn witness(view: &View, blocks: &[PreparedBlock]) -> StateWitness {
    let list = blocks.iter().map(state_block).collect();
    let chain = &blocks[0].chain;
    record_state_witness(view, chain, TraceMode::Outcome, list).unwrap()
}

fn replay(witness: &StateWitness) -> Result<StateWitnessOutput, StateWitnessError> {
    execute_state_witness_bytes(&Bytes::from(witness.to_bytes()))
}

/// The replay is the database, leaf by leaf and head by head.
fn check(view: &View, witness: &StateWitness) -> StateWitnessOutput {
    let output = replay(witness).unwrap_or_else(|error| panic!("{error}: {error:?}"));
    let program = execute_program(witness.to_bytes()).unwrap();
    assert_eq!(program, output.public_inputs);
    let first = witness.blocks[0].block.header.number;
    assert_eq!(
        output.public_inputs.head_before,
        view.head_at(first - 1).unwrap()
    );
    for block in &output.blocks {
        assert_eq!(block.head, view.head_at(block.number).unwrap());
        let range = view.block_range(block.number).unwrap();
        assert_eq!(block.leaves.len() as u64, range.end.0 - range.start.0);
        for (leaf, tx_num) in block.leaves.iter().zip(range.start.0..) {
            let expected = view.leaf(TxNum(tx_num)).unwrap().payload();
            assert_eq!(*leaf, expected, "block {}, leaf {tx_num}", block.number);
        }
    }
    let last = output.blocks.last().unwrap();
    assert_eq!(output.public_inputs.head_after, last.head);
    assert_eq!(output.public_inputs.last_block_hash, last.hash);
    output
}

fn ran_devchain() -> (Vec<PreparedBlock>, Chain) {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    blocks.iter().for_each(|block| _ = chain.run(block));
    (blocks, chain)
}

#[test]
fn every_block_of_the_development_chain_is_replayed_leaf_by_leaf() {
    let (blocks, chain) = ran_devchain();
    let view = chain.db.view();
    let mut alone = Vec::new();
    for block in &blocks {
        let witness = witness(&view, std::slice::from_ref(block));
        let bytes = Bytes::from(witness.to_bytes());
        let decoded = StateWitness::from_bytes(&bytes).unwrap();
        assert_eq!(decoded.to_bytes(), bytes);
        check(&view, &witness);
        alone.push(witness.proof_len());
    }
    // Ranges, whose proofs are smaller than those of their blocks.
    for range in [0..blocks.len(), 0..16, 100..140, 250..255] {
        let witness = witness(&view, &blocks[range.clone()]);
        let output = check(&view, &witness);
        assert_eq!(output.blocks.len(), range.len());
        let sum: usize = alone[range.clone()].iter().sum();
        let together = witness.proof_len();
        assert!(together < sum, "{range:?}: {together} of {sum} bytes");
        eprintln!("blocks {range:?}: {together} bytes together, {sum} apart");
    }
}

#[test]
fn the_next_block_has_the_witness_that_it_has_later() {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    blocks[..40].iter().for_each(|block| _ = chain.run(block));
    let before = witness(&chain.db.view(), &blocks[40..42]);
    blocks[40..50].iter().for_each(|block| _ = chain.run(block));
    let after = witness(&chain.db.view(), &blocks[40..42]);
    assert_eq!(before.to_bytes(), after.to_bytes());
    check(&chain.db.view(), &before);
}

/// Keys of the entries of a witness, but for one of them.
fn extract_without(view: &View, witness: &StateWitness, dropped: usize) -> StateExtract {
    let entries = witness.extract.entries().iter().enumerate();
    let keys = entries.filter(|(at, _)| *at != dropped);
    // The entry before all keys is no key that can be asked for: it shows that key 1 is absent.
    let first = B256::with_last_byte(1);
    let keys: Vec<_> = keys
        .map(|(_, open)| KeyUse {
            key: open.entry.key.max(first),
            deleted: false,
        })
        .collect();
    let before = witness.blocks[0].block.header.number - 1;
    view.extract_state(&keys, At::Block(before)).unwrap()
}

/// Witnesses of blocks and of ranges of the development chain. Builds without optimisation take some.
fn witnesses_of_devchain(view: &View, blocks: &[PreparedBlock]) -> Vec<StateWitness> {
    let step = if cfg!(debug_assertions) { 32 } else { 1 };
    let alone = (0..blocks.len()).step_by(step).map(|at| at..at + 1);
    let ranges = [60..64, 120..122];
    let made = alone.chain(ranges);
    made.map(|range| witness(view, &blocks[range])).collect()
}

#[test]
fn what_a_witness_lacks_is_named() {
    let (blocks, chain) = ran_devchain();
    let view = chain.db.view();
    let (mut dropped, mut near) = (0, 0);
    for good in witnesses_of_devchain(&view, &blocks) {
        let whole = StateWitness {
            extract: extract_without(&view, &good, usize::MAX),
            ..good.clone()
        };
        check(&view, &whole);
        for (at, open) in good.extract.entries().iter().enumerate() {
            near += usize::from(misses(&view, &good, at, open.entry));
            dropped += 1;
        }
    }
    eprintln!(
        "{dropped} entries dropped, one at a time: a missing key is named each time, {near} times that of \
         the entry, or one right behind it"
    );
    assert_eq!(near, dropped);
}

/// Whoever takes a part out and leaves the rest as it is does not get as far as a missing key.
#[test]
fn a_witness_with_a_part_cut_out_is_none() {
    let (blocks, chain) = ran_devchain();
    let view = chain.db.view();
    let (mut entries, mut nodes) = (0, 0);
    for good in witnesses_of_devchain(&view, &blocks) {
        let extract = &good.extract;
        let parts = |entries, nodes| {
            StateExtract::new(extract.profile(), extract.entry_count(), entries, nodes)
        };
        for at in 0..extract.nodes().len() {
            let mut fewer = extract.nodes().to_vec();
            fewer.remove(at);
            let error = parts(extract.entries().to_vec(), fewer).unwrap_err();
            assert!(matches!(error, ShapeError::DigestCount { .. }), "{error}");
            nodes += 1;
        }
        for at in 0..extract.entries().len() {
            let mut fewer = extract.entries().to_vec();
            fewer.remove(at);
            entries += 1;
            // The nodes are those of all entries. Where their number fits all the same, the root does not.
            let Ok(extract) = parts(fewer, extract.nodes().to_vec()) else {
                continue;
            };
            let lacking = StateWitness {
                extract,
                ..good.clone()
            };
            let error = replay(&lacking).unwrap_err();
            assert!(matches!(error, StateWitnessError::Extract(_)), "{error}");
        }
    }
    eprintln!("{entries} entries and {nodes} nodes cut out, one at a time: all are refused");
    assert!(entries > 0 && nodes > 0);
}

/// Without one of its entries a witness is refused, and the key that is missing is named. False if that
/// is a key which the entry shows something about only once others were deleted.
fn misses(view: &View, good: &StateWitness, at: usize, entry: Entry) -> bool {
    let lacking = StateWitness {
        extract: extract_without(view, good, at),
        ..good.clone()
    };
    let error = replay(&lacking).unwrap_err();
    let StateWitnessError::Block { source, .. } = error else {
        panic!("{error}")
    };
    let text = source.to_string();
    let missing = match *source {
        StateBlockError::Missing(missing) => missing.source,
        StateBlockError::Log(source) => source,
        other => panic!("{other}"),
    };
    let (StateLogError::Read(PartialError::Unknown { key })
    | StateLogError::Read(PartialError::UnknownBefore { key })) = missing
    else {
        panic!("{missing}")
    };
    assert!(text.contains(&key.to_string()), "{text}");
    // Where keys in between are deleted, the entry comes to be the one before a key further on.
    assert!(entry.key <= key, "{text}");
    // The key that is missing is the entry's, or one that the entry shows to be absent, or
    // the one behind it, which is deleted.
    entry.key == key || entry.excludes(&key) || entry.next_key == key
}

/// Flips bits of witnesses as bytes, each alone, on all threads. What does not fail is another statement.
/// Returns how many failed, and how many were one.
fn flip(witnesses: &[Vec<u8>], step: usize) -> (usize, usize) {
    let run = |bytes: Vec<u8>| execute_state_witness_bytes(&Bytes::from(bytes));
    let digest = |bytes: &Vec<u8>| run(bytes.clone()).unwrap().public_inputs.digest();
    let good: Vec<_> = witnesses.iter().map(digest).collect();
    let places = witnesses.iter().enumerate();
    let bits: Vec<(usize, usize)> = places
        .flat_map(|(at, bytes)| (0..bytes.len() * 8).map(move |bit| (at, bit)))
        .collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = std::thread::scope(|scope| {
        let spawn = |thread: usize| {
            let (bits, good) = (&bits, &good);
            scope.spawn(move || {
                let (mut failed, mut other) = (0, 0);
                for (at, bit) in bits.iter().skip(thread * step).step_by(threads * step) {
                    let mut forged = witnesses[*at].clone();
                    forged[bit / 8] ^= 1 << (bit % 8);
                    match run(forged) {
                        Err(_) => failed += 1,
                        Ok(output) => {
                            let digest = output.public_inputs.digest();
                            assert_ne!(digest, good[*at], "witness {at}, bit {bit}");
                            other += 1;
                        }
                    }
                }
                (failed, other)
            })
        };
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        counts.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    });
    assert_eq!(counts.0 + counts.1, bits.len().div_ceil(step));
    eprintln!(
        "{} of {} bits flipped, one at a time: {} fail, {} are another statement",
        counts.0 + counts.1,
        bits.len(),
        counts.0,
        counts.1
    );
    counts
}

/// Every bit of a witness of two blocks, and some of those of every block of the chain. Builds without
/// optimisation take some of them.
#[test]
fn every_bit_of_a_witness_counts() {
    let (blocks, chain) = ran_devchain();
    let view = chain.db.view();
    let good = witness(&view, &blocks[60..62]);
    let bytes = good.to_bytes();
    let (few, fewer) = if cfg!(debug_assertions) {
        (401, 40_009)
    } else {
        (1, 1_009)
    };
    flip(std::slice::from_ref(&bytes), few);
    let each = blocks
        .iter()
        .map(|block| witness(&view, std::slice::from_ref(block)).to_bytes());
    let each: Vec<Vec<u8>> = each.collect();
    let (_, other) = flip(&each, fewer);
    // What an execution cannot see: who proves, header fields that are only in the hash, and the like.
    assert!(other > 0);
    for cut in (0..bytes.len()).step_by(997) {
        let cut = Bytes::copy_from_slice(&bytes[..cut]);
        assert!(StateWitness::from_bytes(&cut).is_err());
    }
    let longer = Bytes::from([bytes.as_slice(), &[0]].concat());
    assert!(StateWitness::from_bytes(&longer).is_err());
}

#[test]
fn blocks_that_do_not_follow_are_refused() {
    let (blocks, chain) = ran_devchain();
    let view = chain.db.view();
    let good = witness(&view, &blocks[60..63]);
    let swapped = StateWitness {
        blocks: [0, 2, 1].map(|at| good.blocks[at].clone()).to_vec(),
        ..good.clone()
    };
    assert!(matches!(
        replay(&swapped),
        Err(StateWitnessError::Statement(_))
    ));
    let missing = StateWitness {
        blocks: good.blocks[1..].to_vec(),
        ..good.clone()
    };
    assert!(matches!(
        replay(&missing),
        Err(StateWitnessError::Statement(_))
    ));
    // Another block with this number: it does not name the newest block of the log.
    let mut other = good.blocks[0].clone();
    other.block.header.parent_hash.0[0] ^= 1;
    let forged = StateWitness {
        blocks: vec![other],
        ..good.clone()
    };
    let error = replay(&forged).unwrap_err();
    assert!(error.is_invalid_block());
    let StateWitnessError::Block { source, .. } = error else {
        panic!("{error}")
    };
    assert!(matches!(*source, StateBlockError::Parent { .. }));
    // What the header before says is in the log as well.
    let mut late = good.blocks[0].clone();
    late.block.header.timestamp = 0;
    let forged = StateWitness {
        blocks: vec![late],
        ..good.clone()
    };
    let error = replay(&forged).unwrap_err();
    assert!(error.is_invalid_block());
    let StateWitnessError::Block { source, .. } = error else {
        panic!("{error}")
    };
    assert!(
        matches!(&*source, StateBlockError::Mismatch(found) if found.field == Field::Timestamp),
        "{source}"
    );
    // A witness under another head.
    let later = witness(&view, &blocks[61..62]);
    let mixed = StateWitness {
        extract: later.extract,
        ..good.clone()
    };
    let error = replay(&mixed).unwrap_err();
    let StateWitnessError::Extract(error) = error else {
        panic!("{error}")
    };
    assert!(matches!(error, VerifyError::EntryCount { .. }));

    let record = |blocks: &[PreparedBlock], mode| {
        let list = blocks.iter().map(state_block).collect();
        record_state_witness(&view, &good.chain, mode, list).unwrap_err()
    };
    let gap = [blocks[3].clone(), blocks[5].clone()];
    assert!(matches!(
        record(&gap, TraceMode::Outcome),
        RecordError::Order {
            expected: 5,
            found: 6
        }
    ));
    assert!(matches!(
        record(&blocks[3..4], TraceMode::Full),
        RecordError::OtherLeaf { .. }
    ));
    assert!(matches!(
        record(&[], TraceMode::Outcome),
        RecordError::Empty
    ));
}

fn prepare(chain: &ChainSpec, block: EthBlock) -> PreparedBlock {
    PreparedBlock {
        chain: Arc::new(chain.clone()),
        senders: recover_senders(&block).unwrap(),
        block,
        hash: None,
        ommers_known: true,
        state: None,
    }
}

/// Slot 0 := BLOCKHASH of the number in the calldata.
const STORE_HASH: &[u8] = &[0x60, 0x00, 0x35, 0x40, 0x60, 0x00, 0x55, 0x00];
const CONTRACT: Address = Address::repeat_byte(0xcc);

#[test]
fn blockhash_reaches_256_blocks_back() {
    let ChainGenesis {
        chain: spec,
        mut state,
        mut header,
    } = genesis(SHANGHAI);
    insert(&mut state, CONTRACT, STORE_HASH, &[]);
    let ask = |number: u64| {
        let input = Bytes::from(U256::from(number).to_be_bytes::<32>().to_vec());
        transaction(0, TxKind::Call(CONTRACT), 0, 100_000, input)
    };
    // Block 300 asks for its own number, its parent, and to the last and beyond.
    let asked = [300, 299, 44, 43];
    for number in asked {
        let sender = recover_senders(&block(&header, vec![ask(number)])).unwrap()[0];
        insert(&mut state, sender, &[], &[]);
    }
    header.state_root = state.state_root();
    let genesis = ChainGenesis {
        chain: spec.clone(),
        state: state.clone(),
        header: header.clone(),
    };
    let mut chain = Chain::genesis(&genesis);
    let (mut parent, mut hashes) = (header.clone(), vec![header.hash_slow()]);
    for _ in 1..300 {
        let mut next = block(&parent, vec![]);
        state = seal(&spec, &mut next, state);
        parent = next.header.clone();
        hashes.push(parent.hash_slow());
        chain.run(&prepare(&spec, next));
    }
    for number in asked {
        let mut next = block(&parent, vec![ask(number)]);
        seal(&spec, &mut next, state.clone());
        let next = prepare(&spec, next);
        let witness = witness(&chain.db.view(), std::slice::from_ref(&next));
        chain.run(&next);
        let view = chain.db.view();
        check(&view, &witness);
        let found = StateLogDb::new(&view).slot(CONTRACT, slot(0)).unwrap();
        let expected = match number {
            44 | 299 => hashes[number as usize].into(),
            _ => U256::ZERO,
        };
        assert_eq!(found, expected, "hash of block {number}");
        if number == 44 {
            // Without that hash the block cannot be executed, and it says so.
            let key = qmtree_execution_adapter::state_log::keys::block_hash(44);
            let entries = witness.extract.entries();
            let at = entries
                .iter()
                .position(|open| open.entry.key == key)
                .unwrap();
            let lacking = StateWitness {
                extract: extract_without(&view, &witness, at),
                ..witness.clone()
            };
            let StateWitnessError::Block { source, .. } = replay(&lacking).unwrap_err() else {
                panic!("a block")
            };
            let StateBlockError::Missing(missing) = *source else {
                panic!("{source}")
            };
            assert_eq!(missing.name, StateName::BlockHash(44));
        }
        chain.db.unwind_to(299).unwrap();
        chain.reopen_log();
    }
}

#[test]
fn real_blocks_are_replayed_leaf_by_leaf() {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        eprintln!("SKIPPED: set QMTREE_DATA to a folder with real blocks");
        return;
    };
    let (mut count, mut dropped, mut near) = (0, 0, 0);
    let mut made = Vec::new();
    for entry in std::fs::read_dir(std::path::Path::new(&data).join("blocks")).unwrap() {
        let block = match open_block_file(&entry.unwrap().path(), None).unwrap() {
            BlockFile::WithState(block) => *block,
            BlockFile::Chain(_) => continue,
        };
        let (_folder, mut db): (_, Db) = database(block.chain.chain_id());
        let log = LogChain::begin_before(&mut db, &block).unwrap();
        // Before it is in the log, as a builder of blocks would.
        let witness = witness(&db.view(), std::slice::from_ref(&block));
        log.run_block(&mut db, &block, NoTracer).unwrap();
        let output = check(&db.view(), &witness);
        assert_eq!(output.public_inputs.claims, u64::from(!block.ommers_known));
        count += 1;
        // Entries spread over the log; those of all small witnesses.
        let entries = witness.extract.entries();
        let step = entries.len().div_ceil(8).max(1);
        for (at, open) in entries.iter().enumerate().step_by(step) {
            near += usize::from(misses(&db.view(), &witness, at, open.entry));
            dropped += 1;
        }
        made.push(witness.to_bytes());
    }
    assert!(count > 50, "{count} files");
    eprintln!(
        "{count} real blocks; {dropped} entries dropped, one at a time: a missing key is named each time, \
         {near} times that of the entry, or one right behind it"
    );
    assert!(near * 10 > dropped * 9, "{near} of {dropped}");
    // Each of them as often as its length allows: a replay costs about as much as it has bytes.
    let budget = if cfg!(debug_assertions) {
        1 << 20
    } else {
        16 << 20
    };
    let mut tried = 0;
    for bytes in &made {
        let times = (budget / bytes.len()).clamp(16, bytes.len() * 8);
        let step = (bytes.len() * 8).div_ceil(times) | 1;
        let (failed, other) = flip(std::slice::from_ref(bytes), step);
        tried += failed + other;
    }
    eprintln!("{tried} bits of them flipped, one at a time; none goes unnoticed");
}
