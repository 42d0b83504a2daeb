//! Extract: entries of the state log under one head, with all it takes to go on from there.
//!
//! A state proof answers questions; an extract also takes writes. It opens active entries, each
//! with its active bit, and the place behind the last entry, as if an entry there were proved to be
//! missing: the siblings of that place are the right edge of the log. So whoever trusts the head
//! can apply batches by the rules and get every root after it ([`PartialState`]), without a log.
//!
//! ```text
//!                 root
//!            /           \           sent once: the siblings of all ways up
//!       o                     o
//!    /     \               /     \
//!   *  ...  o       ...   o       *
//!   opened entry          the place behind the last entry, the hash there being that of nothing
//! ```
//!
//! docs/FORMAT.md, section 13.1, is the contract.

mod form;
mod known;
mod nodes;
mod open;
mod partial;

pub use form::{MAX_EXTRACT_VALUE_LEN, OpenEntry, StateExtract};
pub use open::open_extract;
pub use partial::{PartialError, PartialState};
