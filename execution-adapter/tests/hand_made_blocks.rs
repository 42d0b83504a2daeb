//! What reads and writes count, on blocks made by hand.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;

use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use common::*;
use qmtree_execution_adapter::engine::{ChainGenesis, ExecutedLeaves};
use qmtree_execution_adapter::{
    AccountValue, LeafParts, MemoryState, NoTracer, StateItem, TransitionKind, recover_senders,
    root_over,
};

const A: Address = Address::repeat_byte(0xaa);
const B: Address = Address::repeat_byte(0xbb);
const COINBASE: Address = Address::repeat_byte(0xfe);

/// Slot 0 := 1.
const STORE: &[u8] = &[0x60, 1, 0x60, 0, 0x55];
const REVERT: &[u8] = &[0x60, 0, 0x60, 0, 0xfd];

/// Calls B with all gas, and drops the result.
fn call_b() -> Vec<u8> {
    let mut code = vec![0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x73];
    code.extend_from_slice(B.as_slice());
    code.extend_from_slice(&[0x5a, 0xf1, 0x50]);
    code
}

struct Run {
    made: ExecutedLeaves<MemoryState, NoTracer>,
    senders: Vec<Address>,
}

/// Runs one block of calls and creations by funded senders.
fn run(forks: &str, contracts: &[(Address, &[u8])], txs: Vec<alloy_consensus::TxEnvelope>) -> Run {
    let ChainGenesis {
        chain,
        mut state,
        header,
    } = genesis(forks);
    let block = block(&header, txs);
    let senders = recover_senders(&block).unwrap();
    for sender in &senders {
        insert(&mut state, *sender, &[], &[]);
    }
    for (address, code) in contracts {
        insert(&mut state, *address, code, &[(7, 7)]);
    }
    Run {
        made: execute(&chain, &block, state),
        senders,
    }
}

impl Run {
    /// The leaf of a transaction.
    fn leaf(&self, index: usize) -> &LeafParts {
        &self.made.parts[index + 1]
    }
}

fn addresses(items: &[StateItem]) -> Vec<Address> {
    let accounts = items.iter().filter_map(|item| match item {
        StateItem::Account(address, _) => Some(*address),
        _ => None,
    });
    accounts.collect()
}

fn account(items: &[StateItem], of: Address) -> Option<Option<AccountValue>> {
    items.iter().find_map(|item| match item {
        StateItem::Account(address, value) if *address == of => Some(*value),
        _ => None,
    })
}

#[test]
fn an_empty_block_has_two_leaves_that_touch_nothing() {
    for forks in [FRONTIER, CANCUN] {
        let run = run(forks, &[], Vec::new());
        let kinds: Vec<_> = run.made.parts.iter().map(|parts| parts.kind).collect();
        assert_eq!(
            kinds,
            [TransitionKind::BlockBegin, TransitionKind::BlockEnd]
        );
        assert_eq!(run.made.parts[0].access.writes, []);
        let [begin, end] = &run.made.payloads[..] else {
            panic!()
        };
        assert_ne!(begin.transition_hash, end.transition_hash);
    }
}

#[test]
fn the_block_reward_is_in_the_end_leaf() {
    let run = run(FRONTIER, &[], Vec::new());
    let end = &run.made.parts[1].access;
    let five_ether = U256::from(5 * 10u128.pow(18));
    let value = account(&end.writes, COINBASE).unwrap().unwrap();
    assert_eq!(value.balance, five_ether);
    assert_eq!(account(&end.reads, COINBASE), Some(None));
}

