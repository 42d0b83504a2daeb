//! The roots of [`root_over`](crate::root_over) over many lists at once.
//!
//! A list of one transaction has a dozen nodes, most of which wait for none or for one other. So all
//! lists of a batch are hashed height by height: first every leaf of every list, in lanes, then
//! what hangs on leaves alone, and so on.

use crate::mpt::keccak_many;
use crate::state_item::StateItem;
use alloc::vec::Vec;
use alloy_primitives::B256;
use alloy_rlp::Encodable;
use alloy_trie::nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode};
use alloy_trie::root::adjust_index_for_rlp;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieMask};
use core::ops::Range;

/// The root over each list. Items of a list must be sorted by key, each key once.
pub(crate) fn roots_over(lists: &[&[StateItem]]) -> Vec<B256> {
    let mut forest = Forest::for_items(lists.iter().map(|items| items.len()).sum());
    let roots: Vec<Option<usize>> = lists.iter().map(|items| forest.plant(items)).collect();
    let digests = forest.hash();
    let digest = |root| match root {
        Some(node) => digests.get(node).copied().unwrap_or_default(),
        None => EMPTY_ROOT_HASH,
    };
    roots.into_iter().map(digest).collect()
}

/// A node, before it has a hash. Others are named by their place in [`Forest::nodes`].
#[derive(Debug)]
enum Node<'a> {
    Leaf {
        path: Nibbles,
        item: &'a StateItem,
    },
    Extension {
        path: Nibbles,
        child: usize,
    },
    /// Children in [`Forest::children`].
    Branch {
        children: Range<usize>,
        mask: TrieMask,
    },
}

/// The tries of all lists.
#[derive(Debug, Default)]
struct Forest<'a> {
    nodes: Vec<Node<'a>>,
    children: Vec<usize>,
    /// The nodes of each height: the longest way down to a leaf.
    heights: Vec<Vec<usize>>,
}

/// Bytes that a leaf takes, at most: a path, a key of 52 bytes, an account.
const LEAF_ROOM: usize = 192;

/// A node and its height.
type Grown = (usize, usize);

/// A key and what it stands for.
type Pair<'a> = (Nibbles, &'a StateItem);

