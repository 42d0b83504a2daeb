//! Executes a block from a witness and nothing else.

use crate::block::{BlockError, EthBlock, recover_senders};
use crate::chain::ChainSpec;
use crate::execute::{BlockInput, ExecuteError, TracerFor, execute_block};
use crate::header_rules::check_header;
use crate::leaf::{LeafParts, PreStateHash, ReadSet, RuleError};
use crate::limits::{LimitError, check_block};
use crate::trace::TraceError;
use crate::transition::{StepsCommitment, TransitionKind};
use crate::verify::{Field, Mismatch, StateScope, check_body, check_outcome, same};
use crate::witness::{Claims, ExecutionWitness, PreState, WitnessDb, WitnessError};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};
use core::fmt;
use qmtree_proofs::LeafPayload;
use revm::database::states::bundle_state::BundleRetention;

/// Prefix of the hashed form of a [`StatelessOutput`].
const DOMAIN: &[u8] = b"qmtree/stateless/1";

/// A block, and all that may be used to execute it.
#[derive(Clone, Debug)]
pub struct StatelessInput<'a> {
    /// The rules.
    pub chain: &'a ChainSpec,
    /// The block.
    pub block: &'a EthBlock,
    /// What it reads.
    pub witness: &'a ExecutionWitness,
    /// What is to be believed without proof; best nothing, which is the default.
    pub claims: Claims,
}

/// What a stateless execution shows: its public values, and the leaves that they bind.
///
/// Whoever trusts the hash of the block needs to trust nothing else, unless
/// [`pre_state`](Self::pre_state) or [`claimed_hashes`](Self::claimed_hashes) says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatelessOutput {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Number of the fork's rules, `revm`'s `SpecId` as a byte.
    pub spec_id: u8,
    /// Number of the block.
    pub block_number: u64,
    /// Hash of the block.
    pub block_hash: B256,
    /// Hash of its parent.
    pub parent_hash: B256,
    /// The state root before the block, and whether the parent's header has it or it was claimed.
    pub pre_state: PreState,
    /// The state root after the block, which its header has too.
    pub post_state_root: B256,
    /// Hashes of earlier blocks that the block used and that were only claimed.
    pub claimed_hashes: Vec<(u64, B256)>,
    /// Gas used.
    pub gas_used: u64,
    /// What the block's leaves hold under `read-set/1`, in order; where they come in the log, and so
    /// which leaf they follow, is not part of this.
    pub leaves: Vec<LeafPayload>,
}

/// Why a block could not be executed from a witness, or is not what its header says.
#[derive(Debug)]
#[non_exhaustive]
pub enum StatelessError {
    /// A transaction without a sender.
    Block(BlockError),
    /// The witness does not serve.
    Witness(WitnessError),
    /// It could not be executed, though the witness had all that was asked for.
    Execute(Box<ExecuteError>),
    /// It was executed, and is not what its header says.
    Mismatch(Mismatch),
    /// The tracer failed, or ran into its limits.
    Trace(TraceError),
    /// A leaf could not be made.
    Leaf(RuleError),
    /// More work than is taken on, by its header.
    Limit(LimitError),
}

/// Executes a block from a witness, checks every field of its header that follows from execution,
/// the state root included, and makes its leaves.
///
/// Where the witness has the parent's header, what a header has to be behind it is checked as well
/// ([`check_header`](crate::check_header)).
///
/// This is what a zkVM guest runs: without `std`, threads, files or clock. Senders are recovered
/// from the signatures here, since nobody else's word counts.
///
/// # Errors
/// [`StatelessError`]. What is missing in the witness is named by its hash, number or slot.
pub fn execute_stateless<T>(
    input: StatelessInput<'_>,
    tracer: T,
) -> Result<(StatelessOutput, T), StatelessError>
where
    T: TracerFor<WitnessDb>,
{
    let StatelessInput {
        chain,
        block,
        witness,
        claims,
    } = input;
    check_block(block)?;
    let database = WitnessDb::new(&block.header, witness, claims)?;
    execute_from(chain, block, database, tracer)
}

