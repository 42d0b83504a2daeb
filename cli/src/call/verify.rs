//! `qm verify-call`: the proof of a call, offline.

use super::{Line, rules, tracer};
use crate::error::CliError;
use crate::files::{read_call, read_head};
use alloy_primitives::{Address, Bytes, U256};
use clap::Args;
use qmtree_execution_adapter::{CallError, CallProof, NoTracer, TraceMode, verify_call};
use std::fmt::Display;
use std::path::PathBuf;

/// Verify the proof of a call offline against a head that you trust
///
/// Executes the call again on the values in the proof alone, after checking that they are those of the
/// head at that transaction number, and compares output and leaf. Trusted are the head, and the rules of
/// its chain: those built in, or --genesis. The block that the call runs in is a value of the state, so
/// it is proven too. Give what you asked for with --at, --to, --from, --data and --value: a proof of
/// another call is then invalid; else read what is printed.
///
/// A proof is about the log; whether the log has all of the chain's state is not in it. A log that began
/// with a block file has a part of the chain's state only: what is not in it reads as zero.
///
/// Exit code 0: valid. 1: invalid. 2: a file is malformed, or head and rules do not fit.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyCall {
    /// The trusted head, as JSON.
    #[arg(long, value_name = "HEAD.json")]
    head: PathBuf,
    /// The transaction number after which it must have run.
    #[arg(long, value_name = "TXNUM")]
    at: Option<u64>,
    /// What must have been called.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
    /// Who must have called.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<Address>,
    /// What the calldata must be, in hex.
    #[arg(long, value_name = "HEX")]
    data: Option<Bytes>,
    /// The wei that must have been sent along.
    #[arg(long, value_name = "WEI")]
    value: Option<U256>,
    /// geth's genesis.json: the rules of a chain that is not built in.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The file that qm call wrote.
    proof: PathBuf,
}

impl VerifyCall {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let head = read_head(&self.head)?;
        let bytes = read_call(&self.proof)?;
        let path = || self.proof.clone();
        let failed = |source: CallError| match source.is_unusable() {
            true => CliError::Call {
                path: path(),
                source,
            },
            false => CliError::InvalidCall {
                path: path(),
                source,
            },
        };
        let proof = CallProof::from_bytes(&bytes).map_err(failed)?;
        let chain = rules(head.chain_id, self.genesis.as_deref(), &self.head)?;
        let outcome = match proof.mode {
            TraceMode::Outcome => verify_call(&head, &chain, &proof, NoTracer),
            mode => verify_call(&head, &chain, &proof, tracer(mode, head.profile)?),
        }
        .map_err(failed)?;
        self.compare(&proof)?;
        let mut line = Line::new(&proof, &outcome, bytes.len());
        line.valid = Some(true);
        line.say(self.json)
    }

    /// Whether it is the call that was asked for.
    fn compare(&self, proof: &CallProof) -> Result<(), CliError> {
        let request = &proof.request;
        self.same("the transaction number", self.at, proof.tx_num.0)?;
        self.same("the callee", self.to, request.to)?;
        self.same("the caller", self.from, request.from)?;
        self.same("the calldata", self.data.clone(), request.data.clone())?;
        self.same("the value", self.value, request.value)
    }

    fn same<T: PartialEq + Display>(
        &self,
        what: &'static str,
        expected: Option<T>,
        found: T,
    ) -> Result<(), CliError> {
        match expected {
            Some(expected) if expected != found => Err(CliError::OtherCall {
                path: self.proof.clone(),
                what,
                found: found.to_string(),
            }),
            _ => Ok(()),
        }
    }
}
