//! A backend that proves nothing.

use crate::backend::{
    BackendInfo, Control, Executed, ProveRequest, ProverBackend, Statement, Trust, VerifierBackend,
    VerifierInfo,
};
use crate::envelope::Envelope;
use crate::error::BackendError;
use crate::exec::{check_envelope, check_format, check_program, check_statement, invalid};
use crate::program::{GuestProgram, run_within};
use alloy_primitives::{B256, keccak256};
use std::sync::Arc;

const NAME: &str = "mock";
const FORMAT: &str = "mock";
const DOMAIN: &[u8] = b"qmtree/mock-proof/1";

/// Runs the program, and gives an envelope that has the shape of a proof and is none: anybody can make
/// one for anything.
///
/// Its envelopes have a magic of their own, so that no policy but that
/// [`for_tests`](crate::Policy::for_tests) looks at them.
#[derive(Clone, Debug)]
pub struct MockBackend<P> {
    program: Arc<P>,
    program_id: B256,
}

impl<P: GuestProgram + 'static> MockBackend<P> {
    /// The backend `mock`, for a program with this id.
    #[must_use]
    pub fn new(program: P, program_id: B256) -> Self {
        Self {
            program: Arc::new(program),
            program_id,
        }
    }
}

impl<P: GuestProgram + 'static> ProverBackend for MockBackend<P> {
    fn info(&self) -> Result<BackendInfo, BackendError> {
        Ok(BackendInfo {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trust: Trust::None,
            program_id: self.program_id,
            can_execute: true,
            can_prove: true,
            formats: vec![FORMAT.to_owned()],
        })
    }

    fn execute(&self, input: &[u8], control: &Control) -> Result<Executed, BackendError> {
        let output = run_within(&self.program, input, control)?;
        check_program(output.program_id, self.program_id)?;
        Ok(Executed {
            statement: output.statement,
            cycles: None,
        })
    }

    fn prove(
        &self,
        request: &ProveRequest<'_>,
        control: &Control,
    ) -> Result<Envelope, BackendError> {
        check_format(NAME, request.format, FORMAT)?;
        let executed = self.execute(request.input, control)?;
        check_statement(executed.statement, request.statement)?;
        let statement = Statement {
            program_id: self.program_id,
            digest: request.statement,
        };
        let proof = mock_proof(&statement).to_vec();
        let version = env!("CARGO_PKG_VERSION");
        Ok(Envelope::new(NAME, version, FORMAT, statement, proof)?.into_mock())
    }
}

impl<P: GuestProgram + 'static> VerifierBackend for MockBackend<P> {
    fn info(&self) -> VerifierInfo {
        VerifierInfo {
            backend: NAME.to_owned(),
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
        control.left()?;
        check_envelope(envelope, NAME, expected)?;
        check_program(self.program_id, expected.program_id)?;
        if !envelope.is_mock() {
            return Err(invalid("a mock that says it is none"));
        }
        if envelope.format() != FORMAT || envelope.encoding() != "raw" {
            return Err(invalid("a form that this backend does not make"));
        }
        match envelope.proof() == mock_proof(expected).as_slice() {
            true => Ok(()),
            false => Err(invalid("not the mock of this statement")),
        }
    }
}

fn mock_proof(statement: &Statement) -> B256 {
    let parts = [
        DOMAIN,
        statement.program_id.as_slice(),
        statement.digest.as_slice(),
    ];
    keccak256(parts.concat())
}
