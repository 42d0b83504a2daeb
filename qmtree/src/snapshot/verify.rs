//! Verifying files without importing them.

use super::ImportOptions;
use super::import::verified_state;
use super::plan::Plan;
use super::refusal::SnapshotRefusal;
use super::set::SnapshotSet;
use super::state::StateFiles;
use crate::error::Error;
use qmtree_proofs::Head;
use qmtree_storage::{Disk, RealDisk};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

/// What was verified to lead to a trusted head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Files that were looked at. Others hold what these do, or what no head binds, as tags.
    pub files: usize,
    /// What of the state log.
    pub state: VerifiedState,
}

/// What was verified of the state log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifiedState {
    /// The head has none.
    Empty,
    /// Every entry and every value.
    Full,
    /// What is live.
    Live,
    /// Nothing: there is no file of it, and a database cannot be made from these files.
    Missing,
}

/// Verifies snapshot files against a trusted head: every leaf and every node, as an import does,
/// without writing anything; and what there is of the state log, if there is any file of it, up to the
/// head's state root. State roots of earlier blocks are compared by an import.
///
/// # Errors
/// As [`Db::import_snapshot`](crate::Db::import_snapshot).
pub fn verify_snapshot(
    files: &[PathBuf],
    trusted: &Head,
    options: &ImportOptions,
) -> Result<Verified, Error> {
    verify_snapshot_on(&RealDisk, files, trusted, options)
}

/// [`verify_snapshot`] of files on a disk of the caller's.
///
/// # Errors
/// As [`verify_snapshot`].
pub fn verify_snapshot_on(
    disk: &dyn Disk,
    files: &[PathBuf],
    trusted: &Head,
    options: &ImportOptions,
) -> Result<Verified, Error> {
    let plan = Plan::new(SnapshotSet::open(disk, files)?, *trusted)?;
    let plan = plan.with_known(&options.known_heads)?;
    if let Some(Range {
        start: from,
        end: to,
    }) = plan.set.without_leaves(plan.sealed)
    {
        return Err(SnapshotRefusal::LeavesMissing { from, to }.into());
    }
    plan.check_listed()?;
    let mut used: BTreeSet<_> = plan.set.used_files(plan.sealed, trusted).collect();
    let state = match StateFiles::any(&plan) {
        true => verified_state(&plan, options)?,
        false => None,
    };
    plan.verify(options.threads, &options.progress)?;
    let found = match &state {
        Some(state) if state.is_live() => VerifiedState::Live,
        Some(_) => VerifiedState::Full,
        None if trusted.entry_count == 0 => VerifiedState::Empty,
        None => VerifiedState::Missing,
    };
    if let Some(state) = &state {
        used.extend(state.used_files()?);
    }
    let files = used.len();
    Ok(Verified {
        files,
        state: found,
    })
}
