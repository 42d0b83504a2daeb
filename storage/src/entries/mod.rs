//! Entry segments: complete twigs of the state log in one immutable file (docs/FORMAT.md, section 11).
//!
//! ```text
//! | header 4096 | twig | twig | ... | revived | value table | values | tail 32 |
//!                 |
//!                 2048 entries of 128 bytes | twig header | nodes of levels 11 to 4, heap order
//! ```
//!
//! They lie in the folder of the other segments. Active bits are not stored: what is active follows
//! from the entries that come later, so it is derived when a database is opened.

mod error;
mod layout;
mod list;
mod reader;
mod writer;

pub use error::EntrySegmentError;
pub use list::list_entry_segments;
pub use reader::{EntrySegment, ValueAt};
pub use writer::{EntryTwig, SealedValue, write_entry_segment};
