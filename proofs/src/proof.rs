//! A proof of any kind, for callers that learn the kind from the bytes.

use crate::codec::{Kind, kind_of};
use crate::consistency::ConsistencyProof;
use crate::error::DecodeError;
use crate::hash::Profile;
use crate::inclusion::InclusionProof;
use crate::multi::MultiProof;
use crate::range::RangeProof;
use crate::witness::{RangeWitness, Witness};
use alloc::vec::Vec;

/// A proof of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "crate::json::ProofRepr", try_from = "crate::json::ProofRepr")
)]
#[non_exhaustive]
pub enum Proof {
    /// One leaf's position.
    Inclusion(InclusionProof),
    /// The positions of a run of leaves.
    Range(RangeProof),
    /// The positions of a set of leaves.
    Multi(MultiProof),
    /// An older log is a prefix of a newer one.
    Consistency(ConsistencyProof),
    /// One leaf and its position.
    Witness(Witness),
    /// A run of leaves and their positions.
    RangeWitness(RangeWitness),
}

/// Applies one expression to whatever proof is inside.
macro_rules! each {
    ($proof:expr, $inner:ident => $result:expr) => {
        match $proof {
            Self::Inclusion($inner) => $result,
            Self::Range($inner) => $result,
            Self::Multi($inner) => $result,
            Self::Consistency($inner) => $result,
            Self::Witness($inner) => $result,
            Self::RangeWitness($inner) => $result,
        }
    };
}

impl Proof {
    /// The hash rules of the tree.
    #[must_use]
    pub fn profile(&self) -> Profile {
        each!(self, proof => crate::codec::Wire::profile(proof))
    }

    /// The canonical encoding of docs/FORMAT.md, section 3.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        each!(self, proof => proof.to_bytes())
    }

    /// Decodes a proof of any kind. Safe on untrusted input, like the decoder of each kind.
    ///
    /// # Errors
    /// [`DecodeError`] names the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        const INCLUSION: u8 = Kind::Inclusion as u8;
        const RANGE: u8 = Kind::Range as u8;
        const MULTI: u8 = Kind::Multi as u8;
        const CONSISTENCY: u8 = Kind::Consistency as u8;
        const WITNESS: u8 = Kind::Witness as u8;
        const RANGE_WITNESS: u8 = Kind::RangeWitness as u8;
        match kind_of(bytes)? {
            INCLUSION => InclusionProof::from_bytes(bytes).map(Self::Inclusion),
            RANGE => RangeProof::from_bytes(bytes).map(Self::Range),
            MULTI => MultiProof::from_bytes(bytes).map(Self::Multi),
            CONSISTENCY => ConsistencyProof::from_bytes(bytes).map(Self::Consistency),
            WITNESS => Witness::from_bytes(bytes).map(Self::Witness),
            RANGE_WITNESS => RangeWitness::from_bytes(bytes).map(Self::RangeWitness),
            found => Err(DecodeError::Kind { found }),
        }
    }
}
