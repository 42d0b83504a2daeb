//! QMTree's state log beside other stores, in one run: the same keys, values and blocks.
//!
//! ```text
//! parent   one child for each contender, one after the other -> table, ratios
//! child    load -> blocks of 1000 -> of 10,000 -> of 25,000 -> proofs -> one line of JSON
//! ```
//!
//! A contender has a process of its own, so that memory and processor time are its own. README.md
//! says what is compared and what is not.
#![forbid(unsafe_code)]

mod contender;
mod measure;
mod nomt;
mod qmtree;
mod report;
mod rocks;
mod workload;

use crate::contender::{Name, Outcome};
use crate::workload::Size;
use clap::Parser;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a contender may fail with; the bench ends then.
type Failure = Box<dyn Error + Send + Sync>;

/// Compare QMTree's state log with NOMT and with plain RocksDB.
///
/// Keys and values have 32 bytes. The keys are loaded in blocks of 25,000, then random ones get new
/// values in blocks of 1000, 10,000 and 25,000; then come proofs of random keys.
#[derive(Debug, Parser)]
struct Arguments {
    /// Keys to load.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Updates for each size of block, rounded up to whole blocks.
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    updates: u64,
    /// Proofs to make and verify.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    proofs: u64,
    /// Where the databases go, and are removed again: a folder on the disk that matters.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Contenders, in this order; all if none is given.
    #[arg(value_enum, value_name = "CONTENDER")]
    contenders: Vec<Name>,
    /// Print JSON, one line for each contender.
    #[arg(long)]
    json: bool,
    /// Be that child, with a database in this new folder.
    #[arg(long, hide = true, value_name = "DIR")]
    child: Option<PathBuf>,
}

impl Arguments {
    fn size(&self) -> Size {
        Size {
            keys: self.keys,
            updates: self.updates,
            proofs: self.proofs,
        }
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    match (&arguments.child, arguments.contenders.as_slice()) {
        (Some(folder), [name]) => be_child(*name, folder, arguments.size()),
        _ => be_parent(&arguments),
    }
}

fn be_child(name: Name, folder: &Path, size: Size) -> Result<(), Failure> {
    let outcome = contender::run(name, folder, size)?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

fn be_parent(arguments: &Arguments) -> Result<(), Failure> {
    let names = match arguments.contenders.as_slice() {
        [] => Name::ALL,
        some => some,
    };
    let mut outcomes = Vec::new();
    for name in names {
        eprintln!("{}", name.title());
        let outcome = run_child(*name, arguments)?;
        if arguments.json {
            println!("{}", serde_json::to_string(&outcome)?);
        }
        outcomes.push(outcome);
    }
    if !arguments.json {
        report::print(arguments.size(), &outcomes);
    }
    Ok(())
}

fn run_child(name: Name, arguments: &Arguments) -> Result<Outcome, Failure> {
    let place = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let mut child = Command::new(std::env::current_exe()?);
    for (option, number) in [
        ("--keys", arguments.keys),
        ("--updates", arguments.updates),
        ("--proofs", arguments.proofs),
    ] {
        child.arg(option).arg(number.to_string());
    }
    child.arg("--child").arg(place.path().join("db"));
    child.arg(name.id()).stderr(Stdio::inherit());
    let output = child.output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", name.title(), output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
