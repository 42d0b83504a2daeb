//! `qm verify-range`: check a proof about a range of blocks.

use super::input::read_rules;
use super::report::{BlockJson, InputsJson};
use super::{WorkerArguments, of_backend, seconds};
use crate::arguments::TraceName;
use crate::block_range::BlockRange;
use crate::error::CliError;
use crate::files::{read_artifact, read_head};
use crate::output::{print_note, say};
use alloy_primitives::B256;
use clap::Args;
use qmtree_execution_adapter::{ChainSpec, PROGRAM_VERSION};
use qmtree_proofs::Head;
use qmtree_proofs::statement::{Expected, Program, PublicInputs};
use qmtree_provers::{
    ArtifactError, BackendError, Control, ExecBackend, ExpectedRange, Policy, ProcessBackend,
    ProofArtifact, RangeProgram, Statement, Trust, VerifierBackend, verify,
};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Verify a proof about a range of blocks
///
/// What the proof has to be about comes from you: the head that the range starts from (--head, from a
/// source of your own, or --empty for a log that starts with the range), the rules of the chain
/// (those of the public chain of that head, or --genesis), and best also the blocks, the hash of the last
/// one, and the trace mode of the log. Without --last-hash the proof shows what some chain does, and not
/// which; without --trace it may be about leaves that commit to less than those of your log. The verdict
/// says what was compared with your word, and what was taken from the proof.
///
/// By default only cryptographic proofs count that are checked in this process; none of the backends
/// here makes one. --accept none counts re-execution (exec), which verifies by executing again;
/// --accept external counts the word of a worker. Mocks are never accepted.
///
/// Exit codes: 0 valid, 1 invalid, about something else, or not accepted, 2 a file or an option that
/// cannot be used, or no verifier.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyRange {
    /// The trusted head before the first block, as JSON.
    #[arg(long, value_name = "HEAD.json", required_unless_present = "empty")]
    head: Option<PathBuf>,
    /// The range starts an empty log of the chain with this id.
    #[arg(long, value_name = "CHAIN_ID", conflicts_with = "head")]
    empty: Option<u64>,
    /// The blocks that the proof has to cover: FROM..TO with both ends, or one number.
    #[arg(long, value_name = "FROM..TO")]
    blocks: Option<BlockRange>,
    /// How much of the execution the leaves have to commit to.
    #[arg(long, value_enum)]
    trace: Option<TraceName>,
    /// Hash of the block before the first.
    #[arg(long, value_name = "HASH")]
    parent_hash: Option<B256>,
    /// Hash of the last block.
    #[arg(long, value_name = "HASH")]
    last_hash: Option<B256>,
    /// Claims that are accepted: state roots and block hashes that were believed without proof.
    #[arg(long, value_name = "N", default_value_t = 0)]
    claims: u64,
    /// geth's genesis.json: the rules of a chain that is none of the public ones.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The id of the program that has to have run, which you know from whoever made it. Needed for every
    /// backend but exec, whose program is this one's own.
    #[arg(long, value_name = "HASH")]
    program_id: Option<B256>,
    /// Accept proofs of this class too: hardware, external or none.
    #[arg(long, value_name = "CLASS", value_parser = parse_trust)]
    accept: Vec<Trust>,
    #[command(flatten)]
    worker: WorkerArguments,
    /// Seconds that the verification may take, re-execution included. A worker is killed then.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = seconds)]
    timeout: u64,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
    /// The proof, as qm prove-range writes it.
    proof: PathBuf,
}

