//! What every store is asked to do.

use crate::measure::{self, Phase, Times};
use crate::workload::{BLOCK_WRITES, LOAD_WRITES, Size, Workload, Writes};
use crate::{Failure, nomt, qmtree, rocks};
use alloy_primitives::B256;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// A store with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Name {
    /// QMTree, Keccak, a sync for each block.
    Qmtree,
    /// QMTree, BLAKE3, a sync for each block.
    QmtreeBlake3,
    /// QMTree, Keccak, a root for every 5 writes, a sync for each block.
    QmtreeRoots,
    /// QMTree, Keccak, no sync.
    QmtreeBuffered,
    /// NOMT, BLAKE3; syncs each block.
    Nomt,
    /// RocksDB, its log synced for each block; commits to nothing.
    Rocksdb,
    /// RocksDB, its log not synced; commits to nothing.
    RocksdbBuffered,
}

impl Name {
    pub(crate) const ALL: &[Self] = &[
        Self::Qmtree,
        Self::QmtreeBlake3,
        Self::QmtreeRoots,
        Self::Nomt,
        Self::Rocksdb,
        Self::QmtreeBuffered,
        Self::RocksdbBuffered,
    ];

    /// As one types it.
    pub(crate) fn id(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Qmtree => "QMTree, Keccak, synced",
            Self::QmtreeBlake3 => "QMTree, BLAKE3, synced",
            Self::QmtreeRoots => "QMTree, a root per 5, synced",
            Self::QmtreeBuffered => "QMTree, Keccak, not synced",
            Self::Nomt => "NOMT, BLAKE3, synced",
            Self::Rocksdb => "RocksDB puts, synced",
            Self::RocksdbBuffered => "RocksDB puts, not synced",
        }
    }
}

/// A store that is open.
pub(crate) trait Store {
    /// A block in the form that the store takes, made outside the clock.
    type Block;

    fn prepare(&self, writes: &Writes) -> Self::Block;

    /// Applies a block; it is as durable then, and committed to, as the store promises.
    fn write(&mut self, block: Self::Block) -> Result<(), Failure>;

    /// Proves the values of keys, and verifies each proof. `None` if the store cannot.
    fn prove(&mut self, expected: &Writes) -> Result<Option<Proofs>, Failure>;

    /// Ends all work behind it.
    fn close(self) -> Result<(), Failure>;
}

/// Proofs of single keys, medians.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proofs {
    pub(crate) make_micros: f64,
    pub(crate) verify_micros: f64,
    pub(crate) mean_bytes: f64,
}

impl Proofs {
    pub(crate) fn new(make: Times, verify: Times, bytes: &[usize]) -> Self {
        Self {
            make_micros: make.median(),
            verify_micros: verify.median(),
            mean_bytes: bytes.iter().sum::<usize>() as f64 / bytes.len().max(1) as f64,
        }
    }
}

/// What came of a contender.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    pub(crate) name: Name,
    pub(crate) load_average: Option<f64>,
    pub(crate) load: Phase,
    pub(crate) updates: Vec<Phase>,
    pub(crate) proofs: Option<Proofs>,
    pub(crate) peak_memory_bytes: u64,
    /// After the load, and after everything, when the store is closed.
    pub(crate) loaded_disk_bytes: u64,
    pub(crate) disk_bytes: u64,
}

/// Runs one in a new folder.
pub(crate) fn run(name: Name, folder: &Path, size: Size) -> Result<Outcome, Failure> {
    match name {
        Name::Qmtree | Name::QmtreeBlake3 | Name::QmtreeRoots | Name::QmtreeBuffered => {
            compare(name, folder, size, qmtree::State::create(name, folder)?)
        }
        Name::Nomt => compare(name, folder, size, nomt::Trie::create(folder, size.keys)?),
        Name::Rocksdb => compare(name, folder, size, rocks::Puts::create(folder, true)?),
        Name::RocksdbBuffered => compare(name, folder, size, rocks::Puts::create(folder, false)?),
    }
}

fn compare<S: Store>(
    name: Name,
    folder: &Path,
    size: Size,
    mut store: S,
) -> Result<Outcome, Failure> {
    let load_average = measure::load_average();
    let (mut workload, mut values) = (Workload::new(size), BTreeMap::new());
    let blocks = workload.load();
    let load = write(&mut store, LOAD_WRITES, &blocks, &mut values)?;
    let loaded_disk_bytes = measure::disk_bytes(folder)?;
    let mut updates = Vec::new();
    for block_writes in BLOCK_WRITES {
        let blocks = workload.updates(block_writes);
        updates.push(write(&mut store, block_writes, &blocks, &mut values)?);
    }
    let expected: Vec<_> = workload
        .proofs()
        .into_iter()
        .filter_map(|key| Some((key, *values.get(&key)?)))
        .collect();
    drop(values);
    let proofs = store.prove(&expected)?;
    let peak_memory_bytes = measure::peak_memory()?;
    store.close()?;
    Ok(Outcome {
        name,
        load_average,
        load,
        updates,
        proofs,
        peak_memory_bytes,
        loaded_disk_bytes,
        disk_bytes: measure::disk_bytes(folder)?,
    })
}

fn write<S: Store>(
    store: &mut S,
    block_writes: u64,
    blocks: &[Writes],
    values: &mut BTreeMap<B256, B256>,
) -> Result<Phase, Failure> {
    let prepared: Vec<_> = blocks.iter().map(|block| store.prepare(block)).collect();
    let count = blocks.iter().map(|block| block.len() as u64).sum();
    let phase = measure::phase(block_writes, count, || {
        let mut prepared = prepared.into_iter();
        prepared.try_for_each(|block| store.write(block))
    })?;
    values.extend(blocks.iter().flatten().copied());
    Ok(phase)
}
