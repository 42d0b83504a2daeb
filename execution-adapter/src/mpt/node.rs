//! A node in memory, and how it comes from bytes and goes back to them.

use super::error::{TrieError, TrieFault, TrieName};
use super::node_set::NodeSet;
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::keccak256;
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode};
use alloy_trie::{Nibbles, TrieMask};

/// Nibbles of a key.
pub(super) const KEY_NIBBLES: usize = 64;

/// What a node holds where a child may be.
#[derive(Clone, Debug, Default)]
pub(super) enum Link {
    /// No child.
    #[default]
    Empty,
    /// A child that no walk has come to: its hash, or all of it if it is shorter than a hash.
    Unloaded(RlpNode),
    /// A child in memory.
    Loaded(Box<Loaded>),
}

/// A node in memory.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) node: Node,
    pub(super) reference: Reference,
}

/// What the parent of a node writes for it.
#[derive(Clone, Debug)]
pub(super) enum Reference {
    /// This.
    Known(RlpNode),
    /// To be computed: the node has changed.
    Dirty,
    /// The digest with this number in the batch that is being hashed.
    Queued(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf { path: Nibbles, value: Vec<u8> },
    Extension { path: Nibbles, child: Link },
    Branch(Box<[Link; 16]>),
}

impl Link {
    /// A link to a node that is new.
    pub(super) fn dirty(node: Node) -> Self {
        let reference = Reference::Dirty;
        Self::Loaded(Box::new(Loaded { node, reference }))
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The child, fetched from `nodes` if it is not in memory; nothing if there is none.
    ///
    /// `path` leads from the root of `trie` to the child.
    pub(super) fn load(
        &mut self,
        nodes: &mut NodeSet,
        trie: TrieName,
        path: &Nibbles,
    ) -> Result<Option<&mut Loaded>, TrieError> {
        if let Self::Unloaded(reference) = self {
            let node = fetch(reference, nodes, path.len()).map_err(|fault| TrieError {
                trie,
                path: *path,
                fault,
            })?;
            let reference = Reference::Known(core::mem::take(reference));
            *self = Self::Loaded(Box::new(Loaded { node, reference }));
        }
        Ok(match self {
            Self::Loaded(loaded) => Some(loaded),
            _ => None,
        })
    }
}

/// The node that `reference` stands for, `depth` nibbles below the root.
fn fetch(reference: &RlpNode, nodes: &mut NodeSet, depth: usize) -> Result<Node, TrieFault> {
    let Some(hash) = reference.as_hash() else {
        return decode(reference, depth);
    };
    let rlp = nodes.take_note(&hash);
    decode(rlp.ok_or(TrieFault::Missing { hash })?, depth)
}

/// A node from its bytes. Every node takes at least one of the 64 nibbles, or is a leaf that takes
/// all that are left: this is what bounds every walk.
fn decode(mut rlp: &[u8], depth: usize) -> Result<Node, TrieFault> {
    let node = TrieNode::decode(&mut rlp).map_err(TrieFault::Rlp)?;
    if !rlp.is_empty() {
        return Err(TrieFault::Rlp(alloy_rlp::Error::UnexpectedLength));
    }
    let left = KEY_NIBBLES.saturating_sub(depth);
    match node {
        TrieNode::EmptyRoot => Err(TrieFault::Shape("an empty node where one is referred to")),
        TrieNode::Leaf(leaf) if leaf.key.len() != left => {
            Err(TrieFault::Shape("a leaf whose key does not have 32 bytes"))
        }
        TrieNode::Leaf(leaf) if leaf.value.is_empty() => {
            Err(TrieFault::Shape("a leaf without a value"))
        }
        TrieNode::Leaf(leaf) => Ok(Node::Leaf {
            path: leaf.key,
            value: leaf.value,
        }),
        TrieNode::Extension(extension) => {
            if extension.key.is_empty() || extension.key.len() >= left {
                return Err(TrieFault::Shape(
                    "an extension by no nibble, or by too many",
                ));
            }
            Ok(Node::Extension {
                path: extension.key,
                child: child_link(extension.child)?,
            })
        }
        TrieNode::Branch(branch) => {
            if left == 0 || branch.stack.len() < 2 {
                return Err(TrieFault::Shape(
                    "a branch below a whole key, or that does not branch",
                ));
            }
            let mut children = Box::new([const { Link::Empty }; 16]);
            let taken = branch.state_mask.iter().map(usize::from);
            for (index, child) in taken.zip(branch.stack) {
                if let Some(link) = children.get_mut(index) {
                    *link = child_link(child)?;
                }
            }
            Ok(Node::Branch(children))
        }
    }
}

/// A reference is a hash, or a list that is shorter than one.
fn child_link(reference: RlpNode) -> Result<Link, TrieFault> {
    const HASH: u8 = alloy_rlp::EMPTY_STRING_CODE + 32;
    match reference.first() {
        Some(&HASH) if reference.is_hash() => Ok(Link::Unloaded(reference)),
        Some(alloy_rlp::EMPTY_LIST_CODE..) if reference.len() < 32 => Ok(Link::Unloaded(reference)),
        _ => Err(TrieFault::Shape(
            "a child that is neither a hash nor a short node",
        )),
    }
}

/// Nodes to be hashed together, one after the other in one buffer.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    pub(super) fn messages(&self) -> Vec<&[u8]> {
        let starts = core::iter::once(&0).chain(&self.ends);
        let ranges = starts.zip(&self.ends).map(|(start, end)| *start..*end);
        ranges.filter_map(|range| self.bytes.get(range)).collect()
    }

