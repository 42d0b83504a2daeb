//! revm execution into leaves.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod mpt;
#[cfg(feature = "engine")]
pub mod statetest;
mod trace;
mod transition;
mod witness;

pub use mpt::{
    AccountChange, AccountFields, NodeSet, SparseState, Trie, TrieError, TrieFault, TrieName,
};
#[cfg(feature = "engine")]
pub use trace::summary_line;
pub use trace::{
    Change, Effect, Step, StepOpening, TraceError, TraceLimits, TraceOptions, Tracer, verify_step,
};
pub use transition::{
    StepsCommitment, TRACER_VERSION, TraceMode, TransitionContext, TransitionKind,
    TransitionOutcome, transition_hash,
};
pub use witness::{
    Ancestors, Claims, ExecutionWitness, HeaderFault, PreState, WitnessDb, WitnessError,
};
#[cfg(feature = "engine")]
pub use witness::{MAX_ITEM_LEN, MAX_ITEMS, WitnessFormatError};
