//! Snapshots: `.seg` files that carry history between nodes (docs/FORMAT.md, section 10).
//!
//! ```text
//! v1.0-qmtree-execution.0-64.seg        twigs 0..64: every leaf, twig roots, where blocks end
//! v1.0-qmtree-execution.64-96.seg       twigs 64..96
//! v1.0-qmtree-tail.196608-197000.seg    the leaves behind the last whole twig
//! v1.0-qmtree-roots.0-64.seg            roots alone, to start from or to keep
//! v1.0-qmtree-state.0-64.seg            twigs of the state log: every entry, and the values
//! v1.0-qmtree-live.0-100.seg            or what is live of them: entries, values, other nodes
//! v1.0-qmtree-statetail.204800-205000.seg    the entries behind them
//! v1.0-qmtree-manifest.1.note           a head, and BLAKE3 of each file; signed, or not
//! ```
//!
//! The container is Erigon's word file ([`words`]), so its tools can list and read these. Each twig
//! is one word that begins with the hash of the leaf before it: with that the serial chains of
//! many twigs can be derived side by side ([`TwigLanes`](crate::TwigLanes)).
//!
//! The files of a range have one byte string, whoever writes them, so that they can be fetched from
//! anyone and compared by their hashes. Nothing in them is believed: whoever imports them derives
//! the root from the leaves.

mod blocks;
mod error;
mod file;
mod header;
mod key;
mod manifest;
mod marker;
mod name;
mod nowhere;
mod packed;
mod receive;
pub mod words;
mod writer;

pub use blocks::SnapshotBlock;
pub use error::SnapshotError;
pub use file::{SnapshotFile, SnapshotTwig};
pub use header::SnapshotHeader;
pub use key::{KeyError, NoteSigner, NoteVerifier};
pub use manifest::{
    Manifest, ManifestEntry, SignedManifest, manifest_number, newest_manifest, read_manifest,
    write_manifest, write_note,
};
pub use marker::{IMPORT_FILE, begin_import, end_import};
pub use name::{SnapshotContent, SnapshotName};
pub use nowhere::Nowhere;
pub use packed::{PackError, pack_word, unpack_word};
pub use receive::{has_file, receive_file};
pub use writer::{LeafSink, SnapshotParts, write_snapshot, write_state_snapshot};
