//! `qm bench state`: updates, insertions and proofs of the state log.

use super::leaves::Random;
use super::machine::{Machine, cpu_seconds};
use super::place::Place;
use super::samples::Samples;
use crate::arguments::{ProfileName, durability_name, parse_durability};
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use alloy_primitives::{B256, keccak256};
use clap::Args;
use qmtree::{Block, Db, Durability, Options, StateBatch};
use qmtree_proofs::{Head, LeafPayload, Profile, TxNum};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Load keys, update and insert at random, then time proofs
///
/// Keys and values have 32 bytes. The load is a block for each million; then come blocks of updates of loaded
/// keys, and as many blocks of insertions, each committed with one leaf for each transaction. The
/// state root is computed after every transaction. Proofs are of loaded keys, now and at a
/// transaction half way back.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchState {
    /// Hash profile.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Keys to load first.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Blocks that can be unwound; older entries are sealed.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    window: u64,
    /// Blocks of updates, and of insertions.
    #[arg(long, value_name = "N", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,
    /// Writes of a block.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    block_writes: u64,
    /// Writes of a transaction, after which there is a state root; a whole block if not given.
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    tx_writes: Option<u64>,
    /// Proofs to make and verify.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    proofs: u64,
    /// When a block survives a power loss: immediate, grouped:N (blocks) or buffered.
    #[arg(long, value_name = "MODE", default_value = "buffered", value_parser = parse_durability)]
    durability: Durability,
    /// New folder for the database, which is kept; a temporary one if not given.
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
    /// Put the same keys into RocksDB as well, which commits to nothing.
    #[cfg(feature = "rocksdb")]
    #[arg(long)]
    rocksdb: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Keys of a block of the load.
const LOAD_KEYS: usize = 1_000_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    profile: Profile,
    durability: String,
    keys: u64,
    live_keys: u64,
    block_writes: u64,
    tx_writes: u64,
    load_keys_per_second: f64,
    updates: Phase,
    insertions: Phase,
    /// Puts of RocksDB in the place of the updates, without a sync; only where it was asked for.
    rocksdb_puts_per_second: Option<f64>,
    entry_count: u64,
    proof: Proofs,
    past_proof: Proofs,
    get_p50_micros: f64,
    open_millis: f64,
    /// Without the file of keys.
    open_derived_millis: f64,
    journal_bytes: u64,
    segment_bytes: u64,
    /// Of the whole process, after loading and after everything; `None` where it is not known.
    resident_bytes_loaded: Option<u64>,
    resident_bytes: Option<u64>,
    /// Of the index of keys alone, after everything.
    index_bytes: u64,
    #[serde(flatten)]
    machine: Machine,
}

impl Report {
    /// Bytes of memory for each million live keys, of what loading took.
    fn resident_per_million(&self) -> Option<f64> {
        let bytes = self.resident_bytes? as f64;
        Some(bytes / self.live_keys as f64 * 1e6)
    }
}

/// Blocks of one kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Phase {
    writes_per_second: f64,
    best_block_writes_per_second: f64,
    /// Processor time of the whole process for each write, beside the time that it took.
    cpu_micros_per_write: Option<f64>,
    block_p50_micros: f64,
    block_p99_micros: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Proofs {
    p50_micros: f64,
    p99_micros: f64,
    verify_p50_micros: f64,
    largest_bytes: usize,
}

