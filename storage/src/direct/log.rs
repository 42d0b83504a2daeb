//! A log that grows: long appends go past the page cache, short ones through it.

use super::{BLOCK_LEN, BUFFER_LEN, Buffer, open_direct};
use crate::io::{DiskFile, Syncer};
use rustix::fs::{Advice, FallocateFlags};
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread::JoinHandle;

/// Whole blocks that are worth a write of their own past the page cache. Below this, copying them
/// into the cache is quicker than waiting for the device.
const DIRECT_LEN: u64 = 32 << 10;
/// Bytes between two syncs, up to which they count as frequent.
const FREQUENT_LEN: u64 = 4 << 20;
/// Frequent syncs one after the other that make a file one that is synced often.
const FREQUENT_SYNCS: u32 = 4;
/// Bytes after which a file that is not is written back.
const WRITE_BACK_LEN: u64 = 4 << 20;
/// Bytes of zeros that are written ahead at a time: as many as the file has, within these bounds. A
/// shorter file gets none.
const MIN_RESERVE_LEN: u64 = 1 << 20;
const MAX_RESERVE_LEN: u64 = 16 << 20;
/// Room on the disk below which no zeros are kept: what else is written, segments above all, needs
/// it more.
const MIN_ROOM_LEN: u64 = 256 << 20;

const BLOCK: u64 = BLOCK_LEN as u64;

/// A file that is open for appending.
///
/// One that is synced seldom goes through the page cache, and a thread has it written back every few
/// megabytes, so that a sync does not find all of it to do.
///
/// One that is synced often has a thread that writes zeros ahead of its end. Appending over them
/// changes neither the length of the file nor where its blocks lie, so that a sync has half the
/// work. They are cut off by [`truncate`](DiskFile::truncate), or when the file is let go. And long
/// appends go past the page cache: since their blocks must reach the disk before the next sync
/// returns, it is quickest to send them there at once. A block is written either through the cache
/// or past it, never both: the first and the last of an append, which it shares with others,
/// through the cache, those between past it.
#[derive(Debug)]
pub(crate) struct LogFile {
    cached: File,
    /// `None` where the file system wants no such writes.
    direct: Option<File>,
    /// For syncs that others do, and for those behind the writer. An error is told to each opening of a
    /// file once, and nobody may miss it because another one heard it.
    to_sync_later: Option<File>,
    to_write_back: Option<File>,
    buffer: Option<Buffer>,
    /// Bytes that were appended.
    len: u64,
    len_at_sync: u64,
    /// Frequent syncs since the last that was not.
    frequent_syncs: u32,
    /// What was appended before is written back, or is being so by the thread.
    written_back: u64,
    writing_back: Option<JoinHandle<io::Result<()>>>,
    /// Where the zeros end that are there to be appended over; `len` or less if there are none.
    reserved: u64,
    /// Writes so many zeros from `reserved` on, where nothing is appended meanwhile.
    reserving: Option<(u64, JoinHandle<io::Result<()>>)>,
    /// False after the disk refused zeros.
    may_reserve: bool,
    /// [`MIN_ROOM_LEN`], but for tests.
    min_room: u64,
    /// True after an error: then nobody knows what the file holds, and it is left as it is.
    failed: bool,
}

