//! `qm run`: Ethereum blocks, executed into leaves.

mod input;
mod inside;
mod line;
mod target;
mod witness;

use crate::arguments::{SchemeName, TraceName, parse_durability};
use crate::error::CliError;
use crate::output::say;
use crate::progress::{Progress, Task, Unit};
use alloy_consensus::Header;
use alloy_primitives::B256;
use clap::Args;
use input::{Next, Source, with_blocks};
use line::Line;
use qmtree::Durability;
use qmtree_execution_adapter::engine::{
    BlockReport, ChainGenesis, LogBlockState, LogChain, PreparedBlock, RunError, check_parent,
    run_block,
};
use qmtree_execution_adapter::{
    ChainSpec, MemoryState, NoTracer, ReadSet, TraceMode, TraceOptions, Tracer, TracerFor,
    WitnessDb, check_hash, check_header,
};
use qmtree_proofs::{Profile, Scheme};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use target::Target;

/// Execute Ethereum blocks, check them, and append their leaves
///
/// FILES are blocks with the state that they need (eth-block-prestate/1, JSON), or blocks alone
/// (concatenated RLP, as geth export writes it), which need --genesis. With --witness they are blocks
/// with an execution witness (eth-witness/1, docs/WITNESS.md): no state is needed then, every value
/// that is read is proven, and the state root after each block is checked. All may be packed with
/// zstd.
///
/// A block of n transactions becomes n + 2 leaves. Each block is checked against its header before
/// anything is committed; the run stops at the first that does not hold, and the blocks before it
/// stay. Blocks that are in the log already are passed over, so an interrupted run can be repeated
/// and goes on where it stopped.
///
/// A new database has scheme state-root/1: the state of the chain lives in the state log, blocks are
/// executed on it, and what they write is committed with their leaves, so that every value can be
/// proved at every transaction (qm state prove, qm call). Its first leaf is the state of the genesis,
/// or what the first file says was before its block. With --scheme read-set leaves say what was
/// read, and no state is kept; the state of a genesis is then in memory, and each run starts from
/// it. A database that is there has its scheme already.
///
/// A log holds one run of blocks without gaps. Unrelated blocks go into a database each with
/// --isolated: block 46147 of mainnet into DIR/mainnet-46147.
///
/// Exit codes: 0 all blocks hold, 1 a block does not, 2 input that cannot be used.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Run {
    /// Folder of the database; made if it is not there.
    #[arg(long, value_name = "DIR")]
    db: PathBuf,
    /// Put every block into a database of its own: DIR/CHAIN-NUMBER.
    #[arg(long)]
    isolated: bool,
    /// The files have execution witnesses, from which their blocks are executed.
    #[arg(long)]
    witness: bool,
    /// Leaf scheme of a database that is made: state-root, with --witness read-set.
    #[arg(long, value_enum, conflicts_with = "witness")]
    scheme: Option<SchemeName>,
    /// How much of the execution the leaves commit to.
    #[arg(long, value_enum, default_value_t = TraceName::Outcome)]
    trace: TraceName,
    /// geth's genesis.json: rules and first state for blocks that come without; with --witness the
    /// rules alone, of a chain that is none of the public ones.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Under scheme state-root do not derive Ethereum's own state root after each block, for which a
    /// copy of the whole state is in memory.
    #[arg(long)]
    skip_state_root: bool,
    /// When a block survives a power loss: immediate, grouped:N (blocks) or buffered.
    #[arg(long, value_name = "MODE", default_value = "immediate", value_parser = parse_durability)]
    durability: Durability,
    /// Print one JSON object per block.
    #[arg(long)]
    json: bool,
    /// Files of blocks, executed in this order.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What goes from block to block.
struct Chain<T, F> {
    /// Where the chain starts, until that is used.
    genesis: Option<ChainGenesis>,
    /// Scheme read-set/1: all of the state, if the chain started from a genesis.
    state: Option<MemoryState>,
    /// Scheme state-root/1: the chain in the open database.
    log: Option<LogChain>,
    /// The block before: its hash and its header.
    parent: Option<(B256, Header)>,
    blocks: u64,
    /// Made for the profile of the database.
    tracer: Option<(Profile, T)>,
    new_tracer: F,
}

