//! `qm prove-range`: a proof about a range of blocks, by a backend.

use super::input::{Executed, RangeArguments};
use super::report::{InputsJson, say_inputs};
use super::{WorkerArguments, of_backend, seconds};
use crate::error::CliError;
use crate::files::write;
use crate::output::{json, say};
use alloy_primitives::B256;
use clap::{Args, ValueEnum};
use qmtree_execution_adapter::PROGRAM_VERSION;
use qmtree_proofs::statement::{BlockRecord, Program, PublicInputs};
use qmtree_provers::{
    BackendInfo, Control, Envelope, ExecBackend, MockBackend, ProcessBackend, ProofArtifact,
    ProveRequest, ProverBackend, RangeProgram, Statement, Trust, VerifierBackend,
};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Prove what blocks do to the log, from their witnesses, with a prover backend
///
/// The blocks are executed here first, so that it is known what has to be proved; the backend then
/// proves exactly that, or fails. The proof, the public inputs and the blocks are written to a .seg
/// file, which qm verify-range checks.
///
/// Backends:
///   exec     executes again; its proof is the input, and verifying it is executing it once more
///   mock     proves nothing; no verifier accepts it
///   process  a worker: a program of yours that speaks the protocol of docs/PROVERS.md
///
/// Exit codes: 0 proved, 1 a block does not hold, or blocks do not follow each other, 2 input or a
/// backend that cannot be used.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ProveRange {
    /// Who proves.
    #[arg(long, value_enum)]
    backend: BackendName,
    #[command(flatten)]
    worker: WorkerArguments,
    /// The id that the worker's program has to have; without it whatever the worker says.
    #[arg(long, value_name = "HASH", requires = "worker")]
    program_id: Option<B256>,
    /// The form of the proof, one of those that the backend makes.
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Seconds that the backend may take for the proof. A worker is killed then, as is one that does not
    /// say who it is in that time or in 300 seconds. The execution here before it is not counted.
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3600, value_parser = seconds)]
    timeout: u64,
    #[command(flatten)]
    range: RangeArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// The file to write.
    #[arg(short, long, value_name = "PROOF.seg")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BackendName {
    Exec,
    Mock,
    Process,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    backend: &'a str,
    backend_version: &'a str,
    format: &'a str,
    trust: &'static str,
    proof_bytes: usize,
    file_bytes: usize,
    proving_ms: u64,
    public_inputs: InputsJson,
}

impl ProveRange {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let id = RangeProgram::id();
        let timeout = Duration::from_secs(self.timeout);
        match (self.backend, self.worker.config(timeout)) {
            (BackendName::Exec, None) => {
                let exec = ExecBackend::new(RangeProgram, id);
                self.prove_with(&exec, "exec", Some(&exec))
            }
            (BackendName::Mock, None) => {
                let mock = MockBackend::new(RangeProgram, id);
                self.prove_with(&mock, "mock", Some(&mock))
            }
            (BackendName::Process, Some(config)) => {
                let info = ProcessBackend::discover(&config).map_err(of_backend("process"))?;
                let id = self.program_id.unwrap_or(info.program_id);
                let worker = ProcessBackend::new(config, &info.name, id);
                let worker = worker.map_err(of_backend(&info.name))?;
                self.prove_with(&worker, &info.name, None)
            }
            (BackendName::Process, None) => Err(CliError::Usage {
                what: "--backend process needs --worker",
            }),
            (_, Some(_)) => Err(CliError::Usage {
                what: "--worker is for --backend process",
            }),
        }
    }

    /// Executes, proves, and checks the proof where that can be done here.
    fn prove_with(
        &self,
        prover: &dyn ProverBackend,
        name: &str,
        verifier: Option<&dyn VerifierBackend>,
    ) -> Result<(), CliError> {
        let failed = of_backend(name);
        let info = prover.info().map_err(&failed)?;
        let program = Program::new(PROGRAM_VERSION, name, info.program_id);
        let input = self.range.read(program)?;
        let Executed {
            public_inputs,
            records,
            ..
        } = input.execute()?;
        let statement = Statement {
            program_id: info.program_id,
            digest: public_inputs.digest(),
        };
        let control = Control::timeout(Duration::from_secs(self.timeout));
        let bytes = input.to_bytes();
        let request = ProveRequest {
            input: &bytes,
            statement: statement.digest,
            format: self.format.as_deref(),
        };
        let started = Instant::now();
        let envelope = prover.prove(&request, &control).map_err(&failed)?;
        let proving_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut trust = Trust::External;
        if let Some(verifier) = verifier {
            let checked = verifier.check(&envelope, &statement, &control);
            checked.map_err(&failed)?;
            trust = verifier.info().trust;
        }
        let file_bytes = self.write(public_inputs, records, envelope.clone())?;
        self.report(
            &info,
            &envelope,
            trust,
            &public_inputs,
            proving_ms,
            file_bytes,
        )
    }

    fn write(
        &self,
        inputs: PublicInputs,
        blocks: Vec<BlockRecord>,
        envelope: Envelope,
    ) -> Result<usize, CliError> {
        let artifact = ProofArtifact::new(inputs, blocks, envelope);
        let bytes = artifact.and_then(|artifact| artifact.to_bytes());
        let bytes = bytes.map_err(|source| CliError::Artifact {
            path: self.output.clone(),
            source: Box::new(source),
        })?;
        write(&self.output, &bytes)?;
        Ok(bytes.len())
    }

    fn report(
        &self,
        info: &BackendInfo,
        envelope: &Envelope,
        trust: Trust,
        inputs: &PublicInputs,
        proving_ms: u64,
        file_bytes: usize,
    ) -> Result<(), CliError> {
        if self.json {
            super::report::note_claims(inputs);
            return json(&Line {
                backend: envelope.backend(),
                backend_version: envelope.backend_version(),
                format: envelope.format(),
                trust: trust.name(),
                proof_bytes: envelope.proof().len(),
                file_bytes,
                proving_ms,
                public_inputs: InputsJson::new(inputs),
            });
        }
        say_inputs(inputs)?;
        say(format_args!(
            "proved by    {} {}, form {}, trust class {trust}, in {proving_ms} ms",
            info.name,
            info.version,
            envelope.format()
        ))?;
        say(format_args!(
            "{}: {file_bytes} bytes, of which the proof has {} before it is packed",
            self.output.display(),
            envelope.proof().len()
        ))
    }
}
