//! The trace commitment against its definition, over small programs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod long;
mod modes;
mod openings;
pub(crate) mod oracle;
mod programs;
mod random;
mod state_tests;
pub(crate) mod world;

use super::{Effect, StepOpening, TraceError, TraceLimits, TraceOptions, Tracer, verify_step};
use crate::transition::{StepsCommitment, TraceMode};
use alloy_primitives::{Address, Bytes, U256, hex};
use oracle::Oracle;
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
        assert_eq!(
            opening.stretches,
            oracle.groups()[index / 8],
            "step {index}"
        );
        let step = opening.step(index as u64).unwrap();
        assert_eq!(step.effects, oracle.effects[index], "step {index}");
        assert_eq!(step.gas_cost, oracle.steps[index].gas_cost, "step {index}");
        assert_eq!(step.step.pc, oracle.steps[index].step.pc, "step {index}");
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
