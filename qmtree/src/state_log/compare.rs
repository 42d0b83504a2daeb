//! Whether a block that is in the log already wrote the same.

use super::batch::StateBatch;
use super::log::StateLog;
use crate::error::Error;
use crate::workers::Workers;
use qmtree_proofs::TxNum;
use qmtree_proofs::state::{Compaction, Entry, EntryId, rewrite};

impl StateLog {
    /// True if entries `from..to`, those of a block, are what these batches append to the state
    /// before it. Where that state was dropped, only whether it wrote at all is compared.
    ///
    /// The state before each batch is asked for as any past state is, so nothing is unwound, and it
    /// does not matter what is sealed.
    pub(crate) fn has_written(
        &self,
        batches: &[StateBatch],
        from: u64,
        to: u64,
    ) -> Result<bool, Error> {
        let (mut next, workers) = (from, Workers::default());
        for batch in batches {
            batch.check()?;
            let before = batch.tx_num.0.checked_sub(1).map(TxNum);
            if self
                .earliest()
                .is_some_and(|earliest| before < Some(earliest))
            {
                return Ok((to > from) != batches.is_empty());
            }
            let stored = self.entries_of(batch.tx_num, next, to)?;
            let own = match before {
                _ if next == 0 => Self::default().touched(batch, None, &workers)?,
                Some(_) => self.touched(batch, before, &workers)?,
                None => return Ok(false),
            };
            if !self.is_appended_by(&rewrite(batch.tx_num, &own), &stored)? {
                return Ok(false);
            }
            next += stored.len() as u64;
        }
        Ok(next == to)
    }

    /// The entries from `next` on, before `end`, that a transaction appended.
    fn entries_of(&self, tx_num: TxNum, next: u64, end: u64) -> Result<Vec<Entry>, Error> {
        let mut found = Vec::new();
        for id in (next..end).map(EntryId) {
            let entry = self.entry(id)?;
            if entry.tx_num != tx_num {
                break;
            }
            found.push(entry);
        }
        Ok(found)
    }

    /// True if a batch with these entries of its own appended the stored ones: the others are moved.
    fn is_appended_by(&self, own: &[Entry], stored: &[Entry]) -> Result<bool, Error> {
        let mut own = own.iter().peekable();
        for entry in stored {
            if own.next_if(|own| **own == *entry).is_some() {
                continue;
            }
            let Some(older) = entry.supersedes else {
                return Ok(false);
            };
            let is_move = !entry.tombstone && self.entry(older)?.value == entry.value;
            if self.compaction == Compaction::OFF || !is_move {
                return Ok(false);
            }
        }
        Ok(own.next().is_none())
    }
}
