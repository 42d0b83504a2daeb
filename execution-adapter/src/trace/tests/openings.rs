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
    other.stretches[0].effects.clear();
    let result = verify_step(profile, &commitment, 2, &other);
    assert_eq!(result, Err(TraceError::EffectMismatch));
    // Another number of steps, and steps that other groups have.
    for (count, index) in [(8, 2), (6, 2), (9, 8), (16, 7), (u64::MAX, u64::MAX - 1)] {
        let other = StepsCommitment {
            count,
            ..commitment
        };
        let verified = verify_step(profile, &other, index, &good);
        assert!(
            matches!(verified, Err(TraceError::OtherSteps { .. })),
            "step {index} of {count}: {verified:?}"
        );
    }
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

/// Calls and ends in the middle of a group: its stretches say what each frame was like.
#[test]
fn a_group_of_many_frames_is_opened_in_stretches() {
    let calls = call(op::STATICCALL, OTHER, (0, 4), (0, 32)).repeat(3);
    let world = World::new(calls).with(OTHER, code(&[push(1), vec![op::STOP]]));
    let oracle = check(&world);
    let stretches = oracle.groups().iter().map(Vec::len).max();
    assert!(stretches >= Some(3), "{stretches:?}");
}
