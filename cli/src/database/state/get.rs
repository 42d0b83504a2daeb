//! `qm state get`: the value of a key.

use super::key::parse_key;
use crate::database::Source;
use crate::error::CliError;
use crate::output::say;
use alloy_primitives::{B256, hex};
use clap::Args;
use qmtree_proofs::TxNum;

/// Print the value of a key, in hex; nothing if it is absent.
#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    source: Source,
    /// The value after this transaction instead of now.
    #[arg(long, value_name = "TXNUM")]
    at: Option<u64>,
    /// Print JSON, also for an absent key.
    #[arg(long)]
    json: bool,
    /// The key.
    #[arg(value_parser = parse_key)]
    key: B256,
}

impl Get {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let value = match self.at {
            None => view.get(&self.key),
            Some(at) => view.get_at(&self.key, TxNum(at)),
        };
        let value = value.map_err(self.source.failed())?;
        let text = value.map(hex::encode_prefixed);
        if self.json {
            let (key, at) = (self.key, self.at);
            return say(serde_json::json!({ "key": key, "at": at, "value": text }));
        }
        text.map_or(Ok(()), say)
    }
}
