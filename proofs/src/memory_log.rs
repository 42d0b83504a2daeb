//! An execution log kept whole in memory: for tests, demonstrations and small logs.

use crate::error::ShapeError;
use crate::frontier::Frontier;
use crate::hash::{Digest, PAYLOAD_LEN, Profile, TreeHasher, level_tag, pairs};
use crate::head::{Head, Scheme};
use crate::leaf::{Leaf, LeafPayload};
use crate::level::TxNum;
use crate::prove::{NodeSource, Prover};
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::B256;
use core::fmt;

/// All leaves and all complete nodes of a log, in memory: about 160 bytes per leaf.
///
/// ```
/// use qmtree_proofs::{Head, Keccak256, LeafPayload, MemoryLog, Profile, Scheme, TxNum};
///
/// let mut log = MemoryLog::new(Keccak256);
/// log.append(&[LeafPayload::default(); 5]);
/// let head = log.head(1, Scheme::StateRoot1, 0);
///
/// let proof = log.prover(5)?.inclusion(TxNum(3))?;
/// let leaf = log.leaf(TxNum(3)).expect("there are five");
/// proof.verify(&head, TxNum(3), leaf.hash(&Keccak256))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryLog<H> {
    hasher: H,
    payloads: Vec<[u8; PAYLOAD_LEN]>,
    /// Complete nodes by level; level 0 holds the leaf hashes.
    levels: Vec<Vec<Digest>>,
}

/// A node was asked for that is not complete in this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingNode {
    /// Level of the node.
    pub level: u32,
    /// Its index in the level.
    pub index: u64,
}

impl<H: TreeHasher> MemoryLog<H> {
    /// An empty log.
    #[must_use]
    pub fn new(hasher: H) -> Self {
        Self {
            hasher,
            payloads: Vec::new(),
            levels: vec![Vec::new()],
        }
    }

    /// The hash rules of the log.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.hasher.profile()
    }

    /// Appends leaves, each linked to the one before it.
    pub fn append(&mut self, payloads: &[LeafPayload]) {
        let previous = self.last_leaf_hash();
        let start = self.payloads.len();
        self.payloads
            .extend(payloads.iter().map(LeafPayload::to_bytes));
        let new = self.payloads.get(start..).unwrap_or_default();
        let mut hashes = vec![[0; 32]; new.len()];
        self.hasher.chain_leaves(previous.0, new, &mut hashes);
        self.append_nodes(&hashes);
    }

    fn append_nodes(&mut self, leaf_hashes: &[Digest]) {
        let mut new = leaf_hashes.to_vec();
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else {
                return;
            };
            let paired = nodes.len() & !1;
            nodes.append(&mut new);
            let bodies = pairs(nodes.get(paired..).unwrap_or_default());
            if bodies.is_empty() {
                return;
            }
            new.resize(bodies.len(), [0; 32]);
            let parent = u32::try_from(level + 1).expect("levels end at 64");
            self.hasher.hash_nodes(level_tag(parent), bodies, &mut new);
        }
    }

    /// Leaves in the log.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.payloads.len() as u64
    }

    /// Hash of the last leaf, zero while there is none.
    #[must_use]
    pub fn last_leaf_hash(&self) -> B256 {
        let last = self.levels.first().and_then(|leaves| leaves.last());
        B256::new(last.copied().unwrap_or_default())
    }

    /// The hash of a leaf, if the log has it.
    #[must_use]
    pub fn leaf_hash(&self, tx_num: TxNum) -> Option<B256> {
        self.node(0, tx_num.0).ok().map(B256::new)
    }

    /// A leaf, if the log has it.
    #[must_use]
    pub fn leaf(&self, tx_num: TxNum) -> Option<Leaf> {
        let payload = self.payloads.get(usize::try_from(tx_num.0).ok()?)?;
        let previous = tx_num.0.checked_sub(1).map(TxNum);
        let previous = previous.map_or(Some(B256::ZERO), |tx_num| self.leaf_hash(tx_num))?;
        Some(LeafPayload::from_bytes(payload).after(previous))
    }

    /// The payloads of the leaves `from..to` as bytes, if the log has them.
    #[must_use]
    pub fn payloads(&self, from: TxNum, to: TxNum) -> Option<&[[u8; PAYLOAD_LEN]]> {
        self.payloads
            .get(usize::try_from(from.0).ok()?..usize::try_from(to.0).ok()?)
    }

    /// The head of the whole log.
    #[must_use]
    pub fn head(&self, chain_id: u64, scheme: Scheme, block_number: u64) -> Head {
        let leaf_count = self.leaf_count();
        let peak = |level, index| self.node(level, index);
        let frontier = Frontier::from_peaks(&self.hasher, leaf_count, peak);
        let root = frontier.expect("complete nodes are stored").root();
        Head {
            block_number,
            leaf_count,
            root,
            ..Head::empty(chain_id, self.profile(), scheme)
        }
    }

    /// A prover for the first `leaf_count` leaves.
    ///
    /// # Errors
    /// [`ShapeError::OutsideTree`] if the log has fewer.
    pub fn prover(&self, leaf_count: u64) -> Result<Prover<&Self>, ShapeError> {
        Prover::new(self, &self.hasher, leaf_count).map_err(|_| ShapeError::OutsideTree {
            tx_num: TxNum(leaf_count.saturating_sub(1)),
            leaf_count: self.leaf_count(),
        })
    }
}

impl<H> NodeSource for MemoryLog<H> {
    type Error = MissingNode;

    fn node(&self, level: u32, index: u64) -> Result<Digest, MissingNode> {
        let nodes = self.levels.get(level as usize);
        let node = nodes.and_then(|nodes| nodes.get(usize::try_from(index).ok()?));
        node.copied().ok_or(MissingNode { level, index })
    }
}

impl fmt::Display for MissingNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "node {} of level {} is not complete in this log",
            self.index, self.level
        )
    }
}

impl core::error::Error for MissingNode {}
