//! The edge of a log: what appending to it takes, shown to belong to its head.

use super::error::{StatementError, same_hash, same_number};
use crate::codec::Reader;
use crate::frontier::Frontier;
use crate::hash::{Profile, TreeHasher};
use crate::head::{Head, Scheme};
use crate::inclusion::InclusionProof;
use crate::level::ancestor;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The last leaf of a log and the peaks before it: enough to append, and proven by the root.
///
/// With n leaves, the left siblings on the way from leaf n - 1 to the root are the peaks of the
/// first n - 1 leaves. So the edge is what an inclusion proof of the last leaf is made of, and both
/// the leaf that the next one names and the frontier are as good as the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEdge {
    head: Head,
    last_leaf_hash: B256,
    /// Lowest level first.
    peaks: Vec<B256>,
}

impl LogEdge {
    /// The edge of an empty log.
    #[must_use]
    pub const fn empty(chain_id: u64, profile: Profile, scheme: Scheme) -> Self {
        Self {
            head: Head::empty(chain_id, profile, scheme),
            last_leaf_hash: B256::ZERO,
            peaks: Vec::new(),
        }
    }

    /// An edge from its parts. `peaks` are those of all leaves but the last, lowest level first.
    ///
    /// # Errors
    /// [`StatementError::Peaks`] if there are more or fewer than the leaf count dictates;
    /// [`StatementError::Inconsistent`] if an empty log has a last leaf.
    pub fn new(head: Head, last_leaf_hash: B256, peaks: Vec<B256>) -> Result<Self, StatementError> {
        let expected = peak_count(head.leaf_count);
        let found = peaks.len();
        if found != expected {
            return Err(StatementError::Peaks { found, expected });
        }
        if head.leaf_count == 0 && last_leaf_hash != B256::ZERO {
            let field = "the last leaf";
            return Err(StatementError::Inconsistent { field });
        }
        Ok(Self {
            head,
            last_leaf_hash,
            peaks,
        })
    }

    /// The edge that an inclusion proof of the last leaf under `head` shows.
    ///
    /// Nothing is verified; [`frontier`](Self::frontier) does that.
    ///
    /// # Errors
    /// [`StatementError::Number`] if the proof is about another leaf or a log of another length.
    pub fn from_proof(
        head: Head,
        last_leaf_hash: B256,
        proof: &InclusionProof,
    ) -> Result<Self, StatementError> {
        same_number(
            "the leaf count of a proof",
            proof.leaf_count(),
            head.leaf_count,
        )?;
        let last = head.leaf_count.saturating_sub(1);
        same_number("the leaf of a proof", proof.tx_num().0, last)?;
        let siblings = proof.siblings().iter().zip(0..);
        let peaks = siblings.filter(|(_, level)| ancestor(last, *level) & 1 == 1);
        Self::new(head, last_leaf_hash, peaks.map(|(peak, _)| *peak).collect())
    }

    /// The head of the log.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Hash of the last leaf, which the next one names; zero for an empty log.
    #[must_use]
    pub const fn last_leaf_hash(&self) -> B256 {
        self.last_leaf_hash
    }

    /// The frontier to append to, once its root is that of the head. Costs a hash per level.
    ///
    /// # Errors
    /// [`StatementError::Inconsistent`] if the hasher follows other rules than the head;
    /// [`StatementError::Hash`] if the edge is not that of a log with this head.
    pub fn frontier<H: TreeHasher>(&self, hasher: H) -> Result<Frontier<H>, StatementError> {
        if hasher.profile() != self.head.profile {
            let field = "the profile";
            return Err(StatementError::Inconsistent { field });
        }
        let Some(before) = self.head.leaf_count.checked_sub(1) else {
            return Ok(Frontier::new(hasher));
        };
        let mut peaks = self.peaks.iter();
        let missing = StatementError::Peaks {
            found: self.peaks.len(),
            expected: peak_count(self.head.leaf_count),
        };
        let mut frontier = Frontier::from_peaks(hasher, before, |_, _| {
            peaks.next().map(|peak| peak.0).ok_or(missing)
        })?;
        frontier.append(&[self.last_leaf_hash.0]);
        same_hash(
            "the root of the head before",
            frontier.root(),
            self.head.root,
        )?;
        Ok(frontier)
    }

    /// The head, the last leaf's hash, and the peaks: 130 bytes and 32 for each peak.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Head::ENCODED_LEN + 32 + 32 * self.peaks.len());
        bytes.extend_from_slice(&self.head.to_bytes());
        bytes.extend_from_slice(self.last_leaf_hash.as_slice());
        for peak in &self.peaks {
            bytes.extend_from_slice(peak.as_slice());
        }
        bytes
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) encodes, and nothing else.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`StatementError::Decode`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        let mut reader = Reader::new(bytes);
        let head = Head::from_bytes(reader.take(Head::ENCODED_LEN as u64)?)?;
        let last_leaf_hash = reader.digest()?;
        let peaks = reader.digests(peak_count(head.leaf_count) as u64)?;
        reader.finish()?;
        Self::new(head, last_leaf_hash, peaks)
    }
}

/// Peaks of all leaves but the last.
fn peak_count(leaf_count: u64) -> usize {
    leaf_count.saturating_sub(1).count_ones() as usize
}
