//! One file of the execution log: its leaves, and the tables behind them.

use super::super::output::Output;
use super::super::plan::{Progress, advance};
use super::tags::write_tags;
use super::{Export, failed};
use crate::error::Error;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::Compaction;
use qmtree_proofs::{Digest, Head, PAYLOAD_LEN, TWIG_LEAVES, TWIG_LEVEL, TwigId, TxNum};
use qmtree_storage::Tag;
use qmtree_storage::snapshot::{
    LeafSink, ManifestEntry, SnapshotBlock, SnapshotContent, SnapshotHeader, SnapshotName,
    SnapshotParts, write_snapshot,
};
use std::ops::Range;
use std::path::Path;

/// What a file has beside its leaves.
struct Tables {
    header: SnapshotHeader,
    roots: Vec<Digest>,
    blocks: Vec<SnapshotBlock>,
    tags: Vec<Tag>,
}

impl Tables {
    fn parts(&self) -> SnapshotParts<'_> {
        SnapshotParts {
            header: self.header,
            roots: &self.roots,
            blocks: &self.blocks,
            tags: &self.tags,
        }
    }
}

impl Export {
    /// Writes a file, and before it the one of its tags, if there are any and it has a file of
    /// its own for them: where the leaves are the tags are too.
    pub(super) fn write_file(
        &self,
        output: &Output<'_>,
        name: SnapshotName,
        progress: &Progress,
    ) -> Result<Vec<ManifestEntry>, Error> {
        let tables = self.tables(name)?;
        let mut entries = Vec::new();
        if name.content != SnapshotContent::Tail {
            entries.extend(write_tags(output, &tables.parts())?);
        }
        let (twigs, leaves) = (tables.header.twigs(), tables.header.leaves());
        let entry = output.put(name, |disk| {
            write_snapshot(disk, output.folder, &tables.parts(), |sink| {
                for twig in twigs.clone() {
                    let count = (leaves.end - twig * TWIG_LEAVES).min(TWIG_LEAVES);
                    self.write_twig(sink, twig, count)?;
                    advance(progress, count);
                }
                Ok::<_, Error>(())
            })
        })?;
        entries.push(entry);
        Ok(entries)
    }

    /// Writes the tags of leaves that have their file.
    pub(super) fn write_lost_tags(
        &self,
        output: &Output<'_>,
        name: SnapshotName,
    ) -> Result<Option<ManifestEntry>, Error> {
        let content = SnapshotContent::Execution;
        let tables = self.tables(SnapshotName { content, ..name })?;
        write_tags(output, &tables.parts())
    }

    /// All that a file has but its leaves.
    fn tables(&self, name: SnapshotName) -> Result<Tables, Error> {
        let tail = name.content == SnapshotContent::Tail;
        let twigs = match tail {
            true => self.whole..self.whole + 1,
            false => name.from..name.to,
        };
        let leaves = match tail {
            true => name.from..name.to,
            false => name.from * TWIG_LEAVES..name.to * TWIG_LEAVES,
        };
        let end_head = match tail {
            true => self.head,
            false => self.boundary(leaves.end)?,
        };
        let blocks = self.blocks(&leaves, end_head.block_number)?;
        let header = SnapshotHeader {
            identity: self.identity,
            name,
            first_block: blocks.first().map_or(0, |(number, _)| *number),
            block_count: blocks.len() as u64,
            anchor: self.anchor(twigs.start)?,
            end: self.view.leaf_hash(TxNum(leaves.end - 1))?.0,
            head: end_head,
            tables_crc: 0,
            compaction: Compaction::OFF,
        };
        let root = |twig| self.state.upper.node(TWIG_LEVEL, twig).unwrap_or_default();
        Ok(Tables {
            header,
            roots: match tail {
                true => Vec::new(),
                false => twigs.map(root).collect(),
            },
            blocks: blocks.into_iter().map(|(_, block)| block).collect(),
            tags: self.tags(&leaves)?,
        })
    }

