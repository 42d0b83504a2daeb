//! `qm replay`, `qm prove-range`, `qm verify-range`, `qm worker`: ranges of blocks and proofs about
//! them (docs/PROVERS.md).

mod input;
mod prove;
mod replay;
mod report;
mod verify;
mod worker;

pub(crate) use prove::ProveRange;
pub(crate) use replay::Replay;
pub(crate) use verify::VerifyRange;
pub(crate) use worker::Worker;

use crate::error::CliError;
use qmtree_provers::{BackendError, WorkerConfig};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A worker, for `--backend process`.
#[derive(Debug, clap::Args)]
struct WorkerArguments {
    /// The program of a worker, by its absolute path.
    #[arg(long, value_name = "PROGRAM")]
    worker: Option<PathBuf>,
    /// An argument of the worker; once for each.
    #[arg(
        long,
        value_name = "ARG",
        requires = "worker",
        allow_hyphen_values = true
    )]
    worker_arg: Vec<OsString>,
    /// A variable of the environment that the worker sees, beside PATH and HOME; once for each.
    #[arg(long, value_name = "NAME", requires = "worker")]
    worker_env: Vec<String>,
    /// Memory that all processes of the worker may take, in MiB (Linux).
    #[arg(long, value_name = "MIB", default_value_t = 32 << 10, value_parser = memory)]
    worker_memory: u64,
}

impl WorkerArguments {
    /// How it is started, for whoever waits that long at most.
    fn config(&self, timeout: Duration) -> Option<WorkerConfig> {
        let mut config = WorkerConfig::new(self.worker.clone()?);
        config.arguments.clone_from(&self.worker_arg);
        config.environment.extend(self.worker_env.iter().cloned());
        config.limits.memory_bytes = Some(self.worker_memory.saturating_mul(1 << 20));
        let limits = &mut config.limits;
        limits.info_timeout = limits.info_timeout.min(timeout);
        Some(config)
    }
}

fn memory(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("a worker without memory cannot start; give it some MiB".to_owned()),
        Ok(mib) => Ok(mib),
        Err(_) => Err("expected a number of MiB".to_owned()),
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("nothing is done in no time; give it some seconds".to_owned()),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err("expected a number of seconds".to_owned()),
    }
}

fn of_backend(backend: &str) -> impl Fn(BackendError) -> CliError + use<> {
    let backend = backend.to_owned();
    move |source| CliError::Prover {
        backend: backend.clone(),
        source: Box::new(source),
    }
}
