//! The ordered index of the state log: every key that there ever was, with its newest entry.
//!
//! A B-tree of 16 bytes a key: the first eight bytes of the key and the entry's id. Where these do
//! not tell two keys apart, the entries are read. Nodes are shared by all copies of the tree and
//! copied when they change, so that a copy costs one pointer and never changes. Each is one piece of
//! memory, and all have one size, so that one that was copied leaves room for the next.

use crate::error::Error;
use alloy_primitives::B256;
use arrayvec::ArrayVec;
use qmtree_proofs::state::EntryId;
use qmtree_storage::KeyItem;
use std::cmp::Ordering;
use std::sync::Arc;

/// Most items of a leaf.
const LEAF_ITEMS: usize = 96;
/// Most children of an inner node. Copying one counts references in all of them, so it is small.
const CHILDREN: usize = 24;

/// Set in the id of a key whose newest entry is a tombstone.
const DEAD: u64 = 1 << 63;

/// A key's place in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    prefix: u64,
    id_and_dead: u64,
}

impl Item {
    pub(crate) fn new(key: &B256, id: EntryId, dead: bool) -> Self {
        debug_assert!(id.0 < DEAD);
        Self {
            prefix: prefix_of(key),
            id_and_dead: if dead { id.0 | DEAD } else { id.0 },
        }
    }

    pub(super) fn prefix(self) -> u64 {
        self.prefix
    }

    /// The same in a file of keys.
    pub(super) fn to_stored(self) -> KeyItem {
        KeyItem {
            prefix: self.prefix,
            entry: self.id_and_dead,
        }
    }

    pub(super) fn from_stored(item: KeyItem) -> Self {
        Self {
            prefix: item.prefix,
            id_and_dead: item.entry,
        }
    }

    /// The same key with another newest entry.
    pub(super) fn with_entry(self, id: EntryId, dead: bool) -> Self {
        Self {
            prefix: self.prefix,
            id_and_dead: if dead { id.0 | DEAD } else { id.0 },
        }
    }

    /// The newest entry of the key.
    pub(crate) fn id(self) -> EntryId {
        EntryId(self.id_and_dead & !DEAD)
    }

    /// True if that is a tombstone.
    pub(crate) fn is_dead(self) -> bool {
        self.id_and_dead & DEAD != 0
    }
}

fn prefix_of(key: &B256) -> u64 {
    key.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// Looks up the key of an entry.
pub(crate) trait Keys {
    /// The key of entry `id`, which is in the index and so in the log.
    fn key_of(&self, id: EntryId) -> Result<B256, Error>;
}

/// Keys of which one is known without reading its entry.
struct Known<'a, K> {
    keys: &'a K,
    known: EntryId,
    key: &'a B256,
}

impl<K: Keys> Keys for Known<'_, K> {
    fn key_of(&self, id: EntryId) -> Result<B256, Error> {
        if id == self.known {
            return Ok(*self.key);
        }
        self.keys.key_of(id)
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "few nodes are inner ones, and what has one size is used again when it is freed"
)]
#[derive(Clone, Debug)]
enum Node {
    Leaf(Items),
    Inner(Children),
}

/// Inside the node, so that a copy of one is one piece of memory. There is room for one more than a
/// node keeps, because it is cut in two after that came in.
type Items = ArrayVec<Item, { LEAF_ITEMS + 1 }>;
type Children = ArrayVec<Child, { CHILDREN + 1 }>;

#[derive(Clone, Debug)]
struct Child {
    /// The smallest item below.
    first: Item,
    node: Arc<Node>,
}

/// What a change of a node means for the node above.
enum Changed {
    /// Its smallest item may be another one now.
    InPlace,
    /// It became two; this is the right one.
    Split(Child),
    /// Nothing is left of it.
    Empty,
}

/// The index. A clone is cheap and never changes.
#[derive(Clone, Debug)]
pub(crate) struct KeyIndex {
    root: Arc<Node>,
    len: usize,
}

impl Default for KeyIndex {
    fn default() -> Self {
        Self {
            root: Arc::new(Node::Leaf(Items::new())),
            len: 0,
        }
    }
}