impl LogFile {
    /// Makes a file that must not exist yet.
    pub(crate) fn create_new(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().create_new(true))
    }

    /// Opens an existing file at its end.
    pub(crate) fn open_append(path: &Path) -> io::Result<Self> {
        Self::open(path, &mut OpenOptions::new())
    }

    fn open(path: &Path, options: &mut OpenOptions) -> io::Result<Self> {
        let cached = options.write(true).open(path)?;
        let len = cached.metadata()?.len();
        // Whatever keeps it from being opened so, it can be written through the cache.
        let direct = open_direct(OpenOptions::new().write(true), path).ok();
        let open = || OpenOptions::new().write(true).open(path).ok();
        Ok(Self {
            cached,
            direct,
            to_sync_later: open(),
            to_write_back: open(),
            buffer: None,
            len,
            len_at_sync: len,
            frequent_syncs: 0,
            written_back: len,
            writing_back: None,
            reserved: len,
            reserving: None,
            may_reserve: true,
            min_room: MIN_ROOM_LEN,
            failed: false,
        })
    }

    fn append_pieces(&mut self, mut pieces: Pieces<'_>) -> io::Result<()> {
        let to = self.len + pieces.len();
        self.make_room(to);
        let (first, last) = (self.len.next_multiple_of(BLOCK), to / BLOCK * BLOCK);
        if self.is_synced_often() && self.direct.is_some() && last >= first + DIRECT_LEN {
            self.write(&mut pieces, first, false)?;
            self.write(&mut pieces, last, true)?;
        }
        self.write(&mut pieces, to, false)?;
        if !self.is_synced_often() && self.len - self.written_back >= WRITE_BACK_LEN {
            self.write_back();
        }
        Ok(())
    }

    fn is_synced_often(&self) -> bool {
        let is_frequent = self.len - self.len_at_sync <= FREQUENT_LEN;
        is_frequent && self.frequent_syncs >= FREQUENT_SYNCS
    }

    /// Has a thread write back what was appended, unless one is still at it.
    fn write_back(&mut self) {
        if self
            .writing_back
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
        {
            return;
        }
        let Some(Ok(file)) = self.to_write_back.as_ref().map(File::try_clone) else {
            return;
        };
        let thread = std::thread::Builder::new().name("qmtree-write".to_owned());
        // The last block is appended to.
        let whole = self.len / BLOCK * BLOCK;
        // If it fails, the next sync says so too.
        self.writing_back = thread.spawn(move || write_back(&file, whole)).ok();
        self.written_back = self.len;
    }

    /// Appends as many bytes as the file lacks to `to`.
    fn write(&mut self, pieces: &mut Pieces<'_>, to: u64, direct: bool) -> io::Result<()> {
        while self.len < to {
            let left = usize::try_from(to - self.len).unwrap_or(usize::MAX);
            let buffer = self.buffer.get_or_insert_with(Buffer::new).bytes_mut();
            let (bytes, _) = buffer.split_at_mut(left.min(BUFFER_LEN));
            pieces.fill(bytes);
            match self.direct.as_ref().filter(|_| direct) {
                Some(file) => match file.write_all_at(bytes, self.len) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                        // A disk with larger blocks, or a write that was cut short.
                        self.direct = None;
                        self.cached.write_all_at(bytes, self.len)?;
                    }
                    written => written?,
                },
                None => self.cached.write_all_at(bytes, self.len)?,
            }
            self.len += bytes.len() as u64;
        }
        Ok(())
    }

    /// Waits where zeros are still being written before `to`.
    fn make_room(&mut self, to: u64) {
        let reserving = self.reserving.as_ref();
        if reserving.is_some_and(|(_, thread)| to > self.reserved || thread.is_finished()) {
            self.finish_reserving();
        }
    }

    /// Starts to write zeros, if there are few.
    fn reserve(&mut self) {
        let len = self.len.min(MAX_RESERVE_LEN) / BLOCK * BLOCK;
        let is_enough = self.reserved >= self.len + len / 2;
        if len < MIN_RESERVE_LEN || is_enough || !self.may_reserve || self.reserving.is_some() {
            return;
        }
        // Only past the page cache, which is busy enough.
        let Some(Ok(file)) = self.direct.as_ref().map(File::try_clone) else {
            return;
        };
        let from = self.reserved.max(self.len).next_multiple_of(BLOCK);
        let thread = std::thread::Builder::new().name("qmtree-reserve".to_owned());
        // Without the thread the log is as good, and slower to sync.
        if let Ok(thread) = thread.spawn(move || write_zeros(&file, from, len)) {
            self.reserved = from;
            self.reserving = Some((len, thread));
        }
    }

    fn finish_reserving(&mut self) {
        if let Some((len, thread)) = self.reserving.take() {
            match thread.join() {
                Ok(Ok(())) => self.reserved += len,
                // Where the disk is full, appending says so.
                _ => {
                    self.may_reserve = false;
                    self.cut_zeros();
                }
            }
        }
    }

    /// True if the disk has so much room that nothing misses what zeros take.
    fn has_room(&self) -> bool {
        let room = rustix::fs::fstatvfs(&self.cached);
        room.is_ok_and(|room| room.f_bavail.saturating_mul(room.f_frsize) >= self.min_room)
    }

    /// Cuts off what is there to be appended over, once no more of it is being written.
    fn cut_zeros(&mut self) {
        self.finish_reserving();
        // Zeros do no harm, so neither does it if they stay.
        if self.reserved > self.len && !self.failed && self.cached.set_len(self.len).is_ok() {
            self.reserved = self.len;
        }
    }

    /// Runs an operation, after whose failure the file is left as it is.
    fn attempt(&mut self, operation: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        operation(self).inspect_err(|_| self.failed = true)
    }
}

