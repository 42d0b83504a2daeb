//! A worker for `ProcessBackend`: what docs/PROVERS.md describes, with re-execution where a real one
//! has its proof system.
//!
//! To write a worker for a zkVM in Rust, keep `main` and put a `ProverBackend` of your own in the place
//! of `ExecBackend`.
#![forbid(unsafe_code)]

use alloy_primitives::keccak256;
use qmtree_provers::{ExecBackend, RangeProgram, serve};
use std::error::Error;
use std::io::{stdin, stdout};

fn main() -> Result<(), Box<dyn Error>> {
    // Of a real worker: the verifying key of its program.
    let program_id = keccak256("qmtree-example-worker/3");
    let backend = ExecBackend::new(RangeProgram, program_id).with_name("example")?;
    serve(
        &mut stdin().lock(),
        &mut stdout().lock(),
        &backend,
        Some(&backend),
    )?;
    Ok(())
}
