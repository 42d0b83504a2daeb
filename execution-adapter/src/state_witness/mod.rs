//! Blocks executed from a witness of QMTree's own state log, and nothing else.
//!
//! ```text
//! database --record--> StateWitness --bytes--> execute_state_witness --> PublicInputs, leaves, head
//!                        |- the rules, the blocks
//!                        |- the edge of the execution log
//!                        '- an extract of the state log: all that is read or written, and neighbours
//! ```
//!
//! Accounts, slots, codes, hashes of earlier blocks, the newest header and the lists of slots are all
//! keys of the state log, so one proof covers all that a block reads. What goes into the log is
//! computed here by the rules that the database follows, so every leaf, state root and head is the
//! database's, under `state-root/1` (docs/FORMAT.md, section 13.2).
//!
//! [`execute_state_witness_bytes`] is a whole program for a prover: no `std`, threads, files or clock.

mod database;
mod error;
mod execute;
mod form;
mod run;

#[cfg(feature = "engine")]
pub(crate) use database::WitnessedLog;
pub use error::{MissingState, StateBlockError, StateName, StateWitnessError};
pub use execute::{
    StateWitnessBlock, StateWitnessOutput, execute_state_witness, execute_state_witness_bytes,
};
pub use form::{StateBlock, StateWitness};
#[cfg(feature = "engine")]
pub(crate) use run::{BlockRun, WriteStateLog, check_place};
