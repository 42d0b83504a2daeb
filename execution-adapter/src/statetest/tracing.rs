//! The traced run of a case: the one place where a tracer is plugged in.

use super::post::PreState;
use super::run::{Outcome, execute_inspected};
use super::setup::Setup;
use crate::trace::{TraceOptions, Tracer};
use crate::transition::TraceMode;
use qmtree_kernels::Hasher;
use qmtree_proofs::Profile;

/// Whether each case runs a second time, with a tracer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Once, without one.
    Off,
    /// Twice; both have to come to the same.
    #[default]
    On,
}

/// What a tracer saw of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Opcodes that began to run, in all call frames.
    pub opcodes: u64,
}

/// Runs a case with the tracer.
pub(super) fn execute_traced(pre: &PreState, setup: &Setup) -> Result<(Outcome, Steps), String> {
    let profile = Profile::Blake3;
    let options = TraceOptions::new(TraceMode::Full, profile);
    let mut tracer = Tracer::inline(options, Hasher::new(profile));
    tracer.begin_tx().map_err(|error| error.to_string())?;
    let outcome = execute_inspected(pre, setup, &mut tracer)?;
    let commitment = tracer.finish_tx().map_err(|error| error.to_string())?;
    #[cfg(test)]
    compare_with_oracle(pre, setup, profile, commitment)?;
    let opcodes = commitment.count;
    Ok((outcome, Steps { opcodes }))
}

/// The commitment by its definition. Under test, every traced case is one of the tracer.
#[cfg(test)]
fn compare_with_oracle(
    pre: &PreState,
    setup: &Setup,
    profile: Profile,
    found: crate::StepsCommitment,
) -> Result<(), String> {
    // The oracle hashes all memory at each step: long cases would take hours.
    if found.count > 5_000 {
        return Ok(());
    }
    let mut oracle = crate::trace::tests::oracle::Oracle::new(profile);
    execute_inspected(pre, setup, &mut oracle)?;
    let expected = oracle.commitment();
    if expected == found {
        Ok(())
    } else {
        Err(format!(
            "the tracer commits to {found:?}, the oracle to {expected:?}"
        ))
    }
}
