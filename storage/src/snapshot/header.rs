//! Word 0 of our files (docs/FORMAT.md, section 10.3).

use super::name::{SnapshotContent, SnapshotName};
use crate::header::{FIELDS_AT, HeaderError, HeaderKind};
use crate::identity::Identity;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Digest, Head, TWIG_LEAVES};
use std::ops::Range;
use std::path::Path;

/// Bytes of word 0.
pub(super) const HEADER_LEN: usize = 256;
const KIND: HeaderKind<HEADER_LEN> = HeaderKind {
    magic: "QMSNAPSH",
    version: 1,
};
/// The log that a file is of.
const LOG_EXECUTION: u8 = 1;
const LOG_STATE: u8 = 2;

/// What a snapshot file says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Whose log it is.
    pub identity: Identity,
    /// What the file holds, and of which range.
    pub name: SnapshotName,
    /// Number of the first block in the table; 0 if there is none.
    pub first_block: u64,
    /// Blocks in the table.
    pub block_count: u64,
    /// Hash of the leaf before the first; zero for leaf 0.
    pub anchor: Digest,
    /// Hash of the last leaf.
    pub end: Digest,
    /// The head of the log that ends with this file. It says what the file was made for, and is
    /// compared with what follows from the leaves, never trusted. In files of the state log that of
    /// an empty log.
    pub head: Head,
    /// crc32c of all words behind the leaves or entries, one after the other; values, which have
    /// checksums of their own, are left out.
    pub tables_crc: u32,
    /// The rule of compaction of the database, in files of the state log. No head binds it: under
    /// another one the next blocks have other roots.
    pub compaction: Compaction,
}

impl SnapshotHeader {
    /// The header of a file of the state log, which follows from its name.
    #[must_use]
    pub fn of_state(identity: Identity, compaction: Compaction, name: SnapshotName) -> Self {
        Self {
            identity,
            name,
            first_block: 0,
            block_count: 0,
            anchor: [0; 32],
            end: [0; 32],
            head: Head::empty(identity.chain_id, identity.profile, identity.scheme),
            tables_crc: 0,
            compaction,
        }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let SnapshotName { content, from, to } = self.name;
        let numbers = [from, to, self.first_block, self.block_count].map(u64::to_le_bytes);
        KIND.to_bytes(
            self.identity,
            &[
                &[log_of(content), content.id(), 0, 0, 0, 0, 0, 0],
                numbers.as_flattened(),
                &self.anchor,
                &self.end,
                &self.head.to_bytes(),
                &self.tables_crc.to_le_bytes(),
                &[self.compaction.entries_per_key()],
            ],
        )
    }

    /// Reads and checks word 0; one can compute with what comes back.
    pub(super) fn read(path: &Path, word: &[u8]) -> Result<Self, HeaderError> {
        let (identity, mut fields) = KIND.read(path, word)?;
        if word.len() != HEADER_LEN {
            return Err(HeaderError::Length {
                path: path.to_owned(),
                found: word.len(),
                needed: HEADER_LEN,
            });
        }
        let bad = |offset| HeaderError::Field {
            path: path.to_owned(),
            offset,
        };
        let fields_at = FIELDS_AT;
        let mut read = || {
            let [_log, content, ..] = *fields.bytes::<8>()?;
            let content = SnapshotContent::from_id(content)?;
            let (from, to) = (fields.u64()?, fields.u64()?);
            Some(Self {
                identity,
                name: SnapshotName { content, from, to },
                first_block: fields.u64()?,
                block_count: fields.u64()?,
                anchor: *fields.bytes()?,
                end: *fields.bytes()?,
                head: Head::from_bytes(fields.bytes::<{ Head::ENCODED_LEN }>()?).ok()?,
                tables_crc: fields.u32()?,
                compaction: Compaction::new(fields.u8()?),
            })
        };
        let header = read().ok_or_else(|| bad(fields_at))?;
        if let Some(offset) = header.first_misfit() {
            return Err(bad(offset));
        }
        // The log, and zero where nothing is.
        let written = header.to_bytes();
        match written
            .iter()
            .zip(word)
            .position(|(ours, found)| ours != found)
        {
            Some(offset) => Err(bad(offset)),
            None => Ok(header),
        }
    }

    /// Offset of a field that makes no sense beside the others.
    fn first_misfit(&self) -> Option<usize> {
        let Self { name, head, .. } = self;
        let Some(leaves) = self.checked_leaves() else {
            return Some(32);
        };
        if name.content.is_state() {
            return self.first_misfit_of_state(&leaves);
        }
        let whole = |leaf: u64| leaf.is_multiple_of(TWIG_LEAVES);
        let twigs = leaves.end - leaves.start;
        let fits = match name.content {
            SnapshotContent::Tail => whole(leaves.start) && twigs <= TWIG_LEAVES,
            _ => true,
        };
        if self.compaction != Compaction::OFF {
            return Some(230);
        }
        let same = head.chain_id == self.identity.chain_id
            && head.profile == self.identity.profile
            && head.scheme == self.identity.scheme;
        let blocks_end = self.first_block.checked_add(self.block_count);
        let blockless = matches!(name.content, SnapshotContent::Roots | SnapshotContent::Tags);
        if !fits {
            Some(32)
        } else if blocks_end.is_none() || (self.block_count == 0 && self.first_block != 0) {
            Some(48)
        } else if blockless && self.block_count != 0 {
            Some(56)
        } else if leaves.start == 0 && self.anchor != [0; 32] {
            Some(64)
        } else if !same || head.leaf_count != leaves.end {
            Some(128)
        } else {
            None
        }
    }

    fn first_misfit_of_state(&self, entries: &Range<u64>) -> Option<usize> {
        let plain = Self {
            tables_crc: self.tables_crc,
            ..Self::of_state(self.identity, self.compaction, self.name)
        };
        let from_start = self.name.content != SnapshotContent::Live || entries.start == 0;
        if !entries.start.is_multiple_of(TWIG_LEAVES) || !from_start {
            Some(32)
        } else if plain != *self {
            Some(48)
        } else {
            None
        }
    }

    /// The leaves of the file, or those that its roots or tags stand for; of the state log, its
    /// entries.
    #[must_use]
    pub fn leaves(&self) -> Range<u64> {
        self.checked_leaves().unwrap_or_default()
    }

    fn checked_leaves(&self) -> Option<Range<u64>> {
        let SnapshotName { content, from, to } = self.name;
        if from >= to {
            return None;
        }
        match content.is_tail() {
            true => Some(from..to),
            false => Some(from.checked_mul(TWIG_LEAVES)?..to.checked_mul(TWIG_LEAVES)?),
        }
    }

    /// The twigs of the file; of a tail, the one that it is the front of, or ends with.
    #[must_use]
    pub fn twigs(&self) -> Range<u64> {
        let leaves = self.leaves();
        leaves.start / TWIG_LEAVES..leaves.end.div_ceil(TWIG_LEAVES)
    }
}

fn log_of(content: SnapshotContent) -> u8 {
    match content.is_state() {
        true => LOG_STATE,
        false => LOG_EXECUTION,
    }
}
