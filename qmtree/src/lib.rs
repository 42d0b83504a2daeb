//! The engine. Not written yet: nothing is exported. A log in memory is `qmtree_proofs::MemoryLog`.
#![forbid(unsafe_code)]

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
