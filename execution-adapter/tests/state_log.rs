//! Chains that run inside the state log of their database.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

mod common;
#[path = "common/inside.rs"]
mod inside;
#[path = "common/naive.rs"]
mod naive;

use alloy_consensus::{Header, TxEnvelope};
use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use common::*;
use inside::{Chain, database, devchain};
use naive::Naive;
use qmtree::proofs::TxNum;
use qmtree_execution_adapter::engine::{
    ChainGenesis, LogChain, PreparedBlock, RunError, StateAt, whole_state,
};
use qmtree_execution_adapter::state_log::{ReadStateLog as _, StateLogDb, keys, slots_of};
use qmtree_execution_adapter::{
    ChainSpec, EthBlock, Field, MemoryState, NoTracer, StateItem, StateScope, recover_senders,
};
use revm::database::{Database as _, DatabaseRef as _};
use std::sync::Arc;

/// The state root before every leaf of the development chain, made again in the simplest way: all of
/// the state as one map, and of each leaf the difference between the map before and after it.
#[test]
fn every_state_root_of_the_development_chain_can_be_made_again() {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    let mut naive = Naive::new(&genesis);
    let mut state = genesis.state.clone();
    let mut tx_num = 1;
    for prepared in &blocks {
        let report = chain.run(prepared);
        assert_eq!(report.first_tx_num, TxNum(tx_num));
        let (parts, after) = naive::execute(prepared, state);
        state = after;
        let view = chain.db.view();
        for (leaf, parts) in parts.iter().enumerate() {
            let header = (leaf == 0).then_some(&prepared.block.header);
            let found = view.leaf(TxNum(tx_num)).unwrap();
            let number = report.block_number;
            assert_eq!(
                found.pre_state_hash,
                naive.root(),
                "block {number}, leaf {leaf}"
            );
            assert_eq!(found.state_change_hash, parts.state_change_hash);
            naive.apply(TxNum(tx_num), &parts.access, header);
            tx_num += 1;
        }
        assert_eq!(report.head.state_root, naive.root());
        assert_eq!(report.head.entry_count, naive.entry_count());
        // The state can be had back from the log alone.
        let whole = whole_state(&view).unwrap().unwrap();
        assert_eq!(whole.state_root(), prepared.block.header.state_root);
        assert_eq!(whole.as_writes().writes, state.as_writes().writes);
    }
    chain.db.check().unwrap();
}

#[test]
fn a_chain_goes_on_where_it_stopped() {
    let (genesis, blocks) = devchain();
    let mut straight = Chain::genesis(&genesis);
    blocks.iter().for_each(|block| _ = straight.run(block));

    let mut chain = Chain::genesis(&genesis);
    blocks[..100].iter().for_each(|block| _ = chain.run(block));
    let mut chain = chain.reopen();
    assert_eq!(chain.log.as_ref().unwrap().scope(), StateScope::Complete);
    // Those that are in the log are passed over, from wherever.
    for block in &blocks[90..100] {
        assert!(!chain.run(block).appended);
    }
    // A block whose state root is wrong is found out after the reopening too, and changes nothing.
    let head = chain.db.head();
    let mut bad = blocks[100].clone();
    bad.block.header.state_root.0[0] ^= 1;
    match chain.try_run(&bad).unwrap_err() {
        RunError::Mismatch { block, mismatch } => {
            assert_eq!((block, mismatch.field), (101, Field::StateRoot));
        }
        other => panic!("{other}"),
    }
    let mut bad = blocks[100].clone();
    bad.block.header.gas_used += 1;
    assert!(matches!(
        chain.reopen_log().try_run(&bad).unwrap_err(),
        RunError::Mismatch { .. }
    ));
    assert_eq!(chain.db.head(), head);
    // Another block in the place of one that is there.
    let mut other = blocks[50].clone();
    other.block.header.extra_data = vec![1].into();
    assert!(matches!(
        chain.reopen_log().try_run(&other).unwrap_err(),
        RunError::OtherBlock { block: 51, .. }
    ));
    // One that leaves a gap.
    assert!(matches!(
        chain.reopen_log().try_run(&blocks[101]).unwrap_err(),
        RunError::Mismatch { block: 102, .. }
    ));
    chain.reopen_log();
    blocks[100..].iter().for_each(|block| _ = chain.run(block));
    assert_eq!(chain.db.head(), straight.db.head());

    // Without the check of the state root the same entries are written.
    chain.db.unwind_to(250).unwrap();
    let unchecked = LogChain::without_state_root(&chain.db).unwrap();
    assert_eq!(unchecked.scope(), StateScope::Complete);
    chain.log = Some(unchecked);
    for block in &blocks[250..] {
        chain.run(block);
    }
    assert_eq!(chain.db.head(), straight.db.head());

    // After an unwind the same blocks lead to the same head.
    chain.db.unwind_to(200).unwrap();
    chain.reopen_log();
    blocks[200..].iter().for_each(|block| _ = chain.run(block));
    assert_eq!(chain.db.head(), straight.db.head());
}

