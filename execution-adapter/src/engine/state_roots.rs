//! `state-root/1`: a leaf says what the root of the state log was before it.

use crate::leaf::{LeafParts, PreStateHash, RuleError};
use crate::state_log::{BatchContext, batch_of, lists_of};
use crate::transition::TransitionKind;
use alloy_consensus::Header;
use alloy_primitives::B256;
use qmtree::proofs::{Scheme, TxNum};
use qmtree::{StagedBlock, StateBatch};

/// Applies what each leaf wrote to a staged block, and tells the root before it.
#[derive(Debug)]
pub(super) struct StateRoots<'a> {
    block: StagedBlock<'a>,
    header: &'a Header,
    /// The log keeps lists of all there is.
    whole: bool,
    next: TxNum,
}

impl<'a> StateRoots<'a> {
    pub(super) fn new(block: StagedBlock<'a>, header: &'a Header, whole: bool) -> Self {
        Self {
            next: block.first_tx_num(),
            block,
            header,
            whole,
        }
    }

    pub(super) fn into_block(self) -> StagedBlock<'a> {
        self.block
    }
}

impl PreStateHash for StateRoots<'_> {
    fn scheme(&self) -> Scheme {
        Scheme::StateRoot1
    }

    fn pre_state_hash(&mut self, parts: &LeafParts) -> Result<B256, RuleError> {
        let root = self.block.state_root()?;
        let begins = parts.kind == TransitionKind::BlockBegin;
        let context = BatchContext {
            lists: lists_of(self.whole, parts.context.spec_id),
            header: begins.then_some(self.header),
        };
        let writes = batch_of(&self.block, &parts.access, context)?;
        let tx_num = self.next;
        self.next = TxNum(tx_num.0 + 1);
        if !writes.is_empty() {
            self.block.write(&StateBatch { tx_num, writes })?;
        }
        Ok(root)
    }
}
