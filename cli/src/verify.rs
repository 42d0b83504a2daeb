//! `qm verify`: check a proof against a trusted head, offline.

use crate::error::{CliError, OptionError};
use crate::expect::Expected;
use crate::files::{read_head, read_proof};
use crate::output::say;
use alloy_primitives::B256;
use clap::Args;
use qmtree_proofs::{Head, Proof, TxNum};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Verify a proof offline against a head that you trust
///
/// Exit code 0: valid. 1: invalid. 2: a file is malformed, or an option is missing or not for this
/// kind of proof.
///
/// The head comes from a source of your own, never from whoever sent the proof. Witnesses carry
/// their leaves; for inclusion, range and multi-proofs give the leaf hashes in the order of their
/// positions; for a consistency proof give the older head. Without --tx-num the positions are
/// those that the proof names: see that they are the ones you mean.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Verify {
    /// The trusted head, as JSON.
    #[arg(long, value_name = "HEAD.json")]
    head: PathBuf,
    /// The older trusted head, as JSON, for a consistency proof.
    #[arg(long, value_name = "HEAD.json")]
    old_head: Option<PathBuf>,
    /// The transaction number that the proof must be about; of a range the first; of a set all,
    /// once for each.
    #[arg(long, value_name = "TXNUM")]
    tx_num: Vec<u64>,
    /// The transaction number before which a range must end.
    #[arg(long, value_name = "TXNUM")]
    to: Option<u64>,
    /// A leaf hash that must be at its position; once for each leaf.
    #[arg(long, value_name = "HASH")]
    leaf_hash: Vec<B256>,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
    /// The proof, binary or JSON.
    proof: PathBuf,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let checked = self.check();
        if let (Err(error), true) = (&checked, self.json) {
            print_unusable(&error.chain())?;
        }
        let (head, proof, verdict) = checked?;
        self.report(&head, &proof, verdict.as_ref().err())?;
        verdict
    }

    /// The verdict about a proof, if all is there to judge it.
    fn check(&self) -> Result<(Head, Proof, Result<(), CliError>), CliError> {
        let head = read_head(&self.head)?;
        let old_head = self.old_head.as_deref().map(read_head).transpose()?;
        let proof = read_proof(&self.proof)?;
        let expected = Expected {
            old_head: old_head.as_ref(),
            tx_nums: &self.tx_num,
            to: self.to,
            leaf_hashes: &self.leaf_hash,
        };
        let known = Statement::new(&proof).map(drop);
        let options = known.and_then(|()| expected.check_options(&proof));
        options.map_err(|source| CliError::Options {
            path: self.proof.clone(),
            source,
        })?;
        let verdict = expected.verify(&head, &proof);
        let verdict = verdict.map_err(|source| CliError::Invalid {
            path: self.proof.clone(),
            source,
        });
        Ok((head, proof, verdict))
    }

    fn report(&self, head: &Head, proof: &Proof, error: Option<&CliError>) -> Result<(), CliError> {
        let Ok(statement) = Statement::new(proof) else {
            return Ok(());
        };
        let (kind, head_hash) = (proof.kind(), head.hash());
        if self.json {
            let mut verdict = statement.fields;
            verdict.insert("valid".into(), error.is_none().into());
            verdict.insert("kind".into(), kind.into());
            verdict.insert("leafCount".into(), proof.leaf_count().into());
            verdict.insert("headHash".into(), head_hash.to_string().into());
            let (name, text) = match error {
                None => ("statement", statement.text),
                Some(error) => ("error", error.chain()),
            };
            verdict.insert(name.into(), text.into());
            say(format_args!("{}", Value::Object(verdict)))
        } else if error.is_none() {
            say(format_args!(
                "VALID {kind}: {} under head {head_hash}",
                statement.text
            ))
        } else {
            Ok(())
        }
    }
}

/// Prints that there is no verdict, as JSON.
pub(crate) fn print_unusable(error: &str) -> Result<(), CliError> {
    say(format_args!(
        "{}",
        json!({ "valid": false, "error": error })
    ))
}

/// What a proof says, for people and as fields.
struct Statement {
    text: String,
    fields: Map<String, Value>,
}

impl Statement {
    fn new(proof: &Proof) -> Result<Self, OptionError> {
        let n = proof.leaf_count();
        let leaf = |i: TxNum| (format!("leaf {i} of {n}"), json!({ "txNum": i.0 }));
        let leaves = |from: TxNum, to: TxNum| {
            let fields = json!({ "from": from.0, "to": to.0 });
            (format!("leaves {from}..{to} of {n}"), fields)
        };
        let (text, fields) = match proof {
            Proof::Inclusion(proof) => leaf(proof.tx_num()),
            Proof::Witness(witness) => leaf(witness.proof().tx_num()),
            Proof::Range(proof) => leaves(proof.from(), proof.to()),
            Proof::RangeWitness(witness) => leaves(witness.proof().from(), witness.proof().to()),
            Proof::Multi(proof) => {
                let tx_nums: Vec<_> = proof.tx_nums().iter().map(|i| i.0).collect();
                let text = format!("{} leaves of {n}", tx_nums.len());
                (text, json!({ "txNums": tx_nums }))
            }
            Proof::Consistency(proof) => {
                let old = proof.old_leaf_count();
                let text = format!("the log of {old} leaves is a prefix of that of {n}");
                (text, json!({ "oldLeafCount": old }))
            }
            Proof::State(_) => return Err(OptionError::OfTheState),
            other => return Err(OptionError::UnknownKind { kind: other.kind() }),
        };
        let fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Ok(Self { text, fields })
    }
}
