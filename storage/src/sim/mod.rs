//! A disk in memory that forgets what was not synced: for tests of crashes and of failing disks.
//!
//! Every operation that changes something is a step, numbered from 0. A test runs its script once to
//! count the steps, and then once for each step and each [`Fate`], with the power cut there:
//!
//! ```
//! use qmtree_storage::{Disk, sim::{Fate, SimDisk}};
//! use std::path::Path;
//!
//! let script = |disk: &SimDisk| -> std::io::Result<()> {
//!     let mut file = disk.create_new(Path::new("a"))?; // step 0
//!     file.append(b"one")?;                            // step 1
//!     file.sync()?;                                    // step 2
//!     disk.sync_dir(Path::new("."))                    // step 3
//! };
//! let disk = SimDisk::new();
//! script(&disk).unwrap();
//! for step in 0..disk.steps() {
//!     for fate in [Fate::Lost, Fate::Kept, Fate::Torn] {
//!         let disk = SimDisk::with_seed(step);
//!         disk.crash_at(step, fate);
//!         assert!(script(&disk).is_err());
//!         let found = disk.after_crash().content(Path::new("a"));
//!         assert!(found.is_none_or(|bytes| bytes.len() <= 3), "{step} {fate:?}");
//!     }
//! }
//! ```
//!
//! What holds (docs/FORMAT.md, section 5): a sync of a file makes its bytes and its length durable, a
//! sync of a folder the names in it. What was not synced may be lost, kept or torn, each file and each
//! name by itself. A sync of a file does not make its name durable.
//!
//! A file that was synced more than once may be found with zeros behind it: disks write some ahead, for
//! what will be appended, until the file is cut.
//!
//! What is simpler than life: a sync that failed may be tried again with success.

mod content;
mod disk;
mod names;
mod random;
mod state;
#[cfg(test)]
mod tests;

pub use disk::SimDisk;
pub use state::Fate;
