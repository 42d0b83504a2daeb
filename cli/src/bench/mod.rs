//! `qm bench`: what this machine does with this build.
//!
//! No figure makes a bench fail; only an error of the engine does.

mod append;
mod execute;
mod leaves;
mod machine;
mod place;
mod prove;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod samples;
mod snapshot;
mod snapshot_state;
mod state;
mod witness;

use crate::error::CliError;
use clap::{Args, Subcommand};

/// Measure appending, proving, executing and the state on this machine.
///
/// Leaves and writes are made up, the same in every run; blocks to execute are yours. docs/BENCHMARKS.md says what the
/// figures mean.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Append(append::BenchAppend),
    Execute(execute::BenchExecute),
    Prove(prove::BenchProve),
    Snapshot(snapshot::BenchSnapshot),
    State(state::BenchState),
    Witness(witness::BenchWitness),
}

impl Bench {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        match &self.what {
            What::Append(bench) => bench.run(),
            What::Execute(bench) => bench.run(),
            What::Prove(bench) => bench.run(),
            What::Snapshot(bench) => bench.run(),
            What::State(bench) => bench.run(),
            What::Witness(bench) => bench.run(),
        }
    }
}