/// The same from a witness that was looked through. The limits on the block were checked.
pub(crate) fn execute_from<T>(
    chain: &ChainSpec,
    block: &EthBlock,
    database: WitnessDb,
    tracer: T,
) -> Result<(StatelessOutput, T), StatelessError>
where
    T: TracerFor<WitnessDb>,
{
    let header = &block.header;
    let pre_state = database.pre_state();
    let failure = database.failure();
    check_body(block, true)?;
    if let Some(parent) = database.parent() {
        check_header(chain, header, parent)?;
    }
    let senders = recover_senders(block)?;
    let execution = BlockInput {
        chain,
        block,
        senders: &senders,
        keep_changes: true,
    };
    let mut parts = Vec::with_capacity(senders.len() + 2);
    let executed = execute_block(execution, database, tracer, |record| {
        parts.push(record.into_parts(ReadSet.scheme()));
    });
    // What the witness lacks comes first: an executor that ran into it may blame the block.
    if let Some(missing) = failure.get() {
        return Err(missing.clone().into());
    }
    let mut executed = executed?;
    check_outcome(block, &executed.outcome, StateScope::Complete)?;

    let mut state = executed.state;
    state.merge_transitions(BundleRetention::PlainState);
    let changes = state.take_bundle();
    let mut database = state.database;
    let post_state_root = database.post_state_root(&changes)?;
    same(Field::StateRoot, header.state_root, post_state_root)?;

    let output = StatelessOutput {
        chain_id: chain.chain_id(),
        spec_id: executed.outcome.spec as u8,
        block_number: header.number,
        block_hash: header.hash_slow(),
        parent_hash: header.parent_hash,
        pre_state,
        post_state_root,
        claimed_hashes: database.claimed_hashes().collect(),
        gas_used: executed.outcome.gas_used,
        leaves: payloads(&parts, &executed.tracer.commitments()?)?,
    };
    Ok((output, executed.tracer))
}

/// The leaves of a block, given the commitments to the steps of its transactions.
fn payloads(
    parts: &[LeafParts],
    steps: &[StepsCommitment],
) -> Result<Vec<LeafPayload>, StatelessError> {
    let mut steps = steps.iter().copied();
    let payload = |parts: &LeafParts| {
        let pre_state = ReadSet
            .pre_state_hash(parts)
            .map_err(StatelessError::Leaf)?;
        let steps = match parts.kind {
            TransitionKind::Transaction => steps.next().unwrap_or_default(),
            _ => StepsCommitment::default(),
        };
        Ok(parts.payload(pre_state, &steps))
    };
    parts.iter().map(payload).collect()
}

impl StatelessOutput {
    /// The public values at fixed width, but for the claimed hashes and the leaves, of which it has
    /// number and hash. docs/WITNESS.md has the table.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(252);
        bytes.extend_from_slice(DOMAIN);
        bytes.extend_from_slice(&self.chain_id.to_be_bytes());
        bytes.push(self.spec_id);
        bytes.extend_from_slice(&self.block_number.to_be_bytes());
        bytes.extend_from_slice(self.block_hash.as_slice());
        bytes.extend_from_slice(self.parent_hash.as_slice());
        bytes.push(u8::from(matches!(self.pre_state, PreState::Claimed(_))));
        bytes.extend_from_slice(self.pre_state.root().as_slice());
        bytes.extend_from_slice(self.post_state_root.as_slice());
        bytes.extend_from_slice(&(self.claimed_hashes.len() as u64).to_be_bytes());
        let mut claimed = Vec::with_capacity(self.claimed_hashes.len() * 40);
        for (number, hash) in &self.claimed_hashes {
            claimed.extend_from_slice(&number.to_be_bytes());
            claimed.extend_from_slice(hash.as_slice());
        }
        bytes.extend_from_slice(keccak256(claimed).as_slice());
        bytes.extend_from_slice(&self.gas_used.to_be_bytes());
        bytes.extend_from_slice(&(self.leaves.len() as u64).to_be_bytes());
        let leaves = self.leaves.iter().map(LeafPayload::to_bytes);
        bytes.extend_from_slice(keccak256(leaves.collect::<Vec<_>>().as_flattened()).as_slice());
        bytes
    }

    /// Keccak-256 of [`to_bytes`](Self::to_bytes): 32 bytes that bind all of it.
    #[must_use]
    pub fn digest(&self) -> B256 {
        keccak256(self.to_bytes())
    }
}

impl From<BlockError> for StatelessError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl From<LimitError> for StatelessError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl From<WitnessError> for StatelessError {
    fn from(error: WitnessError) -> Self {
        Self::Witness(error)
    }
}

impl From<ExecuteError> for StatelessError {
    fn from(error: ExecuteError) -> Self {
        Self::Execute(Box::new(error))
    }
}

impl From<TraceError> for StatelessError {
    fn from(error: TraceError) -> Self {
        Self::Trace(error)
    }
}

impl From<Mismatch> for StatelessError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

impl fmt::Display for StatelessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(error) => error.fmt(f),
            Self::Witness(error) => error.fmt(f),
            Self::Execute(error) => error.fmt(f),
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Trace(error) => error.fmt(f),
            Self::Leaf(error) => error.fmt(f),
            Self::Limit(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StatelessError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Execute(error) => error.source(),
            Self::Leaf(error) => error.source(),
            Self::Block(_) | Self::Witness(_) | Self::Mismatch(_) | Self::Trace(_) => None,
            Self::Limit(_) => None,
        }
    }
}
