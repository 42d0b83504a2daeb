//! What every backend has to do, as a test that anybody can run on theirs.
//!
//! ```no_run
//! use qmtree_provers::conformance::{Sample, check};
//! # fn example(
//! #     prover: &dyn qmtree_provers::ProverBackend,
//! #     verifier: &dyn qmtree_provers::VerifierBackend,
//! #     sample: Sample, other: Sample,
//! # ) {
//! let report = check(prover, verifier, &sample, &other).unwrap_or_else(|failure| panic!("{failure}"));
//! println!("{} checks", report.checks.len());
//! # }
//! ```

use crate::backend::{Control, ProveRequest, ProverBackend, Statement, Trust, VerifierBackend};
use crate::envelope::{Envelope, check_name};
use crate::error::BackendError;
use crate::exec::chain;
use crate::policy::{Policy, verify};
use alloy_primitives::B256;
use std::fmt;
use std::time::Duration;

/// An input, and the statement that it has to lead to.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What the program reads.
    pub input: Vec<u8>,
    /// What it commits to.
    pub statement: B256,
}

/// The checks that were made, in order.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Their names, each a claim.
    pub checks: Vec<&'static str>,
}

/// A check that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What should have held.
    pub check: &'static str,
    /// What was seen instead.
    pub found: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.found)
    }
}

impl std::error::Error for Failure {}

/// Time for one call. Proofs take theirs.
const TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Places of a proof where bits are flipped.
const FLIPS: usize = 24;

/// Runs the suite: about fifty verifications, two proofs, and some requests that have to be refused.
///
/// `other` is another input of the same program, which leads to another statement: other blocks, or the
/// same ones under another trace mode. Run it for both.
///
/// # Errors
/// The first [`Failure`].
pub fn check(
    prover: &dyn ProverBackend,
    verifier: &dyn VerifierBackend,
    sample: &Sample,
    other: &Sample,
) -> Result<Report, Failure> {
    let mut suite = Suite {
        prover,
        verifier,
        sample,
        other,
        report: Report::default(),
    };
    suite.says_who_it_is()?;
    suite.executes()?;
    suite.refuses_bad_requests()?;
    let envelope = suite.proves()?;
    suite.verifies(&envelope)?;
    suite.refuses_other_statements(&envelope)?;
    suite.refuses_damage(&envelope)?;
    suite.obeys_policies(&envelope)?;
    Ok(suite.report)
}

struct Suite<'a> {
    prover: &'a dyn ProverBackend,
    verifier: &'a dyn VerifierBackend,
    sample: &'a Sample,
    other: &'a Sample,
    report: Report,
}

type Checked = Result<(), Failure>;

