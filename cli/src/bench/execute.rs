//! `qm bench execute`: what reads and writes, leaves and traces add to plain execution.

use super::machine::{Machine, cpu_seconds};
use super::place::Place;
use super::samples::Samples;
use crate::error::CliError;
use crate::output::{json, say};
use crate::progress::{Progress, Task, Unit};
use crate::trace::read_block;
use alloy_primitives::B256;
use clap::Args;
use qmtree::{Db, Durability, Identity, Options, TxIndex};
use qmtree_execution_adapter::engine::{
    HashEverything, LogChain, PreparedBlock, RunError, execute_plain, execute_to_leaves,
};
use qmtree_execution_adapter::{
    BlockInput, MemoryState, NoTracer, ReadSet, TraceMode, TraceOptions, Tracer, TracerFor,
    execute_block,
};
use qmtree_kernels::Hasher;
use qmtree_proofs::{Frontier, LeafPayload, Profile, Scheme, TreeHasher};
use serde::Serialize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

/// Execute blocks plainly, with leaves, and with each kind of trace, in one run
///
/// Every block is executed in every way in each round, so that all ways have the same share of what
/// else the machine does. Senders, files and checks are outside the clock. Ways:
///
///   plain              revm and alloy-evm alone
///   capture            reads and writes of each transaction noted, and dropped
///   outcome            leaves of scheme read-set/1 without steps
///   state log          leaves of scheme state-root/1, on the state log, checked and committed (not synced)
///   full keccak/blake3 leaves that commit to every step
///   flat               leaves that commit to one RLP list of steps; once
///   naive              stack and memory hashed whole at each step; the yardstick; once
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchExecute {
    /// Rounds; times are medians over them.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Threads that hash traces beside the one that executes; 0 to 2.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// Leave out the ways that take a hundred times as long.
    #[arg(long)]
    quick: bool,
    /// Only these ways, beside plain execution: capture, outcome, state-log, full-keccak,
    /// full-blake3, flat, naive.
    #[arg(
        long,
        value_name = "WAYS",
        value_delimiter = ',',
        conflicts_with = "quick"
    )]
    only: Vec<Way>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Files of blocks that bring their state.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Capture,
    Outcome,
    StateLog,
    Full(Profile),
    Flat,
    Naive,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    blocks: usize,
    transactions: usize,
    gas: u64,
    steps: u64,
    rounds: u64,
    threads: usize,
    ways: Vec<Figures>,
    #[serde(flatten)]
    machine: Machine,
}

/// The figures of one way, over all blocks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    way: &'static str,
    millis: f64,
    /// Median of the ratios to plain, round by round.
    ratio_to_plain: f64,
    mgas_per_second: f64,
    nanos_per_step: f64,
    /// Of all threads.
    cpu_millis: Option<f64>,
    /// From the end of a block's execution to its leaves and the root over them, 99th percentile; of
    /// the full traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    tail_p99_millis: Option<f64>,
}

/// What was measured of one way.
#[derive(Debug, Default)]
struct Times {
    millis: Vec<f64>,
    cpu_millis: Vec<f64>,
    tails: Vec<f64>,
    steps: u64,
}

impl FromStr for Way {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let way = Self::ALL.into_iter().find(|way| way.option() == name);
        way.ok_or_else(|| format!("no such way: {name}"))
    }
}

impl Way {
    const ALL: [Self; 8] = [
        Self::Plain,
        Self::Capture,
        Self::Outcome,
        Self::StateLog,
        Self::Full(Profile::Keccak256),
        Self::Full(Profile::Blake3),
        Self::Flat,
        Self::Naive,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Capture => "capture",
            Self::Outcome => "outcome",
            Self::StateLog => "state log",
            Self::Full(Profile::Keccak256) => "full keccak",
            Self::Full(_) => "full blake3",
            Self::Flat => "flat",
            Self::Naive => "naive",
        }
    }

    /// Its name as a value of an option.
    fn option(self) -> String {
        self.name().replace(' ', "-")
    }

    fn is_slow(self) -> bool {
        matches!(self, Self::Flat | Self::Naive)
    }
}

