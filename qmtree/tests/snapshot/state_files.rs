//! A database with a state log, and what it exports.

use crate::support::{COPY, DB, OUT, identity, import_options, leaves, options, paths};
use alloy_primitives::{B256, keccak256};
use qmtree::proofs::state::Compaction;
use qmtree::proofs::{Head, Profile, TxNum};
use qmtree::snapshot::{ExportOptions, Exported, ImportOptions, StateExport};
use qmtree::{Block, Db, Error, StateBatch};
use qmtree_storage::Disk;
use qmtree_storage::sim::SimDisk;
use std::path::Path;
use std::sync::Arc;

/// Keys that are written again and again.
const KEYS: u64 = 700;

/// Numbers that a seed determines (SplitMix64).
#[derive(Clone, Copy)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

pub(crate) fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// Words, short values and none, each of the block's seed.
fn batch(rng: &mut Rng, tx_num: u64, writes: u64) -> StateBatch {
    let mut batch = StateBatch::new(TxNum(tx_num));
    for _ in 0..writes {
        let seed = rng.below(1 << 40);
        let value = match seed % 5 {
            0 => None,
            1 => Some(b"account".to_vec()),
            2 => Some(seed.to_be_bytes().repeat(1 + seed as usize % 9)),
            _ => Some(B256::left_padding_from(&seed.to_be_bytes()).to_vec()),
        };
        batch.writes.push((key(rng.below(KEYS)), value));
    }
    batch.sort();
    batch
}

/// Appends the block that its number determines.
pub(crate) fn append(db: &mut Db, number: u64, size: usize, writes: u64) -> Head {
    let mut rng = Rng(number);
    let first = db.head().leaf_count;
    let batches: Vec<_> = (first..first + size as u64)
        .filter(|tx_num| tx_num % 100 == 7)
        .map(|tx_num| batch(&mut rng, tx_num, writes))
        .collect();
    let leaves = leaves(number, size);
    db.append(&Block::new(number, &leaves).with_batches(&batches))
        .unwrap();
    db.head()
}

pub(crate) struct Case {
    pub(crate) sim: SimDisk,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) db: Db,
    pub(crate) next: u64,
}

impl Case {
    /// So many blocks of so many leaves, each hundredth of which writes.
    pub(crate) fn new(profile: Profile, blocks: u64, size: usize, writes: u64) -> Self {
        Self::compacting(profile, Compaction::OFF, blocks, size, writes)
    }

    pub(crate) fn compacting(
        profile: Profile,
        rule: Compaction,
        blocks: u64,
        size: usize,
        writes: u64,
    ) -> Self {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (dir, identity) = (Path::new(DB), identity(profile));
        let mut db =
            Db::create_compacting(Arc::clone(&disk), dir, identity, rule, options()).unwrap();
        for number in 0..blocks {
            append(&mut db, number, size, writes);
        }
        Self {
            sim,
            disk,
            db,
            next: blocks,
        }
    }

    pub(crate) fn export(&self, state: StateExport) -> Exported {
        let options = ExportOptions::default()
            .with_file_twigs(2)
            .with_state(state);
        self.db
            .export_snapshot_on(&*self.disk, Path::new(OUT), &options)
            .unwrap()
    }

    pub(crate) fn import(&self, exported: &Exported, options: ImportOptions) -> Result<Db, Error> {
        Db::import_snapshot_on(
            Arc::clone(&self.disk),
            Path::new(COPY),
            &paths(exported),
            &exported.head,
            options,
        )
    }

    pub(crate) fn imported(&self, exported: &Exported) -> Db {
        self.import(exported, import_options()).unwrap()
    }
}
