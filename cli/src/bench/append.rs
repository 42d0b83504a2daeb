//! `qm bench append`: blocks a second, beside what the chain alone allows.

use super::leaves::Random;
use super::machine::{Machine, cpu_seconds};
use super::place::Place;
use super::samples::Samples;
use crate::arguments::{ProfileName, durability_name, parse_durability};
use crate::database::folder_len;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use alloy_primitives::B256;
use clap::Args;
use qmtree::{Block, Db, Durability, Options};
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, LeafPayload, PAYLOAD_LEN, Profile, TreeHasher};
use serde::Serialize;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

/// Rounds of a run: chain and engine take turns, a round each with the same leaves.
const ROUNDS: u64 = 4;

/// Append made-up blocks, and compare with the chain of leaf hashes alone
///
/// Each leaf holds the hash of the one before it, so no engine of this format can append faster
/// than one thread can hash that chain. The chain is measured in the same run on the same leaves:
/// both take turns, and the limit is the best round of the chain.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchAppend {
    /// Hash profile.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Leaves to append.
    #[arg(long, value_name = "N", default_value_t = 4_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    leaves: u64,
    /// Leaves of a block.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    block_leaves: u64,
    /// When a block survives a power loss: immediate, grouped:N (blocks) or buffered.
    #[arg(long, value_name = "MODE", default_value = "buffered", value_parser = parse_durability)]
    durability: Durability,
    /// Put the same leaves into RocksDB too, synced and not synced, a round each.
    #[cfg(feature = "rocksdb")]
    #[arg(long)]
    rocksdb: bool,
    /// Give each leaf the hash of a transaction, which segments and the index then hold.
    #[arg(long)]
    tx_hashes: bool,
    /// New folder for the database, which is kept; a temporary one if not given.
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    profile: Profile,
    durability: String,
    leaves: u64,
    block_leaves: u64,
    leaves_per_second: f64,
    chain_limit_leaves_per_second: f64,
    ratio_to_limit: f64,
    median_round_ratio: f64,
    rounds: usize,
    sealed_leaf_count: u64,
    /// `None` if nothing is sealed yet.
    bytes_per_leaf: Option<f64>,
    /// With the index, which holds unsealed leaves too; `None` likewise.
    bytes_per_leaf_with_index: Option<f64>,
    tx_hashes: bool,
    segment_bytes: u64,
    /// 0 where the index is in memory.
    index_bytes: u64,
    journal_bytes: u64,
    seconds: f64,
    close_millis: f64,
    cpu_seconds: Option<f64>,
    #[serde(flatten)]
    rocksdb: Option<RocksDb>,
    #[serde(flatten)]
    machine: Machine,
}

/// What RocksDB did with the same leaves in the same rounds; `--rocksdb` asks for it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RocksDb {
    rocksdb_synced_leaves_per_second: f64,
    rocksdb_unsynced_leaves_per_second: f64,
    /// Median over the rounds of our speed by RocksDB's.
    ratio_to_rocksdb_synced: f64,
    ratio_to_rocksdb_unsynced: f64,
}

/// What one round took.
#[derive(Debug)]
struct Round {
    leaves: f64,
    chain_seconds: f64,
    append_seconds: f64,
    cpu_seconds: Option<f64>,
    /// Synced, and not synced.
    rocksdb_seconds: Option<[f64; 2]>,
}

impl BenchAppend {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let machine = Machine::now();
        let place = Place::new(self.db.as_deref())?;
        let options = Options::default().with_durability(self.durability);
        let mut db = place.create(self.profile.profile(), options)?;
        let rounds = self.measure(&mut db, &place)?;
        let sealed = db.sealed_leaf_count();
        let start = Instant::now();
        db.close().map_err(place.failed())?;
        let close_millis = start.elapsed().as_secs_f64() * 1e3;

