//! An index on disk: the only file that knows RocksDB.
//!
//! | column family | key | value |
//! |---|---|---|
//! | `meta` | `format` | magic `QMTINDEX`, version u32 |
//! | `meta` | `reached` | block number u64, leaf count u64, root (32 bytes); absent if none |
//! | `tx_tag` | first 5 bytes of a tag, then the number in as few big-endian bytes as it takes | nothing |
//!
//! Other integers are little-endian. RocksDB's own log is off: a batch goes to the memtables of both column
//! families in one write, and these are flushed together (`atomic_flush`), so that what is on disk is
//! always whole batches up to one of them.

use super::Index;
use super::batch::{IndexBatch, Reached};
use super::error::IndexError;
use crate::durable::create_folder;
use crate::header::{Fields, join};
use crate::io::Disk;
use crate::real_disk::RealDisk;
use crate::tag::Tag;
use alloy_primitives::B256;
use qmtree_proofs::TxNum;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB,
    DBCompressionType, ErrorKind, FlushOptions, LogLevel, Options, ReadOptions, SliceTransform,
    WriteBatch, WriteOptions,
};
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"QMTINDEX";

const META: &str = "meta";
const TX_TAG: &str = "tx_tag";
const FORMAT_KEY: &[u8] = b"format";
const REACHED_KEY: &[u8] = b"reached";
const FORMAT_LEN: usize = 8 + 4;
const REACHED_LEN: usize = 8 + 8 + 32;

/// Bytes of a tag in a key. The log tells apart what they do not: with 2^30 transactions that is one
/// wrong candidate in a thousand lookups. Each byte more would cost a byte per transaction.
const PREFIX_LEN: usize = 5;
const MAX_KEY_LEN: usize = PREFIX_LEN + 8;
/// Larger than every key.
const BEHIND_ALL_KEYS: [u8; MAX_KEY_LEN + 1] = [0xff; MAX_KEY_LEN + 1];
/// The file by which RocksDB knows a folder of its own.
const CURRENT_FILE: &str = "CURRENT";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const META_WRITE_BUFFER_BYTES: usize = MIB;
const WRITE_BUFFERS: u8 = 2;
const MAX_OPEN_FILES: u16 = 128;
const BITS_OF_FILTER_PER_KEY: f64 = 10.0;

/// How much memory an index on disk may take.
///
/// With the defaults about 70 MiB: the cache, and two buffers (one that fills, one that is written).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of the cache, which holds blocks, filters and indexes of files. Filters take 1.25 bytes
    /// per transaction; where they do not fit, lookups read them again from the disk.
    pub cache_bytes: usize,
    /// Bytes that are gathered in memory before they are written; at least 64 KiB.
    pub write_buffer_bytes: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * MIB,
            write_buffer_bytes: 16 * MIB,
        }
    }
}

/// An index in a folder of its own, which one process may have open at a time.
///
/// Takes 19 bytes per transaction on disk, and memory as [`RocksOptions`] says. Dropping it
/// flushes, but cannot say whether that went well: call [`flush`](Index::flush) first.
#[derive(Debug)]
pub struct RocksIndex {
    path: PathBuf,
    db: DB,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    reached: Option<Reached>,
    is_poisoned: bool,
}

impl RocksIndex {
    /// Opens the index in the folder `path`; makes an empty one where there is no folder or nothing
    /// in it.
    ///
    /// # Errors
    /// [`IndexError::Foreign`], [`IndexError::Version`] or [`IndexError::Damaged`] if the folder
    /// holds something else than a whole index of this version; [`IndexError::Store`] as RocksDB
    /// or the operating system say, also if it is open already.
    pub fn open(path: &Path, options: RocksOptions) -> Result<Self, IndexError> {
        let db_options = db_options();
        match find(path).map_err(|error| store(path, "read the folder", error))? {
            Found::Nothing => create(path, options)?,
            Found::Database => {}
            Found::SomethingElse => return Err(foreign(path)),
        }
        let found = DB::list_cf(&db_options, path).map_err(failed(path, "open the index"))?;
        let expected = ["default", META, TX_TAG];
        if BTreeSet::from_iter(found.iter().map(String::as_str)) != BTreeSet::from(expected) {
            return Err(foreign(path));
        }
        let db = open_database(path, &db_options, options)?;
        check_format(path, &db)?;
        let reached = read_reached(path, &db)?;
        Ok(Self {
            path: path.to_path_buf(),
            db,
            state: Mutex::new(State {
                reached,
                is_poisoned: false,
            }),
        })
    }

