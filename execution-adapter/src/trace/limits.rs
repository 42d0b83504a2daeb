//! What a tracer is asked for.

use crate::transition::TraceMode;
use qmtree_proofs::Profile;

/// How much one transaction may be traced before the trace is given up.
///
/// The transaction itself is not disturbed: it runs to its end, but has no steps commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLimits {
    /// Most steps. The default, 2^28, is beyond what any block of today has gas for.
    pub steps: u64,
    /// Most bytes of raw events, which are streamed and not kept. Default 2^36.
    pub bytes: u64,
    /// Most bytes of the RLP list in mode [`TraceMode::Flat`], which is kept, since its length
    /// stands before its content. Default 2^28.
    pub flat_bytes: u64,
}

impl Default for TraceLimits {
    fn default() -> Self {
        Self {
            steps: 1 << 28,
            bytes: 1 << 36,
            flat_bytes: 1 << 28,
        }
    }
}

/// How a tracer works. Nothing here but mode and profile changes what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceOptions {
    /// What is committed to.
    pub mode: TraceMode,
    /// Hash rules of the steps' log, the database's. Mode [`TraceMode::Flat`] is Keccak-256 always.
    pub profile: Profile,
    /// Limits of one transaction.
    pub limits: TraceLimits,
    /// Steps handed over at a time. More fill the lanes better, fewer stay in the cache.
    pub batch_steps: usize,
}

impl TraceOptions {
    /// Options with default limits and batches.
    #[must_use]
    pub fn new(mode: TraceMode, profile: Profile) -> Self {
        Self {
            mode,
            profile,
            limits: TraceLimits::default(),
            batch_steps: 4096,
        }
    }

    /// Other limits.
    #[must_use]
    pub fn with_limits(self, limits: TraceLimits) -> Self {
        Self { limits, ..self }
    }

    /// Other batches; at least 1 step each.
    #[must_use]
    pub fn with_batch_steps(self, batch_steps: usize) -> Self {
        Self {
            batch_steps: batch_steps.max(1),
            ..self
        }
    }
}
