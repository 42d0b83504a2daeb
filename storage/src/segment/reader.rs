//! A sealed segment, mapped.

use super::blocks::{BlockEnd, Blocks};
use super::error::SegmentError;
use super::group::Group;
use super::header::Header;
use super::heap::heap_index;
use super::layout::*;
use super::name::Content;
use super::open::check_frame;
use super::parts::{Parts, digest};
use super::seams;
use super::stored::StoredTwig;
use super::touch::{Share, Touched};
use crate::identity::Identity;
use crate::io::{Disk, Mapped};
use crate::tag::{NO_TAG, Tag};
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, Leaf, PAYLOAD_LEN, TWIG_LEVEL, TwigId, TxNum};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A run of complete twigs in one immutable file, whole or pruned.
///
/// What is stored of a twig is verified against its checksums before it is first used, and again
/// by [`verify_checksums`](Self::verify_checksums); [`check`](Self::check) derives all of it from
/// the leaves. Cheap to share between threads; stays readable after the file is unlinked.
pub struct Segment {
    pub(super) path: PathBuf,
    pub(super) map: Mapped,
    pub(super) header: Header,
    pub(super) hasher: Hasher,
    pub(super) touched: Touched,
    /// Where the seams of each twig start; empty unless pruned.
    pub(super) seam_starts: Box<[usize]>,
}

impl Segment {
    /// Opens a segment of the database with this identity, whole or pruned.
    ///
    /// Reads the header, the twig roots and the blocks: 32 bytes a twig and 80 a block. The twigs
    /// are verified when they are first used.
    ///
    /// # Errors
    /// [`SegmentError::Io`] if it cannot be mapped; otherwise what is wrong with the file.
    pub fn open(disk: &dyn Disk, path: &Path, identity: Identity) -> Result<Self, SegmentError> {
        let map = disk.map(path).map_err(SegmentError::io(path, "map"))?;
        // One that was just written is not in memory, and need not be for this.
        map.read_ahead(false);
        let segment = Self::from_mapped(path.to_owned(), map, identity)?;
        segment.map.read_ahead(true);
        Ok(segment)
    }

    /// A segment of bytes that are mapped already.
    pub(super) fn from_mapped(
        path: PathBuf,
        map: Mapped,
        identity: Identity,
    ) -> Result<Self, SegmentError> {
        let (header, parts) = check_frame(&path, &map, identity)?;
        let touched = Touched::new(parts.twigs.len());
        let hasher = Hasher::new(identity.profile);
        let seam_starts = match header.content {
            Content::Whole => Box::default(),
            Content::Pruned | Content::Roots => seams::starts(&header, &parts),
        };
        Ok(Self {
            path,
            map,
            header,
            hasher,
            touched,
            seam_starts,
        })
    }

    /// Where the file is, or was.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The first twig.
    #[must_use]
    pub fn first_twig(&self) -> TwigId {
        self.header.first_twig
    }

    /// Number of twigs, at least 1.
    #[must_use]
    pub fn twig_count(&self) -> u64 {
        self.header.twig_count
    }

    /// The twigs of the segment.
    #[must_use]
    pub fn twigs(&self) -> Range<TwigId> {
        self.header.twigs()
    }

    /// The leaves of the segment.
    #[must_use]
    pub fn leaves(&self) -> Range<TxNum> {
        self.header.leaves()
    }

    /// True if the leaves, and the nodes below the twig roots, were dropped.
    #[must_use]
    pub fn is_pruned(&self) -> bool {
        self.header.content != Content::Whole
    }

    /// True if the log started from these roots: there never were leaves, and which blocks end here
    /// is not known.
    #[must_use]
    pub fn is_roots(&self) -> bool {
        self.header.content == Content::Roots
    }

    /// Hash of the leaf before the first; zero for leaf 0.
    #[must_use]
    pub fn anchor(&self) -> Digest {
        self.header.anchor
    }

    /// Hash of the last leaf.
    #[must_use]
    pub fn end(&self) -> Digest {
        self.header.end
    }

