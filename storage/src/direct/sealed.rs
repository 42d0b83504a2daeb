//! A file that is written once, from its start: a segment.

use super::{BLOCK_LEN, BUFFER_LEN, Buffer, open_direct};
use crate::io::DiskFile;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A new file, written from its start.
#[derive(Debug)]
pub(crate) struct SealedFile {
    path: PathBuf,
    file: File,
    /// False where the file system wants no such writes; then they go through the page cache.
    is_direct: bool,
    buffer: Buffer,
    /// Bytes of the buffer that are part of the file.
    filled: usize,
    /// Bytes of the file before those in the buffer; a multiple of a block.
    written: u64,
}

impl SealedFile {
    /// Makes a file that must not exist yet.
    pub(crate) fn create_new(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true);
        let (file, is_direct) = match open_direct(options, path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                // The name may be there: Linux makes the file before it looks at the flag.
                let options = options.create_new(false).create(true).truncate(true);
                (options.open(path)?, false)
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_path_buf(),
            file,
            is_direct,
            buffer: Buffer::new(),
            filled: 0,
            written: 0,
        })
    }

    /// Writes the first `len` bytes of the buffer, whole blocks, behind what is written.
    fn write(&mut self, len: usize) -> io::Result<()> {
        let bytes = self.buffer.bytes().get(..len).unwrap_or_default();
        match self.file.write_all_at(bytes, self.written) {
            Err(error) if self.is_direct && error.kind() == io::ErrorKind::InvalidInput => {
                // A disk with larger blocks, or a write that was cut short.
                (self.file, self.is_direct) = (self.reopen_cached()?, false);
                self.file.write_all_at(bytes, self.written)
            }
            written => written,
        }
    }

    fn reopen_cached(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(&self.path)
    }

    /// Writes what is in the buffer, and keeps there what is no whole block.
    fn flush(&mut self) -> io::Result<()> {
        let whole = self.filled / BLOCK_LEN * BLOCK_LEN;
        let rest = self.filled - whole;
        let padded = self.filled.next_multiple_of(BLOCK_LEN);
        let padding = self.buffer.bytes_mut().get_mut(self.filled..padded);
        padding.unwrap_or_default().fill(0);
        self.write(padded)?;
        self.buffer.bytes_mut().copy_within(whole..self.filled, 0);
        self.written += whole as u64;
        self.filled = rest;
        if rest > 0 {
            self.file.set_len(self.written + rest as u64)?;
        }
        Ok(())
    }
}

/// True if a disk can take these bytes as they lie.
fn is_aligned(bytes: &[u8]) -> bool {
    bytes.len().is_multiple_of(BLOCK_LEN) && bytes.as_ptr().addr().is_multiple_of(BLOCK_LEN)
}

