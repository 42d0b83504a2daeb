//! The youngest leaves, not sealed yet: complete twigs, then the active one, all in memory.
//!
//! A twig is made of 16 chunks of 128 leaves. Whatever is complete is immutable and shared with
//! the readers; a commit copies at most the one chunk that it fills further.

use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, PAYLOAD_LEN, TWIG_LEAVES, TWIG_LEVEL, TreeHasher, level_tag};
use qmtree_storage::{NO_TAG, Tag};
use std::sync::{Arc, Mutex, PoisonError};

/// log2 of the leaves in a chunk.
const CHUNK_LEVEL: u32 = 7;
/// Leaves in a chunk.
pub(crate) const CHUNK_LEAVES: usize = 1 << CHUNK_LEVEL;
/// Leaves in a twig, as a length.
pub(crate) const TWIG_LEN: usize = 1 << TWIG_LEVEL;

/// Leaves as they are appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaves<'a> {
    pub(crate) payloads: &'a [[u8; PAYLOAD_LEN]],
    /// One for each leaf, or none at all.
    pub(crate) tags: &'a [Tag],
    pub(crate) hashes: &'a [Digest],
}

impl Leaves<'_> {
    /// The first `len` leaves, or all if there are fewer, and the others.
    pub(crate) fn split_at(&self, len: usize) -> (Self, Self) {
        let len = len.min(self.hashes.len());
        let (payloads, later_payloads) = self.payloads.split_at(len);
        let (tags, later_tags) = self.tags.split_at(len.min(self.tags.len()));
        let (hashes, later_hashes) = self.hashes.split_at(len);
        let now = Self {
            payloads,
            tags,
            hashes,
        };
        let later = Self {
            payloads: later_payloads,
            tags: later_tags,
            hashes: later_hashes,
        };
        (now, later)
    }
}

/// The payloads of up to 128 leaves: three pages of memory, which a disk can write as they lie.
struct Payloads {
    bytes: Vec<u8>,
    /// Where the first page begins.
    from: usize,
    len: usize,
}

/// Bytes of a page.
const PAGE_LEN: usize = 4096;

const _: () = assert!(CHUNK_LEAVES * PAYLOAD_LEN == 3 * PAGE_LEN);

/// Up to 128 leaves and the complete nodes above them, levels 0 to 7.
#[derive(Clone, Debug)]
struct Chunk {
    payloads: Payloads,
    /// Shorter than the payloads where the leaves at the end have none.
    tags: Vec<Tag>,
    levels: [Vec<Digest>; CHUNK_LEVEL as usize + 1],
}

/// Up to 2048 leaves and the complete nodes above them.
#[derive(Clone, Debug, Default)]
pub(crate) struct TailTwig {
    chunks: Vec<Arc<Chunk>>,
    /// Complete nodes of levels 8 to 11.
    levels: [Vec<Digest>; (TWIG_LEVEL - CHUNK_LEVEL) as usize],
}

/// Memory of twigs that were sealed, for the chunks to come. Fresh memory would cost more than the
/// hashes that go into it: the system clears each page first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spare(Arc<Mutex<SpareChunks>>);

#[derive(Debug, Default)]
struct SpareChunks {
    /// Readers may still hold some.
    twigs: Vec<Arc<TailTwig>>,
    chunks: Vec<Arc<Chunk>>,
}

impl Spare {
    /// Takes in twigs that the log does not need any more, and lets go those it had before.
    pub(crate) fn retire(&self, twigs: Vec<Arc<TailTwig>>) {
        let spare = SpareChunks {
            twigs,
            chunks: Vec::new(),
        };
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let older = std::mem::replace(&mut *slot, spare);
        drop(slot);
        drop(older);
    }

