//! The yardstick: the same leaves, put into RocksDB as they are.

use crate::error::CliError;
use alloy_primitives::B256;
use qmtree_proofs::LeafPayload;
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use std::path::Path;
use std::time::Instant;

/// A database with the number of a leaf as key, 8 bytes, and its three words as value, 96 bytes.
///
/// A block is one batch, written with the log of RocksDB on. All options are the defaults, except
/// for two background threads; nothing is hashed, linked, proved or indexed.
pub(super) struct Yardstick {
    db: DB,
    write: WriteOptions,
    next: u64,
}

impl std::fmt::Debug for Yardstick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Yardstick")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl Yardstick {
    /// Makes one in a new folder. With `sync` every batch is synced before the next.
    pub(super) fn create(folder: &Path, sync: bool) -> Result<Self, CliError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_error_if_exists(true);
        options.increase_parallelism(2);
        let mut write = WriteOptions::default();
        write.set_sync(sync);
        let db = DB::open(&options, folder).map_err(failed)?;
        Ok(Self { db, write, next: 0 })
    }

    /// Seconds to put the leaves, block by block. What is still in memory then is flushed when the
    /// clock stands, so that it does not weigh on what is measured next.
    pub(super) fn measure(&mut self, blocks: &[Vec<LeafPayload>]) -> Result<f64, CliError> {
        let start = Instant::now();
        for block in blocks {
            let mut batch = WriteBatch::default();
            for leaf in block {
                batch.put(self.next.to_be_bytes(), leaf.to_bytes());
                self.next += 1;
            }
            self.db.write_opt(batch, &self.write).map_err(failed)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        self.db.flush().map_err(failed)?;
        Ok(seconds)
    }
}

impl Yardstick {
    /// Seconds for each block of keys and values, each a batch. What was put is flushed then.
    pub(super) fn measure_puts(
        &mut self,
        blocks: impl IntoIterator<Item = Vec<(B256, B256)>>,
    ) -> Result<Vec<f64>, CliError> {
        let mut seconds = Vec::new();
        for block in blocks {
            let start = Instant::now();
            let mut batch = WriteBatch::default();
            for (key, value) in &block {
                batch.put(key, value);
            }
            self.db.write_opt(batch, &self.write).map_err(failed)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        self.db.flush().map_err(failed)?;
        Ok(seconds)
    }
}

fn failed(error: rocksdb::Error) -> CliError {
    CliError::RocksDb { source: error }
}
