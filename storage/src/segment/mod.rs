//! Sealed segments: runs of complete twigs in immutable files (docs/FORMAT.md, section 7).
//!
//! ```text
//! header   4096 bytes: what this is, where the run starts, hashes before and at its end
//! twigs    208,896 bytes each:   payload     96 bytes x 2048 leaves
//!                                anchors     the hash before each group of 16 leaves
//!                                checksums   where node 0 of a heap would be
//!                                nodes       levels 11 to 4, as a heap
//! tags     16,384 bytes a twig: the tag of each leaf's transaction; left out if no leaf has one
//! roots    32 bytes a twig
//! blocks   80 bytes each: where each block ends
//! tail     32 bytes
//! ```
//!
//! Neither leaf hashes nor nodes below level 4 are stored: a [`Group`] derives them, 31 hashes from
//! an anchor and 16 payloads. That makes 102 bytes a leaf, 96 of them payload; 110 with tags. The anchors also
//! let [`Segment::check`] hash 128 chains side by side, where a log has but one.
//!
//! [`write_segment`] makes a file, [`Segment`] reads one, [`list()`] opens a folder of them, and
//! [`prune`] leaves of a segment what old roots and consistency proofs need. All of them are made
//! under temporary names and renamed, so after a crash a segment is there whole or not at all.
//!
//! Nothing in a file is believed: lengths and checksums are verified before the bytes they
//! cover are used, a group's leaves against the node above them, and no byte makes a read panic.

mod blocks;
mod check;
mod error;
mod group;
mod header;
mod heap;
mod lanes;
mod layout;
mod list;
mod name;
mod open;
mod parts;
mod reader;
mod sealable;
mod seams;
mod stored;
mod touch;
mod twig;
mod writer;

pub use blocks::BlockEnd;
pub use error::{ContentsError, Part, SegmentError};
pub use group::Group;
pub use lanes::{AnchoredTwig, DerivedTwig, TwigLanes};
pub use list::{Listing, list};
pub(crate) use name::{has_segment_ending, is_segment};
pub use reader::Segment;
pub use sealable::SealableTwig;
pub use twig::Twig;
pub use writer::{prune, write_roots, write_segment};
