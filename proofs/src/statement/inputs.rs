//! The public inputs of a proof about a range of blocks.

use super::error::{StatementError, same_hash, same_mode, same_number};
use super::mode::TraceMode;
use super::record::{BlockOpening, BlockRecord, RangeTree};
use super::tagged_hash;
use crate::codec::Reader;
use crate::head::Head;
use crate::level::TxNum;
use alloc::vec::Vec;
use alloy_primitives::B256;

const DOMAIN: &[u8] = b"qmtree/public-inputs/2";
const BACKEND_DOMAIN: &[u8] = b"qmtree/backend/1";

/// What the blocks were executed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum WitnessKind {
    /// Trie nodes, codes and headers, as an Ethereum client's `debug_executionWitness` returns them.
    Execution = 1,
    /// Proofs from QMTree's own state log.
    State = 2,
}

impl WitnessKind {
    /// The byte that names the kind.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The kind named by `id`, if this version knows it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Execution),
            2 => Some(Self::State),
            _ => None,
        }
    }

    /// The name of the kind in text and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::State => "state",
        }
    }
}

/// Who makes the proof, and with which program.
///
/// It is part of the statement, so a proof of one backend's program is none of another's. A program
/// cannot know its own id; it is told, commits to what it was told, and the verifier, who brings the
/// id, sees whether that was the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Version of the rules that the program executes blocks by.
    pub version: u32,
    /// Hash of the backend's name: [`backend_id`](Self::backend_id).
    pub backend: B256,
    /// What the backend calls the program: a verifying key, an image id, a measurement, or a hash
    /// of those.
    pub id: B256,
}

impl Program {
    /// The program `id` of the backend called `backend`.
    #[must_use]
    pub fn new(version: u32, backend: &str, id: B256) -> Self {
        let backend = Self::backend_id(backend);
        Self {
            version,
            backend,
            id,
        }
    }

    /// `keccak256("qmtree/backend/1" || name)`.
    #[must_use]
    pub fn backend_id(name: &str) -> B256 {
        tagged_hash(BACKEND_DOMAIN, &[name.as_bytes()])
    }
}

/// What a proof about a range of blocks shows: executed under these rules on top of
/// [`head_before`](Self::head_before), the blocks lead to [`head_after`](Self::head_after).
///
/// A proof commits to its [`digest`](Self::digest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicInputs {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Digest of the chain's rules: which fork starts when, and what the forks read.
    pub rules: B256,
    /// What the blocks were executed from.
    pub witness: WitnessKind,
    /// How much of the execution the leaves commit to.
    pub mode: TraceMode,
    /// Number of the first block.
    pub first_block: u64,
    /// Number of the last block.
    pub last_block: u64,
    /// Hash of the block before the first.
    pub parent_hash: B256,
    /// Hash of the last block.
    pub last_block_hash: B256,
    /// The state root of the chain, as its headers have it, before the first block; zero if the
    /// witness shows none.
    pub chain_state_before: B256,
    /// The state root of the chain after the last block; zero if the witness shows none.
    pub chain_state_after: B256,
    /// First leaf of the range.
    pub first_tx_num: TxNum,
    /// Last leaf of the range.
    pub last_tx_num: TxNum,
    /// The log before the range.
    pub head_before: Head,
    /// The log after it.
    pub head_after: Head,
    /// Binds each block of the range: [`RangeTree::root`].
    pub range_root: B256,
    /// Things that were believed without proof: a claimed state root, claimed block hashes.
    pub claims: u64,
    /// Binds what was executed, block by block, claims included.
    pub execution_inputs: B256,
    /// Who made the proof, with which program.
    pub program: Program,
}

/// What a verifier knows, and compares public inputs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Digest of the chain's rules.
    pub rules: B256,
    /// Who makes the proof.
    pub program: Program,
    /// How much of the execution the leaves have to commit to.
    pub mode: TraceMode,
    /// The head that the range starts from.
    pub head_before: Head,
    /// The first block.
    pub first_block: u64,
    /// The last block.
    pub last_block: u64,
    /// Hash of the block before the first, if it is known.
    pub parent_hash: Option<B256>,
    /// Hash of the last block, if it is known. Without it the proof shows what some chain does, and
    /// not which.
    pub last_block_hash: Option<B256>,
    /// Claims that are accepted; best none.
    pub most_claims: u64,
}

