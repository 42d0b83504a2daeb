//! A log in a map, also one that nobody could have written.

use super::*;
use crate::capture::StateAccess;
use crate::state_item::{AccountValue, StateItem};
use alloc::collections::BTreeMap;
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256, keccak256};
use core::convert::Infallible;
use revm::database::DatabaseRef as _;

const A: Address = Address::repeat_byte(0xaa);
const B: Address = Address::repeat_byte(0xbb);

#[derive(Clone, Debug, Default)]
struct Map(BTreeMap<B256, Vec<u8>>);

impl ReadStateLog for Map {
    type Error = Infallible;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(key).cloned())
    }
}

impl Map {
    fn write(&mut self, lists: Lists, access: &StateAccess) {
        let header = None;
        let batch = batch_of(self, access, BatchContext { lists, header }).unwrap();
        assert!(batch.is_sorted_by(|a, b| a.0 < b.0), "each key once");
        for (key, value) in batch {
            match value {
                Some(value) => drop(self.0.insert(key, value)),
                None => drop(self.0.remove(&key)),
            }
        }
    }
}

fn account(nonce: u64, code_hash: B256) -> AccountValue {
    AccountValue {
        nonce,
        balance: U256::from(7),
        code_hash,
    }
}

fn writes(items: Vec<StateItem>) -> StateAccess {
    StateAccess {
        writes: items,
        ..StateAccess::default()
    }
}

fn slot(number: u64) -> B256 {
    U256::from(number).into()
}

#[test]
fn what_is_written_is_read() {
    let code = Bytes::from_static(&[0x60, 0]);
    let hash = keccak256(&code);
    let mut access = writes(vec![
        StateItem::Account(A, Some(account(1, hash))),
        StateItem::Account(B, Some(account(2, KECCAK256_EMPTY))),
        StateItem::Storage(A, slot(1), U256::from(300)),
        StateItem::Code(A, Some(hash)),
    ]);
    access.codes = vec![(hash, code.clone())];
    let mut map = Map::default();
    map.write(Lists::None, &access);
    assert_eq!(map.0.len(), 4, "and no lists");
    let log = StateLogDb::new(map);
    assert_eq!(log.account(A).unwrap(), Some(account(1, hash)));
    assert_eq!(log.slot(A, slot(1)).unwrap(), U256::from(300));
    assert_eq!(log.slot(B, slot(1)).unwrap(), U256::ZERO);
    assert_eq!(log.code(hash).unwrap(), code);
    assert_eq!(log.code(KECCAK256_EMPTY).unwrap(), Bytes::new());
    let unknown = B256::repeat_byte(1);
    assert_eq!(
        log.code(unknown),
        Err(StateLogError::UnknownCode { hash: unknown })
    );
    let number = 5;
    assert_eq!(
        log.block_hash_ref(number),
        Err(StateLogError::UnknownBlockHash { number })
    );
    // Code that comes from nowhere.
    let lost = writes(vec![StateItem::Code(B, Some(unknown))]);
    let context = BatchContext {
        lists: Lists::None,
        header: None,
    };
    let error = batch_of(log.log(), &lost, context).unwrap_err();
    assert_eq!(error, StateLogError::UnknownCode { hash: unknown });
}

#[test]
fn lists_have_each_item_once_newest_first() {
    let mut map = Map::default();
    let set = |number, value| StateItem::Storage(A, slot(number), U256::from(value));
    map.write(Lists::Slots, &writes(vec![set(1, 1), set(2, 2)]));
    map.write(Lists::Slots, &writes(vec![set(1, 0), set(3, 3)]));
    // It comes back, and is in the list already.
    map.write(Lists::Slots, &writes(vec![set(1, 9), set(2, 9)]));
    assert_eq!(slots_of(&map, A).unwrap(), [slot(3), slot(2), slot(1)]);
    assert!(slots_of(&map, B).unwrap().is_empty());
    assert_eq!(accounts(&map).unwrap(), None);

    // The account ends, and comes back in the same leaf with one slot.
    let mut access = writes(vec![
        StateItem::Account(A, Some(account(1, KECCAK256_EMPTY))),
        set(2, 5),
    ]);
    access.destroyed = vec![A];
    map.write(Lists::Slots, &access);
    assert_eq!(slots_of(&map, A).unwrap(), [slot(2)]);
    assert_eq!(map.0.len(), 4, "account, slot, and a list of one");
    map.write(Lists::None, &writes(vec![StateItem::Account(A, None)]));
    assert!(map.0.is_empty());

    let whole = |address| {
        let value = Some(account(1, KECCAK256_EMPTY));
        writes(vec![StateItem::Account(address, value)])
    };
    map.write(Lists::Whole, &whole(A));
    map.write(Lists::Whole, &whole(B));
    map.write(Lists::Whole, &writes(vec![StateItem::Account(A, None)]));
    map.write(Lists::Whole, &whole(A));
    assert_eq!(accounts(&map).unwrap().unwrap(), [B, A]);
}

#[test]
fn a_log_that_is_none_of_ours_is_told() {
    let mut map = Map::default();
    let first = keys::first_slot(A);
    map.0.insert(first, slot(1).to_vec());
    let next = keys::next_slot(A, slot(1));
    assert_eq!(slots_of(&map, A), Err(StateLogError::List { key: next }));
    // Round in circles.
    map.0.insert(next, slot(2).to_vec());
    let back = keys::next_slot(A, slot(2));
    map.0.insert(back, slot(1).to_vec());
    assert_eq!(slots_of(&map, A), Err(StateLogError::List { key: next }));
    map.0.insert(next, vec![1]);
    let short = StateLogError::Word {
        key: next,
        found: 1,
    };
    assert_eq!(slots_of(&map, A), Err(short));
    let key = keys::storage(A, slot(1));
    map.0.insert(key, vec![1; 33]);
    map.0.insert(keys::account(A), vec![0xc0, 0]);
    let log = StateLogDb::new(map);
    assert_eq!(
        log.slot(A, slot(1)),
        Err(StateLogError::Word { key, found: 33 })
    );
    let error = log.account(A).unwrap_err();
    assert!(matches!(error, StateLogError::Account { address: A, .. }));
    assert!(error.to_string().contains(&A.to_string()), "{error}");
}

#[test]
fn keys_are_those_of_the_format() {
    let [a, s] = [A.as_slice(), &[7; 32]];
    let key = |domain: u8, plain: &[&[u8]]| keccak256([&[domain], &plain.concat()[..]].concat());
    let word = B256::repeat_byte(7);
    assert_eq!(keys::account(A), key(0, &[a]));
    assert_eq!(keys::storage(A, word), key(1, &[a, s]));
    assert_eq!(keys::code(word), key(2, &[s]));
    assert_eq!(keys::header(), key(3, &[]));
    let place = [0, 0, 0, 0, 0, 0, 0, 44];
    assert_eq!(keys::block_hash(300), key(3, &[&place]));
    assert_eq!(keys::first_account(), key(4, &[]));
    assert_eq!(keys::next_account(A), key(4, &[a]));
    assert_eq!(keys::first_slot(A), key(5, &[a]));
    assert_eq!(keys::next_slot(A, word), key(5, &[a, s]));
}
