//! What a range is executed from, from the command line.

use crate::arguments::{ProfileName, TraceName};
use crate::error::{CliError, in_database};
use clap::Args;
use qmtree::Db;
use qmtree_execution_adapter::engine::{
    ChainGenesis, WitnessedBlock, log_edge_before, read_witness_file,
};
use qmtree_execution_adapter::{ChainSpec, RangeBlock, RangeInput};
use qmtree_proofs::Scheme;
use qmtree_proofs::statement::{LogEdge, Program};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Blocks and the log that they are appended to.
#[derive(Debug, Args)]
pub(super) struct RangeArguments {
    /// Start from the log in this folder, at the block before the first one; without it from an
    /// empty log. The database is not changed.
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
    /// Hash rules of the empty log.
    #[arg(long, value_enum, default_value_t = ProfileName::Keccak, conflicts_with = "db")]
    profile: ProfileName,
    /// How much of the execution the leaves commit to.
    #[arg(long, value_enum, default_value_t = TraceName::Outcome)]
    trace: TraceName,
    /// geth's genesis.json: the rules of a chain that is none of the public ones.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Consecutive blocks with their execution witnesses (eth-witness/1), oldest first.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl RangeArguments {
    /// Reads the files, and the edge of the log.
    pub(super) fn read(&self, program: Program) -> Result<RangeInput, CliError> {
        let rules = read_rules(self.genesis.as_deref())?;
        let read = |path: &PathBuf| read_witness_file(path, rules.as_ref());
        let files: Result<Vec<WitnessedBlock>, _> = self.files.iter().map(read).collect();
        let files = files.map_err(Box::new)?;
        let first = files.first().ok_or(CliError::Usage {
            what: "there are no files",
        })?;
        let chain = ChainSpec::clone(&first.prepared.chain);
        let other = files
            .iter()
            .find(|file| file.prepared.chain.chain_id() != chain.chain_id());
        if other.is_some() {
            let what = "the blocks are of several chains";
            return Err(CliError::Usage { what });
        }
        let number = first.prepared.block.header.number;
        Ok(RangeInput {
            edge: self.edge(&chain, number)?,
            chain,
            program,
            mode: self.trace.mode(),
            blocks: files.into_iter().map(RangeBlock::from).collect(),
        })
    }

    fn edge(&self, chain: &ChainSpec, block: u64) -> Result<LogEdge, CliError> {
        let Some(path) = &self.db else {
            let profile = self.profile.profile();
            return Ok(LogEdge::empty(chain.chain_id(), profile, Scheme::ReadSet1));
        };
        let db = Db::open_read_only(path).map_err(in_database(path))?;
        let edge = log_edge_before(&db.view(), block);
        edge.map_err(|source| CliError::Edge {
            path: path.clone(),
            block,
            source: Box::new(source),
        })
    }
}

/// The rules of a chain of one's own.
pub(super) fn read_rules(genesis: Option<&Path>) -> Result<Option<Arc<ChainSpec>>, CliError> {
    let read = genesis.map(ChainGenesis::read).transpose();
    let read = read.map_err(Box::new)?;
    Ok(read.map(|genesis| Arc::new(genesis.chain)))
}