    /// An empty chunk.
    fn chunk(&self) -> Arc<Chunk> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while slot.chunks.is_empty() {
            match slot.twigs.pop().map(Arc::try_unwrap) {
                Some(Ok(twig)) => slot.chunks = twig.chunks,
                // Whoever reads this one reads the others too: until he is done there is nothing.
                Some(Err(held)) => {
                    slot.twigs.push(held);
                    break;
                }
                None => break,
            }
            slot.chunks.retain_mut(|chunk| match Arc::get_mut(chunk) {
                Some(chunk) => {
                    chunk.truncate(0);
                    true
                }
                None => false,
            });
        }
        slot.chunks.pop().unwrap_or_else(|| Arc::new(Chunk::new()))
    }
}

impl Payloads {
    fn new() -> Self {
        let bytes = vec![0; 4 * PAGE_LEN];
        // Elsewhere than at a page they would only be copied once more.
        let from = bytes.as_ptr().align_offset(PAGE_LEN).min(PAGE_LEN);
        Self {
            bytes,
            from,
            len: 0,
        }
    }

    fn as_slice(&self) -> &[[u8; PAYLOAD_LEN]] {
        let range = self.from..self.from + self.len * PAYLOAD_LEN;
        let (payloads, _) = self.bytes.get(range).unwrap_or_default().as_chunks();
        payloads
    }

    /// Appends payloads, for all of which there is room.
    fn extend(&mut self, payloads: &[[u8; PAYLOAD_LEN]]) {
        let from = self.from + self.len * PAYLOAD_LEN;
        let room = self
            .bytes
            .get_mut(from..from + payloads.len() * PAYLOAD_LEN);
        room.expect("a chunk has room for 128 leaves")
            .copy_from_slice(payloads.as_flattened());
        self.len += payloads.len();
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl Clone for Payloads {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.extend(self.as_slice());
        copy
    }
}

impl std::fmt::Debug for Payloads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payloads({})", self.len)
    }
}

impl Chunk {
    fn new() -> Self {
        Self {
            payloads: Payloads::new(),
            tags: Vec::new(),
            levels: std::array::from_fn(|level| Vec::with_capacity(CHUNK_LEAVES >> level)),
        }
    }

    /// A copy with room to fill it further; `Clone` would drop the spare capacity.
    fn copied(&self) -> Self {
        let mut copy = Self::new();
        copy.payloads.extend(self.payloads.as_slice());
        copy.add_tags(0, &self.tags);
        for (to, from) in copy.levels.iter_mut().zip(&self.levels) {
            to.extend_from_slice(from);
        }
        copy
    }

    /// Gives the leaves from place `from` on these tags.
    fn add_tags(&mut self, from: usize, tags: &[Tag]) {
        if !tags.is_empty() {
            self.tags.reserve_exact(CHUNK_LEAVES - self.tags.len());
            self.tags.resize(from, NO_TAG);
            self.tags.extend_from_slice(tags);
        }
    }

    fn append(&mut self, hasher: &Hasher, leaves: Leaves<'_>) {
        let Leaves {
            payloads,
            tags,
            hashes,
        } = leaves;
        self.add_tags(self.payloads.len, tags);
        self.payloads.extend(payloads);
        let [leaves, ..] = &mut self.levels;
        leaves.extend_from_slice(hashes);
        for (place, level) in (1..self.levels.len()).zip(1..) {
            let (below, above) = self.levels.split_at_mut(place);
            let (Some(children), Some(nodes)) = (below.last(), above.first_mut()) else {
                return;
            };
            extend_level(hasher, level, children, nodes);
        }
    }

    fn truncate(&mut self, len: usize) {
        self.payloads.truncate(len);
        self.tags.truncate(len);
        for (nodes, level) in self.levels.iter_mut().zip(0..) {
            nodes.truncate(len >> level);
        }
    }

    fn root(&self) -> Option<&Digest> {
        self.levels.last().and_then(|root| root.first())
    }
}

