//! Random programs against the oracle.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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
