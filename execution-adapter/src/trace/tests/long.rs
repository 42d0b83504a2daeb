//! Transactions in a row, limits, and long ones.

use super::*;

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