    /// Removes the index in the folder `path`, whole or damaged; it must not be open. Does nothing if
    /// there is none.
    ///
    /// # Errors
    /// [`IndexError::Foreign`] if the folder holds something else; [`IndexError::Store`] as the
    /// operating system says.
    pub fn remove(path: &Path) -> Result<(), IndexError> {
        let refused = |error| store(path, "remove the index", error);
        match find(path).map_err(refused)? {
            Found::Nothing => return Ok(()),
            Found::SomethingElse => return Err(foreign(path)),
            Found::Database => {}
        }
        // Of a damaged one nobody knows more than that RocksDB made it.
        if let Ok(found) = DB::list_cf(&db_options(), path)
            && !found.iter().any(|name| name == META)
        {
            return Err(foreign(path));
        }
        fs::remove_dir_all(path).map_err(refused)
    }

    // What it guards is changed after all that could panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_to_write(&self) -> Result<MutexGuard<'_, State>, IndexError> {
        let state = self.state();
        if state.is_poisoned {
            let path = self.path.clone();
            return Err(IndexError::Poisoned { path });
        }
        Ok(state)
    }

    /// Writes a batch that ends at `after`.
    fn write(
        &self,
        state: &mut State,
        mut batch: WriteBatch,
        after: Option<Reached>,
    ) -> Result<(), IndexError> {
        let meta = family(&self.db, META);
        match after {
            Some(reached) => batch.put_cf(meta, REACHED_KEY, reached_to_bytes(reached)),
            None => batch.delete_cf(meta, REACHED_KEY),
        }
        let written = self.db.write_opt(batch, &without_log());
        state.is_poisoned |= written.is_err();
        written.map_err(failed(&self.path, "write to the index"))?;
        state.reached = after;
        Ok(())
    }

    fn flush_held(&self, state: &mut State) -> Result<(), IndexError> {
        let flushed = flush(&self.db);
        state.is_poisoned |= flushed.is_err();
        flushed.map_err(failed(&self.path, "flush the index"))
    }

    fn tx_num(&self, key: &[u8]) -> Result<TxNum, IndexError> {
        tx_num_of_key(key).ok_or_else(|| {
            let source = format!("a key of {} bytes", key.len()).into();
            let path = self.path.clone();
            IndexError::Damaged { path, source }
        })
    }
}

/// The key of a transaction: sorts by the front of its tag.
fn key(tag: &Tag, tx_num: TxNum) -> ([u8; MAX_KEY_LEN], usize) {
    let number = tx_num.0.to_be_bytes();
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.iter().skip(zeros);
    let mut key = [0; MAX_KEY_LEN];
    let bytes = tag.iter().take(PREFIX_LEN).chain(digits);
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    (key, MAX_KEY_LEN - zeros)
}

/// `None` if no transaction has this key.
fn tx_num_of_key(key: &[u8]) -> Option<TxNum> {
    let digits = key.get(PREFIX_LEN..)?;
    let mut number = [0; 8];
    let from = number.len().checked_sub(digits.len())?;
    number.get_mut(from..)?.copy_from_slice(digits);
    // One key for each number.
    (digits.first() != Some(&0)).then_some(TxNum(u64::from_be_bytes(number)))
}

impl Index for RocksIndex {
    fn reached(&self) -> Option<Reached> {
        self.state().reached
    }

    fn candidates(&self, tag: &Tag) -> Result<Vec<TxNum>, IndexError> {
        let (prefix, _) = tag.split_at(PREFIX_LEN);
        let mut options = ReadOptions::default();
        options.set_prefix_same_as_start(true);
        let mut found = Vec::new();
        let mut cursor = self
            .db
            .raw_iterator_cf_opt(family(&self.db, TX_TAG), options);
        cursor.seek(prefix);
        while let Some(key) = cursor.key().filter(|key| key.starts_with(prefix)) {
            found.push(self.tx_num(key)?);
            cursor.next();
        }
        cursor
            .status()
            .map_err(failed(&self.path, "read the index"))?;
        found.sort_unstable();
        Ok(found)
    }

