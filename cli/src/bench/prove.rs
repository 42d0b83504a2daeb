//! `qm bench prove`: proofs of sealed leaves, and what else a reader waits for.

use super::leaves::Random;
use super::machine::Machine;
use super::place::{Place, read_all};
use super::samples::Samples;
use crate::arguments::ProfileName;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use clap::Args;
use qmtree::{At, Db, Durability, Options};
use qmtree_kernels::Hasher;
use qmtree_proofs::{Profile, TWIG_LEAVES};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

const BLOCK_LEAVES: u64 = 1000;
/// Proofs made before the clock runs.
const WARM_UP: u64 = 100;
const OPENINGS: usize = 5;
const UNWOUND_BLOCKS: u64 = 500;
const UNWOUND_BLOCK_LEAVES: u64 = 200;

/// Fill a database, open it again, and time proofs of leaves at random
///
/// Inclusion proofs of sealed leaves: made one by one from the mapped segments, whose pages the
/// system has cached, and verified one by one. Then how long it takes to open the database, to
/// check all of it, and to unwind 500 blocks of 200 leaves.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchProve {
    /// Hash profile.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak)]
    profile: ProfileName,
    /// Leaves of the log, at least 4096.
    #[arg(long, value_name = "N", default_value_t = 4_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(4096..))]
    leaves: u64,
    /// Proofs to make and verify.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    proofs: u64,
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
    leaves: u64,
    sealed_leaf_count: u64,
    proofs: u64,
    p50_micros: f64,
    p99_micros: f64,
    verify_p50_micros: f64,
    verify_p99_micros: f64,
    open_millis: f64,
    check_leaves_per_second: f64,
    unwind_millis: f64,
    #[serde(flatten)]
    machine: Machine,
}

impl BenchProve {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let machine = Machine::now();
        let place = Place::new(self.db.as_deref())?;
        let mut random = Random::new();
        self.fill(&place, &mut random)?;
        read_all(&place.path().join("segments"))?;
        let (open_millis, db) = open(&place)?;
        let sealed = db.sealed_leaf_count();
        let (made, verified) = self.prove(&place, &db, &mut random)?;
        let check_leaves_per_second = check(&place, &db)?;
        drop(db);
        let unwind_millis = unwind(&place, &mut random)?;
        self.print(&Report {
            profile: self.profile.profile(),
            leaves: self.leaves,
            sealed_leaf_count: sealed,
            proofs: self.proofs,
            p50_micros: made.median(),
            p99_micros: made.percentile(99),
            verify_p50_micros: verified.median(),
            verify_p99_micros: verified.percentile(99),
            open_millis,
            check_leaves_per_second,
            unwind_millis,
            machine,
        })
    }

    fn fill(&self, place: &Place, random: &mut Random) -> Result<(), CliError> {
        let progress = Progress::start(Task {
            name: "bench prove: append",
            unit: Unit::Leaves,
            total: Some(self.leaves),
        });
        let options = Options::bulk_load();
        // A small log has small segments, so that most of it is sealed.
        let twigs = (self.leaves / TWIG_LEAVES / 4).clamp(1, options.segment_twigs);
        let options = options.with_segment_twigs(twigs);
        let mut db = place.create(self.profile.profile(), options)?;
        let (mut number, mut done) = (0, 0);
        while done < self.leaves {
            let leaves = BLOCK_LEAVES.min(self.leaves - done);
            for block in random.blocks(leaves, BLOCK_LEAVES) {
                db.append_block(number, &block).map_err(place.failed())?;
                number += 1;
            }
            done += leaves;
            progress.set(done);
        }
        db.close().map_err(place.failed())
    }

    /// Times proofs, and their verification.
    fn prove(
        &self,
        place: &Place,
        db: &Db,
        random: &mut Random,
    ) -> Result<(Samples, Samples), CliError> {
        let (view, sealed) = (db.view(), db.sealed_leaf_count());
        let prove = |tx_num| {
            view.prove_inclusion(tx_num, At::Head)
                .map_err(place.failed())
        };
        Samples::of(random.positions(WARM_UP, sealed), prove)?;
        let (made, proofs) = Samples::of(random.positions(self.proofs, sealed), prove)?;
        let leaf_hashes = proofs.iter().map(|proof| view.leaf_hash(proof.tx_num()));
        let leaf_hashes: Result<Vec<_>, _> = leaf_hashes.collect();
        let leaf_hashes = leaf_hashes.map_err(place.failed())?;
        let (hasher, head) = (Hasher::new(self.profile.profile()), view.head());
        let (verified, _) = Samples::of(proofs.iter().zip(leaf_hashes), |(proof, leaf_hash)| {
            let verdict = proof.verify_with(&hasher, head, proof.tx_num(), leaf_hash);
            verdict.map_err(|source| CliError::Invalid {
                path: place.path().into(),
                source: source.into(),
            })
        })?;
        Ok((made, verified))
    }

    fn print(&self, report: &Report) -> Result<(), CliError> {
        if self.json {
            return json(report);
        }
        let Report {
            profile,
            leaves,
            sealed_leaf_count,
            proofs,
            ..
        } = report;
        say(format_args!(
            "{proofs} inclusion proofs, {leaves} leaves of which {sealed_leaf_count} sealed: profile {profile}"
        ))?;
        say(report.machine.text())?;
        say(format_args!(
            "prove    p50 {:>6.2} us   p99 {:>6.2} us",
            report.p50_micros, report.p99_micros
        ))?;
        say(format_args!(
            "verify   p50 {:>6.2} us   p99 {:>6.2} us",
            report.verify_p50_micros, report.verify_p99_micros
        ))?;
        say(format_args!(
            "open     {:>10.2} ms   median of {OPENINGS}",
            report.open_millis
        ))?;
        say(format_args!(
            "check    {:>10.2} M leaves a second",
            report.check_leaves_per_second / 1e6
        ))?;
        say(format_args!(
            "unwind   {:>10.2} ms   {UNWOUND_BLOCKS} blocks of {UNWOUND_BLOCK_LEAVES} leaves",
            report.unwind_millis
        ))
    }
}