    /// The head of a log that ends with so many leaves, which may be inside a block.
    pub(super) fn boundary(&self, leaf_count: u64) -> Result<Head, Error> {
        // The first block that ends behind; the one before it is the last that is whole.
        let behind = self.state.block_of(TxNum(leaf_count))?;
        let first = self.state.first_block().unwrap_or(behind);
        let before = behind.checked_sub(1).filter(|before| *before >= first);
        let before = before
            .map(|before| self.state.block_end(before))
            .transpose()?;
        let hasher = Hasher::new(self.head.profile);
        Ok(Head {
            block_number: if before.is_some() { behind - 1 } else { 0 },
            leaf_count,
            root: self.state.root_of(&hasher, leaf_count)?,
            entry_count: before.map_or(0, |end| end.entry_count),
            state_root: before.map_or_else(Default::default, |end| end.state_root),
            ..self.head
        })
    }

    /// The blocks that end in a range of leaves, up to block `last`.
    fn blocks(&self, leaves: &Range<u64>, last: u64) -> Result<Vec<(u64, SnapshotBlock)>, Error> {
        let first = match leaves.start {
            0 => self.state.first_block().unwrap_or_default(),
            start => self.state.block_of(TxNum(start))?,
        };
        let mut blocks = Vec::new();
        for number in first..=last {
            let end = self.state.block_end(number)?;
            // A range inside one block lists none.
            if end.leaf_count > leaves.end {
                break;
            }
            let block = SnapshotBlock {
                leaf_count: end.leaf_count,
                entry_count: end.entry_count,
                state_root: end.state_root,
            };
            blocks.push((number, block));
        }
        Ok(blocks)
    }

    /// The hash of the leaf before a twig.
    fn anchor(&self, twig: u64) -> Result<Digest, Error> {
        let sealed = &self.state.sealed;
        match twig.checked_sub(1) {
            None => Ok([0; 32]),
            _ if twig == self.state.sealed_twigs() => Ok(sealed.end()),
            Some(before) if twig > self.state.sealed_twigs() => {
                let last = TxNum(before * TWIG_LEAVES + TWIG_LEAVES - 1);
                Ok(self.view.leaf_hash(last)?.0)
            }
            _ => match (sealed.snapshot(), sealed.segment_of(TwigId(twig))) {
                (Some(files), _) => files.plan().anchor(twig),
                (None, Some(segment)) => Ok(segment.twig_anchor(TwigId(twig))?),
                (None, None) => Err(self.no_leaf(twig)),
            },
        }
    }

    /// Writes the first `count` leaves of a twig.
    fn write_twig(&self, sink: &mut LeafSink<'_>, twig: u64, count: u64) -> Result<(), Error> {
        let anchor = self.anchor(twig)?;
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        let mut cut = move |piece: &'_ [[u8; PAYLOAD_LEN]]| {
            let take = piece.len().min(left);
            left -= take;
            take
        };
        let sealed = &self.state.sealed;
        let written = if let Some(tail) = self.state.tail_twig(TwigId(twig)) {
            let pieces = tail
                .payload_pieces()
                .map(|piece| piece.get(..cut(piece)).unwrap_or_default());
            sink.twig(&anchor, pieces)
        } else if let Some(files) = sealed.snapshot() {
            let word = files.plan().set.twig(twig)?;
            let piece = word.payloads();
            sink.twig(&anchor, [piece.get(..cut(piece)).unwrap_or_default()])
        } else {
            let segment = sealed.segment_of(TwigId(twig));
            let piece = segment.ok_or_else(|| self.no_leaf(twig))?;
            let piece = piece.payloads(TwigId(twig))?;
            sink.twig(&anchor, [piece.get(..cut(piece)).unwrap_or_default()])
        };
        written.map_err(failed(Path::new("snapshot")))
    }

    pub(super) fn no_leaf(&self, twig: u64) -> Error {
        Error::NoSuchLeaf {
            tx_num: TxNum(twig.saturating_mul(TWIG_LEAVES)),
            leaf_count: self.head.leaf_count,
        }
    }
}
