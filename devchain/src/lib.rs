//! Makes the development chain: a small Ethereum that lives through every fork.
//!
//! The chain has 256 blocks, sixteen under each of sixteen sets of rules from Frontier to the second
//! change of blob parameters after Osaka. Every sixteen blocks take the same tour (see `tour.rs`),
//! so that the same actions can be compared across forks. Nothing is random: the same code makes the
//! same bytes, and a test compares them with what is in `testdata/devchain`.
//!
//! Each header has the root of the whole state, recomputed from all accounts, and everything else a
//! header of its fork has. The one thing missing is proof of work: nonce and mix hash of the blocks
//! before Paris are zero.

#![forbid(unsafe_code)]

mod actors;
mod assembler;
mod block;
mod chain;
mod contracts;
mod error;
mod genesis;
mod precompiles;
mod requests;
mod rules;
mod state;
mod tour;
mod transactions;

pub use chain::{DevChain, generate};
pub use error::DevChainError;
