//! Inputs of strangers that are refused before anything is executed.
//!
//! What is executed from here has no witness at all, so an execution would end with what is missing: any
//! other error came before it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_consensus::{Header, Signed, TxEnvelope, TxLegacy};
use alloy_primitives::{B256, Bytes, Signature};
use qmtree_execution_adapter::engine::{ChainGenesis, WitnessedBlock, read_witness_file};
use qmtree_execution_adapter::{
    Claims, EthBlock, ExecutionWitness, Field, LimitError, MAX_BLOCK_GAS, MAX_RANGE_GAS, NoTracer,
    PROGRAM_VERSION, RangeBlock, RangeError, RangeInput, RangeInputError, SYSTEM_GAS, StateBlock,
    StateBlockError, StateWitness, StateWitnessError, StatelessError, StatelessInput, TraceMode,
    execute_range, execute_range_bytes, execute_state_witness_bytes, execute_stateless,
};
use qmtree_proofs::state::MemoryStateLog;
use qmtree_proofs::statement::{LogEdge, Program, PublicInputs, StatementError};
use qmtree_proofs::{Head, Keccak256, Profile, Scheme};
use std::path::Path;
use std::sync::Arc;

fn files() -> Vec<WitnessedBlock> {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let genesis = ChainGenesis::read(&testdata.join("devchain/genesis.json")).unwrap();
    let chain = Arc::new(genesis.chain);
    let read = |number| {
        let path = testdata.join(format!("witness/devchain-{number}.json"));
        read_witness_file(&path, Some(&chain)).unwrap()
    };
    (207..=209).map(read).collect()
}

fn program() -> Program {
    Program::new(PROGRAM_VERSION, "exec", B256::repeat_byte(1))
}

/// The blocks with their witnesses, which are good.
fn good() -> RangeInput {
    let files = files();
    let chain = ChainGenesis::read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/devchain/genesis.json"),
    );
    let chain = chain.unwrap().chain;
    RangeInput {
        edge: LogEdge::empty(chain.chain_id(), Profile::Keccak256, Scheme::ReadSet1),
        chain,
        program: program(),
        mode: TraceMode::Outcome,
        blocks: files
            .into_iter()
            .map(|file| RangeBlock {
                block: file.prepared.block,
                witness: file.witness,
                claims: file.claims,
            })
            .collect(),
    }
}

/// The same without witnesses.
fn bare() -> RangeInput {
    let mut input = good();
    for block in &mut input.blocks {
        block.witness = ExecutionWitness::default();
    }
    input
}

fn expected() -> PublicInputs {
    execute_range(&good(), Keccak256).unwrap().public_inputs
}

/// Runs the program on the bytes, as a worker or a guest does.
fn run(input: &RangeInput) -> RangeError {
    let bytes = Bytes::from(input.to_bytes());
    execute_range_bytes(&bytes).map(drop).unwrap_err()
}

/// The same blocks as a witness of the state log, which is empty.
fn state_witness(input: &RangeInput) -> StateWitness {
    let log = MemoryStateLog::new(Keccak256);
    let extract = log.extract(&[], |_| false, |_| None).unwrap();
    let head = Head {
        entry_count: log.entry_count(),
        state_root: log.root(),
        ..Head::empty(
            input.chain.chain_id(),
            Profile::Keccak256,
            Scheme::StateRoot1,
        )
    };
    StateWitness {
        chain: input.chain.clone(),
        edge: LogEdge::new(head, B256::ZERO, Vec::new()).unwrap(),
        program: input.program,
        mode: input.mode,
        extract,
        blocks: input
            .blocks
            .iter()
            .map(|block| StateBlock {
                block: block.block.clone(),
                ommers_known: true,
            })
            .collect(),
    }
}

fn run_state(witness: &StateWitness) -> StateWitnessError {
    let bytes = Bytes::from(witness.to_bytes());
    execute_state_witness_bytes(&bytes).map(drop).unwrap_err()
}