impl<'a> Forest<'a> {
    /// Without a trie, with room for those of so many items.
    fn for_items(count: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(count + count / 2),
            children: Vec::with_capacity(count + count / 2),
            heights: Vec::from([Vec::with_capacity(count)]),
        }
    }

    /// Adds the trie of a list; nothing if the list is empty.
    fn plant(&mut self, items: &'a [StateItem]) -> Option<usize> {
        let count = items.len();
        // Ascending by key, which is the RLP of the place: of 0 that is 0x80.
        let places = (0..count).map(|at| adjust_index_for_rlp(at, count));
        let mut pairs: Vec<Pair<'_>> = Vec::with_capacity(count);
        pairs.extend(places.filter_map(|place| {
            let key = Nibbles::unpack(alloy_rlp::encode_fixed_size(&place));
            Some((key, items.get(place)?))
        }));
        self.grow(&pairs, 0).map(|(node, _)| node)
    }

    /// Adds the nodes over pairs whose keys have the first `depth` nibbles in common. Keys are
    /// short, and none is the beginning of another, so this ends soon.
    fn grow(&mut self, pairs: &[Pair<'a>], depth: usize) -> Option<Grown> {
        let ((first, item), (last, _)) = (pairs.first()?, pairs.last()?);
        if pairs.len() == 1 {
            let path = first.slice(depth..);
            return Some(self.push(Node::Leaf { path, item }, 0));
        }
        let shared = first.common_prefix_length(last);
        let (branch, height) = self.grow_branch(pairs, shared);
        if shared == depth {
            return Some((branch, height));
        }
        let path = first.slice(depth..shared);
        let child = branch;
        Some(self.push(Node::Extension { path, child }, height + 1))
    }

    /// Adds a branch over pairs that differ in the nibble at `depth`.
    fn grow_branch(&mut self, pairs: &[Pair<'a>], depth: usize) -> Grown {
        let nibble = |pair: &Pair<'_>| pair.0.get(depth).unwrap_or_default();
        let (mut mask, mut below) = (TrieMask::default(), Vec::with_capacity(16));
        let mut height = 0;
        for pairs in pairs.chunk_by(|a, b| nibble(a) == nibble(b)) {
            if let (Some(pair), Some((child, child_height))) =
                (pairs.first(), self.grow(pairs, depth + 1))
            {
                mask.set_bit(nibble(pair));
                below.push(child);
                height = height.max(child_height + 1);
            }
        }
        let first = self.children.len();
        self.children.append(&mut below);
        let children = first..self.children.len();
        self.push(Node::Branch { children, mask }, height)
    }

    fn push(&mut self, node: Node<'a>, height: usize) -> Grown {
        let place = self.nodes.len();
        self.nodes.push(node);
        while self.heights.len() <= height {
            self.heights.push(Vec::new());
        }
        if let Some(nodes) = self.heights.get_mut(height) {
            nodes.push(place);
        }
        (place, height)
    }

    /// The hash of each node.
    fn hash(&self) -> Vec<B256> {
        let mut digests = alloc::vec![B256::ZERO; self.nodes.len()];
        let mut references = alloc::vec![RlpNode::default(); self.nodes.len()];
        let room = self
            .heights
            .first()
            .map_or(0, |leaves| leaves.len() * LEAF_ROOM);
        let (mut bytes, mut value) = (Vec::with_capacity(room), Vec::with_capacity(LEAF_ROOM));
        for places in &self.heights {
            bytes.clear();
            let encoded: Vec<Range<usize>> = places
                .iter()
                .map(|place| {
                    let start = bytes.len();
                    self.encode(*place, &references, &mut value, &mut bytes);
                    start..bytes.len()
                })
                .collect();
            let text = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
            let messages: Vec<&[u8]> = encoded.iter().map(text).collect();
            let made = keccak_many(&messages);
            for ((place, message), hash) in places.iter().zip(messages).zip(made) {
                // What is shorter than a hash stands in its parent itself.
                let short = (message.len() < 32).then(|| RlpNode::from_raw(message));
                let reference = short.flatten().unwrap_or_else(|| RlpNode::word_rlp(&hash));
                if let (Some(digest), Some(link)) =
                    (digests.get_mut(*place), references.get_mut(*place))
                {
                    (*digest, *link) = (hash, reference);
                }
            }
        }
        digests
    }

    /// Writes the RLP of a node whose children have their references.
    fn encode(&self, place: usize, references: &[RlpNode], value: &mut Vec<u8>, out: &mut Vec<u8>) {
        let reference = |place: &usize| references.get(*place).cloned().unwrap_or_default();
        match self.nodes.get(place) {
            Some(Node::Leaf { path, item }) => {
                value.clear();
                item.encode(value);
                LeafNodeRef::new(path, value).encode(out);
            }
            Some(Node::Extension { path, child }) => {
                ExtensionNodeRef::new(path, reference(child).as_slice()).encode(out);
            }
            Some(Node::Branch { children, mask }) => {
                let children = self.children.get(children.clone()).unwrap_or_default();
                let stack: Vec<RlpNode> = children.iter().map(reference).collect();
                BranchNodeRef::new(&stack, *mask).encode(out);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_item::{AccountValue, root_over};
    use alloc::vec;
    use alloy_primitives::{Address, KECCAK256_EMPTY, U256};

    /// So many items: some shorter than a hash, some longer.
    fn items(count: u32) -> Vec<StateItem> {
        let address = |number: u32| {
            let mut bytes = [0; 20];
            let (front, _) = bytes.split_at_mut(4);
            front.copy_from_slice(&number.to_be_bytes());
            Address::new(bytes)
        };
        let item = |number| {
            let value = (number % 3 != 0).then_some(AccountValue {
                nonce: u64::from(number),
                balance: U256::from(number) << (number % 200),
                code_hash: KECCAK256_EMPTY,
            });
            match number % 2 {
                0 => StateItem::Account(address(number), value),
                _ => StateItem::Account(address(number), None),
            }
        };
        (0..count).map(item).collect()
    }

    #[test]
    fn roots_are_those_of_the_library_at_every_size() {
        let mut sizes: Vec<u32> = (0..=300).collect();
        sizes.extend([4095, 4096, 4097, 65535, 65536, 65537, 65900]);
        let lists: Vec<Vec<StateItem>> = sizes.into_iter().map(items).collect();
        let slices: Vec<&[StateItem]> = lists.iter().map(Vec::as_slice).collect();
        let roots = roots_over(&slices);
        for (list, root) in lists.iter().zip(&roots) {
            assert_eq!(*root, root_over(list), "{} items", list.len());
        }
        assert_eq!(roots_over(&[]), vec![] as Vec<B256>);
    }

    #[test]
    fn a_single_short_item_is_hashed_as_a_root() {
        let item = [StateItem::Account(Address::ZERO, None)];
        assert_eq!(roots_over(&[&item]), [root_over(&item)]);
    }
}
