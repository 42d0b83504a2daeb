//! revm execution into leaves.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "engine")]
pub mod statetest;
mod transition;

pub use transition::{
    StepsCommitment, TRACER_VERSION, TraceMode, TransitionContext, TransitionKind,
    TransitionOutcome, transition_hash,
};
