//! Blocks of raw leaves: 96 bytes each, side by side (docs/FORMAT.md, section 5.3).

use super::Given;
use super::input::Input;
use crate::error::CliError;
use qmtree_proofs::{LeafPayload, PAYLOAD_LEN};
use std::io::Read as _;

/// Leaves of one block at most, which are in memory together: half a gigabyte.
pub(super) const MAX_LEAVES: u64 = 5_000_000;
const LEAF_LEN: u64 = PAYLOAD_LEN as u64;

/// Raw leaves, cut into blocks.
pub(super) struct Raw {
    pub(super) input: Input,
    /// Number of the next block.
    next: u64,
    /// Leaves of a block; all that there are if there is no such number.
    block_leaves: Option<u64>,
    bytes: Vec<u8>,
}

impl Raw {
    pub(super) fn new(input: Input, first: u64, block_leaves: Option<u64>) -> Self {
        Self {
            input,
            next: first,
            block_leaves,
            bytes: Vec::new(),
        }
    }

    /// The block that was read last.
    pub(super) fn place(&self) -> String {
        let start = self.input.bytes - self.bytes.len() as u64;
        format!("leaf {}", start / LEAF_LEN)
    }

    /// The next leaves, if there are any.
    pub(super) fn next(&mut self) -> Result<Option<Given>, CliError> {
        self.bytes.clear();
        // One byte more, to see whether all of a block without a size was read.
        let limit = match self.block_leaves {
            Some(leaves) => leaves * LEAF_LEN,
            None => MAX_LEAVES * LEAF_LEN + 1,
        };
        let mut limited = (&mut self.input.reader).take(limit);
        let read = limited.read_to_end(&mut self.bytes);
        let read = read.map_err(|source| self.input.failed(source))? as u64;
        self.input.bytes += read;
        if read == 0 {
            return Ok(None);
        }
        let (path, number) = (self.input.path.clone(), self.next);
        if read > MAX_LEAVES * LEAF_LEN {
            return Err(CliError::RawTooLong {
                path,
                leaves: MAX_LEAVES,
            });
        }
        let (leaves, rest) = self.bytes.as_chunks::<PAYLOAD_LEN>();
        if !rest.is_empty() {
            return Err(CliError::RawLength {
                path,
                len: self.input.bytes,
                block: number,
            });
        }
        self.next = number.saturating_add(1);
        Ok(Some(Given {
            number,
            leaves: leaves.iter().map(LeafPayload::from_bytes).collect(),
            ..Given::default()
        }))
    }
}
