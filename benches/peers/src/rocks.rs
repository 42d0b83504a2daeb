//! Plain RocksDB: the same puts, and no commitment to anything.

use crate::Failure;
use crate::contender::{Proofs, Store};
use crate::workload::Writes;
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use std::path::Path;

pub(crate) struct Puts {
    db: DB,
    write: WriteOptions,
}

impl Puts {
    /// Default options, but for two background threads.
    pub(crate) fn create(folder: &Path, sync: bool) -> Result<Self, Failure> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.increase_parallelism(2);
        let mut write = WriteOptions::default();
        write.set_sync(sync);
        let db = DB::open(&options, folder)?;
        Ok(Self { db, write })
    }
}

impl Store for Puts {
    type Block = Writes;

    fn prepare(&self, writes: &Writes) -> Writes {
        writes.clone()
    }

    fn write(&mut self, block: Writes) -> Result<(), Failure> {
        let mut batch = WriteBatch::default();
        block.iter().for_each(|(key, value)| batch.put(key, value));
        Ok(self.db.write_opt(batch, &self.write)?)
    }

    fn prove(&mut self, _expected: &Writes) -> Result<Option<Proofs>, Failure> {
        Ok(None)
    }

    fn close(self) -> Result<(), Failure> {
        Ok(self.db.flush()?)
    }
}