#[test]
fn a_log_that_began_otherwise_is_refused() {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    chain.run(&blocks[0]);
    let mut other = inside::read_genesis();
    other.header.timestamp += 1;
    let error = LogChain::open_or_begin(&mut chain.db, &other).unwrap_err();
    assert!(
        matches!(error, RunError::OtherBlock { block: 0, .. }),
        "{error}"
    );

    // Blocks that nobody executed.
    let (_folder, mut db) = database(genesis.chain.chain_id());
    db.append_block(0, &[Default::default()]).unwrap();
    let error = LogChain::open(&db).unwrap_err();
    assert!(matches!(error, RunError::NoState { block: 0 }), "{error}");
    let error = LogChain::open_or_begin(&mut db, &genesis).unwrap_err();
    assert!(
        matches!(error, RunError::OtherBlock { block: 0, .. }),
        "{error}"
    );
    // No state to begin with.
    let (_folder, mut db) = database(genesis.chain.chain_id());
    let error = LogChain::begin_before(&mut db, &blocks[0]).unwrap_err();
    assert!(
        matches!(error, RunError::NoPreState { block: 1 }),
        "{error}"
    );
    assert_eq!(db.view().blocks(), None);
}

/// Every value at every transaction number, against what the leaves said that they wrote.
#[test]
fn the_past_reads_as_it_was() {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    let mut state = genesis.state.clone();
    let mut expected = Vec::new();
    let mut tx_num = 1;
    for prepared in &blocks[..60] {
        chain.run(prepared);
        let (parts, after) = naive::execute(prepared, state);
        state = after;
        for parts in parts {
            expected.extend(parts.access.writes.iter().map(|item| (tx_num, *item)));
            let reads = parts.access.reads.iter();
            expected.extend(reads.map(|item| (tx_num - 1, *item)));
            tx_num += 1;
        }
    }
    let view = chain.db.view();
    assert!(expected.len() > 1000);
    for (tx_num, item) in expected {
        let past = StateLogDb::new(StateAt::new(view.clone(), TxNum(tx_num)));
        match item {
            StateItem::Account(address, value) => {
                assert_eq!(
                    past.account(address).unwrap(),
                    value,
                    "{address} at {tx_num}"
                );
            }
            StateItem::Storage(address, slot, value) => {
                assert_eq!(
                    past.slot(address, slot).unwrap(),
                    value,
                    "{address} at {tx_num}"
                );
            }
            StateItem::Code(address, hash) => {
                let account = past.account(address).unwrap();
                assert_eq!(account.and_then(|account| account.code()), hash);
                let code = past.code(hash.unwrap_or(keccak256([]))).unwrap();
                assert_eq!(keccak256(code), hash.unwrap_or(keccak256([])));
            }
        }
    }
}

