//! Snapshot files: Erigon's word files, and our own in them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod damage;
mod oracle;
mod support;
mod words;
