//! Re-execution: the proof is the input, and whoever verifies executes it again.

use crate::backend::{
    BackendInfo, Control, Executed, ProveRequest, ProverBackend, Statement, Trust, VerifierBackend,
    VerifierInfo,
};
use crate::envelope::Envelope;
use crate::error::BackendError;
use crate::program::{GuestProgram, run_within};
use alloy_primitives::{B256, keccak256};
use std::sync::Arc;

const FORMAT: &str = "input";
const DEFAULT_NAME: &str = "exec";

/// Proves by executing, and verifies by executing again.
///
/// Sound for who verifies, and of trust class none all the same: it is no shorter to verify than to
/// execute, so a verifier who accepts it does all of the work. It is there to run the whole way of a
/// proof on any machine, and to tell what a prover should prove.
///
/// The program runs on a thread of its own, so that a [`Control`] is kept; a thread that is late goes on
/// by itself, though, until it is done or the process ends.
#[derive(Clone, Debug)]
pub struct ExecBackend<P> {
    name: String,
    program: Arc<P>,
    program_id: B256,
}

impl<P: GuestProgram + 'static> ExecBackend<P> {
    /// The backend `exec`, for a program with this id.
    #[must_use]
    pub fn new(program: P, program_id: B256) -> Self {
        Self {
            name: DEFAULT_NAME.to_owned(),
            program: Arc::new(program),
            program_id,
        }
    }

    /// The same under another name, for workers that stand in for other backends.
    ///
    /// # Errors
    /// [`BackendError::Envelope`] if that is no name.
    pub fn with_name(mut self, name: &str) -> Result<Self, BackendError> {
        crate::envelope::check_name("backend", name)?;
        name.clone_into(&mut self.name);
        Ok(self)
    }

    fn run(&self, input: &[u8], control: &Control) -> Result<B256, BackendError> {
        let output = run_within(&self.program, input, control)?;
        if output.program_id != self.program_id {
            return Err(BackendError::WrongProgram {
                found: output.program_id,
                expected: self.program_id,
            });
        }
        Ok(output.statement)
    }
}

impl<P: GuestProgram + 'static> ProverBackend for ExecBackend<P> {
    fn info(&self) -> Result<BackendInfo, BackendError> {
        Ok(BackendInfo {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trust: Trust::None,
            program_id: self.program_id,
            can_execute: true,
            can_prove: true,
            formats: vec![FORMAT.to_owned()],
        })
    }

    fn execute(&self, input: &[u8], control: &Control) -> Result<Executed, BackendError> {
        let statement = self.run(input, control)?;
        Ok(Executed {
            statement,
            cycles: None,
        })
    }

    fn prove(
        &self,
        request: &ProveRequest<'_>,
        control: &Control,
    ) -> Result<Envelope, BackendError> {
        check_format(&self.name, request.format, FORMAT)?;
        let digest = self.run(request.input, control)?;
        check_statement(digest, request.statement)?;
        let statement = Statement {
            program_id: self.program_id,
            digest,
        };
        let version = env!("CARGO_PKG_VERSION");
        // The hash in front: nodes that no block needs could be changed without it.
        let proof = [keccak256(request.input).as_slice(), request.input].concat();
        Ok(Envelope::new(
            &self.name, version, FORMAT, statement, proof,
        )?)
    }
}

impl<P: GuestProgram + 'static> VerifierBackend for ExecBackend<P> {
    fn info(&self) -> VerifierInfo {
        VerifierInfo {
            backend: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trust: Trust::None,
        }
    }

    fn check(
        &self,
        envelope: &Envelope,
        expected: &Statement,
        control: &Control,
    ) -> Result<(), BackendError> {
        check_envelope(envelope, &self.name, expected)?;
        check_program(self.program_id, expected.program_id)?;
        if envelope.is_mock() {
            return Err(invalid("a mock"));
        }
        if envelope.format() != FORMAT || envelope.encoding() != "raw" {
            return Err(invalid("a form that this backend does not make"));
        }
        let split = envelope.proof().split_at_checked(32);
        let (hash, input) = split.ok_or_else(|| invalid("too short"))?;
        if keccak256(input).as_slice() != hash {
            return Err(invalid("its input is not the one that it names"));
        }
        let digest = self.run(input, control).map_err(|error| match error {
            BackendError::Program { source } => BackendError::InvalidProof {
                reason: chain(&source),
            },
            error => error,
        })?;
        check_statement(digest, expected.digest)
    }
}

/// What every verifier compares before it looks at the proof.
pub(crate) fn check_envelope(
    envelope: &Envelope,
    backend: &str,
    expected: &Statement,
) -> Result<(), BackendError> {
    if envelope.backend() != backend {
        return Err(BackendError::WrongBackend {
            found: envelope.backend().to_owned(),
            expected: backend.to_owned(),
        });
    }
    check_program(envelope.statement().program_id, expected.program_id)?;
    check_statement(envelope.statement().digest, expected.digest)?;
    match envelope.public_values() == expected.digest.as_slice() {
        true => Ok(()),
        false => Err(invalid("its public values are not the statement")),
    }
}

pub(crate) fn check_statement(found: B256, expected: B256) -> Result<(), BackendError> {
    match found == expected {
        true => Ok(()),
        false => Err(BackendError::WrongStatement { found, expected }),
    }
}

pub(crate) fn check_program(found: B256, expected: B256) -> Result<(), BackendError> {
    match found == expected {
        true => Ok(()),
        false => Err(BackendError::WrongProgram { found, expected }),
    }
}

/// A form that is asked for has to be the one there is.
pub(crate) fn check_format(
    backend: &str,
    asked: Option<&str>,
    made: &str,
) -> Result<(), BackendError> {
    match asked {
        Some(asked) if asked != made => Err(BackendError::Unsupported {
            backend: backend.to_owned(),
            what: format!("proofs of form {:?}", shortened(asked)),
        }),
        _ => Ok(()),
    }
}

pub(crate) fn invalid(reason: &str) -> BackendError {
    BackendError::InvalidProof {
        reason: reason.to_owned(),
    }
}

/// The beginning of what somebody else wrote.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
