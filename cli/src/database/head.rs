//! `qm head`: the head, now or after a block.

use super::Source;
use crate::error::CliError;
use crate::output::{json, say};
use clap::Args;

/// Print the head: the root with everything needed to verify against it.
#[derive(Debug, Args)]
pub(crate) struct HeadCommand {
    #[command(flatten)]
    source: Source,
    /// The head after this block instead of the newest.
    #[arg(long, value_name = "N")]
    block: Option<u64>,
    /// Print JSON, which `qm verify --head` takes.
    #[arg(long)]
    json: bool,
}

impl HeadCommand {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let view = self.source.open()?.view();
        let head = match self.block {
            Some(block) => view.head_at(block).map_err(self.source.failed())?,
            None => *view.head(),
        };
        if self.json {
            return json(&head);
        }
        say(format_args!("block      {}", head.block_number))?;
        say(format_args!("leaves     {}", head.leaf_count))?;
        say(format_args!("root       {}", head.root))?;
        say(format_args!("head hash  {}", head.hash()))?;
        say(format_args!("profile    {}", head.profile))?;
        say(format_args!("scheme     {}", head.scheme))?;
        say(format_args!("chain id   {}", head.chain_id))
    }
}
