//! Making segments: whole from twigs, pruned from whole.

use super::blocks::{BlockEnd, first_misfit};
use super::error::{ContentsError, SegmentError};
use super::header::Header;
use super::layout::*;
use super::name::Content;
use super::open::{check_frame, tail_bytes};
use super::reader::Segment;
use super::sealable::SealableTwig;
use crate::durable;
use crate::identity::Identity;
use crate::io::{Disk, DiskFile};
use crate::tag::{NO_TAG, Tag};
use crc32c::{crc32c, crc32c_append};
use qmtree_proofs::{Digest, TWIG_LEVEL, TwigId};
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// Writes a segment of these twigs, and of the blocks that end within them, into `folder`. Returns
/// its path; the file is durable then.
///
/// `first_block` is the number of the first of `blocks`; it does not matter if there are none.
/// The hashes of the twigs are taken as they are. Streams: beside the twigs it holds 28 KB, 32
/// bytes a twig and 80 a block. After a crash the
/// segment is there whole or not at all, maybe with a temporary file that [`list`](super::list())
/// reports.
///
/// # Errors
/// [`SegmentError::Contents`] if the twigs or blocks do not make a segment,
/// [`SegmentError::Exists`] if it is there already, [`SegmentError::Io`] as the disk says.
pub fn write_segment(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
    twigs: &[impl SealableTwig],
    first_block: u64,
    blocks: &[BlockEnd],
) -> Result<PathBuf, SegmentError> {
    let header = header_of(identity, twigs, first_block, blocks)?;
    let footer = footer_of(twigs, blocks);
    create(disk, folder, &header, &footer, |file| {
        for twig in twigs {
            append_twig(file, twig, header.has_tags)?;
        }
        if header.has_tags {
            for twig in twigs {
                file.append(tags(twig).as_flattened())?;
            }
        }
        Ok(())
    })
}