impl KeyIndex {
    /// Bytes of memory of all nodes. Costs a visit of each.
    pub(crate) fn bytes(&self) -> u64 {
        // The two counters of `Arc` lie before the node.
        let node = size_of::<Node>() + 2 * size_of::<usize>();
        (node * self.root.count()) as u64
    }

    /// A builder of an index from its items in order.
    pub(super) fn builder() -> Builder {
        Builder::default()
    }

    /// Keys in the index, live and dead.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// [`set`](Self::set), given the entry that the new one supersedes: where that is the newest of a
    /// key with the same first bytes, it is of the same key, and is not read.
    pub(crate) fn set_known(
        &mut self,
        keys: &impl Keys,
        key: &B256,
        item: Item,
        supersedes: Option<EntryId>,
    ) -> Result<Option<Item>, Error> {
        match supersedes {
            Some(known) => self.set(&Known { keys, known, key }, key, item),
            None => self.set(keys, key, item),
        }
    }

    /// Sets the newest entry of `key`. Returns the one that was there.
    pub(crate) fn set(
        &mut self,
        keys: &impl Keys,
        key: &B256,
        item: Item,
    ) -> Result<Option<Item>, Error> {
        let (old, changed) = set(Arc::make_mut(&mut self.root), keys, key, item)?;
        if let Changed::Split(right) = changed {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Inner(Children::new())));
            let first = left.first().unwrap_or(item);
            let children = [Child { first, node: left }, right];
            self.root = Arc::new(Node::Inner(children.into_iter().collect()));
        }
        self.len += usize::from(old.is_none());
        Ok(old)
    }

    /// Takes `key` out. Returns what was there.
    pub(crate) fn remove(&mut self, keys: &impl Keys, key: &B256) -> Result<Option<Item>, Error> {
        let (old, changed) = remove(Arc::make_mut(&mut self.root), keys, key)?;
        if matches!(changed, Changed::Empty) {
            self.root = Arc::new(Node::Leaf(Items::new()));
        }
        self.len -= usize::from(old.is_some());
        Ok(old)
    }

    /// Puts an older item of the same key in the place of `newest`, or nothing. False if that is not
    /// there.
    ///
    /// Reads no entries, so it cannot fail, and changes nothing but this item. Costs a look at each key
    /// with the same first bytes.
    pub(super) fn exchange(&mut self, newest: Item, older: Option<Item>) -> bool {
        let is_there = holds(&self.root, newest);
        if is_there {
            let emptied = exchange(Arc::make_mut(&mut self.root), newest, older);
            if emptied {
                self.root = Arc::new(Node::Leaf(Items::new()));
            }
            self.len -= usize::from(older.is_none());
        }
        is_there
    }

    /// The items from the largest with a key up to `key` downwards.
    pub(crate) fn down_from<'a>(&'a self, keys: &impl Keys, key: &B256) -> Result<Walk<'a>, Error> {
        self.walk(keys, key, false)
    }

    /// The items from the smallest with a key not below `key` upwards.
    pub(crate) fn up_from<'a>(&'a self, keys: &impl Keys, key: &B256) -> Result<Walk<'a>, Error> {
        self.walk(keys, key, true)
    }

    /// All items, upwards.
    pub(super) fn all(&self) -> Walk<'_> {
        let mut walk = Walk {
            inner: Vec::new(),
            leaf: &[],
            at: 0,
            up: true,
        };
        walk.enter(&self.root);
        walk
    }

    fn walk<'a>(&'a self, keys: &impl Keys, key: &B256, up: bool) -> Result<Walk<'a>, Error> {
        let mut walk = Walk {
            inner: Vec::new(),
            leaf: &[],
            at: 0,
            up,
        };
        let mut node = &*self.root;
        loop {
            match node {
                Node::Inner(children) => {
                    let behind = partition(children, keys, key, |child| child.first)?;
                    let at = behind.saturating_sub(1);
                    walk.inner.push((children, at));
                    let Some(child) = children.get(at) else {
                        return Ok(walk);
                    };
                    node = &child.node;
                }
                Node::Leaf(items) => {
                    let behind = partition(items, keys, key, |item| *item)?;
                    walk.leaf = items;
                    walk.at = behind;
                    if up && let Some(last) = behind.checked_sub(1) {
                        // An equal key counts for both directions.
                        let item = items.get(last).copied();
                        let equal = item.map(|item| compare(keys, item, key)).transpose()?;
                        if equal == Some(Ordering::Equal) {
                            walk.at = last;
                        }
                    }
                    return Ok(walk);
                }
            }
        }
    }
}

