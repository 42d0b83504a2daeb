//! The state log: a versioned map in append-only form, with a root after every transaction.
//!
//! A key's current version is its one *active* entry; each entry also names the next larger live
//! key, so that a gap between two keys is proved by one entry. A rewritten entry names the entry
//! it supersedes, so that the past is proved by the same root (docs/FORMAT.md, sections 1.4 and 1.5).
//!
//! ```text
//! level 12+   upper tree          as in the execution log, over the twig roots
//! level 11    node(11, entries_root, active_root)
//!                 |            \
//! level 0..11  2048 entries   2048 active bits: 8 words of 32 bytes, tags 0x80 to 0x82
//! ```
//!
//! "At txNum T" always means *after* T: with all that T wrote. The `preStateHash` of leaf T is the
//! root before it, which is the root after T - 1.

mod active;
mod batch;
mod compaction;
mod entry;
mod extract;
mod memory;
mod opening;
mod proof;
mod prove;
mod verify;

pub use active::{ACTIVE_WORDS, ActiveBits};
pub use batch::{BatchError, Touched, check_keys, rewrite};
pub use compaction::Compaction;
pub use entry::{Entry, EntryError, EntryId, StateWord};
pub use extract::{
    MAX_EXTRACT_VALUE_LEN, OpenEntry, PartialError, PartialState, StateExtract, open_extract,
};
pub use memory::MemoryStateLog;
pub use proof::StateProof;
pub use prove::{Evidence, StateSource, open_entries};
pub use verify::ProvenState;