impl BenchExecute {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let machine = Machine::now();
        let blocks = self.files.iter().map(|path| read_block(path));
        let blocks: Vec<PreparedBlock> = blocks.collect::<Result<_, _>>()?;
        let mut times: Vec<(Way, Times)> = Way::ALL
            .map(|way| (way, Times::default()))
            .into_iter()
            .collect();
        let progress = Progress::start(Task {
            name: "bench execute",
            unit: Unit::Files,
            total: Some(self.rounds.saturating_mul(blocks.len() as u64)),
        });
        // The first pass finds cold caches and a KZG table that is not made yet.
        self.measure(Way::Plain, &blocks, &mut Times::default())?;
        for round in 0..self.rounds {
            for (way, times) in &mut times {
                if self.wants(*way, round) {
                    self.measure(*way, &blocks, times)?;
                }
            }
            progress.set((round + 1).saturating_mul(blocks.len() as u64));
        }
        drop(progress);
        self.print(&self.report(&blocks, &times, machine))
    }

    /// Whether a way has a part in this round. All are compared with plain execution.
    fn wants(&self, way: Way, round: u64) -> bool {
        let chosen = match self.only.as_slice() {
            [] => !(way.is_slow() && self.quick),
            only => way == Way::Plain || only.contains(&way),
        };
        chosen && (round == 0 || !way.is_slow())
    }

    /// Runs all blocks one way.
    fn measure(
        &self,
        way: Way,
        blocks: &[PreparedBlock],
        times: &mut Times,
    ) -> Result<(), CliError> {
        match way {
            Way::Plain => measure(blocks, times, (), |input, state, ()| {
                let executed = execute_plain(input, state);
                executed
                    .map(|_| ())
                    .map_err(|source| RunError::Execute(Box::new(source)))
            }),
            Way::Capture => measure(blocks, times, (), |input, state, ()| {
                let executed = execute_block(input, state, NoTracer, drop);
                executed
                    .map(|_| ())
                    .map_err(|source| RunError::Execute(Box::new(source)))
            }),
            Way::Outcome => traced(blocks, times, NoTracer),
            Way::StateLog => inside(blocks, times),
            Way::Naive => traced(blocks, times, HashEverything::default()),
            Way::Flat => traced(
                blocks,
                times,
                self.tracer(TraceMode::Flat, Profile::Keccak256)?,
            ),
            Way::Full(profile) => {
                let tracer = self.tracer(TraceMode::Full, profile)?;
                let tracer = traced_with_tails(blocks, times, tracer, profile)?;
                traced(blocks, times, tracer)
            }
        }
    }

    fn tracer(&self, mode: TraceMode, profile: Profile) -> Result<Tracer, CliError> {
        let tracer = Tracer::threaded(TraceOptions::new(mode, profile), self.threads);
        tracer.map_err(|source| CliError::Trace { source })
    }

    fn report(&self, blocks: &[PreparedBlock], times: &[(Way, Times)], machine: Machine) -> Report {
        let gas: u64 = blocks.iter().map(|block| block.block.header.gas_used).sum();
        let steps = times.iter().map(|(_, times)| times.steps).max();
        let steps = steps.unwrap_or_default();
        let plain = times.first().map_or(&[][..], |(_, plain)| &plain.millis);
        let ways = times.iter().filter(|(_, times)| !times.millis.is_empty());
        let figures = ways.map(|(way, times)| {
            let millis = Samples::new(times.millis.clone()).median();
            let ratios = times
                .millis
                .iter()
                .zip(plain)
                .map(|(way, plain)| way / plain);
            let cpu = (!times.cpu_millis.is_empty())
                .then(|| Samples::new(times.cpu_millis.clone()).median());
            let tails =
                (!times.tails.is_empty()).then(|| Samples::new(times.tails.clone()).percentile(99));
            Figures {
                way: way.name(),
                millis,
                ratio_to_plain: Samples::new(ratios.collect()).median(),
                mgas_per_second: gas as f64 / millis / 1e3,
                nanos_per_step: millis * 1e6 / steps as f64,
                cpu_millis: cpu,
                tail_p99_millis: tails,
            }
        });
        Report {
            blocks: blocks.len(),
            transactions: blocks.iter().map(|block| block.senders.len()).sum(),
            gas,
            steps,
            rounds: self.rounds,
            threads: self.threads,
            ways: figures.collect(),
            machine,
        }
    }

    fn print(&self, report: &Report) -> Result<(), CliError> {
        if self.json {
            return json(report);
        }
        let Report {
            blocks,
            transactions,
            gas,
            steps,
            rounds,
            threads,
            ..
        } = report;
        say(format_args!(
            "execute {blocks} blocks, {transactions} transactions, {:.1} Mgas, {:.2} M steps; \
             {rounds} rounds, {threads} threads for traces",
            *gas as f64 / 1e6,
            *steps as f64 / 1e6
        ))?;
        say(report.machine.text())?;
        say("way            ratio to plain   ms       Mgas/s   ns/step   cpu ms   tail ms (p99)")?;
        for figures in &report.ways {
            let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.1}"));
            say(format_args!(
                "{:<14} {:>14.2} {:>8.1} {:>9.0} {:>9.1} {:>8} {:>8}",
                figures.way,
                figures.ratio_to_plain,
                figures.millis,
                figures.mgas_per_second,
                figures.nanos_per_step,
                number(figures.cpu_millis),
                number(figures.tail_p99_millis)
            ))?;
        }
        Ok(())
    }
}

