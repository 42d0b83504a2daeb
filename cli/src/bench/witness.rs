//! `qm bench witness`: witnesses of the state log beside those of Ethereum's own trie.

use super::machine::Machine;
use super::place::Place;
use super::samples::Samples;
use crate::error::CliError;
use crate::output::{json, print_note, say};
use alloy_primitives::{B256, Bytes, keccak256};
use clap::Args;
use qmtree::{Db, Durability, Identity, Options, StateBatch, TxIndex};
use qmtree_execution_adapter::engine::{
    LogChain, PreparedBlock, RunError, WitnessedBlock, read_witness_file, record_state_witness,
};
use qmtree_execution_adapter::state_log::keys;
use qmtree_execution_adapter::{
    NoTracer, StateBlock, StateWitness, TraceMode, execute_state_witness,
};
use qmtree_kernels::Hasher;
use qmtree_proofs::state::OpenEntry;
use qmtree_proofs::{LeafPayload, Profile, Scheme, TxNum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Make and execute witnesses of blocks, beside their execution witnesses
///
/// Each file is a block with its execution witness (eth-witness/1). Of that the state is taken that the
/// block reads, and put into a state log among made-up keys, in the order of keys as a bulk load leaves
/// them, which is where keys that are read together lie farthest apart. Then the block's witness is
/// made, executed from its bytes, and the block executed in the database; the results must agree.
///
/// A second database has the same state as a chain might leave it: on top of the bulk load come 64 blocks
/// that write four in five of the keys that the block reads, each once, codes excepted, and nine made-up
/// keys for each of those. That share is an assumption, and no measurement of a chain. The headline and the
/// times are those of the first placement.
///
/// Bytes are those of proofs, values and codes: blocks are on neither side. Senders are recovered in the
/// stateless replay, and not in the execution in the database.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BenchWitness {
    /// Made-up keys in the state log.
    #[arg(long, value_name = "N", default_value_t = 1 << 20)]
    keys: u64,
    /// Times each block's witness is made and executed; the medians count.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Files of blocks with execution witnesses.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    keys: u64,
    blocks: Vec<Figures>,
    witness_bytes: usize,
    mpt_witness_bytes: usize,
    /// Of all bytes.
    percent: f64,
    /// The same without codes.
    percent_without_codes: f64,
    /// Median over the blocks.
    median_percent: f64,
    /// What the bytes are made of: codes (in the entries), all entries, nodes.
    code_bytes: usize,
    entry_bytes: usize,
    node_bytes: usize,
    /// What an encoding with short numbers would save.
    padding_bytes: usize,
    /// The second placement: bytes, of all bytes, without codes, median.
    recent_bytes: usize,
    recent_percent: f64,
    recent_percent_without_codes: f64,
    recent_median_percent: f64,
    export_p50_millis: f64,
    stateless_p50_millis: f64,
    stateful_p50_millis: f64,
    /// Median over the blocks of stateless to stateful.
    stateless_ratio: f64,
    skipped: usize,
    #[serde(flatten)]
    machine: Machine,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    chain: String,
    block: u64,
    transactions: usize,
    gas: u64,
    entries: usize,
    witness_bytes: usize,
    mpt_witness_bytes: usize,
    percent: f64,
    /// Of both: what each of them has of codes, which no proof makes smaller.
    code_bytes: usize,
    mpt_code_bytes: usize,
    entry_bytes: usize,
    node_bytes: usize,
    /// Of entries: ids and numbers of transactions beyond 1 and 4 bytes, lengths beyond 2, and zeros
    /// before values.
    padding_bytes: usize,
    /// The whole witness where most of its keys were written in the last blocks.
    recent_bytes: usize,
    recent_percent: f64,
    export_millis: f64,
    stateless_millis: f64,
    stateful_millis: f64,
}

type Write = (B256, Option<Vec<u8>>);

/// Blocks that the second placement has after the bulk load, and made-up keys that they write for each
/// of those that the block reads.
const RECENT_BLOCKS: u64 = 64;
const OTHERS: usize = 9;

