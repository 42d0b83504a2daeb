//! Small programs, each against the oracle, in all ways to hash.

use super::*;

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
    assert!(check(&precompile).steps.is_empty());
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
            last.gas_cost == last.step.gas_remaining,
            halted,
            "{}",
            hex::encode(program)
        );
    }
}
