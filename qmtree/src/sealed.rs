//! The sealed segments, contiguous from twig 0.

use crate::snapshot::SnapshotStore;
use qmtree_proofs::{Digest, TwigId, TxNum};
use qmtree_storage::{BlockEnd, Segment};
use std::sync::Arc;

/// Segments in order, with a search over the blocks they list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealed {
    segments: Vec<Arc<Segment>>,
    /// Number after the last block that the segments up to here list. A segment inside a block
    /// larger than itself lists none.
    block_ends: Vec<u64>,
    /// In place of segments: the files of a snapshot that is read where it lies.
    snapshot: Option<Arc<SnapshotStore>>,
}

impl Sealed {
    /// Twigs that stay in the files of a snapshot.
    pub(crate) fn in_snapshot(store: Arc<SnapshotStore>) -> Self {
        Self {
            snapshot: Some(store),
            ..Self::default()
        }
    }

    /// The files of a snapshot, if there are no segments for that reason.
    pub(crate) fn snapshot(&self) -> Option<&SnapshotStore> {
        self.snapshot.as_deref()
    }

    pub(crate) fn push(&mut self, segment: Arc<Segment>) {
        let listed = segment.blocks();
        let end = if listed.is_empty() {
            self.blocks_end()
        } else {
            listed.end
        };
        self.block_ends.push(end);
        self.segments.push(segment);
    }

    /// Puts a pruned segment in the place of the whole one.
    pub(crate) fn replace(&mut self, place: usize, segment: Arc<Segment>) {
        if let Some(old) = self.segments.get_mut(place) {
            *old = segment;
        }
    }

    pub(crate) fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    pub(crate) fn twig_count(&self) -> u64 {
        if let Some(snapshot) = self.snapshot() {
            return snapshot.twig_count();
        }
        self.segments
            .last()
            .map_or(0, |segment| segment.twigs().end.0)
    }

    /// Hash of the last sealed leaf; zero if there is none.
    pub(crate) fn end(&self) -> Digest {
        if let Some(snapshot) = self.snapshot() {
            return snapshot.end();
        }
        self.segments
            .last()
            .map_or([0; 32], |segment| segment.end())
    }

    /// Number after the last block listed; 0 if none is.
    pub(crate) fn blocks_end(&self) -> u64 {
        self.block_ends.last().copied().unwrap_or(0)
    }

    /// The first leaf that is not pruned; the first behind the segments if all are.
    pub(crate) fn earliest(&self) -> TxNum {
        let pruned = self.segments.iter().rfind(|segment| segment.is_pruned());
        pruned.map_or(TxNum(0), |segment| segment.leaves().end)
    }

    /// The file of roots that the log started from, if leaves are still missing.
    pub(crate) fn roots(&self) -> Option<&Arc<Segment>> {
        self.segments.first().filter(|segment| segment.is_roots())
    }

    /// First leaf whose block is known: the first there is, unless the log started from roots.
    pub(crate) fn blocks_from(&self) -> u64 {
        if let Some(snapshot) = self.snapshot() {
            return snapshot.blocks_from();
        }
        let roots = self
            .segments
            .iter()
            .take_while(|segment| segment.is_roots());
        roots.last().map_or(0, |segment| segment.leaves().end.0)
    }

    /// Number of the first block listed.
    pub(crate) fn first_block(&self) -> Option<u64> {
        if let Some(snapshot) = self.snapshot() {
            return snapshot.first_block();
        }
        let mut listed = self.segments.iter().map(|segment| segment.blocks());
        listed
            .find(|blocks| !blocks.is_empty())
            .map(|blocks| blocks.start)
    }

    /// Where a block ends, if it is listed.
    pub(crate) fn block_end(&self, block_number: u64) -> Option<BlockEnd> {
        let place = self.block_ends.partition_point(|end| *end <= block_number);
        self.segments.get(place)?.block_end(block_number)
    }

    /// The segment that holds a twig.
    pub(crate) fn segment_of(&self, twig: TwigId) -> Option<&Arc<Segment>> {
        let place = self
            .segments
            .partition_point(|segment| segment.twigs().end <= twig);
        self.segments.get(place)
    }
}
