//! `qm witness`: witnesses of the state log.

mod export;
mod inspect;
mod verify;

use crate::error::CliError;
use clap::{Args, Subcommand};

/// Witnesses of the state log: all that it takes to execute blocks again without the database.
#[derive(Debug, Args)]
pub(crate) struct WitnessCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Export(export::Export),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
}

impl WitnessCommand {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        match &self.what {
            What::Export(command) => command.run(),
            What::Inspect(command) => command.run(),
            What::Verify(command) => command.run(),
        }
    }
}