impl BenchState {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let machine = Machine::now();
        let place = Place::new(self.db.as_deref())?;
        let options = Options::default()
            .with_durability(self.durability)
            .with_unwind_window_blocks(self.window);
        let mut db = place.create(self.profile.profile(), options.clone())?;
        let load_keys_per_second = self.load(&place, &mut db)?;
        let resident_bytes_loaded = resident_bytes();
        let mut random = Random::new();
        let updates = self.write(&place, &mut db, |_| random.below(self.keys))?;
        let insertions = self.write(&place, &mut db, |count| self.keys + count)?;
        let rocksdb_puts_per_second = self.put_into_rocksdb(&place)?;
        let (head, view) = (db.head(), db.view());
        let keys = (0..self.proofs).map(|_| key(random.below(self.keys)));
        let keys: Vec<_> = keys.collect();
        let past = TxNum(head.leaf_count / 2);
        let proof = prove(&place, &db, &head, &keys, None)?;
        let past_proof = prove(&place, &db, &head, &keys, Some(past))?;
        let (gets, _) = Samples::of(&keys, |key| view.get(key).map_err(place.failed()))?;
        let resident_bytes = resident_bytes();
        let (live_keys, _) = view.key_counts();
        let index_bytes = view.index_bytes();
        drop(view);
        db.close().map_err(place.failed())?;
        let open_millis = open(&place, &options)?;
        remove_keys(&place)?;
        let open_derived_millis = open(&place, &options)?;
        let size = |folder: &str| crate::database::folder_len(&place.path().join(folder));
        self.print(&Report {
            profile: self.profile.profile(),
            durability: durability_name(self.durability),
            keys: self.keys,
            live_keys,
            block_writes: self.block_writes,
            tx_writes: self.tx_writes(),
            load_keys_per_second,
            updates,
            insertions,
            rocksdb_puts_per_second,
            entry_count: head.entry_count,
            proof,
            past_proof,
            get_p50_micros: gets.median(),
            open_millis,
            open_derived_millis,
            journal_bytes: size("journal")?,
            segment_bytes: size("segments")?,
            resident_bytes_loaded,
            resident_bytes,
            index_bytes,
            machine,
        })
    }

    fn tx_writes(&self) -> u64 {
        self.tx_writes
            .unwrap_or(self.block_writes)
            .min(self.block_writes)
    }

    /// Keys a second of the first blocks, in the order of the keys.
    fn load(&self, place: &Place, db: &mut Db) -> Result<f64, CliError> {
        let mut keys: Vec<_> = (0..self.keys).map(key).collect();
        keys.sort_unstable();
        let mut seconds = 0.0;
        for (keys, number) in keys.chunks(LOAD_KEYS).zip(0u64..) {
            let mut batch = StateBatch::new(TxNum(number));
            let writes = keys.iter().map(|key| (*key, Some(key.to_vec())));
            batch.writes = writes.collect();
            let (leaves, batches) = ([LeafPayload::default()], [batch]);
            let block = Block::new(number, &leaves).with_batches(&batches);
            let start = Instant::now();
            db.append(&block).map_err(place.failed())?;
            seconds += start.elapsed().as_secs_f64();
        }
        Ok(self.keys as f64 / seconds)
    }

    /// Writes blocks of keys that `number` chooses, given how many were written before.
    fn write(
        &self,
        place: &Place,
        db: &mut Db,
        mut number: impl FnMut(u64) -> u64,
    ) -> Result<Phase, CliError> {
        let progress = Progress::start(Task {
            name: "bench state",
            unit: Unit::Blocks,
            total: Some(self.blocks),
        });
        let (mut seconds, mut cpu, mut written) = (Vec::new(), Some(0.0), 0);
        for block in 0..self.blocks {
            let first = db.head().leaf_count;
            let starts = (0..self.block_writes)
                .step_by(usize::try_from(self.tx_writes()).unwrap_or(usize::MAX));
            let mut batches = Vec::new();
            for (start, tx_num) in starts.zip(first..) {
                let mut batch = StateBatch::new(TxNum(tx_num));
                for _ in start..(start + self.tx_writes()).min(self.block_writes) {
                    let key = key(number(written));
                    written += 1;
                    batch
                        .writes
                        .push((key, Some(keccak256(written.to_be_bytes()).to_vec())));
                }
                batch.sort();
                batches.push(batch);
            }
            let leaves = vec![LeafPayload::default(); batches.len()];
            let next = db.head().block_number + 1;
            let (start, before) = (Instant::now(), cpu_seconds());
            let mut staged = db.begin_block(next).map_err(place.failed())?;
            staged.apply_all(&batches).map_err(place.failed())?;
            staged.commit(&leaves, &[]).map_err(place.failed())?;
            seconds.push(start.elapsed().as_secs_f64());
            let took = cpu_seconds()
                .zip(before)
                .map(|(after, before)| after - before);
            cpu = cpu.zip(took).map(|(sum, took)| sum + took);
            progress.set(block + 1);
        }
        let writes = (self.blocks * self.block_writes) as f64;
        let total: f64 = seconds.iter().sum();
        let micros = Samples::new(seconds.iter().map(|s| s * 1e6).collect());
        Ok(Phase {
            writes_per_second: writes / total,
            best_block_writes_per_second: self.block_writes as f64 / micros.percentile(0) * 1e6,
            cpu_micros_per_write: cpu.map(|cpu| cpu / writes * 1e6),
            block_p50_micros: micros.median(),
            block_p99_micros: micros.percentile(99),
        })
    }

    /// Loads the same keys into RocksDB, and puts as many random ones again as there were updates.
    #[cfg(feature = "rocksdb")]
    fn put_into_rocksdb(&self, place: &Place) -> Result<Option<f64>, CliError> {
        if !self.rocksdb {
            return Ok(None);
        }
        let folder = place.path().join("yardstick");
        let mut yardstick = super::rocksdb::Yardstick::create(&folder, false)?;
        let load = (0..self.keys).step_by(LOAD_KEYS).map(|first| {
            let keys = first..(first + LOAD_KEYS as u64).min(self.keys);
            keys.map(|number| (key(number), key(number)))
                .collect::<Vec<_>>()
        });
        yardstick.measure_puts(load)?;
        let mut random = Random::new();
        let updates = (0..self.blocks).map(|block| {
            let writes = (0..self.block_writes).map(|i| {
                let value = keccak256((block * self.block_writes + i).to_be_bytes());
                (key(random.below(self.keys)), value)
            });
            writes.collect::<Vec<_>>()
        });
        let seconds: f64 = yardstick.measure_puts(updates)?.iter().sum();
        drop(yardstick);
        std::fs::remove_dir_all(&folder).map_err(|source| CliError::Io {
            path: folder,
            action: "remove",
            source,
        })?;
        Ok(Some((self.blocks * self.block_writes) as f64 / seconds))
    }

    #[cfg(not(feature = "rocksdb"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "as with the feature"
    )]
    fn put_into_rocksdb(&self, _place: &Place) -> Result<Option<f64>, CliError> {
        Ok(None)
    }

    fn print(&self, report: &Report) -> Result<(), CliError> {
        if self.json {
            return json(report);
        }
        say(format_args!(
            "{} keys, blocks of {} writes, a root for every {}: profile {}, durability {}",
            report.keys, report.block_writes, report.tx_writes, report.profile, report.durability
        ))?;
        say(report.machine.text())?;
        say(format_args!(
            "load             {:>9.1} k/s",
            report.load_keys_per_second / 1e3
        ))?;
        for (name, phase) in [
            ("updates", &report.updates),
            ("insertions", &report.insertions),
        ] {
            let cpu = phase.cpu_micros_per_write;
            say(format_args!(
                "{name:<16} {:>9.1} k/s  best block {:.1} k/s, {} us of CPU each",
                phase.writes_per_second / 1e3,
                phase.best_block_writes_per_second / 1e3,
                cpu.map_or("?".to_owned(), |cpu| format!("{cpu:.2}")),
            ))?;
        }
        if let Some(puts) = report.rocksdb_puts_per_second {
            say(format_args!("RocksDB puts     {:>9.1} k/s", puts / 1e3))?;
        }
        for (name, proof) in [
            ("proof", &report.proof),
            ("proof of past", &report.past_proof),
        ] {
            say(format_args!(
                "{name:<16} {:>9.1} us   p99 {:.1} us, verify {:.1} us, up to {} bytes",
                proof.p50_micros, proof.p99_micros, proof.verify_p50_micros, proof.largest_bytes
            ))?;
        }
        say(format_args!(
            "get              {:>9.2} us",
            report.get_p50_micros
        ))?;
        say(format_args!(
            "open             {:>9.1} ms   {:.1} ms without the file of keys",
            report.open_millis, report.open_derived_millis
        ))?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        say(format_args!(
            "on disk          {:>9.1} MiB  {} entries; {:.1} MiB journal, {:.1} MiB segments",
            mib(report.journal_bytes + report.segment_bytes),
            report.entry_count,
            mib(report.journal_bytes),
            mib(report.segment_bytes)
        ))?;
        let known = report
            .resident_bytes
            .map_or("not known".to_owned(), |bytes| {
                format!("{:.1} MiB", mib(bytes))
            });
        say(format_args!(
            "memory           {known:>13}  index {:.1} MB for each million keys",
            report.index_bytes as f64 / report.live_keys as f64
        ))?;
        let disk = (report.journal_bytes + report.segment_bytes) as f64;
        say(format_args!(
            "of that          {:.0} bytes on disk for each live key, {:.0} for each entry{}",
            disk / report.live_keys as f64,
            disk / report.entry_count as f64,
            report
                .resident_per_million()
                .map_or(String::new(), |bytes| {
                    format!(
                        "; {:.1} MiB of memory for each million keys",
                        bytes / f64::from(1 << 20)
                    )
                })
        ))
    }
}

