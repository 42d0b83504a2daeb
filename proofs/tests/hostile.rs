//! What a forger would try: flipped bits, cut and stretched bytes, other positions, other trees.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::B256;
use common::state::{key, plus_one, state_log};
use common::{CHAIN_ID, Naive, SCHEME, log};
use qmtree_proofs::{
    ConsistencyProof, DecodeError, Digest, Head, InclusionProof, LEAF_LEN, MultiProof, PAIR_LEN,
    PAYLOAD_LEN, Profile, Proof, RangeProof, RangeWitness, ShapeError, TreeHasher, TxNum,
    VerifyError, Witness, state::StateProof,
};

type Verify = Box<dyn Fn(&Proof) -> Result<(), VerifyError>>;

/// One proof of each kind with what it takes to verify it.
struct Case {
    name: String,
    bytes: Vec<u8>,
    verify: Verify,
}

fn cases(profile: Profile, n: u64) -> Vec<Case> {
    let (mut naive, log) = (Naive::new(profile, n), log(profile, n));
    let (prover, head) = (log.prover(n).unwrap(), naive.head(n));
    let mut cases = Vec::new();
    let mut add = |name: &str, bytes, verify| {
        cases.push(Case {
            name: format!("{profile} {name} of {n}"),
            bytes,
            verify,
        });
    };

    let i = TxNum(n / 2);
    let hash = naive.leaf_hash(i.0);
    let inclusion = prover.inclusion(i).unwrap();
    let witness = Witness::new(log.leaf(i).unwrap(), inclusion.clone()).unwrap();
    add(
        "inclusion",
        inclusion.to_bytes(),
        Box::new(move |proof: &Proof| match proof {
            Proof::Inclusion(proof) => proof.verify(&head, i, hash),
            _ => panic!("kind changed"),
        }) as Verify,
    );
    add(
        "witness",
        witness.to_bytes(),
        Box::new(move |proof: &Proof| match proof {
            Proof::Witness(proof) => proof.verify(&head, i),
            _ => panic!("kind changed"),
        }),
    );

    let (from, to) = (TxNum(n / 3), TxNum(n / 3 + n.div_ceil(4).min(5)));
    let hashes = naive.hashes(from.0..to.0);
    let range = prover.range(from, to).unwrap();
    let previous = from
        .0
        .checked_sub(1)
        .map_or_else(Default::default, |i| naive.leaf_hash(i));
    let payloads = log.payloads(from, to).unwrap().to_vec();
    let range_witness = RangeWitness::new(previous, payloads, range.clone()).unwrap();
    add(
        "range",
        range.to_bytes(),
        Box::new(move |proof: &Proof| match proof {
            Proof::Range(proof) => proof.verify(&head, from, &hashes),
            _ => panic!("kind changed"),
        }),
    );
    add(
        "range witness",
        range_witness.to_bytes(),
        Box::new(move |proof: &Proof| match proof {
            Proof::RangeWitness(proof) => proof.verify(&head, from, to),
            _ => panic!("kind changed"),
        }),
    );

    let mut tx_nums: Vec<_> = [0, n / 3, n / 2, n - 1].map(TxNum).to_vec();
    tx_nums.dedup();
    let leaves = naive.pairs(&tx_nums);
    add(
        "multi",
        prover.multi(&tx_nums).unwrap().to_bytes(),
        Box::new(move |proof: &Proof| match proof {
            Proof::Multi(proof) => proof.verify(&head, &leaves),
            _ => panic!("kind changed"),
        }),
    );

    if n > 1 {
        let old = naive.head(n - 1);
        add(
            "consistency",
            prover.consistency(n - 1).unwrap().to_bytes(),
            Box::new(move |proof: &Proof| match proof {
                Proof::Consistency(proof) => proof.verify(&old, &head),
                _ => panic!("kind changed"),
            }),
        );
    }
    if n >= 100 {
        cases.extend(state_cases(profile, n));
    }
    cases
}

