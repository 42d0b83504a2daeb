//! One proof, one encoding, for proofs made at random and for bytes made at random.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use common::state::{NaiveState, key, state_log};
use common::{Naive, log};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use qmtree_proofs::{
    Head, MemoryLog, Profile, Proof, RangeWitness, Scheme, TxNum, Witness, erigon,
    state::MemoryStateLog,
};
use std::sync::LazyLock;

const LEAVES: u64 = 5000;

static LOGS: LazyLock<Vec<MemoryLog<Profile>>> =
    LazyLock::new(|| Profile::ALL.map(|profile| log(profile, LEAVES)).to_vec());

static STATE_LOGS: LazyLock<Vec<(MemoryStateLog<Profile>, NaiveState)>> = LazyLock::new(|| {
    Profile::ALL
        .map(|profile| state_log(profile, 14, 700))
        .to_vec()
});

/// Any proof of any kind, at any head of a log.
fn any_proof() -> impl Strategy<Value = Proof> {
    let set = proptest::collection::btree_set(0..LEAVES, 1..40);
    (0..2usize, 2..=LEAVES, 0..7, any::<(u64, u64)>(), set).prop_map(
        |(profile, n, kind, (a, b), set)| {
            let log = &LOGS[profile];
            let prover = log.prover(n).unwrap();
            let i = TxNum(a % n);
            let (from, to) = (
                TxNum(a.min(b) % n),
                TxNum((a.min(b) % n + 1 + b % 20).min(n)),
            );
            let tx_nums: Vec<_> = set.into_iter().filter(|i| *i < n).map(TxNum).collect();
            let inclusion = prover.inclusion(i).unwrap();
            let range = prover.range(from, to).unwrap();
            match kind {
                0 => Proof::Range(range),
                1 if !tx_nums.is_empty() => Proof::Multi(prover.multi(&tx_nums).unwrap()),
                2 => Proof::Consistency(prover.consistency(1 + a % (n - 1)).unwrap()),
                3 => Proof::Witness(Witness::new(log.leaf(i).unwrap(), inclusion).unwrap()),
                4 => {
                    let previous = log.leaf(from).unwrap().previous_leaf_hash;
                    let payloads = log.payloads(from, to).unwrap().to_vec();
                    Proof::RangeWitness(RangeWitness::new(previous, payloads, range).unwrap())
                }
                5 => {
                    let (log, _) = &STATE_LOGS[profile];
                    let keys: Vec<_> = (0..1 + a % 9).map(|i| key(i * (b % 800) % 800)).collect();
                    let at = (b % 4 != 0).then_some(TxNum(b % 30));
                    Proof::State(log.prove_many(&keys, at).unwrap())
                }
                _ => Proof::Inclusion(inclusion),
            }
        },
    )
}

/// Bytes that begin like a proof more often than chance would have it.
fn near_proofs() -> impl Strategy<Value = Vec<u8>> {
    let random = proptest::collection::vec(any::<u8>(), 0..600);
    (any::<bool>(), 1..9u8, 1..4u8, 0..12u32, random).prop_map(
        |(framed, kind, profile, zeros, mut bytes)| {
            if framed {
                // Small numbers in the fields make shapes that can be met.
                for byte in bytes.iter_mut().take(zeros as usize * 2) {
                    *byte &= 0x0f;
                }
                bytes.splice(0..0, [b'Q', b'M', b'P', b'F', 1, profile, kind]);
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn decode_reverses_encode(proof in any_proof()) {
        let bytes = proof.to_bytes();
        prop_assert_eq!(&Proof::from_bytes(&bytes).unwrap(), &proof);
    }

    #[test]
    fn json_and_bytes_carry_the_same(proof in any_proof()) {
        let json = serde_json::to_string(&proof).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Proof>(&json).unwrap(), &proof);
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(bytes in near_proofs()) {
        if let Ok(proof) = Proof::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
        }
    }

    #[test]
    fn mutated_proofs_decode_to_themselves_or_not_at_all(
        proof in any_proof(),
        edits in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = proof.to_bytes();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(decoded) = Proof::from_bytes(&bytes) {
            prop_assert_eq!(decoded.to_bytes(), bytes);
        }
    }

    #[test]
    fn erigon_forms_decode_to_themselves_or_not_at_all(
        bytes in proptest::collection::vec(any::<u8>(), 0..1200),
        siblings in 0..70u32,
    ) {
        let mut framed = bytes.clone();
        framed.resize(72 + siblings as usize * 32, 7);
        for bytes in [bytes, framed.clone(), [&(framed.len() as u32).to_le_bytes()[..], &framed, &[9; 128]].concat()] {
            if let Ok(path) = erigon::ProofPath::from_bytes(&bytes) {
                prop_assert_eq!(path.to_bytes(), &bytes[..]);
            }
            if let Ok(witness) = erigon::Witness::from_bytes(&bytes) {
                prop_assert_eq!(witness.to_bytes(), &bytes[..]);
            }
            if let Ok(witness) = erigon::RangeWitness::from_bytes(&bytes) {
                prop_assert_eq!(witness.to_bytes(), &bytes[..]);
            }
        }
    }

    #[test]
    fn heads_round_trip_and_every_field_counts(
        (chain_id, block_number, leaf_count, entry_count) in any::<(u64, u64, u64, u64)>(),
        (root, state_root) in any::<([u8; 32], [u8; 32])>(),
        (blake3, read_set) in any::<(bool, bool)>(),
        flip in 0..Head::ENCODED_LEN * 8,
    ) {
        let head = Head {
            chain_id,
            profile: if blake3 { Profile::Blake3 } else { Profile::Keccak256 },
            scheme: if read_set { Scheme::ReadSet1 } else { Scheme::StateRoot1 },
            block_number,
            leaf_count: leaf_count.max(1),
            root: root.into(),
            entry_count: entry_count.max(1),
            state_root: state_root.into(),
        };
        let mut bytes = head.to_bytes();
        prop_assert_eq!(Head::from_bytes(&bytes).unwrap(), head);
        let json = serde_json::to_string(&head).unwrap();
        prop_assert_eq!(serde_json::from_str::<Head>(&json).unwrap(), head);
        bytes[flip / 8] ^= 1 << (flip % 8);
        if let Ok(other) = Head::from_bytes(&bytes) {
            prop_assert_eq!(other.to_bytes(), bytes);
            prop_assert_ne!(other.hash(), head.hash());
        }
    }
}

#[test]
fn heads_of_other_lengths_and_empty_logs_with_roots_are_refused() {
    let head = Naive::new(Profile::Keccak256, 3).head(3);
    let bytes = head.to_bytes();
    for len in 0..bytes.len() {
        Head::from_bytes(&bytes[..len]).unwrap_err();
    }
    Head::from_bytes(&[&bytes[..], &[0]].concat()).unwrap_err();
    let empty = Head {
        leaf_count: 0,
        ..head
    };
    assert_eq!(
        Head::from_bytes(&empty.to_bytes()),
        Err(qmtree_proofs::DecodeError::RootOfEmptyLog)
    );
}
