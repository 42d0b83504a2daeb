//! The proof of concept's wire forms, read and written for interoperability (docs/FORMAT.md,
//! section 4). Keccak profile only.
//!
//! These forms carry neither a tree size nor a version, so decoding them says little; they become
//! proofs only under a trusted [`Head`], by the same rules as ours.

use crate::codec::{Reader, put_digests};
use crate::error::{DecodeError, ShapeError, VerifyError};
use crate::hash::{Keccak256, LEAF_LEN, Profile};
use crate::head::Head;
use crate::inclusion::{InclusionProof, climb, path_len};
use crate::leaf::Leaf;
use crate::level::{MAX_ROOT_LEVEL, TWIG_LEVEL, TxNum, ancestor, is_null, root_level};
use crate::range::RangeProof;
use crate::verify::{check_head, check_root};
use crate::witness::check_first_link;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// Position, leaf hash and root: what a `ProofPath` holds beside its siblings.
const PATH_FIXED: u64 = 8 + 32 + 32;
/// One leaf of a `RangeWitness`: its position and its four words.
const RANGE_LEAF_LEN: usize = 8 + LEAF_LEN;

/// `ProofPath`: the way from one leaf to a claimed root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProofPath {
    /// The leaf's position.
    pub tx_num: TxNum,
    /// The claimed leaf hash.
    pub leaf_hash: B256,
    /// All siblings, leaf side first: 11 inside the twig, at least one above.
    pub siblings: Vec<B256>,
    /// The claimed root.
    pub root: B256,
}

/// `Witness`: a path and the leaf at its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    /// The path.
    pub path: ProofPath,
    /// The leaf.
    pub leaf: Leaf,
}

/// `RangeWitness`: a range of leaves with the paths of the first and the last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RangeWitness {
    /// Path of the first leaf.
    pub first: ProofPath,
    /// Path of the last leaf; may be absent if there is one leaf only.
    pub last: Option<ProofPath>,
    /// The leaves with their positions.
    pub leaves: Vec<(TxNum, Leaf)>,
}

impl ProofPath {
    /// The path that states the same as `proof` does for a leaf with `leaf_hash` under `root`.
    ///
    /// # Errors
    /// [`ShapeError::NotKeccak`] if the proof is not of the Keccak profile.
    pub fn from_inclusion(
        proof: &InclusionProof,
        leaf_hash: B256,
        root: B256,
    ) -> Result<Self, ShapeError> {
        if proof.profile() != Profile::Keccak256 {
            return Err(ShapeError::NotKeccak {
                found: proof.profile(),
            });
        }
        Ok(Self {
            tx_num: proof.tx_num(),
            leaf_hash,
            siblings: proof.siblings().to_vec(),
            root,
        })
    }

    /// The proof that states the same in a tree of `leaf_count` leaves.
    ///
    /// # Errors
    /// [`ShapeError`] if the tree has no such leaf or its paths have another length.
    pub fn to_inclusion(&self, leaf_count: u64) -> Result<InclusionProof, ShapeError> {
        InclusionProof::new(
            Profile::Keccak256,
            self.tx_num,
            leaf_count,
            self.siblings.clone(),
        )
    }

    /// Checks that the path's leaf hash is leaf `tx_num` of the tree of `head`. No allocation.
    ///
    /// # Errors
    /// As [`InclusionProof::verify`]; also [`VerifyError::ClaimedRoot`] if the root in the path is
    /// not the head's, and [`VerifyError::Shape`] if the path does not fit the head's tree.
    pub fn verify(&self, head: &Head, tx_num: TxNum) -> Result<(), VerifyError> {
        check_head(&Keccak256, head, Profile::Keccak256, head.leaf_count)?;
        if self.root != head.root {
            return Err(VerifyError::ClaimedRoot {
                claimed: self.root,
                trusted: head.root,
            });
        }
        let expected = path_len(self.tx_num, head.leaf_count)?;
        let found = self.siblings.len() as u64;
        if found != expected {
            return Err(ShapeError::DigestCount { expected, found }.into());
        }
        self.check_position(tx_num)?;
        let root = climb(&Keccak256, self.leaf_hash.0, tx_num, &self.siblings);
        check_root(root, head)
    }

