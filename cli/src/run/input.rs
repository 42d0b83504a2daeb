//! Files read, and senders found, while earlier blocks execute.

use crate::error::CliError;
use qmtree_execution_adapter::engine::{
    BlockFile, FileError, PreparedBlock, open_block_file, read_witness_file,
};
use qmtree_execution_adapter::{ChainSpec, WitnessDb};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Blocks that are ready before they are needed.
const AHEAD: usize = 2;

/// A block, and where it is from.
#[derive(Debug)]
pub(super) struct Next<'a> {
    /// Files before this one.
    pub(super) file: u64,
    pub(super) path: &'a Path,
    pub(super) block: PreparedBlock,
    /// The state as its witness shows it, if the files have witnesses.
    pub(super) witness: Option<WitnessDb>,
}

/// What the files hold.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Blocks with the state that they need, or blocks alone, for which there are rules.
    Blocks(Option<Arc<ChainSpec>>),
    /// Blocks with their witnesses, and rules where the chain is none of the public ones.
    Witnesses(Option<Arc<ChainSpec>>),
}

type Input = (PreparedBlock, Option<WitnessDb>);
type Read<'a> = (u64, &'a Path, Result<Input, FileError>);

/// Calls `each` with the blocks of all files, in order, until it fails; a block that could not be read is
/// the last.
pub(super) fn with_blocks(
    files: &[PathBuf],
    source: &Source,
    mut each: impl FnMut(Result<Next<'_>, Box<FileError>>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    std::thread::scope(|threads| {
        let (ready, blocks) = sync_channel(AHEAD);
        threads.spawn(move || {
            for (file, path) in files.iter().enumerate() {
                // It ends early if nobody takes the blocks any more.
                if read_file(file as u64, path, source, &ready).is_none() {
                    return;
                }
            }
        });
        for (file, path, block) in blocks {
            let next = block.map(|(block, witness)| Next {
                file,
                path,
                block,
                witness,
            });
            each(next.map_err(Box::new))?;
        }
        Ok(())
    })
}

/// Sends the blocks of a file; none if that was in vain, or an error was the last to send.
fn read_file<'a>(
    file: u64,
    path: &'a Path,
    source: &Source,
    ready: &SyncSender<Read<'a>>,
) -> Option<()> {
    let send = |block: Result<Input, FileError>| {
        let good = block.is_ok();
        ready.send((file, path, block)).ok()?;
        good.then_some(())
    };
    let rules = match source {
        Source::Witnesses(rules) => return send(read_witness(path, rules.as_ref())),
        Source::Blocks(rules) => rules.as_ref(),
    };
    match open_block_file(path, rules) {
        Ok(BlockFile::WithState(block)) => send(Ok((*block, None))),
        Ok(BlockFile::Chain(mut blocks)) => {
            blocks.try_for_each(|block| send(block.map(|block| (block, None))))
        }
        Err(error) => send(Err(error)),
    }
}

/// Hashes the nodes and codes of the witness too, while the block before it executes.
fn read_witness(path: &Path, rules: Option<&Arc<ChainSpec>>) -> Result<Input, FileError> {
    let witnessed = read_witness_file(path, rules)?;
    let state = witnessed.state().map_err(|source| FileError::Witness {
        path: path.into(),
        block: witnessed.prepared.block.header.number,
        source,
    })?;
    Ok((witnessed.prepared, Some(state)))
}
