//! The engine's state log as a source of values.

use crate::state_log::ReadStateLog;
use alloy_primitives::B256;
use qmtree::proofs::TxNum;
use qmtree::{Error, StagedBlock, View};

/// The state after a transaction number of the past.
#[derive(Clone, Debug)]
pub struct StateAt {
    view: View,
    tx_num: TxNum,
}

impl StateAt {
    /// The state after `tx_num`, whatever came later.
    #[must_use]
    pub const fn new(view: View, tx_num: TxNum) -> Self {
        Self { view, tx_num }
    }
}

impl ReadStateLog for StateAt {
    type Error = Error;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, Error> {
        self.view.get_at(key, self.tx_num)
    }
}

/// At the head of the view.
impl ReadStateLog for View {
    type Error = Error;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, Error> {
        self.get(key)
    }
}

/// After what was applied to the block so far.
impl ReadStateLog for StagedBlock<'_> {
    type Error = Error;

    fn value(&self, key: &B256) -> Result<Option<Vec<u8>>, Error> {
        self.get(key)
    }
}
