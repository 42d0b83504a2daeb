//! Where everything lies in a segment: docs/FORMAT.md, section 7, as constants.

use crate::header::FIELDS_AT;
use crate::identity::GROUP_SHIFT;
use crate::tag::TAG_LEN;
use qmtree_proofs::{PAYLOAD_LEN, TWIG_LEAVES, TWIG_LEVEL};

/// log2 of the leaves in a group; also the lowest level whose nodes are stored.
pub(super) const GROUP_LEVEL: u32 = GROUP_SHIFT;
/// Leaves in a group.
pub(super) const GROUP_LEAVES: usize = 1 << GROUP_LEVEL;
/// Leaves in a twig, as a length in memory.
pub(super) const LEAVES: usize = 1 << TWIG_LEVEL;
/// Groups in a twig, and so anchors, and nodes at the lowest stored level.
pub(super) const GROUPS: usize = LEAVES / GROUP_LEAVES;
/// Bytes of a digest.
pub(super) const DIGEST_LEN: usize = 32;

// 7.1 Header; what is before the content byte is every file's.
pub(super) const HEADER_LEN: usize = 4096;
pub(super) const AT_CONTENT: usize = FIELDS_AT + 1;
pub(super) const AT_PARTS: usize = AT_CONTENT + 1;
/// The bit of the parts byte that says that there are tags.
pub(super) const PART_TAGS: u8 = 1;
pub(super) const AT_TWIG_COUNT: usize = 40;
pub(super) const AT_FIRST_BLOCK: usize = 48;
pub(super) const AT_BLOCK_COUNT: usize = 56;
pub(super) const AT_ANCHOR: usize = 64;
pub(super) const AT_END: usize = AT_ANCHOR + DIGEST_LEN;
pub(super) const AT_SEAM_COUNT: usize = AT_END + DIGEST_LEN;

// 7.2 Twig
pub(super) const PAYLOADS_LEN: usize = LEAVES * PAYLOAD_LEN;
pub(super) const ANCHORS_LEN: usize = GROUPS * DIGEST_LEN;
/// Slots of the stored heap; slot 0 is the twig header, slot k >= 1 is node k.
pub(super) const HEAP_SLOTS: usize = 2 * GROUPS;
pub(super) const HEAP_LEN: usize = HEAP_SLOTS * DIGEST_LEN;
pub(super) const TWIG_LEN: usize = PAYLOADS_LEN + ANCHORS_LEN + HEAP_LEN;
pub(super) const AT_ANCHORS: usize = PAYLOADS_LEN;
pub(super) const AT_HEAP: usize = PAYLOADS_LEN + ANCHORS_LEN;
pub(super) const AT_NODES: usize = AT_HEAP + DIGEST_LEN;
/// Offsets inside the twig header, slot 0 of the heap.
pub(super) const AT_PAYLOAD_CRC: usize = 0;
pub(super) const AT_ANCHORS_CRC: usize = 4;
pub(super) const AT_NODES_CRC: usize = 8;
pub(super) const AT_TAGS_CRC: usize = 12;
pub(super) const AT_TWIG_ID: usize = 16;
pub(super) const AT_TWIG_ZERO_END: usize = 24;

// 7.3 Tags, twig roots, blocks, tail
pub(super) const TAGS_LEN: usize = LEAVES * TAG_LEN;
pub(super) const BLOCK_LEN: usize = 80;
pub(super) const TAIL_MAGIC: [u8; 8] = *b"QMSEGEND";
pub(super) const TAIL_LEN: usize = 32;
pub(super) const AT_TAIL_CRC: usize = 0;
pub(super) const AT_TAIL_ZERO: usize = 4;
pub(super) const AT_TAIL_LENGTH: usize = 8;
pub(super) const AT_TAIL_ZERO_END: usize = 16;
pub(super) const AT_TAIL_MAGIC: usize = 24;

/// Bytes of a segment with `twig_count` stored twigs' worth of `twig_len` bytes each, tags included.
pub(super) fn file_len(twig_len: usize, twig_count: u64, block_count: u64) -> Option<u64> {
    let per_twig = (twig_len + DIGEST_LEN) as u64;
    let twigs = per_twig.checked_mul(twig_count)?;
    let blocks = (BLOCK_LEN as u64).checked_mul(block_count)?;
    let ends = (HEADER_LEN + TAIL_LEN) as u64;
    twigs.checked_add(blocks)?.checked_add(ends)
}

/// Copies `N` bytes at a constant offset of a part whose length is fixed.
pub(super) fn field<const N: usize>(part: &[u8], at: usize) -> [u8; N] {
    let bytes = part.get(at..).and_then(<[u8]>::first_chunk);
    *bytes.expect("every constant offset lies inside its part")
}

pub(super) fn field_u32(part: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(part, at))
}

pub(super) fn field_u64(part: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(part, at))
}

/// Writes bytes at a constant offset of a part whose length is fixed.
pub(super) fn put<const N: usize>(part: &mut [u8], at: usize, bytes: [u8; N]) {
    let slot = part.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    *slot.expect("every constant offset lies inside its part") = bytes;
}

// The numbers of the page.
const _: () = {
    assert!(LEAVES as u64 == TWIG_LEAVES);
    assert!(FIELDS_AT + 8 == 32 && AT_CONTENT == 25);
    assert!(32 + 8 == AT_TWIG_COUNT && AT_BLOCK_COUNT + 8 == AT_ANCHOR);
    assert!(AT_END == 96 && AT_SEAM_COUNT == 128 && AT_SEAM_COUNT + 8 + 3956 + 4 == HEADER_LEN);
    assert!(PAYLOADS_LEN == 196_608);
    assert!(ANCHORS_LEN == 4096);
    assert!(AT_HEAP == 200_704);
    assert!(AT_NODES == 200_736);
    assert!(AT_HEAP + AT_TWIG_ID == 200_720);
    assert!(AT_HEAP + AT_TWIG_ZERO_END == 200_728);
    assert!(HEAP_LEN - DIGEST_LEN == 8160);
    assert!(TWIG_LEN == 208_896);
    assert!(TWIG_LEN == LEAVES * 102);
    assert!(TAGS_LEN == 16_384);
    assert!(TWIG_LEN.is_multiple_of(4096));
    assert!(AT_TAIL_MAGIC + TAIL_MAGIC.len() == TAIL_LEN);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_page() {
        assert_eq!(file_len(TWIG_LEN, 3, 5), Some(4128 + 208_928 * 3 + 80 * 5));
        let with_tags = file_len(TWIG_LEN + TAGS_LEN, 3, 5);
        assert_eq!(with_tags, Some(4128 + 225_312 * 3 + 80 * 5));
        assert_eq!(file_len(0, 3, 5), Some(4128 + 32 * 3 + 80 * 5));
        assert_eq!(file_len(TWIG_LEN, u64::MAX / 1000, 0), None);
        assert_eq!(file_len(0, 1, u64::MAX / 10), None);
    }
}
