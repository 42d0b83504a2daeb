//! Blocks that hold on a witness.

use qmtree_execution_adapter::engine::WitnessedBlock;
use qmtree_execution_adapter::{
    BlockInput, ExecutionWitness, NoTracer, StateScope, WitnessDb, check_outcome, execute_block,
};
use revm::database::states::bundle_state::BundleRetention;

/// Whether the block leads from this witness to the state root in its header: all of `execute_stateless`
/// but the recovery of senders, which is most of its time and reads no witness.
pub(crate) fn holds(file: &WitnessedBlock, witness: &ExecutionWitness) -> bool {
    let prepared = &file.prepared;
    let header = &prepared.block.header;
    let Ok(database) = WitnessDb::new(header, witness, file.claims.clone()) else {
        return false;
    };
    let failure = database.failure();
    let input = BlockInput {
        chain: &prepared.chain,
        block: &prepared.block,
        senders: &prepared.senders,
        keep_changes: true,
    };
    let executed = execute_block(input, database, NoTracer, |_| {});
    let Ok(executed) = executed else {
        return false;
    };
    if failure.get().is_some()
        || check_outcome(&prepared.block, &executed.outcome, StateScope::Complete).is_err()
    {
        return false;
    }
    let mut state = executed.state;
    state.merge_transitions(BundleRetention::PlainState);
    let changes = state.take_bundle();
    state
        .database
        .post_state_root(&changes)
        .is_ok_and(|root| root == header.state_root)
}