        let seconds: f64 = rounds.iter().map(|round| round.append_seconds).sum();
        let chain = rounds
            .iter()
            .map(|round| round.leaves / round.chain_seconds);
        let (rate, limit) = (self.leaves as f64 / seconds, chain.fold(0.0, f64::max));
        let ratios = rounds
            .iter()
            .map(|round| round.chain_seconds / round.append_seconds);
        let segment_bytes = folder_len(&place.path().join("segments"))?;
        let index_bytes = folder_len(&place.path().join("index"))?;
        self.print(&Report {
            profile: self.profile.profile(),
            durability: durability_name(self.durability),
            leaves: self.leaves,
            block_leaves: self.block_leaves,
            leaves_per_second: rate,
            chain_limit_leaves_per_second: limit,
            ratio_to_limit: rate / limit,
            median_round_ratio: Samples::new(ratios.collect()).median(),
            rounds: rounds.len(),
            sealed_leaf_count: sealed,
            bytes_per_leaf: (sealed > 0).then(|| segment_bytes as f64 / sealed as f64),
            bytes_per_leaf_with_index: (sealed > 0).then(|| {
                segment_bytes as f64 / sealed as f64 + index_bytes as f64 / self.leaves as f64
            }),
            tx_hashes: self.tx_hashes,
            segment_bytes,
            index_bytes,
            journal_bytes: folder_len(&place.path().join("journal"))?,
            seconds,
            close_millis,
            cpu_seconds: rounds.iter().map(|round| round.cpu_seconds).sum(),
            rocksdb: RocksDb::of(&rounds),
            machine,
        })
    }

    fn measure(&self, db: &mut Db, place: &Place) -> Result<Vec<Round>, CliError> {
        let progress = Progress::start(Task {
            name: "bench append",
            unit: Unit::Leaves,
            total: Some(self.leaves),
        });
        let mut random = Random::new();
        let mut chain = Chain::new(self.profile.profile());
        let mut yardstick = Yardsticks::create(self, place)?;
        let blocks = self.leaves.div_ceil(self.block_leaves).div_ceil(ROUNDS);
        let round_leaves = blocks.saturating_mul(self.block_leaves);
        let (mut rounds, mut done, mut number) = (Vec::new(), 0, 0);
        while done < self.leaves {
            let leaves = round_leaves.min(self.leaves - done);
            let blocks = random.blocks(leaves, self.block_leaves);
            let chain_seconds = chain.measure(&blocks);
            let tx_hashes: Vec<_> = blocks.iter().map(|block| self.hashes_of(block)).collect();
            let (start, cpu) = (Instant::now(), cpu_seconds());
            for (block, tx_hashes) in blocks.iter().zip(&tx_hashes) {
                let block = Block::new(number, block).with_tx_hashes(tx_hashes);
                db.append(&block).map_err(place.failed())?;
                number += 1;
            }
            // Unwinding to the newest block drops nothing, and waits until the segment that is
            // being written is done: the chain of the next round must not hide its cost.
            db.unwind_to(number - 1).map_err(place.failed())?;
            let append_seconds = start.elapsed().as_secs_f64();
            rounds.push(Round {
                leaves: leaves as f64,
                chain_seconds,
                append_seconds,
                cpu_seconds: cpu_seconds().zip(cpu).map(|(after, before)| after - before),
                rocksdb_seconds: yardstick.measure(&blocks)?,
            });
            done += leaves;
            progress.set(done);
        }
        Ok(rounds)
    }

    /// Leaves are made of random words, any of which serves as the hash of a transaction.
    fn hashes_of(&self, block: &[LeafPayload]) -> Vec<B256> {
        let wanted = block.iter().filter(|_| self.tx_hashes);
        wanted.map(|leaf| leaf.transition_hash).collect()
    }

    fn print(&self, report: &Report) -> Result<(), CliError> {
        if self.json {
            return json(report);
        }
        let Report {
            profile,
            durability,
            leaves,
            block_leaves,
            ..
        } = report;
        say(format_args!(
            "append {leaves} leaves in blocks of {block_leaves}: profile {profile}, durability {durability}"
        ))?;
        say(report.machine.text())?;
        say(format_args!(
            "ratio to limit   {:>7.3}   median of {} rounds {:.3}",
            report.ratio_to_limit, report.rounds, report.median_round_ratio
        ))?;
        say(format_args!(
            "leaves a second  {:>7.3} M  in {:.2} s, cpu {}, then {:.1} ms to close",
            report.leaves_per_second / 1e6,
            report.seconds,
            report
                .cpu_seconds
                .map_or("not known".to_owned(), |cpu| format!("{cpu:.2} s")),
            report.close_millis
        ))?;
        say(format_args!(
            "chain limit      {:>7.3} M  one thread, best round",
            report.chain_limit_leaves_per_second / 1e6
        ))?;
        if let Some(rocksdb) = report.rocksdb {
            say(format_args!(
                "rocksdb synced   {:>7.3} M   ratio to it {:.2}, median of rounds",
                rocksdb.rocksdb_synced_leaves_per_second / 1e6,
                rocksdb.ratio_to_rocksdb_synced
            ))?;
            say(format_args!(
                "rocksdb          {:>7.3} M   ratio to it {:.2}, median of rounds",
                rocksdb.rocksdb_unsynced_leaves_per_second / 1e6,
                rocksdb.ratio_to_rocksdb_unsynced
            ))?;
        }
        match report.bytes_per_leaf {
            Some(bytes) => say(format_args!(
                "bytes a leaf     {bytes:>7.1}   of {} sealed leaves",
                report.sealed_leaf_count
            ))?,
            None => say("bytes a leaf           -   nothing is sealed yet: append more leaves")?,
        }
        if let Some(bytes) = report.bytes_per_leaf_with_index.filter(|_| self.tx_hashes) {
            say(format_args!("with the index   {bytes:>7.1}"))?;
        }
        say(format_args!(
            "journal          {:>7.1} MiB",
            report.journal_bytes as f64 / f64::from(1 << 20)
        ))
    }
}

