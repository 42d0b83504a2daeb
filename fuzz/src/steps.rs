//! Openings of steps, against traces of one program.

use qmtree_execution_adapter::{
    StepOpening, StepsCommitment, TraceMode, TraceOptions, Tracer, verify_step,
};
use qmtree_proofs::{Keccak256, Profile};
use revm::context::{Context, TxEnv};
use revm::database::InMemoryDB;
use revm::{InspectEvm, MainBuilder, MainContext};
use std::sync::LazyLock;

/// Init code: counts from 40 down to 0, stores and logs each time, and calls the precompile 4.
const PROGRAM: [u8; 42] = [
    0x60, 40, 0x5b, 0x80, 0x80, 0x55, 0x80, 0x60, 0, 0x52, 0x60, 32, 0x60, 0,
    0xa0, // store, log
    0x60, 32, 0x60, 0, 0x60, 32, 0x60, 0, 0x60, 0, 0x60, 4, 0x5a, 0xf1, 0x50, // call
    0x60, 1, 0x90, 0x03, 0x80, 0x60, 2, 0x57, 0x60, 0, 0x60, 0,
];

/// The commitment to the program's trace.
static COMMITMENT: LazyLock<StepsCommitment> = LazyLock::new(|| trace(0).0);

fn trace(step: u64) -> (StepsCommitment, Option<StepOpening>) {
    let options = TraceOptions::new(TraceMode::Full, Profile::Keccak256);
    let mut tracer = Tracer::opening(options, Keccak256, step);
    let context = Context::mainnet().with_db(InMemoryDB::default());
    let mut evm = context.build_mainnet_with_inspector(&mut tracer);
    evm.inspector.begin_tx().expect("none is under way");
    let transaction = TxEnv::builder().create().data(PROGRAM.into());
    let ran = evm.inspect_one_tx(transaction.build_fill());
    assert!(
        ran.is_ok_and(|result| result.is_success()),
        "the program ends"
    );
    let commitment = tracer.finish_tx().expect("the trace is short");
    (commitment, tracer.take_opening())
}

/// An opening has one encoding, and what is accepted for a step is what an honest prover opens.
pub(crate) fn opening(data: &[u8]) {
    let Ok(opening) = StepOpening::from_bytes(data) else {
        return;
    };
    assert_eq!(opening.to_bytes()[..], *data, "two encodings of one value");
    let first = opening.first_step();
    let steps = first..first.saturating_add(opening.step_count() as u64 + 1);
    for step in steps {
        if verify_step(Profile::Keccak256, &COMMITMENT, step, &opening).is_ok() {
            let (_, honest) = trace(step);
            assert_eq!(
                honest,
                Some(opening.clone()),
                "a false opening of step {step}"
            );
            assert!(opening.step(step).is_some(), "a step that is not there");
        }
    }
}

/// True openings of steps.
pub(crate) fn seeds() -> impl Iterator<Item = (&'static str, String, Vec<u8>)> {
    let steps = [0, 1, 7, 8, 100, COMMITMENT.count - 1].into_iter();
    steps.map(|step| {
        let opening = trace(step).1.expect("the trace has the step");
        ("decode_opening", format!("step-{step}"), opening.to_bytes())
    })
}
