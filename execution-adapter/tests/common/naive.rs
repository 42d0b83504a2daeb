//! The state log of a chain that began with a genesis, made again in the simplest way.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, keccak256};
use qmtree::proofs::TxNum;
use qmtree::proofs::state::{MemoryStateLog, StateWord};
use qmtree_execution_adapter::engine::{ChainGenesis, PreparedBlock, execute_to_leaves};
use qmtree_execution_adapter::{
    BlockInput, LeafParts, MemoryState, NoTracer, ReadSet, StateAccess, StateItem,
};
use revm::database::states::bundle_state::BundleRetention;
use std::collections::{BTreeMap, BTreeSet};

type Map = BTreeMap<B256, Vec<u8>>;

/// All of the state, plainly.
pub struct Naive {
    log: MemoryStateLog<qmtree::proofs::Profile>,
    map: Map,
    accounts: BTreeMap<Address, Vec<u8>>,
    slots: BTreeMap<(Address, B256), B256>,
    codes: BTreeMap<B256, Vec<u8>>,
    /// Newest first, as all lists.
    known: Vec<Address>,
    known_slots: BTreeMap<Address, Vec<B256>>,
    hashes: BTreeMap<u64, B256>,
    header: Option<Header>,
}

impl Naive {
    pub fn new(genesis: &ChainGenesis) -> Self {
        let mut naive = Self {
            log: MemoryStateLog::new(qmtree::proofs::Profile::Keccak256),
            map: Map::new(),
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
            codes: BTreeMap::new(),
            known: vec![Address::ZERO],
            known_slots: BTreeMap::new(),
            hashes: BTreeMap::new(),
            header: None,
        };
        naive.apply(TxNum(0), &genesis.state.as_writes(), Some(&genesis.header));
        naive
    }

    pub fn root(&self) -> B256 {
        self.log.root()
    }

    pub fn entry_count(&self) -> u64 {
        self.log.entry_count()
    }

    pub fn apply(&mut self, tx_num: TxNum, access: &StateAccess, header: Option<&Header>) {
        if let Some(header) = header {
            if let Some(parent) = header.number.checked_sub(1) {
                self.hashes.insert(parent % 256, header.parent_hash);
            }
            self.header = Some(header.clone());
        }
        let mut ended: BTreeSet<Address> = access.destroyed.iter().copied().collect();
        ended.extend(access.writes.iter().filter_map(|item| match item {
            StateItem::Account(address, None) => Some(*address),
            _ => None,
        }));
        self.slots
            .retain(|(address, _), _| !ended.contains(address));
        self.known_slots
            .retain(|address, _| !ended.contains(address));
        self.accounts.retain(|address, _| !ended.contains(address));
        for (hash, code) in &access.codes {
            let named =
                |item: &StateItem| matches!(item, StateItem::Code(_, Some(of)) if of == hash);
            if access.writes.iter().any(named) {
                self.codes.insert(*hash, code.to_vec());
            }
        }
        for item in &access.writes {
            match *item {
                StateItem::Account(address, Some(_)) => {
                    self.accounts.insert(address, item.value_bytes());
                    if !self.known.contains(&address) {
                        self.known.insert(0, address);
                    }
                }
                StateItem::Storage(address, slot, value) if value.is_zero() => {
                    self.slots.remove(&(address, slot));
                }
                StateItem::Storage(address, slot, value) => {
                    self.slots.insert((address, slot), value.into());
                    let known = self.known_slots.entry(address).or_default();
                    if !known.contains(&slot) {
                        known.insert(0, slot);
                    }
                }
                _ => {}
            }
        }
        let map = self.map();
        let mut writes: BTreeMap<B256, Option<StateWord>> = BTreeMap::new();
        for key in self.map.keys().filter(|key| !map.contains_key(*key)) {
            writes.insert(*key, None);
        }
        for (key, value) in &map {
            if self.map.get(key) != Some(value) {
                writes.insert(*key, Some(StateWord::of(value)));
            }
        }
        let writes: Vec<_> = writes.into_iter().collect();
        self.log.apply(tx_num, &writes).unwrap();
        self.map = map;
    }

    /// The whole map of the state log, as docs/FORMAT.md says.
    fn map(&self) -> Map {
        let key =
            |domain: u8, plain: &[&[u8]]| keccak256([&[domain], &plain.concat()[..]].concat());
        let mut map = Map::new();
        for (address, account) in &self.accounts {
            map.insert(key(0, &[&address[..]]), account.clone());
        }
        for ((address, slot), value) in &self.slots {
            map.insert(key(1, &[&address[..], &slot[..]]), value.to_vec());
        }
        for (hash, code) in &self.codes {
            map.insert(key(2, &[&hash[..]]), code.clone());
        }
        if let Some(header) = &self.header {
            map.insert(key(3, &[]), alloy_rlp::encode(header));
        }
        for (place, hash) in &self.hashes {
            map.insert(key(3, &[&place.to_be_bytes()]), hash.to_vec());
        }
        let word = |address: &Address| address.into_word().to_vec();
        map.insert(key(4, &[]), word(&self.known[0]));
        for (place, address) in self.known.iter().enumerate() {
            let next = self.known.get(place + 1).unwrap_or(address);
            map.insert(key(4, &[&address[..]]), word(next));
        }
        for (address, slots) in &self.known_slots {
            map.insert(key(5, &[&address[..]]), slots[0].to_vec());
            for (place, slot) in slots.iter().enumerate() {
                let next = slots.get(place + 1).unwrap_or(slot);
                map.insert(key(5, &[&address[..], &slot[..]]), next.to_vec());
            }
        }
        map
    }
}

/// What the leaves of a block commit to, executed on a plain map.
pub fn execute(prepared: &PreparedBlock, state: MemoryState) -> (Vec<LeafParts>, MemoryState) {
    let input = BlockInput {
        chain: &prepared.chain,
        block: &prepared.block,
        senders: &prepared.senders,
        keep_changes: true,
    };
    let made = execute_to_leaves(input, state, NoTracer, &mut ReadSet).unwrap();
    let mut cached = made.executed.state;
    cached.merge_transitions(BundleRetention::PlainState);
    let changes = cached.take_bundle();
    let mut state = cached.database;
    state.apply(&changes);
    let header = &prepared.block.header;
    state.insert_block_hash(header.number, header.hash_slow());
    (made.parts, state)
}
