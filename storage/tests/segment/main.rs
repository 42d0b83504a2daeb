//! Sealed segments: what is written is what is read, and what was changed is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod crash;
mod damage;
// Miri cannot map files, nor read the golden ones.
#[cfg(not(miri))]
mod folder;
#[cfg(not(miri))]
mod golden;
mod round_trip;
mod support;
