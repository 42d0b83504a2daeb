//! Public inputs, made block by block.

use super::edge::LogEdge;
use super::error::{StatementError, same_hash, same_number};
use super::inputs::{Program, PublicInputs, WitnessKind};
use super::mode::TraceMode;
use super::record::{BlockRecord, RangeTree};
use super::tagged_hash;
use crate::frontier::Frontier;
use crate::hash::{Digest, PAYLOAD_LEN, TreeHasher};
use crate::head::Head;
use crate::leaf::LeafPayload;
use crate::level::TxNum;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;

const INPUTS_DOMAIN: &[u8] = b"qmtree/execution-inputs/1";

/// What holds for all blocks of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementSetup {
    /// Digest of the chain's rules.
    pub rules: B256,
    /// What the blocks are executed from.
    pub witness: WitnessKind,
    /// How much of the execution the leaves commit to.
    pub mode: TraceMode,
    /// Who makes the proof.
    pub program: Program,
}

/// What the execution of a block showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockResult<'a> {
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Hash of its parent.
    pub parent_hash: B256,
    /// Number of the rules, `revm`'s `SpecId` as a byte.
    pub spec_id: u8,
    /// The chain's state root before the block; zero if the witness shows none.
    pub chain_state_before: B256,
    /// The chain's state root after the block; zero if the witness shows none.
    pub chain_state_after: B256,
    /// Things that were believed without proof.
    pub claims: u64,
    /// Binds those; zero if there are none.
    pub claims_digest: B256,
    /// The block's leaves.
    pub leaves: &'a [LeafPayload],
    /// Entries and root of the state log after the block; `None` if there is no state log.
    pub state_log: Option<(u64, B256)>,
}

/// Appends blocks to the edge of a log, and says what that shows.
#[derive(Debug)]
pub struct StatementBuilder<H> {
    setup: StatementSetup,
    hasher: H,
    frontier: Frontier<H>,
    last_leaf_hash: Digest,
    head_before: Head,
    head: Head,
    /// The state roots of the chain: before the first block, and after the last.
    chain_state: (B256, B256),
    claims: u64,
    execution_inputs: B256,
    records: Vec<BlockRecord>,
}

impl<H: TreeHasher + Clone> StatementBuilder<H> {
    /// A statement about blocks that come behind `edge`, which is verified.
    ///
    /// # Errors
    /// As [`LogEdge::frontier`].
    pub fn new(hasher: H, edge: &LogEdge, setup: StatementSetup) -> Result<Self, StatementError> {
        Ok(Self {
            setup,
            frontier: edge.frontier(hasher.clone())?,
            hasher,
            last_leaf_hash: edge.last_leaf_hash().0,
            head_before: *edge.head(),
            head: *edge.head(),
            chain_state: (B256::ZERO, B256::ZERO),
            claims: 0,
            execution_inputs: B256::ZERO,
            records: Vec::new(),
        })
    }

    /// The head after the blocks so far.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Adds the next block. Costs a leaf hash and a node hash for each leaf, and about twenty more.
    ///
    /// # Errors
    /// [`StatementError::Number`] or [`Hash`](StatementError::Hash) if it is not the next one of the
    /// chain and the log; [`StatementError::Empty`] if it has no leaves;
    /// [`StatementError::Inconsistent`] if the log cannot grow so far.
    pub fn push(&mut self, block: &BlockResult<'_>) -> Result<Head, StatementError> {
        self.check_next(block)?;
        let first_tx_num = TxNum(self.head.leaf_count);
        self.append(block.leaves)?;
        let (entry_count, state_root) = block
            .state_log
            .unwrap_or((self.head.entry_count, self.head.state_root));
        self.head = Head {
            block_number: block.number,
            leaf_count: self.frontier.leaf_count(),
            root: self.frontier.root(),
            entry_count,
            state_root,
            ..self.head
        };
        self.head.check()?;
        if self.records.is_empty() {
            self.chain_state.0 = block.chain_state_before;
        }
        self.chain_state.1 = block.chain_state_after;
        self.claims = self.claims.saturating_add(block.claims);
        self.execution_inputs = tagged_hash(
            INPUTS_DOMAIN,
            &[
                self.execution_inputs.as_slice(),
                &[self.setup.witness.id()],
                &block.number.to_be_bytes(),
                block.hash.as_slice(),
                &block.claims.to_be_bytes(),
                block.claims_digest.as_slice(),
            ],
        );
        self.records.push(BlockRecord {
            number: block.number,
            hash: block.hash,
            parent_hash: block.parent_hash,
            spec_id: block.spec_id,
            first_tx_num,
            head: self.head,
        });
        Ok(self.head)
    }

    /// Checks that a block can be the next one, before it is executed.
    ///
    /// # Errors
    /// [`StatementError::Number`] or [`Hash`](StatementError::Hash) if it is not.
    pub fn check_place(&self, number: u64, parent_hash: B256) -> Result<(), StatementError> {
        // A head without leaves can have the state that was given for the block after it.
        if self.head.leaf_count > 0 || self.head.entry_count > 0 {
            let next = self.head.block_number.wrapping_add(1);
            same_number("the number of a block", number, next)?;
        }
        match self.records.last() {
            Some(before) => same_hash("the parent of a block", parent_hash, before.hash),
            None => Ok(()),
        }
    }

    fn check_next(&self, block: &BlockResult<'_>) -> Result<(), StatementError> {
        self.check_place(block.number, block.parent_hash)?;
        if !self.records.is_empty() {
            let state = self.chain_state.1;
            same_hash("the state before a block", block.chain_state_before, state)?;
        }
        match block.leaves {
            [] => Err(StatementError::Empty),
            _ => Ok(()),
        }
    }

    fn append(&mut self, leaves: &[LeafPayload]) -> Result<(), StatementError> {
        let count = self.head.leaf_count.checked_add(leaves.len() as u64);
        if count.is_none() {
            let field = "the leaf count";
            return Err(StatementError::Inconsistent { field });
        }
        let payloads: Vec<[u8; PAYLOAD_LEN]> = leaves.iter().map(LeafPayload::to_bytes).collect();
        let mut hashes = vec![[0; 32]; payloads.len()];
        let before = self.last_leaf_hash;
        self.last_leaf_hash = self.hasher.chain_leaves(before, &payloads, &mut hashes);
        self.frontier.append(&hashes);
        Ok(())
    }

    /// The public inputs, and the tree over the blocks that they bind.
    ///
    /// # Errors
    /// [`StatementError::Empty`] without blocks; [`StatementError::Inconsistent`] if the blocks and
    /// the head before cannot belong together.
    pub fn finish(self) -> Result<(PublicInputs, RangeTree), StatementError> {
        let tree = RangeTree::new(&self.records)?;
        let (Some(first), Some(last)) = (self.records.first(), self.records.last()) else {
            return Err(StatementError::Empty);
        };
        let inputs = PublicInputs {
            chain_id: self.head.chain_id,
            rules: self.setup.rules,
            witness: self.setup.witness,
            mode: self.setup.mode,
            first_block: first.number,
            last_block: last.number,
            parent_hash: first.parent_hash,
            last_block_hash: last.hash,
            chain_state_before: self.chain_state.0,
            chain_state_after: self.chain_state.1,
            first_tx_num: first.first_tx_num,
            last_tx_num: last.last_tx_num(),
            head_before: self.head_before,
            head_after: self.head,
            range_root: tree.root(),
            claims: self.claims,
            execution_inputs: self.execution_inputs,
            program: self.setup.program,
        };
        inputs.check_itself()?;
        Ok((inputs, tree))
    }
}
