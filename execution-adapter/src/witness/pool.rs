//! The items of a range's witnesses, each hashed once.

use super::error::{HeaderFault, WitnessError};
use crate::mpt::{NodeSet, keccak_many};
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable as _;
use once_cell::race::OnceBox;
use revm::state::Bytecode;

/// Nodes, codes and headers that witnesses list, with what was computed of each: the hash, the code made
/// ready to run, the header decoded.
///
/// Blocks of a range list the same items over and over, at four bytes each in the input of a prover,
/// and no gas pays for hashing them. Here an item costs that once, so that the work is bounded by the
/// length of the input and by gas.
///
/// Items are told apart by where they lie in memory. All of them live as long as the pool, and nobody
/// changes them meanwhile, so what lies at one place with one length is one item.
#[derive(Debug, Default)]
pub(crate) struct ItemPool<'a> {
    hashes: BTreeMap<Place, B256>,
    codes: BTreeMap<B256, SharedCode>,
    headers: BTreeMap<Place, Header>,
    items: core::marker::PhantomData<&'a [u8]>,
}

type Place = (usize, usize);

fn place(item: &[u8]) -> Place {
    (item.as_ptr().addr(), item.len())
}

/// A code, and the same made ready to run by whoever needs it first.
#[derive(Clone, Debug)]
pub(super) struct SharedCode {
    pub(super) bytes: Bytes,
    ready: Arc<OnceBox<Bytecode>>,
}

impl SharedCode {
    pub(super) fn new(bytes: &Bytes) -> Self {
        Self {
            bytes: bytes.clone(),
            ready: Arc::default(),
        }
    }

    pub(super) fn bytecode(&self) -> Bytecode {
        let ready = || alloc::boxed::Box::new(bytecode(&self.bytes));
        self.ready.get_or_init(ready).clone()
    }
}

/// Code that begins like a delegation (EIP-7702) and is none was deployed before London, when that
/// was allowed: it is code like any other.
fn bytecode(bytes: &Bytes) -> Bytecode {
    let code = Bytecode::new_raw_checked(bytes.clone());
    code.unwrap_or_else(|_| Bytecode::new_legacy(bytes.clone()))
}

impl<'a> ItemPool<'a> {
    /// Keccak-256 of each item.
    fn hashes(&mut self, items: &'a [Bytes]) -> Vec<B256> {
        self.add(items);
        let hash = |item: &Bytes| self.hashes.get(&place(item)).copied();
        items.iter().filter_map(hash).collect()
    }

    /// Hashes what was not hashed yet, all at once; returns how many items these were.
    fn add(&mut self, items: &'a [Bytes]) -> usize {
        let new: BTreeMap<Place, &[u8]> = items
            .iter()
            .map(|item| (place(item), &item[..]))
            .filter(|(place, _)| !self.hashes.contains_key(place))
            .collect();
        let messages: Vec<&[u8]> = new.values().copied().collect();
        let hashes = keccak_many(&messages);
        self.hashes.extend(new.into_keys().zip(hashes));
        messages.len()
    }

    pub(super) fn nodes(&mut self, items: &'a [Bytes]) -> NodeSet {
        NodeSet::with_hashes(items, self.hashes(items))
    }

    pub(super) fn codes(&mut self, items: &'a [Bytes]) -> Vec<(B256, SharedCode)> {
        let hashes = self.hashes(items);
        let shared = hashes.into_iter().zip(items).map(|(hash, bytes)| {
            let code = self.codes.entry(hash);
            (hash, code.or_insert_with(|| SharedCode::new(bytes)).clone())
        });
        shared.collect()
    }

    /// The headers with their hashes, in the order of the list.
    pub(super) fn headers(
        &mut self,
        items: &'a [Bytes],
    ) -> Result<Vec<(B256, &Header)>, WitnessError> {
        let hashes = self.hashes(items);
        for (index, item) in items.iter().enumerate() {
            if let Entry::Vacant(vacant) = self.headers.entry(place(item)) {
                vacant.insert(decode_header(item, index)?);
            }
        }
        let header = |item: &Bytes| self.headers.get(&place(item));
        let headers = items.iter().filter_map(header);
        Ok(hashes.into_iter().zip(headers).collect())
    }
}

/// The header at this place of a list, and nothing behind it.
pub(super) fn decode_header(mut rlp: &[u8], index: usize) -> Result<Header, WitnessError> {
    let header = Header::decode(&mut rlp).and_then(|header| match rlp {
        [] => Ok(header),
        _ => Err(alloy_rlp::Error::UnexpectedLength),
    });
    header.map_err(|error| WitnessError::Header {
        index,
        fault: HeaderFault::Rlp(error),
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn an_item_is_hashed_once_however_often_it_is_listed() {
        let input = Bytes::from_static(b"one and the other and one");
        let lists = [
            alloc::vec![input.slice(0..3), input.slice(8..17)],
            alloc::vec![input.slice(8..17), input.slice(0..3), input.slice(0..3)],
            alloc::vec![input.slice(0..4), input.slice(22..25), Bytes::new()],
        ];
        let mut pool = ItemPool::default();
        for (list, new) in lists.iter().zip([2, 0, 3]) {
            assert_eq!(pool.add(list), new);
            let expected: Vec<B256> = list.iter().map(keccak256).collect();
            assert_eq!(pool.hashes(list), expected);
            assert_eq!(pool.nodes(list).len(), NodeSet::new(list).len());
        }
    }

    #[test]
    fn a_code_is_made_ready_once() {
        let codes = [Bytes::from_static(&[0x5b, 0x00]), Bytes::from_static(&[])];
        let mut pool = ItemPool::default();
        let [first, second] = [pool.codes(&codes), pool.codes(&codes)];
        for ((hash, code), (other, again)) in first.iter().zip(&second) {
            assert_eq!((hash, &code.bytes), (other, &again.bytes));
            assert_eq!(*hash, keccak256(&code.bytes));
            assert!(Arc::ptr_eq(&code.ready, &again.ready));
            assert_eq!(code.bytecode(), bytecode(&again.bytes));
            assert!(again.ready.get().is_some());
        }
    }

    #[test]
    fn headers_are_decoded_once_and_named_by_their_place() {
        let header = Header {
            number: 7,
            ..Header::default()
        };
        let good = Bytes::from(alloy_rlp::encode(&header));
        let list = [good.clone(), good.clone()];
        let mut pool = ItemPool::default();
        let read = pool.headers(&list).unwrap();
        assert_eq!(read, [(keccak256(&good), &header); 2]);
        assert_eq!(pool.headers.len(), 1);
        let bad = [good.clone(), good.slice(1..)];
        let error = pool.headers(&bad).unwrap_err();
        let fault = matches!(error, WitnessError::Header { index: 1, .. });
        assert!(fault, "{error}");
        // A place is not enough: the same item cut short is another one.
        let cut = [good.slice(..good.len() - 1)];
        pool.headers(&cut).unwrap_err();
    }
}
