//! What can be wrong with a file of state tests.

use std::io;
use std::path::PathBuf;

/// Why a file of state tests could not be used.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StateTestError {
    /// The operating system refused.
    #[error("{path}: cannot {action}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// More bytes than any file of state tests has.
    #[error("{path}: larger than {limit} bytes of JSON", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// A folder with nothing to run.
    #[error("{path}: no files of state tests in it (*.json, *.json.zst)", path = path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Not JSON, or not an object of tests by their names.
    #[error("{path}: not a JSON object of named tests", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it stops being one.
        source: serde_json::Error,
    },
    /// JSON, but of something else: a blockchain test, a filler, an index.
    #[error("{path}: no state tests in it: {what}", path = path.display())]
    NotStateTests {
        /// The file.
        path: PathBuf,
        /// What the first entry lacks, or is.
        what: String,
    },
    /// A test with a field that cannot be read.
    #[error("{path}: test {test:?}", path = path.display())]
    Test {
        /// The file.
        path: PathBuf,
        /// The test's name.
        test: String,
        /// Which field, and what is wrong with it.
        source: serde_json::Error,
    },
    /// A case that picks data, a gas limit or a value that its test does not have.
    #[error(
        "{path}: test {test:?}: fork {fork} picks {list} number {index} of {len}",
        path = path.display()
    )]
    Index {
        /// The file.
        path: PathBuf,
        /// The test's name.
        test: String,
        /// The fork.
        fork: String,
        /// `data`, `gasLimit` or `value`.
        list: &'static str,
        /// What it picks, from zero.
        index: usize,
        /// How many there are.
        len: usize,
    },
}
