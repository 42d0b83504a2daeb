//! Taking files from elsewhere: whatever is not what the manifest lists never gets its name.

use super::error::SnapshotError;
use super::manifest::ManifestEntry;
use crate::durable;
use crate::io::Disk;
use std::io::{self, Read};
use std::path::Path;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// Writes a file of a manifest into `folder` from whatever hands out its bytes, durably.
///
/// Reads at most one byte more than the manifest says, and compares length and hash before the
/// file gets its name.
///
/// # Errors
/// [`SnapshotError::Differs`] if the bytes are others; [`SnapshotError::Io`] as the disk or the
/// reader says.
pub fn receive_file(
    disk: &dyn Disk,
    folder: &Path,
    entry: &ManifestEntry,
    from: &mut dyn Read,
) -> Result<(), SnapshotError> {
    let path = folder.join(entry.name.to_string());
    let mut differs = None;
    let written = durable::create_sealed(disk, &path, |file| {
        let (mut hasher, mut len) = (blake3::Hasher::new(), 0_u64);
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = from.read(&mut buffer)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            len = len.saturating_add(read as u64);
            if bytes.is_empty() || len > entry.len_bytes {
                break;
            }
            hasher.update(bytes);
            file.append(bytes)?;
        }
        if len != entry.len_bytes {
            differs = Some("length");
        } else if *hasher.finalize().as_bytes() != entry.blake3 {
            differs = Some("content");
        }
        match differs {
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => Ok(()),
        }
    });
    if let Some(what) = differs {
        return Err(SnapshotError::Differs { path, what });
    }
    written.map_err(SnapshotError::io(&path, "write"))
}

/// True if `folder` has the file of a manifest, by its length and hash.
///
/// # Errors
/// [`SnapshotError::Io`] if it cannot be read; [`SnapshotError::Differs`] if another file has its
/// name.
pub fn has_file(
    disk: &dyn Disk,
    folder: &Path,
    entry: &ManifestEntry,
) -> Result<bool, SnapshotError> {
    let path = folder.join(entry.name.to_string());
    if !disk.exists(&path) {
        return Ok(false);
    }
    let map = disk.map(&path).map_err(SnapshotError::io(&path, "map"))?;
    let what = "content";
    if map.len() as u64 == entry.len_bytes && *blake3::hash(&map).as_bytes() == entry.blake3 {
        Ok(true)
    } else {
        Err(SnapshotError::Differs { path, what })
    }
}
