//! `qm block`: which leaves a block has.

use super::Source;
use crate::error::CliError;
use crate::output::say;
use clap::Args;

/// Print the transaction numbers of a block, and the root after it.
#[derive(Debug, Args)]
pub(crate) struct Block {
    #[command(flatten)]
    source: Source,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Number of the block.
    #[arg(value_name = "N")]
    block: u64,
}

impl Block {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let range = view.block_range(self.block).map_err(self.source.failed())?;
        let head = view.head_at(self.block).map_err(self.source.failed())?;
        let leaves = range.end.0 - range.start.0;
        if self.json {
            return say(serde_json::json!({
                "blockNumber": self.block,
                "from": range.start,
                "to": range.end,
                "leaves": leaves,
                "root": head.root,
                "headHash": head.hash(),
            }));
        }
        say(format_args!("block   {}", self.block))?;
        say(format_args!(
            "leaves  {leaves}: {}..{}",
            range.start, range.end
        ))?;
        say(format_args!("root    {}", head.root))
    }
}
