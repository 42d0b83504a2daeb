//! One trie: reading, writing, removing, hashing.

use super::error::{TrieError, TrieFault, TrieName};
use super::hash::keccak_many;
use super::node::{Batch, KEY_NIBBLES, Link, Loaded, Node, Reference};
use super::node_set::NodeSet;
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

/// A trie of 32-byte keys whose nodes are loaded as they are needed.
///
/// After an error the trie holds what it held before.
#[derive(Clone, Debug)]
pub struct Trie {
    name: TrieName,
    pub(super) root: Link,
}

impl Trie {
    /// The trie with this root. Nothing is read yet.
    #[must_use]
    pub fn new(name: TrieName, root: B256) -> Self {
        let root = match root {
            EMPTY_ROOT_HASH => Link::Empty,
            root => Link::Unloaded(alloy_trie::nodes::RlpNode::word_rlp(&root)),
        };
        Self { name, root }
    }

    /// The value of `key`, or nothing if the trie proves that there is none.
    ///
    /// # Errors
    /// [`TrieError`] if a node on the way is missing or is none.
    pub fn get(&mut self, nodes: &mut NodeSet, key: &B256) -> Result<Option<&[u8]>, TrieError> {
        let key = Nibbles::unpack_array(&key.0);
        let mut depth = 0;
        let mut link = &mut self.root;
        loop {
            let walk = Walk::new(self.name, key, depth);
            let Some(loaded) = link.load(nodes, self.name, &walk.path())? else {
                return Ok(None);
            };
            match &mut loaded.node {
                Node::Leaf { path, value } => {
                    return Ok((*path == walk.rest()).then_some(value.as_slice()));
                }
                Node::Extension { path, child } => {
                    if !walk.rest().starts_with(path) {
                        return Ok(None);
                    }
                    depth += path.len();
                    load_branch(child, nodes, walk.below(path.len()))?;
                    link = child;
                }
                Node::Branch(children) => {
                    let Some(child) = children.get_mut(walk.nibble()) else {
                        return Ok(None);
                    };
                    depth += 1;
                    link = child;
                }
            }
        }
    }

    /// Sets `key` to `value`; an empty value removes it, as everywhere in Ethereum. Whether this
    /// changed anything.
    ///
    /// # Errors
    /// [`TrieError`] as for [`get`](Self::get) and [`remove`](Self::remove).
    pub fn insert(
        &mut self,
        nodes: &mut NodeSet,
        key: &B256,
        value: Vec<u8>,
    ) -> Result<bool, TrieError> {
        if value.is_empty() {
            return self.remove(nodes, key);
        }
        let key = Nibbles::unpack_array(&key.0);
        insert(&mut self.root, nodes, Walk::new(self.name, key, 0), value)
    }

    /// Removes `key`. Whether it was there.
    ///
    /// A branch that is left with one child gives way to it, so that child is needed too, although
    /// no key on the way to it is named. Where many keys change, insert before removing: then only
    /// those children are needed that stand alone in the end.
    ///
    /// # Errors
    /// [`TrieError`] if a node on the way, or that child, is missing or is no node.
    pub fn remove(&mut self, nodes: &mut NodeSet, key: &B256) -> Result<bool, TrieError> {
        let key = Nibbles::unpack_array(&key.0);
        remove(&mut self.root, nodes, Walk::new(self.name, key, 0))
    }

    /// The root; hashes what has changed since it was last asked for.
    #[must_use]
    pub fn root(&mut self) -> B256 {
        settle(&mut [self]);
        self.root
            .root_hash()
            .expect("settle has hashed every changed node")
    }
}

/// Hashes what has changed in all of these tries, level by level, the nodes of a level together.
pub(super) fn settle(tries: &mut [&mut Trie]) {
    let mut digests = Vec::new();
    loop {
        let mut batch = Batch::default();
        for trie in &mut *tries {
            trie.root.settle(&digests, &mut batch);
        }
        let messages = batch.messages();
        if messages.is_empty() {
            return;
        }
        digests = keccak_many(&messages);
    }
}

/// How far a walk along a key has come.
#[derive(Clone, Copy, Debug)]
struct Walk {
    trie: TrieName,
    key: Nibbles,
    depth: usize,
}

impl Walk {
    const fn new(trie: TrieName, key: Nibbles, depth: usize) -> Self {
        Self { trie, key, depth }
    }

    /// Nibbles behind.
    fn path(&self) -> Nibbles {
        self.key.slice(..self.depth.min(KEY_NIBBLES))
    }

    /// Nibbles ahead.
    fn rest(&self) -> Nibbles {
        self.key.slice(self.depth.min(KEY_NIBBLES)..)
    }

    /// The next nibble.
    fn nibble(&self) -> usize {
        self.key.get(self.depth).map_or(usize::MAX, usize::from)
    }

    const fn below(mut self, nibbles: usize) -> Self {
        self.depth += nibbles;
        self
    }

    fn shape(&self, what: &'static str) -> TrieError {
        TrieError {
            trie: self.trie,
            path: self.path(),
            fault: TrieFault::Shape(what),
        }
    }
}

/// Loads the child of an extension, which is a branch: two extensions in a row would be one, and an
/// extension of a leaf a longer leaf.
fn load_branch(child: &mut Link, nodes: &mut NodeSet, walk: Walk) -> Result<(), TrieError> {
    match child.load(nodes, walk.trie, &walk.path())? {
        Some(Loaded {
            node: Node::Branch(_),
            ..
        }) => Ok(()),
        _ => Err(walk.shape("an extension to something that is no branch")),
    }
}

