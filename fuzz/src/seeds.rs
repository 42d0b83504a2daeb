//! The seeds of the corpus: valid inputs of every target, made from the oracle's own logs.

use crate::TARGETS;
use crate::oracle::{LOGS, SIZES, STATES, head};
use alloy_primitives::B256;
use qmtree_proofs::{Proof, RangeWitness, TxNum, Witness, erigon};

/// Seeds as (target, file name, bytes); one of each target is empty.
///
/// # Panics
/// Never: the logs hold every leaf that is asked for.
#[must_use]
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let empty = |(target, _): &(&'static str, _)| (*target, String::from("empty"), Vec::new());
    let mut seeds: Vec<_> = TARGETS.iter().map(empty).collect();
    for (log, log_number) in LOGS.iter().zip(0u8..) {
        for (&n, size_number) in SIZES.iter().zip(0u8..) {
            let label = |kind: &str| format!("{kind}-{log_number}-{n}");
            let prover = log.prover(n).expect("the log is longer");
            let head = head(log, n);
            let i = TxNum(n / 2);
            let (from, to) = (TxNum(n / 3), TxNum(n / 3 + n.div_ceil(50)));
            let set: Vec<_> = (0..n)
                .step_by(1 + usize::try_from(n / 5).expect("logs are small"))
                .map(TxNum)
                .collect();

            let inclusion = prover.inclusion(i).expect("in the log");
            let range = prover.range(from, to).expect("in the log");
            let leaf = log.leaf(i).expect("in the log");
            let previous = log.leaf(from).expect("in the log").previous_leaf_hash;
            let payloads = log.payloads(from, to).expect("in the log").to_vec();
            let path = |i: TxNum| {
                let proof = prover.inclusion(i).expect("in the log");
                let hash = log.leaf_hash(i).expect("in the log");
                erigon::ProofPath::from_inclusion(&proof, hash, head.root)
            };

            let mut add = |target, kind: &str, bytes: Vec<u8>| {
                // The same proof for the verifier, with a true claim before it.
                let old = u32::try_from(n / 2).unwrap_or_default().to_be_bytes();
                let claim = [&[log_number | size_number << 1, 0][..], &old, &bytes].concat();
                if target != "decode_head" && target != "decode_json" {
                    seeds.push(("verify", label(kind), claim));
                }
                seeds.push((target, label(kind), bytes));
            };
            let json = |proof: Proof| serde_json::to_vec(&proof).expect("a proof has a JSON form");
            let mut texts = vec![("inclusion", json(Proof::Inclusion(inclusion.clone())))];
            let head_json = serde_json::to_vec(&head).expect("a head has a JSON form");
            add("decode_json", "head", head_json);
            add("decode_head", "head", head.to_bytes().to_vec());
            add("decode_inclusion", "inclusion", inclusion.to_bytes());
            let witness = Witness::new(leaf, inclusion).expect("leaf 0 links to nothing");
            add("decode_witness", "witness", witness.to_bytes());
            texts.push(("witness", json(Proof::Witness(witness))));
            let witness = RangeWitness::new(previous, payloads, range.clone());
            add("decode_range", "range", range.to_bytes());
            texts.push(("range", json(Proof::Range(range))));
            let witness = witness.expect("as many payloads as positions");
            add("decode_range_witness", "range-witness", witness.to_bytes());
            texts.push(("range-witness", json(Proof::RangeWitness(witness))));
            let multi = prover.multi(&set).expect("in the log");
            add("decode_multi", "multi", multi.to_bytes());
            texts.push(("multi", json(Proof::Multi(multi))));
            if let Ok(proof) = prover.consistency(n / 2) {
                add("decode_consistency", "consistency", proof.to_bytes());
                texts.push(("consistency", json(Proof::Consistency(proof))));
            }
            for (kind, text) in texts {
                // Larger trees say nothing more about JSON.
                if kind == "inclusion" || n <= 100 {
                    add("decode_json", kind, text);
                }
            }
            if let (Ok(first), Ok(last)) = (path(from), path(TxNum(to.0 - 1))) {
                add("decode_erigon_path", "erigon-path", first.to_bytes());
                let leaf = log.leaf(from).expect("in the log");
                let witness = erigon::Witness {
                    path: first.clone(),
                    leaf,
                };
                add(
                    "decode_erigon_witness",
                    "erigon-witness",
                    witness.to_bytes(),
                );
                let leaves = (from.0..to.0).map(TxNum);
                let leaves = leaves
                    .map(|i| (i, log.leaf(i).expect("in the log")))
                    .collect();
                let witness = erigon::RangeWitness {
                    first,
                    last: Some(last),
                    leaves,
                };
                add(
                    "decode_erigon_range_witness",
                    "erigon-range",
                    witness.to_bytes(),
                );
            }
        }
    }
    seeds.extend(crate::snapshot::seeds());
    for (log, log_number) in STATES.iter().zip(0u8..) {
        for (shift, key) in [(0, 8), (0, 9), (1, 40), (20, 80), (21, 81), (40, 240)] {
            let at = u64::from(shift).checked_sub(1).map(TxNum);
            let keys = [B256::repeat_byte(key), B256::repeat_byte(key / 2)];
            for (kind, keys) in [("state", &keys[..1]), ("states", &keys[..])] {
                let name = format!("{kind}-{log_number}-{shift}-{key}");
                let proof = log.prove_many(keys, at).expect("not empty");
                let bytes = proof.to_bytes();
                let claim = [&[log_number, shift, 0, 0, 0, 0][..], &bytes].concat();
                seeds.push(("verify", name.clone(), claim));
                seeds.push(("decode_state", name.clone(), bytes));
                let text = serde_json::to_vec(&Proof::State(proof));
                seeds.push(("decode_json", name, text.expect("a proof has a JSON form")));
            }
        }
    }
    seeds.extend(crate::execution::seeds());
    seeds.extend(crate::steps::seeds());
    seeds.extend(crate::statement::seeds());
    seeds
}
