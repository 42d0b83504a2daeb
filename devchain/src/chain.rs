//! The chain from its first block to its last.

use crate::block::{EthBlock, execute, next_header};
use crate::error::DevChainError;
use crate::genesis::{genesis, genesis_header};
use crate::rules::{BLOCKS_PER_FORK, Fork};
use crate::state::{genesis_state, state_root};
use crate::tour::Tour;
use alloy_consensus::{Block, TxEnvelope};
use alloy_rlp::Encodable;

/// The files of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevChain {
    /// `genesis.json` in geth's form.
    pub genesis: String,
    /// `chain.rlp`: blocks 1 to 255, one after the other in their consensus encoding.
    pub chain: Vec<u8>,
}

/// Makes the chain. Takes less than a second; the same bytes every time.
///
/// # Errors
/// [`DevChainError`]: a mistake in this crate.
pub fn generate() -> Result<DevChain, DevChainError> {
    let genesis = genesis()?;
    let mut chain = Vec::new();
    for block in blocks()? {
        block.encode(&mut chain);
    }
    let mut genesis = serde_json::to_string_pretty(&genesis)?;
    genesis.push('\n');
    Ok(DevChain { genesis, chain })
}

/// Blocks 1 to 255.
fn blocks() -> Result<Vec<Block<TxEnvelope>>, DevChainError> {
    let genesis = genesis()?;
    let mut state = genesis_state(&genesis);
    let mut parent = genesis_header(&genesis, state_root(&state));
    let mut tour = Tour::new()?;
    let mut blocks: Vec<EthBlock> = Vec::new();
    let last = Fork::ALL.len() as u64 * BLOCKS_PER_FORK - 1;
    for _ in 1..=last {
        let parent_hash = parent.hash_slow();
        state.database.0.insert(parent.number, parent_hash);
        let header = next_header(&parent, parent_hash);
        let plan = tour.plan(&header, &parent)?;
        let block = execute(&mut state, header, plan)?;
        parent = block.header.clone();
        blocks.push(block);
    }
    Ok(blocks)
}
