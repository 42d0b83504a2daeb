//! `qm`, the command line of QMTree.
#![forbid(unsafe_code)]

mod database;
mod demo;
mod error;
mod expect;
mod files;
mod output;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The authenticated log of executed transactions: prove and verify.
#[derive(Debug, Parser)]
#[command(name = "qm", version, about, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done or valid, 1 a proof is invalid, 2 input that cannot be used."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Verify(verify::Verify),
    Init(database::Init),
    Append(database::Append),
    Head(database::HeadCommand),
    Block(database::Block),
    Leaf(database::LeafCommand),
    Prove(database::Prove),
    Consistency(database::Consistency),
    Unwind(database::Unwind),
    Prune(database::Prune),
    Check(database::Check),
    Stats(database::Stats),
}

impl Command {
    fn run(&self) -> Result<(), error::CliError> {
        match self {
            Self::Demo(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::Init(command) => command.run(),
            Self::Append(command) => command.run(),
            Self::Head(command) => command.run(),
            Self::Block(command) => command.run(),
            Self::Leaf(command) => command.run(),
            Self::Prove(command) => command.run(),
            Self::Consistency(command) => command.run(),
            Self::Unwind(command) => command.run(),
            Self::Prune(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Stats(command) => command.run(),
        }
    }
}

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error),
    };
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error.chain());
            error.exit_code()
        }
    }
}

/// Help, or what is wrong with the arguments; as JSON too where that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let _ = verify::print_unusable(first.trim_start_matches("error: "));
    }
    ExitCode::from(2)
}
