//! A range of three blocks of the development chain, and programs to prove it with.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use alloy_primitives::{B256, Bytes, keccak256};
use qmtree_execution_adapter::engine::{ChainGenesis, read_witness_file};
use qmtree_execution_adapter::{
    PROGRAM_VERSION, RangeBlock, RangeInput, RangeOutput, TraceMode, execute_range_bytes,
};
use qmtree_proofs::statement::{LogEdge, Program};
use qmtree_proofs::{Profile, Scheme};
use qmtree_provers::conformance::Sample;
use qmtree_provers::{ProcessBackend, WorkerConfig};
use std::path::Path;
use std::sync::Arc;

pub fn id(backend: &str) -> B256 {
    match backend {
        "example" => keccak256("qmtree-example-worker/3"),
        _ => keccak256(backend),
    }
}

/// The input of some of the blocks 207 to 209, for a backend's program.
pub fn input(backend: &str, numbers: &[u64]) -> Vec<u8> {
    traced_input(backend, numbers, TraceMode::Outcome)
}

/// The same, with leaves that commit to so much.
pub fn traced_input(backend: &str, numbers: &[u64], mode: TraceMode) -> Vec<u8> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let genesis = ChainGenesis::read(&testdata.join("devchain/genesis.json")).unwrap();
    let chain = Arc::new(genesis.chain);
    let mut blocks = Vec::new();
    for number in numbers {
        let path = testdata.join(format!("witness/devchain-{number}.json"));
        let file = read_witness_file(&path, Some(&chain)).unwrap();
        blocks.push(RangeBlock {
            block: file.prepared.block,
            witness: file.witness,
            claims: file.claims,
        });
    }
    RangeInput {
        edge: LogEdge::empty(chain.chain_id(), Profile::Keccak256, Scheme::ReadSet1),
        chain: (*chain).clone(),
        program: Program::new(PROGRAM_VERSION, backend, id(backend)),
        mode,
        blocks,
    }
    .to_bytes()
}

pub fn output(input: &[u8]) -> RangeOutput {
    execute_range_bytes(&Bytes::copy_from_slice(input)).unwrap()
}

pub fn sample(backend: &str, numbers: &[u64]) -> Sample {
    traced_sample(backend, numbers, TraceMode::Outcome)
}

pub fn traced_sample(backend: &str, numbers: &[u64], mode: TraceMode) -> Sample {
    let input = traced_input(backend, numbers, mode);
    let statement = output(&input).public_inputs.digest();
    Sample { input, statement }
}

pub fn example_config() -> WorkerConfig {
    WorkerConfig::new(env!("CARGO_BIN_EXE_qmtree-example-worker"))
}

pub fn example_worker() -> ProcessBackend {
    ProcessBackend::new(example_config(), "example", id("example")).unwrap()
}
