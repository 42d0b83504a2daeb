//! Mapping of sealed files: the only `unsafe` of this crate.
#![expect(
    unsafe_code,
    reason = "a map is sound only as long as nobody changes the file"
)]

use crate::io::{Mapped, MappedBytes};
use memmap2::Mmap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Maps a sealed file read-only.
pub(crate) fn map(path: &Path) -> io::Result<Mapped> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        // A pipe would wait for whoever writes into it. Where a system can open a folder, it says of
        // mapping it that there is no such device.
        let what = "not a regular file; move it away, and restore the file from a copy";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let file = File::open(path)?;
    if metadata.len() == 0 {
        // An empty map is an error on some systems, and there is nothing to map.
        return Ok(Mapped::from(Vec::new()));
    }
    // SAFETY: sealed files are never written, shortened or renamed over (`durable` makes them under
    // another name and only ever unlinks them), and the lock of the database keeps other writers
    // out. docs/FORMAT.md, section 5, tells operators the rest.
    let map = unsafe { Mmap::map(&file) }?;
    Ok(Mapped(Arc::new(map)))
}

impl MappedBytes for Mmap {
    fn read_ahead(&self, on: bool) {
        // Advice; without it everything works.
        #[cfg(unix)]
        drop(self.advise(match on {
            true => memmap2::Advice::Normal,
            false => memmap2::Advice::Random,
        }));
        #[cfg(not(unix))]
        let _ = on;
    }
}
