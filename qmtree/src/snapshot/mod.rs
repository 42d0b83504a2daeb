//! Snapshots: history in `.seg` files that move between nodes (docs/FORMAT.md, section 10).
//!
//! ```text
//! Db --export_snapshot--> files + manifest --import_snapshot--> Db
//!                                          --open_snapshot----> Db, read-only, in place
//!                      roots and tail   --bootstrap_snapshot-> Db, --backfill_snapshot-> all of it
//!                                          --merge, retain----> fewer and larger files
//! ```
//!
//! Whoever takes files brings a trusted head. Files are fetched from anyone; what does not lead to
//! that head is refused before anything of it is visible.

mod bootstrap;
mod export;
mod folder;
mod import;
mod import_options;
mod journal;
mod kept;
mod merge;
mod output;
mod plan;
mod refusal;
mod roots;
mod set;
mod state;
mod store;
mod verify;

pub use export::{ExportOptions, Exported, StateExport};
pub use folder::{SnapshotFolder, SnapshotInfo};
pub use import_options::ImportOptions;
pub use qmtree_storage::snapshot::{
    KeyError, Manifest, ManifestEntry, NoteSigner, NoteVerifier, SignedManifest, SnapshotContent,
    SnapshotError, SnapshotName, manifest_number,
};
pub use refusal::SnapshotRefusal;
pub use verify::{Verified, VerifiedState, verify_snapshot, verify_snapshot_on};

pub(crate) use state::StateStore;
pub(crate) use store::SnapshotStore;
