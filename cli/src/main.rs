//! `qm`, the command line of QMTree.
#![forbid(unsafe_code)]

mod demo;
mod error;
mod files;
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
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Verify(verify) => verify.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("qm: {}", error.chain());
            error.exit_code()
        }
    }
}
