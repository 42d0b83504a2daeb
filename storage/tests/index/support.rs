//! A chain of blocks with forks, as batches, and what an index must then hold.

use alloy_primitives::{B256, keccak256};
use qmtree_proofs::TxNum;
use qmtree_storage::{Index, IndexBatch, IndexError, MemoryIndex, Reached};
#[cfg(feature = "rocksdb")]
use qmtree_storage::{RocksIndex, RocksOptions};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What an index must hold at a position.
pub(crate) type Entries = HashMap<B256, TxNum>;

struct Block {
    reached: Reached,
    tx_hashes: Vec<B256>,
}

/// The log that an index is fed from.
#[derive(Default)]
pub(crate) struct Log {
    blocks: Vec<Block>,
    /// Blocks there ever were: makes roots and hashes differ.
    count: u64,
    /// Transactions of the blocks unwound last, which the other fork takes in again.
    unwound: Vec<B256>,
    tx_hashes: HashSet<B256>,
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

    /// A block of `len` transactions, up to half of them from blocks that were unwound.
    pub(crate) fn block(&mut self, len: u64) -> IndexBatch {
        let before = self.reached();
        self.count += 1;
        let seed = |index: u64| [self.count.to_le_bytes(), index.to_le_bytes()].concat();
        let mut tx_hashes: Vec<B256> = self.unwound.drain(..).take(len as usize / 2).collect();
        let missing = len - tx_hashes.len() as u64;
        tx_hashes.extend((0..missing).map(|index| keccak256(seed(index))));

        let first_tx_num = self.leaf_count();
        let reached = Reached {
            block_number: 100 + self.blocks.len() as u64,
            leaf_count: first_tx_num + len,
            root: keccak256(self.count.to_le_bytes()),
        };
        let tx_nums = (first_tx_num..).map(TxNum);
        let inserts: Vec<_> = tx_hashes.iter().copied().zip(tx_nums).collect();
        let mut entries = self.entries[&before].clone();
        entries.extend(inserts.iter().copied());
        self.entries.insert(Some(reached), entries);
        self.tx_hashes.extend(&tx_hashes);
        self.blocks.push(Block { reached, tx_hashes });
        IndexBatch {
            before,
            after: Some(reached),
            inserts,
            ..IndexBatch::default()
        }
    }

    pub(crate) fn unwind(&mut self, blocks: usize) -> IndexBatch {
        let before = self.reached();
        let dropped = self
            .blocks
            .split_off(self.blocks.len().saturating_sub(blocks));
        let removals: Vec<B256> = dropped
            .into_iter()
            .flat_map(|block| block.tx_hashes)
            .collect();
        self.unwound.clone_from(&removals);
        IndexBatch {
            before,
            after: self.reached(),
            removals,
            ..IndexBatch::default()
        }
    }

    /// Checks that the index is at a position there was, and holds what belongs there.
    #[track_caller]
    pub(crate) fn check(&self, index: &dyn Index) -> Option<Reached> {
        let reached = index.reached();
        let entries = self.entries.get(&reached).expect("a position there was");
        let tx_hashes: Vec<B256> = self.tx_hashes.iter().copied().collect();
        let expected: Vec<_> = tx_hashes
            .iter()
            .map(|key| entries.get(key).copied())
            .collect();
        assert_eq!(index.get_many(&tx_hashes).unwrap(), expected);
        for (tx_hash, expected) in tx_hashes.iter().zip(expected).take(20) {
            assert_eq!(index.get(tx_hash).unwrap(), expected);
        }
        assert_eq!(index.get(&B256::repeat_byte(0xff)).unwrap(), None);
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
