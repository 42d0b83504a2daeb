//! The sparse trie against alloy's `HashBuilder`, with all nodes, with the needed ones, and with one
//! fewer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails may panic"
)]

use super::node::{Batch, Link, Node};
use super::*;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::nodes::RlpNode;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

type Content = BTreeMap<B256, Vec<u8>>;

/// The root by alloy.
fn oracle(content: &Content) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in content {
        builder.add_leaf(Nibbles::unpack_array(&key.0), value);
    }
    builder.root()
}

fn build(content: &Content) -> Trie {
    let mut trie = Trie::new(TrieName::Accounts, EMPTY_ROOT_HASH);
    for (key, value) in content {
        let mut nodes = NodeSet::default();
        trie.insert(&mut nodes, key, value.clone()).unwrap();
    }
    trie
}

/// Every node of a trie in memory that is found by its hash.
fn export(trie: &mut Trie) -> Vec<Bytes> {
    fn walk(link: &Link, is_root: bool, out: &mut Vec<Bytes>) {
        let Link::Loaded(loaded) = link else { return };
        let mut batch = Batch::default();
        batch.push(&loaded.node);
        let long = batch
            .messages()
            .first()
            .map(|rlp| Bytes::copy_from_slice(rlp));
        let short = || Bytes::copy_from_slice(link.reference().unwrap());
        if is_root || long.is_some() {
            out.push(long.unwrap_or_else(short));
        }
        match &loaded.node {
            Node::Leaf { .. } => {}
            Node::Extension { child, .. } => walk(child, false, out),
            Node::Branch(children) => children.iter().for_each(|child| walk(child, false, out)),
        }
    }
    _ = trie.root();
    let mut out = Vec::new();
    walk(&trie.root, true, &mut out);
    out
}

/// Few different beginnings and endings, so that there are extensions, collapses, and nodes that are
/// shorter than their hash.
fn key() -> impl Strategy<Value = B256> {
    let word = (0u8..4, 0u8..3, 0u8..4, any::<bool>());
    word.prop_map(|(first, second, last, spread)| {
        let mut key = B256::ZERO;
        key[0] = [0x00, 0x01, 0x10, 0xff][usize::from(first)];
        key[1] = second;
        key[31] = [0x00, 0x01, 0x10, 0x7f][usize::from(last)];
        if spread { keccak256(key) } else { key }
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![1..4usize, 30..34usize, Just(80)];
    length.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length))
}

fn content() -> impl Strategy<Value = Content> {
    prop::collection::btree_map(key(), value(), 0..40)
}

fn changes() -> impl Strategy<Value = BTreeMap<B256, Option<Vec<u8>>>> {
    prop::collection::btree_map(key(), prop::option::weighted(0.4, value()), 1..20)
}

/// Applies writes, then removals.
fn apply(
    trie: &mut Trie,
    nodes: &mut NodeSet,
    changes: &BTreeMap<B256, Option<Vec<u8>>>,
) -> Result<B256, TrieError> {
    for (key, value) in changes.iter().filter(|(_, value)| value.is_some()) {
        trie.insert(nodes, key, value.clone().unwrap_or_default())?;
    }
    for (key, _) in changes.iter().filter(|(_, value)| value.is_none()) {
        trie.remove(nodes, key)?;
    }
    Ok(trie.root())
}

