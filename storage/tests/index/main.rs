//! Both kinds of index through one suite; the one on disk also after crashes and damage.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests, as clippy.toml has it for those beside the code"
)]

#[cfg(feature = "rocksdb")]
mod damage;
#[cfg(feature = "rocksdb")]
mod kill;
#[cfg(feature = "rocksdb")]
mod measure;
mod model;
mod rules;
mod support;
