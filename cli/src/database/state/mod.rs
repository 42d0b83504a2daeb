//! `qm state`: the values of keys, now and after past transactions.

mod get;
mod iter;
mod key;
mod prove;
mod stats;
mod verify;

use crate::error::CliError;
use clap::{Args, Subcommand};

/// Read, prove and verify the state: the values of keys, now or after a past transaction
///
/// A key is 32 bytes in hex, or account:ADDRESS, storage:ADDRESS:SLOT, code:HASH or header (that of
/// the newest block), which stand for the keys that qm run writes (docs/FORMAT.md, section 1.6).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct State {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Get(get::Get),
    Iter(iter::Iter),
    Prove(prove::ProveState),
    Verify(verify::VerifyState),
    Stats(stats::StateStats),
}

impl State {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        match &self.what {
            What::Get(command) => command.run(),
            What::Iter(command) => command.run(),
            What::Prove(command) => command.run(),
            What::Verify(command) => command.run(),
            What::Stats(command) => command.run(),
        }
    }
}
