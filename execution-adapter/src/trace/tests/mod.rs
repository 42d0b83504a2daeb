//! The trace commitment against its definition, over small programs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

pub(crate) mod oracle;
mod state_tests;
pub(crate) mod world;

use super::{Effect, StepOpening, TraceError, TraceLimits, TraceOptions, Tracer, verify_step};
use crate::transition::{StepsCommitment, TraceMode};
use alloy_primitives::{Address, Bytes, U256, hex};
use oracle::Oracle;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_proofs::Profile;
use revm::bytecode::opcode as op;
use revm::context::either::Either;
use revm::context::transaction::{Authorization, RecoveredAuthority, RecoveredAuthorization};
use revm::primitives::TxKind;
use std::prelude::v1::*;
use std::{format, vec};
use world::{CALLER, MAIN, OTHER, World, push, with_operands};

fn options(profile: Profile) -> TraceOptions {
    TraceOptions::new(TraceMode::Full, profile)
}

fn trace(world: &World, mut tracer: Tracer) -> Result<StepsCommitment, TraceError> {
    tracer.begin_tx()?;
    let traced = world.inspect(&mut tracer);
    assert_eq!(traced, world.run(), "a traced result is the untraced one");
    tracer.finish_tx()
}

#[test]
fn flat_is_keccak_of_the_rlp_of_all_steps() {
    let other = [
        with_operands(op::SSTORE, &[1, 5]),
        with_operands(op::RETURN, &[0, 32]),
    ];
    let calls = [op::CALL, op::DELEGATECALL, op::STATICCALL]
        .map(|opcode| [call(opcode, OTHER, (3, 5000), (100, 32)), push(7)].concat());
    let (store, len) = store_init(&[op::STOP]);
    let create = [store, with_operands(op::CREATE, &[5, 0, len])];
    let pushes: Vec<u8> = (0..20_u64).flat_map(push).collect();
    for program in [calls.concat(), create.concat(), pushes, vec![]] {
        let world = World::new(program).with(OTHER, code(&other));
        let mut oracle = Oracle::new(Profile::Keccak256);
        world.inspect(&mut oracle);
        for batch_steps in [1, 5, 1000] {
            let options = TraceOptions::new(TraceMode::Flat, Profile::Blake3);
            let options = options.with_batch_steps(batch_steps);
            for threads in [0, 2] {
                let traced = trace(&world, Tracer::threaded(options, threads).unwrap()).unwrap();
                assert_eq!(traced.root, oracle.flat_root());
            }
        }
    }
    let limits = TraceLimits {
        flat_bytes: 500,
        ..TraceLimits::default()
    };
    let options = TraceOptions::new(TraceMode::Flat, Profile::Keccak256).with_limits(limits);
    let long = World::new(vec![op::PC; 10]);
    let tracer = Tracer::inline(options, Profile::Keccak256);
    assert_eq!(
        trace(&long, tracer),
        Err(TraceError::TooManyBytes { limit: 500 })
    );
}

/// Traces in many ways and compares with the oracle. Returns what the oracle saw.
fn check(world: &World) -> Oracle {
    let mut last = None;
    for profile in Profile::ALL {
        let mut oracle = Oracle::new(profile);
        let result = world.inspect(&mut oracle);
        assert_eq!(result, world.run(), "the oracle disturbs nothing");
        let expected = oracle.commitment();
        for batch_steps in [1, 2, 7, 4096] {
            let options = options(profile).with_batch_steps(batch_steps);
            let inline = trace(world, Tracer::inline(options, profile)).unwrap();
            assert_eq!(inline, expected, "{profile}, batches of {batch_steps}");
            for threads in 0..=2 {
                let tracer = Tracer::threaded(options, threads).unwrap();
                let threaded = trace(world, tracer).unwrap();
                assert_eq!(
                    threaded, expected,
                    "{profile}, {batch_steps}, {threads} threads"
                );
            }
        }
        check_openings(world, profile, &oracle, &expected);
        last = Some(oracle);
    }
    last.unwrap()
}

