//! The JSON forms of docs/FORMAT.md, sections 2 and 3.2, under the same rules as the bytes.

use crate::consistency::ConsistencyProof;
use crate::error::{DecodeError, ShapeError};
use crate::hash::Profile;
use crate::head::{Head, Scheme};
use crate::inclusion::InclusionProof;
use crate::leaf::{Leaf, LeafPayload};
use crate::level::TxNum;
use crate::multi::MultiProof;
use crate::proof::Proof;
use crate::range::RangeProof;
use crate::witness::{RangeWitness, Witness};
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::fmt;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HeadRepr {
    chain_id: u64,
    profile: Profile,
    scheme: Scheme,
    block_number: u64,
    leaf_count: u64,
    root: B256,
    entry_count: u64,
    state_root: B256,
    #[serde(default)]
    head_hash: Option<B256>,
}

impl From<Head> for HeadRepr {
    fn from(head: Head) -> Self {
        let head_hash = Some(head.hash());
        let Head {
            chain_id,
            profile,
            scheme,
            block_number,
            leaf_count,
            root,
            ..
        } = head;
        let Head {
            entry_count,
            state_root,
            ..
        } = head;
        Self {
            chain_id,
            profile,
            scheme,
            block_number,
            leaf_count,
            root,
            entry_count,
            state_root,
            head_hash,
        }
    }
}

impl TryFrom<HeadRepr> for Head {
    type Error = HeadJsonError;

    fn try_from(repr: HeadRepr) -> Result<Self, HeadJsonError> {
        let HeadRepr {
            chain_id,
            profile,
            scheme,
            block_number,
            leaf_count,
            root,
            ..
        } = repr;
        let HeadRepr {
            entry_count,
            state_root,
            head_hash,
            ..
        } = repr;
        let head = Self {
            chain_id,
            profile,
            scheme,
            block_number,
            leaf_count,
            root,
            entry_count,
            state_root,
        };
        head.check().map_err(HeadJsonError::Fields)?;
        match head_hash {
            Some(claimed) if claimed != head.hash() => Err(HeadJsonError::Hash {
                claimed,
                computed: head.hash(),
            }),
            _ => Ok(head),
        }
    }
}

/// Why JSON fields are not a head.
#[derive(Debug)]
pub(crate) enum HeadJsonError {
    Fields(DecodeError),
    Hash { claimed: B256, computed: B256 },
}

impl fmt::Display for HeadJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(error) => error.fmt(f),
            Self::Hash { claimed, computed } => {
                write!(
                    f,
                    "headHash is {claimed}, but the fields hash to {computed}"
                )
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub(crate) enum ProofRepr {
    Inclusion {
        profile: Profile,
        tx_num: TxNum,
        leaf_count: u64,
        siblings: Vec<B256>,
    },
    Range {
        profile: Profile,
        from: TxNum,
        to: TxNum,
        leaf_count: u64,
        siblings: Vec<B256>,
    },
    Multi {
        profile: Profile,
        leaf_count: u64,
        tx_nums: Vec<TxNum>,
        siblings: Vec<B256>,
    },
    Consistency {
        profile: Profile,
        old_leaf_count: u64,
        leaf_count: u64,
        nodes: Vec<B256>,
    },
    Witness {
        profile: Profile,
        tx_num: TxNum,
        leaf_count: u64,
        leaf: Leaf,
        siblings: Vec<B256>,
    },
    RangeWitness {
        profile: Profile,
        from: TxNum,
        to: TxNum,
        leaf_count: u64,
        previous_leaf_hash: B256,
        leaves: Vec<LeafPayload>,
        siblings: Vec<B256>,
    },
}

/// Why JSON fields are not the proof that was asked for.
#[derive(Debug)]
pub(crate) enum ProofJsonError {
    Shape(ShapeError),
    Kind,
}

impl fmt::Display for ProofJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(shape) => shape.fmt(f),
            Self::Kind => f.write_str("a proof of another kind"),
        }
    }
}

impl From<ShapeError> for ProofJsonError {
    fn from(shape: ShapeError) -> Self {
        Self::Shape(shape)
    }
}

impl TryFrom<ProofRepr> for Proof {
    type Error = ProofJsonError;