    /// The root of a twig, of level 11. Known of pruned segments too.
    #[must_use]
    pub fn twig_root(&self, twig_id: TwigId) -> Option<Digest> {
        self.twig_roots().get(self.place(twig_id)?).copied()
    }

    /// The root of each twig, of level 11. Known of pruned segments too.
    #[must_use]
    pub fn twig_roots(&self) -> &[Digest] {
        self.parts().roots
    }

    /// The blocks that end in this segment, by number. Known of pruned segments too.
    #[must_use]
    pub fn blocks(&self) -> Range<u64> {
        self.block_table().numbers()
    }

    /// Where a block ends, if it ends in this segment.
    #[must_use]
    pub fn block_end(&self, block_number: u64) -> Option<BlockEnd> {
        self.block_table().end(block_number)
    }

    /// The block of a leaf of this segment, unless that block ends in a later one.
    #[must_use]
    pub fn block_of(&self, tx_num: TxNum) -> Option<u64> {
        if self.leaves().contains(&tx_num) {
            self.block_table().of(tx_num)
        } else {
            None
        }
    }

    /// Words 0 to 2 of a leaf. The first use of a twig's payload verifies its checksum: 196 KB.
    ///
    /// # Errors
    /// [`SegmentError::Outside`], [`SegmentError::Pruned`], or how the twig is damaged.
    pub fn payload(&self, tx_num: TxNum) -> Result<[u8; PAYLOAD_LEN], SegmentError> {
        let twig = self.twig_of(0, tx_num.0)?;
        let payload = self.payloads(twig)?.get(usize_of(tx_num.index_in_twig()));
        Ok(*payload.expect("a twig has 2048 payloads"))
    }