fn check_openings(world: &World, profile: Profile, oracle: &Oracle, expected: &StepsCommitment) {
    let count = oracle.steps.len();
    for index in [
        0,
        1,
        count / 2,
        count.saturating_sub(2),
        count.saturating_sub(1),
    ] {
        if index >= count {
            continue;
        }
        let opening = open(world, profile, index as u64, expected).unwrap();
        assert_eq!(opening.step, oracle.steps[index], "step {index}");
        assert_eq!(
            opening.effects, oracle.effects[index],
            "effects of step {index}"
        );
        verify_step(profile, expected, index as u64, &opening).unwrap();
        assert_eq!(
            StepOpening::from_bytes(&opening.to_bytes()).as_ref(),
            Ok(&opening)
        );
    }
}

fn open(
    world: &World,
    profile: Profile,
    index: u64,
    expected: &StepsCommitment,
) -> Option<StepOpening> {
    let mut tracer = Tracer::opening(options(profile).with_batch_steps(64), profile, index);
    tracer.begin_tx().unwrap();
    world.inspect(&mut tracer);
    assert_eq!(tracer.finish_tx().as_ref(), Ok(expected));
    tracer.take_opening()
}

fn code(parts: &[Vec<u8>]) -> Bytes {
    parts.concat().into()
}

/// A call opcode with all gas, no value, and these areas of memory.
fn call(opcode: u8, to: Address, input: (u64, u64), output: (u64, u64)) -> Vec<u8> {
    let mut code: Vec<u8> = [output.1, output.0, input.1, input.0]
        .into_iter()
        .flat_map(push)
        .collect();
    if matches!(opcode, op::CALL | op::CALLCODE) {
        code.extend(push(0));
    }
    code.extend(push(U256::from_be_slice(to.as_slice())));
    code.extend([op::GAS, opcode]);
    code
}

/// The same call with this much gas.
fn with_gas(mut call: Vec<u8>, gas: u64) -> Vec<u8> {
    let opcode = call.pop().unwrap();
    assert_eq!(call.pop(), Some(op::GAS));
    call.extend(push(gas));
    call.push(opcode);
    call
}

/// Init code that returns `runtime`, stored at memory 0; (code, its length).
fn store_init(runtime: &[u8]) -> (Vec<u8>, u64) {
    let mut init = Vec::new();
    let word = |bytes: &[u8]| {
        let mut word = [0; 32];
        word[..bytes.len()].copy_from_slice(bytes);
        U256::from_be_bytes(word)
    };
    init.extend(push(word(runtime)));
    init.extend([0x5f, op::MSTORE]);
    init.extend(with_operands(op::RETURN, &[0, runtime.len() as u64]));
    let mut store = Vec::new();
    for (chunk, at) in init.chunks(32).zip((0..).step_by(32)) {
        store.extend(push(word(chunk)));
        store.extend(push(at));
        store.push(op::MSTORE);
    }
    (store, init.len() as u64)
}

#[test]
fn arithmetic_and_stack() {
    let mut program = vec![push(7), push(9), vec![op::ADD, op::DUP1, op::MUL]];
    for value in 0..20 {
        program.push(push(value));
    }
    program.push((op::DUP1..=op::DUP16).collect());
    program.push((op::SWAP1..=op::SWAP16).collect());
    program.push(vec![op::POP; 30]);
    program.push(vec![op::PC, op::MSIZE, op::GAS, op::JUMPDEST]);
    let oracle = check(&World::new(code(&program)));
    assert_eq!(oracle.steps.len(), 92);
}

#[test]
fn an_empty_account_has_no_steps() {
    let world = World::new(Bytes::new());
    assert_eq!(check(&world).commitment(), StepsCommitment::default());
    let precompile = world.with_tx(|tx| tx.kind = TxKind::Call(Address::with_last_byte(2)));
    assert_eq!(check(&precompile).steps, []);
}

