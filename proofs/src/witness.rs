//! Witnesses: proofs that carry the leaves they prove, so that they can be checked alone.

use crate::codec::{Kind, Reader, Wire, put_digests, wire_methods};
use crate::error::{DecodeError, ShapeError, VerifyError};
use crate::hash::{PAYLOAD_LEN, Profile, TreeHasher};
use crate::head::Head;
use crate::inclusion::{InclusionProof, path_len};
use crate::leaf::{Leaf, LeafPayload};
use crate::level::TxNum;
use crate::range::RangeProof;
use crate::verify::check_root;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// One leaf and its inclusion proof.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    leaf: Leaf,
    proof: InclusionProof,
}

impl Witness {
    /// A witness from its parts.
    ///
    /// # Errors
    /// [`ShapeError::FirstLink`] if it is leaf 0 and links to a leaf before it.
    pub fn new(leaf: Leaf, proof: InclusionProof) -> Result<Self, ShapeError> {
        check_first_link(proof.tx_num(), leaf.previous_leaf_hash)?;
        Ok(Self { leaf, proof })
    }

    /// The leaf.
    #[must_use]
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The proof of its position.
    #[must_use]
    pub fn proof(&self) -> &InclusionProof {
        &self.proof
    }

    /// Checks that the leaf is at `tx_num` in the tree of `head`. No allocation.
    ///
    /// # Errors
    /// As [`InclusionProof::verify`].
    pub fn verify(&self, head: &Head, tx_num: TxNum) -> Result<(), VerifyError> {
        self.verify_with(&self.proof.profile(), head, tx_num)
    }

    /// [`verify`](Self::verify) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        tx_num: TxNum,
    ) -> Result<(), VerifyError> {
        self.proof
            .verify_with(hasher, head, tx_num, self.leaf.hash(hasher))
    }
}

/// A range of leaves and its proof. Links inside the range are not sent: they follow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RangeWitness {
    previous_leaf_hash: B256,
    payloads: Vec<[u8; PAYLOAD_LEN]>,
    proof: RangeProof,
}

impl RangeWitness {
    /// A witness from its parts: the hash of the leaf before the range, the payloads of its leaves
    /// as bytes, and the proof of their positions.
    ///
    /// # Errors
    /// [`ShapeError::LeafCount`] if there are not as many payloads as the proof covers,
    /// [`ShapeError::FirstLink`] if the range starts at leaf 0 and links to a leaf before it.
    pub fn new(
        previous_leaf_hash: B256,
        payloads: Vec<[u8; PAYLOAD_LEN]>,
        proof: RangeProof,
    ) -> Result<Self, ShapeError> {
        check_first_link(proof.from(), previous_leaf_hash)?;
        let (expected, found) = (proof.covered(), payloads.len() as u64);
        if found != expected {
            return Err(ShapeError::LeafCount { expected, found });
        }
        Ok(Self {
            previous_leaf_hash,
            payloads,
            proof,
        })
    }

    /// Hash of the leaf before the range, zero if the range starts at leaf 0.
    #[must_use]
    pub fn previous_leaf_hash(&self) -> B256 {
        self.previous_leaf_hash
    }

    /// The payloads of the leaves, in order.
    pub fn payloads(&self) -> impl ExactSizeIterator<Item = LeafPayload> + '_ {
        self.payloads.iter().map(LeafPayload::from_bytes)
    }

    /// The same as bytes.
    #[cfg(feature = "serde")]
    pub(crate) fn payload_bytes(&self) -> &[[u8; PAYLOAD_LEN]] {
        &self.payloads
    }

    /// The proof of their positions.
    #[must_use]
    pub fn proof(&self) -> &RangeProof {
        &self.proof
    }

    /// Checks that the leaves, linked to one another, are those at `from..to` of `head`'s tree.
    ///
    /// Costs about two hashes per leaf, one of them serial, and none if the head or the positions
    /// are not those of the proof. Allocates one and a half digests per leaf. Never panics.
    ///
    /// # Errors
    /// As [`RangeProof::verify`].
    pub fn verify(&self, head: &Head, from: TxNum, to: TxNum) -> Result<(), VerifyError> {
        self.verify_with(&self.proof.profile(), head, from, to)
    }

    /// [`verify`](Self::verify) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        from: TxNum,
        to: TxNum,
    ) -> Result<(), VerifyError> {
        if self.proof.to() != to {
            return Err(VerifyError::Position {
                found: self.proof.to(),
                expected: to,
            });
        }
        let leaves = self.payloads.len();
        self.proof.check_claim(hasher, head, from, leaves as u64)?;
        let mut nodes = RangeProof::room_for(leaves);
        nodes.resize(leaves, [0; 32]);
        hasher.chain_leaves(self.previous_leaf_hash.0, &self.payloads, &mut nodes);
        check_root(self.proof.fold(hasher, nodes), head)
    }

    /// The hashes of the leaves, in order, as they follow from the chain. One serial hash each.
    #[must_use]
    pub fn leaf_hashes(&self, hasher: &impl TreeHasher) -> Vec<B256> {
        let mut hashes = vec![[0; 32]; self.payloads.len()];
        hasher.chain_leaves(self.previous_leaf_hash.0, &self.payloads, &mut hashes);
        hashes.into_iter().map(B256::new).collect()
    }
}

/// Leaf 0 has no leaf before it, and says so with a zero link.
pub(crate) fn check_first_link(first: TxNum, previous: B256) -> Result<(), ShapeError> {
    if first.0 == 0 && previous != B256::ZERO {
        Err(ShapeError::FirstLink)
    } else {
        Ok(())
    }
}

impl Wire for Witness {
    const KIND: Kind = Kind::Witness;

    fn profile(&self) -> Profile {
        self.proof.profile()
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.proof.tx_num().0.to_be_bytes());
        out.extend_from_slice(&self.proof.leaf_count().to_be_bytes());
        out.extend_from_slice(&self.leaf.to_bytes());
        put_digests(out, self.proof.siblings());
    }

    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (tx_num, leaf_count) = (TxNum(reader.u64()?), reader.u64()?);
        let expected = path_len(tx_num, leaf_count)?;
        let leaf = Leaf::from_bytes(&reader.array()?);
        let siblings = reader.digests(expected)?;
        let proof = InclusionProof::new(profile, tx_num, leaf_count, siblings)?;
        Ok(Self::new(leaf, proof)?)
    }
}

impl Wire for RangeWitness {
    const KIND: Kind = Kind::RangeWitness;

    fn profile(&self) -> Profile {
        self.proof.profile()
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        self.proof.encode_bounds(out);
        out.extend_from_slice(self.previous_leaf_hash.as_slice());
        out.extend_from_slice(self.payloads.as_flattened());
        put_digests(out, self.proof.siblings());
    }

    fn decode_body(profile: Profile, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (from, to, leaf_count, expected) = RangeProof::decode_bounds(reader)?;
        let previous = reader.digest()?;
        let payloads = reader.arrays(to.0 - from.0)?.to_vec();
        let siblings = reader.digests(expected)?;
        let proof = RangeProof::new(profile, from, to, leaf_count, siblings)?;
        Ok(Self::new(previous, payloads, proof)?)
    }
}

wire_methods!(Witness);
wire_methods!(RangeWitness);
