//! One block: executed, checked, its leaves appended.

use crate::block::EthBlock;
use crate::chain::ChainSpec;
use crate::engine::error::RunError;
use crate::engine::leaves::{ExecutedLeaves, execute_to_leaves};
use crate::execute::{BlockInput, TracerFor};
use crate::header_rules::check_header;
use crate::leaf::{LeafParts, PreStateHash, RuleError};
use crate::memory_state::MemoryState;
use crate::verify::{Field, Mismatch, StateScope, check_body, check_hash, check_outcome, same};
use alloy_consensus::Header;
use alloy_evm::Database;
use alloy_primitives::{Address, B256};
use qmtree::proofs::{Head, LeafPayload, Scheme, TxNum};
use qmtree::{Block, Db};
use revm::database::BundleState;
use revm::database::states::bundle_state::BundleRetention;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A block with its senders, ready to be executed on a state that is given with it or apart.
#[derive(Clone, Debug)]
pub struct PreparedBlock {
    /// The rules.
    pub chain: Arc<ChainSpec>,
    /// The block.
    pub block: EthBlock,
    /// The sender of each transaction.
    pub senders: Vec<Address>,
    /// The hash that the source gives, if it gives one.
    pub hash: Option<B256>,
    /// Whether the ommers are part of the source.
    pub ommers_known: bool,
    /// The state before the block, where the source brings one.
    pub state: Option<MemoryState>,
}

/// A state that a block can be executed on.
pub trait BlockState: Database {
    /// What is known of the state, and so what can be checked.
    fn scope(&self) -> StateScope;

    /// Whether [`advance`](Self::advance) needs the changes of the block.
    fn keeps_changes(&self) -> bool;

    /// The header of the block before the one that is executed, where it is known: the block that
    /// `child` names as its parent.
    ///
    /// # Errors
    /// As the state says.
    fn parent(&self, child: &Header) -> Result<Option<Header>, RuleError> {
        let _ = child;
        Ok(None)
    }

    /// Applies the changes of a block. Returns the state root after it, where that can be known.
    ///
    /// # Errors
    /// As the state says.
    fn advance(
        &mut self,
        block: &EthBlock,
        changes: &BundleState,
    ) -> Result<Option<B256>, RuleError>;
}

/// What running a block showed.
#[derive(Clone, Copy, Debug)]
pub struct BlockReport {
    /// Number of the block.
    pub block_number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Transactions in it.
    pub transactions: usize,
    /// Gas that they used.
    pub gas_used: u64,
    /// First transaction number of the block.
    pub first_tx_num: TxNum,
    /// Last transaction number of the block: that of its end.
    pub last_tx_num: TxNum,
    /// Head of the log after the block.
    pub head: Head,
    /// False if the block was in the log already, with the same leaves.
    pub appended: bool,
    /// Time from the first instruction to the last leaf, without senders, checks and disk; zero if
    /// the block was passed over.
    pub execution: Duration,
}

impl BlockReport {
    /// Of a block that is in the log, as it was found there.
    pub(super) fn of(db: &Db, block: &EthBlock, head: Head) -> Result<Self, qmtree::Error> {
        let Range { start, end } = db.view().block_range(block.header.number)?;
        Ok(Self {
            block_number: block.header.number,
            hash: block.header.hash_slow(),
            transactions: block.body.transactions.len(),
            gas_used: block.header.gas_used,
            first_tx_num: start,
            last_tx_num: TxNum(end.0.saturating_sub(1)),
            head,
            appended: false,
            execution: Duration::ZERO,
        })
    }

    /// Leaves of the block.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.last_tx_num.0 + 1 - self.first_tx_num.0
    }
}

/// Executes a block on `state`, checks it against its header, and appends its leaves to `db`.
/// Returns the state after it and the tracer for the next one.
///
/// A block that is in the log with the same leaves is executed and checked, not appended again.
///
/// # Errors
/// [`RunError`]; the database is then as it was.
pub fn run_block<S, T>(
    db: &mut Db,
    prepared: &PreparedBlock,
    state: S,
    tracer: T,
    pre_state: &mut dyn PreStateHash,
) -> Result<(BlockReport, S, T), RunError>
where
    S: BlockState,
    T: TracerFor<S>,
{
    let block = &prepared.block;
    let number = block.header.number;
    check_identity(db, &prepared.chain, number, pre_state.scheme())?;
    let checked = execute_checked(prepared, state, tracer, pre_state)?;
    let database = in_block(number);
    let before = db.view().blocks();
    let leaves = Block::new(number, &checked.payloads).with_tx_hashes(&checked.tx_hashes);
    let head = db.append(&leaves).map_err(&database)?;
    let appended = db.view().blocks() != before;
    let report = BlockReport {
        appended,
        execution: checked.execution,
        ..BlockReport::of(db, block, head).map_err(database)?
    };
    Ok((report, checked.state, checked.tracer))
}

