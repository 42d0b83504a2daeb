//! The transition commitment: what one transaction number did, bound into 32 bytes.
//!
//! docs/FORMAT.md, section 8, is the contract.

use alloy_primitives::{Address, B256, U256, keccak256};
pub use qmtree_proofs::statement::TraceMode;

/// What is hashed first, so that a commitment of another tracer, or of another revm, is another
/// commitment. The revm version is the one that the workspace pins.
pub const TRACER_VERSION: &str = "qmtree/transition/2 revm/43.0.3";

/// What took a transaction number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TransitionKind {
    /// System calls before the first transaction of a block.
    BlockBegin = 0,
    /// A transaction.
    Transaction = 1,
    /// Withdrawals, requests and rewards after the last transaction of a block.
    BlockEnd = 2,
    /// A call that changed nothing (`eth_call`); it takes no transaction number in the log.
    Call = 3,
    /// A state that was given and not executed: of a genesis, or what a block file says was before
    /// its block.
    Given = 4,
}

/// What was asked for.
///
/// | field | block-begin | transaction | block-end | call | given |
/// |---|---|---|---|---|---|
/// | `subject` | block hash | transaction hash | block hash | block hash | block hash |
/// | `input_hash` | of nothing | of the calldata | of RLP(\[withdrawals, requests\]) | of the calldata | of nothing |
///
/// The other fields of block-begin, block-end and given are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransitionContext {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Number of the fork's rules, `revm`'s `SpecId` as a byte.
    pub spec_id: u8,
    /// Number of the block.
    pub block_number: u64,
    /// See the table above.
    pub subject: B256,
    /// Sender.
    pub caller: Address,
    /// Callee; none if a contract is created.
    pub target: Option<Address>,
    /// Wei sent along.
    pub value: U256,
    /// Gas limit of the transaction.
    pub gas_limit: u64,
    /// Nonce of the sender.
    pub nonce: u64,
    /// See the table above.
    pub input_hash: B256,
}

/// What came of it. Of a block-end: gas used by the block, receipts root as `output_hash`, hash
/// of the logs bloom as `logs_hash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransitionOutcome {
    /// 1 success, 0 revert, 2 and up: halted, for the reason that docs/FORMAT.md lists.
    pub status: u8,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// Gas refunded.
    pub gas_refunded: u64,
    /// Keccak-256 of the output.
    pub output_hash: B256,
    /// Keccak-256 of RLP(list of logs).
    pub logs_hash: B256,
    /// The contract that was created.
    pub created: Option<Address>,
}

/// The steps of a traced execution; zero in mode [`TraceMode::Outcome`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepsCommitment {
    /// Root of the steps' log, or in mode [`TraceMode::Flat`] the hash of the RLP list.
    pub root: B256,
    /// Number of steps.
    pub count: u64,
}

/// `transitionHash` of a leaf: Keccak-256 of all of these, each at a fixed width.
#[must_use]
pub fn transition_hash(
    kind: TransitionKind,
    mode: TraceMode,
    context: &TransitionContext,
    steps: &StepsCommitment,
    outcome: &TransitionOutcome,
) -> B256 {
    let tracer = keccak256(TRACER_VERSION);
    keccak256(transition_bytes(
        tracer, kind, mode, context, steps, outcome,
    ))
}

/// What [`transition_hash`] hashes, given the hash of the tracer's version.
pub(crate) fn transition_bytes(
    tracer: B256,
    kind: TransitionKind,
    mode: TraceMode,
    context: &TransitionContext,
    steps: &StepsCommitment,
    outcome: &TransitionOutcome,
) -> alloc::vec::Vec<u8> {
    let mut bytes = alloc::vec::Vec::with_capacity(384);
    bytes.extend_from_slice(tracer.as_slice());
    bytes.extend_from_slice(&[kind as u8, mode as u8, context.spec_id]);
    bytes.extend_from_slice(&context.chain_id.to_be_bytes());
    bytes.extend_from_slice(&context.block_number.to_be_bytes());
    bytes.extend_from_slice(context.subject.as_slice());
    bytes.extend_from_slice(context.caller.as_slice());
    push_address(&mut bytes, context.target);
    bytes.extend_from_slice(&context.value.to_be_bytes::<32>());
    bytes.extend_from_slice(&context.gas_limit.to_be_bytes());
    bytes.extend_from_slice(&context.nonce.to_be_bytes());
    bytes.extend_from_slice(context.input_hash.as_slice());
    bytes.extend_from_slice(steps.root.as_slice());
    bytes.extend_from_slice(&steps.count.to_be_bytes());
    bytes.push(outcome.status);
    bytes.extend_from_slice(&outcome.gas_used.to_be_bytes());
    bytes.extend_from_slice(&outcome.gas_refunded.to_be_bytes());
    bytes.extend_from_slice(outcome.output_hash.as_slice());
    bytes.extend_from_slice(outcome.logs_hash.as_slice());
    push_address(&mut bytes, outcome.created);
    bytes
}

/// 1 and the address, or 21 zero bytes.
fn push_address(bytes: &mut alloc::vec::Vec<u8>, address: Option<Address>) {
    bytes.push(u8::from(address.is_some()));
    bytes.extend_from_slice(address.unwrap_or_default().as_slice());
}
