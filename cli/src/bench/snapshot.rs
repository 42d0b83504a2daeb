//! `qm bench snapshot`: export, verification and import beside appending and beside hashing.

use super::leaves::Random;
use super::machine::{Machine, cpu_seconds};
use super::place::{Place, read_all};
use super::snapshot_state;
use crate::arguments::ProfileName;
use crate::database::folder_len;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use clap::Args;
use qmtree::snapshot::{ExportOptions, ImportOptions, SnapshotFolder, verify_snapshot};
use qmtree::{Db, Options};
use qmtree_kernels::Hasher;
use qmtree_proofs::{LEAF_LEN, PAIR_LEN, Profile, TreeHasher};
use serde::Serialize;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Blocks that are made up at a time.
const ROUND_BLOCKS: u64 = 500;

/// Append made-up blocks, export them, verify the files and import them again
///
/// The hashing limit is one leaf hash and one node hash for each leaf, in long batches on one
/// thread. Every file is synced; verification reads files that are in the page cache.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchSnapshot {
    /// Hash profile.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Leaves to append.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    leaves: u64,
    /// Leaves of a block.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    block_leaves: u64,
    /// New folder for the database, its files and its copy, which are kept; a temporary one if not
    /// given. Takes about 450 bytes a leaf.
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
    /// Measure snapshots of a state log instead: all of it, and what is live.
    #[arg(long)]
    state: bool,
    /// Keys of that state.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000_000,
        requires = "state"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    profile: Profile,
    leaves: u64,
    block_leaves: u64,
    append: Cost,
    export: Cost,
    verify_one_thread: Cost,
    verify: Cost,
    manifest: Cost,
    import: Cost,
    /// The bytes of the imported segments written again, without looking at them, and synced: what
    /// the disk alone costs.
    copy: Cost,
    /// How many times faster an import is than appending.
    import_to_append: f64,
    /// The same in processor time.
    import_to_append_cpu: Option<f64>,
    copied_bytes: u64,
    files: usize,
    bytes: u64,
    bytes_per_leaf: f64,
    hash_limit_leaves_per_second: f64,
    verify_to_limit: f64,
    #[serde(flatten)]
    machine: Machine,
}

/// What one step took.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    seconds: f64,
    /// User and system time of all threads, where the system tells.
    cpu_seconds: Option<f64>,
}

impl BenchSnapshot {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let machine = Machine::now();
        let place = Place::new(self.db.as_deref())?;
        if self.state {
            let (profile, keep) = (self.profile.profile(), self.db.is_some());
            return snapshot_state::run(&place, profile, self.keys, self.json, keep);
        }
        let failed = place.failed();
        let limit = hash_limit(self.profile.profile());
        let mut db = place.create(self.profile.profile(), Options::bulk_load())?;
        let append = self.append(&mut db, &place)?;
        let (out, copy) = (beside(&place, "files"), beside(&place, "copy"));

