//! `qm`, the command line of QMTree.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod block_range;
mod call;
mod database;
mod demo;
mod error;
mod expect;
mod fetch;
mod files;
mod log;
mod output;
mod progress;
mod prover;
mod run;
mod snapshot;
mod statetest;
mod trace;
mod verify;
mod witness;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

const AFTER_HELP: &str = "\
Start here:
  qm demo                                  all of it on made-up leaves
  qm run --db log BLOCKS                   execute Ethereum blocks into a database
  qm init --db log                         a database of your own
  qm append --db log blocks.jsonl
  qm head --db log --json > head.json
  qm prove --db log 42 -o tx.qmp
  qm verify --head head.json tx.qmp

Exit codes: 0 done or valid, 1 a proof or block is invalid or a state test failed, 2 input that cannot \
be used.";

/// An authenticated, append-only log of executed transactions: keep it, prove it, verify it.
#[derive(Debug, Parser)]
#[command(name = "qm", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    /// Print what the engine does to standard error; QM_LOG does the same.
    #[arg(long, global = true, value_enum, value_name = "LEVEL")]
    log: Option<log::Level>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(database::Init),
    Append(database::Append),
    Run(run::Run),
    Fetch(fetch::Fetch),
    Replay(prover::Replay),
    ProveRange(prover::ProveRange),
    VerifyRange(prover::VerifyRange),
    Worker(prover::Worker),
    Trace(trace::Trace),
    Call(call::Call),
    VerifyCall(call::VerifyCall),
    Head(database::HeadCommand),
    Block(database::Block),
    Leaf(database::LeafCommand),
    Prove(database::Prove),
    Verify(verify::Verify),
    State(database::State),
    Consistency(database::Consistency),
    Unwind(database::Unwind),
    Prune(database::Prune),
    Check(database::Check),
    Repair(database::Repair),
    Checkpoint(database::Checkpoint),
    Stats(database::Stats),
    Statetest(statetest::StateTest),
    Snapshot(snapshot::Snapshot),
    Witness(witness::WitnessCommand),
    Db(database::DbCommand),
    Bench(bench::Bench),
}

impl Command {
    fn run(&self) -> Result<(), error::CliError> {
        match self {
            Self::Demo(command) => command.run(),
            Self::Init(command) => command.run(),
            Self::Append(command) => command.run(),
            Self::Run(command) => command.run(),
            Self::Fetch(command) => command.run(),
            Self::Replay(command) => command.run(),
            Self::ProveRange(command) => command.run(),
            Self::VerifyRange(command) => command.run(),
            Self::Worker(command) => command.run(),
            Self::Trace(command) => command.run(),
            Self::Call(command) => command.run(),
            Self::VerifyCall(command) => command.run(),
            Self::Head(command) => command.run(),
            Self::Block(command) => command.run(),
            Self::Leaf(command) => command.run(),
            Self::Prove(command) => command.run(),
            Self::Verify(command) => command.run(),
            Self::State(command) => command.run(),
            Self::Consistency(command) => command.run(),
            Self::Unwind(command) => command.run(),
            Self::Prune(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Repair(command) => command.run(),
            Self::Checkpoint(command) => command.run(),
            Self::Stats(command) => command.run(),
            Self::Statetest(command) => command.run(),
            Self::Snapshot(command) => command.run(),
            Self::Witness(command) => command.run(),
            Self::Db(command) => command.run(),
            Self::Bench(command) => command.run(),
        }
    }
}

fn main() -> ExitCode {
    let Cli { log, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match log::Level::choose(log) {
        Ok(level) => level.start(),
        Err(error) => {
            output::print_error(&error);
            return ExitCode::from(2);
        }
    }
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_told() {
                output::print_error(&error.chain());
            }
            error.exit_code()
        }
    }
}

/// Help, or what is wrong with the arguments; of `qm verify` as JSON too where that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let mut arguments = std::env::args_os().skip(1);
    let verify = arguments.next().is_some_and(|command| command == "verify");
    if verify && arguments.any(|argument| argument == "--json") {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let _ = verify::print_unusable(first.trim_start_matches("error: "));
    }
    ExitCode::from(2)
}
