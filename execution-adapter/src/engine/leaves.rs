//! Executes on one thread, and makes the leaves on others behind it.

use crate::engine::error::RunError;
use crate::execute::{BlockInput, ExecutedBlock, execute_block};
use crate::leaf::{LeafParts, PreStateHash};
use crate::recorder::Recorder;
use crate::tracer::{TraceError, Tracer};
use alloy_evm::Database;
use alloy_evm::eth::EthEvmContext;
use qmtree_proofs::LeafPayload;
use revm::Inspector;
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
}

/// Executes a block and makes its leaves under the scheme of `pre_state`.
///
/// Each record is hashed on rayon's threads while the next transaction runs. The result does not
/// depend on how many threads there are.
///
/// # Errors
/// [`RunError::Execute`], or [`RunError::Leaf`] if a tracer or the scheme's rule fails.
pub fn execute_to_leaves<DB, T>(
    input: BlockInput<'_>,
    database: DB,
    tracer: T,
    pre_state: &mut dyn PreStateHash,
) -> Result<ExecutedLeaves<DB, T>, RunError>
where
    DB: Database,
    T: Tracer + Inspector<EthEvmContext<Recorder<DB>>>,
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
    let executed = executed.map_err(|source| RunError::Execute(Box::new(source)))?;
    let failed = |(leaf, source): (usize, TraceError)| RunError::Leaf {
        block: number,
        leaf,
        source,
    };
    let parts = in_order(made).map_err(failed)?;
    let mut payloads = Vec::with_capacity(parts.len());
    for (index, parts) in parts.iter().enumerate() {
        let hash = pre_state.pre_state_hash(parts);
        let hash = hash.map_err(|source| failed((index, source)))?;
        payloads.push(parts.payload(hash));
    }
    Ok(ExecutedLeaves {
        executed,
        parts,
        payloads,
    })
}

type Made = (usize, Result<LeafParts, TraceError>);

/// The parts in the order of their leaves, or the first failure in that order.
fn in_order(made: mpsc::Receiver<Made>) -> Result<Vec<LeafParts>, (usize, TraceError)> {
    let mut made: Vec<Made> = made.into_iter().collect();
    made.sort_unstable_by_key(|(index, _)| *index);
    let made = made.into_iter();
    made.map(|(index, parts)| parts.map_err(|error| (index, error)))
        .collect()
}