impl Suite<'_> {
    fn hold(&mut self, check: &'static str, holds: bool, found: impl fmt::Display) -> Checked {
        self.report.checks.push(check);
        match holds {
            true => Ok(()),
            false => Err(Failure {
                check,
                found: found.to_string(),
            }),
        }
    }

    fn good<T>(
        &mut self,
        check: &'static str,
        result: Result<T, BackendError>,
    ) -> Result<T, Failure> {
        self.report.checks.push(check);
        result.map_err(|error| Failure {
            check,
            found: chain(&error),
        })
    }

    /// An error, and one of these.
    fn refused<T>(
        &mut self,
        check: &'static str,
        result: Result<T, BackendError>,
        of: impl FnOnce(&BackendError) -> bool,
    ) -> Checked {
        match result {
            Ok(_) => self.hold(check, false, "it was accepted"),
            Err(error) => self.hold(check, of(&error), chain(&error)),
        }
    }

    fn program_id(&mut self) -> Result<B256, Failure> {
        let info = self.prover.info();
        self.good("it says who it is", info)
            .map(|info| info.program_id)
    }

    fn statement(&mut self) -> Result<Statement, Failure> {
        Ok(Statement {
            program_id: self.program_id()?,
            digest: self.sample.statement,
        })
    }

    fn says_who_it_is(&mut self) -> Checked {
        let info = self.good("it says who it is", self.prover.info())?;
        let again = self.good("it says so again", self.prover.info())?;
        self.hold(
            "it says the same again",
            info == again,
            format!("{again:?}"),
        )?;
        for name in [&info.name, &info.version].into_iter().chain(&info.formats) {
            let good = check_name("name", name);
            let found = good.as_ref().err().map(ToString::to_string);
            let found = found.unwrap_or_default();
            self.hold("its names are names", good.is_ok(), found)?;
        }
        self.hold("it can prove", info.can_prove, "it cannot")?;
        let formats = info.formats.len();
        self.hold("it makes some form of proof", formats > 0, "none")?;
        let verifier = self.verifier.info();
        let same = verifier.backend == info.name;
        self.hold("its verifier is for it", same, &verifier.backend)
    }

    fn executes(&mut self) -> Checked {
        let info = self.good("it says who it is", self.prover.info())?;
        if !info.can_execute {
            let executed = self.prover.execute(&self.sample.input, &control());
            let unsupported =
                |error: &BackendError| matches!(error, BackendError::Unsupported { .. });
            return self.refused("what it cannot do is unsupported", executed, unsupported);
        }
        for sample in [self.sample, self.other, self.sample] {
            let executed = self.prover.execute(&sample.input, &control());
            let executed = self.good("it executes", executed)?;
            let right = executed.statement == sample.statement;
            let found = executed.statement;
            self.hold("it commits to the statement", right, found)?;
        }
        Ok(())
    }

    fn refuses_bad_requests(&mut self) -> Checked {
        let mut cut = self.sample.input.clone();
        cut.truncate(cut.len() / 2);
        for input in [Vec::new(), b"no input".to_vec(), cut, vec![0xff; 4096]] {
            let proved = self.prover.prove(&request(&input, self.sample), &control());
            self.refused("input that is none is refused", proved, |_| true)?;
        }
        let wrong = ProveRequest {
            statement: self.other.statement,
            ..request(&self.sample.input, self.sample)
        };
        let proved = self.prover.prove(&wrong, &control());
        let check = "a proof of another statement than asked for is not made";
        self.refused(check, proved, |_| true)?;
        let odd = ProveRequest {
            format: Some("no-such-form"),
            ..request(&self.sample.input, self.sample)
        };
        let proved = self.prover.prove(&odd, &control());
        self.refused("a form that is not made is unsupported", proved, |error| {
            matches!(error, BackendError::Unsupported { .. })
        })?;
        let late = Control::timeout(Duration::ZERO);
        let proved = self
            .prover
            .prove(&request(&self.sample.input, self.sample), &late);
        self.refused("no time is too little time", proved, |error| {
            matches!(error, BackendError::Timeout { .. })
        })?;
        let cancelled = control();
        cancelled.cancel();
        let request = request(&self.sample.input, self.sample);
        let proved = self.prover.prove(&request, &cancelled);
        self.refused("what is cancelled is not done", proved, |error| {
            matches!(error, BackendError::Cancelled)
        })
    }

    fn proves(&mut self) -> Result<Envelope, Failure> {
        let info = self.good("it says who it is", self.prover.info())?;
        let proved = self
            .prover
            .prove(&request(&self.sample.input, self.sample), &control());
        let envelope = self.good("it proves", proved)?;
        let statement = self.statement()?;
        let right = *envelope.statement() == statement;
        self.hold("its proof is about the statement", right, "another")?;
        let right = envelope.public_values() == statement.digest.as_slice();
        self.hold("its public values are the digest", right, "others")?;
        let right = envelope.backend() == info.name;
        self.hold("its proof has its name", right, envelope.backend())?;
        let right = info.formats.iter().any(|form| form == envelope.format());
        self.hold("its proof has one of its forms", right, envelope.format())?;
        let read = Envelope::from_bytes(&envelope.to_bytes());
        let same = read.as_ref().is_ok_and(|read| *read == envelope);
        self.hold("its proof survives its bytes", same, format!("{read:?}"))?;
        Ok(envelope)
    }

    fn check(&self, envelope: &Envelope, expected: &Statement) -> Result<(), BackendError> {
        self.verifier.check(envelope, expected, &control())
    }

    fn verifies(&mut self, envelope: &Envelope) -> Checked {
        let expected = self.statement()?;
        let checked = self.check(envelope, &expected);
        self.good("its proof holds", checked)?;
        let checked = self.check(envelope, &expected);
        self.good("its proof holds again", checked)
    }

    fn refuses_other_statements(&mut self, envelope: &Envelope) -> Checked {
        let expected = self.statement()?;
        let mut others = [expected; 4];
        let [digest, bit, program, zero] = &mut others;
        digest.digest = self.other.statement;
        bit.digest.0[31] ^= 1;
        program.program_id.0[0] ^= 1;
        *zero = Statement {
            program_id: B256::ZERO,
            digest: B256::ZERO,
        };
        for other in others {
            // As it is, and made to say that it is about the other one.
            let checked = self.check(envelope, &other);
            let check = "a proof for something else is invalid";
            self.refused(check, checked, BackendError::is_invalid_proof)?;
            let relabelled = self.good("it is relabelled", relabel(envelope, other))?;
            let checked = self.check(&relabelled, &other);
            let check = "a proof that claims to be about something else is invalid";
            self.refused(check, checked, BackendError::is_invalid_proof)?;
        }
        let proved = self
            .prover
            .prove(&request(&self.other.input, self.other), &control());
        let proof_of_other = self.good("it proves the other statement", proved)?;
        let checked = self.check(&proof_of_other, &expected);
        let check = "a proof for another range is invalid";
        self.refused(check, checked, BackendError::is_invalid_proof)?;
        let relabelled = relabel(&proof_of_other, expected);
        let relabelled = self.good("it is relabelled", relabelled)?;
        let checked = self.check(&relabelled, &expected);
        let check = "a proof for another range under this statement is invalid";
        self.refused(check, checked, BackendError::is_invalid_proof)
    }

    fn refuses_damage(&mut self, envelope: &Envelope) -> Checked {
        let expected = self.statement()?;
        let proof = envelope.proof();
        let bits = proof.len() * 8;
        let mut damaged = Vec::new();
        for flip in 0..FLIPS {
            let mut flipped = proof.to_vec();
            let bit = flip * bits / FLIPS + flip % 8;
            if let Some(byte) = flipped.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
                damaged.push(flipped);
            }
        }
        let half = proof.get(..proof.len() / 2).unwrap_or_default();
        let cut = proof.split_last().map_or(proof, |(_, front)| front);
        damaged.extend([half.to_vec(), cut.to_vec(), vec![0], [proof, &[0]].concat()]);
        for proof in damaged.into_iter().filter(|proof| !proof.is_empty()) {
            let made = replace(envelope, expected, envelope.format(), proof);
            let made = self.good("a damaged proof is put into an envelope", made)?;
            let checked = self.check(&made, &expected);
            let check = "a damaged proof does not hold";
            self.refused(check, checked, BackendError::is_invalid_proof)?;
        }
        let values = envelope.clone().with_public_values(vec![0; 32]);
        let values = self.good("public values are replaced", values.map_err(Into::into))?;
        let checked = self.check(&values, &expected);
        let check = "other public values do not hold";
        self.refused(check, checked, BackendError::is_invalid_proof)?;
        let form = replace(envelope, expected, "no-such-form", proof.to_vec());
        let form = self.good("the form is replaced", form)?;
        let checked = self.check(&form, &expected);
        self.refused("another form does not hold", checked, |_| true)?;
        let mut other = envelope.clone().to_bytes();
        other.truncate(other.len() / 2);
        let read = Envelope::from_bytes(&other).map_err(Into::into);
        self.refused("half an envelope is none", read, |_| true)
    }

    fn obeys_policies(&mut self, envelope: &Envelope) -> Checked {
        let expected = self.statement()?;
        let info = self.verifier.info();
        let verifiers = [self.verifier];
        let under = |policy: &Policy| verify(policy, &verifiers, envelope, &expected, &control());
        let by_default = under(&Policy::default());
        match info.trust {
            Trust::Cryptographic if !envelope.is_mock() => {
                let verified = self.good("the default policy accepts it", by_default)?;
                let right = verified.trust() == info.trust;
                self.hold("its class is told", right, verified.trust())?;
            }
            _ => {
                let check = "the default policy refuses it";
                self.refused(check, by_default, |error| {
                    matches!(error, BackendError::Policy { .. })
                })?;
            }
        }
        let verified = self.good("a policy for tests accepts it", under(&Policy::for_tests()))?;
        let right = verified.backend() == info.backend && *verified.statement() == expected;
        self.hold("what was verified is told", right, format!("{verified:?}"))?;
        let nobody = verify(&Policy::for_tests(), &[], envelope, &expected, &control());
        self.refused("without a verifier nothing is verified", nobody, |error| {
            matches!(error, BackendError::NoVerifier { .. })
        })
    }
}

fn control() -> Control {
    Control::timeout(TIMEOUT)
}

fn request<'a>(input: &'a [u8], sample: &Sample) -> ProveRequest<'a> {
    ProveRequest {
        input,
        statement: sample.statement,
        format: None,
    }
}

fn relabel(envelope: &Envelope, statement: Statement) -> Result<Envelope, BackendError> {
    replace(
        envelope,
        statement,
        envelope.format(),
        envelope.proof().to_vec(),
    )
}

/// The envelope with other parts.
fn replace(
    envelope: &Envelope,
    statement: Statement,
    format: &str,
    proof: Vec<u8>,
) -> Result<Envelope, BackendError> {
    let version = envelope.backend_version();
    let made = Envelope::new(envelope.backend(), version, format, statement, proof)?;
    let made = made.with_encoding(envelope.encoding())?;
    let made = match envelope.attestation() {
        Some(attestation) => made.with_attestation(attestation.clone())?,
        None => made,
    };
    Ok(match envelope.is_mock() {
        true => made.into_mock(),
        false => made,
    })
}