#[test]
fn memory_in_all_ways() {
    let program = [
        with_operands(op::MSTORE, &[0, 5]),
        with_operands(op::MSTORE, &[1, u64::MAX]),
        with_operands(op::MSTORE8, &[700, 3]),
        with_operands(op::MLOAD, &[5000]),
        with_operands(op::CALLDATACOPY, &[33, 1, 77]),
        with_operands(op::CALLDATACOPY, &[90_000, 0, 0]),
        with_operands(op::CODECOPY, &[4096, 3, 100]),
        with_operands(op::EXTCODECOPY, &[0x2000, 100, 0, 40]),
        with_operands(op::MCOPY, &[10, 20, 300]),
        with_operands(op::MCOPY, &[6000, 0, 64]),
        with_operands(op::KECCAK256, &[0, 9000]),
        with_operands(op::MSTORE, &[65_536, 1]),
        with_operands(op::RETURN, &[0, 200]),
    ];
    let world = World::new(code(&program)).with(OTHER, vec![op::STOP; 50]);
    let input: Vec<u8> = (0..=255).collect();
    check(&world.with_tx(|tx| tx.data = input.into()));
}

#[test]
fn nested_calls_of_every_kind_with_reverts() {
    // Returns 64 bytes where called with an even size of input, reverts with 32 where odd.
    let other = [
        with_operands(op::SSTORE, &[1, 5]),
        with_operands(op::MSTORE, &[0, 0xabcd]),
        vec![op::CALLDATASIZE],
        push(1),
        vec![op::AND],
        push(25),
        vec![op::JUMPI],
        with_operands(op::RETURN, &[0, 64]),
    ];
    let mut other = other.concat();
    let revert_at = other.len() as u8;
    other.push(op::JUMPDEST);
    other.extend(with_operands(op::REVERT, &[0, 32]));
    let at = other.iter().position(|byte| *byte == 25).unwrap();
    other[at] = revert_at;
    let mut program = Vec::new();
    for opcode in [op::CALL, op::CALLCODE, op::DELEGATECALL, op::STATICCALL] {
        program.push(call(opcode, OTHER, (0, 2), (100, 40)));
        program.push(call(opcode, OTHER, (0, 3), (300, 100)));
        program.push(with_operands(op::RETURNDATACOPY, &[400, 0, 32]));
    }
    program.push(call(op::CALL, Address::repeat_byte(7), (0, 0), (0, 0)));
    program.push(with_operands(op::RETURNDATACOPY, &[0, 0, 1]));
    let oracle = check(&World::new(code(&program)).with(OTHER, other));
    let ends = oracle.effects.iter().flatten();
    let statuses: Vec<u8> = ends
        .filter_map(|effect| match effect {
            Effect::End { status, .. } => Some(*status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [0, 1, 0, 1, 0, 1, 2, 2, 2]);
}

#[test]
fn recursion_to_the_end_of_the_gas() {
    let program = [
        with_operands(op::MSTORE, &[32, 3]),
        push(11),
        call(op::CALL, MAIN, (0, 33), (32, 32)),
        vec![op::RETURNDATASIZE],
        with_operands(op::SSTORE, &[2, 3]),
    ];
    let oracle = check(&World::new(code(&program)).with_tx(|tx| tx.gas_limit = 500_000));
    assert!(oracle.steps.iter().any(|step| step.depth > 10));
}

#[test]
fn create_create2_and_what_fails() {
    let runtime = with_operands(op::MSTORE, &[0, 1]);
    let (store, len) = store_init(&runtime);
    let program = [
        store,
        with_operands(op::CREATE, &[0, 0, len]),
        vec![op::DUP1, op::EXTCODESIZE],
        with_operands(op::CREATE2, &[1, 0, len, 77]),
        // The same address again, then more value than there is, then init code that halts.
        with_operands(op::CREATE2, &[0, 0, len, 77]),
        with_operands(op::CREATE, &[1_000_000, 0, len]),
        with_operands(op::MSTORE8, &[0, u64::from(op::INVALID)]),
        with_operands(op::CREATE, &[0, 0, 1]),
        // Init code that reverts with data.
        with_operands(op::MSTORE, &[0, 0]),
        with_operands(op::MSTORE8, &[31, u64::from(op::REVERT)]),
        with_operands(op::MSTORE8, &[28, 0x60]),
        with_operands(op::MSTORE8, &[29, 40]),
        with_operands(op::MSTORE8, &[30, 0x5f]),
        with_operands(op::CREATE, &[0, 28, 4]),
        vec![op::RETURNDATASIZE, 0x5f, 0x5f, op::RETURNDATACOPY],
    ];
    let oracle = check(&World::new(code(&program)));
    let created = oracle.effects.iter().flatten().filter(|effect| {
        matches!(
            effect,
            Effect::End {
                created: Some(_),
                ..
            }
        )
    });
    assert_eq!(created.count(), 2);
}

#[test]
fn create_transaction() {
    let (store, len) = store_init(&[op::STOP]);
    let program = [store, with_operands(op::RETURN, &[0, len])];
    let world = World::new(Bytes::new()).with_tx(|tx| {
        tx.kind = TxKind::Create;
        tx.data = code(&program);
    });
    check(&world);
}

#[test]
fn self_destruct_logs_and_stores() {
    let other = [
        with_operands(op::LOG0, &[0, 40]),
        with_operands(op::LOG4, &[0, 3, 1, 2, 3, 4]),
        push(U256::from_be_slice(CALLER.as_slice())),
        vec![op::SELFDESTRUCT],
    ];
    let program = [
        call(op::CALL, OTHER, (0, 0), (0, 0)),
        with_operands(op::SSTORE, &[9, 1]),
        with_operands(op::SSTORE, &[9, 1]),
        with_operands(op::SSTORE, &[9, 0]),
        with_operands(op::SLOAD, &[9]),
        with_operands(op::TSTORE, &[9, 4]),
        with_operands(op::TSTORE, &[9, 4]),
        with_operands(op::TLOAD, &[9]),
        call(op::STATICCALL, MAIN, (0, 0), (0, 0)),
    ];
    let oracle = check(&World::new(code(&program)).with(OTHER, code(&other)));
    let effects = oracle.effects.iter().flatten();
    assert!(
        effects
            .clone()
            .any(|e| matches!(e, Effect::SelfDestruct { .. }))
    );
    assert!(effects.clone().any(|e| matches!(e, Effect::Transient(_))));
    let stores = effects.filter(|e| matches!(e, Effect::Storage(_))).count();
    assert_eq!(stores, 3, "the one in the static call has no effect");
}

#[test]
fn precompiles_have_one_record_each() {
    let mut program = vec![with_operands(op::CALLDATACOPY, &[0, 0, 300])];
    for address in 1..=0x12 {
        let to = Address::with_last_byte(address);
        // A precompile that fails takes all the gas it got.
        program.push(with_gas(call(op::CALL, to, (0, 213), (400, 64)), 1_000_000));
        program.push(vec![op::POP]);
    }
    let world = World::new(code(&program)).with_tx(|tx| {
        tx.data = vec![3; 300].into();
        tx.gas_limit = 100_000_000;
    });
    let oracle = check(&world);
    let ran = oracle.effects.iter().flatten().filter(|effect| {
        matches!(
            effect,
            Effect::End {
                precompile: true,
                ..
            }
        )
    });
    assert_eq!(ran.count(), 17, "all precompiles up to BLS12-381");
}

#[test]
fn a_long_call_input_is_bound_by_its_place() {
    let program = [
        with_operands(op::CODECOPY, &[100, 0, 50]),
        call(op::CALL, OTHER, (64, 5000), (0, 0)),
        call(op::STATICCALL, OTHER, (3, 4096), (0, 0)),
        call(op::DELEGATECALL, OTHER, (90, 4097), (0, 0)),
    ];
    let other = with_operands(op::CALLDATALOAD, &[40]);
    check(&World::new(code(&program)).with(OTHER, other));
}

#[test]
fn delegated_accounts() {
    let delegate = Address::repeat_byte(0xde);
    let program = with_operands(op::SSTORE, &[1, 2]);
    let authorization = Authorization {
        chain_id: U256::ZERO,
        address: OTHER,
        nonce: 0,
    };
    let recovered = RecoveredAuthority::Valid(delegate);
    let signed = RecoveredAuthorization::new_unchecked(authorization, recovered);
    let main = call(op::CALL, delegate, (0, 0), (0, 0));
    let world = World::new(main).with(OTHER, program).with_tx(|tx| {
        tx.authorization_list = vec![Either::Right(signed)];
        tx.tx_type = 4;
    });
    let oracle = check(&world);
    assert!(
        oracle
            .effects
            .iter()
            .flatten()
            .any(|e| matches!(e, Effect::Storage(_)))
    );
}

#[test]
fn every_way_to_halt() {
    for program in [
        vec![op::ADD],
        vec![op::INVALID],
        vec![0x0c],
        with_operands(op::JUMP, &[3]),
        with_operands(op::MSTORE, &[u64::MAX, 1]),
        with_operands(op::RETURNDATACOPY, &[0, 0, 1]),
        [vec![op::JUMPDEST], push(1), push(0), vec![op::JUMP]].concat(),
        [vec![op::JUMPDEST], push(0), vec![op::JUMP]].concat(),
        with_operands(op::REVERT, &[0, 100]),
    ] {
        let world = World::new(program.clone()).with_tx(|tx| tx.gas_limit = 60_000);
        let oracle = check(&world);
        let last = oracle.steps.last().unwrap();
        let halted = program.last() != Some(&op::REVERT);
        assert_eq!(
            last.gas_cost == last.gas_remaining,
            halted,
            "{}",
            hex::encode(program)
        );
    }
}

#[test]
fn transactions_do_not_leak_into_each_other() {
    let programs = [
        with_operands(op::MSTORE, &[64, 5]),
        [push(1), vec![op::INVALID]].concat(),
        with_operands(op::SSTORE, &[64, 5]),
    ];
    let worlds: Vec<World> = programs.into_iter().map(World::new).collect();
    for profile in Profile::ALL {
        let alone: Vec<_> = worlds
            .iter()
            .map(|world| trace(world, Tracer::inline(options(profile), profile)).unwrap())
            .collect();
        for threads in 0..=2 {
            let mut tracer = Tracer::threaded(options(profile), threads).unwrap();
            for (world, at) in worlds.iter().zip(0..) {
                if at == 1 {
                    tracer.begin_tx().unwrap();
                    world.inspect(&mut tracer);
                    tracer.abandon_tx();
                }
                // Not between begin and end: not traced.
                world.inspect(&mut tracer);
                tracer.begin_tx().unwrap();
                world.inspect(&mut tracer);
                tracer.end_tx().unwrap();
            }
            assert_eq!(tracer.commitments().unwrap(), alone);
            assert_eq!(tracer.commitments().unwrap(), []);
        }
    }
}

#[test]
fn limits_are_errors_and_the_next_transaction_is_whole() {
    let program = [vec![op::JUMPDEST], push(0), vec![op::JUMP]].concat();
    let long = World::new(program).with_tx(|tx| tx.gas_limit = 100_000);
    let short = World::new(push(1));
    let steps = TraceLimits {
        steps: 100,
        ..TraceLimits::default()
    };
    let bytes = TraceLimits {
        bytes: 5000,
        ..TraceLimits::default()
    };
    let expected = trace(
        &short,
        Tracer::inline(options(Profile::Keccak256), Profile::Keccak256),
    );
    for (limits, error) in [
        (steps, TraceError::TooManySteps { limit: 100 }),
        (bytes, TraceError::TooManyBytes { limit: 5000 }),
    ] {
        for batch_steps in [10, 10_000] {
            let options = options(Profile::Keccak256)
                .with_limits(limits)
                .with_batch_steps(batch_steps);
            let mut tracer = Tracer::threaded(options, 1).unwrap();
            tracer.begin_tx().unwrap();
            assert_eq!(long.inspect(&mut tracer), long.run());
            assert_eq!(tracer.finish_tx(), Err(error.clone()));
            tracer.begin_tx().unwrap();
            short.inspect(&mut tracer);
            assert_eq!(tracer.finish_tx(), expected);
        }
    }
    // Exactly as many as allowed.
    let limits = TraceLimits {
        steps: 2,
        ..TraceLimits::default()
    };
    let options = options(Profile::Keccak256).with_limits(limits);
    assert_eq!(
        trace(&short, Tracer::inline(options, Profile::Keccak256)),
        expected
    );
    let mut tracer = Tracer::inline(options, Profile::Keccak256);
    assert_eq!(tracer.end_tx(), Err(TraceError::OutOfOrder));
    tracer.begin_tx().unwrap();
    assert_eq!(tracer.begin_tx(), Err(TraceError::OutOfOrder));
    assert_eq!(tracer.commitments(), Err(TraceError::OutOfOrder));
}

#[test]
fn a_false_opening_is_refused() {
    let program = [
        with_operands(op::SSTORE, &[1, 2]),
        with_operands(op::MSTORE, &[1, 2]),
    ]
    .concat();
    let world = World::new(program);
    let profile = Profile::Keccak256;
    let commitment = trace(&world, Tracer::inline(options(profile), profile)).unwrap();
    let good = open(&world, profile, 2, &commitment).unwrap();
    verify_step(profile, &commitment, 2, &good).unwrap();
    let no_step = TraceError::NoSuchStep { index: 7, count: 7 };
    assert_eq!(verify_step(profile, &commitment, 7, &good), Err(no_step));
    assert_eq!(open(&world, profile, 7, &commitment), None);
    assert!(verify_step(profile, &commitment, 1, &good).is_err());
    assert!(verify_step(Profile::Blake3, &commitment, 2, &good).is_err());
    let mut other = good.clone();
    other.effects.clear();
    let result = verify_step(profile, &commitment, 2, &other);
    assert_eq!(result, Err(TraceError::EffectMismatch));
    let bytes = good.to_bytes();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let verified = StepOpening::from_bytes(&bytes)
            .and_then(|opening| verify_step(profile, &commitment, 2, &opening));
        assert!(verified.is_err(), "byte {at} is not bound");
        assert!(
            StepOpening::from_bytes(&bytes[..at]).is_err(),
            "cut at {at}"
        );
    }
}

#[test]
fn openings_across_twigs() {
    let program = [vec![op::JUMPDEST], push(0), vec![op::JUMP]].concat();
    let world = World::new(program).with_tx(|tx| tx.gas_limit = 61_000);
    let profile = Profile::Blake3;
    let commitment = trace(&world, Tracer::inline(options(profile), profile)).unwrap();
    assert!(commitment.count > 3 * 2048, "{commitment:?}");
    for index in [0, 2047, 2048, 4095, 4096, commitment.count - 1] {
        let opening = open(&world, profile, index, &commitment).unwrap();
        verify_step(profile, &commitment, index, &opening).unwrap();
    }
}

#[test]
fn ten_million_steps_in_flat_memory() {
    // JUMPDEST, PUSH1 0, MSTORE8 at 5, JUMP: memory is written in each round.
    let program = [
        vec![op::JUMPDEST],
        with_operands(op::MSTORE8, &[5, 1]),
        push(0),
        vec![op::JUMP],
    ];
    let world = World::new(code(&program)).with_tx(|tx| tx.gas_limit = 40_000_000);
    let limits = TraceLimits::default();
    let options = options(Profile::Blake3).with_limits(limits);
    let before = peak_memory();
    let commitment = trace(&world, Tracer::threaded(options, 2).unwrap()).unwrap();
    assert!(commitment.count > 10_000_000, "{commitment:?}");
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        let grown = after.saturating_sub(before);
        assert!(
            grown < 64 << 20,
            "{grown} bytes for {} steps",
            commitment.count
        );
    }
}

