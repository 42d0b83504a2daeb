//! Why a trace has no commitment.

use core::fmt;

/// Why the steps of a transaction could not be committed to, or an opening not be verified.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceError {
    /// The transaction took more steps than the limits allow. Nothing of it is committed to.
    TooManySteps {
        /// The limit.
        limit: u64,
    },
    /// Its raw events, or in `flat` mode its encoded steps, are longer than the limits allow.
    TooManyBytes {
        /// The limit.
        limit: u64,
    },
    /// A transaction was ended that was not begun, or begun before the last one was ended.
    OutOfOrder,
    /// The thread that hashes ended early. A defect of this program.
    HasherLost,
    /// What a tracer prints could not be written.
    Output {
        /// What the operating system said.
        error: alloc::string::String,
    },
    /// The trace has no such step.
    NoSuchStep {
        /// Index asked for.
        index: u64,
        /// Steps in the trace.
        count: u64,
    },
    /// An opening is of another group, or has more or less steps than that.
    OtherSteps {
        /// Step asked for.
        index: u64,
        /// First step of the group opened.
        first: u64,
        /// Steps that it has.
        steps: usize,
    },
    /// Bytes that are no record of steps, or of an effect.
    BadRecord {
        /// What is wrong with them.
        what: &'static str,
    },
    /// The effects of an opening are not as many as its steps have.
    EffectMismatch,
    /// The proof of an opening does not lead to the root.
    Proof(qmtree_proofs::VerifyError),
    /// The proof of an opening does not fit the trace.
    Shape(qmtree_proofs::ShapeError),
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManySteps { limit } => write!(
                f,
                "the trace has more than {limit} steps; raise the step limit of the trace, \
                 or use the mode `outcome`"
            ),
            Self::TooManyBytes { limit } => write!(
                f,
                "the trace has more than {limit} bytes of events; raise the byte limit of the \
                 trace, or use the mode `outcome`"
            ),
            Self::OutOfOrder => f.write_str(
                "each transaction is begun and ended once, before the next one is begun",
            ),
            Self::HasherLost => f.write_str("the thread that hashes the trace ended early"),
            Self::Output { error } => write!(f, "cannot write the trace: {error}"),
            Self::NoSuchStep { index, count } => {
                write!(f, "no step {index}: the trace has {count} steps")
            }
            Self::OtherSteps {
                index,
                first,
                steps,
            } => write!(
                f,
                "the opening is of {steps} steps from step {first} on, and not of the group of step \
                 {index}"
            ),
            Self::BadRecord { what } => write!(f, "not a trace record: {what}"),
            Self::EffectMismatch => {
                f.write_str("the opening has more or less effects than its steps")
            }
            Self::Proof(error) => write!(f, "the step is not in the trace: {error}"),
            Self::Shape(error) => write!(f, "the proof does not fit the trace: {error}"),
        }
    }
}

impl core::error::Error for TraceError {}

impl From<qmtree_proofs::VerifyError> for TraceError {
    fn from(error: qmtree_proofs::VerifyError) -> Self {
        Self::Proof(error)
    }
}

impl From<qmtree_proofs::ShapeError> for TraceError {
    fn from(error: qmtree_proofs::ShapeError) -> Self {
        Self::Shape(error)
    }
}
