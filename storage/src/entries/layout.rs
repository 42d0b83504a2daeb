//! Where everything lies in an entry segment: docs/FORMAT.md, section 11, as constants, and the
//! header.

use crate::header::{Fields, HeaderError, HeaderKind};
use crate::identity::{GROUP_SHIFT, Identity};
use qmtree_proofs::{LEAF_LEN, TWIG_LEVEL, TwigId};
use std::path::Path;

/// Lowest level whose nodes are stored.
pub(super) const GROUP_LEVEL: u32 = GROUP_SHIFT;
/// Entries under a node of the lowest stored level.
pub(super) const GROUP_ENTRIES: usize = 1 << GROUP_LEVEL;
/// Entries in a twig.
pub(super) const ENTRIES: usize = 1 << TWIG_LEVEL;
pub(super) const HEADER_LEN: usize = 4096;
pub(super) const ENTRIES_LEN: usize = ENTRIES * LEAF_LEN;
/// Slot 0 of the stored heap is the twig header, slot k >= 1 is node k.
pub(super) const HEAP_SLOTS: usize = 2 * ENTRIES / GROUP_ENTRIES;
pub(super) const TWIG_LEN: usize = ENTRIES_LEN + HEAP_SLOTS * 32;
pub(super) const REVIVED_LEN: usize = 16;
pub(super) const VALUE_LEN: usize = 32;
pub(super) const TAIL_LEN: usize = 32;
pub(super) const TAIL_MAGIC: [u8; 8] = *b"QMSEGEND";
pub(super) const ROOT_LEN: usize = 32;
/// Where a twig of live entries ends.
pub(super) const END_LEN: usize = 8;

/// What a file holds of its twigs. Of two files of the same twigs the pruned one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// The roots of its twigs.
    Pruned,
    /// The entries that were live at some time, and the nodes over the others.
    Live,
    /// Everything.
    Whole,
}

impl Content {
    pub(super) const ALL: [Self; 3] = [Self::Pruned, Self::Live, Self::Whole];

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Whole => "qme",
            Self::Pruned => "qmx",
            Self::Live => "qml",
        }
    }

    fn id(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Pruned => 1,
            Self::Live => 2,
        }
    }

    /// Bytes of a twig; of live entries those of where it ends.
    fn twig_len(self) -> usize {
        match self {
            Self::Whole => TWIG_LEN,
            Self::Pruned => ROOT_LEN,
            Self::Live => END_LEN,
        }
    }
}

const KIND: HeaderKind<HEADER_LEN> = HeaderKind {
    magic: "QMENTRYS",
    version: 1,
};
/// The log that these segments are of.
const LOG_STATE: u8 = 2;
/// Where the fields of the kind begin, and the counts.
const AT_LOG: usize = 24;

const _: () = assert!(ENTRIES_LEN == 262_144 && HEAP_SLOTS == 256 && TWIG_LEN == 270_336);

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) content: Content,
    pub(super) first_twig: u64,
    pub(super) twig_count: u64,
    pub(super) revived: u64,
    pub(super) values: u64,
    pub(super) value_bytes: u64,
    /// Of a segment that is not whole: the first transaction after which the state is still known.
    pub(super) earliest: u64,
    /// Bytes of all twigs of live entries.
    pub(super) live_bytes: u64,
}

impl Header {
    pub(super) fn to_bytes(self, identity: Identity) -> [u8; HEADER_LEN] {
        let numbers = [
            self.first_twig,
            self.twig_count,
            self.revived,
            self.values,
            self.value_bytes,
            self.earliest,
            self.live_bytes,
        ];
        let content = self.content.id();
        let numbers = numbers.map(u64::to_le_bytes);
        KIND.to_bytes(
            identity,
            &[
                &[LOG_STATE, content, 0, 0, 0, 0, 0, 0],
                numbers.as_flattened(),
            ],
        )
    }

    pub(super) fn read(path: &Path, file: &[u8], expected: Identity) -> Result<Self, HeaderError> {
        let (found, fields) = KIND.read(path, file)?;
        if found != expected {
            return Err(HeaderError::OtherDatabase {
                path: path.to_owned(),
                found,
                expected,
            });
        }
        let header = Self::from_fields(fields);
        // Zeros where zeros belong, and the log.
        let same = |header: &Self| file.starts_with(&header.to_bytes(found));
        header.filter(same).ok_or_else(|| HeaderError::Field {
            path: path.to_owned(),
            offset: AT_LOG,
        })
    }

    fn from_fields(mut fields: Fields<'_>) -> Option<Self> {
        let [_, content, ..] = fields.bytes::<8>()?;
        let header = Self {
            content: Content::ALL
                .into_iter()
                .find(|known| known.id() == *content)?,
            first_twig: fields.u64()?,
            twig_count: fields.u64()?,
            revived: fields.u64()?,
            values: fields.u64()?,
            value_bytes: fields.u64()?,
            earliest: fields.u64()?,
            live_bytes: fields.u64()?,
        };
        let rest = [header.revived, header.values, header.value_bytes];
        let fits = match header.content {
            Content::Whole => header.earliest == 0 && header.live_bytes == 0,
            Content::Pruned => rest == [0; 3] && header.live_bytes == 0,
            Content::Live => header.revived == 0,
        };
        let behind = TwigId(header.first_twig.checked_add(header.twig_count)?);
        (fits && header.twig_count > 0 && behind.first_tx_num().is_some()).then_some(header)
    }

    /// Bytes of the file; `None` if no file could be so long.
    pub(super) fn file_len(&self) -> Option<u64> {
        let sizes = [
            (self.twig_count, self.content.twig_len()),
            (self.live_bytes, 1),
            (self.revived, REVIVED_LEN),
            (self.values, VALUE_LEN),
            (self.value_bytes, 1),
        ];
        sizes
            .into_iter()
            .try_fold((HEADER_LEN + TAIL_LEN) as u64, |sum, (count, len)| {
                sum.checked_add(count.checked_mul(len as u64)?)
            })
    }

    pub(super) fn name(&self) -> String {
        let Self {
            first_twig,
            twig_count,
            ..
        } = self;
        let extension = self.content.extension();
        format!("{first_twig:016x}-{twig_count:016x}.{extension}")
    }
}

/// Bytes of the tail.
pub(super) fn tail_bytes(tables_crc: u32, file_len: u64) -> [u8; TAIL_LEN] {
    crate::header::join(&[
        &tables_crc.to_le_bytes(),
        &[0; 4],
        &file_len.to_le_bytes(),
        &[0; 8],
        &TAIL_MAGIC,
    ])
}

/// The header of a twig: checksums of its entries and nodes, its number.
pub(super) fn twig_header(entries_crc: u32, nodes_crc: u32, twig: u64) -> [u8; 32] {
    crate::header::join(&[
        &entries_crc.to_le_bytes(),
        &nodes_crc.to_le_bytes(),
        &[0; 8],
        &twig.to_le_bytes(),
    ])
}