#[test]
fn a_leaf_is_bound_to_what_it_read_and_wrote() {
    let run = run(CANCUN, &[(A, STORE)], vec![call(0, A, 0, 100_000)]);
    let leaf = run.leaf(0);
    assert_eq!(
        run.made.payloads[1].pre_state_hash,
        root_over(&leaf.access.reads)
    );
    assert_eq!(
        run.made.payloads[1].state_change_hash,
        root_over(&leaf.access.writes)
    );
    let stored = StateItem::Storage(A, slot(0), U256::from(1));
    assert!(leaf.access.writes.contains(&stored));
    let before = StateItem::Storage(A, slot(0), U256::ZERO);
    assert!(leaf.access.reads.contains(&before));
    let code = StateItem::Code(A, Some(keccak256(STORE)));
    assert!(leaf.access.reads.contains(&code));
    // A's own account did not change, and its slot 7 was not looked at.
    assert_eq!(account(&leaf.access.writes, A), None);
    assert!(account(&leaf.access.reads, A).unwrap().is_some());
    assert!(
        !leaf
            .access
            .reads
            .iter()
            .any(|item| matches!(item, StateItem::Storage(_, s, _) if *s == slot(7)))
    );
}

#[test]
fn a_reverted_call_inside_leaves_reads_and_no_writes() {
    let outer = [STORE, &call_b()].concat();
    let inner = [STORE, REVERT].concat();
    let run = run(
        CANCUN,
        &[(A, &outer), (B, &inner)],
        vec![call(0, A, 0, 200_000)],
    );
    let access = &run.leaf(0).access;
    assert!(
        access
            .writes
            .contains(&StateItem::Storage(A, slot(0), U256::from(1)))
    );
    assert!(
        !access
            .writes
            .iter()
            .any(|item| matches!(item, StateItem::Storage(B, ..)))
    );
    assert!(
        access
            .reads
            .contains(&StateItem::Storage(B, slot(0), U256::ZERO))
    );

    // The write set is that of the same call without the inner writes.
    let plain = [STORE, &call_b()].concat();
    let quiet = self::run(
        CANCUN,
        &[(A, &plain), (B, REVERT)],
        vec![call(0, A, 0, 200_000)],
    );
    let storage = |run: &Run| -> Vec<_> {
        let writes = run.leaf(0).access.writes.iter().copied();
        writes
            .filter(|item| matches!(item, StateItem::Storage(..)))
            .collect()
    };
    assert_eq!(storage(&run), storage(&quiet));
}

#[test]
fn a_failed_transaction_costs_its_sender_and_changes_nothing_else() {
    let revert = [STORE, REVERT].concat();
    let invalid = [STORE, &[0xfe]].concat();
    for (code, status, gas_limit) in [
        (&revert, 0, 100_000),
        (&invalid, 9, 100_000),
        (&revert, 2, 24_000),
    ] {
        let run = run(CANCUN, &[(A, code)], vec![call(0, A, 0, gas_limit)]);
        let leaf = run.leaf(0);
        assert_eq!(leaf.outcome.status, status);
        // The base fee is an eighth below the price, and that the coinbase gets.
        let coinbase = Address::repeat_byte(0xfe);
        let mut changed = addresses(&leaf.access.writes);
        changed.retain(|address| *address != coinbase);
        assert_eq!(changed, run.senders);
        assert_eq!(leaf.access.writes.len(), 2);
        assert_eq!(
            account(&leaf.access.writes, run.senders[0])
                .unwrap()
                .unwrap()
                .nonce,
            1
        );
    }
}

#[test]
fn a_write_of_the_same_value_is_no_write() {
    // Slot 7 := 7, which it is already; slot 0 := 1 and back to 0.
    let code = [
        &[0x60, 7, 0x60, 7, 0x55][..],
        STORE,
        &[0x60, 0, 0x60, 0, 0x55],
    ]
    .concat();
    let run = run(CANCUN, &[(A, &code)], vec![call(0, A, 0, 100_000)]);
    let access = &run.leaf(0).access;
    assert!(
        !access
            .writes
            .iter()
            .any(|item| matches!(item, StateItem::Storage(..)))
    );
    assert!(
        access
            .reads
            .contains(&StateItem::Storage(A, slot(7), U256::from(7)))
    );
}