/// Replaces a whole segment by its pruned form: twig roots, blocks, and the nodes along the seams
/// between blocks stay; leaves, their tags and all other nodes go. Returns the pruned segment;
/// `segment` stays readable as long as it is held.
///
/// The whole file is unlinked after the pruned one is durable and opens. A pruned segment is left
/// as it is.
///
/// # Errors
/// [`SegmentError::Exists`] if the pruned file is there already, [`SegmentError::Io`] as the disk
/// says; or what is wrong with the segment, in which case it is left as it is.
pub fn prune(disk: &dyn Disk, segment: &Segment) -> Result<Segment, SegmentError> {
    let path = segment.path();
    let identity = segment.header.identity;
    if segment.is_pruned() {
        return Segment::open(disk, path, identity);
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    // Again, so that no damage since the segment was opened gets a fresh checksum.
    let (header, parts) = check_frame(path, &segment.map, identity)?;
    let seams = segment.collect_seams(&parts)?;
    let header = Header {
        content: Content::Pruned,
        seam_count: seams.len() as u64,
        has_tags: false,
        ..header
    };
    let footer = [parts.footer, seams.as_flattened()].concat();
    let pruned = create(disk, folder, &header, &footer, |_| Ok(()))?;
    let pruned = Segment::open(disk, &pruned, identity)?;
    durable::remove(disk, path).map_err(SegmentError::io(path, "remove"))?;
    Ok(pruned)
}

/// Writes what a log starts from that has only the roots of its first twigs, twig 0 up; `end` is the
/// hash of their last leaf. Returns its path; the file is durable then.
///
/// # Errors
/// As [`write_segment`].
pub fn write_roots(
    disk: &dyn Disk,
    folder: &Path,
    identity: Identity,
    roots: &[Digest],
    end: Digest,
) -> Result<PathBuf, SegmentError> {
    if roots.is_empty() {
        return Err(ContentsError::NoTwigs.into());
    }
    let header = Header {
        identity,
        content: Content::Roots,
        has_tags: false,
        first_twig: TwigId(0),
        twig_count: roots.len() as u64,
        first_block: 0,
        block_count: 0,
        seam_count: 0,
        anchor: [0; 32],
        end,
    };
    create(disk, folder, &header, roots.as_flattened(), |_| Ok(()))
}

fn create(
    disk: &dyn Disk,
    folder: &Path,
    header: &Header,
    footer: &[u8],
    append_twigs: impl FnOnce(&mut dyn DiskFile) -> io::Result<()>,
) -> Result<PathBuf, SegmentError> {
    let path = folder.join(header.name().to_string());
    if disk.exists(&path) {
        return Err(SegmentError::Exists { path });
    }
    let file_len = header
        .file_len()
        .expect("the parts are in memory, so their length fits");
    durable::create_sealed(disk, &path, |file| {
        file.append(&header.to_bytes())?;
        append_twigs(file)?;
        file.append(footer)?;
        file.append(&tail_bytes(crc32c(footer), file_len))
    })
    .map_err(SegmentError::io(&path, "write"))?;
    Ok(path)
}

fn header_of(
    identity: Identity,
    twigs: &[impl SealableTwig],
    first_block: u64,
    blocks: &[BlockEnd],
) -> Result<Header, ContentsError> {
    let (Some(first), Some(last)) = (twigs.first(), twigs.last()) else {
        return Err(ContentsError::NoTwigs);
    };
    check_order(twigs)?;
    let header = Header {
        identity,
        content: Content::Whole,
        has_tags: twigs.iter().any(|twig| twig.tags().is_some()),
        first_twig: first.twig_id(),
        twig_count: twigs.len() as u64,
        first_block: if blocks.is_empty() { 0 } else { first_block },
        block_count: blocks.len() as u64,
        anchor: first.previous_leaf_hash(),
        end: node(last, 0, LEAVES - 1),
        seam_count: 0,
    };
    if first_block.checked_add(header.block_count).is_none() {
        return Err(ContentsError::Block {
            block_number: first_block,
        });
    }
    match first_misfit(&header.leaves(), blocks.iter().copied()) {
        None => Ok(header),
        Some(place) => Err(ContentsError::Block {
            block_number: first_block + place as u64,
        }),
    }
}

/// Twigs number on and link on.
fn check_order(twigs: &[impl SealableTwig]) -> Result<(), ContentsError> {
    let mut expected = twigs.first().map_or(TwigId(0), |twig| twig.twig_id());
    let mut link = (expected == TwigId(0)).then_some([0; 32]);
    for twig in twigs {
        let twig_id = twig.twig_id();
        let next = TwigId(expected.0.wrapping_add(1));
        if twig_id != expected || next.first_tx_num().is_none() {
            return Err(ContentsError::TwigOrder {
                expected,
                found: twig_id,
            });
        }
        if link.is_some_and(|link| link != twig.previous_leaf_hash()) {
            return Err(ContentsError::Unlinked { twig_id });
        }
        expected = next;
        link = Some(node(twig, 0, LEAVES - 1));
    }
    Ok(())
}

fn append_twig(
    file: &mut dyn DiskFile,
    twig: &impl SealableTwig,
    has_tags: bool,
) -> io::Result<()> {
    let payload: Vec<_> = twig.payload_pieces().map(<[_]>::as_flattened).collect();
    file.append_parts(&payload)?;
    let payload_crc = payload
        .iter()
        .fold(0, |crc, piece| crc32c_append(crc, piece));
    let (anchors, nodes) = (anchors(twig), stored_nodes(twig));
    let (anchors, nodes) = (anchors.as_flattened(), nodes.as_flattened());
    let mut header = [0; DIGEST_LEN];
    put(&mut header, AT_PAYLOAD_CRC, payload_crc.to_le_bytes());
    put(&mut header, AT_ANCHORS_CRC, crc32c(anchors).to_le_bytes());
    put(&mut header, AT_NODES_CRC, crc32c(nodes).to_le_bytes());
    if has_tags {
        let tags_crc = crc32c(tags(twig).as_flattened());
        put(&mut header, AT_TAGS_CRC, tags_crc.to_le_bytes());
    }
    put(&mut header, AT_TWIG_ID, twig.twig_id().0.to_le_bytes());
    file.append_parts(&[anchors, &header, nodes])
}

/// The tag of each leaf, as it lies in the file.
fn tags(twig: &impl SealableTwig) -> Cow<'_, [Tag]> {
    twig.tags().unwrap_or_else(|| vec![NO_TAG; LEAVES].into())
}

/// The hash of the leaf before each group of 16 leaves.
fn anchors(twig: &impl SealableTwig) -> Vec<Digest> {
    let last_of_groups = (GROUP_LEAVES..LEAVES)
        .step_by(GROUP_LEAVES)
        .map(|next| next - 1);
    let links = last_of_groups.map(|leaf| node(twig, 0, leaf));
    std::iter::once(twig.previous_leaf_hash())
        .chain(links)
        .collect()
}

/// The nodes of levels 11 to 4, heap order, root first.
fn stored_nodes(twig: &impl SealableTwig) -> Vec<Digest> {
    let levels = (GROUP_LEVEL..=TWIG_LEVEL).rev();
    levels
        .flat_map(|level| (0..LEAVES >> level).map(move |i| node(twig, level, i)))
        .collect()
}

fn node(twig: &impl SealableTwig, level: u32, index: usize) -> Digest {
    twig.node(level, index as u64)
        .expect("the twig is complete")
}

fn footer_of(twigs: &[impl SealableTwig], blocks: &[BlockEnd]) -> Vec<u8> {
    let mut footer = Vec::with_capacity(DIGEST_LEN * twigs.len() + BLOCK_LEN * blocks.len());
    footer.extend(twigs.iter().flat_map(|twig| node(twig, TWIG_LEVEL, 0)));
    footer.extend(blocks.iter().flat_map(|block| block.to_bytes()));
    footer
}
