//! `qm run`: Ethereum blocks, executed into leaves.

mod input;
mod target;

use crate::arguments::parse_durability;
use crate::error::CliError;
use crate::output::say;
use crate::progress::{Progress, Task, Unit};
use clap::{Args, ValueEnum};
use input::{Next, with_blocks};
use qmtree::Durability;
use qmtree_execution_adapter::engine::{
    BlockReport, ChainGenesis, PreparedBlock, RunError, check_parent, run_block,
};
use qmtree_execution_adapter::{MemoryState, NoTracer, ReadSet, check_hash};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use target::Target;

/// Execute Ethereum blocks, check them, and append their leaves
///
/// FILES are blocks with the state that they need (eth-block-prestate/1, JSON), or blocks alone
/// (concatenated RLP, as geth export writes it), which need --genesis. Both may be packed with zstd.
///
/// A block of n transactions becomes n + 2 leaves of scheme read-set/1. Each block is checked
/// against its header before its leaves are appended; the run stops at the first that does not
/// hold, and the blocks before it stay. Blocks that are in the log already, with the same leaves,
/// are checked again and passed over, so an interrupted run can be repeated.
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
    /// Put every block into a database of its own: DIR/<chain>-<block number>.
    #[arg(long, conflicts_with = "genesis")]
    isolated: bool,
    /// How much of the execution the leaves commit to.
    #[arg(long, value_enum, default_value_t = TraceName::Outcome)]
    trace: TraceName,
    /// geth's genesis.json: rules and first state for blocks that come without.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TraceName {
    /// Status, gas, output and logs.
    Outcome,
    /// Every step, each of which can be proved.
    Full,
    /// Every step, as one hash.
    Flat,
}

/// What goes from block to block.
#[derive(Debug, Default)]
struct Chain {
    /// All of the state, if the chain started from a genesis.
    state: Option<MemoryState>,
    /// Number and hash of the block before.
    parent: Option<(u64, alloy_primitives::B256)>,
    blocks: u64,
}

impl Run {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        if self.trace != TraceName::Outcome {
            return Err(CliError::Unavailable {
                what: "qm run --trace full or flat",
            });
        }
        let genesis = self.genesis.as_deref().map(ChainGenesis::read).transpose();
        let genesis = genesis.map_err(Box::new)?;
        let mut chain = Chain::default();
        let mut rules = None;
        if let Some(ChainGenesis {
            chain: spec,
            state,
            header,
        }) = genesis
        {
            rules = Some(Arc::new(spec));
            chain.state = Some(state);
            chain.parent = Some((header.number, header.hash_slow()));
        }
        let mut target = Target::new(&self.db, self.isolated, self.durability);
        // Blocks before one that is no good stay, so they are made durable too.
        let ran = self.run_files(rules, &mut chain, &mut target);
        let closed = target.close();
        ran.and(closed)?;
        if !self.json {
            say(format_args!("{} blocks hold", chain.blocks))?;
        }
        Ok(())
    }

    fn run_files(
        &self,
        rules: Option<Arc<qmtree_execution_adapter::ChainSpec>>,
        chain: &mut Chain,
        target: &mut Target,
    ) -> Result<(), CliError> {
        // A bar between lines of output would make neither readable.
        let progress = (!std::io::stdout().is_terminal()).then(|| {
            Progress::start(Task {
                name: "run",
                unit: Unit::Files,
                total: Some(self.files.len() as u64),
            })
        });
        with_blocks(&self.files, rules, |next| {
            let Next { file, path, block } = next;
            if let Some(progress) = &progress {
                progress.set(file);
            }
            self.run_one(path, block, chain, target)
        })
    }

    fn run_one(
        &self,
        path: &Path,
        block: PreparedBlock,
        chain: &mut Chain,
        target: &mut Target,
    ) -> Result<(), CliError> {
        if is_genesis(&block, chain) {
            let failed = |source| CliError::Run {
                path: path.into(),
                source,
            };
            return check_genesis(&block, chain).map_err(failed);
        }
        let ran = self.execute(path, block, chain, target);
        match ran {
            Ok(report) => {
                chain.blocks += 1;
                self.print(&report)
            }
            Err((summary, error)) => {
                if self.json {
                    let root = target.root();
                    say(serde_json::json!({
                        "blockNumber": summary.number,
                        "txs": summary.txs,
                        "gasUsed": summary.gas_used,
                        "firstTxNum": null,
                        "lastTxNum": null,
                        "root": root,
                        "ok": false,
                        "error": error.chain(),
                    }))?;
                }
                Err(error)
            }
        }
    }

    fn execute(
        &self,
        path: &Path,
        mut block: PreparedBlock,
        chain: &mut Chain,
        target: &mut Target,
    ) -> Result<BlockReport, (Summary, CliError)> {
        let header = &block.block.header;
        let (number, hash) = (header.number, header.hash_slow());
        let summary = Summary {
            number,
            txs: block.block.body.transactions.len(),
            gas_used: header.gas_used,
        };
        let failed = |source| {
            (
                summary,
                CliError::Run {
                    path: path.into(),
                    source,
                },
            )
        };
        let db = target
            .open(&block.chain, number)
            .map_err(|error| (summary, error))?;
        if let Some(parent) = chain.parent.filter(|_| !self.isolated) {
            check_parent(&block.block, parent).map_err(failed)?;
        }
        let own = block.state.take();
        let keep = own.is_none();
        let state = own.or_else(|| chain.state.take());
        let state = state.expect("a file of blocks alone is not opened without a genesis");
        let (report, state, _) =
            run_block(db, &block, state, NoTracer, &mut ReadSet).map_err(failed)?;
        if keep {
            chain.state = Some(state);
        }
        chain.parent = Some((number, hash));
        Ok(report)
    }

    fn print(&self, report: &BlockReport) -> Result<(), CliError> {
        let BlockReport {
            block_number,
            transactions,
            gas_used,
            head,
            ..
        } = report;
        if self.json {
            return say(serde_json::json!({
                "blockNumber": block_number,
                "txs": transactions,
                "gasUsed": gas_used,
                "firstTxNum": report.first_tx_num,
                "lastTxNum": report.last_tx_num,
                "root": head.root,
                "ok": true,
            }));
        }
        let seconds = report.execution.as_secs_f64().max(1e-9);
        let mgas_per_second = *gas_used as f64 / 1e6 / seconds;
        let leaves = report.leaves();
        let known = if report.appended {
            ""
        } else {
            " (in the log already)"
        };
        say(format_args!(
            "block {block_number}: {transactions} txs, {gas_used} gas, {mgas_per_second:.0} Mgas/s, \
             {leaves} leaves, root {}{known}",
            head.root
        ))
    }
}

/// What is known of a block that was not run.
#[derive(Clone, Copy, Debug)]
struct Summary {
    number: u64,
    txs: usize,
    gas_used: u64,
}

/// An export starts with the block of the genesis, which is not executed.
fn is_genesis(block: &PreparedBlock, chain: &Chain) -> bool {
    block.state.is_none()
        && chain.blocks == 0
        && chain
            .parent
            .is_some_and(|(number, _)| number == block.block.header.number)
}

fn check_genesis(block: &PreparedBlock, chain: &Chain) -> Result<(), RunError> {
    let Some((number, hash)) = chain.parent else {
        return Ok(());
    };
    let checked = check_hash(&block.block, hash);
    checked.map_err(|mismatch| RunError::Mismatch {
        block: number,
        mismatch,
    })
}
