//! Blocks that are executed from their witnesses.

use crate::error::CliError;
use crate::output::print_note;
use qmtree::Db;
use qmtree_execution_adapter::engine::{BlockReport, FileError, PreparedBlock, run_block};
use qmtree_execution_adapter::{PreState, ReadSet, TracerFor, WitnessDb};
use std::path::Path;

/// Runs a block into `db`. Returns the tracer for the next one.
pub(super) fn run<T: TracerFor<WitnessDb>>(
    db: &mut Db,
    path: &Path,
    block: &PreparedBlock,
    state: WitnessDb,
    tracer: T,
) -> Result<(BlockReport, T), CliError> {
    let failure = state.failure();
    let number = block.block.header.number;
    let ran = run_block(db, block, state, tracer, &mut ReadSet);
    // What the witness lacks comes first: the executor that ran into it may have blamed the block.
    if let Some(missing) = failure.get() {
        return Err(CliError::BlockFile(Box::new(FileError::Witness {
            path: path.into(),
            block: number,
            source: missing.clone(),
        })));
    }
    let failed = |source| CliError::Run {
        path: path.into(),
        source: Box::new(source),
    };
    let (report, state, tracer) = ran.map_err(failed)?;
    note_claims(path, number, &state);
    Ok((report, tracer))
}

/// Says on standard error what a block rests on beside its hash: docs/WITNESS.md, "What can be
/// claimed".
fn note_claims(path: &Path, block: u64, state: &WitnessDb) {
    let path = path.display();
    if let PreState::Claimed(root) = state.pre_state() {
        print_note(&format!(
            "{path}: block {block}: the state root before it, {root}, is the file's claim, not \
             proven: the witness has no parent header"
        ));
    }
    let claimed = state.claimed_hashes().count();
    if claimed > 0 {
        print_note(&format!(
            "{path}: block {block}: {claimed} hashes of earlier blocks are the file's claim, not \
             proven"
        ));
    }
}
