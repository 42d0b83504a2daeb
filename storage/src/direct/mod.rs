//! Files that are written past the page cache.
//!
//! A page of the cache has to be found, cleared, filled, written back, and found again when its file
//! goes: for the megabytes of a segment that takes more time than to hash them. With `O_DIRECT` the
//! device takes the bytes from our memory, if file offset, address and length are multiples of a
//! block, so they go through a buffer that is aligned. What is read later comes through the page
//! cache as ever, and Linux keeps the two coherent.
//!
//! Where a file system refuses, the same bytes go through the page cache.

mod log;
mod sealed;

pub(crate) use log::LogFile;
pub(crate) use sealed::SealedFile;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// What offsets, addresses and lengths are multiples of: a page, and at least the logical block of
/// any disk we know.
const BLOCK_LEN: usize = 4096;
/// Bytes written at a time. Smaller pieces cost the device more, larger ones us more memory.
const BUFFER_LEN: usize = 1 << 20;

/// Opens a file whose writes go past the page cache.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_direct(options: &OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    options.clone().custom_flags(direct).open(path)
}

/// Other systems have no such flag, so all goes through the page cache.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_direct(_: &OpenOptions, _: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `BUFFER_LEN` bytes that begin at a multiple of `BLOCK_LEN`.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    from: usize,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        let bytes = vec![0; BUFFER_LEN + BLOCK_LEN];
        // The allocation never moves. Were the offset not known, writes would be refused, and go
        // through the page cache.
        let from = bytes.as_ptr().align_offset(BLOCK_LEN).min(BLOCK_LEN);
        Self { bytes, from }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let range = self.from..self.from + BUFFER_LEN;
        self.bytes.get(range).unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let range = self.from..self.from + BUFFER_LEN;
        self.bytes.get_mut(range).unwrap_or_default()
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer")
    }
}