        let (export, exported) = timed(|| db.export_snapshot(&out, &ExportOptions::default()));
        let exported = exported.map_err(&failed)?;
        db.close().map_err(&failed)?;
        let folder = SnapshotFolder::new(&out);
        let files = folder.paths().map_err(&failed)?;
        let verify = |threads| {
            let options = ImportOptions::default().with_threads(threads);
            let (cost, done) = timed(|| verify_snapshot(&files, &exported.head, &options));
            done.map(|_| cost).map_err(&failed)
        };
        read_all(&out)?;
        let verify_one_thread = verify(1)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let verify = verify(cores)?;
        let (manifest, checked) = timed(|| folder.check_manifest(None, &None));
        checked.map_err(&failed)?;
        let options = ImportOptions::default().with_open(Options::bulk_load());
        let (import, imported) =
            timed(|| Db::import_snapshot(&copy, &files, &exported.head, options));
        imported.and_then(Db::close).map_err(&failed)?;
        let again = beside(&place, "again");
        let (bytes, plain) = timed_copy(&copy.join("segments"), &again)?;
        let _ = std::fs::remove_dir_all(&again);
        let files_bytes = folder_len(&out)?;
        if self.db.is_none() {
            for folder in [&out, &copy] {
                // A temporary folder that stays behind does no harm.
                let _ = std::fs::remove_dir_all(folder);
            }
        }
        let cpu = append.cpu_seconds.zip(import.cpu_seconds);
        self.print(&Report {
            profile: self.profile.profile(),
            leaves: self.leaves,
            block_leaves: self.block_leaves,
            append,
            export,
            verify_one_thread,
            verify,
            manifest,
            import,
            copy: plain,
            copied_bytes: bytes,
            import_to_append: append.seconds / import.seconds,
            import_to_append_cpu: cpu.map(|(append, import)| append / import),
            files: exported.files.len(),
            bytes: files_bytes,
            bytes_per_leaf: files_bytes as f64 / self.leaves as f64,
            hash_limit_leaves_per_second: limit,
            verify_to_limit: self.leaves as f64 / verify_one_thread.seconds / limit,
            machine,
        })
    }

    /// What appending all leaves takes, sealing included and making them up not.
    fn append(&self, db: &mut Db, place: &Place) -> Result<Cost, CliError> {
        let progress = Progress::start(Task {
            name: "bench snapshot, append",
            unit: Unit::Leaves,
            total: Some(self.leaves),
        });
        let mut random = Random::new();
        let (mut total, mut done, mut number) = (Cost::NONE, 0, 0);
        while done < self.leaves {
            let round = ROUND_BLOCKS.saturating_mul(self.block_leaves);
            let leaves = round.min(self.leaves - done);
            let blocks = random.blocks(leaves, self.block_leaves);
            let (round, appended) = timed(|| {
                for block in &blocks {
                    db.append_block(number, block)?;
                    number += 1;
                }
                // Drops nothing, and waits for the segment that is being written.
                db.unwind_to(number - 1)
            });
            appended.map_err(place.failed())?;
            total = total.plus(round);
            done += leaves;
            progress.set(done);
        }
        let (sync, synced) = timed(|| db.sync());
        synced.map_err(place.failed())?;
        Ok(total.plus(sync))
    }

    fn print(&self, report: &Report) -> Result<(), CliError> {
        if self.json {
            return json(report);
        }
        let Report {
            profile,
            leaves,
            block_leaves,
            files,
            bytes_per_leaf,
            ..
        } = report;
        say(format_args!(
            "snapshot of {leaves} leaves in blocks of {block_leaves}: profile {profile}, \
             {files} files, {bytes_per_leaf:.2} bytes a leaf"
        ))?;
        say(report.machine.text())?;
        for (name, cost) in [
            ("append", report.append),
            ("export", report.export),
            ("verify, one thread", report.verify_one_thread),
            ("verify, all cores", report.verify),
            ("manifest (BLAKE3)", report.manifest),
            ("import, all cores", report.import),
            ("plain copy, synced", report.copy),
        ] {
            say(format_args!(
                "{name:<20}{cost}  {:>7.3} M leaves/s  {:>6.3} GB/s",
                *leaves as f64 / cost.seconds / 1e6,
                report.bytes as f64 / cost.seconds / 1e9
            ))?;
        }
        say(format_args!(
            "import is {:.2} times as fast as appending, {} times in processor time; verification \
             on one thread is at {:.3} of the hashing limit of {:.3} M leaves/s",
            report.import_to_append,
            report
                .import_to_append_cpu
                .map_or("?".to_owned(), |ratio| format!("{ratio:.2}")),
            report.verify_to_limit,
            report.hash_limit_leaves_per_second / 1e6
        ))
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cpu = self
            .cpu_seconds
            .map_or("?".to_owned(), |cpu| format!("{cpu:.2}"));
        write!(f, "{:>8.3} s  cpu {cpu:>6} s", self.seconds)
    }
}

impl Cost {
    pub(super) const NONE: Self = Self {
        seconds: 0.0,
        cpu_seconds: Some(0.0),
    };

    pub(super) fn plus(self, other: Self) -> Self {
        let cpu = self.cpu_seconds.zip(other.cpu_seconds);
        Self {
            seconds: self.seconds + other.seconds,
            cpu_seconds: cpu.map(|(a, b)| a + b),
        }
    }
}

pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (Cost, T) {
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let done = work();
    let seconds = start.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    let cost = Cost {
        seconds,
        cpu_seconds,
    };
    (cost, done)
}

/// Copies the files of a folder, each synced, as `cp` does it. Returns how many bytes, too.
fn timed_copy(from: &Path, to: &Path) -> Result<(u64, Cost), CliError> {
    let failed = |source| CliError::Io {
        path: to.to_path_buf(),
        action: "copy to",
        source,
    };
    std::fs::create_dir_all(to).map_err(failed)?;
    let (cost, copied) = timed(|| {
        let mut bytes = 0;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            bytes += std::fs::copy(entry.path(), &target)?;
            std::fs::File::open(&target)?.sync_data()?;
        }
        Ok(bytes)
    });
    Ok((copied.map_err(failed)?, cost))
}

/// A folder next to the database.
pub(super) fn beside(place: &Place, name: &str) -> PathBuf {
    place.path().with_extension(name)
}

/// Leaves a second of one leaf hash and one node hash each, on one thread; the best of some rounds.
fn hash_limit(profile: Profile) -> f64 {
    const BATCH: usize = 1024;
    let hasher = Hasher::new(profile);
    let (leaves, pairs) = (vec![[7; LEAF_LEN]; BATCH], vec![[7; PAIR_LEN]; BATCH]);
    let mut out = vec![[0; 32]; BATCH];
    let round = |_| {
        let (cost, ()) = timed(|| {
            for _ in 0..50 {
                hasher.hash_leaves(black_box(&leaves), &mut out);
                hasher.hash_nodes(1, black_box(&pairs), &mut out);
                black_box(&out);
            }
        });
        50.0 * BATCH as f64 / cost.seconds
    };
    (0..20).map(round).fold(0.0, f64::max)
}
