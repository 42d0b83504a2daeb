//! One twig of a segment as it lies in the file, and what can be said about it without hashing.

use super::error::{Part, SegmentError};
use super::group::Group;
use super::layout::*;
use super::open::check_crc;
use super::parts::{TwigParts, digest};
use super::reader::Segment;
use super::touch::Share;
use crate::tag::Tag;
use alloy_primitives::B256;
use qmtree_proofs::{Digest, TWIG_LEVEL, TwigId};

/// A stored twig. Nothing of it is verified until [`touch`](Self::touch) says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredTwig<'a> {
    pub(super) segment: &'a Segment,
    pub(super) twig_id: TwigId,
    /// Its place in the segment.
    pub(super) place: usize,
    pub(super) parts: TwigParts<'a>,
    /// None if the segment has no tags.
    pub(super) tags: &'a [Tag],
}

impl<'a> StoredTwig<'a> {
    pub(super) fn find(segment: &'a Segment, twig_id: TwigId) -> Result<Self, SegmentError> {
        let outside = || segment.outside(TWIG_LEVEL, twig_id.0);
        let place = segment.place(twig_id).ok_or_else(outside)?;
        let parts = segment.parts();
        let tags = parts.tags.get(place).map_or(&[][..], |tags| tags);
        match parts.twigs.get(place) {
            Some(twig) => Ok(Self {
                segment,
                twig_id,
                place,
                parts: TwigParts::cut(twig),
                tags: tags.as_chunks().0,
            }),
            None => Err(segment.pruned(twig_id.first_tx_num().unwrap_or_default())),
        }
    }

    /// Verifies a share of the twig, unless that was done before.
    pub(super) fn touch(self, share: Share) -> Result<Self, SegmentError> {
        let touched = &self.segment.touched;
        if !touched.has(self.place, share) {
            match share {
                Share::Tree => self.verify_tree()?,
                Share::Payload => self.verify_payload()?,
                Share::Tags => self.verify_tags()?,
            }
            touched.set(self.place, share);
        }
        Ok(self)
    }

    /// Verifies header, anchors and nodes, and the two digests that are stored twice.
    pub(super) fn verify_tree(&self) -> Result<(), SegmentError> {
        self.verify_header()?;
        let Self { twig_id, parts, .. } = *self;
        let anchors = parts.anchors.as_flattened();
        self.crc(Part::Anchors(twig_id), AT_ANCHORS_CRC, AT_ANCHORS, anchors)?;
        let nodes = parts.nodes().as_flattened();
        self.crc(Part::Nodes(twig_id), AT_NODES_CRC, AT_NODES, nodes)?;
        let root = digest(self.segment.twig_roots(), self.place);
        self.same(Part::Nodes(twig_id), AT_NODES, digest(parts.heap, 1), root)?;
        if self.place == 0 {
            let anchor = digest(parts.anchors, 0);
            self.same(
                Part::Anchors(twig_id),
                AT_ANCHORS,
                anchor,
                self.segment.anchor(),
            )?;
        }
        Ok(())
    }

    /// Verifies the payload's checksum; its place is in the header, which must be right too.
    pub(super) fn verify_payload(&self) -> Result<(), SegmentError> {
        self.verify_header()?;
        let payload = self.parts.payloads.as_flattened();
        self.crc(Part::Payload(self.twig_id), AT_PAYLOAD_CRC, 0, payload)
    }

    /// Verifies the checksum of the tags.
    pub(super) fn verify_tags(&self) -> Result<(), SegmentError> {
        self.verify_header()?;
        if !self.segment.has_tags() {
            return Ok(());
        }
        let stored = field_u32(self.header(), AT_TAGS_CRC);
        let at = self.segment.tags_at() + TAGS_LEN * self.place;
        let part = Part::Tags(self.twig_id);
        let tags = self.tags.as_flattened();
        check_crc(&self.segment.path, part, at as u64, stored, tags)
    }

    /// Compares what a group hashes to with the node stored above it.
    pub(super) fn check_group(&self, place: usize, group: &Group) -> Result<(), SegmentError> {
        let slot = GROUPS + place;
        let stored = digest(self.parts.heap, slot);
        let offset = AT_HEAP + DIGEST_LEN * slot;
        self.same(Part::Nodes(self.twig_id), offset, stored, group.root())
    }

    /// Compares a stored digest, `offset` bytes into the twig, with a derived one.
    pub(super) fn same(
        &self,
        part: Part,
        offset: usize,
        stored: Digest,
        computed: Digest,
    ) -> Result<(), SegmentError> {
        self.segment
            .same(part, self.offset(offset), stored, computed)
    }

    fn verify_header(&self) -> Result<(), SegmentError> {
        let header = self.header();
        let bad = |at, name| {
            Err(SegmentError::Field {
                path: self.segment.path.clone(),
                offset: self.offset(AT_HEAP + at),
                field: name,
            })
        };
        if !self.segment.has_tags() && field(header, AT_TAGS_CRC) != [0; 4] {
            return bad(AT_TAGS_CRC, "checksum of tags that are not there");
        }
        if field_u64(header, AT_TWIG_ID) != self.twig_id.0 {
            return bad(AT_TWIG_ID, "number of a twig");
        }
        if field(header, AT_TWIG_ZERO_END) != [0; 8] {
            return bad(AT_TWIG_ZERO_END, "reserved byte of a twig");
        }
        Ok(())
    }

    fn crc(&self, part: Part, at_crc: usize, at: usize, bytes: &[u8]) -> Result<(), SegmentError> {
        let stored = field_u32(self.header(), at_crc);
        check_crc(&self.segment.path, part, self.offset(at), stored, bytes)
    }

    /// Slot 0 of the heap.
    fn header(&self) -> &'a [u8; DIGEST_LEN] {
        self.parts
            .heap
            .first()
            .expect("a stored heap has 256 slots")
    }

    /// Where in the file a byte of this twig lies; within the file's length.
    fn offset(&self, at: usize) -> u64 {
        (HEADER_LEN + TWIG_LEN * self.place + at) as u64
    }
}

impl Segment {
    /// Where the tags begin, or what stands in their place.
    pub(super) fn tags_at(&self) -> usize {
        HEADER_LEN + TWIG_LEN * self.parts().twigs.len()
    }

    /// Compares a stored digest with one that follows from other bytes of the file.
    pub(super) fn same(
        &self,
        part: Part,
        offset: u64,
        stored: Digest,
        computed: Digest,
    ) -> Result<(), SegmentError> {
        if stored == computed {
            return Ok(());
        }
        let path = self.path.clone();
        let (stored, computed) = (B256::new(stored), B256::new(computed));
        Err(SegmentError::Mismatch {
            path,
            part,
            offset,
            stored,
            computed,
        })
    }
}
