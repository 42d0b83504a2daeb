//! What the caller expects of a proof, and whether the proof is that.

use crate::error::{OptionError, Refusal};
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::{Head, MultiProof, Proof, RangeProof, TxNum, VerifyError};

/// What the caller says about the leaves, beside the heads. Nothing said, nothing expected.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected<'a> {
    /// The older head of a consistency proof.
    pub(crate) old_head: Option<&'a Head>,
    /// The position; of a range the first one, of a set all of them.
    pub(crate) tx_nums: &'a [u64],
    /// The position behind a range.
    pub(crate) to: Option<u64>,
    /// The leaf hashes, in the order of their positions.
    pub(crate) leaf_hashes: &'a [B256],
}

impl Expected<'_> {
    /// Refuses options that this kind of proof does not use, and misses those that it needs.
    pub(crate) fn check_options(&self, proof: &Proof) -> Result<(), OptionError> {
        use Proof::{Consistency, Inclusion, Multi, Range, RangeWitness, Witness};
        let kind = proof.kind();
        let (consistency, one) = (
            matches!(proof, Consistency(_)),
            matches!(proof, Inclusion(_) | Witness(_)),
        );
        let range = matches!(proof, Range(_) | RangeWitness(_));
        for (option, given, used) in [
            ("--old-head", self.old_head.is_some(), consistency),
            ("--tx-num", !self.tx_nums.is_empty(), !consistency),
            ("--to", self.to.is_some(), range),
            ("--leaf-hash", !self.leaf_hashes.is_empty(), !consistency),
        ] {
            if given && !used {
                return Err(OptionError::Unused { option, kind });
            }
        }
        for (option, count, once) in [
            ("--tx-num", self.tx_nums.len(), one || range),
            ("--leaf-hash", self.leaf_hashes.len(), one),
        ] {
            if once && count > 1 {
                return Err(OptionError::Repeated { option, kind });
            }
        }
        let hashes_needed = matches!(proof, Inclusion(_) | Range(_) | Multi(_));
        if hashes_needed && self.leaf_hashes.is_empty() {
            return Err(OptionError::LeafHashMissing);
        }
        if consistency && self.old_head.is_none() {
            return Err(OptionError::OldHeadMissing);
        }
        Ok(())
    }

    /// Verifies a proof of any kind, with all that is expected of it, once the options fit it.
    pub(crate) fn verify(&self, head: &Head, proof: &Proof) -> Result<(), Refusal> {
        let hasher = Hasher::new(proof.profile());
        match proof {
            Proof::Inclusion(proof) => {
                let [leaf_hash] = self.leaf_hashes else {
                    return Err(coverage(1, self.leaf_hashes).into());
                };
                proof.verify_with(&hasher, head, self.first_or(proof.tx_num()), *leaf_hash)?;
                Ok(())
            }
            Proof::Witness(witness) => {
                let tx_num = self.first_or(witness.proof().tx_num());
                witness.verify_with(&hasher, head, tx_num)?;
                self.check_hashes(tx_num, &[witness.leaf().hash(&hasher)])
            }
            Proof::Range(proof) => {
                self.check_end(proof)?;
                let from = self.first_or(proof.from());
                proof.verify_with(&hasher, head, from, self.leaf_hashes)?;
                Ok(())
            }
            Proof::RangeWitness(witness) => {
                let proof = witness.proof();
                self.check_end(proof)?;
                let from = self.first_or(proof.from());
                witness.verify_with(&hasher, head, from, proof.to())?;
                if self.leaf_hashes.is_empty() {
                    return Ok(());
                }
                self.check_hashes(from, &witness.leaf_hashes(&hasher))
            }
            Proof::Multi(proof) => {
                let leaves = self.leaves_of(proof)?;
                proof.verify_with(&hasher, head, &leaves)?;
                Ok(())
            }
            Proof::Consistency(proof) => {
                let old = self.old_head.ok_or(VerifyError::ForeignHead)?;
                proof.verify_with(&hasher, old, head)?;
                Ok(())
            }
            _ => Err(VerifyError::ForeignHead.into()),
        }
    }

    fn first_or(&self, found: TxNum) -> TxNum {
        self.tx_nums.first().copied().map_or(found, TxNum)
    }

    fn check_end(&self, proof: &RangeProof) -> Result<(), Refusal> {
        match self.to.map(TxNum) {
            Some(expected) if expected != proof.to() => Err(Refusal::End {
                found: proof.to(),
                expected,
            }),
            _ => Ok(()),
        }
    }

    /// Compares the leaves of a witness, from `first` on, with the expected ones if there are any.
    fn check_hashes(&self, first: TxNum, found: &[B256]) -> Result<(), Refusal> {
        if self.leaf_hashes.is_empty() {
            return Ok(());
        }
        if found.len() != self.leaf_hashes.len() {
            return Err(coverage(found.len(), self.leaf_hashes).into());
        }
        for ((&found, &expected), tx_num) in found.iter().zip(self.leaf_hashes).zip(first.0..) {
            if found != expected {
                return Err(Refusal::LeafHash {
                    tx_num: TxNum(tx_num),
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// The leaves of a set: its positions, which must be the expected ones, with the given hashes.
    fn leaves_of(&self, proof: &MultiProof) -> Result<Vec<(TxNum, B256)>, VerifyError> {
        let tx_nums = proof.tx_nums();
        if tx_nums.len() != self.leaf_hashes.len() {
            return Err(coverage(tx_nums.len(), self.leaf_hashes));
        }
        if !self.tx_nums.is_empty() && tx_nums.len() != self.tx_nums.len() {
            return Err(coverage(tx_nums.len(), self.tx_nums));
        }
        for (&found, expected) in tx_nums.iter().zip(self.tx_nums.iter().copied().map(TxNum)) {
            if found != expected {
                return Err(VerifyError::Position { found, expected });
            }
        }
        let hashes = self.leaf_hashes.iter().copied();
        Ok(tx_nums.iter().copied().zip(hashes).collect())
    }
}

fn coverage<T>(found: usize, expected: &[T]) -> VerifyError {
    VerifyError::Coverage {
        found: found as u64,
        expected: expected.len() as u64,
    }
}
