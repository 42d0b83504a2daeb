//! A segment's bytes cut into its parts. Nothing is copied or believed here.

use super::header::Header;
use super::layout::*;
use qmtree_proofs::{Digest, PAYLOAD_LEN};

/// The parts of a file, by its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// The stored twigs; none in a pruned segment.
    pub(super) twigs: &'a [[u8; TWIG_LEN]],
    /// The tags of each twig; none in a segment without tags.
    pub(super) tags: &'a [[u8; TAGS_LEN]],
    /// Where the twig roots start.
    pub(super) footer_at: usize,
    /// Twig roots, blocks and seams, what the tail's checksum covers.
    pub(super) footer: &'a [u8],
    pub(super) roots: &'a [Digest],
    pub(super) blocks: &'a [[u8; BLOCK_LEN]],
    /// The nodes along the seams between blocks; none in a whole segment.
    pub(super) seams: &'a [Digest],
    pub(super) tail: &'a [u8; TAIL_LEN],
}

impl<'a> Parts<'a> {
    /// Cuts a file. `None` unless it has exactly the length that the header says.
    pub(super) fn cut(file: &'a [u8], header: &Header) -> Option<Self> {
        if header.file_len() != Some(file.len() as u64) {
            return None;
        }
        // All these are at most the length of the file, so nothing below overflows.
        let twig_count = usize::try_from(header.twig_count).ok()?;
        let tags_at = HEADER_LEN + header.twig_len() * twig_count;
        let footer_at = tags_at + header.tags_len() * twig_count;
        let (front, behind) = file.split_at_checked(footer_at)?;
        let (front, tags) = front.split_at_checked(tags_at)?;
        let (footer, tail) = behind.split_last_chunk()?;
        let (roots, rest) = footer.split_at_checked(DIGEST_LEN * twig_count)?;
        let block_count = usize::try_from(header.block_count).ok()?;
        let (blocks, seams) = rest.split_at_checked(BLOCK_LEN * block_count)?;
        let twigs = front.get(HEADER_LEN..)?.as_chunks().0;
        let (roots, blocks) = (roots.as_chunks().0, blocks.as_chunks().0);
        Some(Self {
            twigs,
            tags: tags.as_chunks().0,
            footer_at,
            footer,
            roots,
            blocks,
            seams: seams.as_chunks().0,
            tail,
        })
    }
}

/// The parts of one twig.
#[derive(Clone, Copy, Debug)]
pub(super) struct TwigParts<'a> {
    pub(super) payloads: &'a [[u8; PAYLOAD_LEN]],
    pub(super) anchors: &'a [Digest],
    /// Node k >= 1 in slot k, the twig's header in slot 0.
    pub(super) heap: &'a [Digest],
}

impl<'a> TwigParts<'a> {
    pub(super) fn cut(twig: &'a [u8; TWIG_LEN]) -> Self {
        let (payloads, rest) = twig.split_at(PAYLOADS_LEN);
        let (anchors, heap) = rest.split_at(ANCHORS_LEN);
        Self {
            payloads: payloads.as_chunks().0,
            anchors: anchors.as_chunks().0,
            heap: heap.as_chunks().0,
        }
    }

    /// The nodes without the header before them.
    pub(super) fn nodes(&self) -> &'a [Digest] {
        self.heap.get(1..).unwrap_or_default()
    }
}

/// One digest in a list of them, zero if there is no such place: places are checked before.
pub(super) fn digest(list: &[Digest], place: usize) -> Digest {
    list.get(place).copied().unwrap_or_default()
}
