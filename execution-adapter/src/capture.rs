//! What one transaction number read and wrote: raw while it runs, folded into sorted sets later.

use crate::state_item::{AccountValue, StateItem, StateKey};
use alloc::{collections::BTreeMap, vec::Vec};
use alloy_primitives::{Address, B256, Bytes, U256};

/// Everything that happened, in order. It is cheap to fill: all sorting is left to
/// [`fold`](Self::fold), which may run elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capture {
    reads: Vec<StateItem>,
    writes: Vec<Write>,
    destroyed: Vec<Address>,
    codes: Vec<(B256, Bytes)>,
}

/// A write, with the value that the writer believes was there before.
#[derive(Clone, Copy, Debug)]
struct Write {
    before: Before,
    after: StateItem,
}

/// Where the value before a write is known from.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// The writer read it: it is among the reads.
    Read,
    /// It needed no read, as the slot belongs to a new account.
    Slot(U256),
}

/// The reads and the net writes of one transaction number, each sorted by key, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateAccess {
    /// What was read, with the value before this transaction number.
    pub reads: Vec<StateItem>,
    /// What changed, with the value after it. Nothing that ended as it began is here.
    pub writes: Vec<StateItem>,
    /// Accounts that were destroyed: all their storage is gone, without an item for each slot.
    pub destroyed: Vec<Address>,
    /// Code that accounts were given, with its hash, by ascending hash, each once.
    pub codes: Vec<(B256, Bytes)>,
}

impl Capture {
    /// An empty one with room for as much as is in this.
    pub(crate) fn as_large(&self) -> Self {
        Self {
            reads: Vec::with_capacity(self.reads.len()),
            writes: Vec::with_capacity(self.writes.len()),
            ..Self::default()
        }
    }

    /// Forgets what was noted.
    pub(crate) fn clear(&mut self) {
        self.reads.clear();
        self.writes.clear();
        self.destroyed.clear();
        self.codes.clear();
    }

    pub(crate) fn read(&mut self, item: StateItem) {
        self.reads.push(item);
    }

    /// An account after a commit. It was read before.
    pub(crate) fn write_account(&mut self, address: Address, after: Option<AccountValue>) {
        let before = Before::Read;
        let after = StateItem::Account(address, after);
        self.writes.push(Write { before, after });
    }

    pub(crate) fn write_slot(&mut self, address: Address, slot: B256, before: U256, after: U256) {
        let before = Before::Slot(before);
        let after = StateItem::Storage(address, slot, after);
        self.writes.push(Write { before, after });
    }

    pub(crate) fn destroy(&mut self, address: Address) {
        self.destroyed.push(address);
    }

    pub(crate) fn new_code(&mut self, hash: B256, code: Bytes) {
        self.codes.push((hash, code));
    }

    /// First read wins, last write wins, a write that changed nothing does not count.
    pub(crate) fn fold(&self) -> StateAccess {
        let mut reads = BTreeMap::new();
        for item in &self.reads {
            reads.entry(item.key()).or_insert(*item);
        }
        let mut writes = BTreeMap::new();
        for Write { before, after } in self.writes.iter().copied() {
            let key = after.key();
            let before = match (reads.get(&key), before) {
                (Some(read), _) => *read,
                (None, Before::Slot(value)) => with_slot_value(after, value),
                (None, Before::Read) => absent(key),
            };
            let (_, last) = writes.entry(key).or_insert((before, after));
            *last = after;
        }
        let code_changes = code_changes(&writes);
        let all = writes.into_values().chain(code_changes);
        let changed = all.filter(|(before, after)| before != after);
        let mut writes = Vec::with_capacity(self.writes.len());
        writes.extend(changed.map(|(_, after)| after));
        let mut destroyed = self.destroyed.clone();
        destroyed.sort_unstable();
        destroyed.dedup();
        let mut codes = self.codes.clone();
        codes.sort_unstable_by_key(|(hash, _)| *hash);
        codes.dedup_by_key(|(hash, _)| *hash);
        StateAccess {
            reads: reads.into_values().collect(),
            writes,
            destroyed,
            codes,
        }
    }
}

/// What an account's change means for its code. The code items sort behind all others.
fn code_changes(
    writes: &BTreeMap<StateKey, (StateItem, StateItem)>,
) -> Vec<(StateItem, StateItem)> {
    let code = |item: &StateItem| match item {
        StateItem::Account(address, value) => {
            let hash = value.and_then(|value| value.code());
            Some(StateItem::Code(*address, hash))
        }
        _ => None,
    };
    let pairs = writes.values();
    pairs
        .filter_map(|(before, after)| Some((code(before)?, code(after)?)))
        .collect()
}

fn with_slot_value(item: StateItem, value: U256) -> StateItem {
    match item {
        StateItem::Storage(address, slot, _) => StateItem::Storage(address, slot, value),
        other => other,
    }
}

fn absent(key: StateKey) -> StateItem {
    match key {
        StateKey::Account(address) => StateItem::Account(address, None),
        StateKey::Storage(address, slot) => StateItem::Storage(address, slot, U256::ZERO),
        StateKey::Code(address) => StateItem::Code(address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::KECCAK256_EMPTY;

    const ADDRESS: Address = Address::repeat_byte(1);
    const SLOT: B256 = B256::repeat_byte(2);

    fn account(nonce: u64, code_hash: B256) -> AccountValue {
        AccountValue {
            nonce,
            balance: U256::ZERO,
            code_hash,
        }
    }

    #[test]
    fn first_read_and_last_write_win() {
        let mut capture = Capture::default();
        let slot = |value| StateItem::Storage(ADDRESS, SLOT, U256::from(value));
        capture.read(slot(1));
        capture.write_slot(ADDRESS, SLOT, U256::from(1), U256::from(2));
        capture.read(slot(2));
        capture.write_slot(ADDRESS, SLOT, U256::from(2), U256::from(3));
        let access = capture.fold();
        assert_eq!(access.reads, [slot(1)]);
        assert_eq!(access.writes, [slot(3)]);
    }

    #[test]
    fn what_ends_as_it_began_is_no_write() {
        let mut capture = Capture::default();
        capture.write_slot(ADDRESS, SLOT, U256::from(1), U256::from(2));
        capture.write_slot(ADDRESS, SLOT, U256::from(2), U256::from(1));
        capture.write_account(ADDRESS, None);
        assert_eq!(capture.fold().writes, []);
    }

    #[test]
    fn code_follows_its_account() {
        let mut capture = Capture::default();
        let hash = B256::repeat_byte(9);
        let before = Some(account(0, KECCAK256_EMPTY));
        capture.read(StateItem::Account(ADDRESS, before));
        capture.write_account(ADDRESS, Some(account(1, hash)));
        let writes = capture.fold().writes;
        let after = Some(account(1, hash));
        assert_eq!(
            writes,
            [
                StateItem::Account(ADDRESS, after),
                StateItem::Code(ADDRESS, Some(hash))
            ]
        );

        let mut capture = Capture::default();
        capture.read(StateItem::Account(ADDRESS, after));
        capture.write_account(ADDRESS, None);
        let gone = [
            StateItem::Account(ADDRESS, None),
            StateItem::Code(ADDRESS, None),
        ];
        assert_eq!(capture.fold().writes, gone);
    }
}