#[test]
fn without_a_witness_an_execution_names_what_is_missing() {
    let error = run(&bare());
    assert!(matches!(error, RangeError::Block { number: 207, .. }));
}

/// Makes a block whose transactions may take so much gas.
fn take(block: &mut EthBlock, gas: u64) {
    block.header.gas_limit = gas;
    let tx = TxLegacy {
        gas_limit: u64::MAX,
        ..TxLegacy::default()
    };
    let signed = Signed::new_unhashed(tx, Signature::test_signature());
    block.body.transactions = vec![TxEnvelope::from(signed)];
}

#[test]
fn gas_that_nobody_has_is_refused_first() {
    for found in [MAX_BLOCK_GAS + 1, u64::MAX] {
        for block in 0..3 {
            let mut input = bare();
            take(&mut input.blocks[block].block, found);
            let limit = LimitError::BlockGas {
                block: 207 + block as u64,
                found,
            };
            let error = run(&input);
            assert!(
                matches!(error, RangeError::Limit(error) if error == limit),
                "{error}"
            );
            let text = error.to_string();
            let named = format!("may take {found} gas; blocks of up to 2147483648");
            assert!(text.contains(&named), "{text}");
            let error = run_state(&state_witness(&input));
            assert!(matches!(error, StateWitnessError::Limit(error) if error == limit));
        }
        let mut block = bare().blocks[0].clone();
        take(&mut block.block, found);
        let input = StatelessInput {
            chain: &bare().chain,
            block: &block.block,
            witness: &block.witness,
            claims: block.claims.clone(),
        };
        let error = execute_stateless(input, NoTracer).map(drop).unwrap_err();
        assert!(matches!(error, StatelessError::Limit(_)));
    }
}

#[test]
fn ranges_of_endless_work_are_refused_first() {
    let mut input = bare();
    input.blocks[1].block.header.gas_used = MAX_RANGE_GAS;
    assert!(matches!(
        run(&input),
        RangeError::Limit(LimitError::RangeGas { block: 208, .. })
    ));
    // Empty blocks as well: their system calls run what a made-up state has for code.
    let mut input = bare();
    let block = input.blocks[0].clone();
    input.blocks = vec![block; usize::try_from(MAX_RANGE_GAS / SYSTEM_GAS).unwrap() + 1];
    for block in &mut input.blocks {
        block.block.header.gas_used = 0;
        block.block.body.transactions.clear();
    }
    assert!(matches!(
        run(&input),
        RangeError::Limit(LimitError::RangeGas { .. })
    ));
    let error = run_state(&state_witness(&input));
    assert!(matches!(error, StateWitnessError::Limit(_)), "{error}");
}

#[test]
fn blocks_that_do_not_follow_are_refused_before_the_first_is_executed() {
    let changes: [fn(&mut RangeInput); 5] = [
        |input| input.blocks.swap(1, 2),
        |input| drop(input.blocks.remove(1)),
        |input| input.blocks[2].block.header.parent_hash.0[0] ^= 1,
        |input| input.blocks[1].block.header.extra_data = Bytes::from_static(b"another"),
        |input| input.blocks.clear(),
    ];
    for change in changes {
        let mut input = bare();
        change(&mut input);
        assert!(matches!(run(&input), RangeError::Statement(_)));
        let error = run_state(&state_witness(&input));
        assert!(matches!(error, StateWitnessError::Statement(_)), "{error}");
    }
    let mut other = bare();
    other.edge = LogEdge::empty(1, Profile::Keccak256, Scheme::ReadSet1);
    assert!(matches!(
        run(&other),
        RangeError::Chain {
            log: 1,
            rules: 20260
        }
    ));
}

/// A change to a header, and the field that it is refused for.
type Forgery = (Field, fn(&mut Header));

const FORGERIES: [Forgery; 5] = [
    (Field::Timestamp, |header| header.timestamp = 0),
    (Field::GasLimit, |header| {
        header.gas_limit += header.gas_limit / 128
    }),
    (Field::GasLimit, |header| header.gas_limit = 4_999),
    (Field::BaseFee, |header| {
        header.base_fee_per_gas = header.base_fee_per_gas.map(|fee| fee + 1);
    }),
    (Field::ExcessBlobGas, |header| {
        header.excess_blob_gas = header.excess_blob_gas.map(|excess| excess + 1);
    }),
];

