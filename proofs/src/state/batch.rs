//! The rules by which a batch of writes becomes entries: pure, so that every store shares them.

use super::entry::{Entry, EntryId, StateWord};
use crate::level::TxNum;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::fmt;

/// A key that a batch touches: it is written, or it is the live neighbour before one that is
/// inserted or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The key.
    pub key: B256,
    /// Its active entry before the batch and the value in it, if the key was live.
    pub old: Option<(EntryId, StateWord)>,
    /// The next larger key that was live before the batch, [`Entry::END`] if there was none.
    pub next_key: B256,
    /// Its value after the batch; `None` if the batch deletes it.
    pub new: Option<StateWord>,
}

/// Why a batch cannot be applied. Nothing has changed then.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// Keys must ascend strictly: each is written once.
    Unsorted {
        /// The earlier of the two.
        previous: B256,
        /// The one that should have been larger.
        next: B256,
    },
    /// A key that no map can hold.
    ReservedKey {
        /// The key.
        key: B256,
    },
    /// Transaction numbers must ascend strictly from batch to batch.
    TxNum {
        /// The number of the batch.
        found: TxNum,
        /// The last transaction that wrote.
        last: TxNum,
    },
    /// A value longer than the store takes.
    ValueLength {
        /// The key.
        key: B256,
        /// Bytes of the value.
        found: usize,
        /// Most bytes that a value can have.
        max: usize,
    },
}

/// Checks that `keys` ascend strictly and that a map can hold each of them.
///
/// # Errors
/// [`BatchError::Unsorted`] or [`BatchError::ReservedKey`] for the first one that breaks a rule.
pub fn check_keys<'a>(keys: impl IntoIterator<Item = &'a B256>) -> Result<(), BatchError> {
    let mut previous: Option<&B256> = None;
    for key in keys {
        if Entry::is_reserved(key) {
            return Err(BatchError::ReservedKey { key: *key });
        }
        if let Some(previous) = previous.filter(|previous| *previous >= key) {
            return Err(BatchError::Unsorted {
                previous: *previous,
                next: *key,
            });
        }
        previous = Some(key);
    }
    Ok(())
}

/// The entries that a batch appends, in the order of their ids: one per touched key, by ascending key.
///
/// `touched` must ascend by key and hold every key that the batch writes, but for deletions of
/// keys that are not live; for each inserted or deleted key also the largest key below it that was
/// live before the batch, with its old value where the batch does not write it; and, where the log
/// is empty, the sentinel's key zero with a zero value. The entries named by `supersedes` are no
/// longer active; the new ones are, but for tombstones.
#[must_use]
pub fn rewrite(tx_num: TxNum, touched: &[Touched]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::with_capacity(touched.len());
    // The key looked at last, and the smallest key not below it that is live after the batch.
    let mut behind: Option<(B256, B256)> = None;
    for touched in touched.iter().rev() {
        // Every inserted or deleted key is touched. So if no touched key comes up to the old
        // neighbour, that one is still there and nothing has come between.
        let next_live = match behind {
            Some((key, live)) if key <= touched.next_key => live,
            _ => touched.next_key,
        };
        let supersedes = touched.old.map(|(id, _)| id);
        entries.push(match touched.new {
            Some(value) => Entry {
                key: touched.key,
                next_key: next_live,
                value,
                tx_num,
                supersedes,
                tombstone: false,
            },
            None => Entry {
                key: touched.key,
                next_key: B256::ZERO,
                value: StateWord::Value(B256::ZERO),
                tx_num,
                supersedes,
                tombstone: true,
            },
        });
        let live = if touched.new.is_some() {
            touched.key
        } else {
            next_live
        };
        behind = Some((touched.key, live));
    }
    entries.reverse();
    entries
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsorted { previous, next } => write!(
                f,
                "keys of a batch must ascend, each once, but {next} follows {previous}; sort the \
                 writes and keep the last of each key"
            ),
            Self::ReservedKey { key } => write!(
                f,
                "key {key} is reserved; keys are hashes, never 32 bytes of 0x00 or of 0xff"
            ),
            Self::TxNum { found, last } => write!(
                f,
                "a batch for txNum {found} after one for txNum {last}; give all writes of a \
                 transaction in one batch, in the order of the transactions"
            ),
            Self::ValueLength { key, found, max } => write!(
                f,
                "the value of key {key} has {found} bytes; a value has at most {max}"
            ),
        }
    }
}

impl core::error::Error for BatchError {}
