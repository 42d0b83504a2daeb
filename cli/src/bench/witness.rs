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
    export_millis: f64,
    stateless_millis: f64,
    stateful_millis: f64,
}

type Write = (B256, Option<Vec<u8>>);

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
        let mut db = self.database(path, &witnessed, filler, &place)?;
        let prepared = &witnessed.prepared;
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
        let (witness_bytes, mpt) = (witness.proof_len(), witnessed.witness.byte_len());
        Ok(Figures {
            block: report.block_number,
            transactions: report.transactions,
            gas: report.gas_used,
            entries: witness.extract.entries().len(),
            witness_bytes,
            mpt_witness_bytes: mpt,
            percent: percent(witness_bytes, mpt),
            code_bytes: codes.map(|(_, value)| value.len()).sum(),
            mpt_code_bytes: mpt_codes.map(|code| code.len()).sum(),
            export_millis: Samples::new(export).median(),
            stateless_millis: Samples::new(stateless).median(),
            stateful_millis,
        })
    }

    /// A database whose newest block is the one before, with the state that the block reads among
    /// the filler.
    fn database(
        &self,
        path: &Path,
        witnessed: &WitnessedBlock,
        filler: &[Write],
        place: &Place,
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
        let all = view.state_from(&B256::ZERO, None).map_err(small.failed())?;
        for item in all {
            let (key, value) = item.map_err(small.failed())?;
            writes.push((key, Some(value)));
        }
        writes.sort_unstable();
        let mut db = create(&prepared, place)?;
        let failed = place.failed();
        let mut block = db.begin_block(view.head().block_number).map_err(&failed)?;
        let tx_num = TxNum(0);
        block
            .write(&StateBatch { tx_num, writes })
            .map_err(&failed)?;
        block
            .commit(&[LeafPayload::default()], &[])
            .map_err(failed)?;
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
            "   block   txs   entries     bytes  MPT bytes     %    of that code  export ms  stateless ms  stateful ms",
        )?;
        for block in &report.blocks {
            say(format_args!(
                "{:>8} {:>5} {:>9} {:>9} {:>10} {:>5.1} {:>7}/{:>7} {:>10.2} {:>13.2} {:>12.2}",
                block.block,
                block.transactions,
                block.entries,
                block.witness_bytes,
                block.mpt_witness_bytes,
                block.percent,
                block.code_bytes,
                block.mpt_code_bytes,
                block.export_millis,
                block.stateless_millis,
                block.stateful_millis
            ))?;
        }
        say(format_args!(
            "all: {} bytes, {:.1} % of {} (median block {:.1} %), without codes {:.1} %; p50: \
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
        ))
    }
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
