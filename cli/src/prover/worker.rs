//! `qm worker`: a stand-in for a prover.

use super::of_backend;
use crate::error::CliError;
use clap::Args;
use qmtree_provers::{ExecBackend, RangeProgram, serve};
use std::io::{stdin, stdout};

/// Serve the protocol of docs/PROVERS.md by executing again: a stand-in for a prover
///
/// It reads requests from standard input and answers on standard output, a JSON object a line, until
/// its input ends:
///
///   qm prove-range --backend process --worker $(command -v qm) --worker-arg worker FILES -o PROOF.seg
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Worker {
    /// The name of the backend that it plays.
    #[arg(long, value_name = "NAME", default_value = "exec-worker")]
    name: String,
}

impl Worker {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let backend = ExecBackend::new(RangeProgram, RangeProgram::id()).with_name(&self.name);
        let backend = backend.map_err(of_backend(&self.name))?;
        let served = serve(
            &mut stdin().lock(),
            &mut stdout().lock(),
            &backend,
            Some(&backend),
        );
        served.map_err(|source| CliError::Io {
            path: "standard output".into(),
            action: "write",
            source,
        })
    }
}
