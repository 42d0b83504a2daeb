//! The witness files in testdata/witness: three blocks of the development chain, around a fork.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/whole.rs"]
mod whole;

use alloy_primitives::{B256, Bytes, hex, keccak256};
use common::{execute, seal};
use qmtree_execution_adapter::engine::{
    BlockFile, ChainGenesis, WitnessedBlock, open_block_file, read_witness_file,
};
use qmtree_execution_adapter::{
    ChainSpec, EthBlock, ExecutionWitness, NoTracer, StatelessError, StatelessInput,
    StatelessOutput, execute_stateless,
};
use qmtree_proofs::LeafPayload;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

/// A bit of every byte of the witness: in turn each of the eight.
#[test]
fn a_flipped_bit_anywhere_is_found() {
    for file in files() {
        let good = execute_file(&file, &file.witness).unwrap();
        let lists: [fn(&mut ExecutionWitness) -> &mut Vec<Bytes>; 3] = [
            |witness| &mut witness.state,
            |witness| &mut witness.codes,
            |witness| &mut witness.headers,
        ];
        let step = if cfg!(debug_assertions) { 101 } else { 17 };
        for list in lists {
            for index in 0..list(&mut file.witness.clone()).len() {
                let len = list(&mut file.witness.clone())[index].len();
                for at in (index % step..len).step_by(step) {
                    let mut flipped = file.witness.clone();
                    let item = &mut list(&mut flipped)[index];
                    let mut bytes = item.to_vec();
                    bytes[at] ^= 1 << ((at / step + index) % 8);
                    *item = bytes.into();
                    let found = execute_file(&file, &flipped);
                    assert!(found.is_err(), "item {index}, byte {at}");
                }
            }
        }
        assert_ne!(good.digest(), B256::ZERO);
    }
}
