//! Why an index could not be used.

use super::batch::Reached;
use std::error::Error;
use std::path::PathBuf;

/// Why an index could not be opened, read or fed.
///
/// An index is derived: to delete its folder is always a way out, and costs the time to build it.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The batch does not begin where the index is. The caller's mistake; nothing was changed.
    #[error(
        "the index has reached {}, the batch begins at {}; \
         feed it from where it is, or clear it",
        place(.reached), place(.batch)
    )]
    OutOfOrder {
        /// Where the index is.
        reached: Option<Reached>,
        /// Where the batch begins.
        batch: Option<Reached>,
    },
    /// An earlier write failed, so what the store holds is not known.
    #[error("{path}: an earlier write to the index failed; open it again")]
    Poisoned {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error(
        "{path}: holds something else than an index; is this the right folder? \
         If so, delete the folder; it is rebuilt"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// A version of the index that this release does not know.
    #[error(
        "{path}: index version {found}, this release reads {supported}; \
         delete the folder; it is rebuilt"
    )]
    Version {
        /// The folder.
        path: PathBuf,
        /// The version in it.
        found: u32,
        /// The version that this release reads.
        supported: u32,
    },
    /// The folder does not hold what was written to it.
    #[error("{path}: the index is damaged; delete the folder; it is rebuilt")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store or the operating system refused.
    #[error(
        "{path}: cannot {action}; if disk and rights are in order, delete the folder; it is rebuilt"
    )]
    Store {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the store said.
        source: Box<dyn Error + Send + Sync>,
    },
}

fn place(reached: &Option<Reached>) -> String {
    reached.map_or_else(|| "no block".into(), |reached| reached.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    #[test]
    fn messages_say_what_is_wrong_and_how_to_mend_it() {
        let path = || PathBuf::from("db/index");
        let reached = Reached {
            block_number: 7,
            leaf_count: 20,
            root: B256::repeat_byte(0xab),
        };
        let cases = [
            (
                IndexError::OutOfOrder {
                    reached: Some(reached),
                    batch: None,
                },
                format!(
                    "the index has reached block 7 (20 leaves, root 0x{}), the batch begins at no \
                     block; feed it from where it is, or clear it",
                    "ab".repeat(32)
                ),
            ),
            (
                IndexError::Poisoned { path: path() },
                "db/index: an earlier write to the index failed; open it again".into(),
            ),
            (
                IndexError::Foreign { path: path() },
                "db/index: holds something else than an index; is this the right folder? \
                 If so, delete the folder; it is rebuilt"
                    .into(),
            ),
            (
                IndexError::Version {
                    path: path(),
                    found: 2,
                    supported: 1,
                },
                "db/index: index version 2, this release reads 1; delete the folder; it is rebuilt"
                    .into(),
            ),
            (
                IndexError::Damaged {
                    path: path(),
                    source: "a bad block".into(),
                },
                "db/index: the index is damaged; delete the folder; it is rebuilt".into(),
            ),
            (
                IndexError::Store {
                    path: path(),
                    action: "open the index",
                    source: "no space".into(),
                },
                "db/index: cannot open the index; if disk and rights are in order, \
                 delete the folder; it is rebuilt"
                    .into(),
            ),
        ];
        for (error, message) in cases {
            assert_eq!(error.to_string(), message);
        }
    }
}