    fn apply(&self, batch: &IndexBatch) -> Result<(), IndexError> {
        let mut state = self.state_to_write()?;
        batch.check_follows(state.reached)?;
        let tx_tag = family(&self.db, TX_TAG);
        let mut keys: Vec<_> = batch.inserts.iter().map(|(tag, n)| key(tag, *n)).collect();
        // Neighbours go to the same place of the buffer.
        keys.sort_unstable();
        let mut writes = WriteBatch::default();
        for (key, len) in &keys {
            writes.put_cf(tx_tag, key.split_at(*len).0, b"");
        }
        self.write(&mut state, writes, batch.after)
    }

    fn flush(&self) -> Result<(), IndexError> {
        let mut state = self.state_to_write()?;
        self.flush_held(&mut state)
    }

    fn clear(&self) -> Result<(), IndexError> {
        let mut state = self.state_to_write()?;
        let tx_tag = family(&self.db, TX_TAG);
        let mut writes = WriteBatch::default();
        writes.delete_range_cf(tx_tag, &[][..], &BEHIND_ALL_KEYS[..]);
        self.write(&mut state, writes, None)?;
        self.flush_held(&mut state)?;
        // Gives the space back; what is forgotten is forgotten without it.
        self.db
            .compact_range_cf(tx_tag, None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }
}

enum Found {
    Nothing,
    Database,
    SomethingElse,
}

fn find(path: &Path) -> io::Result<Found> {
    if path.join(CURRENT_FILE).exists() {
        return Ok(Found::Database);
    }
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(match entries.next() {
            None => Found::Nothing,
            Some(_) => Found::SomethingElse,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Found::SomethingElse),
        Err(error) => Err(error),
    }
}

/// Makes an empty index under another name and renames it, so that it is there whole or not at all.
fn create(path: &Path, options: RocksOptions) -> Result<(), IndexError> {
    let refused = |error| store(path, "make the index", error);
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = temporary_of(path);
    create_folder(&RealDisk, parent).map_err(refused)?;
    or_absent(fs::remove_dir_all(&temporary)).map_err(refused)?;

    let mut db_options = db_options();
    db_options.create_if_missing(true);
    db_options.create_missing_column_families(true);
    let db = open_database(&temporary, &db_options, options)?;
    let format = join::<FORMAT_LEN>(&[MAGIC, &VERSION.to_le_bytes()]);
    let mut batch = WriteBatch::default();
    batch.put_cf(family(&db, META), FORMAT_KEY, format);
    db.write_opt(batch, &without_log())
        .and_then(|()| flush(&db))
        .map_err(failed(path, "make the index"))?;
    drop(db);

    // An empty folder may be there; one that is not empty is not removed by this.
    or_absent(fs::remove_dir(path))
        .and_then(|()| RealDisk.rename(&temporary, path))
        .and_then(|()| RealDisk.sync_dir(parent))
        .map_err(refused)
}

/// Not `tmp`: files of that name the engine unlinks itself, and this is a folder.
fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn or_absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn open_database(
    path: &Path,
    db_options: &Options,
    options: RocksOptions,
) -> Result<DB, IndexError> {
    let families = [
        ColumnFamilyDescriptor::new("default", meta_options()),
        ColumnFamilyDescriptor::new(META, meta_options()),
        ColumnFamilyDescriptor::new(TX_TAG, tx_tag_options(options)),
    ];
    DB::open_cf_descriptors(db_options, path, families).map_err(failed(path, "open the index"))
}

fn db_options() -> Options {
    let mut db = Options::default();
    db.set_atomic_flush(true);
    db.set_max_open_files(MAX_OPEN_FILES.into());
    db.set_max_background_jobs(2);
    db.set_bytes_per_sync(MIB as u64);
    // The journal of what RocksDB itself does, not of our data.
    db.set_log_level(LogLevel::Warn);
    db.set_max_log_file_size(MIB);
    db.set_keep_log_file_num(2);
    db.set_stats_dump_period_sec(0);
    db
}

fn meta_options() -> Options {
    let mut family = Options::default();
    family.set_write_buffer_size(META_WRITE_BUFFER_BYTES);
    family.set_max_write_buffer_number(WRITE_BUFFERS.into());
    family.set_compression_type(DBCompressionType::None);
    family
}

/// For lookups of single keys that lie anywhere, many of which are not there. Hashes do not compress.
fn tx_tag_options(options: RocksOptions) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(options.cache_bytes));
    blocks.set_bloom_filter(BITS_OF_FILTER_PER_KEY, false);
    // In the cache, so that it bounds them too, and in parts: the filter of a whole file is larger
    // than what a shard of the cache takes, and would be read anew for every lookup.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(4 * KIB);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_block_size(4 * KIB);
    blocks.set_block_restart_interval(64);
    blocks.set_whole_key_filtering(false);
    let mut family = Options::default();
    family.set_prefix_extractor(SliceTransform::create_fixed_prefix(PREFIX_LEN));
    family.set_block_based_table_factory(&blocks);
    family.set_write_buffer_size(options.write_buffer_bytes);
    family.set_max_write_buffer_number(WRITE_BUFFERS.into());
    family.set_compression_type(DBCompressionType::None);
    family
}

