//! `qm state iter`: keys in order, with their values.

use super::key::parse_key;
use crate::database::Source;
use crate::error::CliError;
use crate::output::say;
use alloy_primitives::{B256, hex};
use clap::Args;
use qmtree_proofs::TxNum;

/// Print keys in ascending order with their values, one to a line.
#[derive(Debug, Args)]
pub(crate) struct Iter {
    #[command(flatten)]
    source: Source,
    /// The state after this transaction instead of now.
    #[arg(long, value_name = "TXNUM")]
    at: Option<u64>,
    /// Begin with this key, or the next larger one.
    #[arg(long, value_name = "KEY", value_parser = parse_key, default_value_t = B256::ZERO)]
    from: B256,
    /// Print this many at most.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object per key.
    #[arg(long)]
    json: bool,
}

impl Iter {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let items = view.state_from(&self.from, self.at.map(TxNum));
        let items = items.map_err(self.source.failed())?;
        for item in items.take(self.limit.unwrap_or(usize::MAX)) {
            let (key, value) = item.map_err(self.source.failed())?;
            let value = hex::encode_prefixed(value);
            if self.json {
                say(serde_json::json!({ "key": key, "value": value }))?;
            } else {
                say(format_args!("{key} {value}"))?;
            }
        }
        Ok(())
    }
}