impl DiskFile for SealedFile {
    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_LEN - self.filled));
            let end = self.filled + now.len();
            if let Some(room) = self.buffer.bytes_mut().get_mut(self.filled..end) {
                room.copy_from_slice(now);
            }
            (self.filled, bytes) = (end, later);
            if self.filled == BUFFER_LEN {
                self.write(BUFFER_LEN)?;
                self.written += BUFFER_LEN as u64;
                self.filled = 0;
            }
        }
        Ok(())
    }

    /// Whole blocks that lie at a block's address are written from there, together with what is in the
    /// buffer. All else is copied into it.
    fn append_parts(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let is_aligned = self.is_direct
            && self.filled.is_multiple_of(BLOCK_LEN)
            && parts.iter().all(|part| is_aligned(part));
        if !is_aligned {
            return parts.iter().try_for_each(|part| self.append(part));
        }
        let buffered = self.buffer.bytes().get(..self.filled).unwrap_or_default();
        let parts: Vec<&[u8]> = [&[buffered], parts].concat();
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        // Advancing by nothing drops leading empty parts, so that a write of 0 bytes is an error.
        IoSlice::advance_slices(&mut rest, 0);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.written))?;
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A disk with larger blocks, or a write that was cut short: from the start again.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    let file = self.reopen_cached()?;
                    let mut at = self.written;
                    for part in &parts {
                        file.write_all_at(part, at)?;
                        at += part.len() as u64;
                    }
                    (self.file, self.is_direct) = (file, false);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.written += len as u64;
        self.filled = 0;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.flush()?;
        self.file.set_len(len)?;
        // Through the page cache, which needs no aligned end of a read.
        let file = File::open(&self.path)?;
        let filled = usize::try_from(len % BLOCK_LEN as u64).map_err(io::Error::other)?;
        let rest = self.buffer.bytes_mut().get_mut(..filled);
        self.written = len - filled as u64;
        self.filled = filled;
        file.read_exact_at(rest.unwrap_or_default(), self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that differ from block to block.
    fn content(len: usize) -> Vec<u8> {
        let word = |i: usize| (i as u64 / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..len).map(|i| word(i).to_le_bytes()[i % 8]).collect()
    }

    #[test]
    fn a_file_has_what_was_appended_whatever_the_pieces_and_however_often_it_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let block = BLOCK_LEN;
        let lens = [
            0,
            1,
            block - 1,
            block,
            block + 1,
            BUFFER_LEN - 1,
            BUFFER_LEN,
            3 * BUFFER_LEN + 77,
        ];
        for (turn, len) in lens.into_iter().enumerate() {
            for (step, piece) in [100, block, 208_896, BUFFER_LEN, 5 * BUFFER_LEN]
                .into_iter()
                .enumerate()
            {
                let path = dir.path().join(format!("{turn}-{step}"));
                let bytes = content(len);
                let mut file = SealedFile::create_new(&path).unwrap();
                for (number, piece) in bytes.chunks(piece).enumerate() {
                    file.append(piece).unwrap();
                    if number % 100 == 99 {
                        file.sync().unwrap();
                    }
                }
                file.sync().unwrap();
                assert!(std::fs::read(&path).unwrap() == bytes, "{len} by {piece}");
                file.append(b"more").unwrap();
                file.sync().unwrap();
                drop(file);
                let longer = [&bytes[..], b"more"].concat();
                assert!(std::fs::read(&path).unwrap() == longer, "{len} by {piece}");
            }
        }
    }

    #[test]
    fn pages_are_written_from_where_they_lie_and_all_else_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = content(40 * BLOCK_LEN);
        let at = bytes.as_ptr().align_offset(BLOCK_LEN);
        for (turn, shift) in [0, 1, 512].into_iter().enumerate() {
            let path = dir.path().join(turn.to_string());
            let mut file = SealedFile::create_new(&path).unwrap();
            let pages = |from: usize, to: usize| {
                let start = at + shift;
                &bytes[start + from * BLOCK_LEN..start + to * BLOCK_LEN]
            };
            let mut expected = Vec::new();
            let lists: [&[&[u8]]; 6] = [
                &[pages(0, 1)],
                &[pages(3, 5), pages(1, 2)],
                &[b"not a page", &[0; 4086]],
                &[pages(7, 30), b"", pages(2, 3)],
                &[b"the end"],
                &[pages(1, 3)],
            ];
            for parts in lists {
                file.append_parts(parts).unwrap();
                expected.extend(parts.concat());
            }
            file.sync().unwrap();
            assert!(std::fs::read(&path).unwrap() == expected, "{shift}");
        }
    }

    #[test]
    fn a_file_is_cut_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        for (turn, cut) in [0, 1, BLOCK_LEN, 10_000, BUFFER_LEN + 5]
            .into_iter()
            .enumerate()
        {
            let path = dir.path().join(turn.to_string());
            let mut file = SealedFile::create_new(&path).unwrap();
            let bytes = content(2 * BUFFER_LEN);
            file.append(&bytes).unwrap();
            file.truncate(cut as u64).unwrap();
            file.append(b"end").unwrap();
            file.sync().unwrap();
            let expected = [&bytes[..cut], b"end"].concat();
            assert!(std::fs::read(&path).unwrap() == expected, "{cut}");
        }
    }

    #[test]
    fn a_name_that_is_taken_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        SealedFile::create_new(&path).unwrap();
        let taken = SealedFile::create_new(&path).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    }
}
