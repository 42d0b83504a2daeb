//! Files read, and senders found, while earlier blocks execute.

use crate::error::CliError;
use qmtree_execution_adapter::ChainSpec;
use qmtree_execution_adapter::engine::{BlockFile, FileError, PreparedBlock, open_block_file};
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
}

type Read<'a> = (u64, &'a Path, Result<PreparedBlock, FileError>);

/// Calls `each` with the blocks of all files, in order, until one fails.
pub(super) fn with_blocks(
    files: &[PathBuf],
    rules: Option<Arc<ChainSpec>>,
    mut each: impl FnMut(Next<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    std::thread::scope(|threads| {
        let (ready, blocks) = sync_channel(AHEAD);
        threads.spawn(move || {
            for (file, path) in files.iter().enumerate() {
                // It ends early if nobody takes the blocks any more.
                if read_file(file as u64, path, rules.as_ref(), &ready).is_none() {
                    return;
                }
            }
        });
        for (file, path, block) in blocks {
            let block = block.map_err(Box::new)?;
            each(Next { file, path, block })?;
        }
        Ok(())
    })
}

/// Sends the blocks of a file; none if that was in vain, or an error was the last to send.
fn read_file<'a>(
    file: u64,
    path: &'a Path,
    rules: Option<&Arc<ChainSpec>>,
    ready: &SyncSender<Read<'a>>,
) -> Option<()> {
    let send = |block: Result<PreparedBlock, FileError>| {
        let good = block.is_ok();
        ready.send((file, path, block)).ok()?;
        good.then_some(())
    };
    match open_block_file(path, rules) {
        Ok(BlockFile::WithState(block)) => send(Ok(*block)),
        Ok(BlockFile::Chain(mut blocks)) => blocks.try_for_each(send),
        Err(error) => send(Err(error)),
    }
}
