//! The witness files in testdata/witness: three blocks of the development chain, around a fork.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/holds.rs"]
mod holds;
#[path = "common/whole.rs"]
mod whole;

use alloy_primitives::{B256, Bytes, hex, keccak256};
use common::{execute, seal};
use holds::holds;
use qmtree_execution_adapter::engine::{
    BlockFile, ChainGenesis, WitnessedBlock, open_block_file, read_witness_file,
};
use qmtree_execution_adapter::{
    ChainSpec, EthBlock, ExecutionWitness, NoTracer, PROGRAM_VERSION, RangeBlock, RangeInput,
    StatelessError, StatelessInput, StatelessOutput, TraceMode, execute_range_bytes,
    execute_stateless,
};
use qmtree_proofs::statement::{LogEdge, Program};
use qmtree_proofs::{LeafPayload, Profile, Scheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use whole::{trimmed, whole_witness};

/// 208 is the first block of Osaka.
const NUMBERS: [u64; 3] = [207, 208, 209];

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(name)
}

fn path(number: u64) -> PathBuf {
    testdata(&format!("witness/devchain-{number}.json"))
}

struct Made {
    block: EthBlock,
    witness: ExecutionWitness,
    /// The leaves of the block, executed on the whole state.
    stateful: Vec<LeafPayload>,
}

/// The blocks with all that they need and nothing else, from the whole chain.
fn made() -> (Arc<ChainSpec>, Vec<Made>) {
    let genesis = ChainGenesis::read(&testdata("devchain/genesis.json")).unwrap();
    let chain = Arc::new(genesis.chain);
    let mut state = genesis.state;
    state.insert_block_hash(0, genesis.header.hash_slow());
    let file = open_block_file(&testdata("devchain/chain.rlp"), Some(&chain)).unwrap();
    let BlockFile::Chain(blocks) = file else {
        panic!("a chain of blocks");
    };
    let (mut parent, mut made) = (genesis.header, Vec::new());
    for block in blocks {
        let block = block.unwrap().block;
        let number = block.header.number;
        if number > NUMBERS[2] {
            break;
        }
        if NUMBERS.contains(&number) {
            let headers = vec![Bytes::from(alloy_rlp::encode(&parent))];
            let witness = trimmed(&chain, &block, whole_witness(&state, headers));
            made.push(Made {
                stateful: execute(&chain, &block, state.clone()).payloads,
                block: block.clone(),
                witness,
            });
        }
        // Old receipts have a state root, which `seal` does not make.
        let mut sealed = block.clone();
        state = seal(&chain, &mut sealed, state);
        assert_eq!(sealed.header.state_root, block.header.state_root);
        state.insert_block_hash(number, block.header.hash_slow());
        parent = block.header;
    }
    (chain, made)
}

fn json(made: &Made, chain_id: u64) -> String {
    let list = |items: &[Bytes]| -> Vec<String> {
        let mut sorted: Vec<&Bytes> = items.iter().collect();
        sorted.sort_by_key(|item| keccak256(item));
        sorted.into_iter().map(hex::encode_prefixed).collect()
    };
    let value = serde_json::json!({
        "format": "eth-witness/1",
        "chainId": chain_id,
        "number": made.block.header.number,
        "hash": made.block.header.hash_slow(),
        "block": hex::encode_prefixed(alloy_rlp::encode(&made.block)),
        "witness": {
            "state": list(&made.witness.state),
            "codes": list(&made.witness.codes),
            "keys": [],
            "headers": list(&made.witness.headers),
        },
    });
    format!("{value:#}\n")
}

