//! Openings of steps: true ones verify, others do not.

use super::*;

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
    assert!(verify_step(Profile::Blake3, &commitment, 2, &good).is_err());
    let mut other = good.clone();
    other.effects.clear();
    let result = verify_step(profile, &commitment, 2, &other);
    assert_eq!(result, Err(TraceError::EffectMismatch));
    // All seven steps are one group: none but these is in it.
    let longer = StepsCommitment {
        count: 8,
        ..commitment
    };
    let others = TraceError::OtherSteps {
        index: 7,
        first: 0,
        end: 7,
    };
    assert_eq!(verify_step(profile, &longer, 7, &good), Err(others));
    let shorter = StepsCommitment {
        count: 6,
        ..commitment
    };
    assert!(verify_step(profile, &shorter, 2, &good).is_err());
    assert_eq!(good.step(7), None);
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
    let world = World::new(program).with_tx(|tx| tx.gas_limit = 300_000);
    let profile = Profile::Blake3;
    let commitment = trace(&world, Tracer::inline(options(profile), profile)).unwrap();
    assert!(commitment.count > 8 * 3 * 2048, "{commitment:?}");
    let twig = 8 * 2048;
    for index in [
        0,
        twig - 1,
        twig,
        2 * twig - 1,
        2 * twig,
        commitment.count - 1,
    ] {
        let opening = open(&world, profile, index, &commitment).unwrap();
        verify_step(profile, &commitment, index, &opening).unwrap();
        assert!(opening.proof.siblings().len() <= 20, "{index}");
    }
}