fn without_log() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn flush(db: &DB) -> Result<(), rocksdb::Error> {
    let families = [&family(db, META), &family(db, TX_TAG)];
    db.flush_cfs_opt(&families, &FlushOptions::default())
}

fn family<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name)
        .expect("the database was opened with this column family")
}

fn check_format(path: &Path, db: &DB) -> Result<(), IndexError> {
    let value = db
        .get_cf(family(db, META), FORMAT_KEY)
        .map_err(failed(path, "read the index"))?
        .unwrap_or_default();
    let mut fields = Fields(&value);
    let (magic, version) = (fields.bytes::<8>(), fields.u32());
    match (magic, version) {
        // Another version may have more behind it.
        (Some(MAGIC), Some(found)) if found != VERSION => Err(IndexError::Version {
            path: path.to_path_buf(),
            found,
            supported: VERSION,
        }),
        (Some(MAGIC), Some(_)) if value.len() == FORMAT_LEN => Ok(()),
        _ => Err(foreign(path)),
    }
}

fn read_reached(path: &Path, db: &DB) -> Result<Option<Reached>, IndexError> {
    let value = db
        .get_cf(family(db, META), REACHED_KEY)
        .map_err(failed(path, "read the index"))?;
    let damaged = || IndexError::Damaged {
        path: path.to_path_buf(),
        source: "the block that it has reached cannot be read".into(),
    };
    value
        .map(|value| reached_from_bytes(&value).ok_or_else(damaged))
        .transpose()
}

fn reached_to_bytes(reached: Reached) -> [u8; REACHED_LEN] {
    join(&[
        &reached.block_number.to_le_bytes(),
        &reached.leaf_count.to_le_bytes(),
        reached.root.as_slice(),
    ])
}

fn reached_from_bytes(bytes: &[u8]) -> Option<Reached> {
    let bytes: &[u8; REACHED_LEN] = bytes.try_into().ok()?;
    let mut fields = Fields(bytes);
    Some(Reached {
        block_number: fields.u64()?,
        leaf_count: fields.u64()?,
        root: B256::from(*fields.bytes::<32>()?),
    })
}

fn foreign(path: &Path) -> IndexError {
    let path = path.to_path_buf();
    IndexError::Foreign { path }
}