/// With `QMTREE_WRITE_TESTDATA` set they are written instead.
#[test]
fn the_files_are_what_the_chain_makes() {
    let (chain, made) = made();
    for made in &made {
        let path = path(made.block.header.number);
        let text = json(made, chain.chain_id());
        if std::env::var_os("QMTREE_WRITE_TESTDATA").is_some() {
            let mut file = std::fs::File::create(&path).unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap();
        assert!(found == text, "{}", path.display());
    }
    assert_eq!(made.len(), NUMBERS.len());
}

fn execute_file(
    file: &WitnessedBlock,
    witness: &ExecutionWitness,
) -> Result<StatelessOutput, StatelessError> {
    let input = StatelessInput {
        chain: &file.prepared.chain,
        block: &file.prepared.block,
        witness,
        claims: file.claims.clone(),
    };
    execute_stateless(input, NoTracer).map(|(output, _)| output)
}

fn files() -> Vec<WitnessedBlock> {
    let genesis = ChainGenesis::read(&testdata("devchain/genesis.json")).unwrap();
    let chain = Arc::new(genesis.chain);
    let read = |number: &u64| read_witness_file(&path(*number), Some(&chain)).unwrap();
    NUMBERS.iter().map(read).collect()
}

#[test]
fn stateless_is_stateful_leaf_by_leaf() {
    let (_, made) = made();
    for (file, made) in files().iter().zip(&made) {
        let output = execute_file(file, &file.witness).unwrap();
        assert_eq!(output.leaves, made.stateful);
        assert_eq!(output.post_state_root, made.block.header.state_root);
        assert!(output.leaves.len() >= 4);
    }
}

fn text(error: &dyn std::error::Error) -> String {
    let source = error.source().map(text);
    format!("{error}: {}", source.unwrap_or_default())
}

/// Each of them: the files have nothing that is not needed.
#[test]
fn every_node_code_and_header_is_missed_by_name() {
    let mut tried = 0;
    for file in files() {
        let lists: [fn(&mut ExecutionWitness) -> &mut Vec<Bytes>; 2] =
            [|witness| &mut witness.state, |witness| &mut witness.codes];
        for (list, what) in lists.into_iter().zip(["node", "code"]) {
            for index in 0..list(&mut file.witness.clone()).len() {
                let mut fewer = file.witness.clone();
                let hash = keccak256(list(&mut fewer).remove(index));
                let text = text(&execute_file(&file, &fewer).unwrap_err());
                let missing = format!("{what} {hash} is not in the witness");
                assert!(text.contains(&missing), "{text}");
                tried += 1;
            }
        }
        let mut fewer = file.witness.clone();
        fewer.headers.clear();
        let text = text(&execute_file(&file, &fewer).unwrap_err());
        let parent = file.prepared.block.header.parent_hash;
        assert!(text.contains(&format!("the parent's header, {parent}, is not")));
    }
    assert!(tried > 30, "{tried}");
}

type List = fn(&mut ExecutionWitness) -> &mut Vec<Bytes>;
const LISTS: [List; 3] = [
    |witness| &mut witness.state,
    |witness| &mut witness.codes,
    |witness| &mut witness.headers,
];

/// Every bit of every node, code and header of the three witnesses, on all threads. Builds without
/// optimisation take some of them.
#[test]
fn a_flipped_bit_anywhere_is_found() {
    let files = files();
    let step = if cfg!(debug_assertions) { 809 } else { 1 };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut flips = Vec::new();
    for (file, witnessed) in files.iter().enumerate() {
        assert!(holds(witnessed, &witnessed.witness));
        for (list, items) in LISTS.iter().enumerate() {
            for (index, item) in items(&mut witnessed.witness.clone()).iter().enumerate() {
                flips.extend((0..item.len() * 8).map(|bit| (file, list, index, bit)));
            }
        }
    }
    let all = flips.len();
    assert_eq!(all, 8 * 36_755);
    let tried = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (flips, files, tried) = (&flips, &files, &tried);
            scope.spawn(move || {
                for (file, list, index, bit) in
                    flips.iter().skip(thread * step).step_by(threads * step)
                {
                    let witnessed = &files[*file];
                    let mut flipped = witnessed.witness.clone();
                    let item = &mut LISTS[*list](&mut flipped)[*index];
                    let mut bytes = item.to_vec();
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    *item = bytes.into();
                    assert!(
                        !holds(witnessed, &flipped),
                        "file {file}, list {list}, item {index}, bit {bit}"
                    );
                    tried.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let tried = tried.into_inner();
    eprintln!("{tried} of {all} bits flipped, one at a time; each was found");
    assert_eq!(tried, all.div_ceil(step));
}

/// Every bit of what a prover's program reads: blocks, rules, edge and program as well. What is not found
/// leads to another statement.
#[test]
fn a_flipped_bit_of_an_input_fails_or_shows_in_the_statement() {
    let file = &files()[2];
    let input = RangeInput {
        chain: (*file.prepared.chain).clone(),
        edge: LogEdge::empty(
            file.prepared.chain.chain_id(),
            Profile::Keccak256,
            Scheme::ReadSet1,
        ),
        program: Program::new(PROGRAM_VERSION, "exec", B256::ZERO),
        mode: TraceMode::Outcome,
        blocks: vec![RangeBlock {
            block: file.prepared.block.clone(),
            witness: file.witness.clone(),
            claims: file.claims.clone(),
        }],
    };
    let bytes = input.to_bytes();
    let run = |bytes: &[u8]| execute_range_bytes(&Bytes::copy_from_slice(bytes));
    let good = run(&bytes).unwrap().public_inputs.digest();
    let step = if cfg!(debug_assertions) { 401 } else { 1 };
    let (mut failed, mut other) = (0, 0);
    for bit in (0..bytes.len() * 8).step_by(step) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match run(&flipped) {
            Err(_) => failed += 1,
            Ok(output) => {
                assert_ne!(output.public_inputs.digest(), good, "bit {bit}");
                other += 1;
            }
        }
    }
    let all = bytes.len() * 8;
    eprintln!("of {all} bits {failed} fail when flipped, and {other} are another statement");
    assert_eq!(failed + other, all.div_ceil(step));
}
