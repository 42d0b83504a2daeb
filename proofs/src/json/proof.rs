//! The JSON forms of the proofs: one object for all kinds, of which each has its own fields.

use super::entry::OpenedEntry;
use super::read::{Hash, List, Number, Object, Seen, read_name, read_object};
use crate::codec::{Kind, Wire};
use crate::consistency::ConsistencyProof;
use crate::error::ShapeError;
use crate::hash::{PAYLOAD_LEN, Profile};
use crate::inclusion::InclusionProof;
use crate::leaf::Leaf;
use crate::level::TxNum;
use crate::multi::MultiProof;
use crate::proof::Proof;
use crate::range::RangeProof;
use crate::state::StateProof;
use crate::witness::{RangeWitness, Witness};
use alloc::vec::Vec;
use alloy_primitives::B256;
use serde::de::{self, Deserialize, Deserializer, MapAccess};

/// The fields of a kind. All of them are required, and no others may be there.
fn fields_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Inclusion => &["kind", "profile", "txNum", "leafCount", "siblings"],
        Kind::Range => &["kind", "profile", "from", "to", "leafCount", "siblings"],
        Kind::Multi => &["kind", "profile", "leafCount", "txNums", "siblings"],
        Kind::Consistency => &["kind", "profile", "oldLeafCount", "leafCount", "nodes"],
        Kind::Witness => &["kind", "profile", "txNum", "leafCount", "leaf", "siblings"],
        Kind::RangeWitness => &[
            "kind",
            "profile",
            "from",
            "to",
            "leafCount",
            "previousLeafHash",
            "leaves",
            "siblings",
        ],
        Kind::State => &["kind", "profile", "entryCount", "entries", "nodes"],
    }
}

/// The fields of all kinds.
struct ProofFields {
    kind: Option<Kind>,
    profile: Profile,
    tx_num: TxNum,
    from: TxNum,
    to: TxNum,
    tx_nums: Vec<TxNum>,
    old_leaf_count: u64,
    leaf_count: u64,
    leaf: Leaf,
    previous_leaf_hash: B256,
    leaves: Vec<[u8; PAYLOAD_LEN]>,
    siblings: Vec<B256>,
    nodes: Vec<B256>,
    entry_count: u64,
    entries: Vec<OpenedEntry>,
}

impl ProofFields {
    /// Placeholders: none of them is used unless its field was read.
    const EMPTY: Self = Self {
        kind: None,
        profile: Profile::Keccak256,
        tx_num: TxNum(0),
        from: TxNum(0),
        to: TxNum(0),
        tx_nums: Vec::new(),
        old_leaf_count: 0,
        leaf_count: 0,
        leaf: Leaf {
            pre_state_hash: B256::ZERO,
            state_change_hash: B256::ZERO,
            transition_hash: B256::ZERO,
            previous_leaf_hash: B256::ZERO,
        },
        previous_leaf_hash: B256::ZERO,
        leaves: Vec::new(),
        siblings: Vec::new(),
        nodes: Vec::new(),
        entry_count: 0,
        entries: Vec::new(),
    };

