//! The blocks of a range, and the root that binds them.

use super::error::{StatementError, same_hash, same_number};
use super::tagged_hash;
use crate::codec::Reader;
use crate::hash::{Keccak256, Profile};
use crate::head::{Head, Scheme};
use crate::inclusion::InclusionProof;
use crate::leaf::LeafPayload;
use crate::level::TxNum;
use crate::memory_log::MemoryLog;
use alloc::vec::Vec;
use alloy_primitives::B256;

const BLOCK_DOMAIN: &[u8] = b"qmtree/range-block/1";
const RANGE_DOMAIN: &[u8] = b"qmtree/range/1";

/// What a statement says about one of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRecord {
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Number of the rules that it ran under, `revm`'s `SpecId` as a byte.
    pub spec_id: u8,
    /// Its first leaf.
    pub first_tx_num: TxNum,
    /// The head after it.
    pub head: Head,
}

impl BlockRecord {
    /// Bytes of an encoded record.
    pub const ENCODED_LEN: usize = 81 + Head::ENCODED_LEN;

    /// The last leaf of the block.
    #[must_use]
    pub const fn last_tx_num(&self) -> TxNum {
        TxNum(self.head.leaf_count.saturating_sub(1))
    }

    /// The fixed-width encoding of docs/FORMAT.md, section 12.2.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::ENCODED_LEN);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(self.hash.as_slice());
        bytes.extend_from_slice(self.parent_hash.as_slice());
        bytes.push(self.spec_id);
        bytes.extend_from_slice(&self.first_tx_num.0.to_be_bytes());
        bytes.extend_from_slice(&self.head.to_bytes());
        bytes
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes, and nothing else.
    ///
    /// # Errors
    /// [`StatementError::Decode`]; [`StatementError::Inconsistent`] if the head is that of another
    /// block, or the block has no leaves.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        let mut reader = Reader::new(bytes);
        let record = Self {
            number: reader.u64()?,
            hash: reader.digest()?,
            parent_hash: reader.digest()?,
            spec_id: reader.u8()?,
            first_tx_num: TxNum(reader.u64()?),
            head: Head::from_bytes(reader.take(Head::ENCODED_LEN as u64)?)?,
        };
        reader.finish()?;
        if record.head.block_number != record.number {
            let field = "the block of a record's head";
            return Err(StatementError::Inconsistent { field });
        }
        if record.first_tx_num.0 >= record.head.leaf_count {
            let field = "the first leaf of a record";
            return Err(StatementError::Inconsistent { field });
        }
        Ok(record)
    }

    /// The record as a leaf of the range's tree.
    fn payload(&self) -> LeafPayload {
        LeafPayload {
            pre_state_hash: self.hash,
            state_change_hash: self.head.hash(),
            transition_hash: tagged_hash(BLOCK_DOMAIN, &[&self.to_bytes()]),
        }
    }
}

/// The tree over the records of a range: a log by the rules of the Keccak profile, one leaf a block.
#[derive(Clone, Debug)]
pub struct RangeTree {
    first_block: u64,
    records: Vec<BlockRecord>,
    log: MemoryLog<Keccak256>,
}

impl RangeTree {
    /// The tree of a range. Costs a few hashes a block.
    ///
    /// # Errors
    /// [`StatementError::Empty`] without records. What they say is not looked at.
    pub fn new(records: &[BlockRecord]) -> Result<Self, StatementError> {
        let first = records.first().ok_or(StatementError::Empty)?;
        let mut log = MemoryLog::new(Keccak256);
        let payloads: Vec<LeafPayload> = records.iter().map(BlockRecord::payload).collect();
        log.append(&payloads);
        Ok(Self {
            first_block: first.number,
            records: records.to_vec(),
            log,
        })
    }

