//! Verification against an oracle that knows the whole log.
//!
//! Input: one byte chooses profile and log, one byte how far the claim is shifted from the truth,
//! four bytes the old leaf count of a consistency claim; the rest is a proof.
//!
//! The oracle is independent of the verifier only in knowing which claims are true: its heads come
//! from the prover, which shares hash rules and index arithmetic with the verifier, so a mistake
//! in those would be made on both sides. The independent check of them is the golden vectors in
//! testdata/, made by another implementation.

use qmtree_proofs::{Head, LeafPayload, MemoryLog, Profile, Proof, Scheme, TxNum, erigon};
use std::sync::LazyLock;

/// Leaf counts of the logs: around the boundaries that the rules know.
pub(crate) const SIZES: [u64; 8] = [1, 2, 3, 100, 2047, 2048, 4096, 4100];

/// The log that all sizes are prefixes of, for each profile.
pub(crate) static LOGS: LazyLock<[MemoryLog<Profile>; 2]> = LazyLock::new(|| {
    Profile::ALL.map(|profile| {
        let mut log = MemoryLog::new(profile);
        let payloads: Vec<_> = (0..4100u64)
            .map(|i| {
                let mut bytes = [0; 96];
                bytes[..8].copy_from_slice(&i.to_le_bytes());
                LeafPayload::from_bytes(&bytes)
            })
            .collect();
        log.append(&payloads);
        log
    })
});

/// The trusted head of the first `leaf_count` leaves.
pub(crate) fn head(log: &MemoryLog<Profile>, leaf_count: u64) -> Head {
    let prover = log.prover(leaf_count).expect("the log is longer");
    let empty = Head::empty(1, log.profile(), Scheme::StateRoot1);
    Head {
        leaf_count,
        root: prover.root(),
        ..empty
    }
}

pub(crate) fn verify(data: &[u8]) {
    let Some((&[choice, shift, m0, m1, m2, m3], proof)) = data.split_first_chunk() else {
        return;
    };
    let [keccak, blake3] = &*LOGS;
    let log = if choice & 1 == 0 { keccak } else { blake3 };
    let Some(&leaf_count) = SIZES.get(usize::from(choice >> 1)) else {
        return;
    };
    let claim = Claim {
        log,
        head: head(log, leaf_count),
        shift: u64::from(shift),
        old_leaf_count: u64::from(u32::from_be_bytes([m0, m1, m2, m3])),
    };
    if let Ok(proof) = Proof::from_bytes(proof) {
        claim.check(&proof);
    }
    claim.check_erigon(proof);
}

struct Claim<'a> {
    log: &'a MemoryLog<Profile>,
    head: Head,
    shift: u64,
    old_leaf_count: u64,
}

impl Claim<'_> {
    /// The leaf hash that is claimed to be at `tx_num`: the true one if nothing is shifted.
    fn claimed(&self, tx_num: TxNum) -> alloy_primitives::B256 {
        let at = tx_num.0.wrapping_add(self.shift) % self.head.leaf_count;
        self.log.leaf_hash(TxNum(at)).expect("inside the log")
    }

    /// True if the claim about `tx_num` is the truth.
    fn holds(&self, tx_num: TxNum) -> bool {
        tx_num.0 < self.head.leaf_count && self.log.leaf_hash(tx_num) == Some(self.claimed(tx_num))
    }

    fn check(&self, proof: &Proof) {
        let head = &self.head;
        match proof {
            Proof::Inclusion(proof) => {
                let i = proof.tx_num();
                if proof.verify(head, i, self.claimed(i)).is_ok() {
                    assert!(self.holds(i), "accepted a false claim about {i}");
                }
            }
            Proof::Range(proof) => {
                if proof.covered() > head.leaf_count {
                    return;
                }
                let tx_nums = (proof.from().0..proof.to().0).map(TxNum);
                let hashes: Vec<_> = tx_nums.clone().map(|i| self.claimed(i)).collect();
                if proof.verify(head, proof.from(), &hashes).is_ok() {
                    assert!(
                        tx_nums.into_iter().all(|i| self.holds(i)),
                        "accepted a false range"
                    );
                }
            }
            Proof::Multi(proof) => {
                let leaves: Vec<_> = proof
                    .tx_nums()
                    .iter()
                    .map(|i| (*i, self.claimed(*i)))
                    .collect();
                if proof.verify(head, &leaves).is_ok() {
                    assert!(
                        leaves.iter().all(|(i, _)| self.holds(*i)),
                        "accepted a false set"
                    );
                }
            }
            Proof::Consistency(proof) => {
                let old_leaf_count = self.old_leaf_count.min(4100);
                let old = self::head(self.log, old_leaf_count);
                if proof.verify(&old, head).is_ok() {
                    assert!(old_leaf_count > 0 && old_leaf_count < head.leaf_count);
                    assert_eq!(proof.old_leaf_count(), old_leaf_count);
                }
                let mut forged = old;
                forged.root.0[0] ^= 1;
                assert!(
                    proof.verify(&forged, head).is_err(),
                    "accepted a root that never was"
                );
            }
            Proof::Witness(witness) => {
                let i = witness.proof().tx_num();
                if witness.verify(head, i).is_ok() {
                    assert_eq!(self.log.leaf(i).as_ref(), Some(witness.leaf()));
                }
            }
            Proof::RangeWitness(witness) => {
                let (from, to) = (witness.proof().from(), witness.proof().to());
                if witness.verify(head, from, to).is_ok() {
                    for (i, payload) in (from.0..to.0).map(TxNum).zip(witness.payloads()) {
                        assert_eq!(self.log.leaf(i).map(|leaf| leaf.payload()), Some(payload));
                    }
                }
            }
            _ => {}
        }
    }

    fn check_erigon(&self, proof: &[u8]) {
        let head = &self.head;
        if let Ok(path) = erigon::ProofPath::from_bytes(proof)
            && path.verify(head, path.tx_num).is_ok()
        {
            assert_eq!(self.log.leaf_hash(path.tx_num), Some(path.leaf_hash));
        }
        if let Ok(witness) = erigon::Witness::from_bytes(proof)
            && witness.verify(head, witness.path.tx_num).is_ok()
        {
            assert_eq!(self.log.leaf(witness.path.tx_num), Some(witness.leaf));
        }
        if let Ok(witness) = erigon::RangeWitness::from_bytes(proof) {
            let from = witness.first.tx_num;
            let to = TxNum(from.0.saturating_add(witness.leaves.len() as u64));
            if witness.verify(head, from, to).is_ok() {
                for (i, leaf) in witness.leaves {
                    assert_eq!(self.log.leaf(i), Some(leaf));
                }
            }
        }
    }
}