impl BenchWitness {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let machine = Machine::now();
        let mut filler: Vec<Write> = (0..self.keys)
            .map(|i| {
                let key = keccak256(i.to_be_bytes());
                (key, Some(keccak256(key).to_vec()))
            })
            .collect();
        filler.sort_unstable();
        let mut blocks = Vec::with_capacity(self.files.len());
        for path in &self.files {
            match self.measure(path, &filler) {
                Ok(figures) => blocks.push(figures),
                // Of some blocks the witness does not say all that another state needs.
                Err(error) => print_note(&format!("left out: {}", error.chain())),
            }
        }
        self.print(&self.report(blocks, machine))
    }

    fn measure(&self, path: &Path, filler: &[Write]) -> Result<Figures, CliError> {
        let witnessed = read_witness_file(path, None).map_err(Box::new)?;
        let place = Place::new(None)?;
        let mut db = self.database(path, &witnessed, filler, &place, 0)?;
        let prepared = &witnessed.prepared;
        let recent_bytes = self.measure_recent(path, &witnessed, filler)?;
        let (mut export, mut stateless, mut made) = (Vec::new(), Vec::new(), None);
        for _ in 0..self.rounds {
            let start = Instant::now();
            let witness = export_one(path, &db, prepared)?;
            export.push(start.elapsed().as_secs_f64() * 1e3);
            let bytes = Bytes::from(witness.to_bytes());
            let start = Instant::now();
            let output = execute(path, &bytes)?;
            stateless.push(start.elapsed().as_secs_f64() * 1e3);
            made = Some((witness, output));
        }
        let log = LogChain::open(&db).map_err(|source| run_failed(path, source))?;
        let start = Instant::now();
        let ran = log.run_block(&mut db, prepared, NoTracer);
        let stateful_millis = start.elapsed().as_secs_f64() * 1e3;
        let (report, ..) = ran.map_err(|source| run_failed(path, source))?;
        let differs = || CliError::Bench {
            what: "the replay from the witness and the database do not agree",
        };
        let (witness, output) = made.ok_or_else(differs)?;
        if output.public_inputs.head_after != report.head {
            return Err(differs());
        }
        let values = witness.extract.entries().iter();
        let values = values.filter_map(|open| Some((open.entry.key, open.value.as_ref()?)));
        let codes = values.filter(|(key, value)| keys::code(keccak256(value)) == *key);
        let mpt_codes = witnessed.witness.codes.iter();
        let extract = &witness.extract;
        let node_bytes = 32 * extract.nodes().len();
        let (witness_bytes, mpt) = (witness.proof_len(), witnessed.witness.byte_len());
        Ok(Figures {
            chain: prepared.chain.name().to_owned(),
            block: report.block_number,
            transactions: report.transactions,
            gas: report.gas_used,
            entries: witness.extract.entries().len(),
            witness_bytes,
            mpt_witness_bytes: mpt,
            percent: percent(witness_bytes, mpt),
            code_bytes: codes.map(|(_, value)| value.len()).sum(),
            mpt_code_bytes: mpt_codes.map(|code| code.len()).sum(),
            entry_bytes: extract.to_bytes().len() - node_bytes,
            node_bytes,
            padding_bytes: extract.entries().iter().map(padding).sum(),
            recent_bytes,
            recent_percent: percent(recent_bytes, mpt),
            export_millis: Samples::new(export).median(),
            stateless_millis: Samples::new(stateless).median(),
            stateful_millis,
        })
    }

    /// Bytes of the block's witness in the second placement. It is executed once, as the block is.
    fn measure_recent(
        &self,
        path: &Path,
        witnessed: &WitnessedBlock,
        filler: &[Write],
    ) -> Result<usize, CliError> {
        let place = Place::new(None)?;
        let mut db = self.database(path, witnessed, filler, &place, RECENT_BLOCKS)?;
        let witness = export_one(path, &db, &witnessed.prepared)?;
        let output = execute(path, &Bytes::from(witness.to_bytes()))?;
        let log = LogChain::open(&db).map_err(|source| run_failed(path, source))?;
        let ran = log.run_block(&mut db, &witnessed.prepared, NoTracer);
        let (report, ..) = ran.map_err(|source| run_failed(path, source))?;
        match output.public_inputs.head_after == report.head {
            true => Ok(witness.proof_len()),
            false => Err(CliError::Bench {
                what: "the replay from the witness and the database do not agree",
            }),
        }
    }

    /// A database whose newest block is the one before, with the state that the block reads among
    /// the filler, and most of it written again in the last `recent` blocks.
    fn database(
        &self,
        path: &Path,
        witnessed: &WitnessedBlock,
        filler: &[Write],
        place: &Place,
        recent: u64,
    ) -> Result<Db, CliError> {
        let state = witnessed.state_read();
        let state = state.map_err(|source| CliError::WitnessState {
            path: path.into(),
            source: Box::new(source),
        })?;
        let prepared = PreparedBlock {
            state: Some(state),
            ..witnessed.prepared.clone()
        };
        let small = Place::new(None)?;
        let mut given = create(&prepared, &small)?;
        LogChain::begin_before(&mut given, &prepared).map_err(|source| run_failed(path, source))?;
        let view = given.view();
        let mut writes = filler.to_vec();
        // There may be fewer blocks before this one.
        let recent = recent.min(view.head().block_number);
        let mut history = History::new(recent, filler);
        let all = view.state_from(&B256::ZERO, None).map_err(small.failed())?;
        for item in all {
            let (key, value) = item.map_err(small.failed())?;
            history.add(key, &value);
            writes.push((key, Some(value)));
        }
        writes.sort_unstable();
        let mut db = create(&prepared, place)?;
        let failed = place.failed();
        let first = view.head().block_number - recent;
        let mut block = db.begin_block(first).map_err(&failed)?;
        let tx_num = TxNum(0);
        block
            .write(&StateBatch { tx_num, writes })
            .map_err(&failed)?;
        block
            .commit(&[LeafPayload::default()], &[])
            .map_err(&failed)?;
        for (writes, number) in history.blocks.into_iter().zip(1..) {
            let mut block = db.begin_block(first + number).map_err(&failed)?;
            let tx_num = TxNum(number);
            if !writes.is_empty() {
                block
                    .write(&StateBatch { tx_num, writes })
                    .map_err(&failed)?;
            }
            let committed = block.commit(&[LeafPayload::default()], &[]);
            committed.map_err(&failed)?;
        }
        Ok(db)
    }

    fn report(&self, blocks: Vec<Figures>, machine: Machine) -> Report {
        let sum = |of: fn(&Figures) -> usize| blocks.iter().map(of).sum::<usize>();
        let median =
            |of: fn(&Figures) -> f64| Samples::new(blocks.iter().map(of).collect()).median();
        let (witness_bytes, mpt) = (sum(|b| b.witness_bytes), sum(|b| b.mpt_witness_bytes));
        Report {
            keys: self.keys,
            witness_bytes,
            mpt_witness_bytes: mpt,
            percent: percent(witness_bytes, mpt),
            percent_without_codes: percent(
                witness_bytes - sum(|b| b.code_bytes),
                mpt - sum(|b| b.mpt_code_bytes),
            ),
            median_percent: median(|b| b.percent),
            code_bytes: sum(|b| b.code_bytes),
            entry_bytes: sum(|b| b.entry_bytes),
            node_bytes: sum(|b| b.node_bytes),
            padding_bytes: sum(|b| b.padding_bytes),
            recent_bytes: sum(|b| b.recent_bytes),
            recent_percent: percent(sum(|b| b.recent_bytes), mpt),
            recent_percent_without_codes: percent(
                sum(|b| b.recent_bytes) - sum(|b| b.code_bytes),
                mpt - sum(|b| b.mpt_code_bytes),
            ),
            recent_median_percent: median(|b| b.recent_percent),
            export_p50_millis: median(|b| b.export_millis),
            stateless_p50_millis: median(|b| b.stateless_millis),
            stateful_p50_millis: median(|b| b.stateful_millis),
            stateless_ratio: median(|b| b.stateless_millis / b.stateful_millis),
            skipped: self.files.len() - blocks.len(),
            blocks,
            machine,
        }
    }

    fn print(&self, report: &Report) -> Result<(), CliError> {
        if self.json {
            return json(report);
        }
        say(format_args!(
            "{} blocks, {} left out; {} made-up keys in the state log; {}",
            report.blocks.len(),
            report.skipped,
            report.keys,
            report.machine.text()
        ))?;
        say(
            "chain      block   txs entries MPT bytes  bulk load     %     recent     %   codes/MPT codes  export  stateless  stateful ms",
        )?;
        for block in &report.blocks {
            say(format_args!(
                "{:<7} {:>8} {:>5} {:>7} {:>9} {:>10} {:>5.1} {:>10} {:>5.1} {:>9}/{:<9} {:>7.2} {:>10.2} {:>9.2}",
                block.chain,
                block.block,
                block.transactions,
                block.entries,
                block.mpt_witness_bytes,
                block.witness_bytes,
                block.percent,
                block.recent_bytes,
                block.recent_percent,
                block.code_bytes,
                block.mpt_code_bytes,
                block.export_millis,
                block.stateless_millis,
                block.stateful_millis
            ))?;
        }
        say(format_args!(
            "all              {:>5} {:>7} {:>9} {:>10} {:>5.1} {:>10} {:>5.1}",
            report.blocks.iter().map(|b| b.transactions).sum::<usize>(),
            report.blocks.iter().map(|b| b.entries).sum::<usize>(),
            report.mpt_witness_bytes,
            report.witness_bytes,
            report.percent,
            report.recent_bytes,
            report.recent_percent,
        ))?;
        say(format_args!(
            "bulk load: {} bytes, {:.1} % of {} (median block {:.1} %), without codes {:.1} %; p50: \
             export {:.2} ms, stateless {:.2} ms, stateful {:.2} ms; stateless takes {:.2} times as long (median)",
            report.witness_bytes,
            report.percent,
            report.mpt_witness_bytes,
            report.median_percent,
            report.percent_without_codes,
            report.export_p50_millis,
            report.stateless_p50_millis,
            report.stateful_p50_millis,
            report.stateless_ratio
        ))?;
        say(format_args!(
            "made of: {} bytes of entries, of that {} codes and {} that short numbers would save; {} of nodes",
            report.entry_bytes, report.code_bytes, report.padding_bytes, report.node_bytes
        ))?;
        say(format_args!(
            "recent, most keys written in the last {RECENT_BLOCKS} blocks: {} bytes, {:.1} % (median block {:.1} %), \
             without codes {:.1} %",
            report.recent_bytes,
            report.recent_percent,
            report.recent_median_percent,
            report.recent_percent_without_codes
        ))
    }
}

