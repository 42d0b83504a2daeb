//! Ranges of blocks, executed from witnesses.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use alloy_primitives::{B256, Bytes};
use qmtree_execution_adapter::engine::{ChainGenesis, WitnessedBlock, read_witness_file};
use qmtree_execution_adapter::{
    NoTracer, PROGRAM_VERSION, ProgramInputError, RangeBlock, RangeError, RangeInput, RangeOutput,
    StatelessInput, StatelessOutput, TraceMode, execute_program, execute_range,
    execute_range_bytes, execute_stateless,
};
use qmtree_proofs::statement::{LogEdge, Program, PublicInputs, StatementError, WitnessKind};
use qmtree_proofs::{Blake3, Head, Keccak256, MemoryLog, Profile, Scheme, TreeHasher, TxNum};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Three blocks of the development chain, around the fork to Osaka.
const OWN: [u64; 3] = [207, 208, 209];

fn own(number: u64) -> WitnessedBlock {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let genesis = ChainGenesis::read(&testdata.join("devchain/genesis.json")).unwrap();
    let path = testdata.join(format!("witness/devchain-{number}.json"));
    read_witness_file(&path, Some(&Arc::new(genesis.chain))).unwrap()
}

/// A file of `QMTREE_DATA`, if that is set.
fn data(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("QMTREE_DATA") else {
        println!("QMTREE_DATA is not set: {name} IS SKIPPED");
        return None;
    };
    let folder = PathBuf::from(folder).join("witnesses");
    Some(folder.join(format!("{name}.json.zst")))
}

fn read(path: &Path) -> WitnessedBlock {
    read_witness_file(path, None).unwrap_or_else(|error| panic!("{error}"))
}

fn program() -> Program {
    Program::new(PROGRAM_VERSION, "exec", B256::repeat_byte(1))
}

fn input(files: &[WitnessedBlock], edge: LogEdge) -> RangeInput {
    let blocks = files.iter().map(|file| RangeBlock {
        block: file.prepared.block.clone(),
        witness: file.witness.clone(),
        claims: file.claims.clone(),
    });
    RangeInput {
        chain: (*files[0].prepared.chain).clone(),
        edge,
        program: program(),
        mode: TraceMode::Outcome,
        blocks: blocks.collect(),
    }
}

fn empty(chain_id: u64) -> LogEdge {
    LogEdge::empty(chain_id, Profile::Keccak256, Scheme::ReadSet1)
}

fn osaka() -> Vec<WitnessedBlock> {
    OWN.into_iter().map(own).collect()
}

fn chain_id(files: &[WitnessedBlock]) -> u64 {
    files[0].prepared.chain.chain_id()
}

fn run(input: &RangeInput) -> Result<RangeOutput, RangeError> {
    execute_range(input, Keccak256)
}

/// The leaves of each block executed alone, in one log.
fn log_of(files: &[WitnessedBlock]) -> (MemoryLog<Keccak256>, Vec<StatelessOutput>) {
    let mut log = MemoryLog::new(Keccak256);
    let mut outputs = Vec::new();
    for file in files {
        let input = StatelessInput {
            chain: &file.prepared.chain,
            block: &file.prepared.block,
            witness: &file.witness,
            claims: file.claims.clone(),
        };
        let (output, _) = execute_stateless(input, NoTracer).unwrap();
        log.append(&output.leaves);
        outputs.push(output);
    }
    (log, outputs)
}

#[test]
fn a_range_leads_where_its_blocks_lead_one_by_one() {
    let files = osaka();
    let output = run(&input(&files, empty(chain_id(&files)))).unwrap();
    let (log, alone) = log_of(&files);
    assert_eq!(output.blocks, alone);
    let inputs = output.public_inputs;
    assert_eq!(
        inputs.head_after,
        log.head(chain_id(&files), Scheme::ReadSet1, 209)
    );
    assert_eq!((inputs.first_block, inputs.last_block), (207, 209));
    assert_eq!(inputs.parent_hash, alone[0].parent_hash);
    assert_eq!(inputs.last_block_hash, alone[2].block_hash);
    assert_eq!(inputs.chain_state_before, alone[0].pre_state.root());
    assert_eq!(inputs.chain_state_after, alone[2].post_state_root);
    assert_eq!(inputs.last_tx_num, TxNum(log.leaf_count() - 1));
    assert_eq!(inputs.witness, WitnessKind::Execution);
    assert_eq!(inputs.claims, 0);
    assert_eq!(inputs.program, program());
    inputs.check_blocks(output.tree.records()).unwrap();
    // The first of them is the last block of Prague.
    let specs: Vec<u8> = output
        .tree
        .records()
        .iter()
        .map(|block| block.spec_id)
        .collect();
    assert!(specs[0] < specs[1] && specs[1] == specs[2], "{specs:?}");
}

