//! Snapshots: what is exported can be imported, read in place, merged and dropped, and what was
//! changed on the way is refused before anything of it is visible.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod bootstrap;
mod crash;
mod export;
mod folder;
mod golden;
mod in_place;
mod manifest;
mod refused;
mod round_trip;
mod state;
mod state_files;
mod support;