/// Makes an index of items that come in order.
#[derive(Debug, Default)]
pub(super) struct Builder {
    leaves: Vec<Child>,
    leaf: Items,
    len: usize,
}

/// Items of a leaf that is built, so that it has room for more.
const BUILT_ITEMS: usize = LEAF_ITEMS - LEAF_ITEMS / 8;

impl Builder {
    pub(super) fn push(&mut self, item: Item) {
        if self.leaf.len() == BUILT_ITEMS {
            self.close_leaf();
        }
        self.leaf.push(item);
        self.len += 1;
    }

    fn close_leaf(&mut self) {
        let leaf = std::mem::take(&mut self.leaf);
        if let Some(first) = leaf.first().copied() {
            let node = Arc::new(Node::Leaf(leaf));
            self.leaves.push(Child { first, node });
        }
    }

    pub(super) fn finish(mut self) -> KeyIndex {
        self.close_leaf();
        let mut level = self.leaves;
        while level.len() > 1 {
            let parent = |children: &[Child]| {
                let first = children.first()?.first;
                let node = Arc::new(Node::Inner(children.iter().cloned().collect()));
                Some(Child { first, node })
            };
            level = level
                .chunks(CHILDREN - CHILDREN / 8)
                .filter_map(parent)
                .collect();
        }
        let len = self.len;
        match level.pop() {
            Some(root) => KeyIndex {
                root: root.node,
                len,
            },
            None => KeyIndex::default(),
        }
    }
}

impl Node {
    /// Nodes from this one down.
    fn count(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Inner(children) => {
                let below = children.iter().map(|child| child.node.count());
                1 + below.sum::<usize>()
            }
        }
    }

    /// True for a leaf of one item.
    fn is_single(&self) -> bool {
        matches!(self, Self::Leaf(items) if items.len() == 1)
    }

    fn first(&self) -> Option<Item> {
        match self {
            Self::Leaf(items) => items.first().copied(),
            Self::Inner(children) => children.first().map(|child| child.first),
        }
    }
}

/// How an item's key lies to `key`.
fn compare(keys: &impl Keys, item: Item, key: &B256) -> Result<Ordering, Error> {
    match item.prefix.cmp(&prefix_of(key)) {
        Ordering::Equal => Ok(keys.key_of(item.id())?.cmp(key)),
        other => Ok(other),
    }
}

/// How many elements have keys up to `key`.
fn partition<T>(
    elements: &[T],
    keys: &impl Keys,
    key: &B256,
    item: impl Fn(&T) -> Item,
) -> Result<usize, Error> {
    let prefix = prefix_of(key);
    let mut behind = elements.partition_point(|element| item(element).prefix < prefix);
    while let Some(element) = elements.get(behind) {
        if compare(keys, item(element), key)? == Ordering::Greater {
            break;
        }
        behind += 1;
    }
    Ok(behind)
}

fn set(
    node: &mut Node,
    keys: &impl Keys,
    key: &B256,
    item: Item,
) -> Result<(Option<Item>, Changed), Error> {
    match node {
        Node::Leaf(items) => {
            let behind = partition(items, keys, key, |item| *item)?;
            if let Some(slot) = behind.checked_sub(1).and_then(|at| items.get_mut(at))
                && compare(keys, *slot, key)? == Ordering::Equal
            {
                return Ok((Some(std::mem::replace(slot, item)), Changed::InPlace));
            }
            items.insert(behind, item);
            Ok((
                None,
                split_if_full(items, LEAF_ITEMS, behind, Node::Leaf, |item| *item),
            ))
        }
        Node::Inner(children) => {
            let at = partition(children, keys, key, |child| child.first)?.saturating_sub(1);
            let Some(child) = children.get_mut(at) else {
                return Ok((None, Changed::InPlace));
            };
            let (old, changed) = set(Arc::make_mut(&mut child.node), keys, key, item)?;
            child.first = child.node.first().unwrap_or(child.first);
            if let Changed::Split(right) = changed {
                children.insert(at + 1, right);
                share_with_neighbour(children, at);
                let split = split_if_full(children, CHILDREN, at + 1, Node::Inner, |c| c.first);
                return Ok((old, split));
            }
            Ok((old, Changed::InPlace))
        }
    }
}