    fn check_position(&self, expected: TxNum) -> Result<(), VerifyError> {
        match self.tx_num {
            found if found == expected => Ok(()),
            found => Err(VerifyError::Position { found, expected }),
        }
    }

    /// The bytes of a `ProofPath`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.tx_num.0.to_le_bytes());
        out.extend_from_slice(self.leaf_hash.as_slice());
        put_digests(&mut out, &self.siblings);
        out.extend_from_slice(self.root.as_slice());
        out
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes.
    ///
    /// # Errors
    /// [`DecodeError::PathLength`] if no tree has paths of this length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let len = bytes.len() as u64;
        let siblings = len.saturating_sub(PATH_FIXED) / 32;
        let possible = u64::from(TWIG_LEVEL) + 1..=u64::from(MAX_ROOT_LEVEL);
        if !possible.contains(&siblings) || len != PATH_FIXED + siblings * 32 {
            return Err(DecodeError::PathLength { found: len });
        }
        let mut reader = Reader::new(bytes);
        let path = Self {
            tx_num: TxNum(u64::from_le_bytes(reader.array()?)),
            leaf_hash: reader.digest()?,
            siblings: reader.digests(siblings)?,
            root: reader.digest()?,
        };
        reader.finish()?;
        Ok(path)
    }

    /// The path after its length, as both witnesses embed it.
    fn read_prefixed(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = u32::from_le_bytes(reader.array()?);
        Self::from_bytes(reader.take(len.into())?)
    }

    fn put_prefixed(&self, out: &mut Vec<u8>) {
        let bytes = self.to_bytes();
        let len = u32::try_from(bytes.len()).expect("a path has at most 64 siblings");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&bytes);
    }
}

impl Witness {
    /// Checks that the leaf is at `tx_num` in the tree of `head`.
    ///
    /// # Errors
    /// As [`ProofPath::verify`]; also [`VerifyError::ClaimedLeafHash`] if the path starts at
    /// another leaf hash, and [`ShapeError::FirstLink`] if leaf 0 links to a leaf before it.
    pub fn verify(&self, head: &Head, tx_num: TxNum) -> Result<(), VerifyError> {
        self.path.check_position(tx_num)?;
        check_first_link(tx_num, self.leaf.previous_leaf_hash)?;
        if self.leaf.hash(&Keccak256) != self.path.leaf_hash {
            return Err(VerifyError::ClaimedLeafHash { tx_num });
        }
        self.path.verify(head, tx_num)
    }

    /// The bytes of a `Witness`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.path.put_prefixed(&mut out);
        out.extend_from_slice(&self.leaf.to_bytes());
        out
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes.
    ///
    /// # Errors
    /// [`DecodeError`] names the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let path = ProofPath::read_prefixed(&mut reader)?;
        let leaf = Leaf::from_bytes(&reader.array()?);
        reader.finish()?;
        Ok(Self { path, leaf })
    }
}

impl RangeWitness {
    /// Checks that the leaves are those at `from..to` in the tree of `head`.
    ///
    /// The paths of the two ends hold the Merkle boundaries of the whole range, so the positions of
    /// the leaves between them are proved too, and not only their chain.
    ///
    /// # Errors
    /// As [`Witness::verify`] for either end and [`RangeProof::verify`] for the range;
    /// [`VerifyError::BrokenChain`] if a leaf does not link to the one before it, and
    /// [`ShapeError::LastPath`] if there are several leaves and no path of the last.
    pub fn verify(&self, head: &Head, from: TxNum, to: TxNum) -> Result<(), VerifyError> {
        check_last_path(self.leaves.len() as u64, self.last.is_some())?;
        let last = self.last.as_ref().unwrap_or(&self.first);
        let hashes = self.check_leaves(from, to)?;
        for (path, tx_num, hash) in [
            (&self.first, from, hashes.first()),
            (last, TxNum(to.0 - 1), hashes.last()),
        ] {
            if hash != Some(&path.leaf_hash) {
                return Err(VerifyError::ClaimedLeafHash { tx_num });
            }
            path.verify(head, tx_num)?;
        }
        let boundary = boundary(&self.first, last, head.leaf_count);
        RangeProof::new(Profile::Keccak256, from, to, head.leaf_count, boundary)?
            .verify(head, from, &hashes)
    }