/// Most memory that this process ever had, where the system says.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[test]
fn json_lines_are_as_geth_prints_them() {
    let program = [
        push(1),
        push(2),
        vec![op::ADD],
        with_operands(op::MSTORE, &[0, 7]),
    ]
    .concat();
    let world = World::new(program);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut tracer = Tracer::json_lines(options(Profile::Keccak256), writer);
    tracer.begin_tx().unwrap();
    world.inspect(&mut tracer);
    tracer.finish_tx().unwrap();
    drop(tracer);
    let lines = std::io::read_to_string(reader).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(
        lines[2],
        r#"{"pc":4,"op":1,"gas":"0x2d74b2","gasCost":"0x3","memSize":0,"stack":["0x1","0x2"],"depth":1,"returnData":"0x","refund":0,"opName":"ADD"}"#
    );
    assert_eq!(lines.len(), 7);
    assert!(
        lines[6].contains(r#""memSize":32,"stack":["0x3"]"#),
        "{}",
        lines[6]
    );
    for line in lines {
        let _: serde_json::Value = serde_json::from_str(line).unwrap();
    }
}

/// Bytes of a random program: mostly pushes of small numbers, and every opcode that does something.
fn programs() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => (0..200_u64).prop_map(push),
        2 => prop_oneof![
            Just(MAIN), Just(OTHER), (0..20_u8).prop_map(Address::with_last_byte)
        ].prop_map(|to| push(U256::from_be_slice(to.as_slice()))),
        4 => (0x80..=0x9f_u8).prop_map(|byte| vec![byte]),
        6 => any::<u8>().prop_map(|byte| vec![byte]),
        3 => prop::sample::select(vec![
            op::MSTORE, op::MSTORE8, op::MCOPY, op::CALLDATACOPY, op::CODECOPY, op::RETURNDATACOPY,
            op::EXTCODECOPY, op::SSTORE, op::TSTORE, op::LOG1, op::KECCAK256, op::CREATE, op::CREATE2,
        ]).prop_map(|opcode| with_operands(opcode, &[3, 40, 9, 70])),
        3 => (
            prop::sample::select(vec![op::CALL, op::CALLCODE, op::DELEGATECALL, op::STATICCALL]),
            prop_oneof![Just(MAIN), Just(OTHER), (0..20_u8).prop_map(Address::with_last_byte)],
            (0..300_u64, 0..5000_u64), (0..300_u64, 0..100_u64),
        ).prop_map(|(opcode, to, input, output)| {
            // Part of the gas, so that the caller goes on.
            with_gas(call(opcode, to, input, output), 20_000)
        }),
    ];
    prop::collection::vec(part, 1..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_programs(main in programs(), other in programs(), batch_steps in 1..40_usize) {
        let world = World::new(main).with(OTHER, other);
        for profile in Profile::ALL {
            let mut oracle = Oracle::new(profile);
            world.inspect(&mut oracle);
            let options = options(profile).with_batch_steps(batch_steps);
            let tracer = Tracer::inline(options, profile);
            prop_assert_eq!(trace(&world, tracer).unwrap(), oracle.commitment());
        }
    }
}