/// What blocks before the measured one write.
#[derive(Debug)]
struct History<'a> {
    blocks: Vec<Vec<Write>>,
    filler: std::iter::Cycle<std::slice::Iter<'a, Write>>,
    /// How far to the next made-up key: in their order, neighbours lie far apart.
    stride: usize,
}

impl<'a> History<'a> {
    fn new(blocks: u64, filler: &'a [Write]) -> Self {
        Self {
            blocks: (0..blocks).map(|_| Vec::new()).collect(),
            filler: filler.iter().cycle(),
            stride: filler.len() / 997,
        }
    }

    /// Writes a key again, with its value, in one of the blocks; one key in five and all codes are left
    /// where they are.
    fn add(&mut self, key: B256, value: &[u8]) {
        let [share, low, high, ..] = keccak256(key).0;
        let place = usize::from(u16::from_be_bytes([high, low])) % self.blocks.len().max(1);
        let old = share.is_multiple_of(5) || keys::code(keccak256(value)) == key;
        let Some(block) = self.blocks.get_mut(place).filter(|_| !old) else {
            return;
        };
        block.push((key, Some(value.to_vec())));
        for _ in 0..OTHERS {
            block.extend(self.filler.nth(self.stride).cloned());
        }
        block.sort_unstable();
        block.dedup_by(|right, left| right.0 == left.0);
    }
}

