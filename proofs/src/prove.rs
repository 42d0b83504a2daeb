//! Making proofs: one prover for every store that can look up complete nodes.

use crate::consistency::ConsistencyProof;
use crate::error::{ProveError, ShapeError};
use crate::frontier::{Frontier, PartialNodes};
use crate::hash::{Digest, Profile, TreeHasher};
use crate::inclusion::{InclusionProof, path_len};
use crate::level::TxNum;
use crate::multi::{MultiProof, check_positions};
use crate::range::RangeProof;
use crate::siblings::{visit_consistency, visit_multi, visit_range};
use alloc::vec::Vec;
use alloy_primitives::B256;

/// Where a prover finds the nodes of a log.
pub trait NodeSource {
    /// Why a node could not be read.
    type Error;

    /// The digest of a *complete* node: all the leaves it covers exist. Such nodes never change,
    /// so one source serves proofs at every past and present head.
    ///
    /// # Errors
    /// Whatever keeps the source from reading it.
    fn node(&self, level: u32, index: u64) -> Result<Digest, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, level: u32, index: u64) -> Result<Digest, Self::Error> {
        (**self).node(level, index)
    }
}

/// Makes proofs at one leaf count of a log, the newest or any older one.
#[derive(Clone, Debug)]
pub struct Prover<S> {
    source: S,
    profile: Profile,
    partial: PartialNodes,
}

impl<S: NodeSource> Prover<S> {
    /// A prover for the first `leaf_count` leaves of `source`.
    ///
    /// Reads the peaks and hashes the nodes above them: at most 64 reads and 64 hashes.
    ///
    /// # Errors
    /// The first error of the source.
    pub fn new(source: S, hasher: &impl TreeHasher, leaf_count: u64) -> Result<Self, S::Error> {
        let peak = |level, index| source.node(level, index);
        let partial = Frontier::from_peaks(hasher, leaf_count, peak)?.partial_nodes();
        Ok(Self {
            source,
            profile: hasher.profile(),
            partial,
        })
    }

    /// Leaves in the tree that the proofs are about.
    #[must_use]
    pub fn leaf_count(&self) -> u64 {
        self.partial.leaf_count()
    }

    /// Root of that tree.
    #[must_use]
    pub fn root(&self) -> B256 {
        B256::new(self.partial.root())
    }

    /// Proves the position of one leaf. Reads at most one node per level.
    ///
    /// # Errors
    /// [`ProveError::Shape`] if the tree has no such leaf, [`ProveError::Source`] if a node cannot
    /// be read.
    pub fn inclusion(&self, tx_num: TxNum) -> Result<InclusionProof, ProveError<S::Error>> {
        let levels = path_len(tx_num, self.leaf_count())?;
        let mut index = tx_num.0;
        let mut siblings = Vec::new();
        for level in (0..).take_while(|level| u64::from(*level) < levels) {
            siblings.push(self.node(level, index ^ 1).map_err(ProveError::Source)?);
            index >>= 1;
        }
        Ok(InclusionProof::new(
            self.profile,
            tx_num,
            self.leaf_count(),
            siblings,
        )?)
    }

    /// Proves the leaves `from..to`. Reads at most two nodes per level.
    ///
    /// # Errors
    /// As [`inclusion`](Self::inclusion); also if the range is empty.
    pub fn range(&self, from: TxNum, to: TxNum) -> Result<RangeProof, ProveError<S::Error>> {
        if from >= to {
            return Err(ShapeError::Empty.into());
        }
        path_len(TxNum(to.0 - 1), self.leaf_count())?;
        let siblings = self.collect(|visit| visit_range(from.0, to.0, self.leaf_count(), visit))?;
        Ok(RangeProof::new(
            self.profile,
            from,
            to,
            self.leaf_count(),
            siblings,
        )?)
    }

    /// Proves any set of leaves, given in ascending order. Reads at most one node per leaf and
    /// level.
    ///
    /// # Errors
    /// As [`inclusion`](Self::inclusion); also if the set is empty or not strictly ascending.
    pub fn multi(&self, tx_nums: &[TxNum]) -> Result<MultiProof, ProveError<S::Error>> {
        check_positions(tx_nums, self.leaf_count())?;
        let siblings = self.collect(|visit| visit_multi(tx_nums, self.leaf_count(), visit))?;
        Ok(MultiProof::new(
            self.profile,
            self.leaf_count(),
            tx_nums.to_vec(),
            siblings,
        )?)
    }

    /// Proves that the log's first `old_leaf_count` leaves are a prefix of it. Reads at most one
    /// node per level.
    ///
    /// # Errors
    /// [`ProveError::Shape`] unless `0 < old_leaf_count < leaf_count`, [`ProveError::Source`] if a
    /// node cannot be read.
    pub fn consistency(
        &self,
        old_leaf_count: u64,
    ) -> Result<ConsistencyProof, ProveError<S::Error>> {
        let leaf_count = self.leaf_count();
        if old_leaf_count == 0 || old_leaf_count >= leaf_count {
            return Err(ShapeError::NotOlder {
                old_leaf_count,
                leaf_count,
            }
            .into());
        }
        let nodes = self.collect(|visit| visit_consistency(old_leaf_count, leaf_count, visit))?;
        Ok(ConsistencyProof::new(
            self.profile,
            old_leaf_count,
            leaf_count,
            nodes,
        )?)
    }

    fn node(&self, level: u32, index: u64) -> Result<B256, S::Error> {
        self.partial
            .node(level, index, |level, index| self.source.node(level, index))
            .map(B256::new)
    }

    /// The nodes that a walk visits.
    fn collect(
        &self,
        walk: impl FnOnce(&mut dyn FnMut(u32, u64) -> Result<(), S::Error>) -> Result<(), S::Error>,
    ) -> Result<Vec<B256>, ProveError<S::Error>> {
        let mut nodes = Vec::new();
        walk(&mut |level, index| {
            nodes.push(self.node(level, index)?);
            Ok(())
        })
        .map_err(ProveError::Source)?;
        Ok(nodes)
    }
}
