//! Where a log is read: in a database, or in snapshot files.

use crate::error::{CliError, in_database};
use crate::snapshot::open_in_place;
use clap::Args;
use qmtree::Db;
use std::path::{Path, PathBuf};

/// What a command reads.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Folder of the database.
    #[arg(long, value_name = "DIR")]
    #[arg(required_unless_present = "snapshot", conflicts_with = "snapshot")]
    db: Option<PathBuf>,
    /// Folder of snapshot files to read in place, without an import, instead of a database.
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,
    /// The head that is trusted, to which the files of --snapshot must lead: JSON as `qm head
    /// --json` prints it.
    #[arg(
        id = "trusted-head",
        long = "head",
        value_name = "HEAD",
        conflicts_with = "db"
    )]
    head: Option<PathBuf>,
    /// Trust the head in the manifest beside the files of --snapshot instead, if this key (its
    /// text, or a file with it) signed it. Only files that it lists are read.
    #[arg(
        id = "trusted-key",
        long = "key",
        value_name = "KEY",
        conflicts_with = "db"
    )]
    key: Option<String>,
}

impl Source {
    pub(crate) fn path(&self) -> &Path {
        let given = self.snapshot.as_deref().or(self.db.as_deref());
        given.unwrap_or(Path::new(""))
    }

    pub(crate) fn failed(&self) -> impl Fn(qmtree::Error) -> CliError {
        in_database(self.path())
    }

    /// Opens it for reading.
    pub(crate) fn open(&self) -> Result<Db, CliError> {
        match &self.snapshot {
            Some(folder) => open_in_place(folder, self.head.as_deref(), self.key.as_deref()),
            None => Db::open_read_only(self.path()).map_err(self.failed()),
        }
    }
}
