//! From revm's results to the outcome that a leaf commits to.

use crate::transition::TransitionOutcome;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, Log};
use revm::context::result::{ExecutionResult, HaltReason, OutOfGasError};

/// The outcome of a transaction before its logs and output are hashed, and its calldata with them.
#[derive(Clone, Debug)]
pub(crate) struct RawOutcome {
    status: u8,
    gas_used: u64,
    gas_refunded: u64,
    input: Bytes,
    output: Bytes,
    /// RLP of the list of logs.
    logs: Vec<u8>,
    created: Option<Address>,
}

/// The hashes of calldata, output and logs.
pub(crate) const HASHES: usize = 3;

impl RawOutcome {
    pub(crate) fn new(result: &ExecutionResult, input: Bytes) -> Self {
        Self {
            status: status(result),
            gas_used: result.tx_gas_used(),
            gas_refunded: result.gas().final_refunded(),
            input,
            output: result.output().cloned().unwrap_or_default(),
            logs: encoded(result.logs()),
            created: result.created_address(),
        }
    }

    /// What is to be hashed with Keccak-256.
    pub(crate) fn messages(&self) -> [&[u8]; HASHES] {
        [&self.input, &self.output, &self.logs]
    }

    /// The outcome, given the hashes of the [`messages`](Self::messages); that of the calldata is
    /// part of the context.
    pub(crate) fn with_hashes(
        &self,
        [input_hash, output_hash, logs_hash]: [B256; HASHES],
    ) -> (B256, TransitionOutcome) {
        let outcome = TransitionOutcome {
            status: self.status,
            gas_used: self.gas_used,
            gas_refunded: self.gas_refunded,
            output_hash,
            logs_hash,
            created: self.created,
        };
        (input_hash, outcome)
    }
}

/// RLP of the list of logs.
fn encoded(logs: &[Log]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(alloy_rlp::list_length(logs));
    alloy_rlp::encode_list(logs, &mut bytes);
    bytes
}

/// Success, revert, or why it halted: the numbers of docs/FORMAT.md, section 8.3.
fn status(result: &ExecutionResult) -> u8 {
    match result {
        ExecutionResult::Success { .. } => 1,
        ExecutionResult::Revert { .. } => 0,
        ExecutionResult::Halt { reason, .. } => halt_status(reason),
    }
}

fn halt_status(reason: &HaltReason) -> u8 {
    match reason {
        HaltReason::OutOfGas(reason) => match reason {
            OutOfGasError::Basic => 2,
            OutOfGasError::MemoryLimit => 3,
            OutOfGasError::Memory => 4,
            OutOfGasError::Precompile => 5,
            OutOfGasError::InvalidOperand => 6,
            OutOfGasError::ReentrancySentry => 7,
        },
        HaltReason::OpcodeNotFound => 8,
        HaltReason::InvalidFEOpcode => 9,
        HaltReason::InvalidJump => 10,
        HaltReason::NotActivated => 11,
        HaltReason::StackUnderflow => 12,
        HaltReason::StackOverflow => 13,
        HaltReason::OutOfOffset => 14,
        HaltReason::CreateCollision => 15,
        HaltReason::PrecompileError | HaltReason::PrecompileErrorWithContext(_) => 16,
        HaltReason::NonceOverflow => 17,
        HaltReason::CreateContractSizeLimit => 18,
        HaltReason::CreateContractStartingWithEF => 19,
        HaltReason::CreateInitCodeSizeLimit => 20,
        HaltReason::OverflowPayment => 21,
        HaltReason::StateChangeDuringStaticCall => 22,
        HaltReason::CallNotAllowedInsideStatic => 23,
        HaltReason::OutOfFunds => 24,
        HaltReason::CallTooDeep => 25,
    }
}
