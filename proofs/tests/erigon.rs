//! The proof of concept's wire forms: round trips, and the attacks that its own checks let through.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::{Naive, log};
use qmtree_proofs::erigon::{ProofPath, RangeWitness, Witness};
use qmtree_proofs::{
    DecodeError, Digest, Head, Leaf, MemoryLog, NodeSource, Profile, Prover, ShapeError,
    TreeHasher, TxNum, VerifyError,
};

const KECCAK: Profile = Profile::Keccak256;

fn setup(n: u64) -> (MemoryLog<Profile>, Head) {
    (log(KECCAK, n), Naive::new(KECCAK, n).head(n))
}

fn path(log: &MemoryLog<Profile>, head: &Head, i: u64) -> ProofPath {
    let proof = log
        .prover(head.leaf_count)
        .unwrap()
        .inclusion(TxNum(i))
        .unwrap();
    let hash = log.leaf_hash(TxNum(i)).unwrap();
    ProofPath::from_inclusion(&proof, hash, head.root).unwrap()
}

fn witness(log: &MemoryLog<Profile>, head: &Head, i: u64) -> Witness {
    Witness {
        path: path(log, head, i),
        leaf: log.leaf(TxNum(i)).unwrap(),
    }
}

fn range(log: &MemoryLog<Profile>, head: &Head, from: u64, to: u64) -> RangeWitness {
    let leaves = (from..to)
        .map(|i| (TxNum(i), log.leaf(TxNum(i)).unwrap()))
        .collect();
    RangeWitness {
        first: path(log, head, from),
        last: Some(path(log, head, to - 1)),
        leaves,
    }
}

#[test]
fn paths_and_witnesses_round_trip_and_verify() {
    for n in [1, 5, 2049, 5000] {
        let (log, head) = setup(n);
        for i in [0, n / 2, n - 1].map(TxNum) {
            let path = path(&log, &head, i.0);
            let bytes = path.to_bytes();
            let upper = path.siblings.len() - 11;
            assert_eq!(bytes.len(), 8 + (upper + 13) * 32, "{n} leaves");
            assert_eq!(ProofPath::from_bytes(&bytes).unwrap(), path);
            path.verify(&head, i).unwrap();
            let witness = witness(&log, &head, i.0);
            assert_eq!(Witness::from_bytes(&witness.to_bytes()).unwrap(), witness);
            witness.verify(&head, i).unwrap();
        }
    }
}

#[test]
fn ranges_round_trip_and_verify_by_their_boundaries() {
    let (log, head) = setup(5000);
    for (from, to) in [
        (0, 1),
        (0, 5000),
        (7, 8),
        (2040, 2060),
        (4095, 4097),
        (4999, 5000),
    ] {
        let witness = range(&log, &head, from, to);
        let bytes = witness.to_bytes();
        assert_eq!(RangeWitness::from_bytes(&bytes).unwrap(), witness);
        witness.verify(&head, TxNum(from), TxNum(to)).unwrap();
    }
    let mut single = range(&log, &head, 9, 10);
    single.last = None;
    assert_eq!(
        RangeWitness::from_bytes(&single.to_bytes()).unwrap(),
        single
    );
    single.verify(&head, TxNum(9), TxNum(10)).unwrap();
}

#[test]
fn aliased_positions_are_refused() {
    let (log, head) = setup(3000);
    let good = path(&log, &head, 777);
    for d in 12..64 {
        let alias = TxNum(777 + (1 << d));
        let forged = ProofPath {
            tx_num: alias,
            ..good.clone()
        };
        let outside = ShapeError::OutsideTree {
            tx_num: alias,
            leaf_count: 3000,
        };
        assert_eq!(
            forged.verify(&head, alias),
            Err(VerifyError::Shape(outside))
        );
        let wrong = VerifyError::Position {
            found: TxNum(777),
            expected: alias,
        };
        assert_eq!(good.verify(&head, alias), Err(wrong));
    }
}

