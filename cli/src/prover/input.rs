//! What a range is executed from, from the command line.

use crate::arguments::{ProfileName, TraceName};
use crate::error::{CliError, in_database};
use crate::files::read_witness;
use alloy_primitives::{B256, Bytes};
use clap::Args;
use qmtree::Db;
use qmtree_execution_adapter::engine::{
    ChainGenesis, RunError, WitnessedBlock, log_edge_before, read_witness_file,
};
use qmtree_execution_adapter::{
    ChainSpec, RangeBlock, RangeInput, StateWitness, StateWitnessBlock, StatelessOutput,
    check_hash, execute_range, execute_state_witness,
};
use qmtree_kernels::Hasher;
use qmtree_proofs::Scheme;
use qmtree_proofs::statement::{BlockRecord, LogEdge, Program, PublicInputs};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Blocks and the log that they are appended to.
#[derive(Debug, Args)]
pub(super) struct RangeArguments {
    /// Start from the log in this folder, at the block before the first one; without it from an
    /// empty log. The database is not changed.
    #[arg(long, value_name = "DIR")]
    db: Option<PathBuf>,
    /// Hash rules of the empty log; keccak where nothing is said.
    #[arg(long, value_enum, conflicts_with = "db")]
    profile: Option<ProfileName>,
    /// How much of the execution the leaves commit to; outcome where nothing is said.
    #[arg(long, value_enum)]
    trace: Option<TraceName>,
    /// geth's genesis.json: the rules of a chain that is none of the public ones.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Consecutive blocks with their execution witnesses (eth-witness/1), oldest first; or one file
    /// of qm witness export, which brings log, rules and trace with it.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What a program executes.
#[derive(Debug)]
pub(super) enum ProgramInput {
    /// Blocks with execution witnesses, of Ethereum's state.
    Execution(Box<RangeInput>),
    /// Blocks with a witness of the state log, and its file.
    State(Box<StateWitness>, PathBuf),
}

/// What the program makes of it.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) public_inputs: PublicInputs,
    pub(super) records: Vec<BlockRecord>,
    pub(super) blocks: Vec<ExecutedBlock>,
}

/// What a block did.
#[derive(Debug)]
pub(super) struct ExecutedBlock {
    pub(super) number: u64,
    pub(super) gas_used: u64,
    pub(super) leaves: usize,
    /// The chain's own, or the state log's.
    pub(super) state_root: B256,
}

impl ProgramInput {
    /// The bytes that the program reads.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Execution(input) => input.to_bytes(),
            Self::State(witness, _) => witness.to_bytes(),
        }
    }

    /// Does here what the program does there.
    pub(super) fn execute(&self) -> Result<Executed, CliError> {
        match self {
            Self::Execution(input) => execute_input(input),
            Self::State(witness, path) => execute_witness(witness, path),
        }
    }
}

fn execute_input(input: &RangeInput) -> Result<Executed, CliError> {
    let hasher = Hasher::new(input.edge.head().profile);
    let output = execute_range(input, hasher).map_err(|source| CliError::Range {
        source: Box::new(source),
    })?;
    let block = |block: &StatelessOutput| ExecutedBlock {
        number: block.block_number,
        gas_used: block.gas_used,
        leaves: block.leaves.len(),
        state_root: block.post_state_root,
    };
    Ok(Executed {
        public_inputs: output.public_inputs,
        records: output.tree.records().to_vec(),
        blocks: output.blocks.iter().map(block).collect(),
    })
}

fn execute_witness(witness: &StateWitness, path: &Path) -> Result<Executed, CliError> {
    let hasher = Hasher::new(witness.edge.head().profile);
    let output =
        execute_state_witness(witness, hasher).map_err(|source| CliError::InvalidWitness {
            path: path.into(),
            source: Box::new(source),
        })?;
    let block = |block: &StateWitnessBlock| ExecutedBlock {
        number: block.number,
        gas_used: block.gas_used,
        leaves: block.leaves.len(),
        state_root: block.head.state_root,
    };
    Ok(Executed {
        public_inputs: output.public_inputs,
        records: output.tree.records().to_vec(),
        blocks: output.blocks.iter().map(block).collect(),
    })
}

/// Compares the hash that a file gives its block with that of the header.
fn check_file_hash(file: &WitnessedBlock, path: &Path) -> Result<(), CliError> {
    let block = &file.prepared.block;
    let checked = file.prepared.hash.map(|hash| check_hash(block, hash));
    checked.unwrap_or(Ok(())).map_err(|mismatch| CliError::Run {
        path: path.into(),
        source: Box::new(RunError::Mismatch {
            block: block.header.number,
            mismatch,
        }),
    })
}

impl RangeArguments {
    /// Reads the files, and the edge of the log.
    pub(super) fn read(&self, program: Program) -> Result<ProgramInput, CliError> {
        if let Some(path) = self.files.iter().find(|path| is_state_witness(path)) {
            return self.read_state_witness(path, program);
        }
        let rules = read_rules(self.genesis.as_deref())?;
        let read = |path: &PathBuf| read_witness_file(path, rules.as_ref());
        let files: Result<Vec<WitnessedBlock>, _> = self.files.iter().map(read).collect();
        let files = files.map_err(Box::new)?;
        for (file, path) in files.iter().zip(&self.files) {
            check_file_hash(file, path)?;
        }
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
        Ok(ProgramInput::Execution(Box::new(RangeInput {
            edge: self.edge(&chain, number)?,
            chain,
            program,
            mode: self.trace.unwrap_or(TraceName::Outcome).mode(),
            blocks: files.into_iter().map(RangeBlock::from).collect(),
        })))
    }

    fn read_state_witness(&self, path: &Path, program: Program) -> Result<ProgramInput, CliError> {
        let told = self.db.is_some() || self.genesis.is_some();
        if told || self.profile.is_some() || self.trace.is_some() {
            return Err(CliError::Usage {
                what: "--db, --profile, --trace and --genesis are not for a witness of the state \
                       log, which brings all that with it",
            });
        }
        if self.files.len() > 1 {
            return Err(CliError::Usage {
                what: "a witness of the state log comes alone; qm witness export takes a range",
            });
        }
        let bytes = Bytes::from(read_witness(path)?);
        let witness = StateWitness::from_bytes(&bytes).map_err(|source| CliError::BadWitness {
            path: path.into(),
            source: Box::new(source.into()),
        })?;
        let witness = Box::new(StateWitness { program, ..witness });
        Ok(ProgramInput::State(witness, path.into()))
    }

    fn edge(&self, chain: &ChainSpec, block: u64) -> Result<LogEdge, CliError> {
        let Some(path) = &self.db else {
            let profile = self.profile.unwrap_or(ProfileName::Keccak).profile();
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

/// True if the file begins like one; what cannot be read is the business of whoever reads it.
fn is_state_witness(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
    read.is_ok() && StateWitness::is_one(&start)
}

/// The rules of a chain of one's own.
pub(super) fn read_rules(genesis: Option<&Path>) -> Result<Option<Arc<ChainSpec>>, CliError> {
    let read = genesis.map(ChainGenesis::read).transpose();
    let read = read.map_err(Box::new)?;
    Ok(read.map(|genesis| Arc::new(genesis.chain)))
}