/// Opens it several times; returns the median, and the last one opened.
fn open(place: &Place) -> Result<(f64, Db), CliError> {
    let open = || Db::open_read_only(place.path()).map_err(place.failed());
    let mut millis = Vec::new();
    let mut opened = None;
    for _ in 0..OPENINGS {
        drop(opened.take());
        let start = Instant::now();
        opened = Some(open()?);
        millis.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let db = opened.map_or_else(open, Ok)?;
    Ok((Samples::new(millis).median(), db))
}

fn check(place: &Place, db: &Db) -> Result<f64, CliError> {
    let leaves = db.head().leaf_count;
    let _progress = Progress::start(Task {
        name: "bench prove: check",
        unit: Unit::Leaves,
        total: Some(leaves),
    });
    let start = Instant::now();
    db.check().map_err(place.failed())?;
    Ok(leaves as f64 / start.elapsed().as_secs_f64())
}

/// Appends blocks, and times the return to where they began.
fn unwind(place: &Place, random: &mut Random) -> Result<f64, CliError> {
    let options = Options::default().with_durability(Durability::Buffered);
    let mut db = Db::open(place.path(), options).map_err(place.failed())?;
    let last = db.head().block_number;
    let leaves = UNWOUND_BLOCKS * UNWOUND_BLOCK_LEAVES;
    for (block, number) in random
        .blocks(leaves, UNWOUND_BLOCK_LEAVES)
        .iter()
        .zip(last + 1..)
    {
        db.append_block(number, block).map_err(place.failed())?;
    }
    let start = Instant::now();
    db.unwind_to(last).map_err(place.failed())?;
    let millis = start.elapsed().as_secs_f64() * 1e3;
    db.close().map_err(place.failed())?;
    Ok(millis)
}