#[test]
fn revm_reads_the_log() {
    let (genesis, blocks) = devchain();
    let mut chain = Chain::genesis(&genesis);
    blocks.iter().for_each(|block| _ = chain.run(block));
    let view = chain.db.view();
    let mut log = StateLogDb::new(&view);
    for block in &blocks {
        assert_eq!(
            log.block_hash(block.block.header.number).unwrap(),
            block.block.header.hash_slow()
        );
    }
    assert!(log.block_hash_ref(1000).is_err() || log.block_hash_ref(1000).unwrap() != B256::ZERO);
    let mut state = whole_state(&view).unwrap().unwrap();
    for item in state.as_writes().writes {
        match item {
            StateItem::Account(address, _) => {
                assert_eq!(log.basic(address).unwrap(), state.basic(address).unwrap());
            }
            StateItem::Storage(address, slot, value) => {
                assert_eq!(log.storage(address, slot.into()).unwrap(), value);
            }
            StateItem::Code(_, hash) => {
                let hash = hash.unwrap();
                let (ours, theirs) = (log.code_by_hash(hash), state.code_by_hash(hash));
                assert_eq!(
                    ours.unwrap().original_bytes(),
                    theirs.unwrap().original_bytes()
                );
            }
        }
    }
    let nobody = Address::repeat_byte(0x77);
    assert_eq!(log.basic(nobody).unwrap(), None);
    assert_eq!(log.storage(nobody, U256::from(1)).unwrap(), U256::ZERO);
    assert!(log.code_by_hash(B256::repeat_byte(7)).is_err());
}

const VICTIM: Address = Address::repeat_byte(0xaa);
const FACTORY: Address = Address::repeat_byte(0xbb);

/// With calldata: slot (first word) := second word. Without: SELFDESTRUCT to the caller.
const STORE_OR_DIE: &[u8] = &[
    0x36, 0x60, 0x06, 0x57, // CALLDATASIZE PUSH1 6 JUMPI
    0x33, 0xff, // CALLER SELFDESTRUCT
    0x5b, 0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00, // JUMPDEST, SSTORE(word 0, word 1)
];

fn words(slot: u64, value: u64) -> alloy_primitives::Bytes {
    [U256::from(slot), U256::from(value)]
        .map(|word| word.to_be_bytes::<32>())
        .concat()
        .into()
}

fn prepare(chain: &ChainSpec, block: EthBlock) -> PreparedBlock {
    PreparedBlock {
        chain: Arc::new(chain.clone()),
        senders: recover_senders(&block).unwrap(),
        block,
        hash: None,
        ommers_known: true,
        state: None,
    }
}

/// The chain after these blocks on this genesis, opened again after each, its whole state compared
/// with the last header; whoever signs one of the transactions is funded.
fn run_bodies(
    spec: ChainSpec,
    mut header: Header,
    mut state: MemoryState,
    bodies: Vec<Vec<TxEnvelope>>,
) -> Chain {
    for txs in &bodies {
        for sender in recover_senders(&block(&header, txs.clone())).unwrap() {
            insert(&mut state, sender, &[], &[]);
        }
    }
    header.state_root = state.state_root();
    let genesis = ChainGenesis {
        chain: spec.clone(),
        state: state.clone(),
        header: header.clone(),
    };
    let mut chain = Chain::genesis(&genesis);
    let mut parent = header;
    for txs in bodies {
        let mut next = block(&parent, txs);
        state = seal(&spec, &mut next, state);
        parent = next.header.clone();
        chain.run(&prepare(&spec, next));
        chain = chain.reopen();
    }
    let whole = whole_state(&chain.db.view()).unwrap().unwrap();
    assert_eq!(whole.state_root(), parent.state_root);
    chain
}