    /// The records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[BlockRecord] {
        &self.records
    }

    /// Binds each record, their order and their number.
    #[must_use]
    pub fn root(&self) -> B256 {
        range_root(self.first_block, self.log.leaf_count(), self.tree_root())
    }

    fn tree_root(&self) -> B256 {
        self.log.head(0, Scheme::ReadSet1, 0).root
    }

    /// Shows one block of the range to someone who has the public inputs only.
    ///
    /// # Errors
    /// [`StatementError::Shape`] if the range does not have the block.
    pub fn open(&self, block: u64) -> Result<BlockOpening, StatementError> {
        let count = self.log.leaf_count();
        let index = block.wrapping_sub(self.first_block);
        let proof = self.log.prover(count)?.inclusion(TxNum(index));
        let proof = proof.map_err(|_| crate::error::ShapeError::OutsideTree {
            tx_num: TxNum(index),
            leaf_count: count,
        })?;
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let record = self.records.get(at).ok_or(StatementError::Empty)?;
        let before = index.checked_sub(1).map(TxNum);
        let before = before.and_then(|before| self.log.leaf_hash(before));
        Ok(BlockOpening {
            record: *record,
            previous_leaf_hash: before.unwrap_or_default(),
            tree_root: self.tree_root(),
            proof,
        })
    }
}

/// One block of a range, and the way from it to the range root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOpening {
    /// The block.
    pub record: BlockRecord,
    /// Hash of the leaf before it in the range's tree; zero for the first.
    pub previous_leaf_hash: B256,
    /// Root of the range's tree.
    pub tree_root: B256,
    /// The path.
    pub proof: InclusionProof,
}

impl BlockOpening {
    /// The record, the two digests and the encoded proof: docs/FORMAT.md, section 12.2.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.record.to_bytes();
        bytes.extend_from_slice(self.previous_leaf_hash.as_slice());
        bytes.extend_from_slice(self.tree_root.as_slice());
        bytes.extend_from_slice(&self.proof.to_bytes());
        bytes
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes, and nothing else.
    ///
    /// # Errors
    /// As [`BlockRecord::from_bytes`] and [`InclusionProof::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        let mut reader = Reader::new(bytes);
        let record = reader.take(BlockRecord::ENCODED_LEN as u64)?;
        let (previous_leaf_hash, tree_root) = (reader.digest()?, reader.digest()?);
        Ok(Self {
            record: BlockRecord::from_bytes(record)?,
            previous_leaf_hash,
            tree_root,
            proof: InclusionProof::from_bytes(reader.rest())?,
        })
    }

    /// Checks that the record is that of block `number` of the range `first..=last`.
    ///
    /// # Errors
    /// [`StatementError`]: another block, another range, or a path that ends elsewhere.
    pub(super) fn verify(
        &self,
        range_root_expected: B256,
        first: u64,
        last: u64,
        number: u64,
    ) -> Result<(), StatementError> {
        let count = last.wrapping_sub(first).wrapping_add(1);
        same_number("the number of a block", self.record.number, number)?;
        same_number("the blocks of a range", self.proof.leaf_count(), count)?;
        let root = range_root(first, count, self.tree_root);
        same_hash("the range root", root, range_root_expected)?;
        let tree = Head {
            leaf_count: count,
            root: self.tree_root,
            ..Head::empty(0, Profile::Keccak256, Scheme::ReadSet1)
        };
        let leaf = self.record.payload().after(self.previous_leaf_hash);
        let leaf_hash = leaf.hash(&Keccak256);
        let position = TxNum(number.wrapping_sub(first));
        self.proof.verify(&tree, position, leaf_hash)?;
        Ok(())
    }
}

/// `keccak256("qmtree/range/1" || first block || number of blocks || root of the tree)`.
fn range_root(first_block: u64, count: u64, tree_root: B256) -> B256 {
    let (first, count) = (first_block.to_be_bytes(), count.to_be_bytes());
    tagged_hash(RANGE_DOMAIN, &[&first, &count, tree_root.as_slice()])
}
