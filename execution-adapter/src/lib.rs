//! revm execution into leaves.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod block;
mod capture;
mod chain;
#[cfg(feature = "engine")]
pub mod engine;
mod execute;
mod leaf;
mod memory_state;
mod outcome;
mod recorder;
mod state_item;
mod tracer;
mod transition;
mod verify;

pub use block::{BlockError, EthBlock, decode_block, recover_sender, recover_senders};
pub use capture::StateAccess;
#[cfg(feature = "engine")]
pub use chain::UnsupportedFork;
pub use chain::{ChainError, ChainSpec};
pub use execute::{BlockInput, ExecuteError, ExecutedBlock, execute_block};
pub use leaf::{LeafParts, LeafRecord, PreStateHash, ReadSet};
pub use memory_state::{MemoryState, MemoryStateError};
pub use recorder::Recorder;
pub use state_item::{AccountValue, StateItem, StateKey, root_over};
pub use tracer::{NoTracer, PendingSteps, TraceError, Tracer};
pub use transition::{
    StepsCommitment, TRACER_VERSION, TraceMode, TransitionContext, TransitionKind,
    TransitionOutcome, transition_hash,
};
pub use verify::{
    BlockOutcome, Field, Mismatch, StateScope, Value, check_body, check_hash, check_outcome,
};
