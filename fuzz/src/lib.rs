//! What the fuzzers run, as plain functions: `cargo fuzz` feeds them new bytes, and a test on the
//! stable toolchain replays the corpus through them.
//!
//! | target | claim |
//! |---|---|
//! | `decode_*` | never panics, and whatever decodes encodes to the same bytes |
//! | `decode_extract` | that, and what opens under a head says of each key what the log says |
//! | `decode_opening` | that, and what is accepted for a step is what an honest prover opens |
//! | `decode_proof_file` | never panics, and what is read is read again after it was written |
//! | `decode_words`, `decode_snapshot` | never panic, and take no more memory than they may |
//! | `decode_execution_witness` | never panics, and what is read keeps the limits |
//! | `sparse_trie` | over any nodes: never panics, and what was read or written is read again |
//! | `verify` | what verification accepts, an oracle that knows the whole log accepts too |
#![forbid(unsafe_code)]

mod decode;
mod execution;
mod oracle;
pub mod seeds;
mod snapshot;
mod statement;
mod steps;

/// A fuzz target: it panics when its claim fails.
pub type Target = fn(&[u8]);

/// All targets by name, which is also the name of their corpus folder.
pub const TARGETS: [(&str, Target); 23] = [
    ("decode_head", decode::head),
    ("decode_inclusion", decode::inclusion),
    ("decode_range", decode::range),
    ("decode_multi", decode::multi),
    ("decode_consistency", decode::consistency),
    ("decode_witness", decode::witness),
    ("decode_range_witness", decode::range_witness),
    ("decode_state", decode::state),
    ("decode_erigon_path", decode::erigon_path),
    ("decode_erigon_witness", decode::erigon_witness),
    ("decode_erigon_range_witness", decode::erigon_range_witness),
    ("decode_json", decode::json),
    ("decode_call", execution::call),
    ("decode_opening", steps::opening),
    ("decode_execution_witness", execution::witness),
    ("decode_extract", statement::extract),
    ("decode_statement", statement::statement),
    ("decode_range_input", statement::range_input),
    ("decode_proof_file", statement::proof_file),
    ("sparse_trie", execution::trie),
    ("verify", oracle::verify),
    ("decode_words", snapshot::words),
    ("decode_snapshot", snapshot::snapshot),
];

/// Runs the target called `name`.
///
/// # Panics
/// If there is no such target, or if its claim fails.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a known target");
    target(data);
}
