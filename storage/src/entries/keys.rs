//! The keys of the state log and what is active, as of some of its segments (docs/FORMAT.md,
//! section 11.1). Derived: any of these files may be missing or old.
//!
//! ```text
//! | header 128 | twig: active bits 256, root 32 | ... | key: prefix 8, entry 8 | ... | tail 48 |
//! ```

use super::error::EntrySegmentError;
use super::layout::TAIL_MAGIC;
use crate::durable;
use crate::header::HeaderKind;
use crate::identity::Identity;
use crate::io::{Disk, DiskFile, Mapped};
use crc32c::{crc32c, crc32c_append};
use qmtree_proofs::Digest;
use qmtree_proofs::state::ActiveBits;
use std::io;
use std::path::{Path, PathBuf};

pub(super) const EXTENSION: &str = "qmk";
const HEADER_LEN: usize = 128;
const TWIG_LEN: usize = 288;
const ITEM_LEN: usize = 16;
const TAIL_LEN: usize = 48;
/// Bytes that are written at a time.
const PIECE_LEN: usize = 1 << 20;

const KIND: HeaderKind<HEADER_LEN> = HeaderKind {
    magic: "QMSTKEYS",
    version: 1,
};

/// What the file says about a twig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTwig {
    /// Which of its entries are active.
    pub active: ActiveBits,
    /// The root over its entries.
    pub entries_root: Digest,
}

/// A key, by its first eight bytes, with its newest entry; keys ascend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyItem {
    /// The first eight bytes of the key, big-endian.
    pub prefix: u64,
    /// The id of the newest entry; bit 63 is set if that is a tombstone.
    pub entry: u64,
}

/// A file of keys, mapped.
#[derive(Debug)]
pub struct StateKeys {
    map: Mapped,
    twig_count: u64,
    live_keys: u64,
    items_at: usize,
}

impl StateKeys {
    /// Twigs, from the first on, that the file is about.
    #[must_use]
    pub fn twig_count(&self) -> u64 {
        self.twig_count
    }

    /// Live keys, without the sentinel.
    #[must_use]
    pub fn live_keys(&self) -> u64 {
        self.live_keys
    }

    /// The twigs, in order.
    pub fn twigs(&self) -> impl ExactSizeIterator<Item = KeyTwig> + '_ {
        let twigs = self.map.get(HEADER_LEN..self.items_at).unwrap_or_default();
        twigs.as_chunks::<TWIG_LEN>().0.iter().map(read_twig)
    }

    /// The keys, in order.
    pub fn items(&self) -> impl ExactSizeIterator<Item = KeyItem> + '_ {
        let end = self.map.len().saturating_sub(TAIL_LEN);
        let items = self.map.get(self.items_at..end).unwrap_or_default();
        items.as_chunks::<ITEM_LEN>().0.iter().map(read_item)
    }
}

/// Opens the newest file of keys in `folder` that is whole and about at most `max_twigs` twigs.
/// `None` if there is none: what is in it follows from the segments.
pub fn open_state_keys(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
    max_twigs: u64,
) -> Option<StateKeys> {
    let mut names = key_files(disk, folder).ok()?;
    names.retain(|(twigs, _)| *twigs <= max_twigs);
    let newest_first = names.into_iter().rev();
    newest_first
        .filter_map(|(twigs, path)| open(disk, &path, identity, twigs))
        .next()
}

/// Unlinks all files of keys but the one about `twig_count` twigs.
///
/// # Errors
/// [`EntrySegmentError::Io`].
pub fn remove_old_state_keys(
    disk: &dyn Disk,
    folder: &Path,
    twig_count: u64,
) -> Result<(), EntrySegmentError> {
    let names = key_files(disk, folder).map_err(EntrySegmentError::io(folder, "list"))?;
    for (_, path) in names.into_iter().filter(|(twigs, _)| *twigs != twig_count) {
        durable::remove(disk, &path).map_err(EntrySegmentError::io(&path, "remove"))?;
    }
    Ok(())
}

/// The files of keys, by the number of twigs that their name says.
fn key_files(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let number = |name: &Path| {
        let stem = name.file_stem()?.to_str().filter(|stem| stem.len() == 16)?;
        let is_ours = name.extension().is_some_and(|ending| ending == EXTENSION);
        u64::from_str_radix(stem, 16).ok().filter(|_| is_ours)
    };
    let names = disk.list(folder)?;
    let mut found: Vec<_> = names
        .iter()
        .filter_map(|name| Some((number(name)?, folder.join(name))))
        .collect();
    found.sort();
    Ok(found)
}

