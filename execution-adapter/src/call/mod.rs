//! Calls (`eth_call`) on any past state, with a proof of all they read.
//!
//! A call runs on the state after a transaction number T, in the environment of the block that T
//! belongs to, whose header is itself a value of that state. So one proof of values under one head
//! shows all that the call depends on but the rules of the chain, and whoever has the head and the
//! rules executes it again and compares. docs/FORMAT.md, section 8.5, is the contract.
//!
//! ```text
//! prove   state after T --noted reads--> execution --> output, leaf; values read + their proof
//! verify  head --checks--> values ------> execution --> must be the same output and leaf
//! ```

mod error;
mod execute;
mod noted;
mod proof;
mod verify;

pub use error::CallError;
#[cfg(feature = "engine")]
pub(crate) use execute::execute_call;
pub use execute::{CallOutcome, CallRequest};
pub use noted::Noted;
pub use proof::{CallProof, ReadValue};
#[cfg(feature = "engine")]
pub(crate) use verify::check_identity;
pub use verify::{NotProven, ProvenValues, verify_call};

use crate::execute::TracerFor;
use crate::recorder::Recorder;
use crate::state_log::{ReadStateLog, StateLogDb};
use crate::tracing::BlockTracer;
use alloy_evm::eth::EthEvmContext;
use revm::Inspector;

/// A [`BlockTracer`] that can inspect calls on a log.
pub trait CallTracer<R: ReadStateLog + core::fmt::Debug>: TracerFor<StateLogDb<R>> {}

impl<R, T> CallTracer<R> for T
where
    R: ReadStateLog + core::fmt::Debug,
    T: BlockTracer + Inspector<EthEvmContext<Recorder<StateLogDb<R>>>>,
{
}
