//! Entry segments: complete twigs of the state log in one immutable file (docs/FORMAT.md, section 11).
//!
//! ```text
//! | header 4096 | twig | twig | ... | revived | value table | values | tail 32 |
//!                 |
//!                 2048 entries of 128 bytes | twig header | nodes of levels 11 to 4, heap order
//! ```
//!
//! They lie in the folder of the other segments. Active bits are not in them: what is active follows
//! from the entries that come later. A file beside them has the bits and the keys ([`StateKeys`],
//! section 11.1), so that opening a database does not read every entry; it may be missing.

mod error;
mod keys;
mod layout;
mod list;
mod live;
mod opening;
mod prune;
mod reader;
mod writer;

pub use error::EntrySegmentError;
pub use keys::{
    KeyItem, KeyTwig, StateKeys, open_state_keys, remove_old_state_keys, write_state_keys,
};
pub(crate) use list::has_entry_ending;
pub use list::{EntryListing, is_entry_file, list_entry_segments};
pub use opening::{OpenedTwig, TwigOpening};
pub use prune::prune_entry_segment;
pub use reader::{EntrySegment, ValueAt};
pub use writer::{EntryTwig, SealedValue, write_entry_segment, write_live_segment};
