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
    // Opening a pipe would wait for whoever writes into it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        // Where a system can open a folder, it says of mapping it that there is no such device.
        let what = "not a file; move it away, and restore the file from a copy";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
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
