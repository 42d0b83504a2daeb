//! What a prover shows about a range of blocks, in one struct and one 32-byte digest.
//!
//! [`PublicInputs`] says that these blocks, executed under these rules on top of that head, lead to
//! this head. A guest in a zkVM or an enclave commits to its [`digest`](PublicInputs::digest), since
//! 32 bytes fit everywhere; the struct travels beside the proof (docs/FORMAT.md, section 12).
//!
//! ```text
//! LogEdge (head before) --.
//! blocks, executed -------+--> StatementBuilder --> PublicInputs, digest --> proved by a backend
//!                                              '--> BlockRecords, one a block, bound by the range root
//! ```
//!
//! Nothing here knows how the blocks were executed: from an execution witness of an Ethereum client
//! or from a witness of the state log.
//!
//! A verifier brings an [`Expected`], compares ([`PublicInputs::check`]), and verifies the proof for
//! the digest. Which blocks are covered is told by the range root: exactly one list of
//! [`BlockRecord`]s has it ([`PublicInputs::check_blocks`]), and a [`BlockOpening`] shows one of them.

mod builder;
mod edge;
mod error;
mod inputs;
mod mode;
mod place;
mod record;

use crate::keccak::keccak256;
use alloc::vec::Vec;
use alloy_primitives::B256;

pub use builder::{BlockResult, StatementBuilder, StatementSetup};
pub use edge::LogEdge;
pub use error::StatementError;
pub use inputs::{Expected, Program, PublicInputs, WitnessKind};
pub use mode::TraceMode;
pub use place::BlockPlace;
pub use record::{BlockOpening, BlockRecord, RangeTree};

/// Keccak-256 of a domain and what comes behind it.
fn tagged_hash(domain: &[u8], parts: &[&[u8]]) -> B256 {
    let mut message = Vec::from(domain);
    for part in parts {
        message.extend_from_slice(part);
    }
    B256::new(keccak256(&message))
}