    /// Words 0 to 2 of each leaf of a twig, where they lie in the file.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn payloads(&self, twig_id: TwigId) -> Result<&[[u8; PAYLOAD_LEN]], SegmentError> {
        Ok(self.touch(twig_id, Share::Payload)?.parts.payloads)
    }

    /// True if leaves of this segment have tags. A pruned one has none.
    #[must_use]
    pub fn has_tags(&self) -> bool {
        self.header.has_tags
    }

    /// The tag of each leaf of a twig, where they lie in the file; none if the segment has no tags.
    /// The first use verifies their checksum: 16 KB.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn tags(&self, twig_id: TwigId) -> Result<&[Tag], SegmentError> {
        Ok(self.touch(twig_id, Share::Tags)?.tags)
    }

    /// The tag of a leaf's transaction; [`NO_TAG`] if it has none.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn tag(&self, tx_num: TxNum) -> Result<Tag, SegmentError> {
        let twig = self.twig_of(0, tx_num.0)?;
        let tag = self.tags(twig)?.get(usize_of(tx_num.index_in_twig()));
        Ok(tag.copied().unwrap_or(NO_TAG))
    }

    /// Hash of the leaf before a twig; zero for twig 0.
    ///
    /// # Errors
    /// As [`payload`](Self::payload).
    pub fn twig_anchor(&self, twig_id: TwigId) -> Result<Digest, SegmentError> {
        Ok(digest(self.touch(twig_id, Share::Tree)?.parts.anchors, 0))
    }

    /// The group of a leaf: 16 leaves and all hashes over them.
    ///
    /// Costs 31 hashes, 16 of them serial. The payload is verified by what it hashes to, so its
    /// checksum is not needed, and no more of it is read than the group.
    ///
    /// # Errors
    /// As [`payload`](Self::payload); [`SegmentError::Mismatch`] if the leaves do not hash to the
    /// node stored above them.
    pub fn group(&self, tx_num: TxNum) -> Result<Group, SegmentError> {
        let twig = self.touch(self.twig_of(0, tx_num.0)?, Share::Tree)?;
        let place = usize_of(tx_num.index_in_twig()) / GROUP_LEAVES;
        let groups: &[[_; GROUP_LEAVES]] = twig.parts.payloads.as_chunks().0;
        let payloads = groups.get(place).expect("a twig has 128 groups");
        let first = TxNum(tx_num.0 - tx_num.0 % GROUP_LEAVES as u64);
        let anchor = digest(twig.parts.anchors, place);
        let group = Group::derive(&self.hasher, first, anchor, payloads);
        twig.check_group(place, &group)?;
        Ok(group)
    }

    /// A leaf with its link. Derives its [`group`](Self::group).
    ///
    /// # Errors
    /// As [`group`](Self::group).
    pub fn leaf(&self, tx_num: TxNum) -> Result<Leaf, SegmentError> {
        Ok(self
            .group(tx_num)?
            .leaf(tx_num)
            .expect("a group holds its leaves"))
    }

    /// The hash of a leaf. Derives its [`group`](Self::group).
    ///
    /// # Errors
    /// As [`group`](Self::group).
    pub fn leaf_hash(&self, tx_num: TxNum) -> Result<Digest, SegmentError> {
        self.node(0, tx_num.0)
    }

    /// The digest of a node, by its level (0 to 11) and its index in the whole level.
    ///
    /// Levels 4 to 11 are read; below them the [`group`](Self::group) is derived. Of pruned segments
    /// the twig roots are known, and the nodes that begin or end where a block does.
    ///
    /// # Errors
    /// As [`group`](Self::group).
    pub fn node(&self, level: u32, index: u64) -> Result<Digest, SegmentError> {
        if level == TWIG_LEVEL
            && let Some(root) = self.twig_root(TwigId(index))
        {
            return Ok(root);
        }
        if self.is_pruned() && level < TWIG_LEVEL {
            return self.seam_node(level, index);
        }
        let twig_id = self.twig_of(level, index)?;
        if level < GROUP_LEVEL {
            let group = self.group(TxNum(index << level))?;
            return Ok(group.node(level, index).expect("a group holds its nodes"));
        }
        let before = index & !((1 << (TWIG_LEVEL - level)) - 1);
        let slot = heap_index(TWIG_LEVEL, level, index - before);
        let slot = slot.expect("the index was cut to the twig");
        Ok(digest(self.touch(twig_id, Share::Tree)?.parts.heap, slot))
    }

    /// The twig of a node of this segment, if it is stored.
    fn twig_of(&self, level: u32, index: u64) -> Result<TwigId, SegmentError> {
        let above = TWIG_LEVEL.checked_sub(level);
        let twig_id = above.map(|above| TwigId(index >> above));
        let inside = twig_id.filter(|twig_id| self.twigs().contains(twig_id));
        let twig_id = inside.ok_or_else(|| self.outside(level, index))?;
        if self.is_pruned() {
            Err(self.pruned(TxNum(index << level)))
        } else {
            Ok(twig_id)
        }
    }

    pub(super) fn pruned(&self, tx_num: TxNum) -> SegmentError {
        SegmentError::Pruned {
            path: self.path.clone(),
            tx_num,
            earliest: self.leaves().end,
        }
    }

    pub(super) fn outside(&self, level: u32, index: u64) -> SegmentError {
        let Range {
            start: from,
            end: to,
        } = self.leaves();
        SegmentError::Outside {
            path: self.path.clone(),
            level,
            index,
            from,
            to,
        }
    }

    /// Place of a twig in the segment; fits, because the segment has one root for each.
    pub(super) fn place(&self, twig_id: TwigId) -> Option<usize> {
        if !self.twigs().contains(&twig_id) {
            return None;
        }
        usize::try_from(twig_id.0 - self.first_twig().0).ok()
    }

    fn touch(&self, twig_id: TwigId, share: Share) -> Result<StoredTwig<'_>, SegmentError> {
        StoredTwig::find(self, twig_id)?.touch(share)
    }

    pub(super) fn parts(&self) -> Parts<'_> {
        Parts::cut(&self.map, &self.header).expect("the length was checked, and a map keeps it")
    }

    fn block_table(&self) -> Blocks<'_> {
        Blocks {
            first: self.header.first_block,
            table: self.parts().blocks,
        }
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// An index inside a twig, below 2048.
fn usize_of(index: u64) -> usize {
    usize::try_from(index).expect("indexes inside a twig fit")
}