    /// The proof, once its kind is known to have exactly the fields that were read.
    fn into_proof(self, kind: Kind) -> Result<Proof, ShapeError> {
        let (profile, leaf_count) = (self.profile, self.leaf_count);
        let (from, to) = (self.from, self.to);
        let inclusion = |siblings| InclusionProof::new(profile, self.tx_num, leaf_count, siblings);
        let range = |siblings| RangeProof::new(profile, from, to, leaf_count, siblings);
        Ok(match kind {
            Kind::Inclusion => Proof::Inclusion(inclusion(self.siblings)?),
            Kind::Range => Proof::Range(range(self.siblings)?),
            Kind::Multi => {
                let proof = MultiProof::new(profile, leaf_count, self.tx_nums, self.siblings);
                Proof::Multi(proof?)
            }
            Kind::Consistency => {
                let old = self.old_leaf_count;
                Proof::Consistency(ConsistencyProof::new(profile, old, leaf_count, self.nodes)?)
            }
            Kind::Witness => Proof::Witness(Witness::new(self.leaf, inclusion(self.siblings)?)?),
            Kind::RangeWitness => {
                let (previous, proof) = (self.previous_leaf_hash, range(self.siblings)?);
                Proof::RangeWitness(RangeWitness::new(previous, self.leaves, proof)?)
            }
            Kind::State => {
                let count = self.entry_count;
                let ids = self.entries.iter().map(|entry| entry.id).collect();
                let shown = self.entries.iter().map(|entry| entry.shown).collect();
                let entries = self.entries.iter().map(|entry| entry.bytes).collect();
                let proof = StateProof::new(profile, count, ids, shown, entries, self.nodes);
                Proof::State(proof?)
            }
        })
    }
}

impl Object for ProofFields {
    const WHAT: &'static str = "a proof";
    const NAMES: &'static [&'static str] = &[
        "kind",
        "profile",
        "txNum",
        "from",
        "to",
        "txNums",
        "oldLeafCount",
        "leafCount",
        "leaf",
        "previousLeafHash",
        "leaves",
        "siblings",
        "nodes",
        "entryCount",
        "entries",
    ];
    type Value = Proof;

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "kind" => self.kind = Some(map.next_value()?),
            "profile" => self.profile = map.next_value()?,
            "txNum" => self.tx_num = TxNum(map.next_value::<Number>()?.0),
            "from" => self.from = TxNum(map.next_value::<Number>()?.0),
            "to" => self.to = TxNum(map.next_value::<Number>()?.0),
            "txNums" => self.tx_nums = map.next_value::<List<_>>()?.0,
            "oldLeafCount" => self.old_leaf_count = map.next_value::<Number>()?.0,
            "leafCount" => self.leaf_count = map.next_value::<Number>()?.0,
            "leaf" => self.leaf = map.next_value()?,
            "previousLeafHash" => self.previous_leaf_hash = map.next_value::<Hash>()?.0,
            "leaves" => self.leaves = map.next_value::<List<_>>()?.0,
            "siblings" => self.siblings = map.next_value::<List<_>>()?.0,
            "entryCount" => self.entry_count = map.next_value::<Number>()?.0,
            "entries" => self.entries = map.next_value::<List<_>>()?.0,
            "nodes" => self.nodes = map.next_value::<List<_>>()?.0,
            _ => unreachable!("not in NAMES"),
        }
        Ok(())
    }

    fn finish<E: de::Error>(self, seen: Seen) -> Result<Proof, E> {
        let kind = self.kind.ok_or_else(|| E::missing_field("kind"))?;
        let fields = fields_of(kind);
        if let Some(name) = seen.other_than(fields) {
            let kind = kind.name();
            return Err(E::custom(format_args!(
                "field `{name}` does not belong to the kind `{kind}`"
            )));
        }
        seen.all_of(fields)?;
        self.into_proof(kind).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let from_name = |name: &str| Self::ALL.into_iter().find(|kind| kind.name() == name);
        read_name(deserializer, "a kind of proof", from_name)
    }
}

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_object(deserializer, ProofFields::EMPTY)
    }
}

/// Each kind from the form of any kind.
macro_rules! from_any_kind {
    ($($kind:ident => $type:ty),+) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match Proof::deserialize(deserializer)? {
                    Proof::$kind(proof) => Ok(proof),
                    _ => Err(de::Error::custom(format_args!(
                        "a proof of another kind than `{}`",
                        <$type as Wire>::KIND.name()
                    ))),
                }
            }
        }
    )+};
}

from_any_kind!(
    Inclusion => InclusionProof,
    Range => RangeProof,
    Multi => MultiProof,
    Consistency => ConsistencyProof,
    Witness => Witness,
    RangeWitness => RangeWitness,
    State => StateProof
);