    /// Encodes `node`: a short one is its own reference, others get a place in the batch.
    pub(super) fn push(&mut self, node: &Node) -> Reference {
        let start = self.bytes.len();
        encode(node, &mut self.bytes);
        let encoded = self.bytes.get(start..).unwrap_or_default();
        if encoded.len() < 32
            && let Some(reference) = RlpNode::from_raw(encoded)
        {
            self.bytes.truncate(start);
            return Reference::Known(reference);
        }
        self.ends.push(self.bytes.len());
        Reference::Queued(self.ends.len() - 1)
    }
}

impl Link {
    /// One round of hashing: takes over `digests`, the hashes of the round before, and puts every
    /// changed node whose children are all hashed into `batch`. Whether this link is hashed.
    pub(super) fn settle(&mut self, digests: &[alloy_primitives::B256], batch: &mut Batch) -> bool {
        let Self::Loaded(loaded) = self else {
            return true;
        };
        match loaded.reference {
            Reference::Known(_) => {}
            Reference::Queued(number) => {
                if let Some(digest) = digests.get(number) {
                    loaded.reference = Reference::Known(RlpNode::word_rlp(digest));
                }
            }
            Reference::Dirty => {
                let ready = match &mut loaded.node {
                    Node::Leaf { .. } => true,
                    Node::Extension { child, .. } => child.settle(digests, batch),
                    // All of them, also after one that is not ready.
                    Node::Branch(children) => {
                        let waiting = |child: &mut Link| !child.settle(digests, batch);
                        children
                            .iter_mut()
                            .map(waiting)
                            .filter(|wait| *wait)
                            .count()
                            == 0
                    }
                };
                if ready {
                    loaded.reference = batch.push(&loaded.node);
                }
            }
        }
        matches!(loaded.reference, Reference::Known(_))
    }

    /// What the parent writes for this child; of an empty or unhashed one nothing.
    pub(super) fn reference(&self) -> Option<&RlpNode> {
        match self {
            Self::Empty => None,
            Self::Unloaded(reference) => Some(reference),
            Self::Loaded(loaded) => match &loaded.reference {
                Reference::Known(reference) => Some(reference),
                Reference::Dirty | Reference::Queued(_) => None,
            },
        }
    }

    /// The hash of a root: also a short root is hashed.
    pub(super) fn root_hash(&self) -> Option<alloy_primitives::B256> {
        if self.is_empty() {
            return Some(alloy_trie::EMPTY_ROOT_HASH);
        }
        let reference = self.reference()?;
        Some(reference.as_hash().unwrap_or_else(|| keccak256(reference)))
    }
}

/// The bytes of a node whose children are hashed.
fn encode(node: &Node, out: &mut Vec<u8>) {
    match node {
        Node::Leaf { path, value } => LeafNodeRef::new(path, value).encode(out),
        Node::Extension { path, child } => {
            let child = child.reference().map_or(&[][..], |reference| reference);
            ExtensionNodeRef::new(path, child).encode(out);
        }
        Node::Branch(children) => {
            let mut mask = TrieMask::default();
            let mut stack = Vec::with_capacity(16);
            for (nibble, child) in (0u8..).zip(children.iter()) {
                if let Some(reference) = child.reference() {
                    mask.set_bit(nibble);
                    stack.push(reference.clone());
                }
            }
            BranchNodeRef::new(&stack, mask).encode(out);
        }
    }
}