/// Bytes of an encoded entry that an encoding with short numbers would not have.
fn padding(open: &OpenEntry) -> usize {
    let numbers = (8 - 1) + (8 - 4);
    let value = match open.value {
        Some(_) => 4 - 2,
        // One byte would tell how long it is.
        None => {
            let word = open.entry.value.word();
            let zeros = word.iter().take_while(|byte| **byte == 0).count();
            zeros.saturating_sub(1)
        }
    };
    numbers + value + usize::from(open.entry.supersedes.is_some()) * (8 - 4)
}

fn create(prepared: &PreparedBlock, place: &Place) -> Result<Db, CliError> {
    let identity = Identity {
        profile: Profile::Keccak256,
        scheme: Scheme::StateRoot1,
        chain_id: prepared.chain.chain_id(),
    };
    let options = Options::default()
        .with_durability(Durability::Buffered)
        .with_tx_index(TxIndex::Off);
    Db::create(place.path(), identity, options).map_err(place.failed())
}

fn export_one(path: &Path, db: &Db, prepared: &PreparedBlock) -> Result<StateWitness, CliError> {
    let block = StateBlock {
        block: prepared.block.clone(),
        ommers_known: prepared.ommers_known,
    };
    let mode = TraceMode::Outcome;
    let made = record_state_witness(&db.view(), &prepared.chain, mode, vec![block]);
    made.map_err(|source| CliError::Record {
        path: path.into(),
        source: Box::new(source),
    })
}

fn execute(
    path: &Path,
    bytes: &Bytes,
) -> Result<qmtree_execution_adapter::StateWitnessOutput, CliError> {
    let failed = |source| CliError::InvalidWitness {
        path: path.into(),
        source: Box::new(source),
    };
    let witness = StateWitness::from_bytes(bytes).map_err(|error| failed(error.into()))?;
    execute_state_witness(&witness, Hasher::new(Profile::Keccak256)).map_err(failed)
}

fn run_failed(path: &Path, source: RunError) -> CliError {
    CliError::Run {
        path: path.into(),
        source: Box::new(source),
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}
