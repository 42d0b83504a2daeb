//! `qm db reindex`: build the index anew.

use super::Folder;
use crate::error::CliError;
use crate::output::say;
use crate::progress::Progress;
use clap::{Args, Subcommand};
use qmtree::{Options, TxIndex};

/// Look after the folder of a database.
#[derive(Debug, Args)]
pub(crate) struct DbCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Reindex(Reindex),
}

impl DbCommand {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        match &self.what {
            What::Reindex(command) => command.run(),
        }
    }
}

/// Build the indexes of transactions and of the state's keys anew from the logs
///
/// The first finds leaves by the hash of their transaction. Everything in it follows from the log,
/// so this mends an index that is damaged, and shrinks one after pruning. Lookups work without it,
/// only slower. A qm that was built without RocksDB keeps no such index on disk. The index of the
/// state's keys is read off its entries, compared with the state root, and written to its file,
/// which the next opening reads.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
struct Reindex {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Reindex {
    fn run(&self) -> Result<(), CliError> {
        let mut db = self.folder.open(Options::default())?;
        let progress = Progress::working("reindex");
        db.reindex().map_err(self.folder.failed())?;
        let leaves = db.tx_index().leaf_count;
        let (_, keys) = db.view().key_counts();
        db.close().map_err(self.folder.failed())?;
        drop(progress);
        if self.json {
            let on_disk = TxIndex::HAS_DISK;
            return say(serde_json::json!({
                "indexedLeaves": leaves,
                "onDisk": on_disk,
                "stateKeys": keys,
            }));
        }
        if keys > 0 {
            say(format_args!("{keys} keys of the state indexed"))?;
        }
        if TxIndex::HAS_DISK {
            say(format_args!("{leaves} leaves indexed"))
        } else {
            say("no index: this qm was built without RocksDB; lookups search the log")
        }
    }
}
