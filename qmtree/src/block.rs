//! A block, as it is appended.

use crate::error::Error;
use crate::state_log::StateBatch;
use alloy_primitives::B256;
use qmtree_proofs::LeafPayload;

/// A block to append: leaves, and maybe the hashes of the transactions that made them.
///
/// ```
/// use alloy_primitives::B256;
/// use qmtree::Block;
/// use qmtree::proofs::LeafPayload;
///
/// // Begin, two transactions, end.
/// let leaves = [LeafPayload::default(); 4];
/// let tx_hashes = [B256::ZERO, B256::repeat_byte(1), B256::repeat_byte(2), B256::ZERO];
/// let block = Block::new(7, &leaves).with_tx_hashes(&tx_hashes);
/// assert_eq!(block.number, 7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block<'a> {
    /// The block's number.
    pub number: u64,
    /// Its leaves.
    pub leaves: &'a [LeafPayload],
    /// The hash of each leaf's transaction, zero for a leaf that no transaction made; or none at
    /// all. The log keeps the first eight bytes of each, and finds leaves by them.
    pub tx_hashes: &'a [B256],
    /// What its transactions write to the state, in their order.
    ///
    /// Where leaves commit to the state roots in between, use
    /// [`begin_block`](crate::Db::begin_block) instead, which tells them.
    pub batches: &'a [StateBatch],
}

impl<'a> Block<'a> {
    /// A block without transaction hashes, which costs nothing for them.
    #[must_use]
    pub fn new(number: u64, leaves: &'a [LeafPayload]) -> Self {
        Self {
            number,
            leaves,
            tx_hashes: &[],
            batches: &[],
        }
    }

    /// Sets [`tx_hashes`](Self::tx_hashes).
    #[must_use]
    pub fn with_tx_hashes(self, tx_hashes: &'a [B256]) -> Self {
        Self { tx_hashes, ..self }
    }

    /// Sets [`batches`](Self::batches).
    #[must_use]
    pub fn with_batches(self, batches: &'a [StateBatch]) -> Self {
        Self { batches, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let (leaves, tx_hashes) = (self.leaves.len(), self.tx_hashes.len());
        if tx_hashes == 0 || tx_hashes == leaves {
            return Ok(());
        }
        Err(Error::TxHashes {
            block_number: self.number,
            leaves,
            tx_hashes,
        })
    }
}
