//! An index on disk whose process is killed.

use crate::support::{Kind, Log, Rocks};
use qmtree_storage::{Index, IndexBatch, Reached};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const FOLDER: &str = "QMTREE_TEST_INDEX_FOLDER";
const STEPS: usize = 600;
const FLUSH_EVERY: usize = 150;

/// The same in parent and child.
fn script() -> (Log, Vec<IndexBatch>) {
    let mut log = Log::new();
    let step = |number: usize| match number % 7 {
        6 => log.unwind(number % 3),
        _ => log.block(30 + number as u64 % 50),
    };
    let steps = (0..STEPS).map(step).collect();
    (log, steps)
}

/// The last step that begins at a position.
fn step_after(steps: &[IndexBatch], reached: Option<Reached>) -> usize {
    let begins_there = |step: &IndexBatch| step.before == reached;
    steps.iter().rposition(begins_there).unwrap_or(steps.len())
}

/// Feeds the index until it is killed, and says how far it came. A test of the parent's only.
#[test]
fn child() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let (_, steps) = script();
    let index = Rocks::open(Path::new(&folder)).unwrap();
    let mut out = std::io::stdout();
    for (number, step) in steps
        .iter()
        .enumerate()
        .skip(step_after(&steps, index.reached()))
    {
        index.apply(step).unwrap();
        if number % FLUSH_EVERY == 0 {
            index.flush().unwrap();
            writeln!(out, "\nflushed {number}").unwrap();
        }
        writeln!(out, "\napplied {number}").unwrap();
    }
    writeln!(out, "\ndone").unwrap();
    // Not to be reached: ending in order would flush.
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_process_leaves_a_position_there_was() {
    let (log, steps) = script();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("index");
    let mut flushed = None;
    let mut kept_unasked = 0;
    for lines in [1, 40, 200, 3, 170, 90, usize::MAX] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
            .env(FOLDER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let words = output.map(Result::unwrap).filter(|line| !line.is_empty());
        let mut applied = 0;
        for line in words {
            match line.split_once(' ') {
                Some(("flushed", number)) => flushed = Some(number.parse::<usize>().unwrap()),
                Some(("applied", number)) if number.parse::<usize>().is_ok() => applied += 1,
                _ if line == "done" => break,
                _ => {}
            }
            if applied >= lines {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let index = Rocks::open(&path).unwrap();
        let reached = log.check(&index);
        let next = step_after(&steps, reached);
        // It may have come further than it said.
        assert!(
            flushed.is_none_or(|flushed| next > flushed),
            "{next} {flushed:?}"
        );
        kept_unasked += usize::from(flushed.is_some_and(|flushed| next > flushed + 1));
    }
    assert!(
        kept_unasked > 0,
        "the buffers were meant to fill before a flush"
    );
}
