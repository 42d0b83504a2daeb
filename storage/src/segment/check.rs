//! The audit of a segment: every checksum, and every stored digest derived anew.

use super::error::{Part, SegmentError};
use super::heap::{TwigHeap, hash_inner_nodes, zero_twig_heap};
use super::layout::*;
use super::open::check_frame;
use super::parts::{TwigParts, digest};
use super::reader::Segment;
use super::stored::StoredTwig;
use qmtree_proofs::{Digest, LEAF_LEN, PAYLOAD_LEN, TreeHasher, TwigId, leaf_message};

impl Segment {
    /// Verifies every checksum of the file, and the digests that it stores twice. Reads all of it
    /// and derives no hash.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify_checksums(&self) -> Result<(), SegmentError> {
        check_frame(&self.path, &self.map, self.header.identity)?;
        self.each_stored_twig(|twig| {
            twig.verify_tree()?;
            twig.verify_payload()?;
            twig.verify_tags()
        })
    }

    /// Derives every leaf hash and node from the payloads, and compares with everything stored,
    /// checksums included. Changes nothing.
    ///
    /// Costs a leaf hash and a node hash per leaf, all of them in lanes. Of a pruned segment only
    /// the checksums are left to verify, and that its seams hash to its twig roots.
    ///
    /// # Errors
    /// The first thing that is wrong, by the order in the file.
    pub fn check(&self) -> Result<(), SegmentError> {
        self.check_with(|| {})
    }

    /// [`check`](Self::check), calling `each_twig` after each twig; of a pruned segment once for each
    /// when it is done.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_with(&self, mut each_twig: impl FnMut()) -> Result<(), SegmentError> {
        check_frame(&self.path, &self.map, self.header.identity)?;
        self.check_seams()?;
        let mut audit = Audit::new();
        self.each_stored_twig(|twig| {
            audit.check(twig)?;
            each_twig();
            Ok(())
        })?;
        if self.is_pruned() {
            (0..self.twig_count()).for_each(|_| each_twig());
        }
        Ok(())
    }

    /// Checks one twig as [`check`](Self::check) does all of them, so that threads can share a
    /// segment. The links to the twigs beside it are checked too.
    ///
    /// # Errors
    /// The first thing that is wrong; [`SegmentError::Outside`] if the segment has no such twig,
    /// [`SegmentError::Pruned`] if it dropped it.
    pub fn check_twig(&self, twig_id: TwigId) -> Result<(), SegmentError> {
        Audit::new().check(&StoredTwig::find(self, twig_id)?)
    }

    fn each_stored_twig(
        &self,
        mut each: impl FnMut(&StoredTwig<'_>) -> Result<(), SegmentError>,
    ) -> Result<(), SegmentError> {
        if self.is_pruned() {
            return Ok(());
        }
        let twigs = self.twigs();
        for twig_id in (twigs.start.0..twigs.end.0).map(TwigId) {
            each(&StoredTwig::find(self, twig_id)?)?;
        }
        Ok(())
    }
}

/// The memory that deriving a twig takes.
struct Audit {
    heap: Box<TwigHeap>,
    /// Leaf r of every group, for one r at a time: each group's chain starts at a stored anchor,
    /// so that all groups advance together, a lane each.
    round: Box<[[u8; LEAF_LEN]]>,
    /// The hash before that leaf in every group; afterwards its own.
    links: Box<[Digest]>,
}

impl Audit {
    fn new() -> Self {
        Self {
            heap: zero_twig_heap(),
            round: vec![[0; LEAF_LEN]; GROUPS].into(),
            links: vec![[0; 32]; GROUPS].into(),
        }
    }

    fn check(&mut self, twig: &StoredTwig<'_>) -> Result<(), SegmentError> {
        twig.verify_tree()?;
        twig.verify_payload()?;
        twig.verify_tags()?;
        let hasher = &twig.segment.hasher;
        self.derive_leaves(hasher, &twig.parts);
        hash_inner_nodes(hasher, &mut *self.heap);
        self.compare_anchors(twig)?;
        self.compare_nodes(twig)?;
        self.compare_end(twig)
    }

    /// Hashes the leaves of all groups side by side, 16 rounds of 128.
    fn derive_leaves(&mut self, hasher: &impl TreeHasher, twig: &TwigParts<'_>) {
        let groups: &[[[u8; PAYLOAD_LEN]; GROUP_LEAVES]] = twig.payloads.as_chunks().0;
        self.links.copy_from_slice(twig.anchors);
        for turn in 0..GROUP_LEAVES {
            let links = self.links.iter();
            for ((leaf, group), link) in self.round.iter_mut().zip(groups).zip(links) {
                if let Some(payload) = group.get(turn) {
                    *leaf = leaf_message(payload, link);
                }
            }
            hasher.hash_leaves(&self.round, &mut self.links);
            let leaves = self.heap.split_at_mut(LEAVES).1;
            let places = leaves.iter_mut().skip(turn).step_by(GROUP_LEAVES);
            for (place, link) in places.zip(&self.links) {
                *place = *link;
            }
        }
    }

    /// The last leaf of each group is the anchor of the next.
    fn compare_anchors(&self, twig: &StoredTwig<'_>) -> Result<(), SegmentError> {
        for (group, stored) in twig.parts.anchors.iter().enumerate().skip(1) {
            let computed = digest(&*self.heap, LEAVES + GROUP_LEAVES * group - 1);
            let offset = AT_ANCHORS + DIGEST_LEN * group;
            twig.same(Part::Anchors(twig.twig_id), offset, *stored, computed)?;
        }
        Ok(())
    }

    fn compare_nodes(&self, twig: &StoredTwig<'_>) -> Result<(), SegmentError> {
        let derived = self.heap.iter().enumerate().skip(1);
        for (stored, (slot, computed)) in twig.parts.nodes().iter().zip(derived) {
            let offset = AT_HEAP + DIGEST_LEN * slot;
            twig.same(Part::Nodes(twig.twig_id), offset, *stored, *computed)?;
        }
        Ok(())
    }

    /// The last leaf is the first anchor of the next twig, or the end in the header.
    fn compare_end(&self, twig: &StoredTwig<'_>) -> Result<(), SegmentError> {
        let segment = twig.segment;
        let last = digest(&*self.heap, 2 * LEAVES - 1);
        let next = TwigId(twig.twig_id.0.saturating_add(1));
        if !segment.twigs().contains(&next) {
            return segment.same(Part::End, AT_END as u64, segment.end(), last);
        }
        let next = StoredTwig::find(segment, next)?;
        next.same(
            Part::Anchors(next.twig_id),
            AT_ANCHORS,
            digest(next.parts.anchors, 0),
            last,
        )
    }
}
