//! The commands that work on a database in a folder.

mod append;
mod block;
mod check;
mod checkpoint;
mod consistency;
mod files;
mod head;
mod init;
mod leaf;
mod prove;
mod prune;
mod reindex;
mod repair;
mod source;
mod state;
mod stats;
mod unwind;

pub(crate) use append::Append;
pub(crate) use block::Block;
pub(crate) use check::Check;
pub(crate) use checkpoint::Checkpoint;
pub(crate) use consistency::Consistency;
pub(crate) use files::folder_len;
pub(crate) use head::HeadCommand;
pub(crate) use init::Init;
pub(crate) use leaf::LeafCommand;
pub(crate) use prove::Prove;
pub(crate) use prune::Prune;
pub(crate) use reindex::DbCommand;
pub(crate) use repair::Repair;
pub(crate) use source::Source;
pub(crate) use state::State;
pub(crate) use stats::Stats;
pub(crate) use unwind::Unwind;

use crate::error::{CliError, in_database};
use clap::Args;
use qmtree::{At, Db, Options, TxIndex};
use std::path::{Path, PathBuf};

/// Where the database is.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// Folder of the database.
    #[arg(long, value_name = "DIR")]
    db: PathBuf,
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.db
    }

    fn failed(&self) -> impl Fn(qmtree::Error) -> CliError {
        in_database(&self.db)
    }

    pub(crate) fn open(&self, options: Options) -> Result<Db, CliError> {
        // A command does not live long enough for an index in memory.
        let tx_index = if TxIndex::HAS_DISK {
            TxIndex::Disk
        } else {
            TxIndex::Off
        };
        Db::open(&self.db, options.with_tx_index(tx_index)).map_err(self.failed())
    }

    pub(crate) fn open_read_only(&self) -> Result<Db, CliError> {
        Db::open_read_only(&self.db).map_err(self.failed())
    }
}

/// The head that a proof is about: that of a block, or the newest.
fn at(block: Option<u64>) -> At {
    block.map_or(At::Head, At::Block)
}
