//! A block and its witness from a node, and whether they belong together.

use super::error::FetchError;
use super::rpc::Client;
use alloy_primitives::{B256, Bytes, U64};
use qmtree_execution_adapter::{
    Claims, EthBlock, ExecutionWitness, WitnessDb, check_body, decode_block,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A block, with the witness to execute it from.
#[derive(Debug)]
pub(super) struct FetchedBlock {
    pub(super) hash: B256,
    pub(super) block: EthBlock,
    /// The block, encoded.
    pub(super) raw: Bytes,
    pub(super) witness: ExecutionWitness,
}

/// The chain of a node, followed block by block.
#[derive(Debug)]
pub(super) struct Source<'a> {
    client: &'a Client,
    pub(super) chain_id: u64,
    /// Headers that a witness must have.
    ancestors: u16,
    /// Hash of the block before the next.
    previous: Option<B256>,
}

impl<'a> Source<'a> {
    /// Asks for the chain id.
    pub(super) fn new(client: &'a Client, ancestors: u16) -> Result<Self, FetchError> {
        let chain_id: Option<U64> = client.call("eth_chainId", &json!([]))?;
        let chain_id = chain_id.ok_or(FetchError::Missing {
            number: 0,
            method: "eth_chainId",
        })?;
        Ok(Self {
            client,
            chain_id: chain_id.to(),
            ancestors,
            previous: None,
        })
    }

    /// The hash that the node gives the block of this number.
    pub(super) fn announced(&self, number: u64) -> Result<B256, FetchError> {
        #[derive(Deserialize)]
        struct Announced {
            hash: B256,
        }
        let params = json!([hex(number), false]);
        let block: Announced = self.ask("eth_getBlockByNumber", number, &params)?;
        Ok(block.hash)
    }

    /// The block of this number and hash, with its witness.
    ///
    /// Between two questions a node can change its mind, so what does not fit is asked anew.
    pub(super) fn fetch(&self, number: u64, hash: B256) -> Result<FetchedBlock, FetchError> {
        let mut tried = 0;
        loop {
            let raw: Bytes = self.ask("debug_getRawBlock", number, &json!([hex(number)]))?;
            let block =
                decode_block(&raw).map_err(|source| FetchError::Block { number, source })?;
            let found = block.header.hash_slow();
            if found == hash && block.header.number == number {
                check_body(&block, true).map_err(|source| FetchError::Body { number, source })?;
                return self.with_witness(hash, block, raw);
            }
            tried += 1;
            if tried == self.client.tries() {
                return Err(FetchError::WrongBlock {
                    number,
                    expected: hash,
                    found,
                    tries: tried,
                });
            }
            self.client.pause(tried);
        }
    }

    fn with_witness(
        &self,
        hash: B256,
        block: EthBlock,
        raw: Bytes,
    ) -> Result<FetchedBlock, FetchError> {
        let number = block.header.number;
        let mut witness: ExecutionWitness =
            self.ask("debug_executionWitness", number, &json!([hex(number)]))?;
        // reth before spring 2025 sends none, and Erigon leaves them out where it has none.
        if witness.headers.len() < usize::from(self.ancestors) {
            witness.headers = self.headers_before(number)?;
        }
        WitnessDb::new(&block.header, &witness, Claims::default())
            .map_err(|source| FetchError::Witness { number, source })?;
        Ok(FetchedBlock {
            hash,
            block,
            raw,
            witness,
        })
    }

    /// Headers of the blocks before this one, as many as there must be and are.
    fn headers_before(&self, number: u64) -> Result<Vec<Bytes>, FetchError> {
        let first = number.saturating_sub(self.ancestors.into());
        let header = |number| self.ask("debug_getRawHeader", number, &json!([hex(number)]));
        (first..number).rev().map(header).collect()
    }

    /// Takes a block as the next one, which must follow the last.
    pub(super) fn follow(&mut self, block: &FetchedBlock) -> Result<(), FetchError> {
        let parent = block.block.header.parent_hash;
        match self.previous {
            Some(previous) if previous != parent => Err(FetchError::Reorganised {
                number: block.block.header.number,
                parent,
                previous,
            }),
            _ => {
                self.previous = Some(block.hash);
                Ok(())
            }
        }
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        number: u64,
        params: &Value,
    ) -> Result<T, FetchError> {
        let answer = self.client.call(method, params)?;
        answer.ok_or(FetchError::Missing { number, method })
    }
}

/// A number as JSON-RPC has it.
fn hex(number: u64) -> String {
    format!("{number:#x}")
}
