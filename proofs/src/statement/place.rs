//! What can be compared before a block is executed.

use super::builder::StatementSetup;
use super::error::{StatementError, same_hash, same_mode, same_number};
use super::inputs::PublicInputs;
use crate::head::Head;
use alloy_primitives::B256;

/// A block by its place in its chain, which its header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Hash of its parent.
    pub parent_hash: B256,
}

impl BlockPlace {
    /// Checks that blocks come behind a head, each behind the one before it.
    ///
    /// Costs nothing beside an execution, and so comes before it.
    ///
    /// # Errors
    /// [`StatementError::Empty`] without blocks; [`StatementError::Number`] or
    /// [`Hash`](StatementError::Hash) for the first that is not the next one.
    pub fn check_all(head: &Head, blocks: &[Self]) -> Result<(), StatementError> {
        let (first, rest) = blocks.split_first().ok_or(StatementError::Empty)?;
        // A head without leaves can have the state that was given for the block after it.
        if head.leaf_count > 0 || head.entry_count > 0 {
            let next = head.block_number.wrapping_add(1);
            same_number("the number of a block", first.number, next)?;
        }
        for (block, before) in rest.iter().zip(blocks) {
            let next = before.number.wrapping_add(1);
            same_number("the number of a block", block.number, next)?;
            same_hash("the parent of a block", block.parent_hash, before.hash)?;
        }
        Ok(())
    }
}

impl PublicInputs {
    /// Checks that a range that is about to be executed can lead to these public inputs: that all is
    /// the same which is known before.
    ///
    /// # Errors
    /// The first thing that differs.
    pub fn check_plan(
        &self,
        setup: &StatementSetup,
        head_before: &Head,
        blocks: &[BlockPlace],
    ) -> Result<(), StatementError> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Err(StatementError::Empty);
        };
        let program = &setup.program;
        same_hash("the digest of the rules", setup.rules, self.rules)?;
        same_number(
            "the version of the program",
            program.version.into(),
            self.program.version.into(),
        )?;
        same_hash("the backend", program.backend, self.program.backend)?;
        same_hash("the program", program.id, self.program.id)?;
        same_number(
            "the kind of witness",
            setup.witness.id().into(),
            self.witness.id().into(),
        )?;
        same_mode(setup.mode, self.mode)?;
        let head = self.head_before.hash();
        same_hash("the head before", head_before.hash(), head)?;
        same_number("the first block", first.number, self.first_block)?;
        same_number("the last block", last.number, self.last_block)?;
        same_number(
            "the number of blocks",
            blocks.len() as u64,
            self.block_count(),
        )?;
        same_hash("the parent's hash", first.parent_hash, self.parent_hash)?;
        same_hash(
            "the hash of the last block",
            last.hash,
            self.last_block_hash,
        )
    }
}
