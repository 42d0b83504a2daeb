//! Real blocks, traced: nothing is disturbed, and any step can be opened.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use qmtree_execution_adapter::engine::{
    BlockFile, ExecutedLeaves, PreparedBlock, execute_to_leaves, open_block_file,
};
use qmtree_execution_adapter::{
    BlockInput, MemoryState, NoTracer, OneTx, ReadSet, TraceMode, TraceOptions, Tracer, TracerFor,
    TransitionKind, check_outcome, verify_step,
};
use qmtree_kernels::Hasher;
use qmtree_proofs::Profile;
use std::path::PathBuf;

/// The blocks of QMTREE_DATA, every `nth` of them.
fn blocks(nth: usize) -> Vec<PreparedBlock> {
    let Some(data) = std::env::var_os("QMTREE_DATA") else {
        eprintln!("SKIPPED: set QMTREE_DATA to a folder with blocks");
        return Vec::new();
    };
    let files = std::fs::read_dir(PathBuf::from(data).join("blocks")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let files = files.iter().step_by(nth);
    let blocks = files.map(|path| match open_block_file(path, None).unwrap() {
        BlockFile::WithState(block) => *block,
        BlockFile::Chain(_) => panic!("{}: brings no state", path.display()),
    });
    blocks.collect()
}

fn run<T: TracerFor<MemoryState>>(
    block: &PreparedBlock,
    tracer: T,
) -> ExecutedLeaves<MemoryState, T> {
    let state = block.state.clone().unwrap();
    let scope = state.scope();
    let input = BlockInput {
        chain: &block.chain,
        block: &block.block,
        senders: &block.senders,
        keep_changes: false,
    };
    let made = execute_to_leaves(input, state, tracer, &mut ReadSet).unwrap();
    check_outcome(&block.block, &made.executed.outcome, scope).unwrap();
    made
}

#[test]
fn traced_blocks_are_the_untraced_ones() {
    for block in blocks(1) {
        let number = block.block.header.number;
        let plain = run(&block, NoTracer);
        let mut of_profile = Vec::new();
        for threads in [0, 2] {
            let options = TraceOptions::new(TraceMode::Full, Profile::Keccak256);
            let traced = run(&block, Tracer::threaded(options, threads).unwrap());
            assert_eq!(
                traced.executed.outcome.receipts, plain.executed.outcome.receipts,
                "block {number}"
            );
            for (traced, plain) in traced.parts.iter().zip(&plain.parts) {
                assert_eq!(traced.outcome, plain.outcome, "block {number}");
                assert_eq!(traced.access, plain.access, "block {number}");
            }
            of_profile.push((traced.payloads, traced.steps));
        }
        assert_eq!(of_profile[0], of_profile[1], "block {number}, by threads");
    }
}

#[test]
fn steps_of_real_transactions_open() {
    let mut opened = 0;
    for (block, profile) in blocks(9).iter().zip(Profile::ALL.into_iter().cycle()) {
        let options = TraceOptions::new(TraceMode::Full, profile);
        let traced = run(block, Tracer::threaded(options, 1).unwrap());
        let leaves = traced.parts.iter().zip(&traced.steps);
        let transactions = leaves.filter(|(parts, _)| parts.kind == TransitionKind::Transaction);
        let steps = transactions.map(|(_, steps)| *steps).enumerate();
        let Some((tx, commitment)) = steps.max_by_key(|(_, steps)| steps.count) else {
            continue;
        };
        // Places that look random and are the same in every run.
        for seed in [1_u64, 2, 3] {
            let Some(index) = seed
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .checked_rem(commitment.count)
            else {
                continue;
            };
            let tracer = Tracer::opening(options, Hasher::new(profile), index);
            let made = run(block, OneTx::new(tracer, tx));
            let (mut tracer, again) = made.executed.tracer.into_parts();
            assert_eq!(again, Some(commitment));
            let opening = tracer.take_opening().unwrap();
            verify_step(profile, &commitment, index, &opening).unwrap();
            let first = opening.first_step();
            let end = first + opening.step_count() as u64;
            for step in first.saturating_sub(1)..=end {
                let verified = verify_step(profile, &commitment, step, &opening);
                assert_eq!(
                    verified.is_ok(),
                    (first..end).contains(&step),
                    "step {step}"
                );
            }
            opened += 1;
        }
    }
    eprintln!("{opened} steps opened");
}
