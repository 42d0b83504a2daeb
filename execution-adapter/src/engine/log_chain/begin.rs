//! The first block of a log: a state that is given, not executed.

use crate::chain::ChainSpec;
use crate::engine::error::RunError;
use crate::engine::run::{PreparedBlock, in_block};
use crate::execute::ExecuteError;
use crate::memory_state::MemoryState;
use crate::state_item::root_over;
use crate::state_log::lists_of;
use crate::state_log::{BatchContext, Lists, Write, batch_of, keys};
use crate::transition::{
    StepsCommitment, TraceMode, TransitionContext, TransitionKind, TransitionOutcome,
    transition_hash,
};
use crate::verify::StateScope;
use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use qmtree::proofs::{LeafPayload, TxNum};
use qmtree::{Db, StateBatch};

/// A state, and the block after which it is one.
#[derive(Debug)]
pub(super) struct Given<'a> {
    chain_id: u64,
    /// Rules of the genesis; of a state before a block those of the block.
    spec_id: u8,
    number: u64,
    hash: B256,
    /// Of the genesis: no other block's is known.
    header: Option<&'a Header>,
    state: &'a MemoryState,
}

impl<'a> Given<'a> {
    pub(super) fn genesis(
        chain: &ChainSpec,
        header: &'a Header,
        state: &'a MemoryState,
    ) -> Result<Self, RunError> {
        Ok(Self {
            chain_id: chain.chain_id(),
            spec_id: spec_id(chain, header)?,
            number: header.number,
            hash: header.hash_slow(),
            header: Some(header),
            state,
        })
    }

    pub(super) fn before(prepared: &'a PreparedBlock) -> Result<Self, RunError> {
        let header = &prepared.block.header;
        let missing = RunError::NoPreState {
            block: header.number,
        };
        let (Some(number), Some(state)) = (header.number.checked_sub(1), &prepared.state) else {
            return Err(missing);
        };
        Ok(Self {
            chain_id: prepared.chain.chain_id(),
            spec_id: spec_id(&prepared.chain, header)?,
            number,
            hash: header.parent_hash,
            header: None,
            state,
        })
    }

    /// Appends the block: one leaf, and the whole state as its writes.
    pub(super) fn append(&self, db: &mut Db) -> Result<(), RunError> {
        let access = self.state.as_writes();
        let leaf = LeafPayload {
            pre_state_hash: B256::ZERO,
            state_change_hash: root_over(&access.writes),
            transition_hash: self.transition_hash(),
        };
        let failed = in_block(self.number);
        let mut block = db.begin_block(self.number).map_err(&failed)?;
        let context = BatchContext {
            lists: self.lists(),
            header: self.header,
        };
        let writes = batch_of(&block, &access, context);
        let writes = writes.map_err(|source| RunError::StateLog { source })?;
        let batch = StateBatch {
            tx_num: TxNum(0),
            writes: self.with_block_hashes(writes),
        };
        block.write(&batch).map_err(&failed)?;
        block.commit(&[leaf], &[]).map_err(failed)?;
        Ok(())
    }

    /// Checks that the log began with this state.
    pub(super) fn check(&self, db: &Db) -> Result<(), RunError> {
        let failed = in_block(self.number);
        let view = db.view();
        let first = view.block_range(self.number).map_err(&failed)?.start;
        let leaf = view.leaf(first).map_err(failed)?;
        let (expected, found) = (self.transition_hash(), leaf.transition_hash);
        if expected == found {
            return Ok(());
        }
        Err(RunError::OtherBlock {
            block: self.number,
            expected,
            found,
        })
    }

    fn lists(&self) -> Lists {
        lists_of(self.state.scope() == StateScope::Complete, self.spec_id)
    }

    /// Adds the hashes of the blocks that the one after this can ask for.
    fn with_block_hashes(&self, mut writes: Vec<Write>) -> Vec<Write> {
        // The block after a genesis names its hash itself.
        if self.header.is_some() {
            return writes;
        }
        let mut hashes: Vec<(u64, B256)> = self.state.block_hashes().collect();
        hashes.push((self.number, self.hash));
        // Of two for one number the last counts: the one that the block itself names.
        let oldest = self.number.saturating_sub(keys::BLOCK_HASHES - 1);
        hashes.retain(|(number, _)| (oldest..=self.number).contains(number));
        writes.extend(
            hashes
                .into_iter()
                .map(|(number, hash)| (keys::block_hash(number), Some(hash.to_vec()))),
        );
        let mut batch = StateBatch {
            tx_num: TxNum(0),
            writes,
        };
        batch.sort();
        batch.writes
    }

    fn transition_hash(&self) -> B256 {
        let context = TransitionContext {
            chain_id: self.chain_id,
            spec_id: self.spec_id,
            block_number: self.number,
            subject: self.hash,
            input_hash: keccak256([]),
            ..TransitionContext::default()
        };
        let outcome = TransitionOutcome {
            status: 1,
            output_hash: keccak256([]),
            logs_hash: keccak256([]),
            ..TransitionOutcome::default()
        };
        let steps = StepsCommitment::default();
        transition_hash(
            TransitionKind::Given,
            TraceMode::Outcome,
            &context,
            &steps,
            &outcome,
        )
    }
}

fn spec_id(chain: &ChainSpec, header: &Header) -> Result<u8, RunError> {
    let spec = chain.spec_id(header.number, header.timestamp);
    let spec = spec.map_err(|source| {
        RunError::Execute(Box::new(ExecuteError::Chain {
            block: header.number,
            source,
        }))
    })?;
    Ok(spec as u8)
}
