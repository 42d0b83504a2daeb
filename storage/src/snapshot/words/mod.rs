//! Erigon's word files, the container behind `.seg`: an ordered list of byte strings.
//!
//! ```text
//! [version, flags]      none in version 0, two or three bytes in version 1
//! words      u64 BE     how many
//! empty      u64 BE     how many of them are empty
//! patterns   u64 BE     bytes of the dictionary that follows: (depth, length, bytes)*
//! positions  u64 BE     bytes of the dictionary that follows: (depth, position)*
//! words                 to the end of the file
//! ```
//!
//! A dictionary lists the leaves of a full binary tree from left to right, each with its depth, and
//! so assigns a bit string to each. A word is the code of its length, the codes of the patterns in
//! it and how far apart they start, a terminator, and the bytes that no pattern covers.
//!
//! Our own files have no patterns: leaves are hashes, which do not compress, and a word is its
//! length in a byte and then itself. [`WordLayout`] writes those. [`WordFile`] reads any file, since
//! these come from strangers: nothing in it recurses, every length is checked against the file
//! before memory is taken for it, and the caller says how long a word may be.
//!
//! Written from the description in docs/FORMAT.md, section 10.1; `erigon-seg` is the oracle of the
//! tests. docs/decisions/0006-snapshot-files.md says why not the reader.

mod bits;
mod code;
mod error;
mod huffman;
mod layout;
mod reader;
pub(super) mod varint;

pub use error::WordError;
pub use layout::WordLayout;
pub use reader::{WordCodes, WordFile, WordPlace, Words};