#[test]
fn ranges_chain_through_the_edge_of_the_log() {
    let files = osaka();
    let whole = run(&input(&files, empty(chain_id(&files))))
        .unwrap()
        .public_inputs;
    let first = run(&input(&files[..1], empty(chain_id(&files))))
        .unwrap()
        .public_inputs;
    let (log, _) = log_of(&files[..1]);
    let count = log.leaf_count();
    let last = TxNum(count - 1);
    let proof = log.prover(count).unwrap().inclusion(last).unwrap();
    let hash = log.leaf_hash(last).unwrap();
    let edge = LogEdge::from_proof(first.head_after, hash, &proof).unwrap();
    let second = run(&input(&files[1..], edge.clone()))
        .unwrap()
        .public_inputs;
    second.check_follows(&first).unwrap();
    assert_eq!(second.head_after, whole.head_after);
    // A log that does not end with the block before.
    let error = run(&input(&files[2..], edge)).unwrap_err();
    assert!(error.is_invalid_block());
    assert_eq!(error.to_string(), "the number of a block is 209, not 208");
}

fn statement_error(blocks: &[&WitnessedBlock]) -> StatementError {
    let files: Vec<WitnessedBlock> = blocks.iter().map(|block| (*block).clone()).collect();
    match run(&input(&files, empty(chain_id(&files)))) {
        Err(RangeError::Statement(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn blocks_that_are_left_out_repeated_or_out_of_order_are_refused() {
    let files = osaka();
    let [a, b, c] = [&files[0], &files[1], &files[2]];
    for blocks in [&[a, c][..], &[a, a], &[a, b, b], &[b, a], &[a, c, b]] {
        let error = statement_error(blocks);
        assert!(matches!(error, StatementError::Number { .. }), "{error}");
    }
    assert_eq!(statement_error_of_none(&files), StatementError::Empty);
}

fn statement_error_of_none(files: &[WitnessedBlock]) -> StatementError {
    let mut input = input(files, empty(chain_id(files)));
    input.blocks.clear();
    match run(&input) {
        Err(RangeError::Statement(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn logs_of_another_scheme_or_chain_are_refused() {
    let files = osaka();
    let edge = LogEdge::empty(chain_id(&files), Profile::Keccak256, Scheme::StateRoot1);
    let error = run(&input(&files, edge)).unwrap_err().to_string();
    assert!(error.contains("leaves of scheme state-root/1"), "{error}");
    let error = run(&input(&files, empty(5))).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "the log is one of chain 5, and the blocks are of chain {}",
            chain_id(&files)
        )
    );
}

#[test]
fn the_program_gets_there_from_bytes_in_each_profile_and_mode() {
    let files = osaka();
    let mut digests = Vec::new();
    for profile in Profile::ALL {
        for mode in [TraceMode::Outcome, TraceMode::Full, TraceMode::Flat] {
            let edge = LogEdge::empty(chain_id(&files), profile, Scheme::ReadSet1);
            let mut input = input(&files, edge);
            input.mode = mode;
            let bytes = Bytes::from(input.to_bytes());
            let read = RangeInput::from_bytes(&bytes).unwrap();
            assert_eq!(Bytes::from(read.to_bytes()), bytes);
            let output = execute_range_bytes(&bytes).unwrap();
            let direct = match profile {
                Profile::Blake3 => execute_range(&input, Blake3),
                _ => execute_range(&input, Keccak256),
            };
            assert_eq!(output.public_inputs, direct.unwrap().public_inputs);
            let program = execute_program(bytes.to_vec()).unwrap();
            assert_eq!(program, output.public_inputs);
            digests.push(program.digest());
        }
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 6);
}

#[test]
fn the_program_refuses_bytes_of_no_kind() {
    let files = osaka();
    let mut bytes = input(&files[..1], empty(chain_id(&files))).to_bytes();
    for kind in [0, 3, 255] {
        bytes[5] = kind;
        let error = execute_program(bytes.clone()).unwrap_err();
        assert!(error.is_bad_input() && !error.is_invalid_block());
        let text = format!("blocks are not executed from witnesses of kind {kind} here");
        assert!(error.to_string().ends_with(&text), "{error}");
    }
    // As a witness of the other kind it ends in the wrong place.
    bytes[5] = 2;
    let error = execute_program(bytes).unwrap_err();
    assert!(
        matches!(error, ProgramInputError::State(_)) && error.is_bad_input(),
        "{error}"
    );
    let error = execute_program(Vec::new()).unwrap_err();
    assert!(error.is_bad_input(), "{error}");
    // Blocks that do not hold are another matter.
    let swapped = [files[1].clone(), files[0].clone()];
    let swapped = input(&swapped, empty(chain_id(&files)));
    let error = execute_program(swapped.to_bytes()).unwrap_err();
    assert!(error.is_invalid_block() && !error.is_bad_input(), "{error}");
}

#[test]
fn input_is_refused_or_leads_to_the_same_statement_or_to_another_one() {
    let files = osaka();
    let bytes = input(&files[..1], empty(chain_id(&files))).to_bytes();
    let good = execute_range_bytes(&bytes.clone().into()).unwrap();
    let good = good.public_inputs;
    let (mut same, mut refused) = (0, 0);
    // 997 is a prime: every position of a bit in its byte is met.
    for bit in (0..bytes.len() * 8).step_by(if bytes.len() > 4000 { 97 } else { 1 }) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match execute_range_bytes(&flipped.into()) {
            Ok(output) if output.public_inputs == good => same += 1,
            Ok(output) => assert_ne!(output.public_inputs.digest(), good.digest()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
    println!("{refused} refused, {same} in nodes that nothing needs");
    for len in (0..bytes.len()).step_by(37) {
        execute_range_bytes(&bytes[..len].to_vec().into()).unwrap_err();
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = execute_range_bytes(&longer.into()).unwrap_err().to_string();
    assert!(error.contains("1 bytes behind its end"), "{error}");
}

/// Blocks of Holesky, three of which name the state before them only by claim or header.
#[test]
fn a_range_needs_fewer_claims_and_fewer_bytes_than_its_blocks() {
    let mut files = Vec::new();
    for number in 2_971_844..=2_971_847u64 {
        let Some(path) = data(&format!("holesky-{number}")) else {
            return;
        };
        files.push(read(&path));
    }
    let whole = input(&files, empty(17_000));
    let output = run(&whole).unwrap();
    let claims = |files: &[WitnessedBlock]| {
        let output = run(&input(files, empty(17_000))).unwrap();
        output.public_inputs.claims
    };
    let one_by_one: u64 = files
        .iter()
        .map(|file| claims(std::slice::from_ref(file)))
        .sum();
    println!(
        "{} claims together, {one_by_one} alone",
        output.public_inputs.claims
    );
    assert!((1..=one_by_one).contains(&output.public_inputs.claims));
    let alone: Vec<usize> = files
        .iter()
        .map(|file| {
            input(std::slice::from_ref(file), empty(17_000))
                .to_bytes()
                .len()
        })
        .collect();
    let together = whole.to_bytes().len();
    println!(
        "{together} bytes together, {} alone: {alone:?}",
        alone.iter().sum::<usize>()
    );
    assert!(together < alone.iter().sum());
    // Headers that other blocks of the range have are not needed twice.
    let own: Vec<Bytes> = files
        .iter()
        .map(|file| alloy_rlp::encode(&file.prepared.block.header).into())
        .collect();
    let mut without = whole.clone();
    for block in &mut without.blocks[1..] {
        block.claims.pre_state_root = None;
        block.witness.headers.retain(|header| !own.contains(header));
    }
    assert_ne!(without.to_bytes().len(), together);
    let without = run(&without).unwrap();
    assert_eq!(without.public_inputs, output.public_inputs);
}

#[test]
fn every_witness_makes_a_statement_of_its_own() {
    let Some(sample) = data("mainnet-1") else {
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(sample.parent().unwrap()).unwrap() {
        let file = read(&entry.unwrap().path());
        let chain = file.prepared.chain.chain_id();
        let header = file.prepared.block.header.clone();
        let output = run(&input(std::slice::from_ref(&file), empty(chain))).unwrap();
        let PublicInputs {
            chain_state_after,
            last_block_hash,
            head_after,
            ..
        } = output.public_inputs;
        assert_eq!(chain_state_after, header.state_root);
        assert_eq!(last_block_hash, file.prepared.hash.unwrap());
        let Head { leaf_count, .. } = head_after;
        assert_eq!(
            leaf_count,
            file.prepared.block.body.transactions.len() as u64 + 2
        );
        count += 1;
    }
    assert_eq!(count, 28);
    assert_eq!(Keccak256.profile(), Profile::Keccak256);
}