/// Cuts a node in two that has one element too many, the newest of them at `newest`.
///
/// Elements that come in order leave full nodes behind, others half full ones.
fn split_if_full<T, const ROOM: usize>(
    elements: &mut ArrayVec<T, ROOM>,
    max: usize,
    newest: usize,
    node: impl Fn(ArrayVec<T, ROOM>) -> Node,
    first: impl Fn(&T) -> Item,
) -> Changed {
    if elements.len() <= max {
        return Changed::InPlace;
    }
    let at_end = newest + 1 == elements.len();
    let middle = if at_end { max } else { elements.len() / 2 };
    let right: ArrayVec<T, ROOM> = elements.drain(middle..).collect();
    match right.first().map(&first) {
        Some(first) => Changed::Split(Child {
            first,
            node: Arc::new(node(right)),
        }),
        None => Changed::InPlace,
    }
}

/// Evens out the two halves of a leaf that was cut at `at` and a leaf beside them: into two again if
/// these are not full then, else into three. So leaves are two thirds full or more, where they would
/// be half full, all at the same time if keys are hashes.
fn share_with_neighbour(children: &mut Children, at: usize) {
    let from = if at + 2 < children.len() {
        at
    } else {
        at.saturating_sub(1)
    };
    let Some([a, b, c]) = children.get(from..).and_then(<[_]>::first_chunk) else {
        return;
    };
    let (Node::Leaf(a), Node::Leaf(b), Node::Leaf(c)) = (&*a.node, &*b.node, &*c.node) else {
        return;
    };
    // Keys that come in order leave full leaves behind, and need none of this.
    if children
        .get(at + 1)
        .is_some_and(|right| right.node.is_single())
    {
        return;
    }
    let items: ArrayVec<Item, { 3 * (LEAF_ITEMS + 1) }> =
        [a, b, c].into_iter().flatten().copied().collect();
    let leaves = if items.len() <= 2 * BUILT_ITEMS { 2 } else { 3 };
    let leaf = |items: &[Item]| {
        let first = *items.first()?;
        let node = Arc::new(Node::Leaf(items.iter().copied().collect()));
        Some(Child { first, node })
    };
    let made = items.chunks(items.len().div_ceil(leaves)).filter_map(leaf);
    let rest: Children = children.drain(from..).skip(3).collect();
    children.extend(made);
    children.extend(rest);
}

fn remove(node: &mut Node, keys: &impl Keys, key: &B256) -> Result<(Option<Item>, Changed), Error> {
    let state = |empty: bool| {
        if empty {
            Changed::Empty
        } else {
            Changed::InPlace
        }
    };
    match node {
        Node::Leaf(items) => {
            let behind = partition(items, keys, key, |item| *item)?;
            let found = behind
                .checked_sub(1)
                .zip(behind.checked_sub(1).and_then(|at| items.get(at)));
            match found {
                Some((at, item)) if compare(keys, *item, key)? == Ordering::Equal => {
                    let old = items.remove(at);
                    Ok((Some(old), state(items.is_empty())))
                }
                _ => Ok((None, Changed::InPlace)),
            }
        }
        Node::Inner(children) => {
            let at = partition(children, keys, key, |child| child.first)?.saturating_sub(1);
            let Some(child) = children.get_mut(at) else {
                return Ok((None, Changed::InPlace));
            };
            let (old, changed) = remove(Arc::make_mut(&mut child.node), keys, key)?;
            match changed {
                Changed::Empty => drop(children.remove(at)),
                _ => child.first = child.node.first().unwrap_or(child.first),
            }
            Ok((old, state(children.is_empty())))
        }
    }
}

