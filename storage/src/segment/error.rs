//! Everything that can be wrong with a segment or with what is asked of it.

use crate::header::HeaderError;
use alloy_primitives::B256;
use qmtree_proofs::{TwigId, TxNum};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a segment could not be written, opened or read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The operating system refused.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The header is missing, damaged, or another database's.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The file does not end as a segment does.
    #[error("{path}: no segment ends at byte {offset}; restore the segment from a copy")]
    TailMagic {
        /// The file.
        path: PathBuf,
        /// Where the last magic should be.
        offset: u64,
    },
    /// The file is shorter or longer than it says.
    #[error(
        "{path}: {found} bytes, {expected} expected; it was cut or grew after it was sealed: \
         restore the segment from a copy"
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that it should have by its header.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// Bytes changed after the segment was sealed.
    #[error(
        "{path}: {part} at byte {offset}: checksum {stored:08x}, computed {computed:08x}; \
         restore the segment from a copy"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// What the checksum covers.
        part: Part,
        /// First byte that it covers.
        offset: u64,
        /// The checksum in the file.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A field that no writer of this format writes.
    #[error(
        "{path}: {field} at byte {offset} has a value that cannot be; \
         restore the segment from a copy"
    )]
    Field {
        /// The file.
        path: PathBuf,
        /// First byte of the field.
        offset: u64,
        /// Its name in docs/FORMAT.md.
        field: &'static str,
    },
    /// The name and the header disagree.
    #[error("{path}: a segment of this name should be called {expected}; rename it back")]
    Name {
        /// The file.
        path: PathBuf,
        /// The name that its header gives it.
        expected: String,
    },
    /// A name that ends like a segment's, but is none.
    #[error("{path}: not a segment's name; move the file out of the folder")]
    UnknownName {
        /// The file.
        path: PathBuf,
    },
    /// A stored digest is not the one that its leaves give.
    #[error(
        "{path}: {part} at byte {offset}: digest {stored} stored, {computed} derived; \
         restore the segment from a copy"
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What the digest belongs to.
        part: Part,
        /// First byte of the stored digest.
        offset: u64,
        /// The digest in the file.
        stored: B256,
        /// The digest that follows from the rest of the file.
        computed: B256,
    },
    /// The caller asked for a node that is not in this segment.
    #[error("{path}: holds leaves {from}..{to}, not node {index} of level {level}")]
    Outside {
        /// The file.
        path: PathBuf,
        /// Level of the node; leaves have level 0.
        level: u32,
        /// Index of the node in its level.
        index: u64,
        /// First leaf of the segment.
        from: TxNum,
        /// The leaf behind the last.
        to: TxNum,
    },
    /// What was asked for was pruned.
    #[error("{path}: leaf {tx_num} is pruned, as are all before {earliest}")]
    Pruned {
        /// The file.
        path: PathBuf,
        /// The leaf, or the first one below the node that was asked for.
        tx_num: TxNum,
        /// The first leaf that can be read. A segment that is asked alone names the one behind its
        /// last; more may be pruned.
        earliest: TxNum,
    },
    /// The folder of the segments is not there. It is there from the beginning, empty if need be.
    #[error("{path}: this folder is missing; restore it from a backup")]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Twigs are in no file.
    #[error("{path}: segments for twigs {from}..{to} are missing; restore them from a copy")]
    Gap {
        /// The folder.
        path: PathBuf,
        /// First missing twig.
        from: TwigId,
        /// The first twig that is there again.
        to: TwigId,
    },
    /// Twigs are in two files.
    #[error(
        "{path}: twigs {from}..{to} are also in {other}; move one of the two out of the folder"
    )]
    Overlap {
        /// The file that starts later.
        path: PathBuf,
        /// The file before it.
        other: PathBuf,
        /// First twig that both have.
        from: TwigId,
        /// The twig behind the last that both have.
        to: TwigId,
    },
    /// Two neighbours do not fit together.
    #[error("{path}: its {what} does not follow {other}; restore both from one copy")]
    Unlinked {
        /// The file that starts later.
        path: PathBuf,
        /// The file before it.
        other: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// A segment is never written over.
    #[error("{path}: is there already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Twigs or blocks for a new segment that do not make one.
    #[error(transparent)]
    Contents(#[from] ContentsError),
}

/// Why twigs and blocks do not make a segment: a mistake of the caller's.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// A segment has at least one twig.
    #[error("a segment of no twigs")]
    NoTwigs,
    /// The twigs' numbers have a gap, or end beyond the number space.
    #[error("twig {found} where twig {expected} belongs")]
    TwigOrder {
        /// The number that follows the twig before.
        expected: TwigId,
        /// The number that was given.
        found: TwigId,
    },
    /// A twig does not start with the hash of the last leaf of the one before, or twig 0 not
    /// with zero.
    #[error("twig {twig_id} does not follow the leaf before it")]
    Unlinked {
        /// The twig.
        twig_id: TwigId,
    },
    /// A block that does not end in the segment, or not behind the one before it, or whose state
    /// log is empty in one field only.
    #[error("block {block_number} does not belong into this place of the segment")]
    Block {
        /// Number of the block.
        block_number: u64,
    },
}

/// A part of a segment, as errors name it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words 0 to 2 of a twig's leaves.
    Payload(TwigId),
    /// The hashes before each group of a twig.
    Anchors(TwigId),
    /// The stored nodes of a twig.
    Nodes(TwigId),
    /// The tags of a twig's leaves.
    Tags(TwigId),
    /// A twig's root behind the twigs.
    TwigRoot(TwigId),
    /// The hash of the last leaf, in the header.
    End,
    /// Twig roots, blocks and seams.
    Footer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload(twig) => write!(f, "payload of twig {twig}"),
            Self::Anchors(twig) => write!(f, "anchors of twig {twig}"),
            Self::Nodes(twig) => write!(f, "nodes of twig {twig}"),
            Self::Tags(twig) => write!(f, "tags of twig {twig}"),
            Self::TwigRoot(twig) => write!(f, "root of twig {twig}"),
            Self::End => f.write_str("hash of the last leaf"),
            Self::Footer => f.write_str("twig roots, blocks and seams"),
        }
    }
}

impl SegmentError {
    /// For `map_err` on what the disk returns.
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            action,
            source,
        }
    }

    pub(super) fn field(path: &Path, offset: usize, field: &'static str) -> Self {
        Self::Field {
            path: path.to_owned(),
            offset: offset as u64,
            field,
        }
    }
}
