//! What the entries of a state proof mean, once they are known to be in the log.

use super::entry::{Entry, EntryId};
use super::proof::StateProof;
use crate::error::VerifyError;
use crate::hash::{Digest, TreeHasher};
use crate::head::Head;
use crate::level::TxNum;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The part of the map that a state proof has proved, at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenState {
    /// Entries valid at that time, by ascending key.
    valid: Vec<Entry>,
    /// Nothing was written until after that time.
    unwritten: bool,
}

impl ProvenState {
    /// The entry of `key`, or `None` if the key is proved to be absent.
    ///
    /// # Errors
    /// [`VerifyError::Unproven`] if the proof says nothing about the key,
    /// [`VerifyError::ReservedKey`] if the map cannot hold it.
    pub fn get(&self, key: &B256) -> Result<Option<&Entry>, VerifyError> {
        if Entry::is_reserved(key) {
            return Err(VerifyError::ReservedKey { key: *key });
        }
        if self.unwritten {
            return Ok(None);
        }
        let behind = self.valid.partition_point(|entry| entry.key <= *key);
        let floor = behind.checked_sub(1).and_then(|at| self.valid.get(at));
        match floor {
            Some(entry) if entry.key == *key => Ok(Some(entry)),
            Some(entry) if entry.excludes(key) => Ok(None),
            _ => Err(VerifyError::Unproven { key: *key }),
        }
    }

    /// The entries that were valid at that time, the sentinel included, by ascending key.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.valid
    }
}

impl StateProof {
    /// The entry of `key`, or `None` if the proof shows that the key is absent: in the state of
    /// `head`, or in the state after transaction `at`.
    ///
    /// The entry's value word is what is proved; [`Entry::holds`] compares it with a value. The
    /// proof must hold nothing that this question does not need. Costs about 32 hashes at 2^26
    /// entries, twice that for a past value. Safe on untrusted input: never panics.
    ///
    /// # Errors
    /// [`VerifyError::Profile`] or [`VerifyError::EntryCount`] if the proof was made for another
    /// log, [`VerifyError::RootMismatch`] if it leads to another root, [`VerifyError::AfterHead`]
    /// if `at` is not in the head's log, [`VerifyError::ReservedKey`] for a key that the map
    /// cannot hold; and if the entries do not answer the question [`VerifyError::Inactive`],
    /// [`VerifyError::NotAtThatTime`], [`VerifyError::Coverage`] or [`VerifyError::Unproven`].
    pub fn verify(
        &self,
        head: &Head,
        key: &B256,
        at: Option<TxNum>,
    ) -> Result<Option<Entry>, VerifyError> {
        self.verify_with(&self.profile(), head, key, at)
    }

