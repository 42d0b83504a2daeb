//! What can be wrong with an entry segment.

use crate::header::HeaderError;
use qmtree_proofs::{TwigId, TxNum};
use std::io;
use std::path::{Path, PathBuf};

/// Why an entry segment could not be made, opened or read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum EntrySegmentError {
    /// The header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The file does not have the length that its header says.
    #[error("{path}: {found} bytes, the header says {expected}; restore the segment from a backup")]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that the header says.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// The name is not that of the twigs in the file.
    #[error("{path}: holds what belongs into {expected}; was it renamed?")]
    Name {
        /// The file.
        path: PathBuf,
        /// The name it should have.
        expected: String,
    },
    /// Bytes changed after the file was written.
    #[error(
        "{path}: {part}: checksum {stored:08x}, computed {computed:08x}; \
         restore the segment from a backup"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Which bytes.
        part: String,
        /// The checksum in the file.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Parts that contradict one another.
    #[error("{path}: {what} contradicts the rest of the file; restore the segment from a backup")]
    Contents {
        /// The file.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
    /// Twigs that no file has, or two have.
    #[error(
        "{path}: begins with twig {found}, but the ones before end at twig {expected}: a segment of \
         the state log is missing or there twice; restore it from a backup"
    )]
    Place {
        /// The file.
        path: PathBuf,
        /// The twig that should come.
        expected: TwigId,
        /// The first twig of the file.
        found: TwigId,
    },
    /// The entries were dropped.
    #[error(
        "{path}: entries of twig {twig} were pruned; \
         the state is known after transaction {earliest} and later"
    )]
    Pruned {
        /// The file.
        path: PathBuf,
        /// The twig.
        twig: TwigId,
        /// The first transaction after which the state is still known.
        earliest: TxNum,
    },
    /// The operating system refused.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl EntrySegmentError {
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    }
}