#[test]
fn paths_that_no_tree_has_do_not_decode() {
    let (log, head) = setup(3000);
    let bytes = path(&log, &head, 777).to_bytes();
    // U = 0, which makes the proof of concept's check read past an empty list.
    let short = bytes[..8 + 13 * 32].to_vec();
    assert_eq!(
        ProofPath::from_bytes(&short),
        Err(DecodeError::PathLength { found: 424 })
    );
    for len in [0, 7, 8, 71, 72, 455, 457, 72 + 65 * 32] {
        let mut bytes = bytes.clone();
        bytes.resize(len, 0);
        ProofPath::from_bytes(&bytes).unwrap_err();
    }
    // Decodes, but the head's tree has shorter paths.
    let mut long = bytes;
    long.extend_from_slice(&[0; 32]);
    let error = ProofPath::from_bytes(&long)
        .unwrap()
        .to_inclusion(3000)
        .unwrap_err();
    assert_eq!(
        error,
        ShapeError::DigestCount {
            expected: 12,
            found: 13
        }
    );
}

#[test]
fn every_flipped_bit_cut_and_extension_is_refused() {
    let (log, head) = setup(5000);
    let (one, some) = (witness(&log, &head, 2050), range(&log, &head, 2046, 2050));
    for bit in 0..one.to_bytes().len() * 8 {
        let mut bytes = one.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(forged) = Witness::from_bytes(&bytes) {
            forged
                .verify(&head, TxNum(2050))
                .expect_err(&format!("bit {bit}"));
        }
    }
    for bit in 0..some.to_bytes().len() * 8 {
        let mut bytes = some.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(forged) = RangeWitness::from_bytes(&bytes) {
            let verified = forged.verify(&head, TxNum(2046), TxNum(2050));
            verified.expect_err(&format!("bit {bit}"));
        }
    }
    let (one, some) = (one.to_bytes(), some.to_bytes());
    for len in 0..one.len() {
        Witness::from_bytes(&one[..len]).unwrap_err();
    }
    for len in 0..some.len() {
        RangeWitness::from_bytes(&some[..len]).unwrap_err();
    }
    Witness::from_bytes(&[&one[..], &[0]].concat()).unwrap_err();
    RangeWitness::from_bytes(&[&some[..], &[0]].concat()).unwrap_err();
}

#[test]
fn a_chain_between_two_proven_ends_is_not_enough() {
    // A tree that holds other leaves at 11..14 than those that link its leaves 10 and 14: the
    // ends are proved and the chain between them is whole, but it is not what the tree holds.
    let (log, _) = setup(100);
    let mut hashes: Vec<Digest> = (0..100)
        .map(|i| log.leaf_hash(TxNum(i)).unwrap().0)
        .collect();
    for junk in &mut hashes[11..14] {
        junk[0] ^= 1;
    }
    let mut levels = vec![hashes];
    for tag in 0..7 {
        let pairs = levels.last().unwrap().chunks_exact(2);
        let parents = pairs.map(|pair| KECCAK.hash_node(tag, &pair[0], &pair[1]));
        levels.push(parents.collect());
    }
    let prover = Prover::new(Nodes(levels), &KECCAK, 100).unwrap();
    let head = Head {
        root: prover.root(),
        ..Naive::new(KECCAK, 100).head(100)
    };
    let path = |i: u64| {
        let proof = prover.inclusion(TxNum(i)).unwrap();
        let hash = log.leaf_hash(TxNum(i)).unwrap();
        ProofPath::from_inclusion(&proof, hash, head.root).unwrap()
    };
    let forged = RangeWitness {
        first: path(10),
        last: Some(path(14)),
        leaves: range(&log, &head, 10, 15).leaves,
    };
    forged.first.verify(&head, TxNum(10)).unwrap();
    forged
        .last
        .as_ref()
        .unwrap()
        .verify(&head, TxNum(14))
        .unwrap();
    for (leaf, next) in forged.leaves.iter().zip(&forged.leaves[1..]) {
        assert_eq!(leaf.1.hash(&KECCAK), next.1.previous_leaf_hash);
    }
    assert!(matches!(
        forged.verify(&head, TxNum(10), TxNum(15)),
        Err(VerifyError::RootMismatch { .. })
    ));
}

