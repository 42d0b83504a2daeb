//! Ranges of blocks from files and databases.

use crate::engine::witness_file::WitnessedBlock;
use crate::range::RangeBlock;
use alloy_primitives::B256;
use qmtree::{At, View};
use qmtree_proofs::TxNum;
use qmtree_proofs::statement::{LogEdge, StatementError};

/// Why there is no edge of a log before a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError {
    /// The database does not have the block before, or has pruned its leaves.
    #[error(transparent)]
    Database(#[from] qmtree::Error),
    /// The database contradicts itself.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl From<WitnessedBlock> for RangeBlock {
    fn from(file: WitnessedBlock) -> Self {
        Self {
            block: file.prepared.block,
            witness: file.witness,
            claims: file.claims,
        }
    }
}

/// The edge of the log before `block`: of the block before it, or of an empty log if `block` is the
/// first of the log or is to be it. Costs one inclusion proof.
///
/// # Errors
/// [`EdgeError::Database`] if the log has neither the block before nor no block at all.
pub fn log_edge_before(view: &View, block: u64) -> Result<LogEdge, EdgeError> {
    let newest = view.head();
    let before = block.saturating_sub(1);
    let head = match view.blocks() {
        None => *newest,
        Some((_, last)) if last == before => *newest,
        Some((first, _)) if first == block && view.block_range(block)?.start == TxNum(0) => {
            return Ok(LogEdge::empty(
                newest.chain_id,
                newest.profile,
                newest.scheme,
            ));
        }
        Some(_) => view.head_at(before)?,
    };
    let Some(last) = head.leaf_count.checked_sub(1) else {
        return Ok(LogEdge::new(head, B256::ZERO, Vec::new())?);
    };
    let at = match head == *newest {
        true => At::Head,
        false => At::Block(before),
    };
    let proof = view.prove_inclusion(TxNum(last), at)?;
    let leaf_hash = view.leaf_hash(TxNum(last))?;
    Ok(LogEdge::from_proof(head, leaf_hash, &proof)?)
}
