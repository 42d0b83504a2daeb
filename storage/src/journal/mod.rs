//! The journal: the commit point (docs/FORMAT.md, section 6).
//!
//! ```text
//! journal/0000000000000000.qmj           journal/0000000000000003.qmj   (the newest; it grows)
//! | header | block | block | unwind |    | header | block | blo
//!   base=S0   ->S1    ->S2    ->S1         base=S1   ->S3   torn: the crash came here
//! ```
//!
//! A block exists once its record is whole, and survives a power loss once it is synced. Each record
//! takes one [`JournalState`] to the next; `state` holds the rules, and writer and recovery
//! both follow them, so the writer cannot write what recovery would refuse.
//!
//! What a crash can leave: a torn tail of the newest file, which nobody was told is safe, and a file
//! under a temporary name. All else is damage, which is reported and never mended.

mod error;
mod file;
mod record;
mod recover;
mod state;
mod tail;
mod writer;

pub use error::{Damage, JournalError};
pub use file::JournalFile;
pub(crate) use file::{has_journal_ending, is_journal_file};
pub use record::{EntryPart, JournalRecord, put_value};
pub use recover::{Recovered, TornTail, recover};
pub use state::{Contradiction, JournalState};
pub use writer::{JournalSync, JournalWriter, SyncedRecords};
