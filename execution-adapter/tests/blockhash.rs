//! `BLOCKHASH` as far back as it reaches, from headers alone.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/whole.rs"]
mod whole;

use alloy_consensus::Header;
use alloy_primitives::{Address, Bytes, TxKind, hex};
use common::{SHANGHAI, block, execute, genesis_json, seal, transaction};
use qmtree_execution_adapter::engine::ChainGenesis;
use qmtree_execution_adapter::{
    Claims, EthBlock, ExecutionWitness, NoTracer, StatelessError, StatelessInput, StatelessOutput,
    execute_stateless, recover_sender,
};
use whole::whole_witness;

const CONTRACT: Address = Address::repeat_byte(0xc0);
/// Stores the hash of the block 256 before this one in slot 0, and in slot 1 whether that of the one
/// before it is zero.
const CODE: &[u8] = &hex!("43610100900340600055436101019003401560015500");

struct Chain {
    genesis: ChainGenesis,
    headers: Vec<Header>,
    block: EthBlock,
    witness: ExecutionWitness,
    stateful: Vec<qmtree_proofs::LeafPayload>,
}

/// 300 empty blocks, and one with a call.
fn chain() -> Chain {
    let call = transaction(0, TxKind::Call(CONTRACT), 0, 100_000, Bytes::new());
    let sender = recover_sender(0, &call).unwrap();
    let ether = 10u64.pow(18);
    let alloc = format!(
        r#""{CONTRACT:#x}":{{"balance":"0x0","code":"0x{}"}},"{sender:#x}":{{"balance":"{ether:#x}"}}"#,
        hex::encode(CODE)
    );
    let genesis = ChainGenesis::from_json(genesis_json(SHANGHAI, &alloc).as_bytes()).unwrap();
    let mut headers = vec![genesis.header.clone()];
    let mut memory = genesis.state.clone();
    memory.insert_block_hash(0, genesis.header.hash_slow());
    for _ in 0..300 {
        let mut empty = block(headers.last().unwrap(), Vec::new());
        memory = seal(&genesis.chain, &mut empty, memory);
        headers.push(empty.header);
    }
    let mut last = block(headers.last().unwrap(), vec![call]);
    seal(&genesis.chain, &mut last, memory.clone());
    let stateful = execute(&genesis.chain, &last, memory).payloads;
    Chain {
        witness: whole_witness(&genesis.state, Vec::new()),
        genesis,
        headers,
        block: last,
        stateful,
    }
}

impl Chain {
    /// Executes the last block with so many headers before it.
    fn run(&self, headers: usize) -> Result<StatelessOutput, StatelessError> {
        let from = self.headers.len() - headers;
        let headers = self.headers[from..].iter();
        let witness = ExecutionWitness {
            headers: headers
                .map(|header| alloy_rlp::encode(header).into())
                .collect(),
            ..self.witness.clone()
        };
        let input = StatelessInput {
            chain: &self.genesis.chain,
            block: &self.block,
            witness: &witness,
            claims: Claims::default(),
        };
        execute_stateless(input, NoTracer).map(|(output, _)| output)
    }
}

#[test]
fn the_oldest_hash_needs_255_headers() {
    let chain = chain();
    let number = chain.block.header.number;
    assert_eq!(number, 301);
    // n headers prove n + 1 hashes, the oldest of which is asked for.
    for headers in [255, 256, 300] {
        let output = chain
            .run(headers)
            .unwrap_or_else(|error| panic!("{headers}: {error}"));
        assert_eq!(output.post_state_root, chain.block.header.state_root);
        assert_eq!(output.leaves, chain.stateful);
        assert!(output.claimed_hashes.is_empty());
    }
    for headers in [1, 128, 254] {
        let error = chain.run(headers).unwrap_err().to_string();
        let oldest = number - 256;
        let missing = format!("the hash of block {oldest} is needed, and no header");
        assert!(error.starts_with(&missing), "{headers}: {error}");
    }
    let error = chain.run(0).unwrap_err().to_string();
    assert!(error.starts_with("the parent's header, 0x"), "{error}");
}

#[test]
fn another_hash_leads_to_another_state() {
    let mut chain = chain();
    // A header of the line that is not the one that the line has.
    let at = chain.headers.len() - 200;
    chain.headers[at].gas_limit += 1;
    let error = chain.run(255).unwrap_err().to_string();
    assert!(error.contains("of the witness"), "{error}");
}
