//! revm execution into leaves.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod mpt;
#[cfg(feature = "engine")]
pub mod statetest;
mod transition;

pub use mpt::{
    AccountChange, AccountFields, NodeSet, SparseState, Trie, TrieError, TrieFault, TrieName,
};
pub use transition::{
    StepsCommitment, TRACER_VERSION, TraceMode, TransitionContext, TransitionKind,
    TransitionOutcome, transition_hash,
};