impl DiskFile for LogFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.append_parts(&[bytes])
    }

    fn append_parts(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.attempt(|file| file.append_pieces(Pieces(parts.to_vec())))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.attempt(|file| file.cached.sync_data())?;
        self.frequent_syncs = match self.len - self.len_at_sync {
            0 => self.frequent_syncs,
            1..=FREQUENT_LEN => self.frequent_syncs.saturating_add(1),
            _ => 0,
        };
        let has_zeros = self.reserved > self.len || self.reserving.is_some();
        if (has_zeros || self.is_synced_often()) && !self.has_room() {
            self.cut_zeros();
        } else if self.is_synced_often() {
            self.reserve();
        }
        (self.len_at_sync, self.written_back) = (self.len, self.len);
        Ok(())
    }

    fn syncer(&self) -> Option<Syncer> {
        let file = self.to_sync_later.as_ref()?.try_clone().ok()?;
        Some(Box::new(move || file.sync_data()))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.finish_reserving();
        self.attempt(|file| file.cached.set_len(len))?;
        self.len = len;
        self.len_at_sync = self.len_at_sync.min(len);
        self.written_back = self.written_back.min(len);
        self.reserved = len;
        Ok(())
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.cut_zeros();
    }
}

/// Syncs a file, and lets go of its pages up to `to`: nobody reads them soon, and the next ones are
/// written into the memory of these. New memory is dearer, and dearest where a hypervisor takes
/// back what is free.
fn write_back(file: &File, to: u64) -> io::Result<()> {
    file.sync_data()?;
    // A hint; where it is not taken, the pages stay.
    let _ = rustix::fs::fadvise(file, 0, NonZeroU64::new(to), Advice::DontNeed);
    Ok(())
}

fn write_zeros(file: &File, from: u64, len: u64) -> io::Result<()> {
    // Room first, so that no write has to make the file longer, which would keep the writer waiting.
    rustix::fs::fallocate(file, FallocateFlags::empty(), from, len)?;
    let buffer = Buffer::new();
    let (mut from, to) = (from, from + len);
    while from < to {
        let len = usize::try_from(to - from).map_or(BUFFER_LEN, |len| len.min(BUFFER_LEN));
        let (zeros, _) = buffer.bytes().split_at(len);
        file.write_all_at(zeros, from)?;
        from += len as u64;
    }
    Ok(())
}

/// Bytes to append, wherever they lie.
#[derive(Debug)]
struct Pieces<'a>(Vec<&'a [u8]>);

