//! A durable, authenticated, append-only log of executed transactions.
//!
//! One [`Db`] appends blocks of leaves to a folder; any number of [`View`]s read, each pinned at the
//! head it was made at, and make proofs that hold under that head or under an earlier one. What a
//! leaf is, and how proofs are verified, is the business of [`proofs`].
//!
//! ```
//! use qmtree::proofs::{LeafPayload, Profile, Scheme, TxNum};
//! use qmtree::{At, Db, Identity, Options};
//!
//! let folder = tempfile::tempdir()?;
//! let identity =
//!     Identity { profile: Profile::Keccak256, scheme: Scheme::StateRoot1, chain_id: 1 };
//! let mut db = Db::create(folder.path().join("db"), identity, Options::default())?;
//! db.append_block(0, &[LeafPayload::default(); 20])?;
//! let head = db.append_block(1, &[LeafPayload::default(); 30])?;
//!
//! // Whoever trusts the head verifies without the database.
//! let witness = db.view().witness(TxNum(42), At::Head)?;
//! witness.verify(&head, TxNum(42))?;
//! db.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it lies
//!
//! ```text
//! append_block -> journal (commit point, one record per block)
//!                 tail: unsealed twigs, in memory          <- unwind_to drops from here
//!                 segments: complete twigs, mapped files    <- prune_to drops from here
//!                 index: transaction hash -> txNum, derived, fed behind it all
//! ```
//!
//! A block exists once its journal record is whole, and survives a power loss once the record is
//! synced ([`Durability`]). Twigs that are complete and older than the unwind window move into
//! sealed segments; everything in memory follows from journal and segments when a database is
//! opened. After a failed write or sync the writer refuses further work
//! ([`Error::Poisoned`]); opening again recovers. docs/FORMAT.md is the contract of the files.
//!
//! # State
//!
//! Beside the leaves a database keeps a state log: keys and values, with a root after every
//! transaction, which is what leaves of the scheme `state-root/1` commit to. So a block's writes
//! come before its leaves: [`Db::begin_block`] stages them and tells the roots. [`View::get`],
//! [`View::get_at`], [`View::state_from`] and [`View::prove_state`] read and prove the state at the
//! view's head or after any earlier transaction; proofs of the past hold under the view's head too.
//!
//! Complete twigs of entries older than the unwind window are sealed as leaves are. The index of
//! all keys is in memory, 20 to 35 bytes a key. When a database is opened it comes from a file
//! beside the segments, and from the entries that were sealed since. History of the state is pruned
//! only in databases with a rule of compaction ([`Db::create_with`]).
//!
//! # What it costs
//!
//! A block costs one leaf hash per leaf in a serial chain, the rest hides behind it; sealed leaves
//! take 102 bytes on disk and about 31 bytes of memory per 1000; an unsealed leaf takes about 160
//! bytes of memory. An inclusion proof of a sealed leaf derives one group of 16 leaves.
//!
//! # What it tells
//!
//! Metrics go to the `metrics` recorder of the process and spans to its `tracing` subscriber, if it
//! has them; docs/METRICS.md lists the names, [`describe_metrics`] their units.
#![forbid(unsafe_code)]

mod block;
mod check;
mod checkpoint;
mod commit;
mod db;
mod error;
mod extract;
mod feeder;
mod observe;
mod open;
mod options;
mod published;
mod seal;
mod sealed;
mod second;
mod shared_vec;
pub mod snapshot;
mod staged;
mod state;
mod state_log;
mod tail;
mod tx_index;
mod upper_tree;
mod view;
mod workers;
mod writer;

pub use block::Block;
pub use db::{Db, TxIndexStatus};
pub use error::Error;
pub use observe::describe_metrics;
pub use options::{Durability, Options, TxIndex};
pub use published::Reader;
pub use qmtree_proofs as proofs;
pub use qmtree_storage::Identity;
pub use staged::StagedBlock;
pub use state_log::{KeyUse, MAX_VALUE_LEN, StateBatch};
pub use view::{At, View};

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
