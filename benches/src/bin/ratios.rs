//! Prints the speed and size targets of QMTree beside what this machine does.
//!
//! ```text
//! cargo run --release -p qmtree-benches --bin ratios             a table
//! cargo run --release -p qmtree-benches --bin ratios -- --json   the same for programs
//! ```
//!
//! Everything is sampled in one run, in interleaved rounds, so that ratios hold on a busy machine
//! too. No figure makes it fail: a target is stated, the reader judges.
#![forbid(unsafe_code)]

use qmtree_benches::{
    Contender, Figure, Random, Report, Rounds, SyntheticPath, Target, TaskId, Twig,
};
use qmtree_kernels::Hasher;
use qmtree_proofs::{Digest, PAYLOAD_LEN, Profile, TreeHasher};
use std::cell::RefCell;
use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

const ROUNDS: usize = 1000;
/// Ends the run early on a slow machine.
const BUDGET: Duration = Duration::from_secs(15);

const LEAF_COUNT: u64 = 1 << 32;
/// Different paths that one run of a verify task takes: enough that branches are not learnt.
const PATHS: usize = 64;

const KECCAK_TWIG_RATIO: Target = Target::AtLeast(6.0);
const BLAKE3_TWIG_RATIO: Target = Target::AtLeast(5.0);
const CHAIN_RATIO: Target = Target::AtLeast(1.4);
const CHAIN_NS: Target = Target::AtMost(240.0);
const PROOF_BYTES: Target = Target::AtMost(1150.0);
const VERIFY_US: Target = Target::Below(10.0);

/// A comparison within one profile: the yardstick, plain Rust, and the fastest kernel.
type Compared = [TaskId; 3];

/// Inputs and outputs of the tasks, shared so that the whole stays in the cache.
struct Data {
    leaves: Vec<[u8; 128]>,
    payloads: Vec<[u8; PAYLOAD_LEN]>,
    twig: RefCell<Twig>,
    hashes: RefCell<Vec<Digest>>,
    paths: Vec<(Profile, Vec<SyntheticPath>)>,
}

impl Data {
    fn new() -> Self {
        let mut random = Random::new();
        let paths = |profile| (profile, SyntheticPath::several(profile, PATHS, LEAF_COUNT));
        Self {
            leaves: random.arrays(Twig::LEAVES),
            payloads: random.arrays(Twig::LEAVES),
            twig: RefCell::new(Twig::new()),
            hashes: RefCell::new(vec![[0; 32]; Twig::LEAVES]),
            paths: Profile::ALL.map(paths).to_vec(),
        }
    }
}

fn compare<'a>(
    rounds: &mut Rounds<'a>,
    what: &str,
    count: u32,
    run: impl Fn(&dyn TreeHasher) + Copy + 'a,
) -> [Compared; 2] {
    Profile::ALL.map(|profile| {
        Contender::slowest_and_fastest(profile).map(|contender| {
            let name = format!("{profile} {what}, {}", contender.name());
            rounds.add(name, count, move || run(contender.hasher()))
        })
    })
}

fn add_twigs<'a>(rounds: &mut Rounds<'a>, data: &'a Data) -> [Compared; 2] {
    compare(rounds, "twig", 1, |hasher| {
        let mut twig = data.twig.borrow_mut();
        twig.hash(hasher, black_box(&data.leaves));
        black_box(twig.root());
    })
}

fn add_chains<'a>(rounds: &mut Rounds<'a>, data: &'a Data) -> [Compared; 2] {
    let leaves = u32::try_from(Twig::LEAVES).expect("2048 fits");
    compare(rounds, "chain, a leaf", leaves, |hasher| {
        let mut hashes = data.hashes.borrow_mut();
        black_box(hasher.chain_leaves([0; 32], black_box(&data.payloads), &mut hashes));
    })
}

fn add_verify<'a>(rounds: &mut Rounds<'a>, data: &'a Data) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for (profile, paths) in &data.paths {
        tasks.push(add_verify_with(rounds, "portable", *profile, paths));
        tasks.push(add_verify_with(
            rounds,
            "kernels",
            Hasher::new(*profile),
            paths,
        ));
    }
    tasks
}

