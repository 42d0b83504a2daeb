//! The traced run of a case: the one place where a tracer is plugged in.

use super::post::PreState;
use super::run::{Outcome, execute_inspected};
use super::setup::Setup;
use crate::trace::{TraceError, TraceLimits, TraceOptions, Tracer};
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
    /// Twice, the tracer with these limits; a case beyond them fails.
    Limited(TraceLimits),
}

impl Tracing {
    /// The tracer's limits, if there is one.
    pub(super) fn limits(self) -> Option<TraceLimits> {
        match self {
            Self::Off => None,
            Self::On => Some(TraceLimits::default()),
            Self::Limited(limits) => Some(limits),
        }
    }
}

/// What a tracer saw of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// Opcodes that began to run, in all call frames.
    pub opcodes: u64,
}

/// Runs a case with the tracer, which may give up without disturbing it.
///
/// # Errors
/// What the EVM says if it fails, other than by refusing the transaction.
pub(super) fn execute_traced(
    pre: &PreState,
    setup: &Setup,
    limits: TraceLimits,
) -> Result<(Outcome, Result<Steps, TraceError>), String> {
    let profile = Profile::Blake3;
    let options = TraceOptions::new(TraceMode::Full, profile).with_limits(limits);
    let mut tracer = Tracer::inline(options, Hasher::new(profile));
    let begun = tracer.begin_tx();
    let outcome = execute_inspected(pre, setup, &mut tracer)?;
    let commitment = begun.and_then(|()| tracer.finish_tx());
    #[cfg(test)]
    if let Ok(commitment) = commitment {
        compare_with_oracle(pre, setup, profile, commitment)?;
    }
    let steps = commitment.map(|commitment| Steps {
        opcodes: commitment.count,
    });
    Ok((outcome, steps))
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
