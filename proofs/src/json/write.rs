//! Writing of the JSON forms, from what they are about and without a copy of it.

use super::entry::ENTRY_NAMES;
use super::leaf::WORD_NAMES;
use crate::consistency::ConsistencyProof;
use crate::hash::{PAYLOAD_LEN, Profile};
use crate::head::{Head, Scheme};
use crate::inclusion::InclusionProof;
use crate::leaf::{Leaf, LeafPayload};
use crate::level::TxNum;
use crate::multi::MultiProof;
use crate::proof::Proof;
use crate::range::RangeProof;
use crate::state::{Entry, EntryId, StateProof};
use crate::witness::{RangeWitness, Witness};
use alloy_primitives::{B256, hex};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

struct Hash(B256);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hex::Buffer::<32, true>::new().format(&self.0.0))
    }
}

struct Hashes<'a>(&'a [B256]);

impl Serialize for Hashes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().copied().map(Hash))
    }
}

struct Payloads<'a>(&'a [[u8; PAYLOAD_LEN]]);

impl Serialize for Payloads<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(LeafPayload::from_bytes))
    }
}

struct Entries<'a>(&'a StateProof);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let places = self.0.ids().iter().zip(self.0.shown());
        let entries = places.zip(self.0.entries());
        serializer.collect_seq(entries.map(|((id, shown), entry)| OpenedEntry(*id, *shown, entry)))
    }
}

struct OpenedEntry(EntryId, bool, Entry);

impl Serialize for OpenedEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(id, shown, entry) = self;
        let [at, active, key, next_key, value, tx_num, supersedes, flags] = ENTRY_NAMES;
        let mut map = serializer.serialize_map(Some(ENTRY_NAMES.len()))?;
        map.serialize_entry(at, &id.0)?;
        map.serialize_entry(active, shown)?;
        map.serialize_entry(key, &Hash(entry.key))?;
        map.serialize_entry(next_key, &Hash(entry.next_key))?;
        map.serialize_entry(value, &Hash(entry.value.word()))?;
        map.serialize_entry(tx_num, &entry.tx_num)?;
        map.serialize_entry(supersedes, &entry.supersedes.unwrap_or_default().0)?;
        map.serialize_entry(flags, &entry.flags())?;
        map.end()
    }
}

/// The first words of a leaf, by their names.
fn words<S: Serializer>(serializer: S, words: &[B256]) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(words.len()))?;
    for (name, word) in WORD_NAMES.iter().zip(words) {
        map.serialize_entry(name, &Hash(*word))?;
    }
    map.end()
}

impl Serialize for LeafPayload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            pre_state_hash,
            state_change_hash,
            transition_hash,
        } = *self;
        words(
            serializer,
            &[pre_state_hash, state_change_hash, transition_hash],
        )
    }
}

impl Serialize for Leaf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            pre_state_hash,
            state_change_hash,
            transition_hash,
            previous_leaf_hash,
        } = *self;
        words(
            serializer,
            &[
                pre_state_hash,
                state_change_hash,
                transition_hash,
                previous_leaf_hash,
            ],
        )
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(9))?;
        map.serialize_entry("chainId", &self.chain_id)?;
        map.serialize_entry("profile", &self.profile)?;
        map.serialize_entry("scheme", &self.scheme)?;
        map.serialize_entry("blockNumber", &self.block_number)?;
        map.serialize_entry("leafCount", &self.leaf_count)?;
        map.serialize_entry("root", &Hash(self.root))?;
        map.serialize_entry("entryCount", &self.entry_count)?;
        map.serialize_entry("stateRoot", &Hash(self.state_root))?;
        map.serialize_entry("headHash", &Hash(self.hash()))?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Form<'a> {
    Inclusion {
        profile: Profile,
        tx_num: TxNum,
        leaf_count: u64,
        siblings: Hashes<'a>,
    },
    Range {
        profile: Profile,
        from: TxNum,
        to: TxNum,
        leaf_count: u64,
        siblings: Hashes<'a>,
    },
    Multi {
        profile: Profile,
        leaf_count: u64,
        tx_nums: &'a [TxNum],
        siblings: Hashes<'a>,
    },
    Consistency {
        profile: Profile,
        old_leaf_count: u64,
        leaf_count: u64,
        nodes: Hashes<'a>,
    },
    Witness {
        profile: Profile,
        tx_num: TxNum,
        leaf_count: u64,
        leaf: &'a Leaf,
        siblings: Hashes<'a>,
    },
    RangeWitness {
        profile: Profile,
        from: TxNum,
        to: TxNum,
        leaf_count: u64,
        previous_leaf_hash: Hash,
        leaves: Payloads<'a>,
        siblings: Hashes<'a>,
    },
    State {
        profile: Profile,
        entry_count: u64,
        entries: Entries<'a>,
        nodes: Hashes<'a>,
    },
}

