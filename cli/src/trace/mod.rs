//! `qm trace`: the steps of a block's transactions, committed to, printed, opened and verified.

mod block;
mod commit;
mod step;
mod steps;
mod verify;

pub(crate) use block::read as read_block;

use crate::error::CliError;
use clap::{Args, Subcommand};

/// Commit to, print, open and verify the steps of transactions
///
/// Each command but `verify` executes a block from a file that brings the state it needs
/// (eth-block-prestate/1) and checks it against its header. docs/FORMAT.md, section 9, says what a
/// step commits to.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Trace {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Commit(commit::Commit),
    Steps(steps::Steps),
    Step(step::StepCommand),
    Verify(verify::VerifyStep),
}

impl Trace {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        match &self.what {
            What::Commit(command) => command.run(),
            What::Steps(command) => command.run(),
            What::Step(command) => command.run(),
            What::Verify(command) => command.run(),
        }
    }
}
