//! Workers: provers that are programs of their own, asked over JSON lines (docs/PROVERS.md).
//!
//! A worker may hang, crash, flood, lie, and take all memory; each of these is an error with a type,
//! and the worker's process group is killed. What a worker says is compared with what was asked, and
//! the worth of its proofs is decided by who verifies them: a verifier in this process, or
//! [`ProcessVerifier`], whose word is of class [`Trust::External`](crate::Trust::External).
//!
//! This is no sandbox. A worker runs with the rights of its host, and a process that leaves the
//! worker's group and is orphaned is not found again. Workers that are not one's own belong into a
//! container; the configured program can be one that makes it.

mod config;
mod exchange;
mod session;
mod watch;

pub use config::{WorkerConfig, WorkerLimits};

use crate::backend::{
    BackendInfo, Control, Executed, ProveRequest, ProverBackend, Statement, Trust, VerifierBackend,
    VerifierInfo,
};
use crate::envelope::{Envelope, check_name};
use crate::error::BackendError;
use crate::exec::{check_envelope, check_program, check_statement, invalid, shortened};
use crate::protocol::{
    InputRef, Op, ProgramRef, ProofRef, Request, Response, Tee, from_base64, to_base64,
};
use alloy_primitives::{B256, keccak256};
use exchange::Exchange;
use session::Session;
use std::sync::{Arc, Mutex, PoisonError};

const INPUT_FILE: &str = "input.bin";
const PROOF_FILE: &str = "envelope-proof.bin";

/// A prover in a worker. The worker is started when it is first needed, stays, and is started anew
/// after it failed; one request at a time.
#[derive(Debug)]
pub struct ProcessBackend {
    worker: Arc<Worker>,
}

/// Asks a worker whether a proof holds. Its word is of class [`Trust::External`].
#[derive(Debug)]
pub struct ProcessVerifier {
    worker: Arc<Worker>,
}

#[derive(Debug)]
struct Worker {
    config: WorkerConfig,
    /// What the worker has to be.
    backend: String,
    program_id: B256,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    info: Option<(BackendInfo, bool)>,
    requests: u64,
}

impl ProcessBackend {
    /// The prover `backend` with the program `program_id`, in a worker that is not started yet.
    ///
    /// # Errors
    /// [`BackendError::Spawn`] if the program's path is not absolute or not a file;
    /// [`BackendError::Envelope`] if `backend` is no name.
    pub fn new(
        config: WorkerConfig,
        backend: &str,
        program_id: B256,
    ) -> Result<Self, BackendError> {
        check_name("backend", backend)?;
        config.check()?;
        Ok(Self {
            worker: Arc::new(Worker {
                config,
                backend: backend.to_owned(),
                program_id,
                state: Mutex::default(),
            }),
        })
    }

    /// A verifier that asks the same worker.
    #[must_use]
    pub fn verifier(&self) -> ProcessVerifier {
        ProcessVerifier {
            worker: Arc::clone(&self.worker),
        }
    }

    /// Asks a worker who it is, before anything is known of it: its name and its program. It has
    /// [`info_timeout`](WorkerLimits::info_timeout) for that.
    ///
    /// # Errors
    /// Those of a worker that cannot be asked, or says nothing useful.
    pub fn discover(config: &WorkerConfig) -> Result<BackendInfo, BackendError> {
        config.check()?;
        let mut session = Session::start(config)?;
        let control = Control::timeout(config.limits.info_timeout);
        let response = session.ask(&Request::new(Op::Info, "0".to_owned()), &control)?;
        read_info(&response).map(|(info, _)| info)
    }
}

impl Worker {
    /// Sends one request, made from what is its folder and id. A worker that fails is ended.
    fn ask<T>(
        &self,
        op: Op,
        control: &Control,
        make: impl FnOnce(&Exchange, Request) -> Result<Request, BackendError>,
        take: impl FnOnce(&Exchange, Response) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        self.with_session(control, |session, id| {
            let left = control.left()?;
            let exchange = session.exchange()?;
            let mut request = Request::new(op, id.to_string());
            request.dir = Some(exchange.path().to_path_buf());
            request.deadline_ms = u64::try_from(left.as_millis()).ok();
            let request = make(&exchange, request)?;
            let response = session.ask(&request, control)?;
            take(&exchange, response)
        })
    }

