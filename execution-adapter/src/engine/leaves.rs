//! Executes on one thread, and makes the leaves on others behind it.

use crate::engine::error::RunError;
use crate::execute::{BlockInput, ExecutedBlock, TracerFor, execute_block};
use crate::leaf::{LeafParts, PreStateHash};
use crate::transition::{StepsCommitment, TransitionKind};
use alloy_evm::Database;
use qmtree_proofs::LeafPayload;
use std::sync::mpsc;

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
}

/// Executes a block and makes its leaves under the scheme of `pre_state`.
///
/// Each record is hashed on rayon's threads while the next transaction runs. The result does not
/// depend on how many threads there are.
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
    let (done, made) = mpsc::channel();
    let executed = rayon::in_place_scope(|threads| {
        let mut count = 0usize;
        execute_block(input, database, tracer, |record| {
            let (index, done) = (count, done.clone());
            count += 1;
            threads.spawn(move |_| {
                // The receiver outlives the scope.
                let _ = done.send((index, record.into_parts(scheme)));
            });
        })
    });
    drop(done);
    let mut executed = executed.map_err(|source| RunError::Execute(Box::new(source)))?;
    let mut made: Vec<(usize, LeafParts)> = made.into_iter().collect();
    made.sort_unstable_by_key(|(index, _)| *index);
    let parts: Vec<LeafParts> = made.into_iter().map(|(_, parts)| parts).collect();

    let steps = executed.tracer.commitments();
    let mut of_transactions = steps
        .map_err(|source| RunError::Trace {
            block: number,
            source,
        })?
        .into_iter();
    let mut payloads = Vec::with_capacity(parts.len());
    let mut steps = Vec::with_capacity(parts.len());
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
        payloads.push(parts.payload(hash, &commitment));
        steps.push(commitment);
    }
    Ok(ExecutedLeaves {
        executed,
        parts,
        payloads,
        steps,
    })
}
