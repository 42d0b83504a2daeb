//! A worker made of a backend.

use crate::backend::{Control, ProveRequest, ProverBackend, Statement, Trust, VerifierBackend};
use crate::envelope::Envelope;
use crate::error::BackendError;
use crate::exec::chain;
use crate::files::{Unread, read_regular, write_new};
use crate::protocol::{
    MAX_REQUEST_LEN, Op, Report, Request, Response, Tee, VERSION, WorkerError, from_base64,
    is_file_name, to_base64,
};
use alloy_primitives::keccak256;
use std::io::{self, BufRead, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PROOF_FILE: &str = "proof.bin";
/// Longest input or proof that is read; inputs have less than 4 GiB by their encoding.
const MAX_FILE_LEN: u64 = 4 << 30;
/// Where the caller sets none.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// Serves the protocol of docs/PROVERS.md on a pair of streams, until the host closes its side: all of
/// a worker but its `main`.
///
/// Nothing may write to standard output beside this. Without a verifier, `verify` is answered with
/// `unsupported`.
///
/// # Errors
/// Those of the streams. Requests that cannot be served are answered.
pub fn serve(
    requests: &mut dyn BufRead,
    answers: &mut dyn Write,
    prover: &dyn ProverBackend,
    verifier: Option<&dyn VerifierBackend>,
) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let most = MAX_REQUEST_LEN as u64 + 1;
        (&mut *requests).take(most).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) if request.v == VERSION => answer(&request, prover, verifier),
            Ok(request) => refusal(request.id, "unsupported", "another version".to_owned()),
            Err(error) => refusal(String::new(), "bad_input", error.to_string()),
        };
        serde_json::to_writer(&mut *answers, &answer)?;
        answers.write_all(b"\n")?;
        answers.flush()?;
    }
}

fn answer(
    request: &Request,
    prover: &dyn ProverBackend,
    verifier: Option<&dyn VerifierBackend>,
) -> Response {
    let id = request.id.clone();
    let response = match request.op {
        Op::Info => info(prover, verifier.is_some()),
        Op::Execute => execute(request, prover),
        Op::Prove => prove(request, prover),
        Op::Verify => check(request, verifier),
    };
    match response {
        Ok(response) => Response {
            v: VERSION,
            id,
            ok: true,
            ..response
        },
        // About a proof that somebody brought, a wrong statement is no bad request.
        Err(error) if request.op == Op::Verify && error.is_invalid_proof() => {
            refusal(id, "invalid_proof", chain(&error))
        }
        Err(error) => refusal(id, error.code(), chain(&error)),
    }
}

fn refusal(id: String, code: &str, message: String) -> Response {
    Response {
        v: VERSION,
        id,
        ok: false,
        error: Some(WorkerError {
            code: code.to_owned(),
            message,
        }),
        ..Response::default()
    }
}

fn info(prover: &dyn ProverBackend, verifies: bool) -> Result<Response, BackendError> {
    let info = prover.info()?;
    let can = [
        ("execute", info.can_execute),
        ("prove", info.can_prove),
        ("verify", verifies),
    ];
    let can = can.into_iter().filter(|(_, can)| *can);
    Ok(Response {
        backend: Some(info.name),
        backend_version: Some(info.version),
        trust: Some(info.trust.name().to_owned()),
        program_vk: Some(info.program_id),
        can: Some(can.map(|(name, _)| name.to_owned()).collect()),
        formats: Some(info.formats),
        ..Response::default()
    })
}

fn execute(request: &Request, prover: &dyn ProverBackend) -> Result<Response, BackendError> {
    check_program(request, prover)?;
    let input = read_input(request)?;
    let executed = prover.execute(&input, &control(request))?;
    Ok(Response {
        program_vk: Some(prover.info()?.program_id),
        public_values_b64: Some(to_base64(executed.statement.as_slice())),
        report: Some(Report {
            cycles: executed.cycles,
            proving_ms: None,
        }),
        ..Response::default()
    })
}

