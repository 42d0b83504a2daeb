//! An entry segment, mapped.

use super::error::EntrySegmentError;
use super::layout::*;
use super::live::LiveTwig;
use crate::header::Fields;
use crate::identity::Identity;
use crate::io::{Disk, Mapped};
use crc32c::crc32c;
use qmtree_kernels::Hasher;
use qmtree_proofs::state::EntryId;
use qmtree_proofs::{
    Digest, LEAF_LEN, PAIR_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, TwigId, TxNum, level_tag,
};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A run of complete twigs of the state log in one immutable file.
///
/// A twig is verified against its checksums before it is first used. Cheap to share between
/// threads; stays readable after the file is unlinked.
pub struct EntrySegment {
    pub(super) path: PathBuf,
    map: Mapped,
    pub(super) header: Header,
    pub(super) identity: Identity,
    hasher: Hasher,
    /// Whether each twig's checksums were verified.
    verified: Vec<AtomicBool>,
}

/// Where the value of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueAt<'a> {
    /// Here.
    Here(&'a [u8]),
    /// With an earlier entry, whose value it was first.
    With(EntryId),
}

impl EntrySegment {
    /// Opens a segment of the database with this identity.
    ///
    /// Reads the header and the tables. The twigs are verified when they are first used.
    ///
    /// # Errors
    /// [`EntrySegmentError::Io`] if it cannot be mapped; otherwise what is wrong with the file.
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        identity: Identity,
    ) -> Result<Self, EntrySegmentError> {
        let map = disk.map(path).map_err(EntrySegmentError::io(path, "map"))?;
        // One that was just written is not in memory, and need not be for this.
        map.read_ahead(false);
        let header = Header::read(path, &map, identity)?;
        let (found, expected) = (map.len() as u64, header.file_len());
        if expected != Some(found) {
            return Err(EntrySegmentError::Length {
                path: path.to_owned(),
                expected: expected.unwrap_or(u64::MAX),
                found,
            });
        }
        if path
            .file_name()
            .is_none_or(|name| name != header.name().as_str())
        {
            return Err(EntrySegmentError::Name {
                path: path.to_owned(),
                expected: header.name(),
            });
        }
        // The file is so long, so this many fit.
        let twigs = usize::try_from(header.twig_count).unwrap_or(0);
        let verified = (0..twigs).map(|_| AtomicBool::new(false)).collect();
        let segment = Self {
            path: path.to_owned(),
            map,
            header,
            identity,
            hasher: Hasher::new(identity.profile),
            verified,
        };
        segment.check_tables()?;
        segment.map.read_ahead(true);
        Ok(segment)
    }

    /// True if the entries were dropped, and the roots of the twigs are all that is left.
    #[must_use]
    pub fn is_pruned(&self) -> bool {
        self.header.content == Content::Pruned
    }

    /// Of a segment that lacks entries: the first transaction after which the state is still known.
    #[must_use]
    pub fn earliest(&self) -> Option<TxNum> {
        let is_whole = self.header.content == Content::Whole;
        (!is_whole).then_some(TxNum(self.header.earliest))
    }

    /// True if an entry of these twigs is there.
    #[must_use]
    pub fn has(&self, id: EntryId) -> bool {
        match self.header.content {
            Content::Whole => true,
            Content::Pruned => false,
            Content::Live => {
                let twig = LiveTwig::read(self.cut_live(id.twig_id()));
                twig.is_some_and(|twig| twig.live().get(id.index_in_twig()))
            }
        }
    }

    /// Entries whose value is that of an earlier entry, each with that one, ascending.
    pub fn borrowed_values(&self) -> impl Iterator<Item = (EntryId, EntryId)> + '_ {
        let rows = self.parts().1.iter().map(read_value);
        let borrowed = rows.filter(|row| row.owner != row.entry);
        borrowed.map(|row| (EntryId(row.entry), EntryId(row.owner)))
    }

    /// Where the file is, or was.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The twigs of the segment.
    #[must_use]
    pub fn twigs(&self) -> Range<TwigId> {
        let first = self.header.first_twig;
        TwigId(first)..TwigId(first + self.header.twig_count)
    }

    /// The entries of the segment.
    #[must_use]
    pub fn entries(&self) -> Range<EntryId> {
        let Range { start, end } = self.twigs();
        EntryId(start.0 * TWIG_LEAVES)..EntryId(end.0 * TWIG_LEAVES)
    }

    /// The entries of a twig of this segment that are there, where they lie in the file.
    ///
    /// # Errors
    /// [`EntrySegmentError::Checksum`] if they are damaged; [`EntrySegmentError::Contents`] if the
    /// segment has no such twig.
    pub fn twig_entries(
        &self,
        twig: TwigId,
    ) -> Result<Vec<(EntryId, &[u8; LEAF_LEN])>, EntrySegmentError> {
        let id = |index: u64| EntryId(twig.0 * TWIG_LEAVES + index);
        match self.header.content {
            Content::Pruned => Ok(Vec::new()),
            Content::Live => {
                let entries = self.live_twig(twig)?.entries();
                Ok(entries.map(|(index, entry)| (id(index), entry)).collect())
            }
            Content::Whole => {
                let (entries, _) = self.twig(twig)?;
                let entries: &[[u8; LEAF_LEN]] = entries.as_chunks().0;
                Ok((0..).map(id).zip(entries).collect())
            }
        }
    }

    /// An entry of this segment.
    ///
    /// # Errors
    /// As [`twig_entries`](Self::twig_entries); [`EntrySegmentError::Pruned`] if it was dropped.
    pub fn entry(&self, id: EntryId) -> Result<[u8; LEAF_LEN], EntrySegmentError> {
        let entry = match self.header.content {
            Content::Live => self.live_twig(id.twig_id())?.entry(id.index_in_twig()),
            _ => {
                let (entries, _) = self.twig(id.twig_id())?;
                let index = usize::try_from(id.index_in_twig()).unwrap_or(usize::MAX);
                entries.as_chunks().0.get(index)
            }
        };
        entry
            .copied()
            .ok_or_else(|| self.dropped(id.twig_id(), "the place of an entry"))
    }

    /// A node over the entries, by its level (0 to 11) and its index in the whole level. Below
    /// level 4 it is derived from up to 16 entries.
    ///
    /// # Errors
    /// As [`twig_entries`](Self::twig_entries).
    pub fn node(&self, level: u32, index: u64) -> Result<Digest, EntrySegmentError> {
        let above = TWIG_LEVEL.checked_sub(level);
        let above = above.ok_or_else(|| self.contents("the level of a node"))?;
        if self.is_pruned() && above == 0 {
            return self.root_of_pruned(TwigId(index));
        }
        if self.header.content == Content::Live {
            let twig = TwigId(index >> above);
            let inside = index & ((1 << above) - 1);
            let node = self.live_twig(twig)?.node(&self.hasher, level, inside);
            return node.ok_or_else(|| self.dropped(twig, "the place of a node"));
        }
        let (entries, heap) = self.twig(TwigId(index >> above))?;
        let inside = usize::try_from(index & ((1 << above) - 1)).unwrap_or(usize::MAX);
        if level >= GROUP_LEVEL {
            let slot = (1usize << above) + inside;
            let node = heap.as_chunks().0.get(slot).copied();
            return node.ok_or_else(|| self.contents("the place of a node"));
        }
        let count = 1usize << level;
        let entries: &[[u8; LEAF_LEN]] = entries.as_chunks().0;
        let covered = entries.get(inside * count..(inside + 1) * count);
        Ok(hash_over(&self.hasher, covered.unwrap_or_default()))
    }

    /// Entries of keys that had been deleted, each with the tombstone before it, ascending.
    pub fn revived(&self) -> impl ExactSizeIterator<Item = (EntryId, EntryId)> + '_ {
        self.parts().0.iter().map(read_revived)
    }

    /// The tombstone before an entry of this segment, if it brought a deleted key back.
    #[must_use]
    pub fn tombstone_before(&self, id: EntryId) -> Option<EntryId> {
        let (revived, ..) = self.parts();
        let place = revived
            .binary_search_by_key(&id, |bytes| read_revived(bytes).0)
            .ok()?;
        revived.get(place).map(|bytes| read_revived(bytes).1)
    }

    /// The value of an entry of this segment whose word is a hash.
    ///
    /// # Errors
    /// [`EntrySegmentError::Checksum`] if it is damaged, [`EntrySegmentError::Contents`] if there
    /// is none.
    pub fn value(&self, id: EntryId) -> Result<ValueAt<'_>, EntrySegmentError> {
        let (_, table, values) = self.parts();
        let place = table.binary_search_by_key(&id.0, |bytes| read_value(bytes).entry);
        let record = place
            .ok()
            .and_then(|place| table.get(place))
            .map(read_value);
        let missing = || self.contents("the table of values");
        let record = record.ok_or_else(missing)?;
        if record.owner != record.entry {
            return Ok(ValueAt::With(EntryId(record.owner)));
        }
        let start = usize::try_from(record.offset).map_err(|_| missing())?;
        let len = usize::try_from(record.len).map_err(|_| missing())?;
        let bytes = values
            .get(start..)
            .and_then(|rest| rest.get(..len))
            .ok_or_else(missing)?;
        self.check_crc(|| format!("the value of entry {id}"), record.crc, bytes)?;
        Ok(ValueAt::Here(bytes))
    }

    /// Derives all nodes from the entries and compares them, and all checksums; changes nothing.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(&self) -> Result<(), EntrySegmentError> {
        self.check_tables()?;
        match self.header.content {
            Content::Pruned => return Ok(()),
            Content::Live => return self.check_live(),
            Content::Whole => {}
        }
        for twig in (self.twigs().start.0..self.twigs().end.0).map(TwigId) {
            let (entries, heap) = self.verify(twig)?;
            let entries: &[[u8; LEAF_LEN]] = entries.as_chunks().0;
            let heap: &[Digest] = heap.as_chunks().0;
            let mut nodes: Vec<Digest> = vec![[0; 32]; entries.len()];
            self.hasher.hash_leaves(entries, &mut nodes);
            for level in 1..=TWIG_LEVEL {
                nodes = parents(&self.hasher, level, &nodes);
                let first = 1usize << (TWIG_LEVEL - level);
                let stored = heap.get(first..2 * first).filter(|_| level >= GROUP_LEVEL);
                if stored.is_some_and(|stored| stored != nodes) {
                    return Err(self.contents("a node"));
                }
            }
        }
        self.check_values()
    }

    fn check_values(&self) -> Result<(), EntrySegmentError> {
        let (_, table, _) = self.parts();
        for bytes in table {
            self.value(EntryId(read_value(bytes).entry))?;
        }
        Ok(())
    }

    /// Derives what follows from the entries that are there, and compares.
    fn check_live(&self) -> Result<(), EntrySegmentError> {
        for twig in (self.twigs().start.0..self.twigs().end.0).map(TwigId) {
            let live = self.live_twig(twig)?;
            if !live.is_whole(twig.0) || !live.is_right(&self.hasher) {
                return Err(self.contents("a node"));
            }
        }
        self.check_values()
    }

    /// A twig of live entries, verified.
    fn live_twig(&self, twig: TwigId) -> Result<LiveTwig<'_>, EntrySegmentError> {
        let verified = self.verified_flag(twig)?;
        let read = LiveTwig::read(self.cut_live(twig));
        let live = read.ok_or_else(|| self.contents("the length of a twig"))?;
        if !verified.load(Ordering::Acquire) {
            if !live.is_whole(twig.0) {
                return Err(self.contents("the checksum of a twig"));
            }
            verified.store(true, Ordering::Release);
        }
        Ok(live)
    }

    /// The bytes of a twig of live entries; none if there is no such twig.
    fn cut_live(&self, twig: TwigId) -> &[u8] {
        let (ends, twigs) = self.live_parts();
        let place = twig.0.checked_sub(self.header.first_twig);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let end = |place: usize| {
            let end = ends.get(place).copied().map(u64::from_le_bytes);
            end.and_then(|end| usize::try_from(end).ok())
        };
        let cut = place.and_then(|place| {
            let start = match place.checked_sub(1) {
                Some(before) => end(before)?,
                None => 0,
            };
            twigs.get(start..end(place)?)
        });
        cut.unwrap_or_default()
    }

    /// Where the twigs of live entries end, and all of them.
    fn live_parts(&self) -> (&[[u8; END_LEN]], &[u8]) {
        let rest = self.map.get(HEADER_LEN..).unwrap_or_default();
        let ends = usize::try_from(self.header.twig_count).unwrap_or(0) * END_LEN;
        let (ends, rest) = rest.split_at_checked(ends).unwrap_or_default();
        let twigs = usize::try_from(self.header.live_bytes).unwrap_or(usize::MAX);
        (ends.as_chunks().0, rest.get(..twigs).unwrap_or_default())
    }

    /// What is not there: dropped, or never was.
    fn dropped(&self, twig: TwigId, what: &'static str) -> EntrySegmentError {
        match self.earliest() {
            Some(earliest) => EntrySegmentError::Pruned {
                path: self.path.clone(),
                twig,
                earliest,
            },
            None => self.contents(what),
        }
    }

    fn verified_flag(&self, twig: TwigId) -> Result<&AtomicBool, EntrySegmentError> {
        let place = twig.0.checked_sub(self.header.first_twig);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let verified = place.and_then(|place| self.verified.get(place));
        verified.ok_or_else(|| self.contents("the number of a twig"))
    }

    fn root_of_pruned(&self, twig: TwigId) -> Result<Digest, EntrySegmentError> {
        let roots: &[Digest] = self.body().as_chunks().0;
        let place = twig.0.checked_sub(self.header.first_twig);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let root = place
            .filter(|_| self.twigs().contains(&twig))
            .and_then(|place| roots.get(place));
        root.copied()
            .ok_or_else(|| self.contents("the number of a twig"))
    }

    /// Everything between header and tail.
    fn body(&self) -> &[u8] {
        let end = self.map.len().saturating_sub(TAIL_LEN);
        self.map.get(HEADER_LEN..end).unwrap_or_default()
    }

    /// Entries and heap of a twig, verified.
    fn twig(&self, twig: TwigId) -> Result<(&[u8], &[u8]), EntrySegmentError> {
        let verified = self.verified_flag(twig)?;
        if self.header.content != Content::Whole {
            return Err(self.dropped(twig, "the content of the segment"));
        }
        if verified.load(Ordering::Acquire) {
            return Ok(self.cut(twig));
        }
        let cut = self.verify(twig)?;
        verified.store(true, Ordering::Release);
        Ok(cut)
    }

    fn verify(&self, twig: TwigId) -> Result<(&[u8], &[u8]), EntrySegmentError> {
        let (entries, heap) = self.cut(twig);
        let (header, nodes) = heap.split_at_checked(32).unwrap_or_default();
        let mut fields = Fields(header);
        let (entries_crc, nodes_crc) = fields.u32().zip(fields.u32()).unwrap_or_default();
        self.check_crc(|| format!("entries of twig {twig}"), entries_crc, entries)?;
        self.check_crc(|| format!("nodes of twig {twig}"), nodes_crc, nodes)?;
        if header != twig_header(entries_crc, nodes_crc, twig.0) {
            return Err(self.contents("the header of a twig"));
        }
        Ok((entries, heap))
    }

    /// Entries and heap of a twig of this segment.
    fn cut(&self, twig: TwigId) -> (&[u8], &[u8]) {
        let place = twig.0.saturating_sub(self.header.first_twig);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let start = place.saturating_mul(TWIG_LEN).saturating_add(HEADER_LEN);
        let bytes = self.map.get(start..).and_then(|rest| rest.get(..TWIG_LEN));
        bytes
            .unwrap_or_default()
            .split_at_checked(ENTRIES_LEN)
            .unwrap_or_default()
    }

    /// The two tables and the values. The length was checked, and a map keeps it.
    fn parts(&self) -> (&[[u8; REVIVED_LEN]], &[[u8; VALUE_LEN]], &[u8]) {
        let len = |count: u64, size: usize| usize::try_from(count).unwrap_or(0) * size;
        if self.is_pruned() {
            return (&[], &[], &[]);
        }
        let twigs = match self.header.content {
            Content::Live => len(self.header.twig_count, END_LEN) + len(self.header.live_bytes, 1),
            _ => len(self.header.twig_count, TWIG_LEN),
        };
        let twigs = HEADER_LEN + twigs;
        let rest = self.map.get(twigs..).unwrap_or_default();
        let revived = len(self.header.revived, REVIVED_LEN);
        let (revived, rest) = rest.split_at_checked(revived).unwrap_or_default();
        let table = len(self.header.values, VALUE_LEN);
        let (table, rest) = rest.split_at_checked(table).unwrap_or_default();
        let values = rest.len().saturating_sub(TAIL_LEN);
        let values = rest.get(..values).unwrap_or_default();
        (revived.as_chunks().0, table.as_chunks().0, values)
    }

    fn check_tables(&self) -> Result<(), EntrySegmentError> {
        let (revived, table, _) = self.parts();
        let mut tables = [revived.as_flattened(), table.as_flattened()].concat();
        match self.header.content {
            Content::Whole => {}
            Content::Pruned => tables = self.body().to_vec(),
            Content::Live => {
                let (ends, _) = self.live_parts();
                tables = [ends.as_flattened(), &tables].concat();
            }
        }
        let tail = self.map.last_chunk::<TAIL_LEN>();
        let stored = tail.and_then(|tail| Fields(tail).u32()).unwrap_or_default();
        self.check_crc(|| "tables".to_owned(), stored, &tables)?;
        if tail != Some(&tail_bytes(stored, self.map.len() as u64)) {
            return Err(self.contents("the tail"));
        }
        let ours = |id: u64| self.entries().contains(&EntryId(id));
        let revived: Vec<_> = revived.iter().map(read_revived).collect();
        let fits = revived.iter().all(|(id, before)| ours(id.0) && before < id);
        if !fits || !revived.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(self.contents("the table of keys that came back"));
        }
        let values: Vec<_> = table.iter().map(read_value).collect();
        let fits = values
            .iter()
            .all(|value| ours(value.entry) && value.owner <= value.entry);
        if !fits || !values.is_sorted_by(|a, b| a.entry < b.entry) {
            return Err(self.contents("the table of values"));
        }
        Ok(())
    }

    fn check_crc(
        &self,
        part: impl FnOnce() -> String,
        stored: u32,
        bytes: &[u8],
    ) -> Result<(), EntrySegmentError> {
        let computed = crc32c(bytes);
        if stored == computed {
            return Ok(());
        }
        Err(EntrySegmentError::Checksum {
            path: self.path.clone(),
            part: part(),
            stored,
            computed,
        })
    }

    fn contents(&self, what: &'static str) -> EntrySegmentError {
        EntrySegmentError::Contents {
            path: self.path.clone(),
            what,
        }
    }
}

