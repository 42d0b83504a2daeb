//! Why a call was not executed, or why a proof of one does not hold.

use crate::chain::ChainError;
use crate::leaf::RuleError;
use crate::trace::TraceError;
use alloc::string::String;
use alloy_primitives::B256;
use core::fmt;
use qmtree_proofs::{DecodeError, Scheme, TxNum, VerifyError};

/// Why a call was not executed, or why a proof of one does not hold.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The head's log has no state.
    Scheme {
        /// Its scheme.
        found: Scheme,
    },
    /// The rules are those of another chain.
    OtherChain {
        /// Chain id of the head.
        head: u64,
        /// Chain id of the rules.
        rules: u64,
    },
    /// The state was given, without the header of its block: there is no environment to call in.
    NoBlock {
        /// The transaction number after which the call was to run.
        tx_num: TxNum,
    },
    /// What the state has for the newest header is no header.
    Header(alloy_rlp::Error),
    /// There are no rules for the block.
    Chain(ChainError),
    /// The call is not valid, such as of a sender without the funds.
    Invalid {
        /// Why.
        reason: String,
    },
    /// A value could not be read: by a prover from its log, by a verifier from the proof.
    State(RuleError),
    /// The tracer failed, or ran into its limits.
    Trace(TraceError),
    /// The bytes are no proof of a call.
    Rlp(alloy_rlp::Error),
    /// The proof of the values inside is none.
    Decode(DecodeError),
    /// The values do not follow from the head.
    Proof(VerifyError),
    /// A value that the head does not have there.
    OtherValue {
        /// Its key in the state log.
        key: B256,
    },
    /// Values that are not in order, or that no execution read, or entries that prove none of them.
    Surplus {
        /// Key of the first.
        key: B256,
    },
    /// The execution comes to something else.
    OtherResult {
        /// What differs.
        what: &'static str,
    },
}

impl CallError {
    /// True if the bytes are no proof of a call at all.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Rlp(_) | Self::Decode(_))
    }

    /// True if head or rules are not those of such a proof, so that nothing was said about it.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        use CallError::{Chain, OtherChain, Scheme};
        matches!(self, Scheme { .. } | OtherChain { .. } | Chain(_)) || self.is_malformed()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme { found } => write!(
                f,
                "the head is of a log of scheme {found}, and only state-root/1 has a state to call on"
            ),
            Self::OtherChain { head, rules } => write!(
                f,
                "the head is of chain id {head}, and the rules are of chain id {rules}"
            ),
            Self::NoBlock { tx_num } => write!(
                f,
                "there is no block after leaf {tx_num}, whose state was given: call after a later one"
            ),
            Self::Header(reason) => write!(f, "the state's newest header is none: {reason}"),
            Self::Chain(error) => error.fmt(f),
            Self::Invalid { reason } => write!(f, "the call is not valid: {reason}"),
            Self::State(error) => write!(f, "{error}"),
            Self::Trace(error) => error.fmt(f),
            Self::Rlp(reason) => write!(f, "not the proof of a call: {reason}"),
            Self::Decode(error) => write!(f, "the proof of its values: {error}"),
            Self::Proof(error) => error.fmt(f),
            Self::OtherValue { key } => {
                write!(f, "the head has another value of key {key} at that time")
            }
            Self::Surplus { key } => write!(
                f,
                "key {key} is out of order, or proves nothing that the call read"
            ),
            Self::OtherResult { what } => {
                write!(f, "executed again, the call has another {what}")
            }
        }
    }
}

impl core::error::Error for CallError {}