/// Slots written in several transactions and blocks, some cleared, then the account destroyed: from
/// Cancun on everything stays, before it nothing does, and all forks agree with the state root that
/// is derived from a plain map.
#[test]
fn a_destroyed_account_takes_its_storage_along_before_cancun() {
    let homestead = r#","homesteadBlock":0"#;
    for (forks, ends) in [
        (FRONTIER, true),
        (homestead, true),
        (SPURIOUS_DRAGON, true),
        (SHANGHAI, true),
        (CANCUN, false),
    ] {
        let ChainGenesis {
            chain: spec,
            mut state,
            header,
        } = genesis(forks);
        insert(&mut state, VICTIM, STORE_OR_DIE, &[(7, 7), (8, 8)]);
        let tx = |nonce, input| transaction(nonce, TxKind::Call(VICTIM), 0, 100_000, input);
        let stores = [(7, 70), (1, 1), (2, 2), (1, 0), (1, 3), (3, 3)];
        let mut bodies: Vec<Vec<_>> = stores
            .map(|(slot, value)| vec![tx(0, words(slot, value))])
            .into_iter()
            .collect();
        bodies.push(vec![tx(0, Default::default())]);
        let chain = run_bodies(spec, header, state, bodies);
        let view = chain.db.view();
        let log = StateLogDb::new(&view);
        let slots = slots_of(&view, VICTIM).unwrap();
        let live = |number| log.slot(VICTIM, slot(number)).unwrap();
        if ends {
            assert_eq!(log.account(VICTIM).unwrap(), None);
            assert!(slots.is_empty());
            for number in [1, 2, 3, 7, 8] {
                let key = keys::storage(VICTIM, slot(number));
                assert_eq!(view.value(&key).unwrap(), None, "{number}");
                assert_eq!(
                    view.value(&keys::next_slot(VICTIM, slot(number))).unwrap(),
                    None
                );
            }
        } else {
            assert!(log.account(VICTIM).unwrap().is_some());
            assert_eq!(slots.len(), 5);
            assert_eq!([1, 2, 3, 7, 8].map(live), [3, 2, 3, 70, 8].map(U256::from));
        }
        // Before the destruction all of it was there.
        let before = TxNum(view.head().leaf_count - 4);
        let past = StateLogDb::new(StateAt::new(view.clone(), before));
        assert_eq!(past.slot(VICTIM, slot(7)).unwrap(), U256::from(70));
        assert_eq!(past.slot(VICTIM, slot(8)).unwrap(), U256::from(8));
    }
}

/// CREATE2 of a contract that destroys itself when called, twice at one address; its init code
/// stores 1 at slot 0, and before it what slot 5 holds at slot 6.
#[test]
fn an_account_that_comes_back_has_no_storage_of_before() {
    // Runtime code: with calldata SSTORE(word 0, word 1), else SELFDESTRUCT.
    let runtime = STORE_OR_DIE;
    // Init: slot 6 := slot 5; then return the runtime.
    let mut init = vec![0x60, 5, 0x54, 0x60, 6, 0x55];
    let len = runtime.len() as u8;
    let at = init.len() as u8 + 12;
    init.extend_from_slice(&[
        0x60, len, 0x80, 0x60, at, 0x60, 0, 0x39, 0x60, 0, 0xf3, 0x00,
    ]);
    init.extend_from_slice(runtime);
    // Factory: CALLDATACOPY, CREATE2 with salt 0.
    let factory = [
        0x36, 0x60, 0, 0x60, 0, 0x37, 0x60, 0, 0x36, 0x60, 0, 0x60, 0, 0xf5, 0x00,
    ];
    let child = FACTORY.create2(B256::ZERO, keccak256(&init));
    for (forks, gone) in [(SHANGHAI, true), (CANCUN, false)] {
        let ChainGenesis {
            chain: spec,
            mut state,
            header,
        } = genesis(forks);
        insert(&mut state, FACTORY, &factory, &[]);
        let create = || transaction(0, TxKind::Call(FACTORY), 0, 500_000, init.clone().into());
        let poke = |input| transaction(0, TxKind::Call(child), 0, 100_000, input);
        let again = transaction(0, TxKind::Call(FACTORY), 1, 500_000, init.clone().into());
        // The middle block destroys and creates within itself.
        let bodies = vec![
            vec![create()],
            vec![poke(words(5, 55)), poke(words(9, 99))],
            vec![poke(Default::default()), again],
            vec![poke(words(4, 44))],
        ];
        let chain = run_bodies(spec, header, state, bodies);
        let view = chain.db.view();
        let log = StateLogDb::new(&view);
        assert!(log.account(child).unwrap().is_some());
        let of = |number| log.slot(child, slot(number)).unwrap();
        let expected = if gone { [44, 0, 0, 0] } else { [44, 55, 0, 99] };
        assert_eq!([4, 5, 6, 9].map(of), expected.map(U256::from), "{forks}");
        assert_eq!(
            slots_of(&view, child).unwrap().len(),
            if gone { 1 } else { 3 }
        );
    }
}

