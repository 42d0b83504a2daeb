//! Every inclusion and consistency proof of every small log, and all boundaries of larger ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::B256;
use common::{EDGES, Naive, log};
use qmtree_proofs::{
    ConsistencyProof, Digest, Frontier, Head, InclusionProof, Leaf, MultiProof, NodeSource,
    Profile, Prover, RangeProof, RangeWitness, ShapeError, TreeHasher, TxNum, VerifyError, Witness,
    null_hash, root_level,
};
use std::collections::BTreeSet;

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

/// A log whose leaves all have one hash: each complete node follows from its level alone.
struct Uniform([Digest; 64]);

impl Uniform {
    const LEAF: Digest = [7; 32];

    fn new(profile: Profile) -> Self {
        let mut nodes = [Self::LEAF; 64];
        for level in 1..64 {
            let below = nodes[level - 1];
            let tag = if level < 12 { level - 1 } else { level };
            nodes[level] = profile.hash_node(tag as u8, &below, &below);
        }
        Self(nodes)
    }
}

impl NodeSource for Uniform {
    type Error = std::convert::Infallible;

    fn node(&self, level: u32, _: u64) -> Result<Digest, Self::Error> {
        Ok(self.0[level as usize])
    }
}

/// The root of `n` such leaves, from the definition: halves that are full, null or again this.
fn uniform_root(profile: Profile, nodes: &Uniform, n: u64) -> Digest {
    fn node(profile: Profile, nodes: &Uniform, level: u32, leaves: u128) -> Digest {
        let full = 1u128 << level;
        if leaves == 0 {
            return null_hash(profile, level);
        } else if leaves == full {
            return nodes.0[level as usize];
        }
        let left = node(profile, nodes, level - 1, leaves.min(full / 2));
        let right = node(profile, nodes, level - 1, leaves.saturating_sub(full / 2));
        let tag = if level < 12 { level - 1 } else { level };
        profile.hash_node(tag as u8, &left, &right)
    }
    node(profile, nodes, Naive::root_level(n), n.into())
}

#[test]
fn every_kind_proves_and_verifies_at_extreme_leaf_counts() {
    let middle = [4095, 4096, 1 << 32];
    let top = [
        (1 << 63) - 1,
        1 << 63,
        (1 << 63) + 1,
        u64::MAX - 1,
        u64::MAX,
    ];
    for profile in Profile::ALL {
        let nodes = Uniform::new(profile);
        for n in [1].into_iter().chain(middle).chain(top) {
            let Ok(prover) = Prover::new(&nodes, &profile, n);
            let head = Head {
                leaf_count: n,
                root: B256::new(uniform_root(profile, &nodes, n)),
                ..Head::empty(common::CHAIN_ID, profile, common::SCHEME)
            };
            assert_eq!(prover.root(), head.root, "{profile} {n} leaves");
            assert_eq!(root_level(n), Naive::root_level(n));
            check_leaves(&prover, &head);
            check_consistency(&prover, &head);
        }
    }
}

fn check_leaves(prover: &Prover<&Uniform>, head: &Head) {
    let (n, leaf, other) = (head.leaf_count, B256::new(Uniform::LEAF), B256::ZERO);
    for i in [0, n / 2, n - 1] {
        let proof = prover.inclusion(TxNum(i)).unwrap();
        let proof = InclusionProof::from_bytes(&proof.to_bytes()).unwrap();
        proof.verify(head, TxNum(i), leaf).unwrap();
        proof.verify(head, TxNum(i), other).unwrap_err();
        for from in [i, i.saturating_sub(3), i.saturating_sub(2048)] {
            let proof = prover.range(TxNum(from), TxNum(i + 1)).unwrap();
            let proof = RangeProof::from_bytes(&proof.to_bytes()).unwrap();
            let mut leaves = vec![leaf; (i + 1 - from) as usize];
            proof.verify(head, TxNum(from), &leaves).unwrap();
            leaves[0] = other;
            proof.verify(head, TxNum(from), &leaves).unwrap_err();
        }
    }
    let set = [0, n / 3, n / 2, n.saturating_sub(2), n - 1];
    let set: Vec<_> = BTreeSet::from(set).into_iter().map(TxNum).collect();
    let proof = prover.multi(&set).unwrap();
    let proof = MultiProof::from_bytes(&proof.to_bytes()).unwrap();
    let mut leaves: Vec<_> = set.iter().map(|i| (*i, leaf)).collect();
    proof.verify(head, &leaves).unwrap();
    leaves[0].1 = other;
    proof.verify(head, &leaves).unwrap_err();
}