impl<'a> From<&'a InclusionProof> for Form<'a> {
    fn from(proof: &'a InclusionProof) -> Self {
        Self::Inclusion {
            profile: proof.profile(),
            tx_num: proof.tx_num(),
            leaf_count: proof.leaf_count(),
            siblings: Hashes(proof.siblings()),
        }
    }
}

impl<'a> From<&'a RangeProof> for Form<'a> {
    fn from(proof: &'a RangeProof) -> Self {
        Self::Range {
            profile: proof.profile(),
            from: proof.from(),
            to: proof.to(),
            leaf_count: proof.leaf_count(),
            siblings: Hashes(proof.siblings()),
        }
    }
}

impl<'a> From<&'a MultiProof> for Form<'a> {
    fn from(proof: &'a MultiProof) -> Self {
        Self::Multi {
            profile: proof.profile(),
            leaf_count: proof.leaf_count(),
            tx_nums: proof.tx_nums(),
            siblings: Hashes(proof.siblings()),
        }
    }
}

impl<'a> From<&'a ConsistencyProof> for Form<'a> {
    fn from(proof: &'a ConsistencyProof) -> Self {
        Self::Consistency {
            profile: proof.profile(),
            old_leaf_count: proof.old_leaf_count(),
            leaf_count: proof.leaf_count(),
            nodes: Hashes(proof.nodes()),
        }
    }
}

impl<'a> From<&'a Witness> for Form<'a> {
    fn from(witness: &'a Witness) -> Self {
        let proof = witness.proof();
        Self::Witness {
            profile: proof.profile(),
            tx_num: proof.tx_num(),
            leaf_count: proof.leaf_count(),
            leaf: witness.leaf(),
            siblings: Hashes(proof.siblings()),
        }
    }
}

impl<'a> From<&'a RangeWitness> for Form<'a> {
    fn from(witness: &'a RangeWitness) -> Self {
        let proof = witness.proof();
        Self::RangeWitness {
            profile: proof.profile(),
            from: proof.from(),
            to: proof.to(),
            leaf_count: proof.leaf_count(),
            previous_leaf_hash: Hash(witness.previous_leaf_hash()),
            leaves: Payloads(witness.payload_bytes()),
            siblings: Hashes(proof.siblings()),
        }
    }
}

impl<'a> From<&'a StateProof> for Form<'a> {
    fn from(proof: &'a StateProof) -> Self {
        Self::State {
            profile: proof.profile(),
            entry_count: proof.entry_count(),
            entries: Entries(proof),
            nodes: Hashes(proof.nodes()),
        }
    }
}

impl<'a> From<&'a Proof> for Form<'a> {
    fn from(proof: &'a Proof) -> Self {
        match proof {
            Proof::Inclusion(proof) => proof.into(),
            Proof::Range(proof) => proof.into(),
            Proof::Multi(proof) => proof.into(),
            Proof::Consistency(proof) => proof.into(),
            Proof::Witness(witness) => witness.into(),
            Proof::RangeWitness(witness) => witness.into(),
            Proof::State(proof) => proof.into(),
        }
    }
}

macro_rules! serialize_as_form {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Form::from(self).serialize(serializer)
            }
        }
    )+};
}

serialize_as_form!(
    Proof,
    InclusionProof,
    RangeProof,
    MultiProof,
    ConsistencyProof,
    Witness,
    RangeWitness,
    StateProof
);
