//! Mode `flat`, JSON lines, and golden values.

use super::*;

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
