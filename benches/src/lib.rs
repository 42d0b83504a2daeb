//! Benchmarks of QMTree, and the runner `ratios` that prints its targets beside what it measures.
//!
//! | bench | what it times |
//! |---|---|
//! | `kernels` | leaves and nodes in batches of 1, 8 and 1000, every kernel of this CPU |
//! | `twig` | a full twig from stored leaves, all nodes kept |
//! | `chain` | the serial chain of leaf hashes over 2048 payloads |
//! | `proofs` | making and verifying proofs; the encoded size stands in the name |
//!
//! What they share is here: inputs that are the same in every run ([`Random`]), the hashers that
//! are compared ([`Contender`]), and sampling in interleaved rounds ([`Rounds`]).
//! docs/BENCHMARKS.md has the method and figures.
#![forbid(unsafe_code)]

mod contender;
mod one_by_one;
mod random;
mod report;
mod rounds;
mod synthetic;
mod twig;

pub use contender::Contender;
pub use one_by_one::TinyKeccak;
pub use random::Random;
pub use report::{Figure, Report, Target};
pub use rounds::{Rounds, TaskId};
pub use synthetic::SyntheticPath;
pub use twig::Twig;
