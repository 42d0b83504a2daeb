//! Why a block was not fetched.

use alloy_primitives::B256;
use qmtree_execution_adapter::{BlockError, Mismatch, WitnessError};

/// Why a block was not fetched. The URL is named without path, where keys are often found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// Not the URL of a node.
    #[error("{0:?} is no http or https URL with a host")]
    Url(String),
    /// A URL that this build cannot open.
    #[error("https needs qm built with the feature https; http goes without")]
    NoTls,
    /// No answer, or half of one, however often.
    #[error("{server}: {method}: no good answer after {tries} tries")]
    Transport {
        server: String,
        method: &'static str,
        tries: u32,
        source: AnswerError,
    },
    /// An answer that asking again will not change.
    #[error("{server}: {method}")]
    Answer {
        server: String,
        method: &'static str,
        source: AnswerError,
    },
    /// A block that the node does not have.
    #[error("block {number}: the node does not know it ({method} is null)")]
    Missing { number: u64, method: &'static str },
    /// Answers that are about different blocks.
    #[error(
        "block {number}: the node's answers are about different blocks: its hash is {expected} in \
         one and {found} in the other, after {tries} tries; was the chain reorganised?"
    )]
    WrongBlock {
        number: u64,
        expected: B256,
        found: B256,
        tries: u32,
    },
    /// Bytes that are no block.
    #[error("block {number}: debug_getRawBlock gives no block")]
    Block { number: u64, source: BlockError },
    /// A body that is not the header's.
    #[error("block {number}")]
    Body { number: u64, source: Mismatch },
    /// A witness that cannot be one of the block.
    #[error("block {number}: its witness cannot be used")]
    Witness { number: u64, source: WitnessError },
    /// A block that does not follow the one before.
    #[error(
        "block {number}: its parent is {parent}, but the block before it was {previous}: the chain \
         was reorganised meanwhile; run the command again"
    )]
    Reorganised {
        number: u64,
        parent: B256,
        previous: B256,
    },
}

/// What was wrong with an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error(transparent)]
    Http(#[from] Box<ureq::Error>),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("not an answer of JSON-RPC")]
    Json(#[from] serde_json::Error),
    #[error("an answer to request {found:?}, not to {expected}")]
    Id { expected: u64, found: Option<u64> },
    #[error("neither a result nor an error")]
    Empty,
    #[error("the node says: {message} (code {code}){remedy}", remedy = remedy(*code))]
    Refused { code: i64, message: String },
}

impl AnswerError {
    /// True if the next answer may be better.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Http(error) => !matches!(
                **error,
                ureq::Error::BodyExceedsLimit(_)
                    | ureq::Error::Http(_)
                    | ureq::Error::BadUri(_)
                    | ureq::Error::Tls(_)
            ),
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
            // Half an answer, or a page of a proxy that is in the way.
            Self::Json(_) | Self::Id { .. } | Self::Empty => true,
            // -32005 is the code for limits; the others are about the question.
            Self::Refused { code, .. } => *code == -32005,
        }
    }
}

fn remedy(code: i64) -> &'static str {
    match code {
        -32601 => "; the node must serve the namespaces eth and debug",
        _ => "",
    }
}
