//! The audit of the state log: all of it derived again from the entries.

use super::log::StateLog;
use crate::error::Error;
use alloy_primitives::B256;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::{Entry, EntryId, StateWord};

impl StateLog {
    /// Replays all entries into an empty log, and compares it with this one. Changes nothing.
    pub(crate) fn check(&self, hasher: &Hasher) -> Result<(), Error> {
        let mut again = Self::default();
        for id in (0..self.entry_count()).map(EntryId) {
            let entry = self.entry(id)?;
            let inherited = entry
                .supersedes
                .map(|older| self.entry(older))
                .transpose()?;
            let value = match entry.value {
                StateWord::Hash(_) => {
                    let value = self.entries.stored(id)?;
                    if !entry.holds(&value) {
                        return Err(Error::BadEntry { entry_id: id });
                    }
                    let is_new = inherited.is_none_or(|older| older.value != entry.value);
                    is_new.then_some(value)
                }
                StateWord::Value(_) => None,
            };
            again.push(&entry, value)?;
        }
        let differs = |what| Err(Error::CheckState { what });
        if again.root(hasher)? != self.root {
            return differs("the root");
        }
        if again.live_keys != self.live_keys || again.index.len() != self.index.len() {
            return differs("the number of keys");
        }
        self.check_order(&again)
    }

    /// The index must name the same entries, and the live ones must form one chain.
    fn check_order(&self, again: &Self) -> Result<(), Error> {
        let differs = |what| Err(Error::CheckState { what });
        let ours = self.index.up_from(&self.entries, &B256::ZERO)?;
        let mut derived = again.index.up_from(&again.entries, &B256::ZERO)?;
        let mut expected = (self.entry_count() > 0).then_some(B256::ZERO);
        for item in ours {
            if derived.next() != Some(item) {
                return differs("the index");
            }
            if item.is_dead() {
                continue;
            }
            let entry = self.entry(item.id())?;
            if expected != Some(entry.key) {
                return differs("the order of the keys");
            }
            expected = Some(entry.next_key);
        }
        if derived.next().is_some() || expected.is_some_and(|key| key != Entry::END) {
            return differs("the order of the keys");
        }
        Ok(())
    }
}
