//! `qm verify`: check a proof against a trusted head, offline.

use crate::error::CliError;
use crate::files::{read_head, read_proof};
use alloy_primitives::B256;
use clap::Args;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Head, Proof, ShapeError, TxNum, VerifyError};
use std::path::PathBuf;

/// Verify a proof offline against a head that you trust.
///
/// Exit code 0: valid. 1: invalid. 2: a file is malformed or something is missing.
///
/// The head comes from a source of your own, never from whoever sent the proof. Witnesses carry
/// their leaves; for inclusion, range and multi-proofs give the leaf hashes in the order of their
/// positions; for a consistency proof give the older head.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The trusted head, as JSON.
    #[arg(long, value_name = "HEAD.json")]
    head: PathBuf,
    /// The older trusted head, as JSON, for a consistency proof.
    #[arg(long, value_name = "HEAD.json")]
    old_head: Option<PathBuf>,
    /// The transaction number that the proof must be about (of a run or set: its first).
    #[arg(long, value_name = "TXNUM")]
    tx_num: Option<u64>,
    /// A leaf hash whose position is proved; once for each leaf.
    #[arg(long, value_name = "HASH")]
    leaf_hash: Vec<B256>,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
    /// The proof, binary or JSON.
    proof: PathBuf,
}

/// What a valid proof says.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Kind of the proof.
    pub(crate) kind: &'static str,
    /// The statement, for people.
    pub(crate) statement: String,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let head = read_head(&self.head)?;
        let proof = read_proof(&self.proof)?;
        let old_head = self.old_head.as_deref().map(read_head).transpose()?;
        match self.check(&head, old_head.as_ref(), &proof) {
            Ok(verdict) => {
                self.report(true, verdict.kind, &verdict.statement, &head);
                Ok(())
            }
            Err(error) => {
                if let CliError::Invalid { source, .. } = &error {
                    self.report(false, kind_of(&proof), &source.to_string(), &head);
                }
                Err(error)
            }
        }
    }

    fn report(&self, valid: bool, kind: &str, statement: &str, head: &Head) {
        if self.json {
            let verdict = serde_json::json!({
                "valid": valid,
                "kind": kind,
                "statement": statement,
                "headHash": head.hash(),
            });
            println!("{verdict}");
        } else if valid {
            println!("VALID {kind}: {statement} under head {}", head.hash());
        }
    }

    fn check(
        &self,
        head: &Head,
        old_head: Option<&Head>,
        proof: &Proof,
    ) -> Result<Verdict, CliError> {
        let missing = |missing| CliError::Missing {
            path: self.proof.clone(),
            missing,
        };
        if proof_needs_hashes(proof) && self.leaf_hash.is_empty() {
            return Err(missing(
                "this proof does not carry its leaves; give their hashes with --leaf-hash",
            ));
        }
        let old = match (proof, old_head) {
            (Proof::Consistency(_), None) => {
                return Err(missing(
                    "a consistency proof needs the older head: --old-head",
                ));
            }
            (_, old_head) => old_head.copied(),
        };
        let first = self.tx_num.map(TxNum);
        verify(head, old.as_ref(), proof, first, &self.leaf_hash).map_err(|source| {
            CliError::Invalid {
                path: self.proof.clone(),
                source,
            }
        })
    }
}

fn proof_needs_hashes(proof: &Proof) -> bool {
    matches!(
        proof,
        Proof::Inclusion(_) | Proof::Range(_) | Proof::Multi(_)
    )
}

fn kind_of(proof: &Proof) -> &'static str {
    match proof {
        Proof::Inclusion(_) => "inclusion",
        Proof::Range(_) => "range",
        Proof::Multi(_) => "multi",
        Proof::Consistency(_) => "consistency",
        Proof::Witness(_) => "witness",
        Proof::RangeWitness(_) => "rangeWitness",
        _ => "unknown",
    }
}

/// Verifies a proof of any kind. Without `first` the positions are those that the proof names.
pub(crate) fn verify(
    head: &Head,
    old: Option<&Head>,
    proof: &Proof,
    first: Option<TxNum>,
    leaf_hashes: &[B256],
) -> Result<Verdict, VerifyError> {
    let hasher = Hasher::new(proof.profile());
    let run = |from: TxNum, to: TxNum| format!("leaves {from}..{to} of {}", head.leaf_count);
    let leaf = |i: TxNum| format!("leaf {i} of {}", head.leaf_count);
    let statement = match proof {
        Proof::Inclusion(proof) => {
            let i = first.unwrap_or(proof.tx_num());
            let [leaf_hash] = leaf_hashes else {
                return Err(VerifyError::Coverage {
                    found: 1,
                    expected: leaf_hashes.len() as u64,
                });
            };
            proof.verify_with(&hasher, head, i, *leaf_hash)?;
            leaf(i)
        }
        Proof::Witness(witness) => {
            let i = first.unwrap_or(witness.proof().tx_num());
            witness.verify_with(&hasher, head, i)?;
            leaf(i)
        }
        Proof::Range(proof) => {
            let from = first.unwrap_or(proof.from());
            proof.verify_with(&hasher, head, from, leaf_hashes)?;
            run(from, proof.to())
        }
        Proof::RangeWitness(witness) => {
            let proof = witness.proof();
            let from = first.unwrap_or(proof.from());
            witness.verify_with(&hasher, head, from, proof.to())?;
            run(from, proof.to())
        }
        Proof::Multi(proof) => {
            let tx_nums = proof.tx_nums();
            let (found, expected) = (tx_nums.len() as u64, leaf_hashes.len() as u64);
            if found != expected {
                return Err(VerifyError::Coverage { found, expected });
            }
            if let (Some(expected), Some(&found)) = (first, tx_nums.first())
                && found != expected
            {
                return Err(VerifyError::Position { found, expected });
            }
            let leaves: Vec<_> = tx_nums
                .iter()
                .copied()
                .zip(leaf_hashes.iter().copied())
                .collect();
            proof.verify_with(&hasher, head, &leaves)?;
            format!("{found} leaves of {}", head.leaf_count)
        }
        Proof::Consistency(proof) => {
            let (old_leaf_count, leaf_count) = (proof.old_leaf_count(), proof.leaf_count());
            let old = old.ok_or(ShapeError::NotOlder {
                old_leaf_count,
                leaf_count,
            })?;
            proof.verify_with(&hasher, old, head)?;
            format!("the log of {old_leaf_count} leaves is a prefix of that of {leaf_count}")
        }
        _ => return Err(VerifyError::ForeignHead),
    };
    Ok(Verdict {
        kind: kind_of(proof),
        statement,
    })
}
