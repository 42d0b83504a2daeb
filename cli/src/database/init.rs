//! `qm init`: make a database.

use super::Folder;
use crate::arguments::{ProfileName, SchemeName};
use crate::error::CliError;
use crate::output::{json, say};
use clap::Args;
use qmtree::{Db, Identity, Options};
use qmtree_proofs::state::Compaction;

/// Make a database in a new or empty folder.
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    folder: Folder,
    /// Hash profile; cannot be changed later.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Leaf scheme; cannot be changed later.
    #[arg(long, value_enum, default_value_t = SchemeName::StateRoot)]
    scheme: SchemeName,
    /// EIP-155 chain id; cannot be changed later.
    #[arg(long, value_name = "ID", default_value_t = 1)]
    chain_id: u64,
    /// Move old entries of the state log to its end while it holds more than N for each live key,
    /// so that its history can be pruned; 0 never moves any. Changes the roots; cannot be changed later.
    #[arg(long, value_name = "N", default_value_t = 0)]
    compaction: u8,
    /// Print the head of the empty log as JSON.
    #[arg(long)]
    json: bool,
}

impl Init {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let identity = Identity {
            profile: self.profile.profile(),
            scheme: self.scheme.scheme(),
            chain_id: self.chain_id,
        };
        let rule = Compaction::new(self.compaction);
        let db = Db::create_with(&self.folder.db, identity, rule, Options::default());
        let db = db.map_err(self.folder.failed())?;
        let head = db.head();
        db.close().map_err(self.folder.failed())?;
        if self.json {
            return json(&head);
        }
        say(format_args!(
            "{}: an empty database: {identity}",
            self.folder.db.display()
        ))
    }
}
