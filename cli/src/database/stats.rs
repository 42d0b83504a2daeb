//! `qm stats`: how large a database is.

use super::{Folder, folder_len};
use crate::error::CliError;
use crate::output::say;
use clap::Args;

/// Print what a database holds and what it takes on disk.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    folder: Folder,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let db = self.folder.open_read_only()?;
        let (head, blocks) = (db.head(), db.view().blocks());
        let sealed = db.sealed_leaf_count();
        let size = |folder: &str| folder_len(&self.folder.db.join(folder));
        let (journal, segments) = (size("journal")?, size("segments")?);
        let index = size("index")?;
        if self.json {
            return say(serde_json::json!({
                "leafCount": head.leaf_count,
                "sealedLeafCount": sealed,
                "firstBlock": blocks.map(|(first, _)| first),
                "lastBlock": blocks.map(|(_, last)| last),
                "journalBytes": journal,
                "segmentBytes": segments,
                "indexBytes": index,
                "profile": head.profile,
                "scheme": head.scheme,
                "chainId": head.chain_id,
            }));
        }
        say(format_args!("{}", db.identity()))?;
        match blocks {
            Some((first, last)) => say(format_args!("blocks    {first} to {last}"))?,
            None => say("blocks    none")?,
        }
        say(format_args!(
            "leaves    {} of which {sealed} sealed",
            head.leaf_count
        ))?;
        say(format_args!("journal   {journal} bytes"))?;
        say(format_args!("segments  {segments} bytes"))?;
        say(format_args!("index     {index} bytes"))
    }
}