#[test]
fn golden_commitments() {
    let other = [
        with_operands(op::SSTORE, &[1, 5]),
        with_operands(op::REVERT, &[0, 32]),
    ];
    let program = [
        with_operands(op::MSTORE, &[0x40, 0x80]),
        push(1),
        push(2),
        vec![op::SWAP1],
        call(op::CALL, OTHER, (0x40, 4), (0, 32)),
        with_operands(op::LOG1, &[0, 32, 7]),
        with_operands(op::TSTORE, &[1, 1]),
        call(op::STATICCALL, Address::with_last_byte(2), (0, 64), (0, 32)),
    ];
    let world = World::new(code(&program)).with(OTHER, code(&other));
    let golden = include_str!("../../../../testdata/trace/commitments.txt");
    for (line, mode, profile) in [
        ("full keccak", TraceMode::Full, Profile::Keccak256),
        ("full blake3", TraceMode::Full, Profile::Blake3),
        ("flat", TraceMode::Flat, Profile::Keccak256),
    ] {
        let tracer = Tracer::inline(TraceOptions::new(mode, profile), profile);
        let StepsCommitment { root, count } = trace(&world, tracer).unwrap();
        let found = format!("{line} {root} {count}");
        assert!(
            golden.lines().any(|golden| golden == found),
            "not golden: {found}"
        );
    }
    let tracer = Tracer::inline(
        TraceOptions::new(TraceMode::Outcome, Profile::Keccak256),
        Profile::Keccak256,
    );
    assert_eq!(trace(&world, tracer), Ok(StepsCommitment::default()));
}
