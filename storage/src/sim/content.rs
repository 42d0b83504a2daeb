//! The bytes of one file, as programs see them and as the platter has them.

use crate::sim::Fate;
use crate::sim::random::Random;

const SECTOR_LEN: usize = 512;
/// Syncs after which a disk may have written zeros behind a file's end.
const FREQUENT_SYNCS: u32 = 2;

/// Invariant: `kept` is at most the length of either, and up to it they are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    kept: usize,
    /// Syncs that had something to do, since the file was made, or cut for good.
    syncs: u32,
    is_cut: bool,
}

impl Content {
    /// A file with these bytes, all of them synced.
    pub(crate) fn durable(bytes: Vec<u8>) -> Self {
        Self {
            kept: bytes.len(),
            synced: bytes.clone(),
            now: bytes,
            syncs: 0,
            is_cut: false,
        }
    }

    pub(crate) fn now(&self) -> &[u8] {
        &self.now
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.now.extend_from_slice(bytes);
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.now.resize(len, 0);
        self.kept = self.kept.min(len);
        self.is_cut = true;
    }

    pub(crate) fn sync(&mut self) {
        self.syncs = match std::mem::take(&mut self.is_cut) {
            true => 0,
            false => self.syncs + u32::from(self.kept < self.now.len()),
        };
        self.synced.truncate(self.kept);
        self.synced
            .extend_from_slice(self.now.get(self.kept..).unwrap_or_default());
        self.kept = self.now.len();
    }

    /// What a power loss leaves of it.
    pub(crate) fn after_power_loss(&self, fate: Fate, random: &mut Random) -> Vec<u8> {
        match fate {
            Fate::Lost => self.synced.clone(),
            Fate::Kept => self.now.clone(),
            Fate::Torn => {
                let mut bytes = match random.coin() {
                    true => self.cut_short(random),
                    false => self.scrambled(random),
                };
                if self.syncs >= FREQUENT_SYNCS && random.coin() {
                    bytes.resize(bytes.len() + random.up_to(3 * SECTOR_LEN), 0);
                }
                bytes
            }
        }
    }

    /// All up to some byte.
    fn cut_short(&self, random: &mut Random) -> Vec<u8> {
        let len = self.kept + random.up_to(self.now.len() - self.kept);
        self.now.get(..len).unwrap_or_default().to_vec()
    }

    /// Any length, and behind the bytes that no unsynced write touched each sector new, old or zero.
    fn scrambled(&self, random: &mut Random) -> Vec<u8> {
        let longest = self.now.len().max(self.synced.len());
        let len = self.kept + random.up_to(longest - self.kept);
        let mut bytes = self.now.get(..self.kept).unwrap_or_default().to_vec();
        while bytes.len() < len {
            let from = bytes.len();
            let to = len.min((from / SECTOR_LEN + 1) * SECTOR_LEN);
            let source: &[u8] = match random.up_to(3) {
                0 => &[],
                1 => &self.synced,
                _ => &self.now,
            };
            let end = to.min(source.len());
            bytes.extend_from_slice(source.get(from..end).unwrap_or_default());
            bytes.resize(to, 0);
        }
        bytes
    }
}
