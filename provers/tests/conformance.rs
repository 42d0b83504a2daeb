//! The suite on all backends that are here, and on some that must not pass it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{B256, keccak256};
use common::{example_worker, id, output, sample, traced_sample};
use qmtree_execution_adapter::{PROGRAM_VERSION, TraceMode};
use qmtree_proofs::statement::{Expected, Program, StatementError};
use qmtree_provers::conformance::check;
use qmtree_provers::{
    BackendError, BackendInfo, Control, Envelope, ExecBackend, Executed, GuestProgram, MockBackend,
    Policy, ProgramError, ProgramOutput, ProveRequest, ProverBackend, RangeProgram, Statement,
    Trust, VerifierBackend, VerifierInfo, verify,
};
use std::time::Duration;

const RANGE: [u64; 1] = [207];
const OTHER: [u64; 2] = [207, 208];

#[test]
fn exec_conforms() {
    let exec = ExecBackend::new(RangeProgram, id("exec"));
    let report = check(
        &exec,
        &exec,
        &sample("exec", &RANGE),
        &sample("exec", &OTHER),
    );
    let report = report.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.checks.len() > 80, "{}", report.checks.len());
}

#[test]
fn mock_conforms() {
    let mock = MockBackend::new(RangeProgram, id("mock"));
    let report = check(
        &mock,
        &mock,
        &sample("mock", &RANGE),
        &sample("mock", &OTHER),
    );
    report.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_worker_conforms() {
    let worker = example_worker();
    let (range, other) = (sample("example", &RANGE), sample("example", &OTHER));
    let report = check(&worker, &worker.verifier(), &range, &other);
    report.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What a worker makes is worth what its verifier is worth: here, re-execution in this process.
#[test]
fn a_verifier_that_is_linked_needs_no_worker() {
    let worker = example_worker();
    let here = ExecBackend::new(RangeProgram, id("example"))
        .with_name("example")
        .unwrap();
    let report = check(
        &worker,
        &here,
        &sample("example", &RANGE),
        &sample("example", &OTHER),
    );
    report.unwrap_or_else(|failure| panic!("{failure}"));
}

/// The same blocks behind the same head, with leaves that commit to more: what differs in a statement
/// is the mode, and the heads that follow from it.
#[test]
fn proofs_of_the_same_blocks_under_another_mode_are_about_something_else() {
    let samples = |backend: &str, mode| {
        let other = traced_sample(backend, &RANGE, mode);
        (sample(backend, &RANGE), other)
    };
    for mode in [TraceMode::Full, TraceMode::Flat] {
        let exec = ExecBackend::new(RangeProgram, id("exec"));
        let (range, other) = samples("exec", mode);
        check(&exec, &exec, &range, &other).unwrap_or_else(|failure| panic!("{failure}"));
        let mock = MockBackend::new(RangeProgram, id("mock"));
        let (range, other) = samples("mock", mode);
        check(&mock, &mock, &range, &other).unwrap_or_else(|failure| panic!("{failure}"));
    }
    let worker = example_worker();
    let (range, other) = samples("example", TraceMode::Full);
    let report = check(&worker, &worker.verifier(), &range, &other);
    report.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_statement_under_another_mode_is_refused_by_name() {
    let inputs = |mode| output(&traced_sample("exec", &RANGE, mode).input).public_inputs;
    let outcome = inputs(TraceMode::Outcome);
    let expected = Expected {
        chain_id: outcome.chain_id,
        rules: outcome.rules,
        program: Program::new(PROGRAM_VERSION, "exec", id("exec")),
        mode: TraceMode::Outcome,
        head_before: outcome.head_before,
        first_block: 207,
        last_block: 207,
        parent_hash: Some(outcome.parent_hash),
        last_block_hash: Some(outcome.last_block_hash),
        most_claims: 0,
    };
    outcome.check(&expected).unwrap();
    for found in [TraceMode::Full, TraceMode::Flat] {
        let other = inputs(found);
        assert_ne!(other.head_after, outcome.head_after);
        let refused = other.check(&expected).unwrap_err();
        let expected = TraceMode::Outcome;
        assert_eq!(refused, StatementError::Mode { found, expected });
        // Only the word changed, the leaves did not: that is another statement than was proved.
        let mut relabelled = other;
        relabelled.mode = TraceMode::Outcome;
        assert_ne!(relabelled.digest(), other.digest());
        assert_ne!(relabelled.digest(), outcome.digest());
    }
}

/// A program that is not done in time.
struct Slow;

impl GuestProgram for Slow {
    fn run(&self, _: &[u8]) -> Result<ProgramOutput, ProgramError> {
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn a_program_that_is_late_is_not_waited_for() {
    let exec = ExecBackend::new(Slow, id("exec"));
    let mock = MockBackend::new(Slow, id("mock"));
    let backends: [&dyn ProverBackend; 2] = [&exec, &mock];
    for backend in backends {
        let limit = Control::timeout(Duration::from_millis(200));
        let error = backend.execute(b"", &limit).unwrap_err();
        assert!(
            matches!(error, BackendError::Timeout { limit_ms: 200 }),
            "{error}"
        );
        let cancelled = Control::timeout(Duration::from_secs(600));
        let canceller = cancelled.clone();
        let from_elsewhere = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            canceller.cancel();
        });
        let error = backend.execute(b"", &cancelled).unwrap_err();
        assert!(matches!(error, BackendError::Cancelled), "{error}");
        from_elsewhere.join().unwrap();
    }
    // A verifier neither.
    let statement = Statement {
        program_id: id("exec"),
        digest: id("statement"),
    };
    let proof = [keccak256(b"").as_slice(), b""].concat();
    let envelope = Envelope::new("exec", "1", "input", statement, proof).unwrap();
    let limit = Control::timeout(Duration::from_millis(200));
    let error = exec.check(&envelope, &statement, &limit).unwrap_err();
    assert!(matches!(error, BackendError::Timeout { .. }), "{error}");
}

/// A program with a flaw.
struct Panics;

impl GuestProgram for Panics {
    fn run(&self, _: &[u8]) -> Result<ProgramOutput, ProgramError> {
        panic!("a flaw of the program")
    }
}

#[test]
#[should_panic(expected = "a flaw of the program")]
fn the_panic_of_a_program_is_that_of_its_caller() {
    let exec = ExecBackend::new(Panics, id("exec"));
    let limit = Control::timeout(Duration::from_secs(600));
    _ = exec.execute(b"", &limit);
}

/// A backend that is wrong in one way.
struct Wrong {
    inner: ExecBackend<RangeProgram>,
    prove: fn(Result<Envelope, BackendError>) -> Result<Envelope, BackendError>,
    verdict: fn(&Envelope, Result<(), BackendError>) -> Result<(), BackendError>,
    trust: Trust,
}

impl ProverBackend for Wrong {
    fn info(&self) -> Result<BackendInfo, BackendError> {
        ProverBackend::info(&self.inner)
    }

    fn execute(&self, input: &[u8], control: &Control) -> Result<Executed, BackendError> {
        self.inner.execute(input, control)
    }

    fn prove(
        &self,
        request: &ProveRequest<'_>,
        control: &Control,
    ) -> Result<Envelope, BackendError> {
        (self.prove)(self.inner.prove(request, control))
    }
}

impl VerifierBackend for Wrong {
    fn info(&self) -> VerifierInfo {
        VerifierInfo {
            trust: self.trust,
            ..VerifierBackend::info(&self.inner)
        }
    }

    fn check(
        &self,
        envelope: &Envelope,
        expected: &Statement,
        control: &Control,
    ) -> Result<(), BackendError> {
        (self.verdict)(envelope, self.inner.check(envelope, expected, control))
    }
}

#[test]
fn what_is_wrong_is_found() {
    let right = || Wrong {
        inner: ExecBackend::new(RangeProgram, id("exec")),
        prove: |made| made,
        verdict: |_, verdict| verdict,
        trust: Trust::None,
    };
    let failure = |wrong: &Wrong| {
        let failed = check(
            wrong,
            wrong,
            &sample("exec", &RANGE),
            &sample("exec", &OTHER),
        );
        failed.err().map(|failure| failure.check)
    };
    assert_eq!(failure(&right()), None);
    // Believes everything.
    let credulous = Wrong {
        verdict: |_, _| Ok(()),
        ..right()
    };
    let invalid = "a proof for something else is invalid";
    assert_eq!(failure(&credulous), Some(invalid));
    // Believes what an envelope says of itself: compares nothing with what is expected.
    let gullible = Wrong {
        verdict: |envelope, verdict| match verdict {
            Err(BackendError::WrongStatement { .. } | BackendError::WrongProgram { .. })
                if !envelope.proof().is_empty() =>
            {
                Ok(())
            }
            verdict => verdict,
        },
        ..right()
    };
    assert_eq!(failure(&gullible), Some(invalid));
    // Believes nothing.
    let stubborn = Wrong {
        verdict: |_, _| Err(BackendError::Cancelled),
        ..right()
    };
    assert_eq!(failure(&stubborn), Some("its proof holds"));
    // Names its own errors instead of the proof's.
    let evasive = Wrong {
        verdict: |_, verdict| verdict.map_err(|_| BackendError::Cancelled),
        ..right()
    };
    assert_eq!(failure(&evasive), Some(invalid));
    // Changes what it made.
    let sloppy = Wrong {
        prove: |made| made.and_then(|made| Ok(made.with_public_values(vec![7; 32])?)),
        ..right()
    };
    assert_eq!(failure(&sloppy), Some("its public values are the digest"));
    // Says that its re-execution is a cryptographic proof: then the default policy takes it, which
    // is what the class says. The suite cannot tell; whoever writes a verifier answers for its class.
    let boastful = Wrong {
        trust: Trust::Cryptographic,
        ..right()
    };
    assert_eq!(failure(&boastful), None);
}

#[test]
fn no_policy_but_that_for_tests_looks_at_mocks() {
    let mock = MockBackend::new(RangeProgram, id("mock"));
    let sample = sample("mock", &RANGE);
    let control = Control::timeout(Duration::from_secs(600));
    let request = ProveRequest {
        input: &sample.input,
        statement: sample.statement,
        format: None,
    };
    let envelope = mock.prove(&request, &control).unwrap();
    assert_eq!(envelope.to_bytes()[..4], *b"QMMK");
    let expected = Statement {
        program_id: id("mock"),
        digest: sample.statement,
    };
    let all = [Trust::Hardware, Trust::External, Trust::None];
    let lenient = all.into_iter().fold(Policy::default(), Policy::accept);
    for policy in [Policy::default(), lenient] {
        let refused = verify(&policy, &[&mock], &envelope, &expected, &control);
        assert!(matches!(refused, Err(BackendError::Policy { .. })));
    }
    // With the magic of a proof it is no mock, and no proof.
    let mut bytes = envelope.to_bytes();
    bytes[..4].copy_from_slice(b"QMEV");
    let dressed = Envelope::from_bytes(&bytes).unwrap();
    let refused = verify(
        &Policy::for_tests(),
        &[&mock],
        &dressed,
        &expected,
        &control,
    );
    assert!(refused.unwrap_err().is_invalid_proof());
    assert_ne!(B256::ZERO, expected.digest);
}