fn store(
    path: &Path,
    action: &'static str,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> IndexError {
    IndexError::Store {
        path: path.to_path_buf(),
        action,
        source: source.into(),
    }
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(rocksdb::Error) -> IndexError {
    move |error| match error.kind() {
        ErrorKind::Corruption => IndexError::Damaged {
            path: path.to_path_buf(),
            source: error.into(),
        },
        _ => store(path, action, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn folder_with_index() -> (TempDir, PathBuf) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("index");
        drop(RocksIndex::open(&path, RocksOptions::default()).unwrap());
        (dir, path)
    }

    fn error(path: &Path) -> IndexError {
        RocksIndex::open(path, RocksOptions::default()).unwrap_err()
    }

    /// Writes a value of `meta`, as only another release or damage would.
    fn put_meta(path: &Path, key: &[u8], value: &[u8]) {
        let options = RocksOptions::default();
        let db = open_database(path, &db_options(), options).unwrap();
        db.put_cf(family(&db, META), key, value).unwrap();
    }

    #[test]
    fn keys_are_as_short_as_their_numbers() {
        let tag = [1, 2, 3, 4, 5, 6, 7, 8];
        for (number, len) in [
            (0, 5),
            (1, 6),
            (255, 6),
            (256, 7),
            (1 << 32, 10),
            (u64::MAX, 13),
        ] {
            let (key, found) = key(&tag, TxNum(number));
            assert_eq!((&key[..PREFIX_LEN], found), (&tag[..PREFIX_LEN], len));
            assert_eq!(tx_num_of_key(&key[..len]), Some(TxNum(number)));
        }
        assert_eq!(tx_num_of_key(&tag[..4]), None);
        assert_eq!(tx_num_of_key(&[0; 14]), None);
    }

    #[test]
    fn a_position_is_48_bytes() {
        let reached = Reached {
            block_number: 1,
            leaf_count: 2,
            root: B256::repeat_byte(3),
        };
        let bytes = reached_to_bytes(reached);
        assert_eq!((bytes[0], bytes[8], bytes[16], bytes[47]), (1, 2, 3, 3));
        assert_eq!(reached_from_bytes(&bytes), Some(reached));
        assert_eq!(reached_from_bytes(&bytes[1..]), None);
    }

    #[test]
    fn a_newer_version_is_refused() {
        let (_dir, path) = folder_with_index();
        put_meta(&path, FORMAT_KEY, b"QMTINDEX\x02\0\0\0 and more");
        assert_eq!(
            error(&path).to_string(),
            format!(
                "{}: index version 2, this release reads 1; delete the folder; it is rebuilt",
                path.display()
            )
        );
    }

    #[test]
    fn a_database_without_our_mark_is_refused() {
        let (_dir, path) = folder_with_index();
        put_meta(&path, FORMAT_KEY, b"QMTINDEX\x01\0\0\0 and more");
        assert!(matches!(error(&path), IndexError::Foreign { .. }));
        put_meta(&path, FORMAT_KEY, b"");
        assert!(matches!(error(&path), IndexError::Foreign { .. }));
    }

    #[test]
    fn another_rocksdb_is_refused_and_not_changed() {
        let dir = TempDir::new().unwrap();
        let db = DB::open_default(dir.path()).unwrap();
        db.put(b"key", b"value").unwrap();
        drop(db);
        assert!(matches!(error(dir.path()), IndexError::Foreign { .. }));
        let db = DB::open_default(dir.path()).unwrap();
        assert_eq!(db.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    }

    #[test]
    fn a_position_that_cannot_be_read_is_damage() {
        let (_dir, path) = folder_with_index();
        put_meta(&path, REACHED_KEY, &[0; REACHED_LEN + 1]);
        assert!(matches!(error(&path), IndexError::Damaged { .. }));
    }

    #[test]
    fn a_number_that_is_no_number_is_damage() {
        let (_dir, path) = folder_with_index();
        let index = RocksIndex::open(&path, RocksOptions::default()).unwrap();
        let tx_tag = family(&index.db, TX_TAG);
        for (front, number) in [(1, &[0][..]), (2, &[0, 1]), (3, &[1; 9])] {
            let tag = [front; 8];
            let key = [&tag[..PREFIX_LEN], number].concat();
            index.db.put_cf(tx_tag, key, b"").unwrap();
            let error = index.candidates(&tag).unwrap_err();
            assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn what_a_crash_left_of_a_new_index_is_made_again() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("index");
        let temporary = temporary_of(&path);
        drop(DB::open_default(&temporary).unwrap());
        drop(RocksIndex::open(&path, RocksOptions::default()).unwrap());
        assert!(!temporary.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn after_a_failed_write_it_takes_no_more() {
        let (_dir, path) = folder_with_index();
        let index = RocksIndex::open(&path, RocksOptions::default()).unwrap();
        fs::remove_dir_all(&path).unwrap();
        let batch = IndexBatch {
            inserts: vec![([1; 8], TxNum(0))],
            ..IndexBatch::default()
        };
        index.apply(&batch).unwrap();
        assert!(matches!(index.flush(), Err(IndexError::Store { .. })));
        assert!(matches!(index.flush(), Err(IndexError::Poisoned { .. })));
        assert!(matches!(index.clear(), Err(IndexError::Poisoned { .. })));
        let refused = index.apply(&batch);
        assert!(matches!(refused, Err(IndexError::Poisoned { .. })));
    }
}