    /// The hashes of the leaves, once their positions and links are known to be good.
    fn check_leaves(&self, from: TxNum, to: TxNum) -> Result<Vec<B256>, VerifyError> {
        let expected = to.0.checked_sub(from.0).filter(|count| *count > 0);
        let expected = expected.ok_or(ShapeError::Empty)?;
        let found = self.leaves.len() as u64;
        if found != expected {
            return Err(VerifyError::Coverage { found, expected });
        }
        let mut hashes: Vec<B256> = Vec::with_capacity(self.leaves.len());
        for (&(found, leaf), expected) in self.leaves.iter().zip((from.0..to.0).map(TxNum)) {
            if found != expected {
                return Err(VerifyError::Position { found, expected });
            }
            match hashes.last() {
                None => check_first_link(found, leaf.previous_leaf_hash)?,
                Some(previous) if *previous == leaf.previous_leaf_hash => {}
                Some(_) => return Err(VerifyError::BrokenChain { tx_num: found }),
            }
            hashes.push(leaf.hash(&Keccak256));
        }
        Ok(hashes)
    }

    /// The bytes of a `RangeWitness`.
    ///
    /// # Panics
    /// If there are more than 2^32 - 1 leaves, which the form cannot count.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.first.put_prefixed(&mut out);
        match &self.last {
            Some(last) => last.put_prefixed(&mut out),
            None => out.extend_from_slice(&0u32.to_le_bytes()),
        }
        let count = u32::try_from(self.leaves.len()).expect("the form counts leaves in 32 bits");
        out.extend_from_slice(&count.to_le_bytes());
        for (tx_num, leaf) in &self.leaves {
            out.extend_from_slice(&tx_num.0.to_le_bytes());
            out.extend_from_slice(&leaf.to_bytes());
        }
        out
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes.
    ///
    /// # Errors
    /// [`DecodeError`] names the first thing that is wrong; no leaves at all is
    /// [`ShapeError::Empty`], no path of the last of several leaves [`ShapeError::LastPath`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let first = ProofPath::read_prefixed(&mut reader)?;
        let last = match u32::from_le_bytes(reader.array()?) {
            0 => None,
            len => Some(ProofPath::from_bytes(reader.take(len.into())?)?),
        };
        let count = u32::from_le_bytes(reader.array()?);
        if count == 0 {
            return Err(ShapeError::Empty.into());
        }
        check_last_path(count.into(), last.is_some())?;
        let records = reader.arrays::<RANGE_LEAF_LEN>(count.into())?;
        let leaves = records.iter().map(read_leaf).collect();
        reader.finish()?;
        Ok(Self {
            first,
            last,
            leaves,
        })
    }
}

/// One leaf may stand without a path of its own as the last; several may not.
fn check_last_path(leaves: u64, has_last: bool) -> Result<(), ShapeError> {
    if leaves > 1 && !has_last {
        Err(ShapeError::LastPath { leaves })
    } else {
        Ok(())
    }
}

/// Cannot fail, so that collecting knows how many there will be and allocates exactly.
fn read_leaf(record: &[u8; RANGE_LEAF_LEN]) -> (TxNum, Leaf) {
    let (front, back) = record.split_at(8);
    let (mut number, mut leaf) = ([0; 8], [0; LEAF_LEN]);
    number.copy_from_slice(front);
    leaf.copy_from_slice(back);
    (TxNum(u64::from_le_bytes(number)), Leaf::from_bytes(&leaf))
}

/// The siblings of the range from the paths of its ends: left ones from the first leaf's path,
/// right ones from the last leaf's.
fn boundary(first: &ProofPath, last: &ProofPath, leaf_count: u64) -> Vec<B256> {
    let mut siblings = Vec::new();
    let paths = first.siblings.iter().zip(&last.siblings);
    for ((left, right), level) in paths.zip(0..root_level(leaf_count)) {
        if ancestor(first.tx_num.0, level) & 1 == 1 {
            siblings.push(*left);
        }
        let index = ancestor(last.tx_num.0, level);
        if index & 1 == 0 && !is_null(level, index + 1, leaf_count) {
            siblings.push(*right);
        }
    }
    siblings
}