    fn with_session<T>(
        &self,
        control: &Control,
        run: impl FnOnce(&mut Session, u64) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        control.left()?;
        // A panic of another caller leaves a session that is no worse than one that failed.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        let id = state.requests;
        let session = match state.session.take() {
            Some(session) => session,
            None => Session::start(&self.config)?,
        };
        let mut session = session;
        let result = run(&mut session, id);
        // Whoever broke the protocol is not asked again; dropping the session ends the worker.
        if session.is_usable() {
            state.session = Some(session);
        }
        result
    }

    /// Who the worker is, asked once, and compared with who it has to be.
    fn info(&self, control: &Control) -> Result<(BackendInfo, bool), BackendError> {
        let known = |state: &State| state.info.clone();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(info) = known(&state) {
            return Ok(info);
        }
        drop(state);
        let info = self.with_session(control, |session, id| {
            let request = Request::new(Op::Info, id.to_string());
            read_info(&session.ask(&request, control)?)
        })?;
        check_backend(&info.0.name, &self.backend)?;
        check_program(info.0.program_id, self.program_id)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.info = Some(info.clone());
        Ok(info)
    }

    fn can(&self, can: bool, what: &str) -> Result<(), BackendError> {
        match can {
            true => Ok(()),
            false => Err(BackendError::Unsupported {
                backend: self.backend.clone(),
                what: what.to_owned(),
            }),
        }
    }

    /// A worker that answers for another program did not understand.
    fn check_answer(&self, response: &Response) -> Result<(), BackendError> {
        let found = response.program_vk;
        let found = found.ok_or_else(|| nonsense("no program_vk"))?;
        check_program(found, self.program_id)
    }
}

impl ProverBackend for ProcessBackend {
    fn info(&self) -> Result<BackendInfo, BackendError> {
        let control = Control::timeout(self.worker.config.limits.info_timeout);
        self.worker.info(&control).map(|(info, _)| info)
    }

    fn execute(&self, input: &[u8], control: &Control) -> Result<Executed, BackendError> {
        let worker = &self.worker;
        let (info, _) = worker.info(control)?;
        worker.can(info.can_execute, "execution")?;
        worker.ask(
            Op::Execute,
            control,
            |exchange, request| put_input(exchange, request, worker, input),
            |_, response| {
                worker.check_answer(&response)?;
                Ok(Executed {
                    statement: committed(&response)?,
                    cycles: response.report.and_then(|report| report.cycles),
                })
            },
        )
    }

    fn prove(
        &self,
        request: &ProveRequest<'_>,
        control: &Control,
    ) -> Result<Envelope, BackendError> {
        let worker = &self.worker;
        let (info, _) = worker.info(control)?;
        worker.can(info.can_prove, "proving")?;
        if let Some(format) = request.format {
            let known = info.formats.iter().any(|known| known == format);
            worker.can(known, &format!("proofs of form {:?}", shortened(format)))?;
        }
        worker.ask(
            Op::Prove,
            control,
            |exchange, line| {
                let line = put_input(exchange, line, worker, request.input)?;
                Ok(Request {
                    statement: Some(request.statement),
                    format: request.format.map(ToOwned::to_owned),
                    ..line
                })
            },
            |exchange, response| read_proof(worker, exchange, &response, request),
        )
    }
}

impl VerifierBackend for ProcessVerifier {
    fn info(&self) -> VerifierInfo {
        VerifierInfo {
            backend: self.worker.backend.clone(),
            version: "external".to_owned(),
            trust: Trust::External,
        }
    }

    fn check(
        &self,
        envelope: &Envelope,
        expected: &Statement,
        control: &Control,
    ) -> Result<(), BackendError> {
        let worker = &self.worker;
        check_envelope(envelope, &worker.backend, expected)?;
        check_program(worker.program_id, expected.program_id)?;
        if envelope.is_mock() {
            return Err(invalid("a mock"));
        }
        let (_, verifies) = worker.info(control)?;
        worker.can(verifies, "verification")?;
        worker.ask(
            Op::Verify,
            control,
            |exchange, line| {
                exchange.write(PROOF_FILE, envelope.proof())?;
                Ok(Request {
                    program: Some(ProgramRef {
                        vk: expected.program_id,
                    }),
                    statement: Some(expected.digest),
                    proof: Some(ProofRef {
                        proof_path: PROOF_FILE.to_owned(),
                        backend_version: envelope.backend_version().to_owned(),
                        format: envelope.format().to_owned(),
                        encoding: envelope.encoding().to_owned(),
                        public_values_b64: to_base64(envelope.public_values()),
                        tee: envelope.attestation().map(Tee::new),
                    }),
                    ..line
                })
            },
            |_, response| {
                worker.check_answer(&response)?;
                check_statement(committed(&response)?, expected.digest)
            },
        )
    }
}

