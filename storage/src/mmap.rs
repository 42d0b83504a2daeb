//! Mapping of sealed files: the only `unsafe` of this crate.
#![expect(
    unsafe_code,
    reason = "a map is sound only as long as nobody changes the file"
)]

use crate::io::Mapped;
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Maps a sealed file read-only.
pub(crate) fn map(path: &Path) -> io::Result<Mapped> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        // An empty map is an error on some systems, and there is nothing to map.
        return Ok(Mapped::from(Vec::new()));
    }
    // SAFETY: sealed files are never written, shortened or renamed over (`durable` makes them under
    // another name and only ever unlinks them), and the lock of the database keeps other writers
    // out. docs/FORMAT.md, section 5, tells operators the rest.
    let map = unsafe { Mmap::map(&file) }?;
    Ok(Mapped(Arc::new(map)))
}
