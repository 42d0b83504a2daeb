//! What a range is executed from.

use crate::block::EthBlock;
use crate::chain::ChainSpec;
use crate::transition::TraceMode;
use crate::witness::{Claims, ExecutionWitness};
use alloc::vec::Vec;
use qmtree_proofs::statement::{LogEdge, Program};

/// Consecutive blocks, the witnesses that they are executed from, and the log that they are appended
/// to.
#[derive(Clone, Debug)]
pub struct RangeInput {
    /// The rules of the chain.
    pub chain: ChainSpec,
    /// The edge of the log before the first block. Its scheme is `read-set/1`.
    pub edge: LogEdge,
    /// Who makes the proof, and with which program.
    pub program: Program,
    /// How much of the execution the leaves commit to.
    pub mode: TraceMode,
    /// The blocks, oldest first.
    pub blocks: Vec<RangeBlock>,
}

/// A block of a range.
#[derive(Clone, Debug)]
pub struct RangeBlock {
    /// The block.
    pub block: EthBlock,
    /// What it reads.
    pub witness: ExecutionWitness,
    /// What is to be believed without proof; best nothing.
    pub claims: Claims,
}
