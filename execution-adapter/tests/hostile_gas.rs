//! Blocks that take what gas can buy, executed from a witness: what bounds time and memory.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/whole.rs"]
mod whole;

use alloy_primitives::{Address, Bytes, TxKind, U256};
use common::{FRONTIER, block, genesis, insert, transaction};
use qmtree_execution_adapter::{
    Claims, Field, MAX_BLOCK_GAS, NoTracer, StatelessError, StatelessInput, execute_stateless,
    recover_senders,
};
use whole::whole_witness;

const CONTRACT: Address = Address::repeat_byte(0xcc);
/// Frames that there can be at once.
const FRAMES: u64 = 1024;

/// Callee, its code, and the data of a transaction.
type Make = fn(u64) -> (TxKind, Vec<u8>, Bytes);

/// So many words of memory in each frame that all of the gas is for memory: w * w / 512 + 3 w each.
fn words(gas: u64) -> u32 {
    let each = (gas / FRAMES - 40_000) as f64;
    ((512.0 * each + 768.0 * 768.0).sqrt() - 768.0) as u32
}

/// Takes memory, and calls itself with all of the gas that is left.
fn memory(gas: u64) -> (TxKind, Vec<u8>, Bytes) {
    let offset = (words(gas) * 32 - 32).to_be_bytes();
    let touch = [&[0x63][..], &offset, &[0x51, 0x50]].concat();
    let call = [
        0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x30, 0x61, 0, 100, 0x5a, 0x03, 0xf1, 0x00,
    ];
    let code = [&touch[..], &call].concat();
    (TxKind::Call(CONTRACT), code, Bytes::new())
}

/// A contract's making that makes itself again, with all of the gas that is left.
fn creation(gas: u64) -> (TxKind, Vec<u8>, Bytes) {
    let mut code = vec![
        0x38, 0x60, 0, 0x60, 0, 0x39, 0x38, 0x60, 0, 0x60, 0, 0xf0, 0x00,
    ];
    // The data of a transaction and the copies cost as well.
    let len = words(gas - gas / 8).saturating_sub(1536) as usize * 32;
    code.resize(len.max(code.len()), 0);
    (TxKind::Create, Vec::new(), code.into())
}

/// Jumps to where it is.
fn jumps(_: u64) -> (TxKind, Vec<u8>, Bytes) {
    let code = vec![0x5b, 0x60, 0, 0x56];
    (TxKind::Call(CONTRACT), code, Bytes::new())
}

/// Asks a precompile for the sender of nothing, over and over: 3000 gas and a curve's work each.
fn signatures(_: u64) -> (TxKind, Vec<u8>, Bytes) {
    // v = 27, r = s = 1 stand in memory; then a loop over CALL(3000, 1, 0, 0, 128, 0, 0).
    let code = vec![
        0x60, 27, 0x60, 32, 0x52, 0x60, 1, 0x60, 64, 0x52, 0x60, 1, 0x60, 96, 0x52, 0x5b, 0x60, 0,
        0x60, 0, 0x60, 128, 0x60, 0, 0x60, 0, 0x60, 1, 0x61, 0x0b, 0xb8, 0xf1, 0x50, 0x60, 15,
        0x56,
    ];
    (TxKind::Call(CONTRACT), code, Bytes::new())
}

/// The most memory that this process had since [`forget_peak`], in bytes. Zero where nobody counts it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.map_or(0, |kib| kib.parse::<u64>().unwrap() << 10)
}

/// Makes the kernel begin anew with the most memory (proc(5), `clear_refs`).
fn forget_peak() {
    let file = std::fs::File::options()
        .write(true)
        .open("/proc/self/clear_refs");
    if let Ok(mut file) = file {
        std::io::Write::write_all(&mut file, b"5").unwrap();
    }
}

/// Seconds of CPU that this process took, in hundredths (`/proc/self/stat`, fields 14 and 15).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

/// Executes a block with one transaction of so much gas from a witness. Its header lies about what
/// comes of it, which shows once it was executed.
fn execute(gas: u64, make: Make) -> (f64, u64) {
    let (to, code, input) = make(gas);
    let mut start = genesis(FRONTIER);
    insert(&mut start.state, CONTRACT, &code, &[]);
    start.header.gas_limit = gas;
    let tx = transaction(0, to, 0, gas, input);
    let sender = recover_senders(&block(&start.header, vec![tx.clone()])).unwrap()[0];
    let rich = U256::from(10u128.pow(24));
    start
        .state
        .insert_account(sender, rich, 0, Bytes::new(), std::iter::empty());
    start.header.state_root = start.state.state_root();
    let block = block(&start.header, vec![tx]);
    let parent = Bytes::from(alloy_rlp::encode(&start.header));
    let witness = whole_witness(&start.state, vec![parent]);
    let input = StatelessInput {
        chain: &start.chain,
        block: &block,
        witness: &witness,
        claims: Claims::default(),
    };
    forget_peak();
    let (before, started) = (peak(), cpu());
    let error = execute_stateless(input, NoTracer).map(drop).unwrap_err();
    let StatelessError::Mismatch(mismatch) = &error else {
        panic!("{error}")
    };
    assert_eq!(mismatch.field, Field::GasUsed);
    (cpu() - started, peak().saturating_sub(before))
}

/// What frames of so much gas can have in memory at once, by arithmetic.
fn bound(gas: u64) -> u64 {
    32 * u64::from(words(gas) + 64) * FRAMES
}

/// Sixteenth of the limit: memory grows with the root, so this takes a quarter of the most.
#[test]
fn memory_is_bounded_by_the_root_of_the_gas() {
    let gas = MAX_BLOCK_GAS / 16;
    let (_, calls) = execute(gas, memory);
    // A buffer that grows is twice as large as needed at most, and there twice while it is copied.
    assert!(calls <= 3 * bound(gas) + (64 << 20), "{calls}");
    let (_, creations) = execute(gas, creation);
    // Each frame has its memory, its code, and a map of the code's jumps.
    assert!(creations <= 4 * bound(gas) + (64 << 20), "{creations}");
    if peak() > 0 {
        assert!(calls > bound(gas) / 4, "{calls} of {}", bound(gas));
    }
}

/// The figures of docs/BENCHMARKS.md: `cargo nextest run --run-ignored only hostile`.
#[test]
#[ignore = "takes a minute and some GiB"]
fn hostile_blocks_at_the_limit() {
    let gas = MAX_BLOCK_GAS;
    let mib = |bytes: u64| bytes >> 20;
    eprintln!("arithmetic: {} MiB in frames", mib(bound(gas)));
    for (name, make) in [
        ("jumps", jumps as Make),
        ("signatures", signatures),
        ("memory in calls", memory),
        ("memory in creations", creation),
    ] {
        let (took, bytes) = execute(gas, make);
        eprintln!("{name}: {took:.1} s of CPU, {} MiB", mib(bytes));
    }
}
