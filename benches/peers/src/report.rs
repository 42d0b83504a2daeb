//! The table for people.

use crate::contender::{Name, Outcome};
use crate::measure::Phase;
use crate::workload::{BLOCK_WRITES, Size};

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn print(size: Size, outcomes: &[Outcome]) {
    let Size {
        keys,
        updates,
        proofs,
    } = size;
    println!("{keys} keys, {updates} updates for each size of block, {proofs} proofs");
    println!("\nupdates: thousands a second, us of processor time each");
    let sizes = BLOCK_WRITES.map(|writes| format!("{writes:>9} a block"));
    println!("{:<30} {:>17} {}  load avg", "", "load", sizes.join(" "));
    for outcome in outcomes {
        let phases = std::iter::once(&outcome.load).chain(&outcome.updates);
        let cells: Vec<_> = phases.map(cell).collect();
        let load = outcome.load_average.unwrap_or(f64::NAN);
        let title = outcome.name.title();
        println!("{title:<30} {}  {load:>8.1}", cells.join(" "));
    }
    print_ratios(outcomes);
    println!("\nproofs, memory and disk");
    let names = [
        "make us",
        "verify us",
        "bytes",
        "peak MiB",
        "B/key",
        "B/update",
    ];
    println!(
        "{:<30} {}",
        "",
        names.map(|name| format!("{name:>9}")).join(" ")
    );
    outcomes.iter().for_each(print_rest);
}

fn cell(phase: &Phase) -> String {
    let (speed, cpu) = (
        phase.writes_per_second() / 1e3,
        phase.cpu_micros_per_write(),
    );
    format!("{speed:>8.1} {cpu:>8.2}")
}

/// How many times as fast the first of ours is as each of the others, by wall and processor time.
fn print_ratios(outcomes: &[Outcome]) {
    let ours = outcomes.iter().find(|outcome| outcome.name == Name::Qmtree);
    let Some(ours) = ours else { return };
    println!("\n{} against: wall, processor time", ours.name.title());
    for other in outcomes.iter().filter(|other| other.name != ours.name) {
        let phases = ours.updates.iter().zip(&other.updates);
        let cells = phases.map(|(ours, other)| {
            let wall = ours.writes_per_second() / other.writes_per_second();
            let cpu = other.cpu_micros_per_write() / ours.cpu_micros_per_write();
            format!("{wall:>8.2} {cpu:>8.2}")
        });
        let cells: Vec<_> = cells.collect();
        println!("{:<30} {:>17} {}", other.name.title(), "", cells.join(" "));
    }
}

fn print_rest(outcome: &Outcome) {
    let proofs = outcome.proofs.as_ref().map_or_else(
        || format!("{:>9} {:>9} {:>9}", "-", "-", "-"),
        |proofs| {
            let (make, verify) = (proofs.make_micros, proofs.verify_micros);
            format!("{make:>9.1} {verify:>9.1} {:>9.0}", proofs.mean_bytes)
        },
    );
    let peak = outcome.peak_memory_bytes as f64 / MIB;
    let per_key = outcome.loaded_disk_bytes as f64 / outcome.load.writes as f64;
    let updates: u64 = outcome.updates.iter().map(|phase| phase.writes).sum();
    let grown = outcome.disk_bytes as f64 - outcome.loaded_disk_bytes as f64;
    let per_update = grown / updates as f64;
    let title = outcome.name.title();
    println!("{title:<30} {proofs} {peak:>9.0} {per_key:>9.0} {per_update:>9.0}");
}