/// A tracer for every kind of state that blocks run on.
trait AnyTracer: TracerFor<MemoryState> + TracerFor<WitnessDb> + TracerFor<LogBlockState> {}

impl<T> AnyTracer for T where
    T: TracerFor<MemoryState> + TracerFor<WitnessDb> + TracerFor<LogBlockState>
{
}

impl Run {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let mode = self.trace.mode();
        if mode == TraceMode::Outcome {
            return self.run_with(|_| Ok(NoTracer));
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        self.run_with(|profile| {
            let tracer = Tracer::threaded(TraceOptions::new(mode, profile), threads);
            tracer.map_err(|source| CliError::Trace { source })
        })
    }

    fn run_with<T, F>(&self, new_tracer: F) -> Result<(), CliError>
    where
        T: AnyTracer,
        F: Fn(Profile) -> Result<T, CliError>,
    {
        if self.isolated && self.genesis.is_some() && !self.witness {
            return Err(CliError::Usage {
                what: "--isolated is for blocks that bring their state, --genesis for those that do not",
            });
        }
        let genesis = self.genesis.as_deref().map(ChainGenesis::read).transpose();
        let genesis = genesis.map_err(|error| {
            let error = CliError::from(Box::new(error));
            Line::default().stops(self.json, error)
        })?;
        let rules = genesis
            .as_ref()
            .map(|genesis| Arc::new(genesis.chain.clone()));
        // Blocks with a witness can begin anywhere.
        let genesis = genesis.filter(|_| !self.witness);
        let start = genesis.as_ref().map(|genesis| &genesis.header);
        let mut chain = Chain {
            parent: start.map(|header| (header.hash_slow(), header.clone())),
            genesis,
            state: None,
            log: None,
            blocks: 0,
            tracer: None,
            new_tracer,
        };
        let mut target = Target::new(&self.db, self.isolated, self.durability, self.scheme());
        // Blocks before one that is no good stay, so they are made durable too.
        let ran = self.run_files(rules, &mut chain, &mut target);
        let closed = target.close();
        ran.and(closed)?;
        if !self.json {
            say(format_args!("{} blocks hold", chain.blocks))?;
        }
        Ok(())
    }

    /// Of databases that are made.
    fn scheme(&self) -> Scheme {
        match self.scheme {
            Some(name) => name.scheme(),
            None if self.witness => Scheme::ReadSet1,
            None => Scheme::StateRoot1,
        }
    }

    fn run_files<T, F>(
        &self,
        rules: Option<Arc<ChainSpec>>,
        chain: &mut Chain<T, F>,
        target: &mut Target,
    ) -> Result<(), CliError>
    where
        T: AnyTracer,
        F: Fn(Profile) -> Result<T, CliError>,
    {
        // A bar between lines of output would make neither readable.
        let progress = (!std::io::stdout().is_terminal()).then(|| {
            Progress::start(Task {
                name: "run",
                unit: Unit::Files,
                total: Some(self.files.len() as u64),
            })
        });
        let source = match self.witness {
            true => Source::Witnesses(rules),
            false => Source::Blocks(rules),
        };
        with_blocks(&self.files, &source, |next| {
            let next = next.map_err(|error| {
                let line = Line {
                    block_number: error.block_number(),
                    root: target.root(),
                    ..Line::default()
                };
                line.stops(self.json, error.into())
            })?;
            if let Some(progress) = &progress {
                progress.set(next.file);
            }
            self.run_one(next, chain, target)
        })
    }

    fn run_one<T, F>(
        &self,
        next: Next<'_>,
        chain: &mut Chain<T, F>,
        target: &mut Target,
    ) -> Result<(), CliError>
    where
        T: AnyTracer,
        F: Fn(Profile) -> Result<T, CliError>,
    {
        let block = &next.block;
        let header = &block.block.header;
        let line = Line {
            block_number: Some(header.number),
            txs: Some(block.block.body.transactions.len()),
            gas_used: Some(header.gas_used),
            ..Line::default()
        };
        let ran = if is_genesis(block, chain) {
            let checked = check_genesis(block, chain.parent.as_ref());
            checked.map(|()| None).map_err(|source| CliError::Run {
                path: next.path.into(),
                source: Box::new(source),
            })
        } else {
            self.execute(next, chain, target).map(Some)
        };
        match ran {
            Ok(None) => Ok(()),
            Ok(Some(report)) => {
                chain.blocks += 1;
                line::print(self.json, &report)
            }
            Err(error) => {
                let root = target.root();
                Err(Line { root, ..line }.stops(self.json, error))
            }
        }
    }

