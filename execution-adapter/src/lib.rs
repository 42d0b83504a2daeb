//! revm execution into leaves.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod block;
mod call;
mod capture;
mod chain;
#[cfg(feature = "engine")]
pub mod engine;
mod execute;
mod header_rules;
mod leaf;
mod limits;
mod memory_state;
mod mpt;
mod one_tx;
mod outcome;
mod program;
mod range;
mod recorder;
mod roots;
mod state_item;
pub mod state_log;
mod state_witness;
mod stateless;
#[cfg(feature = "engine")]
pub mod statetest;
mod trace;
mod tracing;
mod transition;
mod verify;
mod witness;

pub use block::{BlockError, EthBlock, decode_block, recover_sender, recover_senders};
pub use call::{
    CallError, CallOutcome, CallProof, CallRequest, CallTracer, NotProven, Noted, ProvenValues,
    ReadValue, verify_call,
};
pub use capture::StateAccess;
#[cfg(feature = "engine")]
pub use chain::UnsupportedFork;
pub use chain::{ChainError, ChainSpec, RulesError};
pub use execute::{BlockInput, ExecuteError, ExecutedBlock, TracerFor, execute_block};
pub use header_rules::check_header;
pub use leaf::{LeafParts, LeafRecord, PreStateHash, ReadSet, RuleError};
pub use limits::{LimitError, MAX_BLOCK_GAS, MAX_RANGE_GAS, SYSTEM_GAS};
pub use memory_state::{MemoryState, MemoryStateError};
pub use mpt::{
    AccountChange, AccountFields, NodeSet, SparseState, Trie, TrieError, TrieFault, TrieName,
};
pub use one_tx::OneTx;
pub use program::{ProgramInput, ProgramInputError, execute_program};
pub use range::{
    PROGRAM_VERSION, RangeBlock, RangeError, RangeInput, RangeInputError, RangeOutput,
    execute_range, execute_range_bytes,
};
pub use recorder::Recorder;
pub use state_item::{AccountValue, StateItem, StateKey, root_over};
pub use state_witness::{
    MissingState, StateBlock, StateBlockError, StateName, StateWitness, StateWitnessBlock,
    StateWitnessError, StateWitnessOutput, execute_state_witness, execute_state_witness_bytes,
};
pub use stateless::{StatelessError, StatelessInput, StatelessOutput, execute_stateless};
#[cfg(feature = "engine")]
pub use trace::summary_line;
pub use trace::{
    Change, Effect, OpenedStep, Step, StepOpening, Stretch, TraceError, TraceLimits, TraceOptions,
    Tracer, verify_step,
};
pub use tracing::{BlockTracer, NoTracer};
pub use transition::{
    StepsCommitment, TRACER_VERSION, TraceMode, TransitionContext, TransitionKind,
    TransitionOutcome, transition_hash,
};
pub use verify::{
    BlockOutcome, Field, Mismatch, StateScope, Value, check_body, check_hash, check_outcome,
};
pub use witness::{
    Ancestors, Claims, ExecutionWitness, HeaderFault, PreState, WitnessDb, WitnessError,
    WitnessFailure,
};
#[cfg(feature = "engine")]
pub use witness::{MAX_ITEM_LEN, MAX_ITEMS, WitnessFormatError};
