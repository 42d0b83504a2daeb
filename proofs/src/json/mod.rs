//! The JSON forms of docs/FORMAT.md, sections 2 and 3.2, under the same rules as the bytes.
//!
//! Reading is by visitors of our own: what serde derives would accept arrays for objects and byte
//! lists for hashes, and would keep a whole object in memory before it looks at it. Here each
//! field goes straight into its place, so that parsing holds at most eight times the text in
//! memory: hashes shrink to half, and short numbers in a list that grows take the most.

mod entry;
mod head;
mod leaf;
mod proof;
mod read;
mod write;