/// Completes a level inside a twig from the one below it.
fn extend_level(hasher: &Hasher, level: u32, children: &[Digest], nodes: &mut Vec<Digest>) {
    let done = nodes.len();
    let new = children.get(2 * done..).unwrap_or_default();
    let (pairs, _) = new.as_flattened().as_chunks();
    nodes.resize(done + pairs.len(), [0; 32]);
    let nodes = nodes.get_mut(done..).unwrap_or_default();
    hasher.hash_nodes(level_tag(level), pairs, nodes);
}

impl TailTwig {
    /// Leaves in the twig.
    pub(crate) fn len(&self) -> usize {
        let last = self.chunks.last().map_or(0, |chunk| chunk.payloads.len);
        self.chunks.len().saturating_sub(1) * CHUNK_LEAVES + last
    }

    /// Appends leaves of which the twig has room for all.
    pub(crate) fn append(&mut self, hasher: &Hasher, mut leaves: Leaves<'_>, spare: &Spare) {
        while !leaves.hashes.is_empty() {
            let room = CHUNK_LEAVES - self.len() % CHUNK_LEAVES;
            let now;
            (now, leaves) = leaves.split_at(room);
            if room == CHUNK_LEAVES {
                self.chunks.push(spare.chunk());
            }
            let Some(last) = self.chunks.last_mut() else {
                return;
            };
            match Arc::get_mut(last) {
                Some(chunk) => chunk.append(hasher, now),
                None => {
                    let mut chunk = last.copied();
                    chunk.append(hasher, now);
                    *last = Arc::new(chunk);
                }
            }
        }
        self.extend_levels(hasher);
    }

    /// Completes levels 8 to 11 above the complete chunks.
    fn extend_levels(&mut self, hasher: &Hasher) {
        let done = self.levels.first().map_or(0, |nodes| 2 * nodes.len());
        let new = self.chunks.get(done..).unwrap_or_default();
        let mut roots: Vec<Digest> = vec![[0; 32]; done];
        roots.extend(new.iter().filter_map(|chunk| chunk.root()));
        for (place, level) in (0..self.levels.len()).zip(CHUNK_LEVEL + 1..) {
            let (below, above) = self.levels.split_at_mut(place);
            let children = below.last().unwrap_or(&roots);
            let Some(nodes) = above.first_mut() else {
                return;
            };
            extend_level(hasher, level, children, nodes);
        }
    }

