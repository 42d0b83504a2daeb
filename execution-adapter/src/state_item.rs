//! Keys and values of the state, and the root over a set of them.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{BufMut, Encodable, Header, RlpDecodable, RlpEncodable};
use alloy_trie::root::ordered_trie_root_with_encoder;
use revm::state::AccountInfo;

/// What a leaf says of an account: all but its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpDecodable, RlpEncodable)]
pub struct AccountValue {
    /// Nonce.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Keccak-256 of the code, that of nothing where there is none.
    pub code_hash: B256,
}

/// A key of the state with its value: an item of a leaf's read set or write set.
///
/// Items are ordered by domain and key, the order in which a root over them is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateItem {
    /// Domain 0: an account; none if it does not exist.
    Account(Address, Option<AccountValue>),
    /// Domain 1: a storage slot; zero if it was never set.
    Storage(Address, B256, U256),
    /// Domain 2: the code of an account, by its hash; none if there is none.
    Code(Address, Option<B256>),
}

/// The key of a [`StateItem`], in the order of the root: domain, address, slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKey {
    /// Domain 0.
    Account(Address),
    /// Domain 1.
    Storage(Address, B256),
    /// Domain 2.
    Code(Address),
}

impl From<&AccountInfo> for AccountValue {
    fn from(info: &AccountInfo) -> Self {
        Self {
            nonce: info.nonce,
            balance: info.balance,
            code_hash: info.code_hash,
        }
    }
}

impl AccountValue {
    /// The hash of the code, if there is code.
    #[must_use]
    pub fn code(&self) -> Option<B256> {
        (self.code_hash != KECCAK256_EMPTY).then_some(self.code_hash)
    }
}

impl StateItem {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> StateKey {
        match *self {
            Self::Account(address, _) => StateKey::Account(address),
            Self::Storage(address, slot, _) => StateKey::Storage(address, slot),
            Self::Code(address, _) => StateKey::Code(address),
        }
    }

    /// The bytes of its value; nothing for what is not there. docs/FORMAT.md, section 8.
    #[must_use]
    pub fn value_bytes(&self) -> Vec<u8> {
        match self {
            Self::Account(_, value) => value.map(alloy_rlp::encode).unwrap_or_default(),
            Self::Storage(_, _, value) => value.to_be_bytes_trimmed_vec(),
            Self::Code(_, hash) => hash.map(|hash| hash.to_vec()).unwrap_or_default(),
        }
    }
}

impl Encodable for StateItem {
    /// RLP(\[domain, key, value\]).
    fn encode(&self, out: &mut dyn BufMut) {
        let mut key = [0; 52];
        let word: [u8; 32];
        let value = match self {
            Self::Account(_, Some(value)) => Value::Account(value),
            Self::Account(_, None) => Value::Bytes(&[]),
            Self::Storage(_, _, value) => {
                word = value.to_be_bytes();
                Value::Bytes(word.get(value.leading_zeros() / 8..).unwrap_or_default())
            }
            Self::Code(_, hash) => match hash {
                Some(hash) => Value::Bytes(hash.as_slice()),
                None => Value::Bytes(&[]),
            },
        };
        let (domain, key) = match self {
            Self::Account(address, _) => (0u8, fill(&mut key, address, &[])),
            Self::Storage(address, slot, _) => (1, fill(&mut key, address, slot.as_slice())),
            Self::Code(address, _) => (2, fill(&mut key, address, &[])),
        };
        let payload_length = domain.length() + key.length() + value.length();
        Header {
            list: true,
            payload_length,
        }
        .encode(out);
        domain.encode(out);
        key.encode(out);
        value.encode(out);
    }
}

