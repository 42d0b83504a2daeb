//! The state log: keys and values with all their past, committed to by a root after every
//! transaction (docs/FORMAT.md, sections 1.4 and 1.5).
//!
//! ```text
//! batch --- index: newest entry of each key -------> the keys it touches, with their neighbours
//!       --- rewrite (the rules, in `proofs`) ------> entries, appended
//!       --- active bits of what they supersede ----> twigs to hash again
//! root  --- entries, twigs, upper tree in lanes, whenever somebody asks for it
//! ```
//!
//! All of it may be shared with readers, and is copied piece by piece where it changes while it is, so a
//! copy of the log is cheap and stays as it is: a view is one. A block that is being made appends to
//! the writer's own; if it comes to nothing, the log is made shorter again, as by unwinding.

mod batch;
mod check;
mod compare;
mod entries;
mod export;
mod extract;
mod hashing;
mod history;
mod index;
mod keys;
mod log;
mod prove;
mod prune;
mod rebuild;
mod seal;
mod unwind;

pub use batch::{MAX_VALUE_LEN, StateBatch};
pub(crate) use entries::Entries;
pub use extract::KeyUse;
pub(crate) use extract::Moment;
pub(crate) use hashing::Step;
pub(crate) use log::StateLog;