#[test]
fn a_creation_writes_account_storage_and_code() {
    // Slot 0 := 1, then returns one byte of code: 0x00.
    let init = [STORE, &[0x60, 1, 0x60, 0, 0xf3]].concat();
    let create = transaction(0, TxKind::Create, 5, 200_000, init.into());
    let run = run(CANCUN, &[], vec![create]);
    let leaf = run.leaf(0);
    let created = leaf.outcome.created.unwrap();
    let code_hash = keccak256([0]);
    let value = account(&leaf.access.writes, created).unwrap().unwrap();
    assert_eq!(
        (value.nonce, value.balance, value.code_hash),
        (1, U256::from(5), code_hash)
    );
    assert!(
        leaf.access
            .writes
            .contains(&StateItem::Code(created, Some(code_hash)))
    );
    assert!(
        leaf.access
            .writes
            .contains(&StateItem::Storage(created, slot(0), U256::from(1)))
    );
    assert_eq!(account(&leaf.access.reads, created), Some(None));
}

#[test]
fn code_made_in_a_block_is_read_by_the_next_transaction() {
    // The created code is STORE: copied from the end of the init code.
    let init = [
        &[0x64][..],
        STORE,
        &[0x60, 0, 0x52, 0x60, 5, 0x60, 27, 0xf3],
    ]
    .concat();
    let create = transaction(0, TxKind::Create, 0, 200_000, init.clone().into());
    let first = run(CANCUN, &[], vec![create.clone()]);
    let created = first.leaf(0).outcome.created.unwrap();
    let both = run(CANCUN, &[], vec![create, call(0, created, 0, 100_000)]);
    let access = &both.leaf(1).access;
    assert!(
        access
            .reads
            .contains(&StateItem::Code(created, Some(keccak256(STORE))))
    );
    assert!(
        access
            .writes
            .contains(&StateItem::Storage(created, slot(0), U256::from(1)))
    );
}

#[test]
fn selfdestruct_deletes_until_cancun() {
    let mut code = vec![0x73];
    code.extend_from_slice(B.as_slice());
    code.push(0xff);
    for (forks, deletes) in [(SPURIOUS_DRAGON, true), (SHANGHAI, true), (CANCUN, false)] {
        let run = run(forks, &[(A, &code)], vec![call(0, A, 3, 100_000)]);
        let access = &run.leaf(0).access;
        assert_eq!(access.destroyed, if deletes { vec![A] } else { vec![] });
        assert_eq!(account(&access.writes, A), deletes.then_some(None));
        let no_code = StateItem::Code(A, None);
        assert_eq!(access.writes.contains(&no_code), deletes);
        let heir = account(&access.writes, B).unwrap().unwrap();
        assert_eq!(heir.balance, U256::from(3));
    }
}

#[test]
fn each_transaction_sees_what_the_one_before_it_wrote() {
    // Slot 0 := slot 0 + 1.
    let count = [0x60, 0, 0x54, 0x60, 1, 0x01, 0x60, 0, 0x55];
    let txs = (0..3).map(|i| call(0, A, i, 100_000)).collect();
    let run = run(CANCUN, &[(A, &count)], txs);
    for i in 0..3u64 {
        let access = &run.leaf(i as usize).access;
        assert!(
            access
                .reads
                .contains(&StateItem::Storage(A, slot(0), U256::from(i)))
        );
        assert!(
            access
                .writes
                .contains(&StateItem::Storage(A, slot(0), U256::from(i + 1)))
        );
        assert!(
            access
                .reads
                .contains(&StateItem::Code(A, Some(keccak256(count))))
        );
    }
}

#[test]
fn leaves_do_not_depend_on_the_number_of_threads() {
    let txs = || (0..40).map(|i| call(0, A, i, 100_000)).collect::<Vec<_>>();
    let expected = run(CANCUN, &[(A, STORE)], txs()).made.payloads;
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let found = pool.install(|| run(CANCUN, &[(A, STORE)], txs()).made.payloads);
        assert_eq!(found, expected, "{threads} threads");
    }
    assert_eq!(expected.len(), 42);
    assert!(
        expected
            .iter()
            .all(|leaf| leaf.transition_hash != B256::ZERO)
    );
}