/// Of a first block that does not hold nothing stays: neither its leaves nor the state it brought.
#[test]
fn a_first_block_that_does_not_hold_leaves_an_empty_database() {
    let ChainGenesis {
        chain: spec,
        header,
        ..
    } = genesis(CANCUN);
    let mut next = block(&header, Vec::new());
    let state = MemoryState::new(StateScope::Transactions);
    seal(&spec, &mut next, state.clone());
    let good = PreparedBlock {
        state: Some(state),
        ..prepare(&spec, next)
    };
    let mut bad = good.clone();
    bad.block.header.gas_used += 1;
    let (_folder, mut db) = database(spec.chain_id());
    let before = *db.view().head();
    let error = LogChain::begin_before(&mut db, &bad).unwrap_err();
    assert!(
        matches!(&error, RunError::Mismatch { block: 1, mismatch } if mismatch.field == Field::GasUsed),
        "{error}"
    );
    assert_eq!((db.view().blocks(), *db.view().head()), (None, before));
    let log = LogChain::begin_before(&mut db, &good).unwrap();
    assert_eq!(db.view().blocks(), Some((0, 0)));
    log.run_block(&mut db, &good, NoTracer).unwrap();
    assert_eq!(db.view().blocks(), Some((0, 1)));
}

/// A block with its own state: the part of the state is the first leaf, and a destroyed account
/// loses what of it is known.
#[test]
fn a_block_with_its_state_runs_in_a_log_of_its_own() {
    for (forks, ends) in [(SHANGHAI, true), (CANCUN, false)] {
        let ChainGenesis {
            chain: spec,
            header,
            ..
        } = genesis(forks);
        let mut state = MemoryState::new(StateScope::Transactions);
        insert(&mut state, VICTIM, STORE_OR_DIE, &[(7, 7)]);
        let tx = transaction(0, TxKind::Call(VICTIM), 0, 100_000, Default::default());
        let mut next = block(&header, vec![tx]);
        for sender in recover_senders(&next).unwrap() {
            insert(&mut state, sender, &[], &[]);
        }
        seal(&spec, &mut next, state.clone());
        let prepared = PreparedBlock {
            state: Some(state),
            ..prepare(&spec, next.clone())
        };
        let (_folder, mut db) = database(spec.chain_id());
        let log = LogChain::begin_before(&mut db, &prepared).unwrap();
        assert_eq!(
            (log.scope(), log.tip()),
            (StateScope::Transactions, (0, header.hash_slow()))
        );
        let (report, log, _) = log.run_block(&mut db, &prepared, NoTracer).unwrap();
        assert_eq!(
            (report.first_tx_num, report.last_tx_num),
            (TxNum(1), TxNum(3))
        );
        let view = db.view();
        let slot = StateLogDb::new(&view).slot(VICTIM, slot(7)).unwrap();
        assert_eq!(slot, U256::from(if ends { 0 } else { 7 }));
        let (again, log, _) = log.run_block(&mut db, &prepared, NoTracer).unwrap();
        assert!(!again.appended);

        // The next block brings an account that the log knows nothing of.
        let mut after = block(&next.header, Vec::new());
        let stranger = Address::repeat_byte(0x99);
        let mut state = MemoryState::new(StateScope::Transactions);
        insert(&mut state, stranger, &[], &[]);
        seal(&spec, &mut after, state.clone());
        let mut second = prepare(&spec, after);
        second.state = Some(state);
        let error = log.run_block(&mut db, &second, NoTracer).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("account {stranger} is 0x")),
            "{error}"
        );
        assert!(matches!(error, RunError::OtherState { block: 2, .. }));
        assert_eq!(db.head(), report.head);
        second.state = None;
        let log = LogChain::open(&db).unwrap();
        log.run_block(&mut db, &second, NoTracer).unwrap();
    }
}

#[test]
fn roots_do_not_depend_on_threads() {
    let (genesis, blocks) = devchain();
    let run = || {
        let mut chain = Chain::genesis(&genesis);
        blocks[..120].iter().for_each(|block| _ = chain.run(block));
        chain.db.head()
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let one = pool.install(run);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(4)
        .build()
        .unwrap();
    assert_eq!(pool.install(run), one);
}
