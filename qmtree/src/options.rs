//! How a database behaves; what its files mean is fixed by its header.

/// When a commit survives a power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Every commit is synced before it returns: nothing that was acknowledged is ever lost.
    Immediate,
    /// The journal is synced after every so many blocks; a power loss may take that many of the
    /// newest blocks, never one in the middle. A crash of the process alone loses nothing.
    Grouped {
        /// Blocks between two syncs, at least 1.
        blocks: u32,
    },
    /// Synced on sealing, on [`sync`](crate::Db::sync) and on close only; a power loss may take
    /// all blocks since. A crash of the process alone loses nothing.
    Buffered,
}

/// Where the index lies that finds leaves by the hash of their transaction
/// ([`View::tx_nums_of`](crate::View::tx_nums_of)).
///
/// The log holds all that is in it, so it may be deleted, and lookups work without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TxIndex {
    /// Nowhere: a lookup searches the log, 8 bytes a leaf.
    Off,
    /// In memory: 20 to 40 bytes a transaction, and built anew, behind everything else, whenever
    /// the database is opened.
    Memory,
    /// In the folder of the database, 19 bytes a transaction, where the crate is built with feature
    /// `rocksdb` and the disk is that of the operating system; else in memory.
    Disk,
}

impl TxIndex {
    /// True if the crate is built with feature `rocksdb`, so that [`Disk`](Self::Disk) is what it says.
    pub const HAS_DISK: bool = cfg!(feature = "rocksdb");
}

/// Options of an open database. None of them changes a root or a sealed file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// When a commit survives a power loss.
    pub durability: Durability,
    /// Blocks that can be unwound: leaves of younger blocks stay in memory and in the journal.
    /// With 0, each block copies what it changes of the state, as beside a [`Reader`](crate::Reader).
    pub unwind_window_blocks: u64,
    /// Twigs in a new segment; at least 1. One twig is 204 KiB on disk.
    pub segment_twigs: u64,
    /// Bytes after which the journal starts a new file.
    pub journal_file_len_bytes: u64,
    /// Hash nodes and write files on a second thread, beside the chain of leaves.
    pub parallel: bool,
    /// Where the index of transactions lies.
    pub tx_index: TxIndex,
}

impl Default for Options {
    /// A node that follows a chain: synced commits, 1024 blocks to unwind.
    fn default() -> Self {
        Self {
            durability: Durability::Immediate,
            unwind_window_blocks: 1024,
            segment_twigs: 64,
            journal_file_len_bytes: 64 << 20,
            parallel: true,
            tx_index: TxIndex::Disk,
        }
    }
}

impl Options {
    /// For loading history: nothing to unwind, synced when sealing only.
    #[must_use]
    pub fn bulk_load() -> Self {
        Self {
            durability: Durability::Buffered,
            unwind_window_blocks: 0,
            ..Self::default()
        }
    }

    /// Sets [`durability`](Self::durability).
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Sets [`unwind_window_blocks`](Self::unwind_window_blocks).
    #[must_use]
    pub fn with_unwind_window_blocks(self, unwind_window_blocks: u64) -> Self {
        Self {
            unwind_window_blocks,
            ..self
        }
    }

    /// Sets [`segment_twigs`](Self::segment_twigs); 0 counts as 1.
    #[must_use]
    pub fn with_segment_twigs(self, segment_twigs: u64) -> Self {
        Self {
            segment_twigs: segment_twigs.max(1),
            ..self
        }
    }

    /// Sets [`journal_file_len_bytes`](Self::journal_file_len_bytes).
    #[must_use]
    pub fn with_journal_file_len_bytes(self, journal_file_len_bytes: u64) -> Self {
        Self {
            journal_file_len_bytes,
            ..self
        }
    }

    /// Sets [`tx_index`](Self::tx_index).
    #[must_use]
    pub fn with_tx_index(self, tx_index: TxIndex) -> Self {
        Self { tx_index, ..self }
    }

    /// Sets [`parallel`](Self::parallel).
    #[must_use]
    pub fn with_parallel(self, parallel: bool) -> Self {
        Self { parallel, ..self }
    }
}