fn merged(content: &Content, changes: &BTreeMap<B256, Option<Vec<u8>>>) -> Content {
    let mut merged = content.clone();
    for (key, value) in changes {
        match value {
            Some(value) => _ = merged.insert(*key, value.clone()),
            None => _ = merged.remove(key),
        }
    }
    merged
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        rng_seed: RngSeed::Fixed(2026),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_of_writes_and_removals_gives_the_root_of_its_content(
        steps in prop::collection::vec((key(), prop::option::weighted(0.6, value())), 1..60),
    ) {
        let mut content = Content::new();
        let mut trie = build(&content);
        let mut nodes = NodeSet::default();
        for (key, value) in steps {
            let before = content.get(&key).cloned();
            match value {
                Some(value) => {
                    let changed = trie.insert(&mut nodes, &key, value.clone()).unwrap();
                    prop_assert_eq!(changed, before.as_ref() != Some(&value));
                    content.insert(key, value);
                }
                None => {
                    let removed = trie.remove(&mut nodes, &key).unwrap();
                    prop_assert_eq!(removed, before.is_some());
                    content.remove(&key);
                }
            }
            let mut sparse = trie.clone();
            prop_assert_eq!(sparse.root(), oracle(&content));
            prop_assert_eq!(
                trie.get(&mut nodes, &key).unwrap(),
                content.get(&key).map(Vec::as_slice)
            );
        }
        // Hashed once at the end as well as after every step.
        prop_assert_eq!(trie.root(), oracle(&content));
    }

    #[test]
    fn the_nodes_that_were_used_suffice_and_each_of_them_is_needed(
        content in content(),
        changes in changes(),
        reads in prop::collection::vec(key(), 0..6),
    ) {
        let mut whole = build(&content);
        let root = whole.root();
        let all = export(&mut whole);
        let run = |nodes: &[Bytes]| {
            let mut set = NodeSet::new(nodes);
            let mut trie = Trie::new(TrieName::Accounts, root);
            for key in &reads {
                let value = trie.get(&mut set, key)?.map(<[u8]>::to_vec);
                assert_eq!(value.as_ref(), content.get(key));
            }
            let root = apply(&mut trie, &mut set, &changes)?;
            let unused: Vec<B256> = set.unused().collect();
            Ok::<_, TrieError>((root, unused))
        };
        let expected = oracle(&merged(&content, &changes));
        let (new_root, unused) = run(&all).unwrap();
        prop_assert_eq!(new_root, expected);
        let needed: Vec<Bytes> =
            all.iter().filter(|node| !unused.contains(&keccak256(node))).cloned().collect();
        prop_assert_eq!(run(&needed).unwrap(), (expected, Vec::new()));
        for dropped in 0..needed.len() {
            let mut fewer = needed.clone();
            let hash = keccak256(fewer.remove(dropped));
            let error = run(&fewer).unwrap_err();
            prop_assert_eq!(error.missing_hash(), Some(hash), "{}", error);
            let (text, name) = (error.to_string(), hash.to_string());
            prop_assert!(text.contains(&name), "{} does not name {}", text, name);
        }
    }

    #[test]
    fn removals_in_any_order_give_the_same_root(
        content in content(),
        changes in changes(),
        order in any::<u64>(),
    ) {
        let mut whole = build(&content);
        let mut set = NodeSet::new(&export(&mut whole));
        let mut trie = Trie::new(TrieName::Accounts, whole.root());
        let mut shuffled: Vec<_> = changes.iter().collect();
        shuffled.sort_by_key(|(key, _)| keccak256([&key[..], &order.to_be_bytes()].concat()));
        for (key, value) in shuffled {
            trie.insert(&mut set, key, value.clone().unwrap_or_default()).unwrap();
        }
        prop_assert_eq!(trie.root(), oracle(&merged(&content, &changes)));
    }

    #[test]
    fn after_an_error_the_trie_is_as_before(content in content(), changes in changes()) {
        let mut whole = build(&content);
        let all = export(&mut whole);
        for missing in 0..all.len() {
            let mut fewer = all.clone();
            fewer.remove(missing);
            let mut some = NodeSet::new(&fewer);
            let mut every = NodeSet::new(&all);
            let mut trie = Trie::new(TrieName::Accounts, whole.root());
            let mut expected = content.clone();
            for (key, value) in &changes {
                let value = value.clone().unwrap_or_default();
                if trie.insert(&mut some, key, value.clone()).is_err() {
                    // Refused for want of a node; with it, the same call works.
                    prop_assert_eq!(trie.clone().root(), oracle(&expected));
                    trie.insert(&mut every, key, value.clone()).unwrap();
                }
                match value.is_empty() {
                    true => _ = expected.remove(key),
                    false => _ = expected.insert(*key, value),
                }
            }
            prop_assert_eq!(trie.root(), oracle(&expected));
        }
    }

    #[test]
    fn hostile_nodes_never_panic(
        content in content(),
        changes in changes(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        // A trie over nodes that were made wrong and then hashed rightly, from the root downwards:
        // each damaged node is given the place of the root.
        let mut whole = build(&content);
        for mut node in export(&mut whole).into_iter().map(Vec::from) {
            for (at, cut, byte) in &flips {
                let at = at.index(node.len());
                node[at] = *byte;
                if cut.index(8) == 0 {
                    node.truncate(at.max(1));
                }
            }
            let root = keccak256(&node);
            let mut set = NodeSet::new(&[node.into()]);
            let mut trie = Trie::new(TrieName::Accounts, root);
            for (key, value) in &changes {
                _ = trie.get(&mut set, key);
                _ = trie.insert(&mut set, key, value.clone().unwrap_or_default());
            }
            _ = trie.root();
        }
    }
}

/// What a node that no trie of 32-byte keys has is refused for.
#[test]
fn nodes_of_a_wrong_shape_are_refused() {
    let leaf = |path: &[u8]| {
        let node = alloy_trie::nodes::LeafNode::new(Nibbles::from_nibbles(path), [7].to_vec());
        alloy_rlp::encode(node)
    };
    let extension = |path: &[u8], child: RlpNode| {
        alloy_rlp::encode(alloy_trie::nodes::ExtensionNode::new(
            Nibbles::from_nibbles(path),
            child,
        ))
    };
    let hash = RlpNode::word_rlp(&B256::ZERO);
    let mut short_child = leaf(&[1; 64]);
    short_child.push(0);
    let single = alloy_rlp::encode(alloy_trie::nodes::BranchNode::new(
        [hash.clone()].to_vec(),
        alloy_trie::TrieMask::new(1),
    ));
    let to_leaf = extension(&[0; 60], RlpNode::from_raw_rlp(&leaf(&[1; 4])).unwrap());
    let to_byte = extension(&[0; 60], RlpNode::from_raw_rlp(&[5]).unwrap());
    let cases = [
        ("leaf whose key", leaf(&[1; 63])),
        ("leaf whose key", leaf(&[])),
        ("unexpected length", short_child),
        ("extension by no nibble", extension(&[], hash.clone())),
        ("extension by no nibble", extension(&[1; 64], hash)),
        ("does not branch", single),
        ("neither a hash nor", to_byte),
        ("no branch", to_leaf),
    ];
    for (reason, node) in cases {
        let root = keccak256(&node);
        let mut trie = Trie::new(TrieName::Storage(Address::ZERO), root);
        let mut set = NodeSet::new(&[node.into()]);
        let error = trie.get(&mut set, &B256::ZERO).unwrap_err();
        let text = alloc::format!("{error}").to_lowercase();
        assert!(text.contains(reason), "{text} does not say {reason}");
        assert!(text.contains("storage trie of 0x0000000000000000000000000000000000000000, path"));
        assert!(trie.insert(&mut set, &B256::ZERO, [1].to_vec()).is_err());
        assert!(trie.remove(&mut set, &B256::ZERO).is_err());
    }
}

type Slots<'a> = &'a [(u64, u64)];

/// Accounts and storage as one, against alloy's own state and storage roots.
#[test]
fn a_state_follows_alloys_state_root() {
    let mut state = SparseState::new(EMPTY_ROOT_HASH, NodeSet::default());
    let address = |i: u8| Address::repeat_byte(i);
    let fields = |nonce: u64| AccountFields {
        nonce,
        balance: U256::from(nonce * 1000),
        code_hash: alloy_trie::KECCAK_EMPTY,
    };
    let change = |nonce: u64, wiped: bool, storage: Slots| AccountChange {
        account: Some(fields(nonce)),
        storage_wiped: wiped,
        storage: storage
            .iter()
            .map(|(k, v)| (U256::from(*k), U256::from(*v)))
            .collect(),
    };
    let expected = |accounts: &[(u8, u64, Slots)]| {
        alloy_trie::root::state_root_unhashed(accounts.iter().map(|(i, nonce, storage)| {
            let slots = storage
                .iter()
                .map(|(k, v)| (B256::from(U256::from(*k)), U256::from(*v)));
            let storage_root = alloy_trie::root::storage_root_unhashed(slots);
            let AccountFields {
                nonce,
                balance,
                code_hash,
            } = fields(*nonce);
            (
                address(*i),
                TrieAccount::new(nonce, balance, storage_root, code_hash),
            )
        }))
    };
    let first = BTreeMap::from([
        (address(1), change(1, false, &[(1, 10), (2, 20), (3, 30)])),
        (address(2), change(2, false, &[])),
        (address(3), change(3, true, &[(9, 90)])),
    ]);
    let root = state.apply(&first).unwrap();
    assert_eq!(
        root,
        expected(&[
            (1, 1, &[(1, 10), (2, 20), (3, 30)]),
            (2, 2, &[]),
            (3, 3, &[(9, 90)])
        ])
    );
    assert_eq!(
        state.storage(address(1), U256::from(2)).unwrap(),
        U256::from(20)
    );
    assert_eq!(
        state.storage(address(4), U256::from(2)).unwrap(),
        U256::ZERO
    );
    assert_eq!(state.account(address(2)).unwrap().unwrap().nonce, 2);
    assert_eq!(state.account(address(4)).unwrap(), None);

    let second = BTreeMap::from([
        (address(1), change(5, false, &[(1, 0), (2, 21)])),
        (address(2), AccountChange::default()),
        (address(3), change(4, true, &[(8, 80)])),
    ]);
    let root = state.apply(&second).unwrap();
    assert_eq!(
        root,
        expected(&[(1, 5, &[(2, 21), (3, 30)]), (3, 4, &[(8, 80)])])
    );
    assert_eq!(state.account(address(2)).unwrap(), None);
    assert_eq!(
        state.storage(address(3), U256::from(9)).unwrap(),
        U256::ZERO
    );
}
