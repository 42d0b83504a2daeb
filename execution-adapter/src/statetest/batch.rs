//! Runs many files on all threads, reporting in their order.

use super::error::StateTestError;
use super::find::Found;
use super::read::{Case, Skipped, StateTestFile};
use super::run::CaseReport;
use super::tracing::Tracing;
use rayon::prelude::*;

/// Which cases are run, and how.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Whether each runs a second time, with a tracer.
    pub tracing: Tracing,
    /// Only these forks, by the names that tests give them; all if there are none.
    pub forks: Vec<String>,
    /// Only tests whose name holds this text.
    pub filter: Option<String>,
}

/// What became of one file.
#[derive(Debug)]
pub struct FileReport<'a> {
    /// Which one.
    pub file: &'a Found,
    /// Its cases in order, or why it could not be used.
    pub result: Result<FileResult, StateTestError>,
}

/// The cases of a file that could be used.
#[derive(Debug)]
pub struct FileResult {
    /// Those that ran.
    pub cases: Vec<CaseReport>,
    /// What was not run, though it was selected.
    pub skipped: Vec<Skipped>,
}

/// Runs the cases of all files and reports file by file.
///
/// `finished` is called from any thread as files come to their end, in any order; `report` from
/// this one, in the order of the list.
/// Uses all of rayon's threads; a few files are in memory at a time. The first case that evaluates
/// a KZG point waits some seconds for a table that all later ones share.
///
/// # Errors
/// What `report` returns, at once. A file that cannot be used is part of its report.
pub fn run_files<'a, E>(
    files: &'a [Found],
    selection: &Selection,
    finished: &(dyn Fn() + Sync),
    mut report: impl FnMut(FileReport<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let at_a_time = rayon::current_num_threads().max(1) * 4;
    for files in files.chunks(at_a_time) {
        let run = |file| {
            let report = run_file(file, selection);
            finished();
            report
        };
        let reports: Vec<_> = files.par_iter().map(run).collect();
        reports.into_iter().try_for_each(&mut report)?;
    }
    Ok(())
}

fn run_file<'a>(file: &'a Found, selection: &Selection) -> FileReport<'a> {
    let result = StateTestFile::read(&file.path).map(|tests| {
        let mut cases = tests.cases();
        cases.retain(|case| selection.takes(case));
        let cases = cases.par_iter().map(|case| case.run(selection.tracing));
        FileResult {
            cases: cases.collect(),
            skipped: tests.skipped().to_vec(),
        }
    });
    FileReport { file, result }
}

impl Selection {
    fn takes(&self, case: &Case<'_>) -> bool {
        let fork = self.forks.is_empty() || self.forks.iter().any(|fork| fork == case.fork());
        let filter = self.filter.as_deref();
        fork && filter.is_none_or(|text| case.test().contains(text))
    }
}
