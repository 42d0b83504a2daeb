//! Checking a file as a whole, before anything in it is used; the twigs are left alone.

use super::blocks::{BlockEnd, first_misfit};
use super::error::{Part, SegmentError};
use super::header::Header;
use super::layout::*;
use super::name::{Content, SegmentName};
use super::parts::Parts;
use super::seams;
use crate::identity::Identity;
use crc32c::crc32c;
use std::path::Path;

/// Checks all but the twigs: header, name, length, tail, twig roots and blocks.
pub(super) fn check_frame<'a>(
    path: &Path,
    file: &'a [u8],
    identity: Identity,
) -> Result<(Header, Parts<'a>), SegmentError> {
    let header = Header::read(path, file, identity)?;
    check_name(path, &header)?;
    let parts = Parts::cut(file, &header).ok_or_else(|| SegmentError::Length {
        path: path.to_owned(),
        expected: header.file_len().unwrap_or(u64::MAX),
        found: file.len() as u64,
    })?;
    check_tail(path, file, &parts)?;
    check_blocks(path, &header, &parts)?;
    check_seam_count(path, &header, &parts)?;
    Ok((header, parts))
}

fn check_name(path: &Path, header: &Header) -> Result<(), SegmentError> {
    let name = header.name();
    if SegmentName::parse(path) == Some(Some(name)) {
        return Ok(());
    }
    Err(SegmentError::Name {
        path: path.to_owned(),
        expected: name.to_string(),
    })
}

fn check_tail(path: &Path, file: &[u8], parts: &Parts<'_>) -> Result<(), SegmentError> {
    let tail = parts.tail;
    let tail_at = parts.footer_at + parts.footer.len();
    let bad = |at, name| Err(SegmentError::field(path, tail_at + at, name));
    if field(tail, AT_TAIL_MAGIC) != TAIL_MAGIC {
        let offset = (tail_at + AT_TAIL_MAGIC) as u64;
        return Err(SegmentError::TailMagic {
            path: path.to_owned(),
            offset,
        });
    }
    if field_u64(tail, AT_TAIL_LENGTH) != file.len() as u64 {
        return bad(AT_TAIL_LENGTH, "file length");
    }
    if field(tail, AT_TAIL_ZERO) != [0; 4] {
        return bad(AT_TAIL_ZERO, "reserved byte");
    }
    if field(tail, AT_TAIL_ZERO_END) != [0; 8] {
        return bad(AT_TAIL_ZERO_END, "reserved byte");
    }
    check_crc(
        path,
        Part::Footer,
        parts.footer_at as u64,
        field_u32(tail, AT_TAIL_CRC),
        parts.footer,
    )
}

fn check_blocks(path: &Path, header: &Header, parts: &Parts<'_>) -> Result<(), SegmentError> {
    let ends = parts.blocks.iter().map(BlockEnd::from_bytes);
    let Some(misfit) = first_misfit(&header.leaves(), ends) else {
        return Ok(());
    };
    let table_at = parts.footer_at + DIGEST_LEN * parts.roots.len();
    Err(SegmentError::field(
        path,
        table_at + BLOCK_LEN * misfit,
        "block",
    ))
}

/// The block table says how many nodes are kept.
fn check_seam_count(path: &Path, header: &Header, parts: &Parts<'_>) -> Result<(), SegmentError> {
    let starts = match header.content {
        Content::Whole => return Ok(()),
        Content::Pruned | Content::Roots => seams::starts(header, parts),
    };
    if starts.last() == Some(&parts.seams.len()) {
        return Ok(());
    }
    Err(SegmentError::field(
        path,
        AT_SEAM_COUNT,
        "number of seam nodes",
    ))
}

/// Compares a part with its checksum.
pub(super) fn check_crc(
    path: &Path,
    part: Part,
    offset: u64,
    stored: u32,
    bytes: &[u8],
) -> Result<(), SegmentError> {
    let computed = crc32c(bytes);
    if stored == computed {
        return Ok(());
    }
    Err(SegmentError::Checksum {
        path: path.to_owned(),
        part,
        offset,
        stored,
        computed,
    })
}

/// Bytes of the tail behind these twig roots and blocks.
pub(super) fn tail_bytes(footer_crc: u32, file_len: u64) -> [u8; TAIL_LEN] {
    let mut tail = [0; TAIL_LEN];
    put(&mut tail, AT_TAIL_CRC, footer_crc.to_le_bytes());
    put(&mut tail, AT_TAIL_LENGTH, file_len.to_le_bytes());
    put(&mut tail, AT_TAIL_MAGIC, TAIL_MAGIC);
    tail
}
