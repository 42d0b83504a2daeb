//! The commands of the documentation, as they are written there.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use std::path::Path;
use std::process::Command;

/// What whoever copies the commands has to put a path for.
const PLACE: &str = "PATH/TO/qmtree/testdata";

/// The blocks of shell commands of a page that can be run from test data.
fn scripts(page: &str) -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let text = std::fs::read_to_string(docs.join(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let blocks = blocks.filter(|block| block.contains(PLACE));
    blocks.map(str::to_owned).collect()
}

/// Runs a script in a folder of its own and returns what it printed.
fn run(script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let program = Path::new(env!("CARGO_BIN_EXE_qm")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let ran = Command::new("sh")
        .args(["-euc", &script.replace(PLACE, data.to_str().unwrap())])
        .env("PATH", path)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{script}\n{error}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn the_commands_about_provers_work_as_written() {
    let scripts = scripts("PROVERS.md");
    assert_eq!(scripts.len(), 1);
    let said = run(&scripts[0]);
    assert!(said.contains("VALID exec proof, trust class none: blocks 207 to 209"));
    assert!(said.contains("VALID exec-worker proof, trust class external: blocks 207 to 209"));
}

#[test]
fn the_commands_about_witnesses_work_as_written() {
    let scripts = scripts("WITNESS.md");
    assert_eq!(scripts.len(), 2);
    let said = run(&scripts[0]);
    assert_eq!(said.matches("3 blocks hold").count(), 2, "{said}");
    let said = run(&scripts[1]);
    assert!(said.contains("VALID blocks 100 to 199: "), "{said}");
    assert!(said.contains("\nstatement "), "{said}");
}