impl RocksDb {
    /// `None` if it was not measured.
    fn of(rounds: &[Round]) -> Option<Self> {
        let mut kinds = [Vec::new(), Vec::new()];
        let mut seconds = [0.0; 2];
        for round in rounds {
            for ((ratios, sum), took) in kinds
                .iter_mut()
                .zip(&mut seconds)
                .zip(round.rocksdb_seconds?)
            {
                ratios.push(took / round.append_seconds);
                *sum += took;
            }
        }
        let leaves: f64 = rounds.iter().map(|round| round.leaves).sum();
        let [synced, unsynced] = seconds.map(|seconds| leaves / seconds);
        let [to_synced, to_unsynced] = kinds.map(|ratios| Samples::new(ratios).median());
        Some(Self {
            rocksdb_synced_leaves_per_second: synced,
            rocksdb_unsynced_leaves_per_second: unsynced,
            ratio_to_rocksdb_synced: to_synced,
            ratio_to_rocksdb_unsynced: to_unsynced,
        })
    }
}

/// RocksDB, synced and not synced, if the build has it and it is asked for.
#[derive(Debug)]
struct Yardsticks {
    #[cfg(feature = "rocksdb")]
    of: Option<[super::rocksdb::Yardstick; 2]>,
}

#[cfg(feature = "rocksdb")]
impl Yardsticks {
    /// Beside the database, so that all write to the same disk.
    fn create(bench: &BenchAppend, place: &Place) -> Result<Self, CliError> {
        use super::rocksdb::Yardstick;
        let create = |name: &str, sync| Yardstick::create(&place.beside(name), sync);
        Ok(Self {
            of: match bench.rocksdb {
                true => Some([create("synced", true)?, create("unsynced", false)?]),
                false => None,
            },
        })
    }

    fn measure(&mut self, blocks: &[Vec<LeafPayload>]) -> Result<Option<[f64; 2]>, CliError> {
        match &mut self.of {
            Some([synced, unsynced]) => {
                Ok(Some([synced.measure(blocks)?, unsynced.measure(blocks)?]))
            }
            None => Ok(None),
        }
    }
}

#[cfg(not(feature = "rocksdb"))]
impl Yardsticks {
    fn create(_: &BenchAppend, _: &Place) -> Result<Self, CliError> {
        Ok(Self {})
    }

    fn measure(&mut self, _: &[Vec<LeafPayload>]) -> Result<Option<[f64; 2]>, CliError> {
        Ok(None)
    }
}

/// The chain of leaf hashes and nothing else.
struct Chain {
    hasher: Hasher,
    last: Digest,
    payloads: Vec<[u8; PAYLOAD_LEN]>,
    hashes: Vec<Digest>,
}

impl Chain {
    fn new(profile: Profile) -> Self {
        Self {
            hasher: Hasher::new(profile),
            last: [0; 32],
            payloads: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Seconds to chain the leaves, block by block.
    fn measure(&mut self, blocks: &[Vec<LeafPayload>]) -> f64 {
        let mut seconds = 0.0;
        for block in blocks {
            self.payloads.clear();
            self.payloads
                .extend(block.iter().map(LeafPayload::to_bytes));
            self.hashes.resize(block.len(), [0; 32]);
            let start = Instant::now();
            self.last = self
                .hasher
                .chain_leaves(self.last, &self.payloads, &mut self.hashes);
            seconds += start.elapsed().as_secs_f64();
            black_box(&self.hashes);
        }
        seconds
    }
}