/// Complete nodes by level.
struct Nodes(Vec<Vec<Digest>>);

impl NodeSource for Nodes {
    type Error = ();

    fn node(&self, level: u32, index: u64) -> Result<Digest, ()> {
        let level = self.0.get(level as usize).ok_or(())?;
        level.get(index as usize).copied().ok_or(())
    }
}

#[test]
fn broken_chains_wrong_counts_and_missing_ends_are_refused() {
    let (log, head) = setup(100);
    let mut forged = range(&log, &head, 10, 15);
    forged.leaves[2].1 = Leaf {
        transition_hash: Default::default(),
        ..forged.leaves[2].1
    };
    let broken = VerifyError::BrokenChain { tx_num: TxNum(13) };
    assert_eq!(forged.verify(&head, TxNum(10), TxNum(15)), Err(broken));
    // One leaf less, positions renumbered to stay contiguous.
    let mut shorter = range(&log, &head, 10, 15);
    shorter.leaves.remove(0);
    let coverage = VerifyError::Coverage {
        found: 4,
        expected: 5,
    };
    assert_eq!(shorter.verify(&head, TxNum(10), TxNum(15)), Err(coverage));
    shorter.verify(&head, TxNum(11), TxNum(15)).unwrap_err();
    // Several leaves need the last one's path.
    let mut endless = range(&log, &head, 10, 15);
    endless.last = None;
    let missing = ShapeError::LastPath { leaves: 5 };
    assert_eq!(
        RangeWitness::from_bytes(&endless.to_bytes()),
        Err(DecodeError::Shape(missing))
    );
    assert_eq!(
        endless.verify(&head, TxNum(10), TxNum(15)),
        Err(VerifyError::Shape(missing))
    );
    assert_eq!(
        missing.to_string(),
        "5 leaves need the path of the last one too"
    );
    let empty = RangeWitness {
        leaves: vec![],
        ..endless
    };
    empty.verify(&head, TxNum(10), TxNum(10)).unwrap_err();
    empty.verify(&head, TxNum(10), TxNum(9)).unwrap_err();
}

#[test]
fn a_root_inside_the_proof_is_compared_and_never_trusted() {
    let (log, head) = setup(100);
    let (other_log, other) = setup(101);
    let foreign = path(&other_log, &other, 5);
    assert_eq!(
        foreign.verify(&head, TxNum(5)),
        Err(VerifyError::ClaimedRoot {
            claimed: other.root,
            trusted: head.root
        })
    );
    let mut dressed = foreign;
    dressed.root = head.root;
    assert!(matches!(
        dressed.verify(&head, TxNum(5)),
        Err(VerifyError::RootMismatch { .. })
    ));
    let mut claimed = witness(&log, &head, 5);
    claimed.path.leaf_hash = log.leaf_hash(TxNum(6)).unwrap();
    let error = VerifyError::ClaimedLeafHash { tx_num: TxNum(5) };
    assert_eq!(claimed.verify(&head, TxNum(5)), Err(error));
    let blake3 = common::log(Profile::Blake3, 3);
    let proof = blake3.prover(3).unwrap().inclusion(TxNum(1)).unwrap();
    let error = ProofPath::from_inclusion(&proof, head.root, head.root).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Erigon's forms exist for the profile keccak only, not for blake3"
    );
    let foreign = Head {
        profile: Profile::Blake3,
        ..head
    };
    assert_eq!(
        path(&log, &head, 5).verify(&foreign, TxNum(5)),
        Err(VerifyError::Profile {
            found: KECCAK,
            trusted: Profile::Blake3
        })
    );
}

#[test]
fn the_position_is_checked_before_the_link() {
    let (log, head) = setup(100);
    let error = Err(VerifyError::Position {
        found: TxNum(5),
        expected: TxNum(0),
    });
    assert_eq!(witness(&log, &head, 5).verify(&head, TxNum(0)), error);
}
