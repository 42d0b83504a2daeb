//! Every inclusion and consistency proof of every small log, and all boundaries of larger ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::{EDGES, Naive, log};
use qmtree_proofs::{Frontier, Profile, Prover, TxNum, root_level};

/// Positions worth a look in a log of `n` leaves.
fn positions(n: u64) -> Vec<u64> {
    let edges = [
        0, 1, 2, 2046, 2047, 2048, 2049, 4095, 4096, 4097, 8191, 8192,
    ];
    let mut positions: Vec<u64> = edges.into_iter().chain([n / 2, n / 3, n - 1]).collect();
    positions.extend(n.checked_sub(2));
    positions.retain(|position| *position < n);
    positions.sort_unstable();
    positions.dedup();
    positions
}

#[test]
fn every_inclusion_proof_up_to_600_leaves_verifies_at_its_place_alone() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 600), log(profile, 600));
        for n in 1..=600 {
            let (prover, head) = (log.prover(n).unwrap(), naive.head(n));
            for i in 0..n {
                let proof = prover.inclusion(TxNum(i)).unwrap();
                proof.verify(&head, TxNum(i), naive.leaf_hash(i)).unwrap();
                let other = naive.leaf_hash((i + 1) % n);
                let wrong = proof.verify(&head, TxNum(i), other);
                assert_eq!(wrong.is_err(), n > 1, "{profile} leaf {i} of {n}");
            }
            prover.inclusion(TxNum(n)).unwrap_err();
        }
    }
}

#[test]
fn every_consistency_proof_up_to_600_leaves_verifies_between_its_heads_alone() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 600), log(profile, 600));
        let heads: Vec<_> = (0..=600).map(|n| naive.head(n)).collect();
        for n in 1..=600u64 {
            let prover = log.prover(n).unwrap();
            let new = &heads[n as usize];
            for m in 1..n {
                let proof = prover.consistency(m).unwrap();
                let old = &heads[m as usize];
                proof.verify(old, new).unwrap();
                let mut forged = *old;
                forged.root.0[31] ^= 1;
                proof.verify(&forged, new).unwrap_err();
            }
            prover.consistency(0).unwrap_err();
            prover.consistency(n).unwrap_err();
        }
    }
}

#[test]
fn twig_and_level_boundaries_prove_and_verify() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 8200), log(profile, 8200));
        for n in EDGES {
            let (prover, head) = (log.prover(n).unwrap(), naive.head(n));
            assert_eq!(prover.root(), head.root, "{profile} root of {n}");
            for i in positions(n) {
                let proof = prover.inclusion(TxNum(i)).unwrap();
                assert_eq!(proof.siblings().len(), Naive::root_level(n) as usize);
                proof.verify(&head, TxNum(i), naive.leaf_hash(i)).unwrap();
                if i > 0 {
                    let old = naive.head(i);
                    prover.consistency(i).unwrap().verify(&old, &head).unwrap();
                }
            }
        }
    }
}

#[test]
fn every_range_of_every_small_log_and_across_boundaries_verifies() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 8200), log(profile, 8200));
        let mut check = |n: u64, from: u64, to: u64| {
            let (prover, head) = (log.prover(n).unwrap(), naive.head(n));
            let proof = prover.range(TxNum(from), TxNum(to)).unwrap();
            let mut hashes = naive.hashes(from..to);
            proof.verify(&head, TxNum(from), &hashes).unwrap();
            let tx_nums: Vec<_> = (from..to).map(TxNum).collect();
            let multi = prover.multi(&tx_nums).unwrap();
            assert_eq!(multi.siblings(), proof.siblings(), "one rule for both");
            multi.verify(&head, &naive.pairs(&tx_nums)).unwrap();
            hashes[0].0[0] ^= 1;
            proof.verify(&head, TxNum(from), &hashes).unwrap_err();
        };
        for n in 1..=24 {
            for from in 0..n {
                for to in from + 1..=n {
                    check(n, from, to);
                }
            }
        }
        for n in EDGES {
            for from in positions(n) {
                for to in [from + 1, from + 2, (from + n) / 2, n - 1, n] {
                    if from < to && to <= n {
                        check(n, from, to);
                    }
                }
            }
        }
    }
}

#[test]
fn every_set_of_leaves_of_every_tiny_log_verifies() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 10), log(profile, 10));
        for n in 1..=10u64 {
            let (prover, head) = (log.prover(n).unwrap(), naive.head(n));
            for set in 1..1u64 << n {
                let tx_nums: Vec<_> = (0..n).filter(|i| set >> i & 1 == 1).map(TxNum).collect();
                let proof = prover.multi(&tx_nums).unwrap();
                proof.verify(&head, &naive.pairs(&tx_nums)).unwrap();
                let singles = 12 * 32 * tx_nums.len();
                assert!(
                    proof.siblings().len() * 32 <= singles,
                    "never larger than single proofs"
                );
            }
        }
    }
}

#[test]
fn frontier_gives_every_root_whatever_the_batches() {
    for profile in Profile::ALL {
        let mut naive = Naive::new(profile, 8200);
        for batch in [1, 2, 3, 7, 64, 1000, 2047, 2048, 2049, 8200] {
            let mut frontier = Frontier::new(profile);
            assert_eq!(frontier.root().0, naive.root(0));
            for hashes in naive.leaf_hashes.clone().chunks(batch) {
                frontier.append(hashes);
                let n = frontier.leaf_count();
                if batch > 3 || n <= 64 || EDGES.contains(&n) {
                    assert_eq!(frontier.root().0, naive.root(n), "{profile} {n} by {batch}");
                }
            }
        }
    }
}

#[test]
fn prover_over_peaks_alone_has_the_root_of_huge_logs() {
    // No log of 2^40 leaves is at hand, but its peaks can be made up.
    for leaf_count in [1 << 32, (1 << 40) + 12_345, u64::MAX >> 1, u64::MAX] {
        let peak = |level: u32, index: u64| {
            Ok::<_, std::convert::Infallible>(common::keccak(&[
                &level.to_be_bytes(),
                &index.to_be_bytes(),
            ]))
        };
        struct Peaks<F>(F);
        impl<F: Fn(u32, u64) -> Result<[u8; 32], std::convert::Infallible>>
            qmtree_proofs::NodeSource for Peaks<F>
        {
            type Error = std::convert::Infallible;
            fn node(&self, level: u32, index: u64) -> Result<[u8; 32], Self::Error> {
                (self.0)(level, index)
            }
        }
        let Ok(prover) = Prover::new(Peaks(peak), &Profile::Keccak256, leaf_count);
        let Ok(frontier) = Frontier::from_peaks(Profile::Keccak256, leaf_count, peak);
        assert_eq!(prover.root(), frontier.root());
        assert_eq!(root_level(leaf_count), Naive::root_level(leaf_count));
    }
}
