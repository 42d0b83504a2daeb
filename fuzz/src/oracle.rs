//! Verification against an oracle that knows the whole log.
//!
//! Input: one byte chooses profile and log, one byte how far the claim is shifted from the truth,
//! or the time of a state claim plus one, four bytes the old leaf count of a consistency claim; the
//! rest is a proof.
//!
//! The oracle is independent of the verifier only in knowing which claims are true: its heads come
//! from the prover, which shares hash rules and index arithmetic with the verifier, so a mistake
//! in those would be made on both sides. The independent check of them is the golden vectors in
//! testdata/, made by another implementation.

use alloy_primitives::B256;
use qmtree_proofs::state::{Entry, MemoryStateLog, StateProof, StateWord};
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

/// A state log for each profile: forty transactions that write, delete and write again.
pub(crate) static STATES: LazyLock<[MemoryStateLog<Profile>; 2]> = LazyLock::new(|| {
    Profile::ALL.map(|profile| {
        let mut log = MemoryStateLog::new(profile);
        for tx_num in 1..=40u64 {
            let writes: Vec<_> = (1..=60u8)
                .filter(|i| (u64::from(*i) * 7 + tx_num * 5) % 9 < 2)
                .map(|i| {
                    let value = StateWord::Value(B256::with_last_byte(i ^ tx_num.to_le_bytes()[0]));
                    let live = (u64::from(i) + tx_num) % 4 != 0;
                    (B256::repeat_byte(4 * i), live.then_some(value))
                })
                .collect();
            log.apply(TxNum(tx_num), &writes).expect("sorted writes");
        }
        log
    })
});

/// The trusted head of a state log. The oracle does not look at its execution log.
pub(crate) fn state_head(log: &MemoryStateLog<Profile>) -> Head {
    Head {
        leaf_count: 41,
        root: B256::repeat_byte(1),
        entry_count: log.entry_count(),
        state_root: log.root(),
        ..Head::empty(1, log.profile(), Scheme::StateRoot1)
    }
}

/// Whatever a state proof proves at any time, the log says too.
fn check_state(log: &MemoryStateLog<Profile>, proof: &StateProof, at: Option<TxNum>) {
    let Ok(proven) = proof.verify_all(&state_head(log), at) else {
        return;
    };
    let plus_one = |key: &B256| {
        let mut key = *key;
        let [.., last] = &mut key.0;
        *last = last.wrapping_add(1);
        key
    };
    let mut keys: Vec<_> = proven.entries().iter().map(|entry| entry.key).collect();
    keys.extend(proven.entries().iter().map(|entry| plus_one(&entry.key)));
    keys.extend(proven.entries().iter().map(|entry| entry.next_key));
    keys.push(B256::repeat_byte(5));
    for key in keys {
        if let Ok(found) = proven.get(&key) {
            assert_eq!(
                found,
                log.get(&key, at),
                "a false claim about {key} at {at:?}"
            );
            assert!(!Entry::is_reserved(&key), "a claim about a reserved key");
        }
    }
}

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
        if let Proof::State(proof) = &proof {
            let [keccak, blake3] = &*STATES;
            let log = if choice & 1 == 0 { keccak } else { blake3 };
            let at = (shift > 0).then(|| TxNum(u64::from(shift) - 1));
            check_state(log, proof, at);
        }
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