    fn execute<T, F>(
        &self,
        next: Next<'_>,
        chain: &mut Chain<T, F>,
        target: &mut Target,
    ) -> Result<BlockReport, CliError>
    where
        T: AnyTracer,
        F: Fn(Profile) -> Result<T, CliError>,
    {
        let Next {
            path,
            mut block,
            witness,
            ..
        } = next;
        let header = block.block.header.clone();
        let (number, hash) = (header.number, header.hash_slow());
        let db = target.open(&block.chain, number)?;
        if let Some((_, last)) = db.view().blocks()
            && number > last.saturating_add(1)
        {
            let path = path.into();
            return Err(CliError::Unrelated {
                path,
                block: number,
                last,
            });
        }
        let failed = |source| CliError::Run {
            path: path.into(),
            source: Box::new(source),
        };
        // Where the state is in the log, a run goes on from there, and the log knows the parent.
        let goes_on = chain.blocks == 0 && db.identity().scheme == Scheme::StateRoot1;
        let parent = chain.parent.as_ref();
        if let Some((parent_hash, parent)) = parent.filter(|_| !self.isolated && !goes_on) {
            check_parent(&block.block, (parent.number, *parent_hash)).map_err(failed)?;
            let checked = check_header(&block.chain, &header, parent);
            checked.map_err(|mismatch| {
                failed(RunError::Mismatch {
                    block: number,
                    mismatch,
                })
            })?;
        }
        let (found, wanted) = (db.identity().scheme, self.scheme());
        if (self.scheme.is_some() || self.witness) && found != wanted {
            return Err(failed(RunError::OtherScheme {
                leaves: wanted,
                database: found,
            }));
        }
        let profile = db.identity().profile;
        let tracer = match chain.tracer.take() {
            Some((of, tracer)) if of == profile => tracer,
            _ => (chain.new_tracer)(profile)?,
        };
        if let Some(state) = witness {
            let (report, tracer) = witness::run(db, path, &block, state, tracer)?;
            chain.tracer = Some((profile, tracer));
            chain.parent = Some((hash, header));
            return Ok(report);
        }
        let (report, tracer) = match db.identity().scheme {
            Scheme::StateRoot1 => {
                if self.isolated {
                    chain.log = None;
                }
                let (running, genesis) = (chain.log.take(), chain.genesis.take());
                let check = !self.skip_state_root;
                let log = inside::chain(db, running, genesis.as_ref(), &block, check);
                let ran = log.and_then(|log| log.run_block(db, &block, tracer));
                let (report, log, tracer) = ran.map_err(failed)?;
                chain.log = Some(log);
                (report, tracer)
            }
            _ => {
                let own = block.state.take();
                let keep = own.is_none();
                let start = || chain.genesis.take().map(|genesis| genesis.state);
                let state = own.or_else(|| chain.state.take()).or_else(start);
                let state = state.expect("a file of blocks alone is not opened without a genesis");
                let ran = run_block(db, &block, state, tracer, &mut ReadSet);
                let (report, state, tracer) = ran.map_err(failed)?;
                if keep {
                    chain.state = Some(state);
                }
                (report, tracer)
            }
        };
        chain.tracer = Some((profile, tracer));
        chain.parent = Some((hash, header));
        Ok(report)
    }
}

/// An export starts with the block of the genesis, which is not executed.
fn is_genesis<T, F>(block: &PreparedBlock, chain: &Chain<T, F>) -> bool {
    block.state.is_none()
        && chain.blocks == 0
        && chain
            .parent
            .as_ref()
            .is_some_and(|(_, genesis)| genesis.number == block.block.header.number)
}

fn check_genesis(block: &PreparedBlock, parent: Option<&(B256, Header)>) -> Result<(), RunError> {
    let Some((hash, genesis)) = parent else {
        return Ok(());
    };
    let checked = check_hash(&block.block, *hash);
    checked.map_err(|mismatch| RunError::Mismatch {
        block: genesis.number,
        mismatch,
    })
}