    /// Keeps the first `len` leaves.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.chunks.truncate(len.div_ceil(CHUNK_LEAVES));
        for (nodes, level) in self.levels.iter_mut().zip(CHUNK_LEVEL + 1..) {
            nodes.truncate(len >> level);
        }
        let rest = len % CHUNK_LEAVES;
        if let Some(last) = self.chunks.last_mut().filter(|_| rest != 0) {
            let mut chunk = last.copied();
            chunk.truncate(rest);
            *last = Arc::new(chunk);
        }
    }

    /// A complete node at `level`, 0 to 11, by its index inside the twig.
    pub(crate) fn node(&self, level: u32, index: usize) -> Option<&Digest> {
        match level.checked_sub(CHUNK_LEVEL + 1) {
            Some(level) => self.levels.get(level as usize)?.get(index),
            None => {
                let per_chunk = CHUNK_LEAVES >> level;
                let chunk = self.chunks.get(index / per_chunk)?;
                chunk.levels.get(level as usize)?.get(index % per_chunk)
            }
        }
    }

    /// The payload of a leaf by its index inside the twig.
    pub(crate) fn payload(&self, index: usize) -> Option<&[u8; PAYLOAD_LEN]> {
        self.chunks
            .get(index / CHUNK_LEAVES)?
            .payloads
            .as_slice()
            .get(index % CHUNK_LEAVES)
    }

    /// The root, once the twig is complete.
    pub(crate) fn root(&self) -> Option<&Digest> {
        self.node(TWIG_LEVEL, 0)
    }

    /// The payloads in order, chunk by chunk.
    pub(crate) fn payload_pieces(&self) -> impl Iterator<Item = &[[u8; PAYLOAD_LEN]]> {
        self.chunks.iter().map(|chunk| chunk.payloads.as_slice())
    }

    /// The tag of a leaf by its index inside the twig.
    pub(crate) fn tag(&self, index: usize) -> Tag {
        let chunk = self.chunks.get(index / CHUNK_LEAVES);
        let tag = chunk.and_then(|chunk| chunk.tags.get(index % CHUNK_LEAVES));
        tag.copied().unwrap_or(NO_TAG)
    }

    /// The tags of each chunk, with the place of its first leaf inside the twig. Leaves behind the
    /// last tag of a chunk have none.
    pub(crate) fn tag_pieces(&self) -> impl DoubleEndedIterator<Item = (usize, &[Tag])> {
        let pieces = self.chunks.iter().enumerate();
        pieces.map(|(place, chunk)| (place * CHUNK_LEAVES, &*chunk.tags))
    }

    /// The tag of each leaf of a complete twig; `None` if no leaf has one.
    pub(crate) fn tags(&self) -> Option<Vec<Tag>> {
        let mut tags = Vec::new();
        for (place, piece) in self.tag_pieces() {
            if piece.iter().any(|tag| *tag != NO_TAG) {
                tags.resize(TWIG_LEN, NO_TAG);
                let slots = tags.iter_mut().skip(place);
                slots.zip(piece).for_each(|(slot, tag)| *slot = *tag);
            }
        }
        (!tags.is_empty()).then_some(tags)
    }

    /// All payloads and all leaf hashes, in order.
    pub(crate) fn leaves(&self) -> (Vec<[u8; PAYLOAD_LEN]>, Vec<Digest>) {
        let mut payloads = Vec::with_capacity(self.len());
        let mut hashes = Vec::with_capacity(self.len());
        for chunk in &self.chunks {
            payloads.extend_from_slice(chunk.payloads.as_slice());
            let [leaves, ..] = &chunk.levels;
            hashes.extend_from_slice(leaves);
        }
        (payloads, hashes)
    }
}

const _: () = assert!(TWIG_LEN as u64 == TWIG_LEAVES);

#[cfg(test)]
mod tests {
    use super::*;
    use qmtree_proofs::{LeafPayload, MemoryLog, NodeSource, Profile, TxNum};

    /// A twig full of other bytes, to be used again.
    fn used(hasher: &Hasher, payloads: &[[u8; PAYLOAD_LEN]], hashes: &[Digest]) -> Arc<TailTwig> {
        let mut twig = TailTwig::default();
        let leaves = Leaves {
            payloads,
            tags: &vec![[7; 8]; payloads.len()],
            hashes,
        };
        twig.append(hasher, leaves, &Spare::default());
        Arc::new(twig)
    }

    #[test]
    fn memory_is_used_again_unless_a_reader_holds_it() {
        let hasher = Hasher::new(Profile::Blake3);
        let (payloads, hashes) = ([[1; PAYLOAD_LEN]; TWIG_LEN], [[2; 32]; TWIG_LEN]);
        let at = |chunk: &Arc<Chunk>| Arc::as_ptr(chunk) as usize;
        let spare = Spare::default();
        let (free, held) = (
            used(&hasher, &payloads, &hashes),
            used(&hasher, &payloads, &hashes),
        );
        let mut expected: Vec<usize> = free.chunks.iter().map(at).collect();
        let kept = Arc::clone(&held);
        spare.retire(vec![held, free]);
        let mut found = Vec::new();
        for _ in 0..16 {
            let chunk = spare.chunk();
            assert!(chunk.payloads.as_slice().is_empty() && chunk.tags.is_empty());
            assert!(chunk.levels.iter().all(Vec::is_empty));
            found.push(chunk);
        }
        let mut places: Vec<usize> = found.iter().map(at).collect();
        expected.sort_unstable();
        places.sort_unstable();
        assert_eq!(places, expected);
        let other = spare.chunk();
        assert!(
            !expected.contains(&at(&other)) && !kept.chunks.iter().any(|c| at(c) == at(&other))
        );
        assert_eq!(kept.payload(2047), Some(&[1; PAYLOAD_LEN]));
    }