/// The elements that items with the same first bytes as `item` may be in.
fn alike<T>(elements: &[T], item: Item, first: impl Fn(&T) -> Item) -> std::ops::Range<usize> {
    let from = elements.partition_point(|element| first(element).prefix < item.prefix);
    let to = elements.partition_point(|element| first(element).prefix <= item.prefix);
    from.saturating_sub(1)..to
}

/// True if the item is below.
fn holds(node: &Node, item: Item) -> bool {
    match node {
        Node::Leaf(items) => {
            let found = items.get(alike(items, item, |item| *item));
            found.is_some_and(|items| items.contains(&item))
        }
        Node::Inner(children) => {
            let found = children.get(alike(children, item, |child| child.first));
            found.is_some_and(|children| children.iter().any(|child| holds(&child.node, item)))
        }
    }
}

/// Puts `older` in the place of an item that is below, or nothing. True if nothing is left of the node.
fn exchange(node: &mut Node, newest: Item, older: Option<Item>) -> bool {
    match node {
        Node::Leaf(items) => {
            match (items.iter().position(|item| *item == newest), older) {
                (Some(at), None) => drop(items.remove(at)),
                (Some(at), Some(older)) => {
                    items.get_mut(at).into_iter().for_each(|item| *item = older);
                }
                (None, _) => {}
            }
            items.is_empty()
        }
        Node::Inner(children) => {
            let mut range = alike(children, newest, |child| child.first);
            let at = range.find(|at| {
                let child = children.get(*at);
                child.is_some_and(|child| holds(&child.node, newest))
            });
            if let Some((at, child)) = at.and_then(|at| Some((at, children.get_mut(at)?))) {
                if exchange(Arc::make_mut(&mut child.node), newest, older) {
                    children.remove(at);
                } else {
                    child.first = child.node.first().unwrap_or(child.first);
                }
            }
            children.is_empty()
        }
    }
}

/// Items in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    /// Inner nodes on the way down, each with the child that was taken.
    inner: Vec<(&'a [Child], usize)>,
    leaf: &'a [Item],
    /// Upwards the next item's place, downwards the one after it.
    at: usize,
    up: bool,
}

impl Iterator for Walk<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if self.up {
                if let Some(item) = self.leaf.get(self.at) {
                    self.at += 1;
                    return Some(*item);
                }
            } else if let Some(at) = self.at.checked_sub(1) {
                self.at = at;
                return self.leaf.get(at).copied();
            }
            self.turn()?;
        }
    }
}

impl<'a> Walk<'a> {
    /// Goes on to the next leaf.
    fn turn(&mut self) -> Option<()> {
        let node = loop {
            let (children, at) = self.inner.pop()?;
            let next = if self.up {
                at.checked_add(1)
            } else {
                at.checked_sub(1)
            };
            if let Some((next, child)) = next.and_then(|next| Some((next, children.get(next)?))) {
                self.inner.push((children, next));
                break &*child.node;
            }
        };
        self.enter(node)
    }