impl VerifyRange {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let verdict = self.check();
        if self.json {
            let line = match &verdict {
                Ok((artifact, trust)) => json!({
                    "valid": true,
                    "backend": artifact.envelope().backend(),
                    "trust": trust.name(),
                    "compared": self.compared(true),
                    "takenFromTheProof": self.compared(false),
                    "publicInputs": InputsJson::new(artifact.public_inputs()),
                    "blocks": BlockJson::all(artifact.blocks()),
                }),
                Err(error) => json!({ "valid": false, "error": error.chain() }),
            };
            say(line)?;
        }
        let (artifact, trust) = verdict?;
        if self.json {
            return Ok(());
        }
        let inputs = artifact.public_inputs();
        say(format_args!(
            "VALID {} proof, trust class {trust}: blocks {} to {} lead from head {} to head {}",
            artifact.envelope().backend(),
            inputs.first_block,
            inputs.last_block,
            inputs.head_before.hash(),
            inputs.head_after.hash()
        ))?;
        say(format_args!(
            "compared:             {}",
            self.compared(true).join(", ")
        ))?;
        match self.compared(false) {
            taken if taken.is_empty() => Ok(()),
            taken => say(format_args!("taken from the proof: {}", taken.join(", "))),
        }
    }

    /// What was held against the caller's word, or what was not, by name.
    fn compared(&self, compared: bool) -> Vec<&'static str> {
        [
            ("chain", true),
            ("rules", true),
            ("head before", true),
            ("hash profile and leaf scheme", self.head.is_some()),
            ("program", true),
            ("claims", true),
            ("blocks", self.blocks.is_some()),
            ("trace mode", self.trace.is_some()),
            ("parent hash", self.parent_hash.is_some()),
            ("last hash", self.last_hash.is_some()),
        ]
        .into_iter()
        .filter(|(_, told)| *told == compared)
        .map(|(name, _)| name)
        .collect()
    }

    fn check(&self) -> Result<(ProofArtifact, Trust), CliError> {
        let artifact = self.read()?;
        let inputs = artifact.public_inputs();
        let expected = self.expected(&artifact)?;
        let other = |source| CliError::OtherRange {
            path: self.proof.clone(),
            source,
        };
        inputs.check(&expected).map_err(other)?;
        inputs.check_blocks(artifact.blocks()).map_err(other)?;
        self.note_what_is_not_compared(inputs);
        let statement = Statement {
            program_id: expected.program.id,
            digest: inputs.digest(),
        };
        let trust = self.check_proof(&artifact, &statement)?;
        Ok((artifact, trust))
    }

    fn read(&self) -> Result<ProofArtifact, CliError> {
        let bytes = read_artifact(&self.proof)?;
        ProofArtifact::from_bytes(&bytes).map_err(|source| {
            let path = self.proof.clone();
            match source {
                // It was read, and is about something else than it says.
                ArtifactError::Statement { source } => CliError::OtherRange { path, source },
                source => CliError::Artifact {
                    path,
                    source: Box::new(source),
                },
            }
        })
    }

    fn expected(&self, artifact: &ProofArtifact) -> Result<Expected, CliError> {
        let inputs = artifact.public_inputs();
        let head_before = match (&self.head, self.empty) {
            (Some(path), _) => read_head(path)?,
            (None, chain_id) => {
                let Head {
                    profile, scheme, ..
                } = inputs.head_before;
                Head::empty(chain_id.unwrap_or_default(), profile, scheme)
            }
        };
        let rules = match read_rules(self.genesis.as_deref())? {
            Some(rules) => rules.digest(),
            None => ChainSpec::from_chain_id(head_before.chain_id)
                .map_err(|_| CliError::Usage {
                    what: "the chain is none of the public ones; give its rules with --genesis",
                })?
                .digest(),
        };
        let backend = artifact.envelope().backend();
        let program_id = match (self.program_id, backend) {
            (Some(id), _) => id,
            (None, "exec" | "mock") => RangeProgram::id(),
            (None, _) => {
                let what = "give the id of the backend's program with --program-id";
                return Err(CliError::Usage { what });
            }
        };
        let (first_block, last_block) = match &self.blocks {
            Some(blocks) => blocks.numbers().into_inner(),
            None => (inputs.first_block, inputs.last_block),
        };
        Ok(Expected {
            chain_id: head_before.chain_id,
            rules,
            program: Program::new(PROGRAM_VERSION, backend, program_id),
            mode: self.trace.map_or(inputs.mode, TraceName::mode),
            head_before,
            first_block,
            last_block,
            parent_hash: self.parent_hash,
            last_block_hash: self.last_hash,
            most_claims: self.claims,
        })
    }

    fn note_what_is_not_compared(&self, inputs: &PublicInputs) {
        if self.blocks.is_none() {
            print_note(&format!(
                "nobody said which blocks have to be covered (--blocks); the proof covers {}..{}",
                inputs.first_block, inputs.last_block
            ));
        }
        if self.trace.is_none() {
            print_note(&format!(
                "nobody said how much the leaves commit to (--trace); those of the proof commit to mode {}",
                inputs.mode.name()
            ));
        }
        if self.last_hash.is_none() {
            print_note(&format!(
                "nobody said what the hash of block {} is (--last-hash); the proof says {}",
                inputs.last_block, inputs.last_block_hash
            ));
        }
        if inputs.claims > 0 {
            print_note(&format!("{} claims are accepted", inputs.claims));
        }
    }

    fn check_proof(
        &self,
        artifact: &ProofArtifact,
        statement: &Statement,
    ) -> Result<Trust, CliError> {
        let envelope = artifact.envelope();
        let timeout = Duration::from_secs(self.timeout);
        let control = Control::timeout(timeout);
        let policy = self.accept.iter().copied();
        let policy = policy.fold(Policy::default(), Policy::accept);
        // What it executes is what the public inputs say, which were compared with what is expected.
        let program = ExpectedRange::new(*artifact.public_inputs());
        let exec = ExecBackend::new(program, RangeProgram::id());
        let mut verifiers: Vec<&dyn VerifierBackend> = vec![&exec];
        let worker = match self.worker.config(timeout) {
            Some(config) => {
                let name = envelope.backend();
                let worker = ProcessBackend::new(config, name, statement.program_id);
                Some(worker.map_err(of_backend(name))?.verifier())
            }
            None => None,
        };
        if let Some(worker) = &worker {
            verifiers.push(worker);
        }
        let verified = verify(&policy, &verifiers, envelope, statement, &control);
        verified.map(|verified| verified.trust()).map_err(|source| {
            let refused = matches!(source, BackendError::Policy { .. });
            if refused || source.is_invalid_proof() {
                let (path, source) = (self.proof.clone(), Box::new(source));
                return CliError::InvalidRange { path, source };
            }
            of_backend(envelope.backend())(source)
        })
    }
}

fn parse_trust(text: &str) -> Result<Trust, String> {
    Trust::from_name(text).ok_or_else(|| "expected hardware, external or none".to_owned())
}