    fn try_from(repr: ProofRepr) -> Result<Self, ProofJsonError> {
        Ok(match repr {
            ProofRepr::Inclusion {
                profile,
                tx_num,
                leaf_count,
                siblings,
            } => Self::Inclusion(InclusionProof::new(profile, tx_num, leaf_count, siblings)?),
            ProofRepr::Range {
                profile,
                from,
                to,
                leaf_count,
                siblings,
            } => Self::Range(RangeProof::new(profile, from, to, leaf_count, siblings)?),
            ProofRepr::Multi {
                profile,
                leaf_count,
                tx_nums,
                siblings,
            } => Self::Multi(MultiProof::new(profile, leaf_count, tx_nums, siblings)?),
            ProofRepr::Consistency {
                profile,
                old_leaf_count,
                leaf_count,
                nodes,
            } => {
                let proof = ConsistencyProof::new(profile, old_leaf_count, leaf_count, nodes);
                Self::Consistency(proof?)
            }
            ProofRepr::Witness {
                profile,
                tx_num,
                leaf_count,
                leaf,
                siblings,
            } => {
                let proof = InclusionProof::new(profile, tx_num, leaf_count, siblings)?;
                Self::Witness(Witness::new(leaf, proof)?)
            }
            ProofRepr::RangeWitness {
                profile,
                from,
                to,
                leaf_count,
                previous_leaf_hash,
                leaves,
                siblings,
            } => {
                let proof = RangeProof::new(profile, from, to, leaf_count, siblings)?;
                let payloads = leaves.iter().map(LeafPayload::to_bytes).collect();
                Self::RangeWitness(RangeWitness::new(previous_leaf_hash, payloads, proof)?)
            }
        })
    }
}

impl From<Proof> for ProofRepr {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Inclusion(proof) => proof.into(),
            Proof::Range(proof) => proof.into(),
            Proof::Multi(proof) => proof.into(),
            Proof::Consistency(proof) => proof.into(),
            Proof::Witness(witness) => witness.into(),
            Proof::RangeWitness(witness) => witness.into(),
        }
    }
}

impl From<InclusionProof> for ProofRepr {
    fn from(proof: InclusionProof) -> Self {
        Self::Inclusion {
            profile: proof.profile(),
            tx_num: proof.tx_num(),
            leaf_count: proof.leaf_count(),
            siblings: proof.siblings().to_vec(),
        }
    }
}

impl From<RangeProof> for ProofRepr {
    fn from(proof: RangeProof) -> Self {
        Self::Range {
            profile: proof.profile(),
            from: proof.from(),
            to: proof.to(),
            leaf_count: proof.leaf_count(),
            siblings: proof.siblings().to_vec(),
        }
    }
}

impl From<MultiProof> for ProofRepr {
    fn from(proof: MultiProof) -> Self {
        Self::Multi {
            profile: proof.profile(),
            leaf_count: proof.leaf_count(),
            tx_nums: proof.tx_nums().to_vec(),
            siblings: proof.siblings().to_vec(),
        }
    }
}

impl From<ConsistencyProof> for ProofRepr {
    fn from(proof: ConsistencyProof) -> Self {
        Self::Consistency {
            profile: proof.profile(),
            old_leaf_count: proof.old_leaf_count(),
            leaf_count: proof.leaf_count(),
            nodes: proof.nodes().to_vec(),
        }
    }
}

impl From<Witness> for ProofRepr {
    fn from(witness: Witness) -> Self {
        let proof = witness.proof();
        Self::Witness {
            profile: proof.profile(),
            tx_num: proof.tx_num(),
            leaf_count: proof.leaf_count(),
            leaf: *witness.leaf(),
            siblings: proof.siblings().to_vec(),
        }
    }
}

impl From<RangeWitness> for ProofRepr {
    fn from(witness: RangeWitness) -> Self {
        let proof = witness.proof();
        Self::RangeWitness {
            profile: proof.profile(),
            from: proof.from(),
            to: proof.to(),
            leaf_count: proof.leaf_count(),
            previous_leaf_hash: witness.previous_leaf_hash(),
            leaves: witness.payloads().collect(),
            siblings: proof.siblings().to_vec(),
        }
    }
}

/// Each kind from the form of any kind.
macro_rules! from_repr {
    ($($kind:ident => $type:ty),+) => {$(
        impl TryFrom<ProofRepr> for $type {
            type Error = ProofJsonError;

            fn try_from(repr: ProofRepr) -> Result<Self, ProofJsonError> {
                match Proof::try_from(repr)? {
                    Proof::$kind(proof) => Ok(proof),
                    _ => Err(ProofJsonError::Kind),
                }
            }
        }
    )+};
}

from_repr!(
    Inclusion => InclusionProof,
    Range => RangeProof,
    Multi => MultiProof,
    Consistency => ConsistencyProof,
    Witness => Witness,
    RangeWitness => RangeWitness
);
