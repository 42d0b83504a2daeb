//! Execution witnesses: what a block reads of Ethereum's state, in a form that proves itself.
//!
//! An [`ExecutionWitness`] is what an Ethereum client answers to `debug_executionWitness`: nodes of
//! the state trie, codes, headers. [`WitnessDb`] is a database for revm over it. Nothing in it is
//! believed: nodes and codes are found by the hashes of their bytes, from the state root of the
//! parent block, which the block's own header names through the parent's hash. docs/WITNESS.md tells
//! the same story for users.

mod ancestors;
mod database;
mod error;
mod execution_witness;
#[cfg(feature = "engine")]
mod json;
mod pool;
mod post_state;

pub use ancestors::Ancestors;
pub use database::{Claims, PreState, WitnessDb, WitnessFailure};
pub use error::{HeaderFault, WitnessError};
pub use execution_witness::ExecutionWitness;
#[cfg(feature = "engine")]
pub use json::{MAX_ITEM_LEN, MAX_ITEMS, WitnessFormatError};
pub(crate) use pool::ItemPool;

/// Most headers that the witness of a block lists: as far back as `BLOCKHASH` reaches.
pub(crate) const MAX_HEADERS: usize = 256;