fn add_verify_with<'a>(
    rounds: &mut Rounds<'a>,
    name: &str,
    hasher: impl TreeHasher + 'a,
    paths: &'a [SyntheticPath],
) -> TaskId {
    let name = format!(
        "{} verify inclusion at 2^32 leaves, {name}",
        hasher.profile()
    );
    let count = u32::try_from(paths.len()).expect("a few paths");
    rounds.add(name, count, move || {
        for path in paths {
            black_box(path).verify(&hasher).expect("the path is good");
        }
    })
}

/// How much faster the fastest kernel is than the yardstick.
fn ratio(rounds: &Rounds<'_>, compared: &Compared) -> Figure {
    let [yardstick, _, fastest] = *compared;
    let ratios = rounds.ratios(yardstick, fastest);
    let (name, yardstick) = (rounds.name(fastest), rounds.name(yardstick));
    let yardstick = yardstick.rsplit(' ').next().unwrap_or_default();
    Figure::ratio(format!("{name} vs {yardstick} one by one"), &ratios)
}

fn nanoseconds(rounds: &Rounds<'_>, task: TaskId) -> Figure {
    Figure::time(rounds.name(task), "ns", &rounds.times(task))
}

fn microseconds(rounds: &Rounds<'_>, task: TaskId) -> Figure {
    let times = rounds.times(task).into_iter().map(|ns| ns / 1e3);
    Figure::time(rounds.name(task), "us", &times.collect::<Vec<_>>())
}

fn measure() -> Report {
    let data = Data::new();
    let mut rounds = Rounds::new();
    let twigs = add_twigs(&mut rounds, &data);
    let chains = add_chains(&mut rounds, &data);
    let verify = add_verify(&mut rounds, &data);
    let count = rounds.run(ROUNDS, BUDGET);

    let mut figures = targets(&rounds, &data, &twigs, &chains, &verify);
    let [_, blake3_chain] = &chains;
    figures.push(ratio(&rounds, blake3_chain));
    for task in twigs.into_iter().flatten() {
        figures.push(microseconds(&rounds, task));
    }
    let [[_, _, with_target], _] = &chains;
    let listed = rounds.name(*with_target);
    for task in chains.iter().flatten() {
        if rounds.name(*task) != listed {
            figures.push(nanoseconds(&rounds, *task));
        }
    }
    Report {
        rounds: count,
        kernels: Profile::ALL.map(fastest_kernel).to_vec(),
        figures,
    }
}

/// The figures that have a target.
fn targets(
    rounds: &Rounds<'_>,
    data: &Data,
    twigs: &[Compared; 2],
    chains: &[Compared; 2],
    verify: &[TaskId],
) -> Vec<Figure> {
    let ([keccak_twig, blake3_twig], [keccak_chain, _]) = (twigs, chains);
    let [_, _, fastest_chain] = *keccak_chain;
    let mut figures = vec![
        ratio(rounds, keccak_twig).with_target(KECCAK_TWIG_RATIO),
        ratio(rounds, blake3_twig).with_target(BLAKE3_TWIG_RATIO),
        nanoseconds(rounds, fastest_chain).with_target(CHAIN_NS),
        ratio(rounds, keccak_chain).with_target(CHAIN_RATIO),
    ];
    for (profile, paths) in &data.paths {
        let bytes = paths.iter().map(|path| path.proof.to_bytes().len()).max();
        let bytes = u32::try_from(bytes.unwrap_or_default()).expect("some kilobytes");
        let name = format!("{profile} inclusion proof at 2^32 leaves, encoded");
        figures.push(Figure::exact(name, "bytes", bytes.into()).with_target(PROOF_BYTES));
    }
    for task in verify {
        figures.push(microseconds(rounds, *task).with_target(VERIFY_US));
    }
    figures
}

fn fastest_kernel(profile: Profile) -> (String, String) {
    let [.., fastest] = Contender::slowest_and_fastest(profile);
    (profile.to_string(), fastest.name())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let output = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => format!("{}of the two chain targets, either is enough\n", measure()),
        ["--json"] => format!("{:#}\n", measure().to_json()),
        _ => {
            eprintln!("usage: ratios [--json]");
            return ExitCode::from(2);
        }
    };
    match std::io::stdout().write_all(output.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