    /// [`verify`](Self::verify) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        key: &B256,
        at: Option<TxNum>,
    ) -> Result<Option<Entry>, VerifyError> {
        let proven = self.verify_all_with(hasher, head, at)?;
        let found = proven.get(key)?.copied();
        // One entry, and the one that ended it if it is not shown to be active.
        let shown = self.shown().iter().any(|shown| *shown);
        let expected = if proven.unwritten || shown { 1 } else { 2 };
        let entries = self.ids().len() as u64;
        if entries != expected {
            return Err(VerifyError::Coverage {
                found: entries,
                expected,
            });
        }
        Ok(found)
    }

    /// Checks that `key` had this value, or none, in the state of `head` or after `at`.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), and [`VerifyError::OtherValue`] if it proves something else.
    pub fn verify_value(
        &self,
        head: &Head,
        key: &B256,
        at: Option<TxNum>,
        value: Option<&[u8]>,
    ) -> Result<(), VerifyError> {
        let holds = match (self.verify(head, key, at)?, value) {
            (Some(entry), Some(value)) => entry.holds(value),
            (None, None) => true,
            _ => false,
        };
        if holds {
            Ok(())
        } else {
            Err(VerifyError::OtherValue { key: *key })
        }
    }

    /// All that the proof shows about the state of `head`, or about the state after `at`.
    ///
    /// Every entry of the proof must serve: be valid at that time, or end one that is.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), but for those that are about a key.
    pub fn verify_all(&self, head: &Head, at: Option<TxNum>) -> Result<ProvenState, VerifyError> {
        self.verify_all_with(&self.profile(), head, at)
    }

    /// [`verify_all`](Self::verify_all) with a hasher of the caller's choice.
    ///
    /// # Errors
    /// As [`verify_all`](Self::verify_all).
    pub fn verify_all_with(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        at: Option<TxNum>,
    ) -> Result<ProvenState, VerifyError> {
        self.check_head(hasher, head, at)?;
        let mut hashes: Vec<Digest> = vec![[0; 32]; self.ids().len()];
        hasher.hash_leaves(self.entry_bytes(), &mut hashes);
        let mut digests = self.nodes().iter().map(|node| node.0);
        let computed = B256::new(self.opened().fold(hasher, hashes, &mut digests));
        if computed != head.state_root {
            return Err(VerifyError::RootMismatch {
                computed,
                trusted: head.state_root,
            });
        }
        if let Some(entry_id) = self.opened().first_inactive(self.nodes()) {
            return Err(VerifyError::Inactive { entry_id });
        }
        self.interpret(at)
    }

    fn check_head(
        &self,
        hasher: &impl TreeHasher,
        head: &Head,
        at: Option<TxNum>,
    ) -> Result<(), VerifyError> {
        for found in [self.profile(), hasher.profile()] {
            if found != head.profile {
                return Err(VerifyError::Profile {
                    found,
                    trusted: head.profile,
                });
            }
        }
        if self.entry_count() != head.entry_count {
            return Err(VerifyError::EntryCount {
                found: self.entry_count(),
                trusted: head.entry_count,
            });
        }
        match at {
            Some(tx_num) if tx_num.0 >= head.leaf_count => Err(VerifyError::AfterHead {
                tx_num,
                leaf_count: head.leaf_count,
            }),
            _ => Ok(()),
        }
    }

    /// The state that the entries stand for, all of them being in the log and those whose bit is
    /// shown active.
    fn interpret(&self, at: Option<TxNum>) -> Result<ProvenState, VerifyError> {
        let (ids, entries) = (self.ids(), self.entries().collect::<Vec<_>>());
        let by_then = |entry: &Entry| at.is_none_or(|at| entry.tx_num <= at);
        // Where each entry was ended after that time, by an entry of the same key in this proof.
        let mut ended = vec![false; ids.len()];
        let mut serves = vec![false; ids.len()];
        for (later, ender) in entries.iter().zip(serves.iter_mut()) {
            let older = later.supersedes.and_then(|id| ids.binary_search(&id).ok());
            let Some((at, older)) = older.and_then(|at| Some((at, entries.get(at)?))) else {
                continue;
            };
            if older.key == later.key && by_then(older) && !by_then(later) {
                *ender = true;
                if let Some(ended) = ended.get_mut(at) {
                    *ended = true;
                }
            }
        }
        let (mut valid, mut unwritten) = (Vec::new(), false);
        for (at, (entry, shown)) in entries.iter().zip(self.shown()).enumerate() {
            let ended = ended.get(at).copied().unwrap_or_default();
            let id = ids.get(at).copied().unwrap_or_default();
            if by_then(entry) && !entry.tombstone && (*shown != ended) {
                valid.push(*entry);
            } else if id == EntryId(0) && !by_then(entry) && !shown {
                unwritten = true;
            } else if *shown || !serves.get(at).copied().unwrap_or_default() {
                return Err(VerifyError::NotAtThatTime { entry_id: id });
            }
        }
        valid.sort_unstable_by_key(|entry| entry.key);
        Ok(ProvenState { valid, unwritten })
    }
}
