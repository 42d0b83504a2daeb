//! Waves: hashing a forest level by level, so that every lane has work.
//!
//! A stack hash depends on the hash below it, a memory node on its two children; one after the
//! other they would be serial. But what depends on what is known before anything is hashed, and
//! level by level: an item at height h hangs on one at height h - 1 only. So a batch first notes
//! all nodes of all steps, by level, and then hashes level after level, each as one batch of
//! independent nodes, whichever step, frame or transaction they belong to.

use alloc::vec::Vec;
use qmtree_proofs::{Digest, PAIR_LEN};

/// A node of one level: its place among those of this batch, or, with the top bit set, among
/// those carried over from batches before.
pub(super) type Id = u32;

/// Bit of carried nodes.
const CARRIED: u32 = 1 << 31;

/// No node of this batch: the owner has the digest.
pub(super) const NONE: Id = u32::MAX;

/// The digests of one level.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Of this batch.
    pub(super) digests: Vec<Digest>,
    carried: Vec<Digest>,
}

impl Level {
    pub(super) fn clear(&mut self) {
        self.digests.clear();
        self.carried.clear();
    }

    /// Notes a digest that is known already.
    pub(super) fn carry(&mut self, digest: Digest) -> Id {
        let place = super::raw::index(self.carried.len());
        self.carried.push(digest);
        place | CARRIED
    }

    /// The digest of a node.
    ///
    /// # Panics
    /// If the level has no such node; ids are made by this module's users and never outlive a
    /// batch.
    #[inline]
    pub(super) fn digest(&self, id: Id) -> &Digest {
        let digest = if id & CARRIED == 0 {
            self.digests.get(id as usize)
        } else {
            self.carried.get((id & !CARRIED) as usize)
        };
        digest.expect("ids name nodes of their level")
    }
}

/// Two digests side by side.
#[inline]
pub(super) fn pair(left: &Digest, right: &Digest) -> [u8; PAIR_LEN] {
    let mut pair = [0; PAIR_LEN];
    let (l, r) = pair.split_at_mut(32);
    l.copy_from_slice(left);
    r.copy_from_slice(right);
    pair
}
