//! Executes the blocks of a witness, and says what that shows.

use super::database::WitnessedLog;
use super::error::{StateBlockError, StateWitnessError};
use super::form::{StateBlock, StateWitness};
use super::run::{BlockRun, Ran, check_place};
use crate::execute::TracerFor;
use crate::range::{Plan, PlanError};
use crate::state_log::keeps_all;
use crate::trace::{TraceOptions, Tracer};
use crate::tracing::NoTracer;
use crate::transition::TraceMode;
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes, keccak256};
use core::fmt;
use qmtree_proofs::state::{PartialError, PartialState};
use qmtree_proofs::statement::{
    BlockResult, PublicInputs, RangeTree, StatementBuilder, StatementError, WitnessKind,
};
use qmtree_proofs::{Blake3, Head, Keccak256, LeafPayload, Profile, Scheme, TreeHasher, TxNum};

const OMMERS_CLAIM: &[u8] = b"qmtree/claims/ommers-omitted/1";

/// What the execution of a witness shows.
#[derive(Clone, Debug)]
pub struct StateWitnessOutput {
    /// The public inputs. A proof commits to their digest.
    pub public_inputs: PublicInputs,
    /// The blocks that they bind.
    pub tree: RangeTree,
    /// What each block showed.
    pub blocks: Vec<StateWitnessBlock>,
}

/// What the execution of one block showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWitnessBlock {
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Gas used.
    pub gas_used: u64,
    /// Its leaves, under `state-root/1`.
    pub leaves: Vec<LeafPayload>,
    /// The head after it.
    pub head: Head,
}

/// Executes the blocks of a witness one after the other behind its head, which the caller compares
/// with one that it trusts: it is `public_inputs.head_before`.
///
/// Every value that is read is proven by the extract, the link to the newest block of the log
/// included; every leaf, state root and head is computed.
///
/// # Errors
/// [`StateWitnessError`]. What is missing in the witness is named.
pub fn execute_state_witness<H>(
    witness: &StateWitness,
    hasher: H,
) -> Result<StateWitnessOutput, StateWitnessError>
where
    H: TreeHasher + Clone + fmt::Debug + Send + 'static,
{
    match witness.mode {
        TraceMode::Outcome => execute_with(witness, hasher, NoTracer),
        mode => {
            let options = TraceOptions::new(mode, hasher.profile());
            let tracer = Tracer::inline(options, hasher.clone());
            execute_with(witness, hasher, tracer)
        }
    }
}

/// The whole program of a prover: decodes a witness, and executes it with hashers that need no
/// operating system.
///
/// # Errors
/// [`StateWitnessError`].
pub fn execute_state_witness_bytes(bytes: &Bytes) -> Result<StateWitnessOutput, StateWitnessError> {
    let witness = StateWitness::from_bytes(bytes)?;
    match witness.edge.head().profile {
        Profile::Keccak256 => execute_state_witness(&witness, Keccak256),
        Profile::Blake3 => execute_state_witness(&witness, Blake3),
        _ => Err(StatementError::Inconsistent {
            field: "the profile",
        }
        .into()),
    }
}

fn execute_with<H, T>(
    witness: &StateWitness,
    hasher: H,
    mut tracer: T,
) -> Result<StateWitnessOutput, StateWitnessError>
where
    H: TreeHasher + Clone + fmt::Debug,
    T: TracerFor<WitnessedLog<PartialState<H>>>,
{
    let head = witness.edge.head();
    let found = head.scheme;
    if found != Scheme::StateRoot1 {
        return Err(StateWitnessError::Scheme { found });
    }
    // All of this comes before the first execution: strangers shall not make us work for nothing.
    let plan = witness.plan();
    plan.check()?;
    let mut builder = StatementBuilder::new(hasher.clone(), &witness.edge, plan.setup())?;
    let extract = witness.extract.clone();
    let mut log = extract
        .open(hasher, head)
        .map_err(StateWitnessError::Extract)?;
    let mut blocks = Vec::with_capacity(witness.blocks.len());
    let mut whole = None;
    for block in &witness.blocks {
        let header = &block.block.header;
        let in_block = |source: StateBlockError<PartialError>| StateWitnessError::Block {
            number: header.number,
            source: Box::new(source),
        };
        check_room(builder.head(), block)?;
        let newest = builder.head().block_number;
        check_place(&witness.chain, &log, newest, block).map_err(in_block)?;
        // Blocks change nothing about that.
        let keeps_all = match whole {
            Some(known) => known,
            None => *whole.insert(keeps_all(&log).map_err(|e| in_block(e.into()))?),
        };
        let run = BlockRun {
            chain: &witness.chain,
            block,
            first_tx_num: TxNum(builder.head().leaf_count),
            whole: keeps_all,
        };
        let ran: Ran<PartialState<H>, T> = run.run(log, tracer).map_err(in_block)?;
        (log, tracer) = (ran.log, ran.tracer);
        let claims = u64::from(!block.ommers_known);
        let hash = header.hash_slow();
        let head = builder.push(&BlockResult {
            number: header.number,
            hash,
            parent_hash: header.parent_hash,
            spec_id: ran.spec_id,
            chain_state_before: B256::ZERO,
            chain_state_after: B256::ZERO,
            claims,
            claims_digest: match claims {
                0 => B256::ZERO,
                _ => keccak256(OMMERS_CLAIM),
            },
            leaves: &ran.leaves,
            state_log: Some((log.entry_count(), log.root())),
        })?;
        blocks.push(StateWitnessBlock {
            number: header.number,
            hash,
            gas_used: ran.gas_used,
            leaves: ran.leaves,
            head,
        });
    }
    let (public_inputs, tree) = builder.finish()?;
    Ok(StateWitnessOutput {
        public_inputs,
        tree,
        blocks,
    })
}

/// Heads are claims until somebody compares them: this one may leave no room for leaves.
fn check_room(head: &Head, block: &StateBlock) -> Result<(), StateWitnessError> {
    let leaves = block.block.body.transactions.len() as u64 + 2;
    match head.leaf_count.checked_add(leaves) {
        Some(_) => Ok(()),
        None => Err(StatementError::Inconsistent {
            field: "the leaf count",
        }
        .into()),
    }
}

impl StateWitness {
    fn plan(&self) -> Plan<'_> {
        Plan {
            chain: &self.chain,
            head: self.edge.head(),
            witness: WitnessKind::State,
            mode: self.mode,
            program: self.program,
            blocks: self.blocks.iter().map(|block| &block.block).collect(),
        }
    }

    /// Checks that the execution of this witness can lead to these public inputs, without executing
    /// anything: chain, rules, head before, trace mode, program, the numbers and hashes of the blocks
    /// and their links, what headers have to be behind each other, and the limits that a range has to keep.
    ///
    /// # Errors
    /// [`StateWitnessError`] with the first thing that differs.
    pub fn check_for(&self, expected: &PublicInputs) -> Result<(), StateWitnessError> {
        Ok(self.plan().check_for(expected)?)
    }
}

impl From<PlanError> for StateWitnessError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Statement(error) => Self::Statement(error),
            PlanError::Limit(error) => Self::Limit(error),
            PlanError::Chain { log, rules } => Self::Chain { log, rules },
            PlanError::Rules { number, source } => Self::Block {
                number,
                source: Box::new(StateBlockError::Execute(source)),
            },
            PlanError::Header { number, mismatch } => Self::Block {
                number,
                source: Box::new(mismatch.into()),
            },
        }
    }
}