/// At most 64 calls deep: each level of the trie takes at least one nibble.
fn insert(
    link: &mut Link,
    nodes: &mut NodeSet,
    walk: Walk,
    value: Vec<u8>,
) -> Result<bool, TrieError> {
    let rest = walk.rest();
    let Some(loaded) = link.load(nodes, walk.trie, &walk.path())? else {
        *link = Link::dirty(Node::Leaf { path: rest, value });
        return Ok(true);
    };
    let changed = match &mut loaded.node {
        Node::Leaf { path, value: old } if *path == rest => {
            let changed = *old != value;
            *old = value;
            changed
        }
        Node::Extension { path, child } if rest.starts_with(path) => {
            let walk = walk.below(path.len());
            load_branch(child, nodes, walk)?;
            insert(child, nodes, walk, value)?
        }
        Node::Branch(children) => match children.get_mut(walk.nibble()) {
            Some(child) => insert(child, nodes, walk.below(1), value)?,
            None => false,
        },
        Node::Leaf { .. } | Node::Extension { .. } => {
            fork(link, rest, value);
            return Ok(true);
        }
    };
    if changed {
        loaded.reference = Reference::Dirty;
    }
    Ok(changed)
}

/// Puts a branch where the path of a leaf or an extension leaves `rest`.
fn fork(link: &mut Link, rest: Nibbles, value: Vec<u8>) {
    let Link::Loaded(old) = core::mem::take(link) else {
        return;
    };
    let mut children = Box::new([const { Link::Empty }; 16]);
    let mut put = |nibble: Option<u8>, child: Link| {
        if let Some(slot) = nibble.and_then(|nibble| children.get_mut(usize::from(nibble))) {
            *slot = child;
        }
    };
    let common = match old.node {
        Node::Leaf { path, value } => {
            let common = path.common_prefix_length(&rest);
            let tail = path.slice(common + 1..);
            put(
                path.get(common),
                Link::dirty(Node::Leaf { path: tail, value }),
            );
            common
        }
        Node::Extension { path, child } => {
            let common = path.common_prefix_length(&rest);
            put(path.get(common), extend(path.slice(common + 1..), child));
            common
        }
        Node::Branch(_) => return,
    };
    let path = rest.slice(common + 1..);
    put(rest.get(common), Link::dirty(Node::Leaf { path, value }));
    *link = extend(rest.slice(..common), Link::dirty(Node::Branch(children)));
}

/// A way of `path` to `child`.
fn extend(path: Nibbles, child: Link) -> Link {
    if path.is_empty() {
        return child;
    }
    Link::dirty(Node::Extension { path, child })
}

/// At most 64 calls deep, as `insert`.
fn remove(link: &mut Link, nodes: &mut NodeSet, walk: Walk) -> Result<bool, TrieError> {
    let rest = walk.rest();
    let Some(loaded) = link.load(nodes, walk.trie, &walk.path())? else {
        return Ok(false);
    };
    let removed = match &mut loaded.node {
        Node::Leaf { path, .. } => {
            let found = *path == rest;
            if found {
                *link = Link::Empty;
            }
            return Ok(found);
        }
        Node::Extension { path, .. } if !rest.starts_with(path) => false,
        Node::Extension { path, child } => {
            let walk = walk.below(path.len());
            load_branch(child, nodes, walk)?;
            remove(child, nodes, walk)?
        }
        Node::Branch(children) => {
            if let Some(other) = collapse(children, nodes, walk)? {
                *link = other;
                return Ok(true);
            }
            match children.get_mut(walk.nibble()) {
                Some(child) => remove(child, nodes, walk.below(1))?,
                None => false,
            }
        }
    };
    if removed {
        loaded.reference = Reference::Dirty;
        merge(link);
    }
    Ok(removed)
}

/// What takes the place of a branch of two when the leaf of the key goes; nothing if the branch
/// stays. Fetches all that is needed before it changes anything.
fn collapse(
    children: &mut [Link; 16],
    nodes: &mut NodeSet,
    walk: Walk,
) -> Result<Option<Link>, TrieError> {
    let mut others = (0u8..)
        .zip(children.iter())
        .filter(|(nibble, child)| usize::from(*nibble) != walk.nibble() && !child.is_empty());
    let (Some((nibble, _)), None) = (others.next(), others.next()) else {
        return Ok(None);
    };
    let below = walk.below(1);
    let Some(child) = children.get_mut(walk.nibble()) else {
        return Ok(None);
    };
    match child.load(nodes, walk.trie, &below.path())? {
        Some(Loaded {
            node: Node::Leaf { path, .. },
            ..
        }) if *path == below.rest() => {}
        _ => return Ok(None),
    }
    let Some(other) = children.get_mut(usize::from(nibble)) else {
        return Ok(None);
    };
    let mut path = walk.path();
    path.push(nibble);
    other.load(nodes, walk.trie, &path)?;
    let mut link = extend(Nibbles::from_nibbles([nibble]), core::mem::take(other));
    merge(&mut link);
    Ok(Some(link))
}

/// Joins an extension with a leaf or an extension below it.
fn merge(link: &mut Link) {
    let Link::Loaded(loaded) = link else { return };
    let Node::Extension { path, child } = &mut loaded.node else {
        return;
    };
    let Link::Loaded(below) = child else { return };
    let node = match &mut below.node {
        Node::Branch(_) => return,
        Node::Leaf { path: tail, value } => Node::Leaf {
            path: path.join(tail),
            value: core::mem::take(value),
        },
        Node::Extension { path: tail, child } => Node::Extension {
            path: path.join(tail),
            child: core::mem::take(child),
        },
    };
    *link = Link::dirty(node);
}