/// The root over a few entries, a power of two of them.
fn hash_over(hasher: &Hasher, entries: &[[u8; LEAF_LEN]]) -> Digest {
    let mut nodes = vec![[0; 32]; entries.len()];
    hasher.hash_leaves(entries, &mut nodes);
    let mut level = 1;
    while nodes.len() > 1 {
        nodes = parents(hasher, level, &nodes);
        level += 1;
    }
    nodes.first().copied().unwrap_or_default()
}

fn parents(hasher: &Hasher, level: u32, nodes: &[Digest]) -> Vec<Digest> {
    let pairs: &[[u8; PAIR_LEN]] = nodes.as_flattened().as_chunks().0;
    let mut parents = vec![[0; 32]; pairs.len()];
    hasher.hash_nodes(level_tag(level), pairs, &mut parents);
    parents
}

fn read_revived(bytes: &[u8; REVIVED_LEN]) -> (EntryId, EntryId) {
    let mut fields = Fields(bytes);
    let (entry, tombstone) = fields.u64().zip(fields.u64()).unwrap_or_default();
    (EntryId(entry), EntryId(tombstone))
}

/// A row of the table of values.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    entry: u64,
    owner: u64,
    offset: u64,
    len: u32,
    crc: u32,
}

fn read_value(bytes: &[u8; VALUE_LEN]) -> Row {
    let mut fields = Fields(bytes);
    let mut row = || {
        Some(Row {
            entry: fields.u64()?,
            owner: fields.u64()?,
            offset: fields.u64()?,
            len: fields.u32()?,
            crc: fields.u32()?,
        })
    };
    row().unwrap_or_default()
}

impl fmt::Debug for EntrySegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntrySegment")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
