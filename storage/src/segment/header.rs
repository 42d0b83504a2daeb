//! The header of a segment (docs/FORMAT.md, section 7.1).

use super::layout::*;
use super::name::{Content, SegmentName};
use crate::header::{Fields, HeaderError, HeaderKind};
use crate::identity::Identity;
use qmtree_proofs::{Digest, TwigId, TxNum};
use std::ops::Range;
use std::path::Path;

const KIND: HeaderKind<HEADER_LEN> = HeaderKind {
    magic: "QMSEGMNT",
    version: 1,
};
/// The only log that version 1 knows.
const LOG_EXECUTION: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) identity: Identity,
    pub(super) content: Content,
    /// True if the file holds tags.
    pub(super) has_tags: bool,
    pub(super) first_twig: TwigId,
    pub(super) twig_count: u64,
    pub(super) first_block: u64,
    pub(super) block_count: u64,
    /// Hash of the leaf before the first twig.
    pub(super) anchor: Digest,
    /// Hash of the last leaf.
    pub(super) end: Digest,
    /// Nodes that a pruned segment keeps along the seams between blocks.
    pub(super) seam_count: u64,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let (log, content) = (LOG_EXECUTION, self.content.id());
        let parts = if self.has_tags { PART_TAGS } else { 0 };
        let numbers = [
            self.first_twig.0,
            self.twig_count,
            self.first_block,
            self.block_count,
        ];
        let numbers = numbers.map(u64::to_le_bytes);
        KIND.to_bytes(
            self.identity,
            &[
                &[log, content, parts, 0, 0, 0, 0, 0],
                numbers.as_flattened(),
                &self.anchor,
                &self.end,
                &self.seam_count.to_le_bytes(),
            ],
        )
    }

    /// Reads and checks the header in front of a file; one can compute with what comes back.
    pub(super) fn read(path: &Path, file: &[u8], expected: Identity) -> Result<Self, HeaderError> {
        let (found, fields) = KIND.read(path, file)?;
        let path = || path.to_owned();
        if found != expected {
            return Err(HeaderError::OtherDatabase {
                path: path(),
                found,
                expected,
            });
        }
        let bad = |offset| HeaderError::Field {
            path: path(),
            offset,
        };
        let header = Self::from_fields(found, fields).ok_or_else(|| bad(AT_CONTENT))?;
        if let Some(offset) = header.first_misfit() {
            return Err(bad(offset));
        }
        // The log, and zero where nothing is.
        match header
            .to_bytes()
            .iter()
            .zip(file)
            .position(|(expected, found)| expected != found)
        {
            Some(offset) => Err(bad(offset)),
            None => Ok(header),
        }
    }

    /// `None` if the content is unknown.
    fn from_fields(identity: Identity, mut fields: Fields<'_>) -> Option<Self> {
        let [_log, content, parts, ..] = *fields.bytes::<8>()?;
        Some(Self {
            identity,
            content: Content::from_id(content)?,
            has_tags: parts & PART_TAGS != 0,
            first_twig: TwigId(fields.u64()?),
            twig_count: fields.u64()?,
            first_block: fields.u64()?,
            block_count: fields.u64()?,
            anchor: *fields.bytes()?,
            end: *fields.bytes()?,
            seam_count: fields.u64()?,
        })
    }

    /// Offset of a field that makes no sense beside the others.
    fn first_misfit(&self) -> Option<usize> {
        if self.has_tags && self.content != Content::Whole {
            Some(AT_PARTS)
        } else if self.twig_count == 0 || self.checked_leaves().is_none() {
            Some(AT_TWIG_COUNT)
        } else if self.block_count == 0 && self.first_block != 0 {
            Some(AT_FIRST_BLOCK)
        } else if self.first_block.checked_add(self.block_count).is_none()
            || (self.block_count != 0 && self.content == Content::Roots)
        {
            Some(AT_BLOCK_COUNT)
        } else if self.first_twig.0 == 0 && self.anchor != [0; 32] {
            Some(AT_ANCHOR)
        } else if self.content == Content::Whole && self.seam_count != 0 {
            Some(AT_SEAM_COUNT)
        } else {
            None
        }
    }

    pub(super) fn name(&self) -> SegmentName {
        let Self {
            first_twig,
            twig_count,
            content,
            ..
        } = *self;
        SegmentName {
            first_twig,
            twig_count,
            content,
        }
    }

    /// Bytes of the file; `None` if no file could be so long.
    pub(super) fn file_len(&self) -> Option<u64> {
        let seams = self.seam_count.checked_mul(DIGEST_LEN as u64)?;
        let per_twig = self.twig_len() + self.tags_len();
        file_len(per_twig, self.twig_count, self.block_count)?.checked_add(seams)
    }

    /// Bytes of a twig in this file.
    pub(super) fn twig_len(&self) -> usize {
        match self.content {
            Content::Whole => TWIG_LEN,
            Content::Pruned | Content::Roots => 0,
        }
    }

    /// Bytes of a twig's tags in this file.
    pub(super) fn tags_len(&self) -> usize {
        if self.has_tags { TAGS_LEN } else { 0 }
    }

    pub(super) fn twigs(&self) -> Range<TwigId> {
        self.first_twig..TwigId(self.first_twig.0.saturating_add(self.twig_count))
    }

    pub(super) fn leaves(&self) -> Range<TxNum> {
        self.checked_leaves()
            .expect("a header is checked before it is used")
    }

    fn checked_leaves(&self) -> Option<Range<TxNum>> {
        let behind = TwigId(self.first_twig.0.checked_add(self.twig_count)?);
        Some(self.first_twig.first_tx_num()?..behind.first_tx_num()?)
    }
}