/// A block that was executed, and holds.
pub(super) struct Checked<S, T> {
    pub(super) payloads: Vec<LeafPayload>,
    /// One for each leaf, zero where no transaction made it.
    pub(super) tx_hashes: Vec<B256>,
    /// After the block.
    pub(super) state: S,
    pub(super) tracer: T,
    pub(super) execution: Duration,
}

/// Executes a block and checks all that can be checked of it.
pub(super) fn execute_checked<S, T>(
    prepared: &PreparedBlock,
    state: S,
    tracer: T,
    pre_state: &mut dyn PreStateHash,
) -> Result<Checked<S, T>, RunError>
where
    S: BlockState,
    T: TracerFor<S>,
{
    let PreparedBlock {
        chain,
        block,
        senders,
        ..
    } = prepared;
    let number = block.header.number;
    let mismatch = |mismatch: Mismatch| RunError::Mismatch {
        block: number,
        mismatch,
    };
    check_body(block, prepared.ommers_known).map_err(mismatch)?;

    let parent = state.parent(&block.header);
    let parent = parent.map_err(|source| RunError::State {
        block: number,
        source,
    })?;
    if let Some(parent) = parent {
        check_header(chain, &block.header, &parent).map_err(mismatch)?;
    }

    let scope = state.scope();
    let keep_changes = state.keeps_changes();
    let input = BlockInput {
        chain,
        block,
        senders,
        keep_changes,
    };
    let start = Instant::now();
    let ExecutedLeaves {
        executed,
        parts,
        payloads,
        ..
    } = execute_to_leaves(input, state, tracer, pre_state)?;
    let execution = start.elapsed();

    check_outcome(block, &executed.outcome, scope).map_err(mismatch)?;
    let mut cached = executed.state;
    if keep_changes {
        cached.merge_transitions(BundleRetention::PlainState);
    }
    let changes = cached.take_bundle();
    let mut state = cached.database;
    let root = state.advance(block, &changes);
    let root = root.map_err(|source| RunError::State {
        block: number,
        source,
    })?;
    if let Some(root) = root {
        same(Field::StateRoot, block.header.state_root, root).map_err(mismatch)?;
    }
    if let Some(hash) = prepared.hash {
        check_hash(block, hash).map_err(mismatch)?;
    }
    let hashes = parts.iter().map(LeafParts::transaction_hash);
    Ok(Checked {
        payloads,
        tx_hashes: hashes.map(Option::unwrap_or_default).collect(),
        state,
        tracer: executed.tracer,
        execution,
    })
}

/// Says of the engine's errors which block they are about.
pub(super) fn in_block(block: u64) -> impl Fn(qmtree::Error) -> RunError {
    move |source| RunError::Database {
        block,
        source: Box::new(source),
    }
}

/// Checks that a block follows the one before it, given by its number and hash.
///
/// # Errors
/// [`RunError::Mismatch`] of the number, or [`RunError::OtherParent`].
pub fn check_parent(block: &EthBlock, (number, hash): (u64, B256)) -> Result<(), RunError> {
    let header = &block.header;
    let next = number.saturating_add(1);
    same(Field::Number, next, header.number).map_err(|mismatch| RunError::Mismatch {
        block: header.number,
        mismatch,
    })?;
    if header.parent_hash != hash {
        return Err(RunError::OtherParent {
            block: header.number,
            expected: hash,
            found: header.parent_hash,
        });
    }
    Ok(())
}

/// A log holds the leaves of one chain and one scheme.
pub(super) fn check_identity(
    db: &Db,
    chain: &ChainSpec,
    block: u64,
    leaves: Scheme,
) -> Result<(), RunError> {
    let identity = db.identity();
    let (chain_id, database) = (chain.chain_id(), identity.chain_id);
    if chain_id != database {
        return Err(RunError::OtherChain {
            block,
            chain_id,
            database,
        });
    }
    let database = identity.scheme;
    if leaves != database {
        return Err(RunError::OtherScheme { leaves, database });
    }
    Ok(())
}

impl BlockState for MemoryState {
    fn scope(&self) -> StateScope {
        self.scope()
    }

    fn keeps_changes(&self) -> bool {
        self.scope() == StateScope::Complete
    }

    fn advance(
        &mut self,
        block: &EthBlock,
        changes: &BundleState,
    ) -> Result<Option<B256>, RuleError> {
        if self.scope() == StateScope::Transactions {
            return Ok(None);
        }
        self.apply(changes);
        self.insert_block_hash(block.header.number, block.header.hash_slow());
        Ok(Some(self.state_root()))
    }
}
