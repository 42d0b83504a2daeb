//! Everything that can be wrong with a snapshot.

use super::packed::PackError;
use super::words::WordError;
use crate::header::HeaderError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a snapshot file could not be written or read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
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
    /// The file is not a word file, or one that does harm.
    #[error("{path}: not a snapshot that can be read; fetch it again")]
    Words {
        /// The file.
        path: PathBuf,
        /// What is wrong with its words.
        source: WordError,
    },
    /// Word 0 is damaged, or not of this release.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The name and word 0 disagree, or it is no name of a snapshot.
    #[error("{path}: {}", named(.expected.as_deref()))]
    Name {
        /// The file.
        path: PathBuf,
        /// The name that its header gives it; `None` if the name is of another kind.
        expected: Option<String>,
    },
    /// A word that is missing, of another length, or without meaning.
    #[error("{path}: its {what} is not what the header says; fetch the file again")]
    Content {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// A few bytes that would become very many.
    #[error("{path}: unpacks to more than {limit} times its size; this is not a real snapshot")]
    Ratio {
        /// The file.
        path: PathBuf,
        /// The most that is unpacked.
        limit: u64,
    },
    /// Values that are no packed word, or too many.
    #[error("{path}: the values of twig {twig} cannot be unpacked; fetch the file again")]
    Packed {
        /// The file.
        path: PathBuf,
        /// The twig of the state log.
        twig: u64,
        /// What is wrong with them.
        source: PackError,
    },
    /// Values that zstd does not pack, for want of memory.
    #[error("values of the state log cannot be packed")]
    Unpackable {
        /// What is wrong.
        source: PackError,
    },
    /// What a file is to hold makes none.
    #[error("{path}: these twigs and blocks do not make a snapshot")]
    Unwritable {
        /// The file.
        path: PathBuf,
    },
    /// A snapshot file is never written over.
    #[error("{path}: is there already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A manifest that is not of the form of the page, or not for such files.
    #[error("{path}: line {line} of the manifest: {what}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A manifest that nobody whose key is known has signed.
    #[error("{path}: not signed by {key}")]
    Unsigned {
        /// The manifest.
        path: PathBuf,
        /// Name of the key.
        key: String,
    },
    /// A file that is not the one that its manifest lists.
    #[error("{path}: {what} is not the one in the manifest; fetch the file again")]
    Differs {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
}

fn named(expected: Option<&str>) -> String {
    match expected {
        Some(name) => format!("a snapshot of this content is called {name}; rename it back"),
        None => "not the name of a snapshot".to_owned(),
    }
}

impl SnapshotError {
    /// For `map_err` on what the disk returns.
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }

    /// For `map_err` on what words return.
    pub(super) fn words(path: &Path) -> impl Fn(WordError) -> Self {
        move |source| Self::Words {
            path: path.to_owned(),
            source,
        }
    }
}
