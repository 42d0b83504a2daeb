//! A complete twig in memory: what goes into a segment.

use super::heap::{TwigHeap, hash_inner_nodes, heap_index, zero_twig_heap};
use super::layout::{GROUP_LEAVES, LEAVES};
use super::parts::digest;
use crate::tag::{NO_TAG, Tag};
use qmtree_proofs::{Digest, PAYLOAD_LEN, TWIG_LEVEL, TreeHasher, TwigId};
use std::fmt;

/// 2048 leaves, their hashes and all nodes above them: 320 KiB.
pub struct Twig {
    twig_id: TwigId,
    previous_leaf_hash: Digest,
    payloads: Box<[[u8; PAYLOAD_LEN]; LEAVES]>,
    heap: Box<TwigHeap>,
    tags: Option<Box<[Tag]>>,
}

impl Twig {
    /// A twig from its leaves' payloads and their hashes, which are trusted.
    ///
    /// Costs 2047 node hashes, in batches of a level.
    ///
    /// # Panics
    /// If there are not 2048 payloads and 2048 leaf hashes.
    #[must_use]
    pub fn build(
        hasher: &impl TreeHasher,
        twig_id: TwigId,
        previous_leaf_hash: Digest,
        payloads: Vec<[u8; PAYLOAD_LEN]>,
        leaf_hashes: &[Digest],
    ) -> Self {
        let set = |leaves: &mut [Digest]| leaves.copy_from_slice(leaf_hashes);
        Self::with_leaves(
            hasher,
            twig_id,
            previous_leaf_hash,
            payloads,
            |_, leaves| set(leaves),
        )
    }

    /// A twig from its leaves' payloads and the hash of the leaf before them.
    ///
    /// Costs 2048 leaf hashes, which are serial, and then what [`build`](Self::build) costs.
    ///
    /// # Panics
    /// If there are not 2048 payloads.
    #[must_use]
    pub fn rebuild(
        hasher: &impl TreeHasher,
        twig_id: TwigId,
        previous_leaf_hash: Digest,
        payloads: Vec<[u8; PAYLOAD_LEN]>,
    ) -> Self {
        Self::with_leaves(
            hasher,
            twig_id,
            previous_leaf_hash,
            payloads,
            |payloads, leaves| {
                hasher.chain_leaves(previous_leaf_hash, payloads, leaves);
            },
        )
    }

    fn with_leaves(
        hasher: &impl TreeHasher,
        twig_id: TwigId,
        previous_leaf_hash: Digest,
        payloads: Vec<[u8; PAYLOAD_LEN]>,
        set_leaves: impl FnOnce(&[[u8; PAYLOAD_LEN]], &mut [Digest]),
    ) -> Self {
        let payloads = payloads
            .into_boxed_slice()
            .try_into()
            .expect("a twig has 2048 leaves");
        let mut twig = Self {
            twig_id,
            previous_leaf_hash,
            payloads,
            heap: zero_twig_heap(),
            tags: None,
        };
        set_leaves(&*twig.payloads, twig.heap.split_at_mut(LEAVES).1);
        hash_inner_nodes(hasher, &mut *twig.heap);
        twig
    }

    /// The twig with the tag of each leaf's transaction.
    ///
    /// # Panics
    /// If there are not 2048.
    #[must_use]
    pub fn with_tags(self, tags: Vec<Tag>) -> Self {
        assert_eq!(tags.len(), LEAVES, "a twig has 2048 leaves");
        let tags = tags.iter().any(|tag| *tag != NO_TAG).then(|| tags.into());
        Self { tags, ..self }
    }

    /// The tag of each leaf's transaction; `None` if no leaf has one.
    #[must_use]
    pub fn tags(&self) -> Option<&[Tag]> {
        self.tags.as_deref()
    }

    /// Number of the twig.
    #[must_use]
    pub fn twig_id(&self) -> TwigId {
        self.twig_id
    }

    /// The digest of node `index` of `level`, counted inside the twig: levels 0 to 11, 2048 leaf
    /// hashes to one root. `None` if the twig has no such node.
    #[must_use]
    pub fn node(&self, level: u32, index: u64) -> Option<Digest> {
        self.heap
            .get(heap_index(TWIG_LEVEL, level, index)?)
            .copied()
    }

    /// The hash of leaf `index` of the twig, 0 to 2047.
    #[must_use]
    pub fn leaf_hash(&self, index: u64) -> Option<Digest> {
        self.node(0, index)
    }

    /// Words 0 to 2 of leaf `index` of the twig, 0 to 2047.
    #[must_use]
    pub fn payload(&self, index: u64) -> Option<&[u8; PAYLOAD_LEN]> {
        self.payloads.get(usize::try_from(index).ok()?)
    }

    /// Words 0 to 2 of each leaf.
    #[must_use]
    pub fn payloads(&self) -> &[[u8; PAYLOAD_LEN]] {
        &*self.payloads
    }

    /// The hash of each leaf.
    #[must_use]
    pub fn leaf_hashes(&self) -> &[Digest] {
        self.heap.split_at(LEAVES).1
    }

    /// Hash of the leaf before the twig; zero for twig 0.
    #[must_use]
    pub fn previous_leaf_hash(&self) -> Digest {
        self.previous_leaf_hash
    }

    /// Hash of the twig's last leaf.
    #[must_use]
    pub fn last_leaf_hash(&self) -> Digest {
        digest(&*self.heap, 2 * LEAVES - 1)
    }

    /// The twig's root, of level 11.
    #[must_use]
    pub fn root(&self) -> Digest {
        digest(&*self.heap, 1)
    }

    /// Hash of the leaf before group `group` of 16 leaves, 0 to 127.
    #[must_use]
    pub fn anchor(&self, group: u64) -> Option<Digest> {
        self.anchors().nth(usize::try_from(group).ok()?)
    }

    /// The hash of the leaf before each group.
    pub(super) fn anchors(&self) -> impl Iterator<Item = Digest> {
        // The last leaf of every group but the last.
        let last = self
            .leaf_hashes()
            .iter()
            .skip(GROUP_LEAVES - 1)
            .step_by(GROUP_LEAVES);
        let groups = LEAVES / GROUP_LEAVES;
        std::iter::once(self.previous_leaf_hash)
            .chain(last.copied())
            .take(groups)
    }
}

impl fmt::Debug for Twig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twig({})", self.twig_id)
    }
}
