//! The files of QMTree: journal and sealed segments (docs/FORMAT.md, sections 5 to 7), and the index
//! that is derived from them.
//!
//! This crate knows records, twigs and heads, and no EVM; the engine on top of it is `qmtree`.
//! Everything goes through a [`Disk`], so that tests can cut the power at every step.
//!
//! | what | made by | read by | after a crash |
//! |---|---|---|---|
//! | database header | [`write_database_header`] | [`read_database_header`] | whole or absent |
//! | journal | [`JournalWriter`] | [`recover`] | a torn tail is told apart from damage |
//! | segments | [`write_segment`], [`prune_segment`] | [`list_segments`], [`Segment`] | whole or absent |
//! | segments of the state | [`write_entry_segment`], [`prune_entry_segment`] | [`list_entry_segments`] | whole or absent |
//! | keys of the state | [`write_state_keys`] | [`open_state_keys`] | whole or absent; derived |
//! | checkpoint | [`write_checkpoint`] | as a database | whole or absent |
//! | index | [`Index::apply`] | [`Index::candidates`] | at an earlier block |
#![deny(unsafe_code)]

mod checkpoint;
mod database;
#[cfg(all(target_os = "linux", not(miri)))]
mod direct;
mod durable;
mod entries;
mod header;
mod identity;
mod index;
mod io;
mod journal;
mod mmap;
mod real_disk;
mod segment;
mod tag;

pub mod snapshot;

#[doc(hidden)]
pub mod sim;

pub use checkpoint::{CheckpointError, write_checkpoint};
pub use database::{
    DATABASE_FILE, DatabaseLock, INDEX_FOLDER, JOURNAL_FOLDER, LOCK_FILE, LockError,
    SEGMENTS_FOLDER, lock_database, read_database_header, read_database_rules,
    write_database_header, write_database_header_with,
};
pub use durable::{create_folder, remove_temporary_files};
pub use entries::{
    EntryListing, EntrySegment, EntrySegmentError, EntryTwig, KeyItem, KeyTwig, OpenedTwig,
    SealedValue, StateKeys, TwigOpening, ValueAt, is_entry_file, list_entry_segments,
    open_state_keys, prune_entry_segment, remove_old_state_keys, write_entry_segment,
    write_live_segment, write_state_keys,
};
pub use header::HeaderError;
pub use identity::{GROUP_SHIFT, Identity, IdentityError};
pub use index::{Index, IndexBatch, IndexError, MemoryIndex, Reached};
#[cfg(feature = "rocksdb")]
pub use index::{RocksIndex, RocksOptions};
pub use io::{Disk, DiskFile, Mapped, Syncer};
pub use journal::{
    Contradiction, Damage, EntryPart, JournalError, JournalFile, JournalRecord, JournalState,
    JournalSync, JournalWriter, Recovered, SyncedRecords, TornTail, put_value, recover,
};
pub use real_disk::RealDisk;
pub use segment::{
    AnchoredTwig, BlockEnd, ContentsError, DerivedTwig, Group, Listing, Part, SealableTwig,
    Segment, SegmentError, Twig, TwigLanes, list as list_segments, prune as prune_segment,
    write_roots, write_segment,
};
pub use tag::{NO_TAG, TAG_LEN, Tag, tag_of};