/// Times one pass over the blocks; what each needs is made before its clock runs.
fn measure<T>(
    blocks: &[PreparedBlock],
    times: &mut Times,
    mut tracer: T,
    mut execute: impl FnMut(BlockInput<'_>, MemoryState, T) -> Result<T, RunError>,
) -> Result<(), CliError> {
    let (mut millis, cpu) = (0.0, cpu_seconds());
    for block in blocks {
        let (input, state) = prepared(block)?;
        let start = Instant::now();
        tracer = execute(input, state, tracer).map_err(failed)?;
        millis += start.elapsed().as_secs_f64() * 1e3;
    }
    times.millis.push(millis);
    if let Some((after, before)) = cpu_seconds().zip(cpu) {
        times.cpu_millis.push((after - before) * 1e3);
    }
    Ok(())
}

/// Times a pass that makes leaves.
fn traced<T>(blocks: &[PreparedBlock], times: &mut Times, tracer: T) -> Result<(), CliError>
where
    T: TracerFor<MemoryState>,
{
    let mut steps = 0;
    measure(blocks, times, tracer, |input, state, tracer| {
        let made = execute_to_leaves(input, state, tracer, &mut ReadSet)?;
        steps += made.steps.iter().map(|steps| steps.count).sum::<u64>();
        Ok(made.executed.tracer)
    })?;
    times.steps = steps;
    Ok(())
}

/// Times a pass on state logs: execution, checks, roots and commits. Each block has a log of its own,
/// which has the state before it when the clock starts.
fn inside(blocks: &[PreparedBlock], times: &mut Times) -> Result<(), CliError> {
    let (mut millis, mut cpu): (f64, Option<f64>) = (0.0, None);
    for block in blocks {
        let place = Place::new(None)?;
        let identity = Identity {
            profile: Profile::Keccak256,
            scheme: Scheme::StateRoot1,
            chain_id: block.chain.chain_id(),
        };
        let options = Options::default().with_durability(Durability::Buffered);
        let db = Db::create(place.path(), identity, options.with_tx_index(TxIndex::Off));
        let mut db = db.map_err(place.failed())?;
        let chain = LogChain::begin_before(&mut db, block).map_err(failed)?;
        let (start, before) = (Instant::now(), cpu_seconds());
        chain.run_block(&mut db, block, NoTracer).map_err(failed)?;
        millis += start.elapsed().as_secs_f64() * 1e3;
        if let Some((after, before)) = cpu_seconds().zip(before) {
            cpu = Some(cpu.unwrap_or_default() + (after - before) * 1e3);
        }
    }
    times.millis.push(millis);
    times.cpu_millis.extend(cpu);
    Ok(())
}

/// Times, of each block, how long its leaves and the root over them take once it is executed.
fn traced_with_tails(
    blocks: &[PreparedBlock],
    times: &mut Times,
    mut tracer: Tracer,
    profile: Profile,
) -> Result<Tracer, CliError> {
    for block in blocks {
        let (input, state) = prepared(block)?;
        let made = execute_to_leaves(input, state, tracer, &mut ReadSet).map_err(failed)?;
        let start = Instant::now();
        std::hint::black_box(root_of(&made.payloads, profile));
        let late = made.late + start.elapsed();
        times.tails.push(late.as_secs_f64() * 1e3);
        tracer = made.executed.tracer;
    }
    Ok(tracer)
}

/// The root of a log that has these leaves alone.
fn root_of(leaves: &[LeafPayload], profile: Profile) -> B256 {
    let hasher = Hasher::new(profile);
    let payloads: Vec<_> = leaves.iter().map(LeafPayload::to_bytes).collect();
    let mut hashes = vec![[0; 32]; payloads.len()];
    hasher.chain_leaves([0; 32], &payloads, &mut hashes);
    let mut log = Frontier::new(hasher);
    log.append(&hashes);
    log.root()
}

fn prepared(block: &PreparedBlock) -> Result<(BlockInput<'_>, MemoryState), CliError> {
    let state = block.state.clone().ok_or_else(|| CliError::NoState {
        path: "a block".into(),
    })?;
    let input = BlockInput {
        chain: &block.chain,
        block: &block.block,
        senders: &block.senders,
        keep_changes: false,
    };
    Ok((input, state))
}

fn failed(source: RunError) -> CliError {
    CliError::Run {
        path: "bench".into(),
        source: Box::new(source),
    }
}
