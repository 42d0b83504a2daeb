//! A proof of any kind, for callers that learn the kind from the bytes.

use crate::codec::{Kind, Wire, kind_of};
use crate::consistency::ConsistencyProof;
use crate::error::DecodeError;
use crate::hash::Profile;
use crate::inclusion::InclusionProof;
use crate::multi::MultiProof;
use crate::range::RangeProof;
use crate::state::StateProof;
use crate::witness::{RangeWitness, Witness};
use alloc::vec::Vec;

/// A proof of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proof {
    /// One leaf's position.
    Inclusion(InclusionProof),
    /// The positions of a range of leaves.
    Range(RangeProof),
    /// The positions of a set of leaves.
    Multi(MultiProof),
    /// An older log is a prefix of a newer one.
    Consistency(ConsistencyProof),
    /// One leaf and its position.
    Witness(Witness),
    /// A range of leaves and their positions.
    RangeWitness(RangeWitness),
    /// Values or absences in the state log, now or at a past transaction.
    State(StateProof),
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
            Self::State($inner) => $result,
        }
    };
}

impl Proof {
    /// The name of the kind, as in the JSON form.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        fn name<T: Wire>(_: &T) -> &'static str {
            T::KIND.name()
        }
        each!(self, proof => name(proof))
    }

    /// Leaves in the tree under whose head the proof verifies; the newer tree of a consistency
    /// proof, the entries in the state log of a state proof.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        match self {
            Self::Inclusion(proof) => proof.leaf_count(),
            Self::Range(proof) => proof.leaf_count(),
            Self::Multi(proof) => proof.leaf_count(),
            Self::Consistency(proof) => proof.leaf_count(),
            Self::Witness(witness) => witness.proof().leaf_count(),
            Self::RangeWitness(witness) => witness.proof().leaf_count(),
            Self::State(proof) => proof.entry_count(),
        }
    }

    /// The hash rules of the tree.
    #[must_use]
    pub fn profile(&self) -> Profile {
        each!(self, proof => Wire::profile(proof))
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
        let found = kind_of(bytes)?;
        let kind = Kind::from_id(found).ok_or(DecodeError::Kind {
            found,
            expected: None,
        })?;
        match kind {
            Kind::Inclusion => InclusionProof::from_bytes(bytes).map(Self::Inclusion),
            Kind::Range => RangeProof::from_bytes(bytes).map(Self::Range),
            Kind::Multi => MultiProof::from_bytes(bytes).map(Self::Multi),
            Kind::Consistency => ConsistencyProof::from_bytes(bytes).map(Self::Consistency),
            Kind::Witness => Witness::from_bytes(bytes).map(Self::Witness),
            Kind::RangeWitness => RangeWitness::from_bytes(bytes).map(Self::RangeWitness),
            Kind::State => StateProof::from_bytes(bytes).map(Self::State),
        }
    }
}
