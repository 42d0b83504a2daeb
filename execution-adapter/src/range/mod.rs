//! A range of blocks, executed from witnesses, and what that shows: the program that a prover runs.
//!
//! ```text
//! RangeInput (bytes) --> execute_range --> PublicInputs --> digest, which the proof commits to
//! ```
//!
//! [`execute_range_bytes`] is the whole program: without `std`, threads, files or clock. A guest for a
//! zkVM reads its input, calls it, and commits to the digest of what comes back; docs/PROVERS.md.

mod codec;
mod error;
mod execute;
mod input;
mod plan;

pub(crate) use codec::{Front, Reader, is_of_kind, put_bytes, put_front, put_len, read_front};
pub use error::{RangeError, RangeInputError};
pub use execute::{RangeOutput, execute_range, execute_range_bytes};
pub use input::{RangeBlock, RangeInput};
pub(crate) use plan::{Plan, PlanError};

/// Version of the rules that this program executes blocks by, leaves included. It changes whenever
/// the same input could lead to other public inputs.
pub const PROGRAM_VERSION: u32 = 3;
