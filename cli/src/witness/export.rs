//! `qm witness export`: makes a witness.

use super::inspect::Form;
use crate::arguments::TraceName;
use crate::block_range::BlockRange;
use crate::error::{CliError, in_database};
use crate::files::write;
use crate::output::say;
use clap::Args;
use qmtree::{Db, View};
use qmtree_execution_adapter::StateBlock;
use qmtree_execution_adapter::engine::{
    BlockFile, ChainGenesis, PreparedBlock, open_block_file, record_state_witness,
};
use qmtree_proofs::{Scheme, TxNum};
use std::ops::RangeInclusive;
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
    #[arg(long, value_name = "N[..M]", required_unless_present = "tx_num")]
    block: Option<BlockRange>,
    /// The blocks that these transaction numbers of the log are in: N, or N..M with both ends.
    #[arg(long, value_name = "N[..M]", conflicts_with = "block", value_parser = parse_tx_nums)]
    tx_num: Option<(TxNum, TxNum)>,
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
        let db = Db::open_read_only(&self.db).map_err(in_database(&self.db))?;
        let view = db.view();
        let wanted = self.wanted(&view)?;
        let blocks = self.blocks(&wanted)?;
        let missing = || CliError::NoBlocks {
            blocks: wanted.clone(),
        };
        let chain = Arc::clone(&blocks.first().ok_or_else(missing)?.chain);
        if !blocks
            .iter()
            .map(|block| block.block.header.number)
            .eq(wanted.clone())
        {
            return Err(missing());
        }
        let blocks = blocks.into_iter().map(|prepared| StateBlock {
            block: prepared.block,
            ommers_known: prepared.ommers_known,
        });
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

    /// The numbers of the blocks, which are never all that there are.
    fn wanted(&self, view: &View) -> Result<RangeInclusive<u64>, CliError> {
        let block_of = |tx_num| view.block_of(tx_num).map_err(in_database(&self.db));
        // The first leaf of a log with a state is that of a state that was given. If it is pruned, so is
        // that block.
        let has_state = view.head().scheme == Scheme::StateRoot1;
        let given = view.block_of(TxNum(0)).ok().filter(|_| has_state);
        let wanted = match (&self.block, self.tx_num) {
            (Some(blocks), _) => blocks.numbers(),
            (None, Some((first, last))) => {
                let (first, last) = (block_of(first)?, block_of(last)?);
                // Leaves around it are those of blocks all the same.
                let executed = given.map_or(first, |given| first.max(given.saturating_add(1)));
                executed.min(last)..=last
            }
            (None, None) => {
                let what = "say which blocks: --block or --tx-num";
                return Err(CliError::Usage { what });
            }
        };
        match given.filter(|given| wanted.contains(given)) {
            Some(block) => {
                let range = view.block_range(block).map_err(in_database(&self.db))?;
                let next = range.end;
                Err(CliError::GivenBlock { block, next })
            }
            None => Ok(wanted),
        }
    }

    /// The wanted blocks of all files, ascending.
    fn blocks(&self, wanted: &RangeInclusive<u64>) -> Result<Vec<PreparedBlock>, CliError> {
        let genesis = self.genesis.as_deref().map(ChainGenesis::read).transpose();
        let rules = genesis
            .map_err(Box::new)?
            .map(|genesis| Arc::new(genesis.chain));
        let mut found = Vec::new();
        let mut take = |block: PreparedBlock| {
            if wanted.contains(&block.block.header.number) {
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

/// One number, or two with both ends in the range.
fn parse_tx_nums(text: &str) -> Result<(TxNum, TxNum), String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| match text.parse() {
        Ok(number) => Ok(TxNum(number)),
        Err(_) => Err(format!("{text:?} is not a transaction number")),
    };
    match (number(first)?, number(last)?) {
        (first, last) if first > last => Err("the range ends before it begins".to_owned()),
        range => Ok(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_numbers_have_both_ends() {
        assert_eq!(parse_tx_nums("7"), Ok((TxNum(7), TxNum(7))));
        assert_eq!(parse_tx_nums("0..9"), Ok((TxNum(0), TxNum(9))));
        for text in ["", "x", "9..7", "1..", "..1", "-1", "1..2..3"] {
            assert!(parse_tx_nums(text).is_err(), "{text}");
        }
    }
}
