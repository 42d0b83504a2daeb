//! Sealing: complete twigs of entries move into a segment.

use super::log::StateLog;
use crate::error::Error;
use qmtree_proofs::state::{Compaction, EntryId};
use qmtree_proofs::{Digest, LEAF_LEN, TWIG_LEAVES, TWIG_LEVEL};
use qmtree_storage::{Disk, EntrySegment, EntryTwig, Identity, write_entry_segment};
use std::path::Path;
use std::sync::Arc;

/// A twig of a log that holds it in memory.
struct TailTwig<'a> {
    log: &'a StateLog,
    twig: u64,
}

impl EntryTwig for TailTwig<'_> {
    fn entry(&self, index: usize) -> [u8; LEAF_LEN] {
        let id = EntryId(self.twig * TWIG_LEAVES + index as u64);
        self.log.entries.bytes(id).expect("the twig is in memory")
    }

    fn node(&self, level: u32, index: usize) -> Digest {
        let index = (self.twig << (TWIG_LEVEL - level)) + index as u64;
        let node = self.log.inside_node(level, index);
        node.ok()
            .flatten()
            .expect("the twig is complete and in memory")
    }
}

impl StateLog {
    /// Entries in segments.
    pub(crate) fn sealed_entries(&self) -> u64 {
        self.entries.sealed()
    }

    /// Entries that were dropped.
    pub(crate) fn pruned_entries(&self) -> u64 {
        self.entries.pruned()
    }

    /// Entries at the front of which some were dropped, or all.
    pub(crate) fn partial_entries(&self) -> u64 {
        self.entries.partial()
    }

    /// Bytes of the segments.
    pub(crate) fn sealed_bytes(&self) -> u64 {
        self.entries.segments().iter().map(|s| s.len_bytes()).sum()
    }

    /// Writes the segment of the next `twigs` twigs, which are complete and hashed.
    pub(crate) fn write_segment(
        &self,
        disk: &dyn Disk,
        folder: &Path,
        identity: Identity,
        twigs: u64,
    ) -> Result<EntrySegment, Error> {
        let first = self.sealed_entries() / TWIG_LEAVES;
        let end = (first + twigs) * TWIG_LEAVES;
        let tail = (first..first + twigs).map(|twig| TailTwig { log: self, twig });
        let tail: Vec<_> = tail.collect();
        let revived = self.revived.iter().copied();
        let revived: Vec<_> = revived.take_while(|(id, _)| id.0 < end).collect();
        // So that a segment that nothing active is left in can be dropped.
        let complete = self.compaction != Compaction::OFF;
        let values = self.entries.values_to_seal(end, complete)?;
        let path = write_entry_segment(disk, folder, identity, first, &tail, &revived, &values)?;
        Ok(EntrySegment::open(disk, &path, identity)?)
    }

    /// Puts a written segment in the place of the twigs that it was made from.
    pub(crate) fn install(&mut self, segment: EntrySegment) {
        let (start, end) = (segment.entries().start.0, segment.entries().end.0);
        for (nodes, level) in self.inside.iter_mut().zip(0..TWIG_LEVEL) {
            let gone = (end - start) >> level;
            nodes.skip_front(usize::try_from(gone).unwrap_or(usize::MAX));
        }
        let gone = self.revived.partition_point(|(id, _)| id.0 < end);
        self.revived.skip_front(gone);
        self.entries.install(Arc::new(segment));
    }
}