fn prove(
    place: &Place,
    db: &Db,
    head: &Head,
    keys: &[B256],
    at: Option<TxNum>,
) -> Result<Proofs, CliError> {
    let view = db.view();
    let (made, proofs) = Samples::of(keys, |key| {
        view.prove_state(key, at).map_err(place.failed())
    })?;
    let (verified, _) = Samples::of(keys.iter().zip(&proofs), |(key, proof)| {
        let verified = proof.verify(head, key, at);
        verified.map_err(|source| CliError::Invalid {
            path: place.path().into(),
            source: source.into(),
        })
    })?;
    let sizes = proofs.iter().map(|proof| proof.to_bytes().len());
    Ok(Proofs {
        p50_micros: made.median(),
        p99_micros: made.percentile(99),
        verify_p50_micros: verified.median(),
        largest_bytes: sizes.max().unwrap_or_default(),
    })
}

/// Milliseconds that it takes to open the database.
fn open(place: &Place, options: &Options) -> Result<f64, CliError> {
    let start = Instant::now();
    let db = Db::open(place.path(), options.clone()).map_err(place.failed())?;
    let millis = start.elapsed().as_secs_f64() * 1e3;
    drop(db);
    Ok(millis)
}

fn remove_keys(place: &Place) -> Result<(), CliError> {
    let folder = place.path().join("segments");
    let failed = |source| CliError::Io {
        path: folder.clone(),
        action: "remove the file of keys",
        source,
    };
    for file in std::fs::read_dir(&folder).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "qmk") {
            std::fs::remove_file(path).map_err(failed)?;
        }
    }
    Ok(())
}

fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// Memory of this process that is in use, where the system tells.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
