//! `qm statetest`: Ethereum's state tests.

use crate::error::{CliError, chain};
use crate::output::{json, print_error, say};
use crate::progress::{Progress, Task, Unit};
use alloy_primitives::B256;
use clap::Args;
use qmtree_execution_adapter::TraceLimits;
use qmtree_execution_adapter::statetest::{
    CaseReport, FileReport, Found, Selection, StateTestError, Tracing, find, run_files,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Run Ethereum's state tests, untraced and traced
///
/// Takes files in the GeneralStateTests format, plain JSON or compressed with zstd, and folders,
/// which are searched for them at any depth. Each case (a test under one fork with one choice of
/// data, gas limit and value) has to reach the state root and the logs hash of its file, and the
/// same again while a tracer looks on.
///
/// Failed cases are listed with what was expected and what was found; files of a folder that hold
/// no state tests, and forks without rules here, are named on standard error. The last line is
/// `N passed, N failed`. Exit code 0: none failed. 1: some did. 2: a file that was asked for holds
/// no state tests, or a file cannot be read.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StateTest {
    /// Only this fork, as the tests spell it (Frontier ... Osaka); may be given more than once.
    #[arg(long, value_name = "FORK")]
    fork: Vec<String>,
    /// Only tests whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run each case once, without the tracer.
    #[arg(long)]
    no_trace: bool,
    /// Fail cases that take more steps than this; by default the tracer gives up at 2^28.
    #[arg(long, value_name = "N", conflicts_with = "no_trace")]
    max_steps: Option<u64>,
    /// Print one line of JSON for each case, and one at the end.
    #[arg(long)]
    json: bool,
    /// Files, or folders of files.
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

/// How many cases there were.
#[derive(Debug, Default)]
struct Count {
    passed: u64,
    failed: u64,
    /// Files.
    unreadable: u64,
}

#[derive(Serialize)]
struct Summary {
    passed: u64,
    failed: u64,
}

/// A case with `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseLine<'a> {
    file: &'a Path,
    test: &'a str,
    fork: &'a str,
    data: usize,
    gas: usize,
    value: usize,
    ok: bool,
    /// Absent where the transaction was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_used: Option<u64>,
    /// Absent without a tracer.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_root: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found_root: Option<B256>,
}

impl<'a> CaseLine<'a> {
    fn new(file: &'a Path, case: &'a CaseReport) -> Self {
        let failure = case.verdict.as_ref().err();
        let (expected_root, found_root) = failure.and_then(|failure| failure.roots()).unzip();
        let id = &case.id;
        Self {
            file,
            test: &id.test,
            fork: &id.fork,
            data: id.data,
            gas: id.gas,
            value: id.value,
            ok: failure.is_none(),
            gas_used: case.gas_used,
            steps: case.steps.map(|steps| steps.opcodes),
            failure: failure.map(ToString::to_string),
            expected_root,
            found_root: found_root.flatten(),
        }
    }
}

impl StateTest {
    pub(crate) fn run(&self) -> Result<(), CliError> {
        let files = find(&self.files)?;
        let progress = Progress::start(Task {
            name: "statetest",
            unit: Unit::Files,
            total: Some(files.len() as u64),
        });
        let mut count = Count::default();
        let done = AtomicU64::new(0);
        let finished = || progress.set(done.fetch_add(1, Ordering::Relaxed) + 1);
        let selection = Selection {
            tracing: self.tracing(),
            forks: self.fork.clone(),
            filter: self.filter.clone(),
        };
        run_files(&files, &selection, &finished, |report| {
            self.report(report, &mut count)
        })?;
        drop(progress);
        self.conclude(&count)
    }

    fn tracing(&self) -> Tracing {
        match self.max_steps {
            _ if self.no_trace => Tracing::Off,
            None => Tracing::On,
            Some(steps) => Tracing::Limited(TraceLimits {
                steps,
                ..TraceLimits::default()
            }),
        }
    }

    fn report(&self, report: FileReport<'_>, count: &mut Count) -> Result<(), CliError> {
        let path = &report.file.path;
        let result = match report.result {
            Ok(result) => result,
            Err(error) => {
                count.unreadable += u64::from(is_refused(report.file, &error));
                print_error(&chain(&error));
                return Ok(());
            }
        };
        for skipped in result.skipped {
            let (path, test, what) = (path.display(), skipped.test, skipped.what);
            print_error(&format!("{path}: skipped: {test}: {what}"));
        }
        for case in &result.cases {
            match case.verdict {
                Ok(()) => count.passed += 1,
                Err(_) => count.failed += 1,
            }
            self.print(path, case)?;
        }
        Ok(())
    }

    fn print(&self, path: &Path, case: &CaseReport) -> Result<(), CliError> {
        if self.json {
            return json(&CaseLine::new(path, case));
        }
        match &case.verdict {
            Ok(()) => Ok(()),
            Err(failure) => say(format_args!(
                "FAILED {}: {}: {failure}",
                path.display(),
                case.id
            )),
        }
    }

    fn conclude(&self, count: &Count) -> Result<(), CliError> {
        let Count {
            passed,
            failed,
            unreadable,
        } = *count;
        if self.json {
            json(&Summary { passed, failed })?;
        } else {
            say(format_args!("{passed} passed, {failed} failed"))?;
        }
        match (failed, unreadable) {
            (0, 0) => Ok(()),
            (_, 0) => Err(CliError::StateTestsFailed { failed }),
            _ => Err(CliError::StateTestsUnreadable { unreadable }),
        }
    }
}

/// A file of a folder may be about something else; one that was asked for may not.
fn is_refused(file: &Found, error: &StateTestError) -> bool {
    file.named || !matches!(error, StateTestError::NotStateTests { .. })
}