/// Proofs of a value and of an absence, now and in the past, and one of several keys.
fn state_cases(profile: Profile, n: u64) -> Vec<Case> {
    let (log, naive) = state_log(profile, 3 + n / 400, n.min(900));
    let head = naive.head(40);
    let present = log.iter().nth(7).unwrap().key;
    let mut cases = Vec::new();
    for (name, key) in [
        ("state of a key", present),
        ("state of no key", plus_one(present)),
    ] {
        for at in [None, Some(TxNum(0)), Some(TxNum(2))] {
            let expected = log.get(&key, at).copied();
            let proof = log.prove(&key, at).unwrap();
            let verify = move |proof: &Proof| match proof {
                Proof::State(proof) => match proof.verify(&head, &key, at)? {
                    found if found.map(|entry| entry.value) == expected.map(|e| e.value) => Ok(()),
                    _ => Err(VerifyError::OtherValue { key }),
                },
                _ => panic!("kind changed"),
            };
            cases.push(Case {
                name: format!("{profile} {name} at {at:?} of {n}"),
                bytes: proof.to_bytes(),
                verify: Box::new(verify),
            });
        }
    }
    let keys: Vec<_> = (0..n).step_by(1 + n as usize / 6).map(key).collect();
    let bytes = log.prove_many(&keys, Some(TxNum(3))).unwrap().to_bytes();
    let verify = move |proof: &Proof| match proof {
        Proof::State(proof) => {
            let proven = proof.verify_all(&head, Some(TxNum(3)))?;
            keys.iter().try_for_each(|key| proven.get(key).map(drop))
        }
        _ => panic!("kind changed"),
    };
    cases.push(Case {
        name: format!("{profile} state of many keys of {n}"),
        bytes,
        verify: Box::new(verify),
    });
    cases
}

fn all_cases() -> impl Iterator<Item = Case> {
    let sizes = [1, 2, 7, 100, 2048, 2049, 4096, 5000];
    Profile::ALL
        .into_iter()
        .flat_map(move |profile| sizes.into_iter().flat_map(move |n| cases(profile, n)))
}

