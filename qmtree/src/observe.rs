//! Metrics and spans: the only file that names them, after docs/METRICS.md.
//!
//! Without a recorder and a subscriber an operation costs two readings of the clock and a few
//! loads more than without this file.

use crate::error::Error;
use crate::state::State;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use std::path::Path;
use std::time::Instant;
use tracing::Level;

/// Says what each metric counts, and in which unit, to the recorder that is installed.
///
/// Call it once, after a recorder was installed; without one it does nothing. The names are those
/// of docs/METRICS.md.
pub fn describe_metrics() {
    describe_histogram!(SECONDS, Unit::Seconds, "Time of an operation");
    describe_counter!(ERRORS, Unit::Count, "Operations that failed");
    describe_counter!(POISONED, Unit::Count, "Writers that a failed write stopped");
    describe_counter!(APPENDED_BLOCKS, Unit::Count, "Blocks appended");
    describe_counter!(APPENDED_LEAVES, Unit::Count, "Leaves appended");
    describe_counter!(UNWOUND_BLOCKS, Unit::Count, "Blocks unwound");
    describe_counter!(SEALED_LEAVES, Unit::Count, "Leaves written to segments");
    describe_counter!(PRUNED_SEGMENTS, Unit::Count, "Segments pruned");
    describe_counter!(PROOFS, Unit::Count, "Proofs made");
    describe_gauge!(BLOCK_NUMBER, Unit::Count, "Newest block of the log");
    describe_gauge!(LEAF_COUNT, Unit::Count, "Leaves of the log");
    describe_gauge!(
        SEALED_LEAF_COUNT,
        Unit::Count,
        "Leaves of the log in segments"
    );
    describe_gauge!(
        JOURNAL_BYTES,
        Unit::Bytes,
        "Length of the newest journal file"
    );
}

const SECONDS: &str = "qmtree_operation_seconds";
const ERRORS: &str = "qmtree_operation_errors_total";
const POISONED: &str = "qmtree_poisoned_total";
const APPENDED_BLOCKS: &str = "qmtree_appended_blocks_total";
const APPENDED_LEAVES: &str = "qmtree_appended_leaves_total";
const UNWOUND_BLOCKS: &str = "qmtree_unwound_blocks_total";
const SEALED_LEAVES: &str = "qmtree_sealed_leaves_total";
const PRUNED_SEGMENTS: &str = "qmtree_pruned_segments_total";
const PROOFS: &str = "qmtree_proofs_total";
const BLOCK_NUMBER: &str = "qmtree_block_number";
const LEAF_COUNT: &str = "qmtree_leaf_count";
const SEALED_LEAF_COUNT: &str = "qmtree_sealed_leaf_count";
const JOURNAL_BYTES: &str = "qmtree_journal_bytes";

/// Runs `work` in a span of this name, and records how long it took and whether it failed.
macro_rules! observed {
    ($level:ident, $operation:literal, { $($field:tt)* }, $work:expr) => {{
        let _span = tracing::span!(target: "qmtree", Level::$level, $operation, $($field)*).entered();
        let start = Instant::now();
        let result = $work();
        histogram!(SECONDS, "operation" => $operation).record(start.elapsed());
        if let Err(error) = &result {
            counter!(ERRORS, "operation" => $operation).increment(1);
            let error: &dyn std::error::Error = error;
            tracing::warn!(target: "qmtree", operation = $operation, error, "failed");
        }
        result
    }};
}

pub(crate) fn append<T>(
    block_number: u64,
    leaves: usize,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    observed!(DEBUG, "append", { block_number, leaves }, work)
}

pub(crate) fn sync<T, E: std::error::Error + 'static>(
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    observed!(TRACE, "sync", {}, work)
}

pub(crate) fn seal<T>(
    first_twig: u64,
    twigs: usize,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    observed!(INFO, "seal", { first_twig, twigs }, work)
}

pub(crate) fn unwind<T>(
    to_block: u64,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    observed!(INFO, "unwind", { to_block }, work)
}

pub(crate) fn prune<T>(to_block: u64, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    observed!(INFO, "prune", { to_block }, work)
}

pub(crate) fn recover<T>(dir: &Path, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    observed!(INFO, "recover", { dir = %dir.display() }, work)
}

pub(crate) fn check<T>(
    leaf_count: u64,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    observed!(INFO, "check", { leaf_count }, work)
}

pub(crate) fn checkpoint<T>(
    target: &Path,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    observed!(INFO, "checkpoint", { target = %target.display() }, work)
}

/// Runs what makes so many proofs of a kind.
pub(crate) fn prove<T>(
    kind: &'static str,
    proofs: usize,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let made = observed!(TRACE, "prove", { kind, proofs }, work)?;
    counter!(PROOFS).increment(proofs as u64);
    Ok(made)
}

pub(crate) fn poisoned() {
    counter!(POISONED).increment(1);
    tracing::error!(target: "qmtree", "poisoned");
}

pub(crate) fn appended(leaves: usize) {
    counter!(APPENDED_BLOCKS).increment(1);
    counter!(APPENDED_LEAVES).increment(leaves as u64);
}

pub(crate) fn unwound(blocks: u64) {
    counter!(UNWOUND_BLOCKS).increment(blocks);
}

pub(crate) fn sealed(leaves: u64) {
    counter!(SEALED_LEAVES).increment(leaves);
}

pub(crate) fn pruned_segment() {
    counter!(PRUNED_SEGMENTS).increment(1);
}

/// The state that readers see from now on.
pub(crate) fn published(state: &State, journal_bytes: Option<u64>) {
    gauge!(BLOCK_NUMBER).set(state.head.block_number as f64);
    gauge!(LEAF_COUNT).set(state.head.leaf_count as f64);
    gauge!(SEALED_LEAF_COUNT).set(state.sealed_leaves() as f64);
    if let Some(bytes) = journal_bytes {
        gauge!(JOURNAL_BYTES).set(bytes as f64);
    }
}
