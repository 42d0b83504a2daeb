//! Executes a range, and says what that shows.

use super::error::RangeError;
use super::input::{RangeBlock, RangeInput};
use crate::chain::ChainSpec;
use crate::execute::TracerFor;
use crate::stateless::{StatelessError, StatelessOutput, execute_from};
use crate::trace::{TraceOptions, Tracer};
use crate::tracing::NoTracer;
use crate::transition::TraceMode;
use crate::witness::{ItemPool, MAX_HEADERS, PreState, WitnessDb};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use core::fmt;
use qmtree_proofs::statement::{BlockResult, PublicInputs, RangeTree, StatementBuilder};
use qmtree_proofs::{Scheme, TreeHasher};

const CLAIMS_DOMAIN: &[u8] = b"qmtree/claims/1";

/// What the execution of a range shows.
#[derive(Clone, Debug)]
pub struct RangeOutput {
    /// The public inputs. A proof commits to their digest.
    pub public_inputs: PublicInputs,
    /// The blocks that they bind.
    pub tree: RangeTree,
    /// What each block showed, its leaves included.
    pub blocks: Vec<StatelessOutput>,
}

/// Executes the blocks of a range one after the other, each from its witness, and appends their
/// leaves to the edge of the log.
///
/// The blocks are known to follow each other, so the header of each proves the state before the next
/// and the hashes that `BLOCKHASH` asks for; what a witness claims in their place is not used.
///
/// What needs no execution is compared before the first of them: that the blocks follow the head and each
/// other, headers by their fields too, under rules that are known, and the limits of what is executed for
/// strangers. The first header is held against its parent's where the witness has that.
///
/// # Errors
/// [`RangeError`]. What is missing in a witness is named by its hash, number or slot.
pub fn execute_range<H>(input: &RangeInput, hasher: H) -> Result<RangeOutput, RangeError>
where
    H: TreeHasher + Clone + fmt::Debug + Send + 'static,
{
    match input.mode {
        TraceMode::Outcome => execute_with(input, hasher, NoTracer),
        mode => {
            let options = TraceOptions::new(mode, hasher.profile());
            let tracer = Tracer::inline(options, hasher.clone());
            execute_with(input, hasher, tracer)
        }
    }
}

/// The whole program of a prover: decodes the input, and executes it with hashers that need no
/// operating system.
///
/// # Errors
/// [`RangeError`].
pub fn execute_range_bytes(input: &Bytes) -> Result<RangeOutput, RangeError> {
    let input = RangeInput::from_bytes(input)?;
    execute_range(&input, input.edge.head().profile)
}

fn execute_with<H, T>(
    input: &RangeInput,
    hasher: H,
    mut tracer: T,
) -> Result<RangeOutput, RangeError>
where
    H: TreeHasher + Clone,
    T: TracerFor<WitnessDb>,
{
    let found = input.edge.head().scheme;
    if found != Scheme::ReadSet1 {
        return Err(RangeError::Scheme { found });
    }
    // All of this comes before the first execution: strangers shall not make us work for nothing.
    let plan = input.plan();
    plan.check()?;
    let mut builder = StatementBuilder::new(hasher, &input.edge, plan.setup())?;
    let mut outputs = Vec::with_capacity(input.blocks.len());
    let mut pool = ItemPool::default();
    let mut line: Vec<(B256, &Header)> = Vec::with_capacity(input.blocks.len());
    for block in &input.blocks {
        let before = line.get(line.len().saturating_sub(MAX_HEADERS)..);
        let before = before.unwrap_or_default();
        let executed = execute_block(&input.chain, block, before, &mut pool, tracer);
        let (output, next) = executed.map_err(|source| RangeError::Block {
            number: block.block.header.number,
            source: Box::new(source),
        })?;
        tracer = next;
        builder.push(&result(&output))?;
        line.push((output.block_hash, &block.block.header));
        outputs.push(output);
    }
    let (public_inputs, tree) = builder.finish()?;
    Ok(RangeOutput {
        public_inputs,
        tree,
        blocks: outputs,
    })
}

/// Executes a block that comes behind those `before` it. What the plan compared is not looked at again.
fn execute_block<'a, T: TracerFor<WitnessDb>>(
    chain: &ChainSpec,
    RangeBlock {
        block,
        witness,
        claims,
    }: &'a RangeBlock,
    before: &[(B256, &Header)],
    pool: &mut ItemPool<'a>,
    tracer: T,
) -> Result<(StatelessOutput, T), StatelessError> {
    let database = WitnessDb::in_range(&block.header, witness, claims.clone(), before, pool)?;
    execute_from(chain, block, database, tracer)
}

fn result(output: &StatelessOutput) -> BlockResult<'_> {
    let (claims, claims_digest) = claims(output);
    BlockResult {
        number: output.block_number,
        hash: output.block_hash,
        parent_hash: output.parent_hash,
        spec_id: output.spec_id,
        chain_state_before: output.pre_state.root(),
        chain_state_after: output.post_state_root,
        claims,
        claims_digest,
        leaves: &output.leaves,
        state_log: None,
    }
}

/// What a block rests on beside its hash: how many things, and a digest of them.
fn claims(output: &StatelessOutput) -> (u64, B256) {
    let root = match output.pre_state {
        PreState::Claimed(root) => Some(root),
        PreState::Proven(_) => None,
    };
    let count = output.claimed_hashes.len() as u64 + u64::from(root.is_some());
    if count == 0 {
        return (0, B256::ZERO);
    }
    let mut bytes = Vec::from(CLAIMS_DOMAIN);
    bytes.push(u8::from(root.is_some()));
    bytes.extend_from_slice(root.unwrap_or_default().as_slice());
    for (number, hash) in &output.claimed_hashes {
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(hash.as_slice());
    }
    (count, keccak256(bytes))
}
