//! Making entry segments.

use super::error::EntrySegmentError;
use super::layout::*;
use super::live::live_twig_bytes;
use super::opening::{OpenedTwig, TwigOpening};
use crate::durable;
use crate::identity::Identity;
use crate::io::{Disk, DiskFile};
use crc32c::{crc32c, crc32c_append};
use qmtree_proofs::state::EntryId;
use qmtree_proofs::{Digest, LEAF_LEN, TWIG_LEVEL, TxNum};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A complete twig of the state log, with its hashes.
pub trait EntryTwig {
    /// The entry at `index`, below 2048.
    fn entry(&self, index: usize) -> [u8; LEAF_LEN];

    /// The node at `level`, 4 to 11, by its index inside the twig.
    fn node(&self, level: u32, index: usize) -> Digest;
}

/// A value that an entry commits to by a hash.
#[derive(Clone, Debug)]
pub struct SealedValue {
    /// The entry.
    pub entry: EntryId,
    /// The entry whose value this was first: itself, or an earlier one.
    pub owner: EntryId,
    /// The bytes; left out of the file where another entry is the owner.
    pub bytes: Option<Arc<[u8]>>,
}

/// Writes a segment of these twigs, the first of which is `first_twig`, into `folder`; durable on
/// return. Returns its path.
///
/// `revived` are the entries of keys that had been deleted, each with the tombstone before it, and
/// `values` those of entries whose word is a hash, both ascending. Hashes are taken as they are.
///
/// # Errors
/// [`EntrySegmentError::Io`], also if the file is there already.
pub fn write_entry_segment(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
    first_twig: u64,
    twigs: &[impl EntryTwig],
    revived: &[(EntryId, EntryId)],
    values: &[SealedValue],
) -> Result<PathBuf, EntrySegmentError> {
    let (tables, bytes) = tables(revived, values);
    let header = Header {
        content: Content::Whole,
        first_twig,
        twig_count: twigs.len() as u64,
        revived: revived.len() as u64,
        values: values.len() as u64,
        value_bytes: bytes.iter().map(|value| value.len() as u64).sum(),
        earliest: 0,
        live_bytes: 0,
    };
    let path = folder.join(header.name());
    let file_len = header
        .file_len()
        .expect("the parts are in memory, so their length fits");
    durable::create_sealed(disk, &path, |file| {
        file.append(&header.to_bytes(identity))?;
        for (twig, number) in twigs.iter().zip(first_twig..) {
            append_twig(file, twig, number)?;
        }
        file.append(&tables)?;
        bytes.iter().try_for_each(|value| file.append(value))?;
        file.append(&tail_bytes(crc32c(&tables), file_len))
    })
    .map_err(EntrySegmentError::io(&path, "write"))?;
    Ok(path)
}

/// Writes a segment of twigs of which only the entries are there that were live at some time: each
/// its opening, and what follows from it. Returns its path; durable on return.
///
/// `values` are those of all entries whose word is a hash, each with its bytes; `earliest` is the
/// first transaction after which the state is known.
///
/// # Errors
/// [`EntrySegmentError::Io`], also if the file is there already.
pub fn write_live_segment(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
    first_twig: u64,
    twigs: &[(TwigOpening, OpenedTwig)],
    values: &[SealedValue],
    earliest: TxNum,
) -> Result<PathBuf, EntrySegmentError> {
    let (table, bytes) = tables(&[], values);
    let twigs = twigs.iter().zip(first_twig..);
    let twigs = twigs.map(|((opening, tree), twig)| live_twig_bytes(twig, opening, tree));
    let twigs: Vec<_> = twigs.collect();
    let (mut ends, mut live_bytes) = (Vec::with_capacity(END_LEN * twigs.len()), 0u64);
    for twig in &twigs {
        live_bytes += twig.len() as u64;
        ends.extend(live_bytes.to_le_bytes());
    }
    let header = Header {
        content: Content::Live,
        first_twig,
        twig_count: twigs.len() as u64,
        revived: 0,
        values: values.len() as u64,
        value_bytes: bytes.iter().map(|value| value.len() as u64).sum(),
        earliest: earliest.0,
        live_bytes,
    };
    let path = folder.join(header.name());
    let file_len = header
        .file_len()
        .expect("the parts are in memory, so their length fits");
    let tables_crc = crc32c_append(crc32c(&ends), &table);
    durable::create_sealed(disk, &path, |file| {
        file.append(&header.to_bytes(identity))?;
        file.append(&ends)?;
        twigs.iter().try_for_each(|twig| file.append(twig))?;
        file.append(&table)?;
        bytes.iter().try_for_each(|value| file.append(value))?;
        file.append(&tail_bytes(tables_crc, file_len))
    })
    .map_err(EntrySegmentError::io(&path, "write"))?;
    Ok(path)
}

fn append_twig(file: &mut dyn DiskFile, twig: &impl EntryTwig, number: u64) -> io::Result<()> {
    let entries: Vec<_> = (0..ENTRIES).map(|index| twig.entry(index)).collect();
    let levels = (GROUP_LEVEL..=TWIG_LEVEL).rev();
    let nodes: Vec<_> = levels
        .flat_map(|level| (0..ENTRIES >> level).map(move |index| (level, index)))
        .map(|(level, index)| twig.node(level, index))
        .collect();
    let (entries, nodes) = (entries.as_flattened(), nodes.as_flattened());
    let header = twig_header(crc32c(entries), crc32c(nodes), number);
    file.append_parts(&[entries, &header, nodes])
}

/// The two tables, and the values in their order.
fn tables<'a>(
    revived: &[(EntryId, EntryId)],
    values: &'a [SealedValue],
) -> (Vec<u8>, Vec<&'a [u8]>) {
    let mut tables = Vec::with_capacity(revived.len() * REVIVED_LEN + values.len() * VALUE_LEN);
    for (entry, tombstone) in revived {
        tables.extend_from_slice(&entry.0.to_le_bytes());
        tables.extend_from_slice(&tombstone.0.to_le_bytes());
    }
    let (mut offset, mut bytes) = (0u64, Vec::new());
    for value in values {
        let own = value.owner == value.entry;
        let here = value.bytes.as_deref().filter(|_| own).unwrap_or_default();
        let len = u32::try_from(here.len()).expect("values have less than 2^32 bytes");
        tables.extend_from_slice(&value.entry.0.to_le_bytes());
        tables.extend_from_slice(&value.owner.0.to_le_bytes());
        tables.extend_from_slice(&offset.to_le_bytes());
        tables.extend_from_slice(&len.to_le_bytes());
        tables.extend_from_slice(&crc32c_append(0, here).to_le_bytes());
        offset += u64::from(len);
        bytes.push(here);
    }
    (tables, bytes)
}
