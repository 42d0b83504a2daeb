//! `qm state verify`: check a proof about keys against a trusted head, offline.

use super::key::parse_key;
use crate::error::{CliError, OptionError};
use crate::files::{read_head, read_proof};
use crate::output::say;
use alloy_primitives::{B256, Bytes};
use clap::Args;
use qmtree_proofs::state::{Entry, StateWord};
use qmtree_proofs::{Proof, TxNum, VerifyError};
use serde_json::json;
use std::path::PathBuf;

/// Verify a proof about keys offline against a head that you trust
///
/// Exit code 0: valid. 1: invalid. 2: a file is malformed. It prints what is proved of each key:
/// its value if that has 32 bytes, else the keccak256 of the value, or that it is absent.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyState {
    /// The trusted head, as JSON.
    #[arg(long, value_name = "HEAD.json")]
    head: PathBuf,
    /// What was after this transaction instead of what is now.
    #[arg(long, value_name = "TXNUM")]
    at: Option<u64>,
    /// The value that the one key must have, in hex.
    #[arg(long, value_name = "HEX", conflicts_with = "absent")]
    value: Option<Bytes>,
    /// The keys must be absent.
    #[arg(long)]
    absent: bool,
    /// Print the verdict as JSON, one object per key.
    #[arg(long)]
    json: bool,
    /// The proof, binary or JSON.
    proof: PathBuf,
    /// The keys that you ask about.
    #[arg(value_parser = parse_key, required = true)]
    keys: Vec<B256>,
}

impl VerifyState {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let head = read_head(&self.head)?;
        let options = |source| CliError::Options {
            path: self.proof.clone(),
            source,
        };
        let invalid = |source: VerifyError| CliError::Invalid {
            path: self.proof.clone(),
            source: source.into(),
        };
        let proof = match read_proof(&self.proof)? {
            Proof::State(proof) => proof,
            other => return Err(options(OptionError::NoStateProof { kind: other.kind() })),
        };
        if self.value.is_some() && self.keys.len() > 1 {
            return Err(options(OptionError::OneKey));
        }
        let at = self.at.map(TxNum);
        // A proof of one key must hold no more than that takes.
        if let [key] = self.keys.as_slice() {
            let found = proof.verify(&head, key, at).map_err(invalid)?;
            self.check(key, found.as_ref()).map_err(invalid)?;
            return self.report(key, found.as_ref());
        }
        let proven = proof.verify_all(&head, at).map_err(invalid)?;
        let mut all = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let found = proven.get(key).map_err(invalid)?;
            self.check(key, found).map_err(invalid)?;
            all.push((key, found));
        }
        // Only now: nothing is said to be valid if one of them is not.
        all.into_iter()
            .try_for_each(|(key, found)| self.report(key, found))
    }

    fn check(&self, key: &B256, found: Option<&Entry>) -> Result<(), VerifyError> {
        let holds = match (&self.value, found) {
            (Some(value), Some(entry)) => entry.holds(value),
            (Some(_), None) => false,
            (None, found) => !(self.absent && found.is_some()),
        };
        if holds {
            Ok(())
        } else {
            Err(VerifyError::OtherValue { key: *key })
        }
    }

    fn report(&self, key: &B256, found: Option<&Entry>) -> Result<(), CliError> {
        let (value, hash) = match found.map(|entry| entry.value) {
            Some(StateWord::Value(word)) => (Some(word), None),
            Some(StateWord::Hash(word)) => (None, Some(word)),
            None => (None, None),
        };
        if self.json {
            return say(json!({
                "valid": true,
                "key": key,
                "at": self.at,
                "absent": found.is_none(),
                "value": value,
                "valueHash": hash,
                "writtenBy": found.map(|entry| entry.tx_num.0),
            }));
        }
        let when = self
            .at
            .map_or("now".to_owned(), |at| format!("after txNum {at}"));
        match (value, hash) {
            (Some(value), _) => say(format_args!("VALID {key} is {value} {when}")),
            (_, Some(hash)) => say(format_args!("VALID {key} has keccak256 {hash} {when}")),
            _ => say(format_args!("VALID {key} is absent {when}")),
        }?;
        match &self.value {
            Some(value) if !self.json => say(format_args!("      which is {value}")),
            _ => Ok(()),
        }
    }
}