/// The value of an item, encoded without a copy of its own.
enum Value<'a> {
    Account(&'a AccountValue),
    Bytes(&'a [u8]),
}

impl Encodable for Value<'_> {
    /// RLP of the value's bytes. Those of an account are RLP themselves, of more than one byte.
    fn encode(&self, out: &mut dyn BufMut) {
        match self {
            Self::Account(value) => {
                Header {
                    list: false,
                    payload_length: value.length(),
                }
                .encode(out);
                value.encode(out);
            }
            Self::Bytes(bytes) => bytes.encode(out),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Account(value) => {
                let payload_length = value.length();
                Header {
                    list: false,
                    payload_length,
                }
                .length_with_payload()
            }
            Self::Bytes(bytes) => bytes.length(),
        }
    }
}

/// The address and the slot, one after the other.
fn fill<'a>(key: &'a mut [u8; 52], address: &Address, slot: &[u8]) -> &'a [u8] {
    let (front, back) = key.split_at_mut(20);
    front.copy_from_slice(address.as_slice());
    let len = 20 + slot.len();
    if let Some(back) = back.get_mut(..slot.len()) {
        back.copy_from_slice(slot);
    }
    key.get(..len).unwrap_or_default()
}

/// The root over items: Ethereum's ordered trie root of their encodings.
///
/// The items must be sorted by key, each key once.
#[must_use]
pub fn root_over(items: &[StateItem]) -> B256 {
    debug_assert!(items.is_sorted_by(|a, b| a.key() < b.key()));
    ordered_trie_root_with_encoder(items, |item, out| item.encode(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use alloy_trie::EMPTY_ROOT_HASH;

    #[test]
    fn items_encode_as_documented() {
        let address = Address::repeat_byte(0x11);
        let absent = StateItem::Account(address, None);
        let text = "d780941111111111111111111111111111111111111111".to_owned() + "80";
        assert_eq!(hex::encode(alloy_rlp::encode(absent)), text);
        let slot = StateItem::Storage(address, B256::with_last_byte(7), U256::from(258));
        let text = "f93901".replace("f939", "f839")
            + "b4"
            + &"11".repeat(20)
            + &"00".repeat(31)
            + "07"
            + "820102";
        assert_eq!(hex::encode(alloy_rlp::encode(slot)), text);
    }

    #[test]
    fn values_encode_as_their_bytes() {
        let address = Address::repeat_byte(0x11);
        let account = |nonce, balance| AccountValue {
            nonce,
            balance,
            code_hash: KECCAK256_EMPTY,
        };
        let mut items = Vec::from([
            StateItem::Account(address, Some(account(0, U256::ZERO))),
            StateItem::Account(address, Some(account(u64::MAX, U256::MAX))),
            StateItem::Code(address, None),
            StateItem::Code(address, Some(KECCAK256_EMPTY)),
        ]);
        let storage = |value| StateItem::Storage(address, B256::ZERO, value);
        items.extend((0..256).map(|bit| storage(U256::ONE << bit)));
        items.push(storage(U256::ZERO));
        items.push(storage(U256::from(0x7f)));
        for item in items {
            let (_, payload) =
                (alloy_rlp::Header::decode_bytes(&mut alloy_rlp::encode(item).as_slice(), true))
                    .map(|payload| ((), payload.to_vec()))
                    .expect("a list");
            let mut rest = payload.as_slice();
            for _ in 0..2 {
                alloy_rlp::Header::decode_bytes(&mut rest, false).expect("domain and key");
            }
            let value = alloy_rlp::Header::decode_bytes(&mut rest, false).expect("the value");
            assert_eq!(value, item.value_bytes(), "{item:?}");
            assert_eq!(rest, [0u8; 0]);
        }
    }

    #[test]
    fn nothing_has_the_root_of_the_empty_trie() {
        assert_eq!(root_over(&[]), EMPTY_ROOT_HASH);
    }

    #[test]
    fn keys_are_ordered_by_domain_then_bytes() {
        let [low, high] = [1, 2].map(Address::repeat_byte);
        let keys = [
            StateKey::Account(low),
            StateKey::Account(high),
            StateKey::Storage(low, B256::ZERO),
            StateKey::Storage(low, B256::with_last_byte(1)),
            StateKey::Storage(high, B256::ZERO),
            StateKey::Code(low),
        ];
        assert!(keys.is_sorted());
    }
}
