//! `qm witness export`: makes a witness.

use super::inspect::Form;
use crate::arguments::TraceName;
use crate::block_range::BlockRange;
use crate::error::{CliError, in_database};
use crate::files::write;
use crate::output::say;
use clap::Args;
use qmtree::Db;
use qmtree_execution_adapter::StateBlock;
use qmtree_execution_adapter::engine::{
    BlockFile, ChainGenesis, PreparedBlock, open_block_file, record_state_witness,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Make the witness of a block or of consecutive blocks
///
/// Executes the blocks on the state before the first of them, and writes what that takes into one file:
/// the blocks, the rules of their chain, and proofs of everything that they read or write under the head
/// before them, shared nodes once. qm witness verify and qm replay execute the file without the database.
///
/// The database keeps no blocks: FILES are those that qm run read. It has scheme state-root/1, and
/// may be open for writing elsewhere. Blocks that it has are compared with it; the block that
/// comes next can be given too.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Export {
    /// Folder of the database.
    #[arg(long, value_name = "DIR")]
    db: PathBuf,
    /// The blocks: N, or N..M with both ends.
    #[arg(long, value_name = "N[..M]")]
    block: BlockRange,
    /// What the leaves of the database commit to.
    #[arg(long, value_enum, default_value_t = TraceName::Outcome)]
    trace: TraceName,
    /// geth's genesis.json: the rules of a chain that is not built in.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write JSON, for reading; only the binary form can be executed.
    #[arg(long)]
    json: bool,
    /// Files with these blocks.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Export {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let blocks = self.blocks()?;
        let missing = || CliError::NoBlocks {
            blocks: self.block.numbers(),
        };
        let chain = Arc::clone(&blocks.first().ok_or_else(missing)?.chain);
        if blocks.len() as u64 != self.block.count() {
            return Err(missing());
        }
        let blocks = blocks.into_iter().map(|prepared| StateBlock {
            block: prepared.block,
            ommers_known: prepared.ommers_known,
        });
        let db = Db::open_read_only(&self.db).map_err(in_database(&self.db))?;
        let view = db.view();
        let witness = record_state_witness(&view, &chain, self.trace.mode(), blocks.collect());
        let witness = witness.map_err(|source| CliError::Record {
            path: self.db.clone(),
            source: Box::new(source),
        })?;
        let bytes = witness.to_bytes();
        if self.json {
            let form = Form::new(&witness, bytes.len());
            let text = serde_json::to_vec_pretty(&form).expect("it has a JSON form");
            write(&self.output, &text)?;
        } else {
            write(&self.output, &bytes)?;
        }
        say(format_args!(
            "{} blocks, {} entries, {} bytes of proofs, {} bytes in all",
            witness.blocks.len(),
            witness.extract.entries().len(),
            witness.proof_len(),
            bytes.len()
        ))
    }

    /// The wanted blocks of all files, ascending.
    fn blocks(&self) -> Result<Vec<PreparedBlock>, CliError> {
        let genesis = self.genesis.as_deref().map(ChainGenesis::read).transpose();
        let rules = genesis
            .map_err(Box::new)?
            .map(|genesis| Arc::new(genesis.chain));
        let mut found = Vec::new();
        let mut take = |block: PreparedBlock| {
            if self.block.numbers().contains(&block.block.header.number) {
                found.push(block);
            }
        };
        for path in &self.files {
            match open_block_file(path, rules.as_ref()).map_err(Box::new)? {
                BlockFile::WithState(block) => take(*block),
                BlockFile::Chain(blocks) => {
                    for block in blocks {
                        take(block.map_err(Box::new)?);
                    }
                }
            }
        }
        found.sort_by_key(|block| block.block.header.number);
        Ok(found)
    }
}