impl PublicInputs {
    /// Bytes of encoded public inputs.
    pub const ENCODED_LEN: usize = 342 + 2 * Head::ENCODED_LEN;

    /// The fixed-width encoding of docs/FORMAT.md, section 12.1.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::ENCODED_LEN);
        bytes.extend_from_slice(&self.chain_id.to_be_bytes());
        bytes.extend_from_slice(self.rules.as_slice());
        bytes.push(self.witness.id());
        bytes.push(self.mode.id());
        bytes.extend_from_slice(&self.first_block.to_be_bytes());
        bytes.extend_from_slice(&self.last_block.to_be_bytes());
        bytes.extend_from_slice(self.parent_hash.as_slice());
        bytes.extend_from_slice(self.last_block_hash.as_slice());
        bytes.extend_from_slice(self.chain_state_before.as_slice());
        bytes.extend_from_slice(self.chain_state_after.as_slice());
        bytes.extend_from_slice(&self.first_tx_num.0.to_be_bytes());
        bytes.extend_from_slice(&self.last_tx_num.0.to_be_bytes());
        bytes.extend_from_slice(&self.head_before.to_bytes());
        bytes.extend_from_slice(&self.head_after.to_bytes());
        bytes.extend_from_slice(self.range_root.as_slice());
        bytes.extend_from_slice(&self.claims.to_be_bytes());
        bytes.extend_from_slice(self.execution_inputs.as_slice());
        bytes.extend_from_slice(&self.program.version.to_be_bytes());
        bytes.extend_from_slice(self.program.backend.as_slice());
        bytes.extend_from_slice(self.program.id.as_slice());
        bytes
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes, and nothing else.
    ///
    /// # Errors
    /// [`StatementError::Decode`], [`StatementError::WitnessKind`] and [`StatementError::UnknownMode`];
    /// [`StatementError::Inconsistent`] if fields that say the same thing twice differ.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        let mut reader = Reader::new(bytes);
        let inputs = Self {
            chain_id: reader.u64()?,
            rules: reader.digest()?,
            witness: witness_kind(reader.u8()?)?,
            mode: trace_mode(reader.u8()?)?,
            first_block: reader.u64()?,
            last_block: reader.u64()?,
            parent_hash: reader.digest()?,
            last_block_hash: reader.digest()?,
            chain_state_before: reader.digest()?,
            chain_state_after: reader.digest()?,
            first_tx_num: TxNum(reader.u64()?),
            last_tx_num: TxNum(reader.u64()?),
            head_before: Head::from_bytes(reader.take(Head::ENCODED_LEN as u64)?)?,
            head_after: Head::from_bytes(reader.take(Head::ENCODED_LEN as u64)?)?,
            range_root: reader.digest()?,
            claims: reader.u64()?,
            execution_inputs: reader.digest()?,
            program: Program {
                version: reader.u32()?,
                backend: reader.digest()?,
                id: reader.digest()?,
            },
        };
        reader.finish()?;
        inputs.check_itself()?;
        Ok(inputs)
    }

    /// The statement: `keccak256("qmtree/public-inputs/2" || fields)`.
    #[must_use]
    pub fn digest(&self) -> B256 {
        tagged_hash(DOMAIN, &[&self.to_bytes()])
    }

    /// Blocks of the range; at least one.
    #[must_use]
    pub const fn block_count(&self) -> u64 {
        self.last_block
            .saturating_sub(self.first_block)
            .saturating_add(1)
    }

    /// Compares with what the verifier knows. The proof itself is verified for the digest.
    ///
    /// # Errors
    /// The first field that differs.
    pub fn check(&self, expected: &Expected) -> Result<(), StatementError> {
        self.check_itself()?;
        let Expected { program, .. } = expected;
        same_number("the chain id", self.chain_id, expected.chain_id)?;
        same_hash("the digest of the rules", self.rules, expected.rules)?;
        let version = u64::from(program.version);
        let found = u64::from(self.program.version);
        same_number("the version of the program", found, version)?;
        let found = self.program.backend;
        same_hash("the backend", found, program.backend)?;
        same_hash("the program", self.program.id, program.id)?;
        same_mode(self.mode, expected.mode)?;
        same_number("the first block", self.first_block, expected.first_block)?;
        same_number("the last block", self.last_block, expected.last_block)?;
        let found = self.head_before.hash();
        same_hash("the head before", found, expected.head_before.hash())?;
        if let Some(parent) = expected.parent_hash {
            same_hash("the parent's hash", self.parent_hash, parent)?;
        }
        if let Some(last) = expected.last_block_hash {
            same_hash("the hash of the last block", self.last_block_hash, last)?;
        }
        if self.claims > expected.most_claims {
            let expected = expected.most_claims;
            return same_number("the number of claims", self.claims, expected);
        }
        Ok(())
    }

    /// Checks that the range is exactly these blocks: none more, none fewer, none twice, in this
    /// order, each with this head after it.
    ///
    /// # Errors
    /// The first thing that differs.
    pub fn check_blocks(&self, blocks: &[BlockRecord]) -> Result<(), StatementError> {
        same_number(
            "the number of blocks",
            blocks.len() as u64,
            self.block_count(),
        )?;
        let (mut number, mut hash) = (self.first_block, self.parent_hash);
        let mut first_tx_num = self.first_tx_num;
        for block in blocks {
            same_number("the number of a block", block.number, number)?;
            same_hash("the parent of a block", block.parent_hash, hash)?;
            same_number(
                "the first leaf of a block",
                block.first_tx_num.0,
                first_tx_num.0,
            )?;
            number = number.wrapping_add(1);
            hash = block.hash;
            first_tx_num = TxNum(block.head.leaf_count);
        }
        same_hash("the hash of the last block", hash, self.last_block_hash)?;
        let head = blocks.last().ok_or(StatementError::Empty)?.head;
        same_hash("the head after", head.hash(), self.head_after.hash())?;
        let tree = RangeTree::new(blocks)?;
        same_hash("the range root", tree.root(), self.range_root)
    }

    /// Checks that block `number` of the range is the one that `opening` shows.
    ///
    /// # Errors
    /// [`StatementError`]: another block, another range, or a path that ends elsewhere.
    pub fn check_block(&self, number: u64, opening: &BlockOpening) -> Result<(), StatementError> {
        let (first, last) = (self.first_block, self.last_block);
        if !(first..=last).contains(&number) {
            let field = "the number of a block";
            return same_number(field, number, number.clamp(first, last.max(first)));
        }
        opening.verify(self.range_root, first, last, number)
    }

    /// Checks that this range begins where another one ends, in the log and in the chain.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check_follows(&self, before: &Self) -> Result<(), StatementError> {
        same_number("the chain id", self.chain_id, before.chain_id)?;
        same_hash("the digest of the rules", self.rules, before.rules)?;
        same_mode(self.mode, before.mode)?;
        let next = before.last_block.wrapping_add(1);
        same_number("the first block", self.first_block, next)?;
        let hash = before.last_block_hash;
        same_hash("the parent's hash", self.parent_hash, hash)?;
        let head = before.head_after.hash();
        same_hash("the head before", self.head_before.hash(), head)
    }

    /// Fields that say the same thing twice agree.
    pub(super) fn check_itself(&self) -> Result<(), StatementError> {
        let Self {
            head_before,
            head_after,
            ..
        } = self;
        let follows = (head_before.leaf_count == 0 && head_before.entry_count == 0)
            || head_before.block_number.checked_add(1) == Some(self.first_block);
        let checks = [
            ("the last block", self.first_block <= self.last_block),
            (
                "the chain of the head",
                head_before.chain_id == self.chain_id,
            ),
            ("the log of the heads", head_before.same_log(head_after)),
            ("the block of the head before", follows),
            (
                "the block of the head after",
                head_after.block_number == self.last_block,
            ),
            (
                "the first leaf",
                self.first_tx_num.0 == head_before.leaf_count,
            ),
            (
                "the last leaf",
                self.last_tx_num.0.checked_add(1) == Some(head_after.leaf_count)
                    && self.first_tx_num <= self.last_tx_num,
            ),
            (
                "the number of entries",
                head_before.entry_count <= head_after.entry_count,
            ),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(StatementError::Inconsistent { field }),
            None => Ok(()),
        }
    }
}

fn witness_kind(id: u8) -> Result<WitnessKind, StatementError> {
    WitnessKind::from_id(id).ok_or(StatementError::WitnessKind { found: id })
}

fn trace_mode(id: u8) -> Result<TraceMode, StatementError> {
    TraceMode::from_id(id).ok_or(StatementError::UnknownMode { found: id })
}
