//! What a key was, now and at any past transaction.
//!
//! A key's versions are found from its newest entry backwards, by the entries that each names. So
//! the past costs a step for each version since then, and no index of its own.

use super::index::Item;
use super::log::StateLog;
use crate::error::Error;
use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use qmtree_proofs::state::{Entry, EntryId, Evidence};

/// An entry that was the version of its key at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) id: EntryId,
    pub(super) entry: Entry,
    /// The entry that superseded it, if it is not active.
    pub(super) by: Option<EntryId>,
}

impl Version {
    fn evidence(&self) -> Evidence {
        match self.by {
            Some(by) => Evidence::Superseded { entry: self.id, by },
            None => Evidence::Active(self.id),
        }
    }
}

impl StateLog {
    /// The version of an index item's key, now or after `at`; `None` if there was none.
    pub(super) fn version(&self, item: Item, at: Option<TxNum>) -> Result<Option<Version>, Error> {
        if at.is_none() && item.is_dead() {
            return Ok(None);
        }
        let (mut id, mut by) = (item.id(), None);
        loop {
            let entry = self.entry(id)?;
            if at.is_none_or(|at| entry.tx_num <= at) {
                let version = Version { id, entry, by };
                return Ok((!entry.tombstone).then_some(version));
            }
            let Some(older) = self.previous(id, &entry) else {
                return Ok(None);
            };
            by = entry.supersedes.map(|_| id);
            id = older;
        }
    }

    /// The version at the largest key up to `key` that was live: the sentinel's if no other was.
    /// `None` if nothing was written until after `at`.
    pub(super) fn floor(&self, key: &B256, at: Option<TxNum>) -> Result<Option<Version>, Error> {
        for item in self.index.down_from(&self.entries, key)? {
            if let Some(version) = self.version(item, at)? {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// Refuses a time of which the state was dropped.
    pub(super) fn check_time(&self, at: Option<TxNum>) -> Result<(), Error> {
        match at.zip(self.entries.earliest()) {
            Some((tx_num, earliest)) if tx_num < earliest => {
                Err(Error::StatePruned { tx_num, earliest })
            }
            _ => Ok(()),
        }
    }

    /// The value of `key`, now or after `at`.
    pub(crate) fn get(&self, key: &B256, at: Option<TxNum>) -> Result<Option<Vec<u8>>, Error> {
        self.check_time(at)?;
        if Entry::is_reserved(key) {
            return Ok(None);
        }
        let item = self.index.down_from(&self.entries, key)?.next();
        let Some(version) = item
            .map(|item| self.version(item, at))
            .transpose()?
            .flatten()
        else {
            return Ok(None);
        };
        if version.entry.key != *key {
            return Ok(None);
        }
        self.entries.value(version.id, &version.entry).map(Some)
    }

    /// What shows the state of `key`, now or after `at`.
    pub(super) fn evidence(&self, key: &B256, at: Option<TxNum>) -> Result<Evidence, Error> {
        if self.entry_count() == 0 {
            return Err(Error::NoState);
        }
        if Entry::is_reserved(key) {
            return Err(qmtree_proofs::state::BatchError::ReservedKey { key: *key }.into());
        }
        let floor = self.floor(key, at)?;
        Ok(floor.map_or(Evidence::Unwritten, |version| version.evidence()))
    }

    /// The keys that are live, now or after `at`, and their values, from `from` upwards.
    pub(crate) fn iter(
        &self,
        from: &B256,
        at: Option<TxNum>,
    ) -> Result<impl Iterator<Item = Result<(B256, Vec<u8>), Error>> + '_, Error> {
        self.check_time(at)?;
        let items = self.index.up_from(&self.entries, from)?;
        Ok(items.filter_map(move |item| self.item(item, at).transpose()))
    }

    fn item(&self, item: Item, at: Option<TxNum>) -> Result<Option<(B256, Vec<u8>)>, Error> {
        let version = self.version(item, at)?;
        let Some(Version { id, entry, .. }) = version.filter(|v| v.entry.key != B256::ZERO) else {
            return Ok(None);
        };
        Ok(Some((entry.key, self.entries.value(id, &entry)?)))
    }
}