fn put_input(
    exchange: &Exchange,
    request: Request,
    worker: &Worker,
    input: &[u8],
) -> Result<Request, BackendError> {
    exchange.write(INPUT_FILE, input)?;
    Ok(Request {
        program: Some(ProgramRef {
            vk: worker.program_id,
        }),
        input: Some(InputRef {
            stdin_path: INPUT_FILE.to_owned(),
            keccak256: keccak256(input),
        }),
        ..request
    })
}

/// The envelope of an answer, once the answer is about what was asked.
fn read_proof(
    worker: &Worker,
    exchange: &Exchange,
    response: &Response,
    request: &ProveRequest<'_>,
) -> Result<Envelope, BackendError> {
    let name = response.backend.as_deref();
    check_backend(name.ok_or_else(|| nonsense("no backend"))?, &worker.backend)?;
    worker.check_answer(response)?;
    check_statement(committed(response)?, request.statement)?;
    let limit = worker.config.limits.proof_bytes;
    let proof = match (&response.proof_path, &response.proof_b64) {
        (Some(name), None) => exchange.read(name, limit)?,
        (None, Some(text)) => from_base64(text).ok_or_else(|| nonsense("proof_b64: no base64"))?,
        _ => return Err(nonsense("not one of proof_path and proof_b64")),
    };
    let text = |field: &Option<String>, what| field.clone().ok_or_else(|| nonsense(what));
    let version = text(&response.backend_version, "no backend_version")?;
    let format = text(&response.format, "no format")?;
    if request.format.is_some_and(|asked| asked != format) {
        return Err(nonsense("a proof of another form than was asked for"));
    }
    let statement = Statement {
        program_id: worker.program_id,
        digest: request.statement,
    };
    let made = Envelope::new(&worker.backend, &version, &format, statement, proof);
    let made = made
        .and_then(|envelope| envelope.with_encoding(response.encoding.as_deref().unwrap_or("raw")));
    let mut envelope = made.map_err(|error| nonsense(&error.to_string()))?;
    if let Some(tee) = &response.tee {
        let attestation = tee
            .attestation()
            .ok_or_else(|| nonsense("tee: no base64"))?;
        envelope = envelope.with_attestation(attestation)?;
    }
    Ok(envelope)
}

/// The digest that the program committed to, by the worker's word.
fn committed(response: &Response) -> Result<B256, BackendError> {
    let values = response.public_values_b64.as_deref();
    let values = values.ok_or_else(|| nonsense("no public_values_b64"))?;
    let values = from_base64(values).ok_or_else(|| nonsense("public_values_b64: no base64"))?;
    B256::try_from(values.as_slice()).map_err(|_| nonsense("public values that are not 32 bytes"))
}

fn read_info(response: &Response) -> Result<(BackendInfo, bool), BackendError> {
    let text = |field: &Option<String>, what| field.clone().ok_or_else(|| nonsense(what));
    let name = text(&response.backend, "no backend")?;
    let version = text(&response.backend_version, "no backend_version")?;
    check_name("backend", &name)?;
    check_name("version of the backend", &version)?;
    let formats = response.formats.clone().unwrap_or_default();
    for format in &formats {
        check_name("format", format)?;
    }
    let trust = text(&response.trust, "no trust")?;
    let trust = Trust::from_name(&trust).ok_or_else(|| nonsense("an unknown trust class"))?;
    let can = response.can.as_deref().unwrap_or_default();
    let can = |what: &str| can.iter().any(|can| can == what);
    let info = BackendInfo {
        name,
        version,
        trust,
        program_id: response
            .program_vk
            .ok_or_else(|| nonsense("no program_vk"))?,
        can_execute: can("execute"),
        can_prove: can("prove"),
        formats,
    };
    Ok((info, can("verify")))
}

fn check_backend(found: &str, expected: &str) -> Result<(), BackendError> {
    match found == expected {
        true => Ok(()),
        false => Err(BackendError::WrongBackend {
            found: shortened(found),
            expected: expected.to_owned(),
        }),
    }
}

fn nonsense(reason: &str) -> BackendError {
    BackendError::Protocol {
        reason: reason.to_owned(),
    }
}