    /// Goes down to the first leaf below a node, in the direction of the walk.
    fn enter(&mut self, mut node: &'a Node) -> Option<()> {
        loop {
            match node {
                Node::Inner(children) => {
                    let at = if self.up {
                        0
                    } else {
                        children.len().checked_sub(1)?
                    };
                    self.inner.push((children, at));
                    node = &*children.get(at)?.node;
                }
                Node::Leaf(items) => {
                    self.leaf = items;
                    self.at = if self.up { 0 } else { items.len() };
                    return Some(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::collections::BTreeMap;

    /// Entry i has key i of this list.
    struct List(Vec<B256>);

    impl Keys for List {
        fn key_of(&self, id: EntryId) -> Result<B256, Error> {
            Ok(self.0[usize::try_from(id.0).unwrap()])
        }
    }

    /// Keys of which many have the same first bytes.
    fn key(number: u16) -> B256 {
        let [high, low] = number.to_be_bytes();
        let mut key = B256::ZERO;
        key.0[7] = high % 8;
        key.0[20] = low;
        key.0[21] = high;
        key
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64,
            rng_seed: RngSeed::Fixed(2026),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn behaves_like_a_map_and_clones_never_change(
            steps in proptest::collection::vec((0..8u8, 0..3000u16), 1..2000),
            sorted: bool,
        ) {
            let mut steps = steps;
            if sorted {
                steps.sort_by_key(|(_, number)| key(*number));
            }
            let (mut list, mut model, mut index) =
                (List(Vec::new()), BTreeMap::new(), KeyIndex::default());
            let mut clones = Vec::new();
            for (kind, number) in steps {
                let key = key(number);
                if kind == 0 {
                    let removed = index.remove(&list, &key).unwrap();
                    prop_assert_eq!(removed, model.remove(&key));
                } else if kind == 7 {
                    // By the item alone: to an older one of the key, or out.
                    let strange = Item::new(&key, EntryId(1 << 40), false);
                    prop_assert!(!index.exchange(strange, None));
                    if let Some(newest) = model.remove(&key) {
                        let older = (number % 2 == 0).then(|| newest.with_entry(newest.id(), true));
                        prop_assert!(index.exchange(newest, older));
                        model.extend(older.map(|older| (key, older)));
                    }
                } else {
                    list.0.push(key);
                    let item = Item::new(&key, EntryId(list.0.len() as u64 - 1), kind == 1);
                    prop_assert_eq!(item.is_dead(), kind == 1);
                    let replaced = index.set(&list, &key, item).unwrap();
                    prop_assert_eq!(replaced, model.insert(key, item));
                }
                if number % 500 == 0 {
                    clones.push((model.clone(), index.clone()));
                }
            }
            let mut built = KeyIndex::builder();
            model.values().for_each(|item| built.push(*item));
            clones.push((model.clone(), built.finish()));
            clones.push((model, index));
            for (model, index) in clones {
                prop_assert_eq!(index.len(), model.len());
                let all: Vec<_> = index.up_from(&list, &B256::ZERO).unwrap().collect();
                prop_assert_eq!(all, model.values().copied().collect::<Vec<_>>());
                for number in (0..3000).step_by(97) {
                    let key = key(number);
                    let down: Vec<_> = index.down_from(&list, &key).unwrap().take(150).collect();
                    let expected = model.range(..=key).rev().map(|(_, item)| *item);
                    prop_assert_eq!(down, expected.take(150).collect::<Vec<_>>());
                    let up: Vec<_> = index.up_from(&list, &key).unwrap().take(150).collect();
                    let expected = model.range(key..).map(|(_, item)| *item);
                    prop_assert_eq!(up, expected.take(150).collect::<Vec<_>>());
                }
            }
        }
    }

    /// At any size, also where most leaves were cut in two of late.
    #[test]
    fn keys_in_no_order_take_16_to_30_bytes_of_memory_each() {
        let (mut index, list) = (KeyIndex::default(), List(Vec::new()));
        let mut most: f64 = 0.0;
        for number in 0..200_000u64 {
            let key = alloy_primitives::keccak256(number.to_be_bytes());
            index
                .set(&list, &key, Item::new(&key, EntryId(number), false))
                .unwrap();
            if number > 20_000 && number % 5000 == 0 {
                let per_key = index.bytes() as f64 / index.len() as f64;
                assert!(
                    (16.0..30.0).contains(&per_key),
                    "{per_key} at {number} keys"
                );
                most = most.max(per_key);
            }
        }
        eprintln!("up to {most:.1} bytes a key");
        // The same keys in order, in blocks, as a load brings them.
        let mut index = KeyIndex::default();
        for block in 0..40u64 {
            let numbers = (0..5000).map(|place| block * 5000 + place);
            let keys = numbers.map(|n| (alloy_primitives::keccak256(n.to_be_bytes()), n));
            let mut keys: Vec<_> = keys.collect();
            keys.sort_unstable();
            for (key, number) in keys {
                let item = Item::new(&key, EntryId(number), false);
                index.set(&list, &key, item).unwrap();
            }
            let per_key = index.bytes() as f64 / index.len() as f64;
            eprintln!("after block {block}: {per_key:.1}");
            assert!(
                block < 4 || (16.0..30.0).contains(&per_key),
                "{per_key} after {block}"
            );
        }
    }
}