#[test]
fn headers_that_break_a_rule_are_refused_before_the_first_block_is_executed() {
    let expected = expected();
    for (field, forge) in FORGERIES {
        for block in [1, 2] {
            // What comes behind it would not name its hash.
            let mut input = bare();
            input.blocks.truncate(block + 1);
            forge(&mut input.blocks[block].block.header);
            let forged = 207 + block as u64;
            let RangeError::Block { number, source } = run(&input) else {
                panic!("{field:?}: not a block")
            };
            assert!(
                matches!(&*source, StatelessError::Mismatch(found) if found.field == field),
                "{source}"
            );
            assert_eq!(number, forged);
            let error = run_state(&state_witness(&input));
            assert!(error.is_invalid_block());
            let StateWitnessError::Block { number, source } = error else {
                panic!("{error}")
            };
            assert!(
                matches!(&*source, StateBlockError::Mismatch(found) if found.field == field),
                "{source}"
            );
            assert_eq!(number, forged);
            // Who knows the public inputs finds another block there.
            let error = input.check_for(&expected).unwrap_err();
            assert!(matches!(error, RangeError::Statement(_)), "{error}");
        }
        // The first block, whose parent's header is in its witness.
        let mut input = good();
        input.blocks.truncate(1);
        forge(&mut input.blocks[0].block.header);
        let error = run(&input);
        assert!(error.is_invalid_block());
        assert!(
            matches!(&error, RangeError::Block { number: 207, source }
                if matches!(&**source, StatelessError::Mismatch(found) if found.field == field)),
            "{error}"
        );
    }
}

#[test]
fn input_for_rules_of_another_version_is_refused() {
    for version in [PROGRAM_VERSION - 1, PROGRAM_VERSION + 1] {
        let mut input = good();
        input.program.version = version;
        let wrong = StatementError::Number {
            field: "the version of the program",
            found: version.into(),
            expected: PROGRAM_VERSION.into(),
        };
        assert!(matches!(run(&input), RangeError::Statement(error) if error == wrong));
        let error = run_state(&state_witness(&input));
        assert!(matches!(error, StateWitnessError::Statement(error) if error == wrong));
    }
}

/// Empty blocks behind a genesis without accounts, each with this witness.
fn empty_blocks(count: usize, witness: &ExecutionWitness) -> RangeInput {
    let ChainGenesis {
        chain,
        mut state,
        header,
    } = common::genesis(common::SHANGHAI);
    let mut parent = header.clone();
    let mut blocks = Vec::new();
    for _ in 0..count {
        let mut block = common::block(&parent, Vec::new());
        state = common::seal(&chain, &mut block, state);
        parent = block.header.clone();
        blocks.push(RangeBlock {
            block,
            witness: witness.clone(),
            claims: Claims::default(),
        });
    }
    blocks[0].witness.headers = vec![alloy_rlp::encode(&header).into()];
    RangeInput {
        edge: LogEdge::empty(chain.chain_id(), Profile::Keccak256, Scheme::ReadSet1),
        chain,
        program: program(),
        mode: TraceMode::Outcome,
        blocks,
    }
}

/// 64 MiB that nobody needs, listed by 400 blocks. If each block hashed what it lists, that would
/// be 26 GB.
#[test]
fn what_many_blocks_list_is_hashed_once() {
    let item = |number: u32| {
        let mut item = vec![0xb8; 128 << 10];
        item[..4].copy_from_slice(&number.to_be_bytes());
        Bytes::from(item)
    };
    let items: Vec<Bytes> = (0..512).map(item).collect();
    let (state, codes) = items.split_at(256);
    let witness = ExecutionWitness {
        state: state.to_vec(),
        codes: codes.to_vec(),
        ..ExecutionWitness::default()
    };
    let input = empty_blocks(400, &witness);
    let bytes = Bytes::from(input.to_bytes());
    assert!(bytes.len() < 70 << 20);
    let output = execute_range_bytes(&bytes).unwrap();
    assert_eq!(output.blocks.len(), 400);
    let without = empty_blocks(400, &ExecutionWitness::default());
    let without = execute_range(&without, Keccak256).unwrap();
    assert_eq!(output.public_inputs, without.public_inputs);
}