fn check_consistency(prover: &Prover<&Uniform>, head: &Head) {
    let (n, nodes) = (head.leaf_count, Uniform::new(head.profile));
    let olds = [1, 2, 4095, 4096, n / 2, n / 2 + 1, n - 1, 1 << 62, 1 << 63];
    for m in olds.into_iter().filter(|m| (1..n).contains(m)) {
        let mut old = Head {
            leaf_count: m,
            root: B256::new(uniform_root(head.profile, &nodes, m)),
            ..*head
        };
        let proof = prover.consistency(m).unwrap();
        let proof = ConsistencyProof::from_bytes(&proof.to_bytes()).unwrap();
        proof.verify(&old, head).unwrap();
        old.root.0[0] ^= 1;
        proof.verify(&old, head).unwrap_err();
    }
}

#[test]
fn witnesses_prove_and_verify_at_extreme_leaf_counts() {
    // One leaf that can be a preimage, and made-up digests beside its path.
    for profile in Profile::ALL {
        let leaf = Leaf {
            previous_leaf_hash: B256::repeat_byte(9),
            ..Leaf::default()
        };
        for n in [4096, 1 << 32, 1 << 63, (1 << 63) + 1, u64::MAX] {
            for i in [1, n / 2, n - 1].map(TxNum) {
                let siblings = vec![B256::repeat_byte(5); Naive::root_level(n) as usize];
                let mut node = leaf.hash(&profile).0;
                for (sibling, level) in siblings.iter().zip(0u8..) {
                    let tag = if level < 11 { level } else { level + 1 };
                    node = if i.0 >> level & 1 == 1 {
                        profile.hash_node(tag, &sibling.0, &node)
                    } else {
                        profile.hash_node(tag, &node, &sibling.0)
                    };
                }
                let head = Head {
                    leaf_count: n,
                    root: B256::new(node),
                    ..Head::empty(common::CHAIN_ID, profile, common::SCHEME)
                };
                let proof = InclusionProof::new(profile, i, n, siblings).unwrap();
                let witness = Witness::new(leaf, proof).unwrap();
                let witness = Witness::from_bytes(&witness.to_bytes()).unwrap();
                witness.verify(&head, i).unwrap();
                witness.verify(&head, TxNum(i.0 - 1)).unwrap_err();
                check_range_witness(profile, leaf, i, &head);
            }
        }
    }
}

/// The range of that leaf alone, in a tree with made-up siblings.
fn check_range_witness(profile: Profile, leaf: Leaf, i: TxNum, head: &Head) {
    let next = TxNum(i.0 + 1);
    let make = |siblings| RangeProof::new(profile, i, next, head.leaf_count, siblings);
    let Err(ShapeError::DigestCount { expected, .. }) = make(vec![]) else {
        panic!("a range of one leaf has siblings");
    };
    let proof = make(vec![B256::repeat_byte(5); expected as usize]).unwrap();
    let payloads = vec![leaf.payload().to_bytes()];
    let witness = RangeWitness::new(leaf.previous_leaf_hash, payloads, proof).unwrap();
    let witness = RangeWitness::from_bytes(&witness.to_bytes()).unwrap();
    assert_eq!(witness.leaf_hashes(&profile), [leaf.hash(&profile)]);
    let Err(VerifyError::RootMismatch { computed, .. }) = witness.verify(head, i, next) else {
        // Without null nodes beside the path it is the very tree of the single proof.
        return;
    };
    let head = Head {
        root: computed,
        ..*head
    };
    witness.verify(&head, i, next).unwrap();
    witness.verify(&head, i, i).unwrap_err();
    let before = TxNum(i.0 - 1);
    witness.verify(&head, before, next).unwrap_err();
}
