//! The trace of every case of Ethereum's state tests against the oracle.

use crate::statetest::{Selection, Tracing, find, run_files};
use std::path::PathBuf;

/// The runner compares with the oracle whatever it traces, when it is built for tests.
#[test]
fn state_tests_commit_to_what_the_oracle_says() {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        std::eprintln!("SKIPPED: set QMTREE_DATA to a folder with state tests");
        return;
    };
    let files = find(&[PathBuf::from(data).join("statetests")]).unwrap();
    let selection = Selection {
        tracing: Tracing::On,
        ..Selection::default()
    };
    let (mut cases, mut steps) = (0, 0);
    run_files(&files, &selection, &|| (), |report| {
        let result = report.result.map_err(|error| std::format!("{error}"))?;
        for case in result.cases {
            let name = std::format!("{}: {:?}", report.file.path.display(), case.id);
            case.verdict
                .map_err(|error| std::format!("{name}: {error}"))?;
            cases += 1;
            steps += case.steps.map_or(0, |steps| steps.opcodes);
        }
        Ok::<_, std::string::String>(())
    })
    .unwrap();
    std::eprintln!("{cases} cases, {steps} steps");
    assert!(cases > 1000, "{cases} cases");
}