    #[test]
    fn nodes_equal_those_of_a_log_in_memory_whatever_the_steps() {
        for profile in Profile::ALL {
            let hasher = Hasher::new(profile);
            let mut log = MemoryLog::new(hasher);
            log.append(&vec![LeafPayload::default(); 2048]);
            let payloads = log.payloads(TxNum(0), TxNum(2048)).unwrap();
            let hashes: Vec<Digest> = (0..2048).map(|i| log.node(0, i).unwrap()).collect();
            for step in [1, 3, 100, 128, 129, 1000, 2048] {
                let mut twig = TailTwig::default();
                let spare = Spare::default();
                spare.retire(vec![used(&hasher, payloads, &hashes)]);
                let mut shared = Vec::new();
                for (payloads, hashes) in payloads.chunks(step).zip(hashes.chunks(step)) {
                    shared.push((twig.len(), twig.clone()));
                    let leaves = Leaves {
                        payloads,
                        tags: &[],
                        hashes,
                    };
                    twig.append(&hasher, leaves, &spare);
                }
                assert_eq!(twig.tags(), None);
                assert!(twig.root().is_some());
                shared.push((2048, twig.clone()));
                for cut in [2047, 1500, 128, 127, 1, 0] {
                    twig.truncate(cut);
                    shared.push((cut, twig.clone()));
                }
                for (len, twig) in shared.iter().rev().step_by(1 + shared.len() / 20) {
                    assert_eq!(twig.len(), *len);
                    for level in 0..=TWIG_LEVEL {
                        for index in 0..2048 >> level {
                            let expected = log.node(level, index).ok();
                            let complete = (index + 1) << level <= *len as u64;
                            let expected = expected.filter(|_| complete);
                            let found = twig.node(level, usize::try_from(index).unwrap()).copied();
                            assert_eq!(found, expected, "step {step} len {len} level {level}");
                        }
                    }
                }
            }
        }
    }
    #[test]
    fn tags_stay_with_their_leaves_whatever_the_steps() {
        let hasher = Hasher::new(Profile::Blake3);
        let spare = Spare::default();
        let tag = |leaf: usize| (leaf as u64 + 1).to_be_bytes();
        for step in [1, 3, 100, 128, 129, 1000, 2048] {
            let (mut twig, mut model) = (TailTwig::default(), Vec::new());
            let mut copies = Vec::new();
            for (turn, from) in (0..TWIG_LEN).step_by(step).enumerate() {
                let len = step.min(TWIG_LEN - from);
                // Every third piece has no tags at all.
                let tags: Vec<Tag> = match turn % 3 {
                    0 => Vec::new(),
                    _ => (from..from + len).map(tag).collect(),
                };
                let leaves = Leaves {
                    payloads: &vec![[0; 96]; len],
                    tags: &tags,
                    hashes: &vec![[0; 32]; len],
                };
                twig.append(&hasher, leaves, &spare);
                model.extend_from_slice(&tags);
                model.resize(from + len, NO_TAG);
                copies.push((twig.clone(), model.clone()));
            }
            for cut in [2047, 1500, 128, 127, 0] {
                twig.truncate(cut);
                model.truncate(cut);
                copies.push((twig.clone(), model.clone()));
            }
            for (twig, model) in copies.iter().step_by(1 + copies.len() / 20) {
                let found: Vec<Tag> = (0..twig.len()).map(|i| twig.tag(i)).collect();
                assert_eq!(found, *model, "step {step}");
                assert_eq!(twig.tag(twig.len()), NO_TAG);
                let mut padded = model.clone();
                padded.resize(TWIG_LEN, NO_TAG);
                let any = padded.iter().any(|tag| *tag != NO_TAG);
                assert_eq!(twig.tags(), any.then_some(padded), "step {step}");
            }
        }
    }
}
