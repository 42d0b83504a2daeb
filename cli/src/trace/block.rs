//! Executing the block of a file with a tracer.

use crate::error::CliError;
use qmtree_execution_adapter::engine::{
    BlockFile, ExecutedLeaves, PreparedBlock, RunError, execute_to_leaves, open_block_file,
};
use qmtree_execution_adapter::{
    BlockInput, BlockOutcome, LeafParts, MemoryState, ReadSet, StepsCommitment, TracerFor,
    check_body, check_outcome,
};
use qmtree_proofs::LeafPayload;
use std::path::Path;

/// What came of a block that holds.
pub(super) struct Executed<T> {
    pub(super) tracer: T,
    pub(super) outcome: BlockOutcome,
    pub(super) parts: Vec<LeafParts>,
    pub(super) payloads: Vec<LeafPayload>,
    pub(super) steps: Vec<StepsCommitment>,
}

/// Reads a block that brings its state.
pub(crate) fn read(path: &Path) -> Result<PreparedBlock, CliError> {
    match open_block_file(path, None).map_err(Box::new)? {
        BlockFile::WithState(block) if block.state.is_some() => Ok(*block),
        _ => Err(CliError::NoState { path: path.into() }),
    }
}

/// Checks that a block has such a transaction.
pub(super) fn check_index(
    path: &Path,
    block: &PreparedBlock,
    index: usize,
) -> Result<(), CliError> {
    let count = block.block.body.transactions.len();
    if index < count {
        return Ok(());
    }
    Err(CliError::NoTransaction {
        path: path.into(),
        index,
        count,
    })
}

/// Executes a block and checks it against its header.
pub(super) fn execute<T: TracerFor<MemoryState>>(
    path: &Path,
    prepared: PreparedBlock,
    tracer: T,
) -> Result<Executed<T>, CliError> {
    let PreparedBlock {
        chain,
        block,
        senders,
        ommers_known,
        state,
        ..
    } = prepared;
    let Some(state) = state else {
        return Err(CliError::NoState { path: path.into() });
    };
    let failed = |source| CliError::Run {
        path: path.into(),
        source: Box::new(source),
    };
    let number = block.header.number;
    let mismatch = |mismatch| {
        failed(RunError::Mismatch {
            block: number,
            mismatch,
        })
    };
    check_body(&block, ommers_known).map_err(mismatch)?;
    let scope = state.scope();
    let input = BlockInput {
        chain: &chain,
        block: &block,
        senders: &senders,
        keep_changes: false,
    };
    let made = execute_to_leaves(input, state, tracer, &mut ReadSet).map_err(failed)?;
    let ExecutedLeaves {
        executed,
        parts,
        payloads,
        steps,
        ..
    } = made;
    check_outcome(&block, &executed.outcome, scope).map_err(mismatch)?;
    Ok(Executed {
        tracer: executed.tracer,
        outcome: executed.outcome,
        parts,
        payloads,
        steps,
    })
}
