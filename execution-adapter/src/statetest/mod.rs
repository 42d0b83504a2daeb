//! Ethereum's state tests, run through the engine's EVM, untraced and traced.
//!
//! A `GeneralStateTests` file holds named tests. Each has a block environment, a state before, a
//! transaction with lists of data, gas limits and values, and for every fork the results of picking
//! one of each: the root of the state after, and the hash of the logs. One such result is a *case*.
//!
//! ```text
//! find -> StateTestFile::read -> cases -> Case::run -> CaseReport
//!         JSON, maybe in zstd             twice        passed, or the first difference
//! ```
//!
//! The files come from many tools and ten years: with `_info` or without, numbers in hex or decimal
//! or too wide to be a transaction's, hex with and without `0x`, a sender or only its key. All are
//! read; the rules for what a file leaves out are in `setup`. The types are ours rather than those
//! of `revm-statetest-types`, which refuses fields it does not know, panics on forks and indexes it
//! does not know, and cannot hold the values that some tests put out of range on purpose.

mod batch;
mod compare;
mod constantinople;
mod error;
mod find;
mod fork;
mod number;
mod post;
mod read;
mod run;
mod setup;
mod tracing;
mod unit;

pub use batch::{FileReport, FileResult, Selection, run_files};
pub use compare::Mismatch;
pub use error::StateTestError;
pub use find::{Found, find};
pub use read::{Case, CaseId, Skipped, StateTestFile};
pub use run::CaseReport;
pub use tracing::{Steps, Tracing};
