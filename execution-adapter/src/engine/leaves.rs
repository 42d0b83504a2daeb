//! Executes on one thread, and makes the leaves on others behind it.

use crate::engine::error::RunError;
use crate::engine::record_queue::{Pushed, RecordQueue};
use crate::execute::{BlockInput, ExecutedBlock, TracerFor, execute_block_reusing};
use crate::leaf::{LeafParts, PreStateHash};
use crate::transition::{StepsCommitment, TransitionKind};
use alloy_evm::Database;
use qmtree_proofs::LeafPayload;
use std::time::{Duration, Instant};

/// A block that was executed, and its leaves.
#[derive(Debug)]
pub struct ExecutedLeaves<DB, T> {
    /// What came of it.
    pub executed: ExecutedBlock<DB, T>,
    /// What its leaves commit to, in order.
    pub parts: Vec<LeafParts>,
    /// The leaves.
    pub payloads: Vec<LeafPayload>,
    /// The steps that each leaf commits to; none where there are none.
    pub steps: Vec<StepsCommitment>,
    /// How long after the end of the execution the leaves were there: what hashing behind it was
    /// late.
    pub late: Duration,
}

/// Executes a block and makes its leaves under the scheme of `pre_state`.
///
/// Records are hashed on rayon's threads, some at a time, while later transactions run. The result
/// does not depend on how many threads there are.
///
/// # Errors
/// [`RunError::Execute`]; [`RunError::Trace`] and [`RunError::Leaf`] if the tracer or the scheme's
/// rule fails.
pub fn execute_to_leaves<DB, T>(
    input: BlockInput<'_>,
    database: DB,
    tracer: T,
    pre_state: &mut dyn PreStateHash,
) -> Result<ExecutedLeaves<DB, T>, RunError>
where
    DB: Database,
    T: TracerFor<DB>,
{
    let number = input.block.header.number;
    let scheme = pre_state.scheme();
    let records = RecordQueue::new(scheme);
    let (executed, ended) = rayon::in_place_scope(|threads| {
        let executed = execute_block_reusing(input, database, tracer, |record| {
            let Pushed { wants_help, spent } = records.push(record);
            if wants_help {
                threads.spawn(|_| records.work());
            }
            spent
        });
        let ended = Instant::now();
        records.finish();
        (executed, ended)
    });
    let mut executed = executed.map_err(|source| RunError::Execute(Box::new(source)))?;
    let parts = records.into_parts();

    let steps = executed.tracer.commitments();
    let mut of_transactions = steps
        .map_err(|source| RunError::Trace {
            block: number,
            source,
        })?
        .into_iter();
    let mut before = Vec::with_capacity(parts.len());
    for (leaf, parts) in parts.iter().enumerate() {
        let hash = pre_state.pre_state_hash(parts);
        let hash = hash.map_err(|source| RunError::Leaf {
            block: number,
            leaf,
            source,
        })?;
        let commitment = match parts.kind {
            TransitionKind::Transaction => of_transactions.next().unwrap_or_default(),
            _ => StepsCommitment::default(),
        };
        before.push((hash, commitment));
    }
    let payloads = LeafParts::payloads(&parts, &before);
    Ok(ExecutedLeaves {
        late: ended.elapsed(),
        executed,
        payloads,
        parts,
        steps: before.into_iter().map(|(_, steps)| steps).collect(),
    })
}
