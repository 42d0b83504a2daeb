//! Compares what a case came to with what its file expects.

use super::post::PreState;
use super::run::Outcome;
use super::setup::Setup;
use super::unit::Expected;
use crate::trace::TraceError;
use alloy_primitives::{B256, Log, keccak256};
use core::fmt;
use revm::state::EvmState;

/// The first thing in which a case differs from what its file expects.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The root of the state after.
    #[error("post-state root: expected {expected}, found {found}")]
    Root {
        /// In the file.
        expected: B256,
        /// Computed.
        found: B256,
    },
    /// The hash of the logs.
    #[error("logs hash: expected {expected}, found {found}")]
    Logs {
        /// In the file.
        expected: B256,
        /// Computed.
        found: B256,
    },
    /// A transaction that should have been refused ran.
    #[error("the transaction ran, expected was {exception}")]
    NotRefused {
        /// The exception that the file names.
        exception: String,
    },
    /// A transaction that should have run was refused.
    #[error("the transaction was refused: {reason}; expected was post-state root {expected}")]
    Refused {
        /// Why, in revm's words or ours.
        reason: String,
        /// The root in the file.
        expected: B256,
    },
    /// The tracer changed what the transaction does.
    #[error("traced, the {what} is another: {untraced} untraced, {traced} traced")]
    Traced {
        /// What differs.
        what: &'static str,
        /// Without the tracer.
        untraced: String,
        /// With it.
        traced: String,
    },
    /// The tracer, which changed nothing, has no commitment to the steps.
    #[error("no trace: {error}")]
    Trace {
        /// A limit, or a defect.
        error: TraceError,
    },
    /// The EVM failed, other than by refusing the transaction.
    #[error("the EVM failed: {what}")]
    Evm {
        /// In its words.
        what: String,
    },
}

impl Mismatch {
    /// The roots expected and found, where it is about them.
    pub fn roots(&self) -> Option<(B256, Option<B256>)> {
        match *self {
            Self::Root { expected, found } => Some((expected, Some(found))),
            Self::Refused { expected, .. } => Some((expected, None)),
            _ => None,
        }
    }
}

/// Compares with the file.
///
/// Where the file names an exception, the transaction has to be refused; which exception it is
/// is not compared, as every client has words of its own. The oldest files name none and show it
/// by a state that has not changed, which no transaction that ran leaves behind.
pub(super) fn judge(
    expected: &Expected,
    outcome: &Outcome,
    pre: &PreState,
    setup: &Setup,
) -> Result<(), Mismatch> {
    match (outcome, &expected.expect_exception) {
        (Outcome::Executed(_), Some(exception)) => Err(Mismatch::NotRefused {
            exception: exception.clone(),
        }),
        (Outcome::Executed(executed), None) => {
            judge_root(expected, &executed.state, pre, setup)?;
            judge_logs(expected, executed.result.logs())
        }
        (Outcome::Refused(reason), exception) => {
            judge_root(expected, &EvmState::default(), pre, setup).map_err(
                |root| match exception {
                    Some(_) => root,
                    None => Mismatch::Refused {
                        reason: reason.clone(),
                        expected: expected.hash,
                    },
                },
            )?;
            judge_logs(expected, &[])
        }
    }
}

fn judge_root(
    expected: &Expected,
    changes: &EvmState,
    pre: &PreState,
    setup: &Setup,
) -> Result<(), Mismatch> {
    let post = pre.after(changes);
    let (expected, found) = (expected.hash, post.root());
    let beneficiary = setup.block.beneficiary;
    if found == expected || post.root_with_reward(setup.rules.spec, beneficiary) == expected {
        Ok(())
    } else {
        Err(Mismatch::Root { expected, found })
    }
}

fn judge_logs(expected: &Expected, logs: &[Log]) -> Result<(), Mismatch> {
    let found = logs_hash(logs);
    match expected.logs {
        Some(expected) if expected != found => Err(Mismatch::Logs { expected, found }),
        _ => Ok(()),
    }
}

/// The hash of the logs' list in RLP.
fn logs_hash(logs: &[Log]) -> B256 {
    let mut bytes = Vec::new();
    alloy_rlp::encode_list(logs, &mut bytes);
    keccak256(bytes)
}

/// Compares a traced run with the untraced one: everything that comes out of them.
pub(super) fn same(untraced: &Outcome, traced: &Outcome) -> Result<(), Mismatch> {
    match (untraced, traced) {
        (Outcome::Executed(a), Outcome::Executed(b)) => {
            equal("result", &a.result, &b.result)?;
            equal("state", &a.state, &b.state)
        }
        (Outcome::Refused(a), Outcome::Refused(b)) => equal("refusal", a, b),
        (a, b) => Err(differ("outcome", a, b)),
    }
}

fn equal<T: PartialEq + fmt::Debug>(what: &'static str, a: &T, b: &T) -> Result<(), Mismatch> {
    if a == b {
        Ok(())
    } else {
        Err(differ(what, a, b))
    }
}

fn differ<T: fmt::Debug>(what: &'static str, untraced: &T, traced: &T) -> Mismatch {
    Mismatch::Traced {
        what,
        untraced: format!("{untraced:?}"),
        traced: format!("{traced:?}"),
    }
}