fn open(disk: &dyn Disk, path: &Path, identity: Identity, twigs: u64) -> Option<StateKeys> {
    let map = disk.map(path).ok()?;
    let (found, mut fields) = KIND.read(path, &map).ok()?;
    let twig_count = fields.u64()?;
    if found != identity || twig_count != twigs || !fields.is_zero() {
        return None;
    }
    let (body, tail) = map.get(HEADER_LEN..)?.split_last_chunk::<TAIL_LEN>()?;
    let twigs_len = usize::try_from(twig_count).ok()?.checked_mul(TWIG_LEN)?;
    let (twigs, items) = body.split_at_checked(twigs_len)?;
    let live_keys = u64::from_le_bytes(*tail.get(8..)?.first_chunk()?);
    let expected = Tail {
        items: (items.len() / ITEM_LEN) as u64,
        live_keys,
        twigs_crc: crc32c(twigs),
        items_crc: crc32c(items),
        file_len: map.len() as u64,
    };
    if *tail != expected.to_bytes() || items.len() % ITEM_LEN != 0 {
        return None;
    }
    let items_at = HEADER_LEN + twigs_len;
    Some(StateKeys {
        map,
        twig_count,
        live_keys,
        items_at,
    })
}

/// Writes the file about the first twigs, in the place of one that is there; durable on return.
///
/// `items` ascend by key. Nothing of them is kept in memory.
///
/// # Errors
/// [`EntrySegmentError::Io`].
pub fn write_state_keys<E: From<EntrySegmentError>>(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
    twigs: &[KeyTwig],
    live_keys: u64,
    items: impl Iterator<Item = Result<KeyItem, E>>,
) -> Result<(), E> {
    let twig_count = twigs.len() as u64;
    let path = folder.join(format!("{twig_count:016x}.{EXTENSION}"));
    if disk.exists(&path) {
        durable::remove(disk, &path).map_err(EntrySegmentError::io(&path, "remove"))?;
    }
    let mut failed = None;
    let written = durable::create(disk, &path, |file| {
        file.append(&KIND.to_bytes(identity, &[&twig_count.to_le_bytes()]))?;
        let (_, twigs_crc) = append_all(file, twigs.iter().map(twig_bytes))?;
        let items = items.map_while(|item| item.map_err(|error| failed = Some(error)).ok());
        let (items_len, items_crc) = append_all(file, items.map(item_bytes))?;
        if failed.is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let tail = Tail {
            items: items_len / ITEM_LEN as u64,
            live_keys,
            twigs_crc,
            items_crc,
            file_len: (HEADER_LEN + TAIL_LEN) as u64 + twig_count * TWIG_LEN as u64 + items_len,
        };
        file.append(&tail.to_bytes())
    });
    match (failed, written) {
        (Some(error), _) => Err(error),
        (None, written) => {
            written.map_err(EntrySegmentError::io(&path, "write"))?;
            Ok(())
        }
    }
}

/// Appends records in pieces. Returns how many bytes, and their checksum.
fn append_all<const N: usize>(
    file: &mut dyn DiskFile,
    records: impl Iterator<Item = [u8; N]>,
) -> io::Result<(u64, u32)> {
    let (mut len, mut crc, mut piece) = (0, 0, Vec::with_capacity(PIECE_LEN));
    let mut flush = |piece: &mut Vec<u8>| {
        crc = crc32c_append(crc, piece);
        len += piece.len() as u64;
        let appended = if piece.is_empty() {
            Ok(())
        } else {
            file.append(piece)
        };
        piece.clear();
        appended
    };
    for record in records {
        if piece.len() + N > PIECE_LEN {
            flush(&mut piece)?;
        }
        piece.extend_from_slice(&record);
    }
    flush(&mut piece)?;
    Ok((len, crc))
}

#[derive(Debug)]
struct Tail {
    items: u64,
    live_keys: u64,
    twigs_crc: u32,
    items_crc: u32,
    file_len: u64,
}

impl Tail {
    fn to_bytes(&self) -> [u8; TAIL_LEN] {
        let fields: [u8; 32] = crate::header::join(&[
            &self.items.to_le_bytes(),
            &self.live_keys.to_le_bytes(),
            &self.twigs_crc.to_le_bytes(),
            &self.items_crc.to_le_bytes(),
            &self.file_len.to_le_bytes(),
        ]);
        let crc = crc32c(&fields).to_le_bytes();
        crate::header::join(&[&fields, &crc, &[0; 4], &TAIL_MAGIC])
    }
}

fn twig_bytes(twig: &KeyTwig) -> [u8; TWIG_LEN] {
    crate::header::join(&[twig.active.0.as_flattened(), &twig.entries_root])
}

fn read_twig(bytes: &[u8; TWIG_LEN]) -> KeyTwig {
    let (words, root) = bytes.split_last_chunk().unwrap_or((&[], &[0; 32]));
    let mut active = ActiveBits::NONE;
    for (to, from) in active.0.iter_mut().zip(words.as_chunks().0) {
        *to = *from;
    }
    KeyTwig {
        active,
        entries_root: *root,
    }
}

fn item_bytes(item: KeyItem) -> [u8; ITEM_LEN] {
    crate::header::join(&[&item.prefix.to_le_bytes(), &item.entry.to_le_bytes()])
}

fn read_item(bytes: &[u8; ITEM_LEN]) -> KeyItem {
    let half = |half: &[u8]| half.first_chunk().copied().map_or(0, u64::from_le_bytes);
    let (prefix, entry) = bytes.split_at(ITEM_LEN / 2);
    KeyItem {
        prefix: half(prefix),
        entry: half(entry),
    }
}
