//! `qm state stats`: how large the state is.

use crate::database::Source;
use crate::error::CliError;
use crate::output::say;
use clap::Args;

/// Print how many keys and entries the state log has, and what they take.
#[derive(Debug, Args)]
pub(crate) struct StateStats {
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl StateStats {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let db = self.source.open()?;
        let (head, (live, all)) = (db.head(), db.view().key_counts());
        let (sealed, bytes) = (db.sealed_entry_count(), db.sealed_entry_bytes());
        let (pruned, earliest) = (db.pruned_entry_count(), db.earliest_state());
        let index_bytes = db.view().index_bytes();
        let entries_per_key = db.compaction().entries_per_key();
        if self.json {
            return say(serde_json::json!({
                "liveKeys": live,
                "keysEver": all,
                "entryCount": head.entry_count,
                "sealedEntryCount": sealed,
                "sealedBytes": bytes,
                "indexBytes": index_bytes,
                "prunedEntryCount": pruned,
                "earliestTxNum": earliest.map(|earliest| earliest.0),
                "compactionEntriesPerKey": entries_per_key,
                "stateRoot": head.state_root,
            }));
        }
        say(format_args!("keys        {live} live, {all} ever"))?;
        say(format_args!(
            "entries     {} of which {sealed} sealed",
            head.entry_count
        ))?;
        say(format_args!("segments    {bytes} bytes"))?;
        say(format_args!("index       {index_bytes} bytes of memory"))?;
        match earliest {
            Some(earliest) => say(format_args!(
                "pruned      {pruned} entries; the state is known after transaction {earliest} and later"
            ))?,
            None => say(format_args!("pruned      nothing"))?,
        }
        say(format_args!("compaction  {}", db.compaction()))?;
        say(format_args!("state root  {}", head.state_root))
    }
}