#[test]
fn valid_proofs_verify_and_encode_to_the_same_bytes() {
    for Case {
        name,
        bytes,
        verify,
    } in all_cases()
    {
        let proof = Proof::from_bytes(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        verify(&proof).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(proof.to_bytes(), bytes, "{name}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for Case {
        name,
        bytes,
        verify,
    } in all_cases()
    {
        let kind = bytes[6];
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let Ok(proof) = Proof::from_bytes(&forged) else {
                continue;
            };
            assert_eq!(proof.to_bytes(), forged, "{name}: two encodings, bit {bit}");
            if forged[6] == kind {
                verify(&proof).expect_err(&format!("{name}: bit {bit} is not bound"));
            }
        }
    }
}

#[test]
fn every_cut_and_every_extension_is_refused() {
    for Case { name, bytes, .. } in all_cases() {
        for len in 0..bytes.len() {
            Proof::from_bytes(&bytes[..len]).expect_err(&format!("{name}: cut to {len}"));
        }
        for extra in [1, 7, 8, 31, 32, 33, 64, 128] {
            for fill in [0x00, 0xff] {
                let mut longer = bytes.clone();
                longer.resize(bytes.len() + extra, fill);
                Proof::from_bytes(&longer).expect_err(&format!("{name}: {extra} more"));
            }
        }
    }
}

#[test]
fn a_proof_of_one_kind_does_not_decode_as_another() {
    for Case { name, bytes, .. } in all_cases() {
        let decoded = [
            InclusionProof::from_bytes(&bytes).is_ok(),
            RangeProof::from_bytes(&bytes).is_ok(),
            MultiProof::from_bytes(&bytes).is_ok(),
            ConsistencyProof::from_bytes(&bytes).is_ok(),
            Witness::from_bytes(&bytes).is_ok(),
            RangeWitness::from_bytes(&bytes).is_ok(),
            StateProof::from_bytes(&bytes).is_ok(),
        ];
        assert_eq!(decoded.iter().filter(|ok| **ok).count(), 1, "{name}");
    }
}

#[test]
fn a_leaf_count_that_is_not_the_heads_is_refused() {
    // The same digests under another leaf count of the same path length: one bit of metadata.
    for Case {
        name,
        bytes,
        verify,
    } in all_cases()
    {
        let head_offset = match bytes[6] {
            1 | 4 | 5 => 15,
            2 | 6 => 23,
            _ => 7,
        };
        for change in [1u64, 2, 1 << 12, 1 << 32, 1 << 63] {
            let mut forged = bytes.clone();
            let field = &mut forged[head_offset..head_offset + 8];
            let count = u64::from_be_bytes(field.try_into().unwrap());
            field.copy_from_slice(&(count ^ change).to_be_bytes());
            if let Ok(proof) = Proof::from_bytes(&forged) {
                verify(&proof).expect_err(&format!("{name}: leaf count {}", count ^ change));
            }
        }
    }
}

/// A head that claims `leaf_count` for the root of a smaller tree: what an attacker would need.
fn head_with(naive: &mut Naive, n: u64, leaf_count: u64) -> Head {
    Head {
        leaf_count,
        ..naive.head(n)
    }
}

#[test]
fn positions_beyond_the_tree_are_refused_however_they_alias() {
    for profile in Profile::ALL {
        let n = 3000;
        let (mut naive, log) = (Naive::new(profile, n), log(profile, n));
        let head = naive.head(n);
        let siblings = log
            .prover(n)
            .unwrap()
            .inclusion(TxNum(777))
            .unwrap()
            .siblings()
            .to_vec();
        for k in 1..20u64 {
            for d in 0..64 {
                let Some(alias) = (k << d).checked_add(777).filter(|alias| *alias != 777) else {
                    continue;
                };
                let alias = TxNum(alias);
                let made = InclusionProof::new(profile, alias, n, siblings.clone());
                if alias.0 >= n {
                    let expected = ShapeError::OutsideTree {
                        tx_num: alias,
                        leaf_count: n,
                    };
                    assert_eq!(made, Err(expected));
                } else {
                    let hash = naive.leaf_hash(777);
                    made.unwrap().verify(&head, alias, hash).unwrap_err();
                }
            }
        }
        // A proof that says it is from a larger tree fails for its size, not by luck.
        let larger = InclusionProof::new(profile, TxNum(777 + 2048), 4000, siblings).unwrap();
        let hash = naive.leaf_hash(777);
        assert_eq!(
            larger.verify(&head, TxNum(777 + 2048), hash),
            Err(VerifyError::LeafCount {
                found: 4000,
                trusted: n
            })
        );
        let lying = head_with(&mut naive, n, 4000);
        assert!(matches!(
            larger.verify(&lying, TxNum(777 + 2048), hash),
            Err(VerifyError::RootMismatch { .. })
        ));
    }
}

#[test]
fn a_proof_for_another_position_than_expected_is_refused() {
    let (mut naive, log) = (
        Naive::new(Profile::Keccak256, 50),
        log(Profile::Keccak256, 50),
    );
    let (prover, head) = (log.prover(50).unwrap(), naive.head(50));
    let (found, expected) = (TxNum(7), TxNum(8));
    let error = Err(VerifyError::Position { found, expected });
    let proof = prover.inclusion(found).unwrap();
    assert_eq!(proof.verify(&head, expected, naive.leaf_hash(7)), error);
    let range = prover.range(found, TxNum(9)).unwrap();
    assert_eq!(range.verify(&head, expected, &naive.hashes(7..9)), error);
    let multi = prover.multi(&[found, TxNum(20)]).unwrap();
    assert_eq!(
        multi.verify(&head, &naive.pairs(&[expected, TxNum(20)])),
        error
    );

    let coverage = |found, expected| Err(VerifyError::Coverage { found, expected });
    assert_eq!(
        range.verify(&head, found, &naive.hashes(7..10)),
        coverage(2, 3)
    );
    assert_eq!(range.verify(&head, found, &[]), coverage(2, 0));
    assert_eq!(multi.verify(&head, &naive.pairs(&[found])), coverage(2, 1));
    assert_eq!(multi.verify(&head, &[]), coverage(2, 0));
}

#[test]
fn duplicate_unsorted_and_empty_sets_are_refused() {
    let profile = Profile::Keccak256;
    let log = log(profile, 100);
    let prover = log.prover(100).unwrap();
    let make = |tx_nums: &[u64]| {
        let tx_nums: Vec<_> = tx_nums.iter().copied().map(TxNum).collect();
        prover.multi(&tx_nums).unwrap_err();
        MultiProof::new(profile, 100, tx_nums, vec![]).unwrap_err()
    };
    assert_eq!(make(&[]), ShapeError::Empty);
    assert_eq!(
        make(&[5, 5]),
        ShapeError::Unsorted {
            previous: TxNum(5),
            next: TxNum(5)
        }
    );
    assert_eq!(
        make(&[1, 6, 5]),
        ShapeError::Unsorted {
            previous: TxNum(6),
            next: TxNum(5)
        }
    );
    let outside = ShapeError::OutsideTree {
        tx_num: TxNum(100),
        leaf_count: 100,
    };
    assert_eq!(make(&[5, 100]), outside);
    for (from, to) in [(5, 5), (6, 5), (0, 0)] {
        let range = RangeProof::new(profile, TxNum(from), TxNum(to), 100, vec![]);
        assert_eq!(range, Err(ShapeError::Empty));
        prover.range(TxNum(from), TxNum(to)).unwrap_err();
    }
    prover.range(TxNum(5), TxNum(101)).unwrap_err();

    // The same through the decoder: a multi-proof whose positions are rewritten.
    let mut bytes = prover.multi(&[TxNum(5), TxNum(6)]).unwrap().to_bytes();
    bytes[19..27].copy_from_slice(&6u64.to_be_bytes());
    let unsorted = ShapeError::Unsorted {
        previous: TxNum(6),
        next: TxNum(6),
    };
    assert_eq!(
        MultiProof::from_bytes(&bytes),
        Err(DecodeError::Shape(unsorted))
    );
    bytes[15..19].copy_from_slice(&0u32.to_be_bytes());
    assert_eq!(
        MultiProof::from_bytes(&bytes),
        Err(DecodeError::Shape(ShapeError::Empty))
    );
}

#[test]
fn a_range_that_ends_one_behind_the_last_leaf_is_refused() {
    for profile in Profile::ALL {
        for n in [1, 4, 6, 7, 100, 2047, 2048, 4095] {
            let outside = ShapeError::OutsideTree {
                tx_num: TxNum(n),
                leaf_count: n,
            };
            for digests in 0..=70 {
                let siblings = vec![B256::repeat_byte(3); digests];
                let made = RangeProof::new(profile, TxNum(n - 1), TxNum(n + 1), n, siblings);
                assert_eq!(made, Err(outside), "{n} leaves, {digests} digests");
                let mut bytes = vec![b'Q', b'M', b'P', b'F', 1, profile.id(), 2];
                for field in [n - 1, n + 1, n] {
                    bytes.extend_from_slice(&field.to_be_bytes());
                }
                bytes.resize(bytes.len() + 32 * digests, 3);
                assert_eq!(
                    RangeProof::from_bytes(&bytes),
                    Err(DecodeError::Shape(outside))
                );
            }
        }
    }
}

/// Hashes nothing: a check that comes to hashing has come too far.
#[derive(Debug)]
struct Untouchable(Profile);

impl TreeHasher for Untouchable {
    fn profile(&self) -> Profile {
        self.0
    }

    fn hash_leaves(&self, _: &[[u8; LEAF_LEN]], _: &mut [Digest]) {
        panic!("leaves were hashed");
    }

    fn hash_nodes(&self, _: u8, _: &[[u8; PAIR_LEN]], _: &mut [Digest]) {
        panic!("nodes were hashed");
    }

    fn chain_leaves(&self, _: Digest, _: &[[u8; PAYLOAD_LEN]], _: &mut [Digest]) -> Digest {
        panic!("leaves were hashed");
    }
}

#[test]
fn a_range_witness_for_another_head_or_position_costs_no_hash() {
    let profile = Profile::Keccak256;
    let (mut naive, log) = (Naive::new(profile, 50), log(profile, 50));
    let (prover, head) = (log.prover(50).unwrap(), naive.head(50));
    let (from, to) = (TxNum(7), TxNum(20));
    let payloads = log.payloads(from, to).unwrap().to_vec();
    let range = prover.range(from, to).unwrap();
    let witness = RangeWitness::new(naive.leaf_hash(6), payloads, range).unwrap();
    witness.verify(&head, from, to).unwrap();
    assert_eq!(witness.leaf_hashes(&profile), naive.hashes(7..20));
    let none = Untouchable(profile);
    let foreign = Head {
        profile: Profile::Blake3,
        ..head
    };
    for head in [naive.head(49), foreign] {
        witness.verify_with(&none, &head, from, to).unwrap_err();
    }
    for (from, to) in [(8, 20), (7, 19), (7, 21), (6, 20), (0, 20)] {
        let (from, to) = (TxNum(from), TxNum(to));
        witness.verify_with(&none, &head, from, to).unwrap_err();
    }
}

#[test]
fn a_witness_that_is_asked_about_leaf_0_fails_for_its_position() {
    let profile = Profile::Keccak256;
    let (mut naive, log) = (Naive::new(profile, 50), log(profile, 50));
    let proof = log.prover(50).unwrap().inclusion(TxNum(5)).unwrap();
    let witness = Witness::new(log.leaf(TxNum(5)).unwrap(), proof).unwrap();
    let error = Err(VerifyError::Position {
        found: TxNum(5),
        expected: TxNum(0),
    });
    assert_eq!(witness.verify(&naive.head(50), TxNum(0)), error);
}

#[test]
fn counts_that_no_input_can_hold_are_refused_before_anything_is_allocated() {
    let header = |kind: u8| [b'Q', b'M', b'P', b'F', 1, 1, kind].to_vec();
    let mut multi = header(3);
    multi.extend_from_slice(&u64::MAX.to_be_bytes());
    multi.extend_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(
        Proof::from_bytes(&multi),
        Err(DecodeError::Truncated {
            offset: 19,
            needed: 8 * u64::from(u32::MAX),
            available: 0
        })
    );
    let mut witness = header(6);
    for field in [1, u64::MAX, u64::MAX] {
        witness.extend_from_slice(&u64::to_be_bytes(field));
    }
    witness.extend_from_slice(&[0; 32]);
    assert_eq!(
        Proof::from_bytes(&witness),
        Err(DecodeError::Truncated {
            offset: 63,
            needed: u64::MAX,
            available: 0
        })
    );
}

#[test]
fn mixed_profiles_and_foreign_heads_are_refused() {
    let (keccak, blake3) = (Profile::Keccak256, Profile::Blake3);
    let (mut naive, log) = (Naive::new(keccak, 30), log(keccak, 30));
    let prover = log.prover(30).unwrap();
    let (head, hash) = (naive.head(30), naive.leaf_hash(3));
    let proof = prover.inclusion(TxNum(3)).unwrap();
    let other = Head {
        profile: blake3,
        ..head
    };
    let error = Err(VerifyError::Profile {
        found: keccak,
        trusted: blake3,
    });
    assert_eq!(proof.verify(&other, TxNum(3), hash), error);
    let error = Err(VerifyError::Profile {
        found: blake3,
        trusted: keccak,
    });
    assert_eq!(proof.verify_with(&blake3, &head, TxNum(3), hash), error);

    let old = naive.head(20);
    let consistency = prover.consistency(20).unwrap();
    for foreign in [
        Head {
            chain_id: CHAIN_ID + 1,
            ..old
        },
        Head {
            profile: blake3,
            ..old
        },
        Head {
            scheme: qmtree_proofs::Scheme::ReadSet1,
            ..old
        },
    ] {
        assert_ne!(
            (foreign.chain_id, foreign.profile, foreign.scheme),
            (CHAIN_ID, keccak, SCHEME)
        );
        assert_eq!(
            consistency.verify(&foreign, &head),
            Err(VerifyError::ForeignHead)
        );
    }
}

#[test]
fn leaf_0_links_to_nothing() {
    for profile in Profile::ALL {
        let (mut naive, log) = (Naive::new(profile, 1), log(profile, 1));
        let proof = log.prover(1).unwrap().inclusion(TxNum(0)).unwrap();
        let mut leaf = log.leaf(TxNum(0)).unwrap();
        leaf.previous_leaf_hash.0[0] = 1;
        let range = log.prover(1).unwrap().range(TxNum(0), TxNum(1)).unwrap();
        let payloads = vec![leaf.payload().to_bytes()];
        let made = RangeWitness::new(leaf.previous_leaf_hash, payloads, range.clone());
        assert_eq!(made, Err(ShapeError::FirstLink));
        assert_eq!(
            Witness::new(leaf, proof.clone()),
            Err(ShapeError::FirstLink)
        );

        // The same through the decoder.
        let good = Witness::new(log.leaf(TxNum(0)).unwrap(), proof).unwrap();
        let mut bytes = good.to_bytes();
        bytes[7 + 16 + 96] ^= 1;
        let error = Err(DecodeError::Shape(ShapeError::FirstLink));
        assert_eq!(Witness::from_bytes(&bytes), error);
        good.verify(&naive.head(1), TxNum(0)).unwrap();
    }
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let text = |error: &dyn std::error::Error| error.to_string();
    assert_eq!(
        text(&VerifyError::LeafCount {
            found: 5,
            trusted: 9
        }),
        "the proof is for a tree of 5 leaves, the trusted head has 9; ask for a proof at that head"
    );
    assert_eq!(
        text(&DecodeError::Truncated {
            offset: 19,
            needed: 64,
            available: 3
        }),
        "cut short at byte 19: 64 bytes needed there, 3 left"
    );
    assert_eq!(
        text(&DecodeError::Magic { found: *b"ELF!" }),
        "not a QMTree proof: starts with [45, 4c, 46, 21] instead of \"QMPF\""
    );
    assert_eq!(
        text(&ShapeError::OutsideTree {
            tx_num: TxNum(7),
            leaf_count: 7
        }),
        "no leaf 7 in a tree of 7 leaves"
    );
    assert_eq!(
        text(&DecodeError::PathLength { found: 424 }),
        "a ProofPath of 424 bytes; they have 8 + 32 * (U + 13), U from 1 to 53"
    );
    let header = |kind| [b'Q', b'M', b'P', b'F', 1, 1, kind];
    assert_eq!(
        text(&RangeProof::from_bytes(&header(6)).unwrap_err()),
        "a proof of kind 6 (rangeWitness) where kind 2 (range) is expected"
    );
    assert_eq!(
        text(&Proof::from_bytes(&header(8)).unwrap_err()),
        "a proof of kind 8; known are 1 to 7"
    );
}