#[test]
fn more_headers_than_blockhash_reaches_are_refused() {
    let mut input = empty_blocks(1, &ExecutionWitness::default());
    let headers = |count: u64| {
        let header = |number| Header {
            number,
            ..Header::default()
        };
        let rlp = |header: Header| Bytes::from(alloy_rlp::encode(header));
        (0..count).map(header).map(rlp).collect()
    };
    input.blocks[0].witness.headers = headers(256);
    assert!(matches!(run(&input), RangeError::Block { .. }));
    input.blocks[0].witness.headers = headers(257);
    let error = run(&input);
    let RangeError::Input(RangeInputError::Headers { found: 257 }) = error else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("a block with 257 headers"));
}

/// A verifier who executes again knows the public inputs, and so whether an input is worth it.
#[test]
fn an_input_that_cannot_lead_to_what_is_expected_is_not_executed() {
    let expected = expected();
    good().check_for(&expected).unwrap();
    // Without witnesses too: nothing is executed.
    bare().check_for(&expected).unwrap();
    let refused = |change: fn(&mut RangeInput)| {
        let mut input = bare();
        change(&mut input);
        match input.check_for(&expected).unwrap_err() {
            RangeError::Statement(error) => error.to_string(),
            error => panic!("{error}"),
        }
    };
    let says = |change, text: &str| {
        let found = refused(change);
        assert!(found.starts_with(text), "{found}");
    };
    says(
        |input| input.mode = TraceMode::Full,
        "the trace mode is full, not outcome",
    );
    says(
        |input| input.program.version += 1,
        "the version of the program is 4, not 3",
    );
    says(|input| input.program.id.0[0] ^= 1, "the program is 0x00");
    says(|input| input.program.backend.0[0] ^= 1, "the backend is 0x");
    says(
        |input| drop(input.blocks.pop()),
        "the last block is 208, not 209",
    );
    says(
        |input| drop(input.blocks.remove(0)),
        "the first block is 208, not 207",
    );
    says(
        |input| input.blocks[0].block.header.extra_data = Bytes::from_static(b"another"),
        "the parent of a block is 0x",
    );
    says(
        |input| input.blocks[2].block.header.extra_data = Bytes::from_static(b"another"),
        "the hash of the last block is 0x",
    );
    says(
        |input| input.blocks[0].block.header.parent_hash.0[0] ^= 1,
        "the parent of a block is 0x",
    );
    says(
        |input| {
            let head = Head {
                entry_count: 1,
                block_number: 206,
                ..*input.edge.head()
            };
            input.edge = LogEdge::new(head, B256::ZERO, Vec::new()).unwrap();
        },
        "the head before is 0x",
    );
    let mut rules = bare();
    rules.chain = ChainGenesis::from_json(
        br#"{"config":{"chainId":20260,"homesteadBlock":0},"nonce":"0x0","timestamp":"0x0","extraData":"0x",
            "gasLimit":"0x1","difficulty":"0x0","alloc":{},
            "mixHash":"0x0000000000000000000000000000000000000000000000000000000000000000",
            "coinbase":"0x0000000000000000000000000000000000000000"}"#,
    )
    .unwrap()
    .chain;
    let error = rules.check_for(&expected).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the digest of the rules is 0x")
    );
    // The same blocks from a witness of another kind.
    let error = state_witness(&bare()).check_for(&expected).unwrap_err();
    let kind = StatementError::Number {
        field: "the kind of witness",
        found: 2,
        expected: 1,
    };
    assert!(matches!(error, StateWitnessError::Statement(error) if error == kind));
}
