//! A range of three blocks of mainnet, and programs to prove it with.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use alloy_primitives::{B256, Bytes, keccak256};
use qmtree_execution_adapter::engine::read_witness_file;
use qmtree_execution_adapter::{
    PROGRAM_VERSION, RangeBlock, RangeInput, RangeOutput, TraceMode, execute_range_bytes,
};
use qmtree_proofs::statement::{LogEdge, Program};
use qmtree_proofs::{Profile, Scheme};
use qmtree_provers::conformance::Sample;
use qmtree_provers::{ProcessBackend, WorkerConfig};
use std::path::Path;

pub fn id(backend: &str) -> B256 {
    match backend {
        "example" => keccak256("qmtree-example-worker/1"),
        _ => keccak256(backend),
    }
}

/// The input of some of the blocks 1149999 to 1150001, for a backend's program.
pub fn input(backend: &str, numbers: &[u64]) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/witness");
    let mut chain = None;
    let mut blocks = Vec::new();
    for number in numbers {
        let path = folder.join(format!("mainnet-{number}.json.zst"));
        let file = read_witness_file(&path, None).unwrap();
        chain = Some((*file.prepared.chain).clone());
        blocks.push(RangeBlock {
            block: file.prepared.block,
            witness: file.witness,
            claims: file.claims,
        });
    }
    RangeInput {
        chain: chain.unwrap(),
        edge: LogEdge::empty(1, Profile::Keccak256, Scheme::ReadSet1),
        program: Program::new(PROGRAM_VERSION, backend, id(backend)),
        mode: TraceMode::Outcome,
        blocks,
    }
    .to_bytes()
}

pub fn output(input: &[u8]) -> RangeOutput {
    execute_range_bytes(&Bytes::copy_from_slice(input)).unwrap()
}

pub fn sample(backend: &str, numbers: &[u64]) -> Sample {
    let input = input(backend, numbers);
    let statement = output(&input).public_inputs.digest();
    Sample { input, statement }
}

pub fn example_config() -> WorkerConfig {
    WorkerConfig::new(env!("CARGO_BIN_EXE_qmtree-example-worker"))
}

pub fn example_worker() -> ProcessBackend {
    ProcessBackend::new(example_config(), "example", id("example")).unwrap()
}