fn prove(request: &Request, prover: &dyn ProverBackend) -> Result<Response, BackendError> {
    check_program(request, prover)?;
    let input = read_input(request)?;
    let statement = request.statement.ok_or_else(|| bad("no statement"))?;
    let started = Instant::now();
    let envelope = prover.prove(
        &ProveRequest {
            input: &input,
            statement,
            format: request.format.as_deref(),
        },
        &control(request),
    )?;
    let proving_ms = u64::try_from(started.elapsed().as_millis()).ok();
    let path = file(request, PROOF_FILE)?;
    write_new(&path, envelope.proof())?;
    let info = prover.info()?;
    Ok(Response {
        backend: Some(info.name),
        backend_version: Some(envelope.backend_version().to_owned()),
        trust: Some(info.trust.name().to_owned()),
        program_vk: Some(info.program_id),
        format: Some(envelope.format().to_owned()),
        encoding: Some(envelope.encoding().to_owned()),
        public_values_b64: Some(to_base64(envelope.public_values())),
        proof_path: Some(PROOF_FILE.to_owned()),
        report: Some(Report {
            cycles: None,
            proving_ms,
        }),
        tee: envelope.attestation().map(Tee::new),
        ..Response::default()
    })
}

fn check(
    request: &Request,
    verifier: Option<&dyn VerifierBackend>,
) -> Result<Response, BackendError> {
    let verifier = verifier.ok_or_else(|| BackendError::Unsupported {
        backend: "of this worker".to_owned(),
        what: "verification".to_owned(),
    })?;
    let (Some(proof), Some(program), Some(digest)) =
        (&request.proof, &request.program, request.statement)
    else {
        return Err(bad("no proof, no program or no statement"));
    };
    let statement = Statement {
        program_id: program.vk,
        digest,
    };
    let bytes = read(request, &proof.proof_path)?;
    let values = from_base64(&proof.public_values_b64).ok_or_else(|| bad("no base64"))?;
    let info = verifier.info();
    let version = &proof.backend_version;
    let mut envelope = Envelope::new(&info.backend, version, &proof.format, statement, bytes)?
        .with_encoding(&proof.encoding)?
        .with_public_values(values)?;
    if let Some(tee) = &proof.tee {
        let attestation = tee.attestation().ok_or_else(|| bad("no base64"))?;
        envelope = envelope.with_attestation(attestation)?;
    }
    verifier.check(&envelope, &statement, &control(request))?;
    Ok(Response {
        backend: Some(info.backend),
        trust: Some(Trust::name(info.trust).to_owned()),
        program_vk: Some(program.vk),
        public_values_b64: Some(to_base64(envelope.public_values())),
        ..Response::default()
    })
}

/// The program of the request has to be the one of this worker.
fn check_program(request: &Request, prover: &dyn ProverBackend) -> Result<(), BackendError> {
    let asked = request.program.as_ref().ok_or_else(|| bad("no program"))?;
    crate::exec::check_program(prover.info()?.program_id, asked.vk)
}

fn read_input(request: &Request) -> Result<Vec<u8>, BackendError> {
    let input = request.input.as_ref().ok_or_else(|| bad("no input"))?;
    let bytes = read(request, &input.stdin_path)?;
    match keccak256(&bytes) == input.keccak256 {
        true => Ok(bytes),
        false => Err(bad("the input's file is not the one that was meant")),
    }
}

fn read(request: &Request, name: &str) -> Result<Vec<u8>, BackendError> {
    let path = file(request, name)?;
    read_regular(&path, MAX_FILE_LEN).map_err(|unread| match unread {
        Unread::Missing => bad("a file that is not there"),
        Unread::NoFile => bad("a file that is a link, a pipe or a folder"),
        Unread::TooLong => bad("a file of more than 4 GiB"),
        Unread::Io(source) => BackendError::Io {
            path,
            action: "read",
            source,
        },
    })
}

fn file(request: &Request, name: &str) -> Result<PathBuf, BackendError> {
    let dir: &Path = request.dir.as_deref().ok_or_else(|| bad("no folder"))?;
    match is_file_name(name) {
        true => Ok(dir.join(name)),
        false => Err(bad("a file that is not in the folder")),
    }
}

fn control(request: &Request) -> Control {
    let limit = request.deadline_ms.map(Duration::from_millis);
    Control::timeout(limit.unwrap_or(DEADLINE))
}

fn bad(message: &str) -> BackendError {
    BackendError::BadInput {
        message: message.to_owned(),
    }
}
