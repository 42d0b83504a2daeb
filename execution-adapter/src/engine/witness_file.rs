//! `eth-witness/1`: a block, and the execution witness that it is executed from.

use crate::block::{BlockError, EthBlock, decode_block};
use crate::chain::ChainSpec;
use crate::engine::error::FileError;
use crate::engine::prestate_file::{fork_name, from_json};
use crate::engine::read::{holds_nothing, read_json, senders};
use crate::engine::run::{BlockState, PreparedBlock};
use crate::leaf::RuleError;
use crate::limits::check_block;
use crate::verify::StateScope;
use crate::witness::{Claims, ExecutionWitness, WitnessDb, WitnessError};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use revm::database::BundleState;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const FORMAT: &str = "eth-witness/1";

/// A block, and the witness that it is executed from. The block comes without a state.
#[derive(Clone, Debug)]
pub struct WitnessedBlock {
    /// The block.
    pub prepared: PreparedBlock,
    /// What it reads.
    pub witness: ExecutionWitness,
    /// What its source claims without proof.
    pub claims: Claims,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WitnessFile {
    chain_id: u64,
    number: u64,
    hash: B256,
    fork: Option<String>,
    txs: Option<u64>,
    gas_used: Option<u64>,
    timestamp: Option<u64>,
    pre_state_root: Option<B256>,
    post_state_root: Option<B256>,
    #[serde(default)]
    block_hashes: BTreeMap<u64, B256>,
    block: Bytes,
    witness: ExecutionWitness,
}

impl WitnessedBlock {
    /// The state before the block, as the witness shows it. One hash per node, code and header.
    ///
    /// # Errors
    /// [`WitnessError`] of headers and claims.
    pub fn state(&self) -> Result<WitnessDb, WitnessError> {
        let header = &self.prepared.block.header;
        WitnessDb::new(header, &self.witness, self.claims.clone())
    }
}

/// Reads a block with its witness (`eth-witness/1`, docs/WITNESS.md), packed with zstd or not.
///
/// `chain` has the rules for its chain id, where that is none of the public ones.
///
/// # Errors
/// [`FileError`], naming the file and what is wrong with it.
pub fn read_witness_file(
    path: &Path,
    chain: Option<&Arc<ChainSpec>>,
) -> Result<WitnessedBlock, FileError> {
    let json = read_json(path)?;
    parse(path, &json, chain)
}

fn parse(
    path: &Path,
    json: &[u8],
    chain: Option<&Arc<ChainSpec>>,
) -> Result<WitnessedBlock, FileError> {
    #[derive(Deserialize)]
    struct AnyFormat {
        format: Option<String>,
    }
    if holds_nothing(json) {
        return Err(FileError::NoBlocks { path: path.into() });
    }
    let AnyFormat { format } = from_json(path, json)?;
    if format.as_deref() != Some(FORMAT) {
        return Err(FileError::NoWitness {
            path: path.into(),
            found: format,
        });
    }
    let file: WitnessFile = from_json(path, json)?;
    let bad = |source: BlockError| FileError::Block {
        path: path.into(),
        index: 0,
        source,
    };
    let block = decode_block(&file.block).map_err(bad)?;
    check_block(&block).map_err(|source| FileError::Limit {
        path: path.into(),
        source,
    })?;
    let no_rules = |source| FileError::Chain {
        path: path.into(),
        block: block.header.number,
        source,
    };
    let chain = match chain {
        Some(chain) if chain.chain_id() == file.chain_id => Arc::clone(chain),
        _ => Arc::new(ChainSpec::from_chain_id(file.chain_id).map_err(no_rules)?),
    };
    let spec = chain.spec_id(block.header.number, block.header.timestamp);
    check(path, &file, &block, fork_name(spec.map_err(no_rules)?))?;
    Ok(WitnessedBlock {
        prepared: PreparedBlock {
            senders: senders(path, 0, &block)?,
            hash: Some(file.hash),
            ommers_known: true,
            state: None,
            chain,
            block,
        },
        witness: file.witness,
        claims: Claims {
            pre_state_root: file.pre_state_root,
            block_hashes: file.block_hashes,
        },
    })
}

/// Fields that the block decides.
fn check(path: &Path, file: &WitnessFile, block: &EthBlock, fork: &str) -> Result<(), FileError> {
    let header = &block.header;
    let txs = block.body.transactions.len() as u64;
    let number = |number: u64| number.to_string();
    let root = |root: B256| root.to_string();
    let fields = [
        ("number", number(header.number), Some(number(file.number))),
        (
            "timestamp",
            number(header.timestamp),
            file.timestamp.map(number),
        ),
        (
            "gasUsed",
            number(header.gas_used),
            file.gas_used.map(number),
        ),
        ("txs", number(txs), file.txs.map(number)),
        ("fork", fork.to_owned(), file.fork.clone()),
        (
            "postStateRoot",
            root(header.state_root),
            file.post_state_root.map(root),
        ),
    ];
    for (field, expected, found) in fields {
        if let Some(found) = found.filter(|found| *found != expected) {
            return Err(FileError::Field {
                path: path.into(),
                block: header.number,
                field,
                expected,
                found,
            });
        }
    }
    Ok(())
}

impl BlockState for WitnessDb {
    fn scope(&self) -> StateScope {
        StateScope::Complete
    }

    fn keeps_changes(&self) -> bool {
        true
    }

    fn parent(&self, _: &Header) -> Result<Option<Header>, RuleError> {
        Ok(self.parent().cloned())
    }

    fn advance(&mut self, _: &EthBlock, changes: &BundleState) -> Result<Option<B256>, RuleError> {
        Ok(Some(self.post_state_root(changes)?))
    }
}