impl Pieces<'_> {
    fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Moves the next bytes to `to`, which is not longer than what is left.
    fn fill(&mut self, to: &mut [u8]) {
        let mut rest = to;
        for piece in &mut self.0 {
            let (now, later) = piece.split_at(piece.len().min(rest.len()));
            let (room, others) = rest.split_at_mut(now.len());
            room.copy_from_slice(now);
            (*piece, rest) = (later, others);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that differ from block to block, none of them zero.
    fn content(len: usize) -> Vec<u8> {
        let word = |i: usize| (i as u64 / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let byte = |i: usize| word(i).to_le_bytes()[i % 8] | 1;
        (0..len).map(byte).collect()
    }

    fn in_folder() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        (dir, path)
    }

    /// Checks that a file has these bytes, and then at most zeros; returns how many.
    fn zeros_behind(path: &Path, bytes: &[u8]) -> usize {
        let found = std::fs::read(path).unwrap();
        let (start, rest) = found.split_at(bytes.len());
        assert!(start == bytes && rest.iter().all(|byte| *byte == 0));
        rest.len()
    }

    #[test]
    fn a_log_has_what_was_appended_however_often_it_is_synced() {
        // Small pieces, long ones past the cache, ones longer than the buffer, and all of them in turn.
        let lens: [&[usize]; 4] = [
            &[226],
            &[96_226],
            &[3 << 20],
            &[1, 40_000, 4096, 0, 100_000, 226, 2 << 20],
        ];
        for (turn, lens) in lens.into_iter().enumerate() {
            for sync_every in [1, 3, usize::MAX] {
                let (_dir, path) = in_folder();
                let mut log = LogFile::create_new(&path).unwrap();
                let bytes = content(9 << 20);
                let (mut rest, mut len) = (&bytes[..], 0);
                for (number, piece) in lens.iter().cycle().enumerate().take(300) {
                    let Some((now, later)) = rest.split_at_checked(*piece) else {
                        break;
                    };
                    let (first, second) = now.split_at(now.len() / 3);
                    log.append_parts(&[first, b"", second]).unwrap();
                    (rest, len) = (later, len + piece);
                    if number % sync_every == 0 {
                        log.sync().unwrap();
                    }
                    if number % 50 == 0 {
                        zeros_behind(&path, &bytes[..len]);
                    }
                }
                drop(log);
                assert_eq!(zeros_behind(&path, &bytes[..len]), 0, "{turn} {sync_every}");
                let mut log = LogFile::open_append(&path).unwrap();
                log.append(b"more").unwrap();
                drop(log);
                let longer = [&bytes[..len], b"more"].concat();
                assert_eq!(zeros_behind(&path, &longer), 0, "{turn} {sync_every}");
            }
        }
    }

    #[test]
    fn zeros_are_written_ahead_of_a_log_that_is_synced_often_and_cut_off() {
        let (_dir, path) = in_folder();
        let mut log = LogFile::create_new(&path).unwrap();
        log.min_room = 0;
        let bytes = content(4 << 20);
        let (mut reserved, mut appended_over) = (0, false);
        for (number, piece) in bytes.chunks(100_000).enumerate() {
            log.append(piece).unwrap();
            log.sync().unwrap();
            let len = bytes.len().min((number + 1) * 100_000);
            let zeros = zeros_behind(&path, &bytes[..len]);
            appended_over |= reserved > zeros && zeros > 0;
            reserved = reserved.max(zeros);
            if number == 30 {
                // Whether zeros are just being written or not.
                log.truncate(len as u64).unwrap();
                assert_eq!(zeros_behind(&path, &bytes[..len]), 0);
            }
        }
        // Where the file system has no direct writes there are none.
        assert!(log.direct.is_none() || (reserved >= 1 << 20 && appended_over));
        drop(log);
        assert_eq!(zeros_behind(&path, &bytes), 0);
    }

    #[test]
    fn where_the_disk_gets_full_no_zeros_are_kept() {
        let (_dir, path) = in_folder();
        let mut log = LogFile::create_new(&path).unwrap();
        log.min_room = 0;
        let bytes = content(6 << 20);
        let (mut before, mut after) = (0, 0);
        for (number, piece) in bytes.chunks(100_000).enumerate() {
            log.append(piece).unwrap();
            let end = bytes.len().min((number + 1) * 100_000);
            match number {
                30 => {
                    log.finish_reserving();
                    before = zeros_behind(&path, &bytes[..end]);
                    log.min_room = u64::MAX;
                }
                // Whether zeros are just being written or not.
                40 => log.min_room = 0,
                41 => log.min_room = u64::MAX,
                _ => {}
            }
            log.sync().unwrap();
            if log.min_room > 0 {
                after += zeros_behind(&path, &bytes[..end]);
            }
        }
        assert!(log.direct.is_none() || before >= 1 << 20, "{before}");
        assert_eq!(after, 0);
        // Room that the disk refused is not kept either.
        log.reserved = log.len + 5 * BLOCK;
        log.cached.set_len(log.reserved).unwrap();
        log.reserving = Some((
            BLOCK,
            std::thread::spawn(|| Err(io::ErrorKind::StorageFull.into())),
        ));
        log.finish_reserving();
        assert_eq!(zeros_behind(&path, &bytes), 0);
        assert!(!log.may_reserve);
    }

    #[test]
    fn a_log_that_is_short_or_seldom_synced_has_no_zeros() {
        let (_dir, path) = in_folder();
        let mut log = LogFile::create_new(&path).unwrap();
        let bytes = content(6 << 20);
        for (number, piece) in bytes.chunks(10_000).enumerate() {
            log.append(piece).unwrap();
            if number < 20 || number % 500 == 0 {
                log.sync().unwrap();
            }
            assert_eq!(
                (log.reserving.is_some(), log.reserved > log.len),
                (false, false)
            );
        }
        log.syncer().unwrap()().unwrap();
        drop(log);
        assert_eq!(zeros_behind(&path, &bytes), 0);
    }

    #[test]
    fn what_fails_leaves_the_file_as_it_is() {
        let (_dir, path) = in_folder();
        LogFile::create_new(&path)
            .unwrap()
            .append(&[7; 5000])
            .unwrap();
        let mut log = LogFile::open_append(&path).unwrap();
        log.cached = File::open(&path).unwrap();
        log.append(b"more").unwrap_err();
        log.reserved = 9000;
        drop(log);
        assert_eq!(std::fs::read(&path).unwrap(), [7; 5000]);
    }
}
