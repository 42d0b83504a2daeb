//! A chain of blocks with forks, as batches, and what an index must then hold.

use alloy_primitives::keccak256;
use qmtree_proofs::TxNum;
use qmtree_storage::{Index, IndexBatch, IndexError, MemoryIndex, Reached, Tag, tag_of};
#[cfg(feature = "rocksdb")]
use qmtree_storage::{RocksIndex, RocksOptions};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What an index must hold at a position.
pub(crate) type Entries = HashSet<(Tag, TxNum)>;

struct Block {
    reached: Reached,
    tags: Vec<Tag>,
}

/// The log that an index is fed from.
#[derive(Default)]
pub(crate) struct Log {
    blocks: Vec<Block>,
    /// Blocks there ever were: makes roots and tags differ.
    count: u64,
    /// Transactions of the blocks unwound last, which the other fork takes in again.
    unwound: Vec<Tag>,
    /// All that there ever was.
    all: BTreeMap<Tag, BTreeSet<TxNum>>,
    entries: HashMap<Option<Reached>, Entries>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let mut log = Self::default();
        log.entries.insert(None, Entries::new());
        log
    }

    pub(crate) fn reached(&self) -> Option<Reached> {
        self.blocks.last().map(|block| block.reached)
    }

    fn leaf_count(&self) -> u64 {
        self.reached().map_or(0, |reached| reached.leaf_count)
    }

    /// A block of `len` transactions, up to half of them from blocks that were unwound. The last has
    /// the tag of the first, and the one before it a tag that begins like it.
    pub(crate) fn block(&mut self, len: u64) -> IndexBatch {
        let before = self.reached();
        self.count += 1;
        let seed = |index: u64| [self.count.to_le_bytes(), index.to_le_bytes()].concat();
        let mut tags: Vec<Tag> = self.unwound.drain(..).take(len as usize / 2).collect();
        let missing = len - tags.len() as u64;
        tags.extend((0..missing).map(|index| tag_of(&keccak256(seed(index)))));
        if let [first, .., like, last] = tags.as_mut_slice() {
            *last = *first;
            *like = *first;
            like[7] ^= 1;
        }

        let first_tx_num = self.leaf_count();
        let reached = Reached {
            block_number: 100 + self.blocks.len() as u64,
            leaf_count: first_tx_num + len,
            root: keccak256(self.count.to_le_bytes()),
        };
        let tx_nums = (first_tx_num..).map(TxNum);
        let inserts: Vec<_> = tags.iter().copied().zip(tx_nums).collect();
        let mut entries = self.entries[&before].clone();
        entries.extend(inserts.iter().copied());
        self.entries.insert(Some(reached), entries);
        for (tag, tx_num) in &inserts {
            self.all.entry(*tag).or_default().insert(*tx_num);
        }
        self.blocks.push(Block { reached, tags });
        IndexBatch {
            before,
            after: Some(reached),
            inserts,
        }
    }

    pub(crate) fn unwind(&mut self, blocks: usize) -> IndexBatch {
        let before = self.reached();
        let keep = self.blocks.len().saturating_sub(blocks);
        let dropped = self.blocks.split_off(keep);
        self.unwound = dropped.into_iter().flat_map(|block| block.tags).collect();
        IndexBatch {
            before,
            after: self.reached(),
            inserts: Vec::new(),
        }
    }

    /// Checks that the index is at a position there was, holds all that belongs there, and says
    /// nothing that nobody told it.
    #[track_caller]
    pub(crate) fn check(&self, index: &dyn Index) -> Option<Reached> {
        let reached = index.reached();
        let entries = self.entries.get(&reached).expect("a position there was");
        for (tag, ever) in &self.all {
            let candidates = index.candidates(tag).unwrap();
            assert!(candidates.is_sorted());
            let mine = ever.iter().filter(|n| entries.contains(&(*tag, **n)));
            for tx_num in mine {
                assert!(candidates.contains(tx_num), "{tag:?} {tx_num}");
            }
            let mut from = *tag;
            from[5..].fill(0);
            let mut to = *tag;
            to[5..].fill(0xff);
            let like: BTreeSet<_> = self.all.range(from..=to).flat_map(|(_, n)| n).collect();
            assert!(candidates.iter().all(|n| like.contains(n)), "{tag:?}");
        }
        assert_eq!(index.candidates(&[0xff; 8]).unwrap(), []);
        reached
    }
}

/// A kind of index under test.
pub(crate) trait Kind {
    type Index: Index;
    /// Whether what was flushed is found again.
    const IS_DURABLE: bool;

    fn open(path: &Path) -> Result<Self::Index, IndexError>;
}

pub(crate) struct Memory;

impl Kind for Memory {
    type Index = MemoryIndex;
    const IS_DURABLE: bool = false;

    fn open(_path: &Path) -> Result<MemoryIndex, IndexError> {
        Ok(MemoryIndex::new())
    }
}

#[cfg(feature = "rocksdb")]
pub(crate) struct Rocks;

/// With buffers so small that it writes before it is told to.
#[cfg(feature = "rocksdb")]
pub(crate) const SMALL: RocksOptions = RocksOptions {
    cache_bytes: 1 << 20,
    write_buffer_bytes: 64 << 10,
};

#[cfg(feature = "rocksdb")]
impl Kind for Rocks {
    type Index = RocksIndex;
    const IS_DURABLE: bool = true;

    fn open(path: &Path) -> Result<RocksIndex, IndexError> {
        RocksIndex::open(path, SMALL)
    }
}

/// An index in a folder that goes away with it.
pub(crate) struct Subject<K: Kind> {
    // Dropped in this order.
    index: Option<K::Index>,
    path: PathBuf,
    dir: TempDir,
}

impl<K: Kind> Subject<K> {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("0");
        let index = Some(K::open(&path).unwrap());
        Self { index, path, dir }
    }

    pub(crate) fn index(&self) -> &K::Index {
        self.index.as_ref().unwrap()
    }

    pub(crate) fn reopen(&mut self) {
        self.index = None;
        self.index = Some(K::open(&self.path).unwrap());
    }

    /// Goes on with what is on disk now, without what a process that ends in order would write.
    pub(crate) fn crash(&mut self) {
        let number: u32 = self
            .path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let copy = self.dir.path().join((number + 1).to_string());
        if K::IS_DURABLE {
            copy_folder(&self.path, &copy);
        }
        self.index = None;
        self.path = copy;
        self.index = Some(K::open(&self.path).unwrap());
    }
}

/// Copies a folder that threads of the index may be writing to: again, until it held still.
fn copy_folder(from: &Path, to: &Path) {
    let list = || {
        let entries = fs::read_dir(from).unwrap().map(Result::unwrap);
        let mut list: Vec<_> = entries
            .map(|entry| (entry.path(), entry.metadata().map_or(0, |data| data.len())))
            .collect();
        list.sort();
        list
    };
    for _ in 0..1000 {
        let before = list();
        fs::create_dir(to).unwrap();
        let is_whole = before
            .iter()
            .all(|(path, _)| fs::copy(path, to.join(path.file_name().unwrap())).is_ok());
        if is_whole && list() == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
    panic!("{}: never held still", from.display());
}
